"""What an ingest did, and how that is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rts_track.source.scene import SceneFault

Outcome = Literal["added", "updated", "unchanged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """What became of one scene.

    Attributes:
        scene_id: its id.
        outcome: whether its row is new, changed, or was there just so.
        has_mask: whether a mask says what of it is clear.
        is_offset_assumed: whether it is of a sensor whose numbers may have an offset, and none
            was told.
        scale: what makes reflectance of its first band's stored values; offset: likewise.
        clear_frac: clear share of its valid pixels; None where it was not read again.
        n_superseded: searches of its former content that no longer count.
    """

    scene_id: str
    outcome: Outcome
    has_mask: bool
    is_offset_assumed: bool
    scale: float
    offset: float
    clear_frac: float | None = None
    n_superseded: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReport:
    """What an ingest did.

    Attributes:
        registered: scenes that are in the store.
        faults: products that could not be taken in.
        n_fetched: scenes of the web of which something had to come; n_bytes: how much.
    """

    registered: tuple[Registered, ...]
    faults: tuple[SceneFault, ...]
    n_fetched: int = 0
    n_bytes: int = 0

    def count(self, outcome: str) -> int:
        """How many scenes have that outcome."""
        return sum(each.outcome == outcome for each in self.registered)

    def lines(self) -> Iterator[str]:
        """What came of it; faults are told by `faults`."""
        yield (
            f"{self.count('added'):,} scenes added, {self.count('updated'):,} updated,"
            f" {self.count('unchanged'):,} already there"
        )
        if self.n_fetched:
            yield f"{self.n_fetched:,} scenes fetched, {self.n_bytes / 1e6:,.1f} MB"
        n_superseded = sum(each.n_superseded for each in self.registered)
        if n_superseded:
            yield f"{n_superseded:,} former searches of these no longer count: detect again"
        unmasked = [each.scene_id for each in self.registered if not each.has_mask]
        if unmasked:
            yield f"no mask, all valid pixels count as clear: {_listed(unmasked)}"
        assumed = [each.scene_id for each in self.registered if each.is_offset_assumed]
        if assumed:
            yield (
                "Sentinel-2 since 2022, taken for harmonised; --offset -0.1 if it is not, --offset"
                f" 0 if it is: {_listed(assumed)}"
            )
        clouded = [each.scene_id for each in self.registered if each.clear_frac == 0.0]
        if clouded:
            yield f"nothing clear: {_listed(clouded)}"
        for (scale, offset), ids in self._readings().items():
            constant = f" {offset:+g}" if offset else ""
            yield f"reflectance = {scale:g} x stored{constant}: {_listed(ids)}"

    def _readings(self) -> dict[tuple[float, float], list[str]]:
        """Scenes by how their stored values become reflectance."""
        readings: dict[tuple[float, float], list[str]] = {}
        for each in self.registered:
            readings.setdefault((each.scale, each.offset), []).append(each.scene_id)
        return readings


def _listed(ids: Sequence[str], shown: int = 3) -> str:
    more = f" and {len(ids) - shown:,} more" if len(ids) > shown else ""
    return ", ".join(ids[:shown]) + more
