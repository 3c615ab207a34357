"""How an ensemble is trained: its parameters, with their defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rts_track.domain import Kind
from rts_track.errors import UsageError
from rts_track.model.augment import Augmentation
from rts_track.model.manifest import NAME, Architecture

if TYPE_CHECKING:
    from rts_track.model.objective import Loss

STANDARD = Architecture(name="UnetPlusPlus", arguments={"encoder_name": "resnet18"})
"""A network for a graphics card."""

SMALL = Architecture(
    name="UnetPlusPlus",
    arguments={
        "encoder_name": "timm-mobilenetv3_small_minimal_100",
        "encoder_depth": 4,
        "decoder_channels": [48, 24, 16, 8],
    },
)
"""A network of half a million weights (1.1 MB) that learns from nothing within minutes on a
processor, and predicts 2 Mpx/s on one core."""

NETWORKS = {"standard": STANDARD, "small": SMALL}
"""Networks by the names under which they are asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainParams:
    """How an ensemble is trained.

    Attributes:
        name: of the ensemble; its bundles are called so, with a number.
        kind: what the labels outline.
        licence: under which the bundles may be used.
        citation: how they are cited, if they are.
        architecture: of every member.
        members: how many there are; each has its own seed and holds out its own fold.
        seed: of the first member; the others count on.
        n_folds: parts into which the regions are divided; a member is judged on one of them.
        loss: `focal`, `dice` or `focal+dice`, on logits.
        focal_gamma: focus of the focal loss on what is not yet right.
        focal_alpha: weight of slumps in the focal loss; None: no weights.
        augmentation: how windows are changed by chance.
        batch: windows a step.
        max_epochs: most passes over the windows.
        patience: passes without a better validation IoU before it ends.
        learning_rate: the largest; it rises over a fifth of the steps, and falls to nothing.
        weight_decay: of AdamW.
        fill: normalised value of what is not known.
        min_area_m2: smallest slump that is meant; None: ten pixels of the coarsest scene.
        delineation_sigma_m: how far outlines may lie off, 1 sigma; None: half such a pixel.
        device: such as cpu or cuda; None: what there is.
    """

    name: str = "rts"
    kind: Kind = "landform"
    licence: str = "unstated"
    citation: str | None = None
    architecture: Architecture = STANDARD
    members: int = 3
    seed: int = 0
    n_folds: int = 5
    loss: Loss = "focal+dice"
    focal_gamma: float = 2.0
    focal_alpha: float | None = None
    augmentation: Augmentation = field(default_factory=Augmentation)
    batch: int = 8
    max_epochs: int = 60
    patience: int = 12
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    fill: float = 0.0
    min_area_m2: float | None = None
    delineation_sigma_m: float | None = None
    device: str | None = None

    def check(self) -> None:
        """UsageError for what cannot be."""
        if NAME.fullmatch(self.name) is None:
            raise UsageError(f"name {self.name!r}: letters, digits, dots, dashes and underscores")
        if min(self.members, self.batch, self.max_epochs, self.patience) < 1 or self.n_folds < 2:
            raise UsageError("members, batch, epochs and patience are 1 or more, folds 2 or more")
        if not self.learning_rate > 0:
            raise UsageError(f"learning rate {self.learning_rate:g}: more than 0")

    def member_name(self, member: int) -> str:
        """The name of a member's bundle; they count from 0, names from 1."""
        return f"{self.name}-{member + 1}"
