"""The contract: every table that SQL, releases and checks read, declared once.

From these declarations come the embedded store's structure, the Parquet files and the data
dictionary; a test compares them with PostGIS's catalogue and comments. Geometry is WGS 84 lon/lat,
never crossing the antimeridian, a MultiPolygon unless said otherwise. Ids are text.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pyarrow as pa

ColumnType = Literal["text", "int", "double", "bool", "date", "timestamp", "json", "geometry"]

SCHEMA_VERSION = 3
"""Version of the embedded store's structure; PostGIS counts its own numbered migrations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: its name, type, unit, meaning, and what it may hold."""

    name: str
    type: ColumnType
    unit: str
    meaning: str
    is_nullable: bool
    choices: tuple[str, ...] = ()
    references: str | None = None
    """The table whose one-column key this column must hold, if any."""

    @property
    def comment(self) -> str:
        """The meaning, with its unit in brackets: the same text in every engine's catalogue."""
        return f"{self.meaning} [{self.unit}]" if self.unit else self.meaning


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One contract table; rows are unique by `key`, and exported in the key's order."""

    name: str
    meaning: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def column_names(self) -> tuple[str, ...]:
        """The columns' names in their order."""
        return tuple(column.name for column in self.columns)

    @property
    def geometry_column(self) -> str | None:
        """The primary geometry, or None for a plain table."""
        geometries = [column.name for column in self.columns if column.type == "geometry"]
        return "geometry" if "geometry" in geometries else None

    def __getitem__(self, name: str) -> Column:
        """The column of that name."""
        return next(column for column in self.columns if column.name == name)


def _column(
    type_: ColumnType, spec: str, meaning: str, unit: str, choices: str, references: str | None
) -> Column:
    return Column(
        name=spec.removesuffix("?"),
        type=type_,
        unit=unit,
        meaning=meaning,
        is_nullable=spec.endswith("?"),
        choices=tuple(choices.split()),
        references=references,
    )


def _text(spec: str, meaning: str, *, choices: str = "", references: str | None = None) -> Column:
    return _column("text", spec, meaning, "", choices, references)


def _double(spec: str, unit: str, meaning: str) -> Column:
    return _column("double", spec, meaning, unit, "", None)


def _int(spec: str, meaning: str) -> Column:
    return _column("int", spec, meaning, "", "", None)


def _bool(spec: str, meaning: str) -> Column:
    return _column("bool", spec, meaning, "", "", None)


def _date(spec: str, meaning: str) -> Column:
    return _column("date", spec, meaning, "", "", None)


def _timestamp(spec: str, meaning: str) -> Column:
    return _column("timestamp", spec, meaning, "UTC", "", None)


def _json(spec: str, meaning: str) -> Column:
    return _column("json", spec, meaning, "", "", None)


def _geometry(spec: str, meaning: str) -> Column:
    return _column("geometry", spec, meaning, "WGS 84 lon/lat", "", None)


_KIND = "landform active_zone"
_CONFIDENCE = _double(
    "confidence", "1", "how probable it is, as calibrated on simulated histories; a person's: 1"
)
_RUN = _text("run_id", "run that wrote the row", references="run")
_SEASON = _int("season_year", "thaw season of this calendar year")
_LON = _double("lon", "degrees east", "longitude of a point on the surface of the polygon")
_LAT = _double("lat", "degrees north", "latitude of a point on the surface of the polygon")

