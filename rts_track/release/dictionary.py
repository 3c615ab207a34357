"""The data dictionary: what every table and column of the contract means, as Markdown."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from rts_track.contract import CONTRACT, Column, Table

_HEAD = """\
# Data dictionary

Every table that `rts-track export` writes and SQL reads, with the same names, columns, types and
units in PostGIS, in the embedded store and in the exported files (`<table>.parquet`). Made from
`rts_track/contract.py` by `python -m rts_track.release.dictionary > docs/dictionary.md`; do not
edit it by hand.

- Geometry is WGS 84 lon/lat, MultiPolygons that never cross the antimeridian (they are split
  there). Areas are measured in EPSG:6931, lengths on the ground.
- Ids are text and mean nothing beyond being equal. Dates are days, instants are UTC.
- An empty cell in "null" means that the column always has a value.
- Exported tables with geometry have one column more, `bbox` (`xmin`, `ymin`, `xmax`, `ymax` in
  degrees), by which readers skip what lies elsewhere; their rows lie along a Hilbert curve. The
  others are in the order of their key.

| type | PostGIS | DuckDB | Parquet |
|---|---|---|---|
| text | text | varchar | string |
| int | integer | integer | int32 |
| double | double precision | double | double |
| bool | boolean | boolean | boolean |
| date | date | date | date32 |
| timestamp | timestamptz | timestamptz | timestamp(us, UTC) |
| json | json | json | string |
| geometry | geometry(MultiPolygon, 4326) | geometry | WKB |
"""


def dictionary() -> str:
    """The data dictionary of the contract."""
    return "\n".join([_HEAD, _contents(), *map(_section, CONTRACT.values())])


def _contents() -> str:
    lines = [f"- [{table.name}](#{table.name}): {table.meaning}" for table in CONTRACT.values()]
    return "\n".join(["## Tables", "", *lines, ""])


def _section(table: Table) -> str:
    return "\n".join(
        [
            f"## {table.name}",
            "",
            f"{_sentence(table.meaning)} One row per {_listed(table.key)}.",
            "",
            "| column | type | unit | null | meaning |",
            "|---|---|---|---|---|",
            *(_row(column) for column in table.columns),
            "",
        ]
    )


def _row(column: Column) -> str:
    null = "null" if column.is_nullable else ""
    told = "; ".join(_meaning(column))
    return f"| `{column.name}` | {column.type} | {column.unit} | {null} | {told} |"


def _meaning(column: Column) -> Iterator[str]:
    yield column.meaning
    if column.choices:
        yield "one of " + ", ".join(f"`{choice}`" for choice in column.choices)
    if column.references:
        yield f"a row of [{column.references}](#{column.references})"


def _listed(names: tuple[str, ...]) -> str:
    *most, last = (f"`{name}`" for name in names)
    return f"{', '.join(most)} and {last}" if most else last


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


if __name__ == "__main__":
    sys.stdout.write(dictionary())
