"""What came of tuning: what was tuned on, choices, scores and curves."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rts_track.model.manifest import Threshold
from rts_track.steps.tuning_words import (
    SHOWN_DIGITS,
    report_json,
    report_lines,
    report_picture,
    score_name,
    tally_json,
)
from rts_track.track.tally import Tally

if TYPE_CHECKING:
    from rts_track.model.manifest import Bundle
    from rts_track.model.pr_curve import PrCurve
    from rts_track.model.reliability import JointHistogram
    from rts_track.report.tuning import TuningPicture
    from rts_track.source.scene import SceneFault
    from rts_track.steps.tuning_choice import Choice
    from rts_track.steps.tuning_fits import Calibrated, Weighted
    from rts_track.steps.tuning_request import TuneRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """What was tuned on: for such scenes the choices hold.

    Attributes:
        sensors: of the scenes.
        gsd_m: finest and coarsest pixel, in metres.
        bounds: west, south, east and north of the scenes, WGS 84; west exceeds east where they
            lie about the antimeridian.
        regions: that scenes lie in, where regions were given.
        seasons: their years.
        observed: first and last day of acquisition.
        n_scenes: scenes that were used.
        n_places: places that they are of.
        clear_km2: what was clear in them, in all.
        n_slumps: labelled slumps in it, as often as scenes show them.
    """

    sensors: tuple[str, ...]
    gsd_m: tuple[float, float]
    bounds: tuple[float, float, float, float]
    regions: tuple[str, ...]
    seasons: tuple[int, ...]
    observed: tuple[dt.date, dt.date]
    n_scenes: int
    n_places: int
    clear_km2: float
    n_slumps: int

    def json(self) -> dict[str, Any]:
        """The domain as plain values."""
        told: dict[str, Any] = {
            "sensors": list(self.sensors),
            "gsd_m": list(self.gsd_m),
            "bounds": [round(each, SHOWN_DIGITS) for each in self.bounds],
            "seasons": list(self.seasons),
            "observed": [day.isoformat() for day in self.observed],
            "n_scenes": self.n_scenes,
            "n_places": self.n_places,
            "clear_km2": round(self.clear_km2, 2),
            "n_slumps": self.n_slumps,
        }
        return told | ({"regions": list(self.regions)} if self.regions else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """How a way to make footprints does on scenes.

    `objects`: by each criterion of `track.score_objects`. `pixels`: clear pixels at or above the
    threshold; least area and largest spread leave no pixel out.
    """

    objects: Mapping[str, Tally]
    pixels: Tally

    @property
    def area_ratio(self) -> float | None:
        """Found over labelled pixels; None without any labelled."""
        return self.pixels.n_found / self.pixels.n_true if self.pixels.n_true else None

    def json(self) -> dict[str, Any]:
        """Counts and shares as plain values."""
        told = {name.lower(): tally_json(tally) for name, tally in self.objects.items()}
        return {"objects": told, "pixels": tally_json(self.pixels)}


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupChoice:
    """The threshold of a sensor or region, or why it has none of its own.

    Attributes:
        sensor: the sensor, or None.
        region: the region, or None.
        n_slumps: labelled slumps in its scenes.
        threshold: its own; None where slumps are too few.
        f1: with it, on the scenes of the group; None without.
        f1_default: with the threshold of all, on the same scenes.
    """

    sensor: str | None
    region: str | None
    n_slumps: int
    threshold: float | None
    f1: float | None
    f1_default: float | None

    @property
    def name(self) -> str:
        """The sensor or region."""
        return self.sensor or self.region or "no region"


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneReport:
    """What came of tuning.

    Attributes:
        bundles: the tuned bundles, by name.
        folders: where they were written; empty where they were not.
        request: what was asked.
        domain: what was tuned on.
        choice: threshold, least area and largest spread.
        groups: sensors or regions, where thresholds were asked for each.
        at_half: the mean as it was, at 0.5, with the bundles' least area; None where that is noise.
        given: the bundles as they were given, calibrated and cut as they said; likewise, and None
            where the mean that was tuned is another.
        chosen: the choice, on the scenes it was made on.
        left_out: the score's tally of the choice made without each place, on that place; None
            where slumps are in one place alone.
        are_scenes_places: whether all scenes are of one place, so that each stands for one.
        calibrated: calibration, before and after.
        weighted: weights, where they were asked for.
        pixels: precision and recall of pixels along the threshold of the calibrated mean.
        objects: likewise of objects, with least area and largest spread as chosen.
        faults: scenes that could not be used.
    """

    bundles: tuple[Bundle, ...]
    folders: tuple[Path, ...]
    request: TuneRequest
    domain: Domain
    choice: Choice
    groups: tuple[GroupChoice, ...]
    at_half: Scored | None
    given: Scored | None
    chosen: Scored
    left_out: Tally | None
    are_scenes_places: bool
    calibrated: Calibrated
    weighted: Weighted | None
    pixels: PrCurve
    objects: PrCurve
    faults: tuple[SceneFault, ...]

    @property
    def thresholds(self) -> tuple[Threshold, ...]:
        """Of the sensors or regions that have their own."""
        return tuple(
            Threshold(sensor=group.sensor, region=group.region, threshold=group.threshold)
            for group in self.groups
            if group.threshold is not None
        )

    @property
    def score_name(self) -> str:
        """What was made best."""
        return score_name(self.request)

    def lines(self) -> Iterator[str]:
        """What came of it, in words; faults are told by `faults`."""
        return report_lines(self)

    def json(self, tuned_on: dt.date | None = None) -> dict[str, Any]:
        """All of it as plain values; `tuned_on` is the day, if it is to be told."""
        return report_json(self, tuned_on)

    def pictured(self) -> TuningPicture:
        """What a picture of it shows."""
        return report_picture(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """How an ensemble does on scenes that it need not have been tuned on.

    Attributes:
        domain: the scenes.
        at_half: the mean without a curve, at 0.5; None where that is noise.
        chosen: the ensemble as its bundles say: curve, thresholds, least area, largest spread.
        before: clear pixels by the mean without a curve, and label.
        after: by the calibrated mean.
        errors_before: expected calibration errors, as `model.reliability.calibration_errors` has
            them.
        errors_after: those after.
        faults: scenes that could not be used.
    """

    domain: Domain
    at_half: Scored | None
    chosen: Scored | None
    before: JointHistogram
    after: JointHistogram
    errors_before: Mapping[str, float]
    errors_after: Mapping[str, float]
    faults: tuple[SceneFault, ...]
