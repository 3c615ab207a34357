"""What a detection did: scenes searched and failed, and how fast it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """What the search of one scene came to.

    `raster` is the file of its probabilities, if one is kept.
    """

    scene_id: str
    n_footprints: int
    n_clipped: int
    looked_area_m2: float
    raster: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A scene that could not be searched, and why, in one line."""

    scene_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What a device has computed: the pixels of so many scenes, in so many busy seconds."""

    n_scenes: int = 0
    n_px: int = 0
    seconds: float = 0.0

    @property
    def mpx_s(self) -> float:
        """Millions of pixels a second; 0 of none."""
        return self.n_px / 1e6 / self.seconds if self.n_px else 0.0

    def plus(self, n_px: int, seconds: float) -> Pace:
        """With one scene more."""
        return Pace(
            n_scenes=self.n_scenes + 1, n_px=self.n_px + n_px, seconds=self.seconds + seconds
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectReport:
    """What a detection did.

    Attributes:
        searched: scenes that were searched, in the order of seasons and ids.
        failures: scenes that could not be, likewise; the store says so, too.
        n_done: scenes that had been searched just so.
        n_failed_before: scenes whose search had failed just so, and that were left alone.
        n_unfit: scenes of sensors or pixel sizes that the model is not for.
        seconds: busy seconds of the stages, `read`, `compute` and `write`, over all scenes; they
            overlap, and of several devices those of each are in the sum.
        wall_s: seconds from the first scene to the last, with the loading of the networks.
        paces: what each device computed, by its name.
    """

    searched: tuple[Searched, ...]
    failures: tuple[Failure, ...]
    n_done: int = 0
    n_failed_before: int = 0
    n_unfit: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict, compare=False)
    wall_s: float = field(default=0.0, compare=False)
    paces: Mapping[str, Pace] = field(default_factory=dict, compare=False)

    def lines(self) -> Iterator[str]:
        """What came of it; failures are told by `failures`."""
        n_footprints = sum(each.n_footprints for each in self.searched)
        n_clipped = sum(each.n_clipped for each in self.searched)
        area_km2 = sum(each.looked_area_m2 for each in self.searched) / 1e6
        yield (
            f"{len(self.searched):,} scenes searched, {area_km2:,.1f} km2 in all:"
            f" {n_footprints:,} footprints, {n_clipped:,} of them clipped"
            if self.searched
            else "no scene searched"
        )
        clouded = [each.scene_id for each in self.searched if each.looked_area_m2 == 0.0]
        if clouded:
            yield f"nothing clear, so nothing looked at: {', '.join(clouded)}"
        if self.n_done:
            yield f"{self.n_done:,} scenes had been searched just so"
        if self.n_failed_before:
            yield (
                f"{self.n_failed_before:,} scenes failed before and were left alone:"
                " --retry-failed searches them again"
            )
        if self.n_unfit:
            yield f"{self.n_unfit:,} scenes are of sensors or pixel sizes the model is not for"

    def pace_line(self) -> str:
        """Which devices searched and at what rate, and what the stages took; for the log."""
        by_device = ", ".join(
            f"{name} {pace.n_scenes:,} scenes at {pace.mpx_s:.2f} Mpx/s"
            for name, pace in self.paces.items()
        )
        stages = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.seconds.items())
        return f"{by_device or 'no scene computed'}; {self.wall_s:.1f} s in all, busy: {stages}"
