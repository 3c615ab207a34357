"""An inventory: the files of one source, and how to understand what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from rts_track.domain import mint
from rts_track.source.dates import Seen

if TYPE_CHECKING:
    import datetime as dt

    import shapely

    from rts_track.domain import Kind
    from rts_track.source.vector import Row, VectorFile

Mapper = Literal["model", "person"]
MAPPERS: tuple[Mapper, ...] = ("model", "person")


class Fault(NamedTuple):
    """What was wrong with one feature: repaired, or the reason why it was skipped."""

    source_feature_id: str
    reason: str


class LeftOut(Exception):
    """The feature is no footprint, and its source says so: no fault, but counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFacts:
    """What is known of a source; None is unknown. See the contract's table `source`."""

    source: str
    kind: Kind
    mapper: Mapper
    sensor: str | None = None
    gsd_m: float | None = None
    delineation_sigma_m: float | None = None
    citation: str | None = None
    licence: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a file says of one footprint: when and on which scene it was seen, how finely.

    `scene` is the source's own name of the scene; `notes` tell what had to be mended.
    """

    seen: Seen
    scene: str | None = None
    gsd_m: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LookArea:
    """What a source searched in a season: `geometry` is an EPSG:6931 polygon.

    `unit` tells apart the looks of a source and season: the id of the scene, or the name of the
    file that states the look.
    """

    source: str
    unit: str
    season_year: int
    from_on: dt.date
    to_on: dt.date
    basis: Literal["measured", "assumed"]
    geometry: shapely.Geometry
    scene_id: str | None = None
    gsd_m: float | None = None

    @property
    def look_id(self) -> str:
        """The id of the look: the same when its area is corrected later."""
        return look_id_of(self.source, self.unit, self.season_year, self.basis)


def look_id_of(source: str, unit: str, season_year: int, basis: str) -> str:
    """The id of such a look."""
    return mint("look", source, unit, season_year, basis)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """The files of one source, and how to understand them.

    Attributes:
        facts: what is known of the source.
        describe: what a row says; raises ValueError for a feature that must be skipped, LeftOut
            for one that is no footprint.
        files: files with footprints.
        id_field: field that holds the features' ids.
        has_gsd: whether descriptions tell pixel sizes.
        used_fields: fields that are not repeated among a footprint's attributes.
        looks: looks that are known beforehand.
        repaired: faults that were mended in the files that tell of looks.
        skipped: areas in those files that could not be used.
    """

    facts: SourceFacts
    describe: Callable[[Row, VectorFile], Description]
    files: tuple[VectorFile, ...] = ()
    id_field: str | None = None
    has_gsd: bool = False
    used_fields: frozenset[str] = frozenset()
    looks: tuple[LookArea, ...] = ()
    repaired: tuple[Fault, ...] = ()
    skipped: tuple[Fault, ...] = ()


class FeatureNames:
    """Names the features of one file: unique, and the same whenever the file is read again."""

    def __init__(self, stem: str, id_field: str | None) -> None:
        """A file's name, and the field that holds its features' ids if there is one."""
        self._stem = stem
        self._id_field = id_field
        self._taken: set[str] = set()

    def name(self, row: Row, number: int) -> Fault:
        """`stem:id`, and what had to be mended; '' where nothing was.

        `number` is the feature's row, counted from 1; it stands for an id that is not there, and
        tells apart those that are repeated.
        """
        if self._id_field is None:
            return Fault(f"{self._stem}:{number}", "")
        given = _as_id(row[self._id_field])
        if given is None:
            return Fault(f"{self._stem}:#{number}", f"no {self._id_field}")
        if given in self._taken:
            return Fault(f"{self._stem}:{given}#{number}", f"{self._id_field} {given} is repeated")
        self._taken.add(given)
        return Fault(f"{self._stem}:{given}", "")


def all_notes(*notes: Iterable[str]) -> str:
    """The notes in one line."""
    return "; ".join(note for group in notes for note in group if note)


def _as_id(value: object) -> str | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return (str(value).strip() or None) if value is not None else None
