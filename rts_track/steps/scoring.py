"""`score`: what the store holds, beside a truth in files."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from rts_track.errors import InputError, StoreError
from rts_track.track.score import EVENT_KINDS, LINK_KINDS, Score, score_tracking
from rts_track.track.truth import Tracked, Truth

if TYPE_CHECKING:
    import pyarrow as pa

    from rts_track.store.base import Reader

_COLUMNS = {
    "truth_footprint": ("source_feature_id", "object_id"),
    "truth_link": ("from_source_feature_id", "to_source_feature_id", "kind"),
    "truth_event": ("object_id", "related_object_id", "season_year", "kind"),
}
_OPTIONAL = {"truth_footprint": ("season_year",)}
_SUFFIXES = (".parquet", ".csv")


def score(store: Reader, truth_dir: Path) -> Score:
    """How well the store's links, events, tracks and lineages agree with the truth in a folder.

    The folder holds truth_footprint, truth_link and truth_event as .parquet or .csv; see
    `track.truth.Truth` for their columns, and that module for what the measures mean.

    Raises:
        InputError: a file or column is missing, or the files contradict each other.
        StoreError: nothing in the store is linked yet.
    """
    truth = read_truth(truth_dir)
    if store.count("outline") == 0:
        raise StoreError(f"{store.url}: holds no outlines; run `rts-track link` first")
    tracked = Tracked(
        footprint=store.read(
            "footprint", ["source_feature_id", "outline_id", "season_year", "area_m2"]
        ),
        outline=store.read("outline", ["outline_id", "track_id", "season_year", "area_m2"]),
        link=store.read("link", ["from_outline_id", "to_outline_id", "kind"]),
        event=store.read(
            "event", ["track_id", "related_track_id", "season_year", "kind", "confidence"]
        ),
        track=store.read("track", ["track_id", "lineage_id"]),
    )
    return score_tracking(tracked, truth)


def read_truth(truth_dir: Path) -> Truth:
    """The truth in a folder's files, found to agree with itself; InputError where it does not."""
    if not truth_dir.is_dir():
        raise InputError(f"{truth_dir}: no such folder")
    footprint, link, event = (_read_table(truth_dir, name) for name in _COLUMNS)
    truth = Truth(footprint=footprint, link=link, event=event)
    _check_footprints(truth, truth_dir)
    _check_links(truth, truth_dir)
    _check_kinds(event, EVENT_KINDS, f"{truth_dir}: truth_event")
    for name in ("object_id", "season_year"):
        if event[name].null_count:
            raise InputError(f"{truth_dir}: truth_event: {name} is missing in a row")
    return truth


def _read_table(truth_dir: Path, name: str) -> pa.Table:
    """The wanted columns of one file: ids and kinds as text, seasons as whole numbers."""
    import pyarrow as pa

    path = _file(truth_dir, name)
    try:
        table = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({_first_line(error)})") from error
    for column in _COLUMNS[name]:
        if column not in table.column_names:
            raise InputError(f"{path}: no column {column!r}; expected {', '.join(_COLUMNS[name])}")
    optional = [each for each in _OPTIONAL.get(name, ()) if each in table.column_names]
    return pa.table(
        {each: _typed(table[each], each, path) for each in (*_COLUMNS[name], *optional)}
    )


def _file(truth_dir: Path, name: str) -> Path:
    for suffix in _SUFFIXES:
        path = truth_dir / f"{name}{suffix}"
        if path.is_file():
            return path
    raise InputError(f"{truth_dir}: holds no {name}.parquet or {name}.csv")


def _read_parquet(path: Path) -> pa.Table:
    import pyarrow.parquet as pq

    return pq.read_table(path)


def _read_csv(path: Path) -> pa.Table:
    """All columns as text, so that an id such as 007 stays what it is; an empty cell is null."""
    import pyarrow as pa
    import pyarrow.csv

    with path.open(encoding="utf-8-sig", newline="") as stream:
        names = next(csv.reader(stream), [])
    options = pa.csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
    )
    return pa.csv.read_csv(path, convert_options=options)


def _typed(column: pa.ChunkedArray, name: str, path: Path) -> pa.ChunkedArray:
    import pyarrow as pa

    try:
        return column.cast(pa.int64() if name == "season_year" else pa.string())
    except pa.ArrowException as error:
        raise InputError(f"{path}: {name}: {_first_line(error)}") from error


def _check_footprints(truth: Truth, truth_dir: Path) -> None:
    features = truth.footprint["source_feature_id"]
    if features.null_count:
        raise InputError(f"{truth_dir}: truth_footprint: source_feature_id is missing in a row")
    seen = set[str]()
    for feature in features.to_pylist():
        if feature in seen:
            raise InputError(f"{truth_dir}: truth_footprint: {feature!r} stands in two rows")
        seen.add(feature)


def _check_links(truth: Truth, truth_dir: Path) -> None:
    _check_kinds(truth.link, LINK_KINDS, f"{truth_dir}: truth_link")
    object_of = dict(
        zip(
            truth.footprint["source_feature_id"].to_pylist(),
            truth.footprint["object_id"].to_pylist(),
            strict=True,
        )
    )
    for end in ("from_source_feature_id", "to_source_feature_id"):
        for feature in truth.link[end].to_pylist():
            if object_of.get(feature) is None:
                raise InputError(
                    f"{truth_dir}: truth_link: {end} {feature!r} has no object in truth_footprint"
                )


def _check_kinds(table: pa.Table, kinds: tuple[str, ...], where: str) -> None:
    unknown = sorted({str(kind) for kind in table["kind"].to_pylist()} - set(kinds))
    if unknown:
        raise InputError(f"{where}: kind {unknown[0]!r}: expected {', '.join(kinds)}")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
