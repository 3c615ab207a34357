"""How an ensemble is trained: its parameters, with their defaults."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from rts_track.domain import Kind, canonical_json
from rts_track.errors import UsageError
from rts_track.model.augment import Augmentation
from rts_track.model.manifest import NAME, Architecture, Bundle

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

LEARNING_RATE = 2e-3
"""Of weights by chance."""

FINE_TUNING_RATE = 2e-4
"""Of weights that know something: a tenth, lest they forget it in the first steps."""

Statistics = Literal["learned", "kept"]
"""What becomes of the running means and variances of batch normalisation."""

STATISTICS: tuple[Statistics, ...] = ("learned", "kept")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainParams:
    """How an ensemble is trained.

    Attributes:
        name: of the ensemble; its bundles are called so, with a number.
        kind: what the labels outline.
        licence: under which the bundles may be used.
        citation: how they are cited, if they are.
        architecture: of every member; None: that of `start`, or `STANDARD` where there is none.
        start: bundles whose weights the members start from, member k from bundle k, counted
            around; empty: weights by chance. Layers, their ranges and fill are then the bundle's.
            Of an ensemble, all must read the same layers with the same architecture.
        statistics: what batch normalisation keeps of what it saw: `learned` goes on to follow the
            new windows, so that another light or sensor is soon the usual one; `kept` leaves it
            as `start` has it, for windows too few or too alike to tell.
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
            None: `LEARNING_RATE`, or `FINE_TUNING_RATE` with a `start`.
        weight_decay: of AdamW.
        fill: normalised value of what is not known; with a `start`, its own counts.
        min_area_m2: smallest slump that is meant; None: ten pixels of the coarsest scene.
        delineation_sigma_m: how far outlines may lie off, 1 sigma; None: half such a pixel.
        device: such as cpu or cuda; None: what there is.
    """

    name: str = "rts"
    kind: Kind = "landform"
    licence: str = "unstated"
    citation: str | None = None
    architecture: Architecture | None = None
    start: tuple[Bundle, ...] = ()
    statistics: Statistics = "learned"
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
    learning_rate: float | None = None
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
        if not self.largest_rate > 0:
            raise UsageError(f"learning rate {self.largest_rate:g}: more than 0")
        if self.statistics == "kept" and not self.start:
            raise UsageError("statistics are kept of a start: name the bundles to start from")
        for bundle in self.start:
            self._check_start(bundle)

    @property
    def network(self) -> Architecture:
        """The architecture of every member."""
        return self.architecture or (self.start[0].architecture if self.start else STANDARD)

    @property
    def largest_rate(self) -> float:
        """The largest learning rate."""
        if self.learning_rate is not None:
            return self.learning_rate
        return FINE_TUNING_RATE if self.start else LEARNING_RATE

    def start_of(self, member: int) -> Bundle | None:
        """The bundle that a member starts from; None: it starts by chance."""
        return self.start[member % len(self.start)] if self.start else None

    def member_name(self, member: int) -> str:
        """The name of a member's bundle; they count from 0, names from 1."""
        return f"{self.name}-{member + 1}"

    def to_json(self) -> dict[str, Any]:
        """All that decides what comes of training, as plain values; of `start` the digests."""
        plain = replace(self, architecture=self.network, learning_rate=self.largest_rate, start=())
        told: dict[str, Any] = json.loads(canonical_json(asdict(plain)))
        del told["start"], told["statistics"]
        if self.start:
            told["start"] = [bundle.sha256 for bundle in self.start]
            told["statistics"] = self.statistics
        return told

    def _check_start(self, bundle: Bundle) -> None:
        """UsageError where the bundle has another network or other layers than the rest."""
        if _shown(bundle.architecture) != _shown(self.network):
            raise UsageError(
                f"start {bundle.name} is a {_shown(bundle.architecture)}, not a"
                f" {_shown(self.network)}: weights of one network are none of another's"
            )
        if bundle.layers != self.start[0].layers:
            raise UsageError(
                f"start {bundle.name} reads {', '.join(bundle.layers)}, {self.start[0].name}"
                f" reads {', '.join(self.start[0].layers)}: start from one of them at a time"
            )


def _shown(architecture: Architecture) -> str:
    plain = json.loads(canonical_json(dict(architecture.arguments)))  # tuples are lists there
    arguments = ", ".join(f"{name}={value}" for name, value in plain.items())
    return f"{architecture.name}({arguments})"
