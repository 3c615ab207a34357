"""What a user asks of an import."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from rts_track.domain import KINDS
from rts_track.errors import UsageError
from rts_track.source.inventory import MAPPERS

if TYPE_CHECKING:
    from rts_track.domain import Kind
    from rts_track.source.inventory import Mapper


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """How files are to be read. A preset reader brings its own answers; what is given wins.

    Attributes:
        reader: `vector`, or a preset: `barth2023`, `nitze-labels`, `darts`, `arts`.
        layer: layer to read of files that hold several.
        season_field: field that holds the season's year.
        date_field: field that holds the day, or a range of days.
        scene_field: field that holds the name of the scene; without it footprints have none.
        id_field: field that holds the feature's id; without it its row number stands for it.
        gsd_m: ground sampling distance of all footprints, in metres.
        gsd_field: field that holds each footprint's ground sampling distance, in metres.
        source: name of the source; by default the preset's, or the name of the one file.
        kind: what the polygons outline; by default the preset's, or `landform`.
        mapper: who drew them; by default the preset's, or `person`.
        delineation_sigma_m: coherent offset of the outlines, 1 sigma, in metres; by default half
            the ground sampling distance: a pixel's edge is the finest a hand or network can tell.
            Outlines that several people drew give a better figure.
        looked_at: `none`; `hull`, the convex hull of each file's features of a season and 500 m
            more; or the path of a file of polygons. A file that has the scene field holds the
            footprints of the images and makes measured looks; anything else makes assumed ones.
        is_strict: store nothing if any feature has a fault.
    """

    reader: str = "vector"
    layer: str | None = None
    season_field: str | None = None
    date_field: str | None = None
    scene_field: str | None = None
    id_field: str | None = None
    gsd_m: float | None = None
    gsd_field: str | None = None
    source: str | None = None
    kind: Kind | None = None
    mapper: Mapper | None = None
    sensor: str | None = None
    citation: str | None = None
    licence: str | None = None
    delineation_sigma_m: float | None = None
    looked_at: str = "none"
    is_strict: bool = False

    def check(self) -> None:
        """UsageError where an answer makes no sense whatever the files are."""
        if self.kind is not None and self.kind not in KINDS:
            raise UsageError(f"kind {self.kind!r}: expected {' or '.join(KINDS)}")
        if self.mapper is not None and self.mapper not in MAPPERS:
            raise UsageError(f"mapper {self.mapper!r}: expected {' or '.join(MAPPERS)}")
        lengths_m = {"gsd": self.gsd_m, "delineation-sigma": self.delineation_sigma_m}
        for option, length_m in lengths_m.items():
            if length_m is not None and not 0.0 < length_m < float("inf"):
                raise UsageError(f"--{option} {length_m}: expected metres, above 0")
        if self.source is not None and not self.source.strip():
            raise UsageError("the source needs a name")

    @property
    def params(self) -> dict[str, object]:
        """The request as it is kept with the run."""
        return asdict(self)
