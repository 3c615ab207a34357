"""What `tune` is asked: what to tune, on which score, and for which groups of scenes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import shapely

from rts_track.errors import InputError, UsageError
from rts_track.model.curve import METHODS, Method
from rts_track.model.manifest import NAME, TTA, Tta
from rts_track.source.auxiliary import Auxiliary
from rts_track.source.looks import read_areas
from rts_track.source.vector import open_vector
from rts_track.track.score_objects import CRITERIA

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

Score = Literal["objects", "pixels"]
Per = Literal["sensor", "region"]

MIN_SLUMPS = 20
"""A sensor or region with fewer labelled slumps gets no threshold of its own: the standard error
of a share of 20 is a tenth, as much as thresholds commonly differ by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Regions:
    """Regions that may have a threshold of their own.

    `names` are `<region_set>/<region_code>`, of the EPSG:6931 `polygons` in their order.
    """

    names: tuple[str, ...]
    polygons: NDArray[np.object_]

    def of(self, area: shapely.Geometry) -> str | None:
        """The region that holds a point on the surface of the EPSG:6931 area; of several the first.

        None where there is none.
        """
        point = shapely.point_on_surface(area)
        holding = np.flatnonzero(shapely.intersects(self.polygons, point))
        return self.names[int(holding[0])] if len(holding) else None


def regions_in(path: Path, code_field: str, region_set: str | None = None) -> Regions:
    """The regions of a file, in the order of their codes.

    Args:
        path: polygons.
        code_field: the field with their codes.
        region_set: what the set is called in the store (`rts-track region`); None: as the file.

    Raises:
        InputError: the file cannot be read, or has no code.
        UsageError: it has no such field.
    """
    file = open_vector(path)
    file.require(code_field, option=" (--region-field)")
    areas, _, _ = read_areas(file)
    by_name: dict[str, list[shapely.Geometry]] = {}
    for area in areas:
        code = _code(area.row[code_field])
        if code:
            by_name.setdefault(f"{region_set or path.stem}/{code}", []).append(area.geometry)
    if not by_name:
        raise InputError(f"{path}: none of its polygons has a value in the field {code_field}")
    names = sorted(by_name)
    united = [shapely.union_all(by_name[name]) for name in names]
    return Regions(names=tuple(names), polygons=np.array(united, dtype=object))


def criterion_of(word: str) -> str:
    """The criterion of `track.score_objects` that is meant; UsageError where there is none."""
    for name in CRITERIA:
        if name.lower() == word.strip().lower():
            return name
    raise UsageError(f"criterion {word!r}: {', '.join(name.lower() for name in CRITERIA)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneRequest:
    """What to tune, and how.

    Attributes:
        out: folder for the tuned bundles; None: none is written.
        name: of the tuned bundles, with a number where there are several; None: as they are.
        auxiliary: where auxiliary layers come from.
        score: what the threshold is to make best: F1 of `objects`, or of `pixels`.
        criterion: how alike objects must be, one of `track.score_objects.CRITERIA`.
        per: thresholds for each sensor or region, too; None: one for all.
        regions: the regions; scenes that lie in one are judged together.
        calibration: how the mean is calibrated.
        min_area_m2: smallest slump that is meant, of labels and footprints alike; None: as the
            bundles say.
        is_area_tuned: whether the least area of footprints may rise above that.
        is_spread_tuned: whether footprints may be left out by their spread.
        is_weighted: whether members get weights.
        tta: test-time augmentation; None: as the bundles say.
        device: what the networks run on; None: a CUDA device where there is one.
        min_slumps: least number of labelled slumps for a threshold of their own.
    """

    out: Path | None = None
    name: str | None = None
    auxiliary: Auxiliary = field(default_factory=Auxiliary)
    score: Score = "objects"
    criterion: str = "IoU 0.3"
    per: Per | None = None
    regions: Regions | None = None
    calibration: Method = "temperature"
    min_area_m2: float | None = None
    is_area_tuned: bool = False
    is_spread_tuned: bool = False
    is_weighted: bool = False
    tta: Tta | None = None
    device: str | None = None
    min_slumps: int = MIN_SLUMPS

    def check(self) -> None:
        """UsageError for what cannot be."""
        for what, value, choices in (
            ("score", self.score, get_args(Score)),
            ("criterion", self.criterion, tuple(CRITERIA)),
            ("per", self.per or "sensor", get_args(Per)),
            ("calibration", self.calibration, METHODS),
            ("tta", self.tta or "none", TTA),
        ):
            if value not in choices:
                raise UsageError(f"{what} {value!r}: {', '.join(choices)}")
        if self.name is not None and NAME.fullmatch(self.name) is None:
            raise UsageError(f"name {self.name!r}: letters, digits, dots, dashes and underscores")
        if self.min_area_m2 is not None and not 0.0 <= self.min_area_m2 < np.inf:
            raise UsageError(f"least area {self.min_area_m2:g} m2: 0 or more")
        if self.per == "region" and self.regions is None:
            raise UsageError("thresholds per region: give --regions and --region-field")
        if self.score == "pixels" and (self.is_area_tuned or self.is_spread_tuned):
            raise UsageError(
                "least area and largest spread are of footprints: tune them with --score objects"
            )


def _code(value: object) -> str:
    """The value as text, 12.0 as 12; empty where there is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value).strip()
