"""Verdicts as people write them: rows of a table edited in QGIS, R or a spreadsheet.

Columns: `verdict` (accept, reject, relink; empty: none), `by`, `at`, and the target's id in
`footprint_id`, `outline_id`, `link_id`, `track_id` or `target_id`. Optional: `target_kind`
(footprint, link, track), `to` (the later end of a link), `as` (main, merge, split) and `reason`.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rts_track.contract import CONTRACT
from rts_track.errors import InputError, UsageError
from rts_track.source.inventory import Fault

if TYPE_CHECKING:
    import pyarrow as pa

VERDICTS = CONTRACT["verdict"]["verdict"].choices
TARGET_KINDS = CONTRACT["verdict"]["target_kind"].choices
RELINK_KINDS = ("main", "merge", "split")

_ID_COLUMNS = {
    "footprint": ("footprint_id", "outline_id", "target_id"),
    "link": ("link_id", "footprint_id", "outline_id", "target_id"),
    "track": ("track_id", "target_id"),
}
"""Where a target's id is looked for: the first of these that holds something."""

_END_COLUMNS = ("footprint_id", "outline_id", "target_id")
"""Where the earlier end of a link is looked for, where the row has the later one, too."""

_BY_COLUMN = {"footprint_id": "footprint", "outline_id": "footprint", "link_id": "link"}
_NOTHING = ("", "nan", "none", "null")
_CLOCKS_DIFFER = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A verdict as it is given: its target is still to be looked up.

    Attributes:
        verdict: accept, reject or relink.
        target_kind: footprint, link or track.
        target: ids of what it is about; two outlines or footprints for a link that is not named.
        decided_by: who.
        decided_at: when, aware UTC.
        reason: why.
        link_kind: what a relink means: main, merge or split; None: main.
        relation: the column of ARTS that says so, if one does.
    """

    verdict: str
    target_kind: str
    target: tuple[str, ...]
    decided_by: str
    decided_at: dt.datetime
    reason: str | None = None
    link_kind: str | None = None
    relation: str | None = None

    def check(self, now: dt.datetime) -> None:
        """UsageError where it cannot be meant, whatever the store holds."""
        if self.verdict not in VERDICTS:
            raise UsageError(f"verdict {self.verdict!r}: expected {' or '.join(VERDICTS)}")
        if self.target_kind not in TARGET_KINDS:
            raise UsageError(f"target {self.target_kind!r}: expected {' or '.join(TARGET_KINDS)}")
        if self.verdict == "relink" and self.target_kind != "link":
            raise UsageError(f"relink is about links, not about a {self.target_kind}")
        if self.link_kind is not None and self.verdict != "relink":
            raise UsageError(f"as {self.link_kind!r}: only a relink says what the link is")
        if self.link_kind not in (None, *RELINK_KINDS):
            raise UsageError(f"as {self.link_kind!r}: expected {' or '.join(RELINK_KINDS)}")
        if not self.decided_by.strip():
            raise UsageError("who decides? give a name")
        if self.decided_at > now + _CLOCKS_DIFFER:
            raise UsageError(f"at {self.decided_at:%Y-%m-%d}: lies in the future; correct the date")
        self._check_target()

    def _check_target(self) -> None:
        n_ids = len(self.target)
        if self.verdict == "relink" and n_ids != 2:
            raise UsageError("relink takes two ids: of the earlier and the later outline")
        if self.target_kind == "link" and n_ids not in (1, 2):
            raise UsageError("a link is named by its id, or by two outlines or footprints")
        if self.target_kind != "link" and n_ids != 1:
            raise UsageError(f"a {self.target_kind} is named by one id, not by {n_ids}")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictFile:
    """The decisions in a file, each with its row number from 1, and the rows that are none."""

    decisions: tuple[tuple[int, Decision], ...]
    faults: tuple[Fault, ...]


def read_verdicts(path: Path, layer: str | None = None) -> VerdictFile:
    """The verdicts in a CSV, Parquet, GeoPackage or any other table that GDAL opens.

    Rows without a verdict are passed over: people mark a few of many.

    Raises:
        InputError: the file cannot be read.
        UsageError: it lacks a column.
    """
    decisions: list[tuple[int, Decision]] = []
    faults: list[Fault] = []
    for number, row in enumerate(_rows(path, layer), start=1):
        said = {name.lower(): _said(value) for name, value in row.items()}
        if number == 1:
            _require(path, said)
        if said["verdict"] is None:
            continue
        try:
            decisions.append((number, _decision(said)))
        except (UsageError, ValueError) as error:
            faults.append(Fault(f"row {number}", str(error)))
    return VerdictFile(decisions=tuple(decisions), faults=tuple(faults))


def instant(value: object) -> dt.datetime:
    """The instant that a field holds; a day is its midnight, without a zone it is UTC.

    ValueError where it holds none.
    """
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        value = dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)
    if not isinstance(value, dt.datetime):
        try:
            value = dt.datetime.fromisoformat(str(value).strip().replace("/", "-"))
        except ValueError:
            raise ValueError(f"at {str(value)!r} is no date: write it as 2026-03-01") from None
    return value.astimezone(dt.UTC) if value.tzinfo else value.replace(tzinfo=dt.UTC)


def _decision(row: dict[str, Any]) -> Decision:
    verdict = str(row["verdict"]).lower()
    kind = _target_kind(row, verdict)
    if row["by"] is None:
        raise ValueError("no name in `by`: say who decides")
    if row["at"] is None:
        raise ValueError("no date in `at`: say when, as 2026-03-01")
    return Decision(
        verdict=verdict,
        target_kind=kind,
        target=_target(row, kind),
        decided_by=str(row["by"]),
        decided_at=instant(row["at"]),
        reason=None if row.get("reason") is None else str(row["reason"]),
        link_kind=None if row.get("as") is None else str(row["as"]).lower(),
    )


def _target_kind(row: dict[str, Any], verdict: str) -> str:
    """What the row says it is about, else what its ids are of."""
    if row.get("target_kind") is not None:
        return str(row["target_kind"]).lower()
    if verdict == "relink" or row.get("to") is not None:
        return "link"
    given = (kind for column, kind in _BY_COLUMN.items() if row.get(column) is not None)
    return next(given, "footprint" if row.get("track_id") is None else "track")


def _target(row: dict[str, Any], kind: str) -> tuple[str, ...]:
    to = row.get("to")
    is_pair = kind == "link" and to is not None
    if kind not in _ID_COLUMNS:
        raise ValueError(f"target_kind {kind!r}: expected {' or '.join(TARGET_KINDS)}")
    columns = _END_COLUMNS if is_pair else _ID_COLUMNS[kind]
    for column in columns:
        if row.get(column) is not None:
            return (str(row[column]), str(to)) if is_pair else (str(row[column]),)
    raise ValueError(f"no id of a {kind}: fill {' or '.join(columns)}")


def _require(path: Path, row: dict[str, Any]) -> None:
    for column in ("verdict", "by", "at"):
        if column not in row:
            raise UsageError(
                f"{path}: no column {column!r}; verdicts have verdict, by, at, and the id of a"
                f" footprint, outline, link or track; its columns are {', '.join(row) or 'none'}"
            )


def _said(value: object) -> object:
    """The value; None where it says nothing."""
    if isinstance(value, str):
        value = value.strip()
        return None if value.lower() in _NOTHING else value
    return None if value != value else value  # NaN and NaT are not equal to themselves


def _rows(path: Path, layer: str | None) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if path.suffix.lower() == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as stream:
            try:
                yield from ({k or "": v for k, v in row.items()} for row in csv.DictReader(stream))
            except (UnicodeDecodeError, csv.Error) as error:
                raise InputError(f"{path}: no CSV in UTF-8 ({error})") from error
        return
    yield from _table(path, layer).to_pylist()


def _table(path: Path, layer: str | None) -> pa.Table:
    """The file's table, without geometry."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    import pyogrio
    from pyogrio.errors import DataLayerError, DataSourceError

    try:
        if path.suffix.lower() in (".parquet", ".geoparquet"):
            schema = pq.read_schema(path)
            plain = [field.name for field in schema if not _is_apart(field.type)]
            return pq.read_table(path, columns=plain)
        name = layer or _layer_with_verdicts(path)
        return pyogrio.read_arrow(path, layer=name, read_geometry=False)[1]
    except (DataSourceError, DataLayerError, pa.ArrowException, OSError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: not a table that can be read ({reason})") from error


def _is_apart(type_: pa.DataType) -> bool:
    """Whether it is geometry or its bounds, which say nothing here."""
    import pyarrow as pa

    return bool(pa.types.is_binary(type_) or pa.types.is_nested(type_))


def _layer_with_verdicts(path: Path) -> str:
    """The layer that has verdicts, else the first."""
    import pyogrio

    names = [str(name) for name, _ in pyogrio.list_layers(path)]
    having = [
        name
        for name in names
        if "verdict" in {str(f).lower() for f in pyogrio.read_info(path, layer=name)["fields"]}
    ]
    if len(having) > 1:
        raise UsageError(
            f"{path}: several layers hold verdicts ({', '.join(having)}): --layer NAME"
        )
    return (having or names)[0]
