"""Text tables: contract rows to start from, questions, and the rows that they must answer.

A spec file says in words what it shows, and then holds blocks that open with `==`:

    == growth                            rows of a contract table; what is left out is neutral
    == ask growth-rate kind=landform     the columns that matter of each row of the answer

Columns are parted by `|`, null is `-`, a double may be a fraction, `box W S E N` is a polygon.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from rts_track.contract import CONTRACT, Column, Table, arrow_schema
from rts_track.store.base import Reader, Store, open_reader

Row = dict[str, Any]

_NEUTRAL: Mapping[str, Any] = {
    "int": 1,
    "double": 1.0,
    "bool": False,
    "date": dt.date(2020, 7, 1),
    "timestamp": dt.datetime(2020, 7, 1, tzinfo=dt.UTC),
    "json": "{}",
    "geometry": shapely.to_wkb(shapely.MultiPolygon([shapely.box(0, 0, 1, 1)])),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A question with its parameters, and the rows that it must answer."""

    question: str
    given: dict[str, str]
    columns: list[str]
    lines: list[list[str]]

    def expected(self, types: Mapping[str, str]) -> list[Row]:
        """The rows, each text read as its column's type."""
        return [
            {
                name: read_cell(types[name], text)
                for name, text in zip(self.columns, line, strict=True)
            }
            for line in self.lines
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What a spec file holds."""

    rows: dict[str, list[Row]] = field(default_factory=dict)
    asks: list[Ask] = field(default_factory=list)


def read_spec(file: Path) -> Spec:
    """The spec in the file."""
    spec = Spec()
    for block in file.read_text(encoding="utf-8").split("\n== ")[1:]:
        head, *lines = (line.strip() for line in block.splitlines())
        names, *cells = [[cell.strip() for cell in line.split("|")] for line in lines if line]
        if head.startswith("ask "):
            _, question, *given = head.split()
            spec.asks.append(
                Ask(
                    question=question,
                    given=dict(part.split("=", 1) for part in given),
                    columns=names,
                    lines=cells,
                )
            )
        else:
            table = CONTRACT[head]
            spec.rows[head] = [
                {n: read_cell(table[n].type, c) for n, c in zip(names, line, strict=True)}
                for line in cells
            ]
    return spec


def read_cell(type_: str, text: str) -> Any:
    """What the text stands for in a column of that type."""
    if text == "-":
        return None
    if type_ == "int":
        return int(text)
    if type_ == "double":
        return float(Fraction(text))
    if type_ == "bool":
        return {"yes": True, "no": False}[text]
    if type_ == "date":
        return dt.date.fromisoformat(text)
    if type_ == "geometry":
        west, south, east, north = map(float, text.removeprefix("box").split())
        return shapely.to_wkb(shapely.MultiPolygon([shapely.box(west, south, east, north)]))
    return text


def fill(store: Store, rows: Mapping[str, list[Row]]) -> None:
    """Put the rows into the store, with what they left out and the rows that they point at."""
    complete = {
        name: [_complete(table, row) for row in rows.get(name, [])]
        for name, table in CONTRACT.items()
    }
    for name in reversed(CONTRACT):
        _add_referenced(CONTRACT[name], complete)
    with store.transaction():
        for name, table_rows in complete.items():
            if table_rows:
                store.upsert(name, pa.Table.from_pylist(table_rows, schema=arrow_schema(name)))


def _complete(table: Table, row: Row) -> Row:
    return {
        column.name: row[column.name] if column.name in row else _neutral(column)
        for column in table.columns
    }


def _neutral(column: Column) -> Any:
    if column.is_nullable:
        return None
    if column.name == "validity":
        return "confirmed"
    if column.name.endswith("_year"):
        return 2020
    if column.type == "text":
        return column.choices[0] if column.choices else "some"
    return _NEUTRAL[column.type]


def _add_referenced(table: Table, complete: dict[str, list[Row]]) -> None:
    for column in table.columns:
        if column.references is None:
            continue
        target = CONTRACT[column.references]
        known = {row[target.key[0]] for row in complete[target.name]}
        for row in complete[table.name]:
            wanted = row[column.name]
            if wanted is not None and wanted not in known:
                known.add(wanted)
                complete[target.name].append(_complete(target, {target.key[0]: wanted}))


def export(store: Reader, folder: Path) -> str:
    """Write every contract table as Parquet; the address of the export."""
    folder.mkdir(exist_ok=True)
    for name in CONTRACT:
        pq.write_table(store.read(name), folder / f"{name}.parquet")
    return f"parquet:///{folder}"


def same(one: Any, other: Any) -> bool:
    """Whether two cells are equal, doubles to 1e-9."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9) or (math.isnan(one) and math.isnan(other))
    return type(one) is type(other) and bool(one == other)


def differences(got: Iterable[Row], wanted: Iterable[Row]) -> list[str]:
    """Where the rows differ in a column that is wanted; empty if they do not."""
    got, wanted = list(got), list(wanted)
    if len(got) != len(wanted):
        return [f"{len(got)} rows, not {len(wanted)}: {got}"]
    return [
        f"row {number}, {name}: {row.get(name)!r}, not {value!r}"
        for number, (row, goal) in enumerate(zip(got, wanted, strict=True), start=1)
        for name, value in goal.items()
        if not same(row.get(name), value)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The helpers of this file, for tests: tests are no package."""

    read_spec: Callable[[Path], Spec] = read_spec
    differences: Callable[[Iterable[Row], Iterable[Row]], list[str]] = differences


@pytest.fixture(scope="session")
def words() -> Words:
    return Words()


@pytest.fixture
def engines(
    duckdb_store: Store, postgis_store: Store, tmp_path: Path
) -> Iterator[Callable[[Mapping[str, list[Row]]], dict[str, Reader]]]:
    """Put rows into each engine: PostGIS, the embedded file, and an export of that file."""
    opened: list[Reader] = []

    def filled(rows: Mapping[str, list[Row]]) -> dict[str, Reader]:
        fill(duckdb_store, rows)
        fill(postgis_store, rows)
        exported = open_reader(export(duckdb_store, tmp_path / "export"))
        opened.append(exported)
        return {"duckdb": duckdb_store, "postgis": postgis_store, "export": exported}

    yield filled
    for reader in opened:
        reader.close()
