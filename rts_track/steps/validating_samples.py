"""What a validation compares, search by search, read from a store or from files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from rts_track import grid
from rts_track.domain import digest
from rts_track.errors import InputError, UsageError
from rts_track.steps.runs import rows_digest
from rts_track.steps.training_labels import LabelFields, Labels, labels_in
from rts_track.steps.validating_truth import (
    Annotator,
    Where,
    annotators_in,
    area_in,
    check_names,
    names_of,
    product_of,
    stored_annotator,
    stored_footprints,
    stored_looks,
)
from rts_track.track.score_validation import Region, Sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.store.base import Reader

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateRequest:
    """What is to be validated, and against what.

    Attributes:
        truths: files of polygons, one an annotator.
        truth_sources: sources of the store that drew the truth, one an annotator.
        found: a file of what was found; None: what the store's source found.
        source: the source that is validated; None: the one model that has looked.
        season_year: only searches of that season.
        scene_ids: only searches of these scenes, by id or product; empty: all.
        fields: what a polygon of a file belongs to.
        area: a file of where truth is complete; None: wherever was looked.
        region_set: a set of the store's regions.
        min_area_m2: smaller objects do not count; None: the source's own minimum.
    """

    truths: tuple[Path, ...] = ()
    truth_sources: tuple[str, ...] = ()
    found: Path | None = None
    source: str | None = None
    season_year: int | None = None
    scene_ids: tuple[str, ...] = ()
    fields: LabelFields = LabelFields()  # noqa: RUF009  frozen
    area: Path | None = None
    region_set: str | None = None
    min_area_m2: float | None = None

    @property
    def names(self) -> list[str]:
        """What the files are called: that of what was found first, if there is one."""
        return names_of(self.truths, self.found)

    @property
    def needs_store(self) -> bool:
        """Whether files alone do not do."""
        return self.found is None or bool(self.truth_sources) or self.region_set is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """The searches of a validation.

    Attributes:
        name: the source or file that is validated.
        samples: one a search.
        n_left_out: searches that not every truth tells of.
        n_skipped: polygons of truth that could not be used.
        inputs_sha256: digest of what they were read from.
    """

    name: str
    samples: tuple[Sample, ...]
    n_left_out: int
    n_skipped: int
    inputs_sha256: str


def read_samples(store: Reader | None, request: ValidateRequest) -> Samples:
    """The searches to validate, with what annotators drew there.

    Raises:
        InputError: a file or the store does not hold what it should, or nothing is left.
        UsageError: a source, field or set does not exist, or what is asked contradicts itself.
    """
    annotators = _annotators(store, request)
    area = area_in(request.area) if request.area else None
    if request.found is not None:
        name, searches, read = _searches_of_file(request.found, request, annotators, area)
    else:
        name, searches, read = _searches_of_store(_needed(store), request)
    samples, n_left_out = _samples(searches, annotators, area, request)
    if not samples:
        raise InputError(_nothing_left(name, request, n_left_out))
    return Samples(
        name=name,
        samples=samples,
        n_left_out=n_left_out,
        n_skipped=sum(each.labels.n_skipped for each in annotators),
        inputs_sha256=digest(read, *(_digest(each) for each in annotators), _file_digest(request)),
    )


def read_regions(store: Reader, region_set: str) -> list[Region]:
    """The regions of a set by their codes; UsageError where the store has no such set."""
    rows = store.read("region", ["region_code", "geometry"], {"region_set": region_set})
    if rows.num_rows == 0:
        known = sorted(set(store.read("region", ["region_set"])["region_set"].to_pylist()))
        raise UsageError(
            f"{store.url}: no regions of the set {region_set!r}; its sets are"
            f" {', '.join(known) or 'none'} (`rts-track region` loads one)"
        )
    drawn = shapely.from_wkb(rows["geometry"].to_numpy(zero_copy_only=False))
    polygons = grid.to_metric(grid.densify(np.asarray(drawn, dtype=object)))
    polygons = shapely.make_valid(polygons, method="structure")
    codes = rows["region_code"].to_pylist()
    return [
        Region(name=code, polygon=polygon) for code, polygon in zip(codes, polygons, strict=True)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    """What one search found where it looked, before truth is put beside it."""

    where: Where
    found: NDArray[np.object_]
    is_clipped: NDArray[np.bool_] | None
    looked: shapely.Geometry | None
    min_area_m2: float


def _needed(store: Reader | None) -> Reader:
    if store is None:
        raise UsageError("this needs a store; give --store, or --from a file")
    return store


def _annotators(store: Reader | None, request: ValidateRequest) -> list[Annotator]:
    if not request.truths and not request.truth_sources:
        raise UsageError("no truth: give --truth FILE, or --truth-source NAME")
    names = request.names[1:] if request.found else request.names
    annotators = annotators_in(request.truths, names, request.fields)
    for source in request.truth_sources:
        opened = _needed(store)
        _source_row(opened, source, "--truth-source")
        annotators.append(stored_annotator(opened, source))
    check_names([each.name for each in annotators])
    return annotators


def _searches_of_store(store: Reader, request: ValidateRequest) -> tuple[str, list[_Search], str]:
    """The source, its current looks as searches, and a digest of what was read."""
    row = _source_row(store, request.source) if request.source else _only_model(store)
    source = str(row["source"])
    for other in request.truth_sources:
        truth = _source_row(store, other)
        if other == source or truth["kind"] != row["kind"]:
            is_self = other == source
            raise UsageError(
                f"truth {other!r} is what is validated"
                if is_self
                else f"{source} outlines {row['kind']}, {other} {truth['kind']}: no two of a kind"
            )
    looks = stored_looks(store, source)
    footprints, polygons = stored_footprints(store, source, looks)
    of_look: dict[str | None, list[int]] = {}
    for number, look_id in enumerate(footprints["look_id"].to_pylist()):
        of_look.setdefault(look_id, []).append(number)
    is_clipped = np.array(footprints["is_clipped"].to_pylist(), dtype=bool)
    names_of = _names_of_scenes(store, source)
    own_m2: float | None = row["min_area_m2"]
    min_area_m2 = own_m2 if request.min_area_m2 is None else request.min_area_m2
    searches = []
    for look_id, scene_id, season, looked in zip(
        looks.look_id, looks.scene_id, looks.season, looks.area, strict=True
    ):
        rows = np.array(of_look.get(look_id, []), dtype=np.int64)
        searches.append(
            _Search(
                where=Where(names=names_of.get(scene_id, frozenset()), season_year=season),
                found=polygons[rows],
                is_clipped=is_clipped[rows],
                looked=looked,
                min_area_m2=min_area_m2 or 0.0,
            )
        )
    return source, searches, digest(looks.digest, rows_digest(footprints))


def _source_row(store: Reader, source: str, option: str = "--source") -> Row:
    rows = store.read("source", ["source", "kind", "mapper", "min_area_m2"]).to_pylist()
    for row in rows:
        if row["source"] == source:
            return dict(row)
    known = ", ".join(row["source"] for row in rows) or "none"
    raise UsageError(f"{store.url}: no source {source!r} ({option}); its sources are {known}")


def _only_model(store: Reader) -> Row:
    """The one source that is a model and has looked somewhere."""
    looked = set(store.read("look", ["source"], {"status": "done"})["source"].to_pylist())
    rows = store.read("source", ["source", "kind", "mapper", "min_area_m2"]).to_pylist()
    models = [row for row in rows if row["mapper"] == "model" and row["source"] in looked]
    if len(models) == 1:
        return dict(models[0])
    if not models:
        raise UsageError(
            f"{store.url}: no model has searched anything; run `rts-track detect`, or name what is"
            " to be validated with --source or --from"
        )
    names = ", ".join(row["source"] for row in models)
    raise UsageError(f"{store.url}: {names} have searched; say which with --source")


def _names_of_scenes(store: Reader, source: str) -> dict[str, frozenset[str]]:
    """What a label may call each scene of a source: id, product, or the name of its file."""
    names = {}
    for row in store.read("scene", ["scene_id", "uri"], {"source": source}).to_pylist():
        stem = Path(str(row["uri"] or "").partition("?")[0]).stem
        known = {row["scene_id"], product_of(row["scene_id"]), stem}
        names[row["scene_id"]] = frozenset(str(each) for each in known if each)
    return names


def _searches_of_file(
    file: Path,
    request: ValidateRequest,
    annotators: Sequence[Annotator],
    area: shapely.Geometry | None,
) -> tuple[str, list[_Search], str]:
    """One search a scene or season of which found or true polygons tell, or one in all."""
    fields = request.fields
    if request.season_year is not None and not (fields.season or fields.date or fields.scene):
        raise UsageError("--season: say in which field of the files it stands (--season-field)")
    found = labels_in(file, fields)
    labels = [found, *(each.labels for each in annotators)]
    searches = []
    for where in _wheres(labels, fields):
        polygons = found.polygons[where.is_meant(found.scenes, found.seasons)]
        is_clipped = None if area is None else _reach_edge(polygons, area)
        searches.append(
            _Search(
                where=where,
                found=polygons,
                is_clipped=is_clipped,
                looked=area,
                min_area_m2=request.min_area_m2 or 0.0,
            )
        )
    return request.names[0], searches, found.inputs_sha256


def _wheres(labels: Sequence[Labels], fields: LabelFields) -> Iterator[Where]:
    """The scenes and seasons of which the labels tell, in order; all at once without fields."""
    told = {pair for each in labels for pair in zip(each.scenes, each.seasons, strict=True)}
    has_season = bool(fields.season or fields.date)
    whole = [
        (str(name or ""), int(year or 0))
        for name, year in told
        if (name or not fields.scene) and (year or not has_season)
    ]
    for name, year in sorted(set(whole)):
        yield Where(names=frozenset({name} if name else ()), season_year=year or None)


def _reach_edge(polygons: NDArray[np.object_], area: shapely.Geometry) -> NDArray[np.bool_]:
    """Whether each polygon reaches the edge of the area: it may go on beyond."""
    edge = shapely.boundary(area)
    shapely.prepare(edge)
    return np.asarray(shapely.intersects(edge, polygons))


def _samples(
    searches: Sequence[_Search],
    annotators: Sequence[Annotator],
    area: shapely.Geometry | None,
    request: ValidateRequest,
) -> tuple[tuple[Sample, ...], int]:
    """The searches that are meant and of which every truth tells; how many others there are."""
    samples = []
    n_left_out = 0
    for search in searches:
        if not _is_asked_for(search.where, request):
            continue
        looked = _within(search, annotators, area)
        is_told = request.scene_ids or all(each.tells_of(search.where) for each in annotators)
        if not is_told or (looked is not None and looked.is_empty):
            n_left_out += 1
            continue
        samples.append(
            Sample(
                found=search.found,
                truths={each.name: each.drawn(search.where) for each in annotators},
                looked=looked,
                is_clipped=search.is_clipped,
                min_area_m2=search.min_area_m2,
            )
        )
    return tuple(samples), n_left_out


def _is_asked_for(where: Where, request: ValidateRequest) -> bool:
    asked = frozenset(request.scene_ids)
    if asked and where.names.isdisjoint(asked):
        return False
    return request.season_year in (None, where.season_year)


def _within(
    search: _Search, annotators: Sequence[Annotator], area: shapely.Geometry | None
) -> shapely.Geometry | None:
    """Where was looked and all truths are complete; None where nothing says."""
    areas = [search.looked, area, *(each.complete(search.where) for each in annotators)]
    known = [each for each in areas if each is not None]
    if not known:
        return None
    within = known[0]
    for other in known[1:]:
        within = shapely.intersection(within, other)
    return grid.as_multipolygons(np.array([within], dtype=object))[0]


def _nothing_left(name: str, request: ValidateRequest, n_left_out: int) -> str:
    if n_left_out:
        return (
            f"{name}: none of {n_left_out:,} searches is one that every truth tells of; are the"
            " fields, the season and the area right?"
        )
    asked = [f"season {request.season_year}"] if request.season_year else []
    asked += [f"scene {', '.join(request.scene_ids)}"] if request.scene_ids else []
    return f"{name}: no search of {' and '.join(asked) or 'any scene'}"


def _digest(annotator: Annotator) -> str:
    looks = annotator.looks.digest if annotator.looks else ""
    return digest(annotator.name, annotator.labels.inputs_sha256, looks)


def _file_digest(request: ValidateRequest) -> str:
    from rts_track.source.files import files_digest

    return files_digest([request.area]) if request.area else ""