_TABLES = (
    Table(
        name="source",
        meaning="who maps what how: a model ensemble on a sensor, or people with an inventory",
        key=("source",),
        columns=(
            _text("source", "name of the source"),
            _text("kind", "what its polygons outline", choices=_KIND),
            _text("mapper", "who draws the outlines", choices="model person"),
            _text("sensor?", "sensor, where there is one"),
            _double("gsd_m?", "m", "ground sampling distance"),
            _double("min_area_m2?", "m2", "smallest area the source maps"),
            _double("delineation_sigma_m", "m", "coherent offset of its outlines, 1 sigma"),
            _double("recall?", "1", "share of the slumps in its looks that it finds"),
            _text("citation?", "how to cite it"),
            _text("licence?", "licence of its outlines"),
        ),
    ),
    Table(
        name="scene",
        meaning="one acquisition, or a mosaic of several",
        key=("scene_id",),
        columns=(
            _text("scene_id", "id of the scene"),
            _text("source", "source that maps on it", references="source"),
            _SEASON,
            _date("observed_from", "first day of its acquisition"),
            _date("observed_to", "last day of its acquisition; equal to the first when exact"),
            _timestamp("acquired_at?", "instant of acquisition"),
            _double("gsd_m?", "m", "ground sampling distance"),
            _double("cloud_frac?", "1", "cloudy share"),
            _text("uri?", "where the scene lies"),
            _text("content_sha256?", "digest of its content"),
            _geometry("geometry", "extent; where only footprints are known, their convex hull"),
            _geometry(
                "clear_geometry?",
                "part without cloud, shadow, haze, snow, ice, nodata; null: none, or unknown",
            ),
        ),
    ),
    Table(
        name="look",
        meaning="a finished search of a clear area, even one that found nothing",
        key=("look_id",),
        columns=(
            _text("look_id", "id of the look"),
            _text("source", "source that searched", references="source"),
            _text("scene_id?", "scene that was searched", references="scene"),
            _RUN,
            _SEASON,
            _date("from_on", "first day searched"),
            _date("to_on", "last day searched"),
            _text("basis", "known, or merely stated by a user", choices="measured assumed"),
            _text("status", "whether the search finished", choices="done failed"),
            _bool("is_current", "false once a rerun superseded it"),
            _double(
                "looked_area_m2",
                "m2",
                "area searched; 0 where the search failed or nothing was clear",
            ),
            _geometry(
                "geometry",
                "area searched; where the scene lies if the search failed or nothing was clear",
            ),
            _text("failure?", "why the search failed; null where it did not"),
        ),
    ),
    Table(
        name="run",
        meaning="one execution of a step",
        key=("run_id",),
        columns=(
            _text("run_id", "derived from code version, parameters, bundle and inputs"),
            _text(
                "step", "import, ingest, align, detect, link, measure, validate, region or verdict"
            ),
            _timestamp("started_at", "when it began"),
            _timestamp("finished_at?", "when it ended"),
            _text("code_version", "version of rts-track"),
            _text("bundle_sha256?", "digest of the model bundle"),
            _json("params", "parameters, whole"),
            _text("inputs_sha256", "digest of what it read"),
        ),
    ),
    Table(
        name="footprint",
        meaning="one polygon found in one look, or imported",
        key=("footprint_id",),
        columns=(
            _text("footprint_id", "derived from content and look"),
            _text("source", "source that found it", references="source"),
            _text("source_feature_id?", "its id in the source: <file stem>:<id or row number>"),
            _text("look_id?", "look that found it", references="look"),
            _text("scene_id?", "scene it was found on", references="scene"),
            _RUN,
            _text(
                "outline_id?",
                "outline it belongs to; null before linking and once superseded",
                references="outline",
            ),
            _SEASON,
            _date("observed_from", "first day it may have been seen"),
            _date("observed_to", "last day it may have been seen"),
            _text("date_basis", "how well the date is known", choices="exact range season"),
            _double("prob_mean?", "1", "mean probability"),
            _double("prob_max?", "1", "highest probability"),
            _double("spread_mean?", "1", "mean spread of the ensemble's members"),
            _double("area_m2", "m2", "area in EPSG:6931"),
            _double("perimeter_m", "m", "length of all rings"),
            _bool("is_clipped", "cut by an edge or nodata: its area is a lower bound"),
            _LON,
            _LAT,
            _json("attributes", "what else the source said of it"),
            _geometry("geometry", "the footprint"),
        ),
    ),
    Table(
        name="outline",
        meaning="one polygon per place, season and kind: the consensus of that season's looks",
        key=("outline_id",),
        columns=(
            _text("outline_id", "derived from its footprints"),
            _text("track_id?", "track it belongs to", references="track"),
            _text("source", "source of the footprint that it follows", references="source"),
            _text("kind", "landform or active zone", choices=_KIND),
            _SEASON,
            _date("observed_on", "median contributing date"),
            _double("observed_sigma_d", "d", "standard deviation of that date"),
            _int("n_looks?", "current looks that cover it; null where looks are unknown"),
            _int("n_hits", "footprints it is made of"),
            _double("area_m2", "m2", "area in EPSG:6931"),
            _double("area_sigma_m2", "m2", "1 sigma of the area"),
            _double("area_min_m2", "m2", "smallest area among its footprints"),
            _double("area_max_m2", "m2", "largest area among its footprints"),
            _double("perimeter_m", "m", "length of all rings"),
            _double("gsd_m?", "m", "ground sampling distance of the footprint that it follows"),
            _double("prob_mean?", "1", "mean probability of its footprints"),
            _bool("is_clipped", "cut by an edge or nodata: its area is a lower bound"),
            _LON,
            _LAT,
            _geometry("geometry", "the outline"),
        ),
    ),
    Table(
        name="link",
        meaning="a scored edge between outlines of two seasons",
        key=("link_id",),
        columns=(
            _text("link_id", "derived from its two outlines"),
            _text("from_outline_id", "earlier outline", references="outline"),
            _text("to_outline_id", "later outline", references="outline"),
            _int("from_year", "season of the earlier outline"),
            _int("to_year", "season of the later outline"),
            _text("kind", "what the edge means", choices="main split merge gap fragment"),
            _text("origin", "who drew it", choices="computed person"),
            _double("overlap_m2", "m2", "shared area after the scenes' shift"),
            _double("iou", "1", "intersection over union"),
            _double("cover_from", "1", "shared part of the earlier outline"),
            _double("cover_to", "1", "shared part of the later outline"),
            _double("distance_m", "m", "gap between the outlines; 0 where they overlap"),
            _CONFIDENCE,
            _bool("is_ambiguous", "a rival is almost as good"),
            _bool("is_provisional", "may be settled once by the next season"),
            _RUN,
        ),
    ),
    Table(
        name="scene_shift",
        meaning="how far the later of two scenes lies from the earlier; frozen once estimated",
        key=("scene_a", "scene_b"),
        columns=(
            _text("scene_a", "earlier scene", references="scene"),
            _text("scene_b", "later scene", references="scene"),
            _double("dx_m", "m", "shift of b against a to the east"),
            _double("dy_m", "m", "shift of b against a to the north"),
            _double("se_m", "m", "standard error of either component"),
            _int("n", "pairs of outlines, or windows of images, used"),
            _text("method", "how it was estimated", choices="mutual_best coregistration"),
            _bool("is_applied", "larger than twice its standard error, and so corrected for"),
        ),
    ),
    Table(
        name="track",
        meaning="one slump of one kind through time",
        key=("track_id",),
        columns=(
            _text("track_id", "minted once, never reused"),
            _text("kind", "landform or active zone", choices=_KIND),
            _text("lineage_id", "family of tracks that splits and merges connect"),
            _text("activity", "its last known state", choices="active stable merged unknown"),
            _int("activity_year", "season of that state"),
            _text(
                "validity",
                "tentative: seen in one season",
                choices="tentative confirmed retracted",
            ),
            _int("first_year", "first season with an outline"),
            _int("last_year", "last season with an outline"),
            _int("n_seasons_observed", "seasons with an outline"),
            _double("area_m2", "m2", "area of its last outline"),
            _LON,
            _LAT,
            _bool("is_provisional", "may be settled once by the next season"),
            _geometry("geometry", "its last outline"),
        ),
    ),
    Table(
        name="track_state",
        meaning="a track in a season",
        key=("track_id", "season_year"),
        columns=(
            _text("track_id", "the track", references="track"),
            _SEASON,
            _text("state", "what is known of it", choices="observed partial absent unobserved"),
            _double("coverage_frac?", "1", "share of it that looks cover; null: unknown"),
            _date("observed_from?", "first day it may have been seen, or was searched for"),
            _date("observed_to?", "last day it may have been seen, or was searched for"),
            _text("source?", "source of its outline", references="source"),
            _double("area_m2?", "m2", "area of its outline"),
            _double("area_sigma_m2?", "m2", "1 sigma of the area"),
            _int("n_outlines", "outlines of that season, those of other sources counted in"),
            _bool("is_clipped", "cut by an edge or nodata"),
        ),
    ),
    Table(
        name="lineage_state",
        meaning="a lineage in a season, each outline counted once",
        key=("lineage_id", "season_year"),
        columns=(
            _text("lineage_id", "the lineage"),
            _SEASON,
            _double("area_m2?", "m2", "summed area of its measured members"),
            _double("area_sigma_m2?", "m2", "1 sigma of that area"),
            _int("n_members", "living tracks"),
            _int("n_measured", "living tracks with a whole outline"),
            _bool("is_complete", "every living member measured; rates only then"),
        ),
    ),
    Table(
        name="event",
        meaning="what happened to a track, bracketed by two dates",
        key=("event_id",),
        columns=(
            _text("event_id", "derived from track, season, kind and related track"),
            _text("track_id", "track it happened to", references="track"),
            _text(
                "related_track_id?",
                "merge: the track that goes on; split: the parent; reinitiate: the scar",
                references="track",
            ),
            _SEASON,
            _text(
                "kind",
                "what happened",
                choices="initiate first_seen merge split stabilise reactivate reinitiate",
            ),
            _date("after_on?", "it happened after this day; null: unknown"),
            _date("before_on", "it happened before this day, or on it"),
            _CONFIDENCE,
            _bool("is_provisional", "may be settled once by the next season"),
            _json("evidence", "figures behind it"),
        ),
    ),
    Table(
        name="growth",
        meaning="change of area over an interval",
        key=("track_id", "basis", "from_year", "to_year"),
        columns=(
            _text("track_id", "the track", references="track"),
            _text(
                "basis",
                "its own area, or its group's where the interval holds a merge or split",
                choices="track group",
            ),
            _text("group_id?", "same for all tracks of the group"),
            _int("from_year", "season at the start"),
            _int("to_year", "season at the end"),
            _date("from_on", "day at the start"),
            _date("to_on", "day at the end"),
            _double("years", "a", "calendar years between"),
            _double("thaw_years", "a", "thaw seasons between, parts counted"),
            _double("area_change_m2", "m2", "area at the end less area at the start"),
            _double("area_rate_m2_yr", "m2/a", "change per calendar year"),
            _double("area_rate_m2_thaw_yr?", "m2/a", "change per thaw season; null without thaw"),
            _double("area_rate_sigma_m2_yr", "m2/a", "1 sigma of the change per calendar year"),
            _double("gained_m2", "m2", "area only in the end, after the scenes' shift"),
            _double("lost_m2", "m2", "area only in the start, after the scenes' shift"),
            _double("retreat_p95_m?", "m", "95th percentile of headwall retreat"),
            _double("retreat_mean_m?", "m", "mean headwall retreat"),
            _double("retreat_rate_m_yr?", "m/a", "95th percentile of retreat per calendar year"),
            _double("retreat_floor_m?", "m", "retreat below this is not detected"),
            _double(
                "migration_azimuth_deg?",
                "degrees from north",
                "where the active front moved; null: a group, or not beyond its error",
            ),
            _bool("is_cross_source", "start and end are of different sources"),
            _bool("is_significant", "change beyond 1.96 sigma"),
        ),
    ),
    Table(
        name="trend",
        meaning="growth over all seasons of a track",
        key=("track_id", "method", "time_basis"),
        columns=(
            _text("track_id", "the track", references="track"),
            _int("n_seasons", "seasons used"),
            _text("method", "estimator", choices="interval wls theil_sen"),
            _text("time_basis", "clock", choices="calendar thaw"),
            _double("area_rate_m2_yr", "m2/a", "slope"),
            _double("area_rate_low_m2_yr", "m2/a", "lower end of its 95 % interval"),
            _double("area_rate_high_m2_yr", "m2/a", "upper end of its 95 % interval"),
            _double("growth_pct_yr?", "%/a", "slope of log area"),
        ),
    ),
    Table(
        name="coverage",
        meaning="where a season was looked at; rows of a season and kind are disjoint",
        key=("season_year", "kind", "basis", "n_looks"),
        columns=(
            _SEASON,
            _text("kind", "landform or active zone", choices=_KIND),
            _text(
                "basis",
                "assumed only where no measured look lies",
                choices="measured assumed",
            ),
            _int("n_looks", "looks of that basis, exactly so many"),
            _double("area_m2", "m2", "area in EPSG:6931"),
            _geometry("geometry", "the area"),
        ),
    ),
    Table(
        name="coverage_cell",
        meaning="what was looked at in a cell of 0.5 degrees",
        key=("season_year", "kind", "cell_lon", "cell_lat"),
        columns=(
            _SEASON,
            _text("kind", "landform or active zone", choices=_KIND),
            _double("cell_lon", "degrees east", "south-west corner"),
            _double("cell_lat", "degrees north", "south-west corner"),
            _double("cell_area_m2", "m2", "area of the cell"),
            _double("looked_area_m2", "m2", "area looked at, measured or assumed"),
        ),
    ),
    Table(
        name="region",
        meaning="an area to sum over",
        key=("region_set", "region_code"),
        columns=(
            _text("region_set", "name of the set of regions"),
            _text("region_code", "code of the region in its set"),
            _text("name", "name of the region"),
            _text("parent_code?", "code of the region it belongs to"),
            _double("area_m2", "m2", "area in EPSG:6931"),
            _geometry("geometry", "the region"),
        ),
    ),
    Table(
        name="region_coverage",
        meaning="what was looked at in a region",
        key=("region_set", "region_code", "season_year", "kind"),
        columns=(
            _text("region_set", "name of the set of regions"),
            _text("region_code", "code of the region in its set"),
            _SEASON,
            _text("kind", "landform or active zone", choices=_KIND),
            _double("looked_area_m2", "m2", "area looked at, measured or assumed"),
        ),
    ),
    Table(
        name="track_region",
        meaning="region of a track, by its founding outline's point, once",
        key=("track_id", "region_set"),
        columns=(
            _text("track_id", "the track", references="track"),
            _text("region_set", "name of the set of regions"),
            _text("region_code", "code of the region in its set"),
        ),
    ),
    Table(
        name="track_alias",
        meaning="the same slump re-identified: one row an old id, flattened",
        key=("old_track_id",),
        columns=(
            _text("old_track_id", "id that is no longer used: a track's or a lineage's"),
            _text("track_id?", "id that stands for it now; null: retracted"),
            _RUN,
            _text("version?", "release in which the id moved"),
            _text("reason", "why it moved"),
        ),
    ),
    Table(
        name="verdict",
        meaning="a person's decision on a footprint, link or track; it wins over what was computed",
        key=("verdict_id",),
        columns=(
            _text("verdict_id", "derived from target, verdict, who and when"),
            _text("target_kind", "what it is about", choices="footprint link track"),
            _text(
                "target_id",
                "footprint_id, track_id, or for a link an id derived from its two footprints",
            ),
            _text("verdict", "what was decided", choices="accept reject relink"),
            _json("value?", "where its target lies, so that it is found again after a redo"),
            _text("decided_by", "who"),
            _timestamp("decided_at", "when"),
            _text("reason?", "why"),
            _text(
                "supersedes?",
                "former verdict on the same target; one that none supersedes is in force",
                references="verdict",
            ),
        ),
    ),
)

CONTRACT: dict[str, Table] = {table.name: table for table in _TABLES}
"""Every table of the contract by its name, in an order in which they can be filled."""


def table(name: str) -> Table:
    """The contract table of that name; KeyError where there is none."""
    return CONTRACT[name]


@cache
def arrow_schema(name: str) -> pa.Schema:
    """The contract table as an Arrow schema (see `to_arrow_schema`)."""
    return to_arrow_schema(CONTRACT[name])


def to_arrow_schema(table: Table) -> pa.Schema:
    """The table as an Arrow schema: geometry and json as WKB binary and text, units as metadata."""
    import pyarrow as pa

    types = {
        "text": pa.string(),
        "int": pa.int32(),
        "double": pa.float64(),
        "bool": pa.bool_(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us", tz="UTC"),
        "json": pa.string(),
        "geometry": pa.binary(),
    }
    return pa.schema(
        [
            pa.field(
                column.name,
                types[column.type],
                nullable=column.is_nullable,
                metadata={"meaning": column.meaning, "unit": column.unit},
            )
            for column in table.columns
        ]
    )
