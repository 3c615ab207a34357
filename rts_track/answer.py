"""Answers for people and programs: as a table of text, CSV, JSON or Parquet."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from rts_track.errors import RtsTrackError, UsageError
from rts_track.writing import appearing

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

FORMATS = ("table", "csv", "json", "parquet")
"""What an answer can be written as."""

_SIGNIFICANT_DIGITS = 4
_DEGREE_DECIMALS = 5
"""Of degrees, about a metre on the ground."""
_BATCH_ROWS = 10_000


def write_answer(answer: pa.Table, format: str, out: TextIO | Path) -> None:
    """Write the answer to a text stream, or to a file that appears whole or not at all.

    `table` is aligned text with rounded numbers and geometry in brief; `csv` has geometry as WKT
    and null as nothing; `json` is an array of objects, a row a line, with GeoJSON geometry;
    `parquet` is GeoParquet 1.1 where there is a geometry column.

    Raises:
        UsageError: the format is unknown, or Parquet was to go to a terminal.
        RtsTrackError: the file cannot be written.
    """
    if format not in FORMATS:
        raise UsageError(f"format {format!r}: expected {', '.join(FORMATS)}")
    if isinstance(out, Path):
        try:
            with appearing(out) as file:
                _write_file(answer, format, file)
        except OSError as error:
            raise RtsTrackError(f"{out}: cannot be written ({error.strerror or error})") from error
    elif format == "parquet":
        _stream_parquet(answer, out)
    else:
        out.writelines(f"{line}\n" for line in _TEXT_FORMATS[format](answer))


def _write_file(answer: pa.Table, format: str, file: Path) -> None:
    if format == "parquet":
        _write_parquet(answer, file)
        return
    with file.open("w", encoding="utf-8", newline="") as stream:
        stream.writelines(f"{line}\n" for line in _TEXT_FORMATS[format](answer))


def _write_parquet(answer: pa.Table, file: Path) -> None:
    if "geometry" in answer.schema.names:
        from rts_track.release.geoparquet import write_geoparquet

        write_geoparquet(file, answer, geometry_column="geometry")
    else:
        import pyarrow.parquet

        pyarrow.parquet.write_table(answer, file, compression="zstd")


def _stream_parquet(answer: pa.Table, out: TextIO) -> None:
    if out.isatty():
        raise UsageError("format parquet is no text for a terminal: give a file to write it to")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "answer.parquet"
        _write_parquet(answer, file)
        out.flush()
        out.buffer.write(file.read_bytes())


def table_lines(answer: pa.Table) -> Iterator[str]:
    """The table as aligned lines of text, numbers to the right; then how many rows it has."""
    columns = [[name, *_cells(answer, name)] for name in answer.schema.names]
    is_number = [_is_number(field.type) for field in answer.schema]
    width = [max(map(len, cells)) for cells in columns]
    rows = zip(*columns, strict=True)
    for number, row in enumerate(rows):
        aligned = (
            cell.rjust(n) if right else cell.ljust(n)
            for cell, n, right in zip(row, width, is_number, strict=True)
        )
        yield "  ".join(aligned).rstrip()
        if number == 0:
            yield "  ".join("-" * n for n in width)
    yield f"({answer.num_rows} row{'' if answer.num_rows == 1 else 's'})"


def _cells(answer: pa.Table, name: str) -> list[str]:
    import pyarrow as pa

    field, values = answer.schema.field(name), answer[name]
    if pa.types.is_binary(field.type):
        return _in_brief(values)
    unit = (field.metadata or {}).get(b"unit", b"").decode()
    return [_text(value, unit) for value in values.to_pylist()]


def _text(value: object, unit: str) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.{_DEGREE_DECIMALS}f}" if unit.startswith("degrees") else _rounded(value)
    return str(value)


def _rounded(value: float) -> str:
    """The number to four digits that matter, whole ones never cut off."""
    if not math.isfinite(value):
        return str(value)
    if value == 0.0:
        return "0"
    decimals = _SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(abs(value)))
    if decimals > 2 * _SIGNIFICANT_DIGITS:
        return f"{value:.{_SIGNIFICANT_DIGITS - 1}e}"
    text = f"{value:.{max(decimals, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _in_brief(geometries: pa.ChunkedArray) -> list[str]:
    import shapely

    shapes = _shapes(geometries)
    counts = shapely.get_num_coordinates(shapes)
    return [
        "-" if shape is None else f"{shape.geom_type}, {count} vertices"
        for shape, count in zip(shapes, counts, strict=True)
    ]


def _shapes(wkb: pa.Array | pa.ChunkedArray) -> NDArray[np.object_]:
    """The geometries, None for null; Arrow's own way to numpy would load pandas."""
    import numpy as np
    import shapely

    return np.asarray(shapely.from_wkb(np.array(wkb.to_pylist(), dtype=object)))


def _is_number(type_: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_))


def _csv_lines(answer: pa.Table) -> Iterator[str]:
    yield _csv_text([answer.schema.names])
    for batch in filter(len, answer.to_batches(_BATCH_ROWS)):
        columns = [_csv_column(column) for column in batch.columns]
        yield _csv_text(zip(*columns, strict=True))


def _csv_text(rows: Iterable[Sequence[object]]) -> str:
    """The rows as lines of CSV, without the end of the last."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().removesuffix("\n")


def _csv_column(column: pa.Array) -> list[object]:
    import pyarrow as pa

    if pa.types.is_binary(column.type):
        import shapely

        return list(shapely.to_wkt(_shapes(column), rounding_precision=-1))
    values: list[object] = column.to_pylist()
    if pa.types.is_boolean(column.type):
        return [None if value is None else str(value).lower() for value in values]
    return values


def _json_lines(answer: pa.Table) -> Iterator[str]:
    lines = _record_lines(answer)
    last = next(lines, None)
    yield "["
    for line in lines:
        yield f"{last},"
        last = line
    if last is not None:
        yield last
    yield "]"


def _record_lines(answer: pa.Table) -> Iterator[str]:
    names = answer.schema.names
    for batch in answer.to_batches(_BATCH_ROWS):
        columns = [_json_column(answer.schema.field(name), batch[name]) for name in names]
        for row in zip(*columns, strict=True):
            record = dict(zip(names, row, strict=True))
            yield json.dumps(record, ensure_ascii=False, allow_nan=False)


def _json_column(field: pa.Field, column: pa.Array) -> list[object]:
    import pyarrow as pa

    if pa.types.is_binary(field.type):
        import shapely

        texts = shapely.to_geojson(_shapes(column))
        return [None if text is None else json.loads(text) for text in texts]
    if (field.metadata or {}).get(b"type") == b"json":
        return [None if text is None else json.loads(text) for text in column.to_pylist()]
    return [_json_value(value) for value in column.to_pylist()]


def _json_value(value: Any) -> object:  # noqa: ANN401
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dt.date):
        return value.isoformat()
    return value


_TEXT_FORMATS: dict[str, Callable[[pa.Table], Iterator[str]]] = {
    "table": table_lines,
    "csv": _csv_lines,
    "json": _json_lines,
}
