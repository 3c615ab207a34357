"""Questions are read, asked and answered in plain words, and faults cost one line."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from rts_track import query
from rts_track.answer import table_lines, write_answer
from rts_track.errors import RtsTrackError, UsageError
from rts_track.query import ask, bind, question, question_lines, questions

_HEADED = """\
-- question: What is there?
-- grain: one row per thing
-- params:
--   size: double = 2.5 [m]: how large
--   shape: text in round|square = none: how it looks
--   is_new: bool = false: fresh ones only
--   track_id: text: which
-- units:
--   size: double [m]: how large it is
--   geometry: geometry [WGS 84 lon/lat]: where it is
select 1
"""


class _Reader:
    """Answers every statement with the same table, and remembers what it was asked."""

    def __init__(self, answer: pa.Table) -> None:
        self.answer = answer

    def query(self, sql: str, params: dict[str, object]) -> pa.Table:
        self.sql, self.params = sql, params
        return self.answer


@pytest.fixture
def headed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one question, instead of the real ones."""
    (tmp_path / "what-is-there.sql").write_text(_HEADED)
    monkeypatch.setattr(query, "resource_folder", lambda name: tmp_path)
    return tmp_path


def test_a_question_is_read_from_the_head_of_its_file(headed: Path) -> None:
    (asked,) = questions()
    assert asked.name == "what-is-there"
    assert asked.question == "What is there?"
    assert asked.grain == "one row per thing"
    assert [(p.name, p.type, p.default, p.unit) for p in asked.params] == [
        ("size", "double", "2.5", "m"),
        ("shape", "text", "none", ""),
        ("is_new", "bool", "false", ""),
        ("track_id", "text", None, ""),
    ]
    assert asked.params[1].choices == ("round", "square")
    assert [(c.name, c.type, c.unit) for c in asked.columns] == [
        ("size", "double", "m"),
        ("geometry", "geometry", "WGS 84 lon/lat"),
    ]
    assert asked.sql == "select 1\n"
    assert asked.answer_schema.field("size").metadata[b"unit"] == b"m"


def test_texts_become_values_of_the_declared_types(headed: Path) -> None:
    (asked,) = questions()
    given = {"track_id": "7", "size": "1e3", "is_new": "True", "shape": "round"}
    assert bind(asked, given) == {"size": 1000.0, "shape": "round", "is_new": True, "track_id": "7"}
    assert bind(asked, {"track_id": "x"}) == {
        "size": 2.5,
        "shape": None,
        "is_new": False,
        "track_id": "x",
    }


def test_unknown_and_missing_parameters_are_listed_in_one_line(headed: Path) -> None:
    (asked,) = questions()
    with pytest.raises(UsageError) as caught:
        bind(asked, {"siz": "3", "colour": "red"})
    said = str(caught.value)
    assert "\n" not in said
    assert "no parameter 'siz' (did you mean size?)" in said
    assert "no parameter 'colour'" in said
    assert "track_id is missing (which)" in said
    assert "it takes: size, shape, is_new, track_id" in said


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"size": "big"}, "size=big: expected a number"),
        ({"size": "nan"}, "size=nan: expected a finite number"),
        ({"shape": "squar"}, "expected round or square (did you mean square?)"),
        ({"is_new": "1"}, "is_new=1: expected true or false"),
    ],
)
def test_a_value_of_another_type_is_refused(headed: Path, given: dict[str, str], told: str) -> None:
    (asked,) = questions()
    with pytest.raises(UsageError) as caught:
        bind(asked, {"track_id": "x", **given})
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2020.5", "a whole number"),
        ("20200000000", "a whole number of at most nine digits"),
        ("", "a whole number"),
    ],
)
def test_a_season_is_a_whole_number(text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        bind(question("fastest-growers"), {"season": text})


def test_a_mistyped_question_is_told_the_names_like_it() -> None:
    with pytest.raises(UsageError, match=r"no question 'growth-rates' \(did you mean growth-rate"):
        question("growth-rates")
    with pytest.raises(UsageError, match="`rts-track query` lists the questions"):
        question("../secrets")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("--   size: float = 2.5: how large", "cannot read '--   size: float"),
        ("-- params:", "params"),
    ],
)
def test_a_head_out_of_order_is_refused_with_its_file(headed: Path, line: str, reason: str) -> None:
    file = headed / "what-is-there.sql"
    wrong = {"--   size: float = 2.5: how large": "--   size: double = 2.5 [m]: how large"}
    file.write_text(
        _HEADED.replace(wrong[line], line) if line in wrong else _HEADED.replace(line + "\n", "")
    )
    with pytest.raises(ValueError, match=r"what-is-there\.sql: ") as caught:
        questions()
    assert reason in str(caught.value)


def test_every_engine_s_own_types_become_the_declared_ones() -> None:
    declared = question("events").answer_schema
    columns = {name: pa.nulls(1) for name in declared.names}
    columns |= {
        "season_year": pa.array([2020], pa.int64()),
        "confidence": pa.array([1], pa.int16()),
        "evidence": pa.array(['{"b": 1, "a": 2}'], pa.large_string()),
    }
    reader = _Reader(pa.table(dict(reversed(columns.items()))))
    answer = ask(reader, "events", {"season": "2020"})
    assert answer.schema.equals(declared)
    assert answer["evidence"].to_pylist() == ['{"b": 1, "a": 2}']
    assert answer.schema.field("evidence").metadata[b"type"] == b"json"
    assert reader.params == {
        "kind": None,
        "event": None,
        "season": 2020,
        "min_area_m2": 0.0,
    }
    assert "-- question" not in reader.sql


def test_the_list_names_every_question_with_its_parameters() -> None:
    lines = question_lines()
    assert len(lines) == 2 * len(questions())
    assert any(line.startswith("fastest-growers ") for line in lines)
    assert any("season=none" in line and "limit=20" in line for line in lines)
    assert any(line.strip() == "track_id=..." for line in lines)


def test_listing_and_reading_questions_loads_nothing_heavy() -> None:
    code = (
        "import sys; from rts_track.query import question_lines; question_lines();"
        "heavy = {'pandas', 'geopandas', 'pyarrow', 'shapely', 'numpy', 'duckdb', 'psycopg'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_asking_the_embedded_store_loads_no_pandas(duckdb_url: str) -> None:
    code = (
        "import sys; from rts_track.query import ask; from rts_track.store.base import open_reader;"
        f"print(ask(open_reader({duckdb_url!r}), 'tracks', {{'min_area_m2': '5'}}).num_rows);"
        "sys.exit(', '.join({'pandas', 'geopandas'} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")


_SQUARE = shapely.MultiPolygon([shapely.box(10.0, 70.0, 10.1, 70.25)])


@pytest.fixture
def answer() -> pa.Table:
    """Two rows with a bit of everything; the second has nothing but its name."""
    lon = pa.field("lon", pa.float64(), metadata={"unit": "degrees east"})
    evidence = pa.field("evidence", pa.string(), metadata={"type": "json"})
    schema = pa.schema(
        [
            pa.field("name", pa.string()),
            pa.field("n", pa.int32()),
            pa.field("area_m2", pa.float64()),
            lon,
            pa.field("is_new", pa.bool_()),
            pa.field("seen_on", pa.date32()),
            evidence,
            pa.field("geometry", pa.binary()),
        ]
    )
    full = {
        "name": 'a, "b"\nü',
        "n": 3,
        "area_m2": 12345.678,
        "lon": 127.1234567,
        "is_new": True,
        "seen_on": dt.date(2020, 7, 1),
        "evidence": '{"n": 1}',
        "geometry": shapely.to_wkb(_SQUARE),
    }
    return pa.Table.from_pylist([full, {"name": "b"}], schema=schema)


def _written(answer: pa.Table, format: str) -> str:
    out = io.StringIO()
    write_answer(answer, format, out)
    return out.getvalue()


def test_a_table_is_aligned_rounded_and_shows_geometry_in_brief(answer: pa.Table) -> None:
    lines = _written(answer.slice(1).drop_columns(["evidence"]), "table").splitlines()
    assert lines == [
        "name  n  area_m2  lon  is_new  seen_on  geometry",
        "----  -  -------  ---  ------  -------  --------",
        "b     -        -    -  -       -        -",
        "(1 row)",
    ]
    first = next(line for line in _written(answer, "table").splitlines() if "vertices" in line)
    assert first.endswith(
        '3    12346  127.12346  yes     2020-07-01  {"n": 1}  MultiPolygon, 5 vertices'
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.04321567, "-0.04322"),
        (0.5, "0.5"),
        (9.99996, "10"),
        (1234.56, "1235"),
        (1e12 + 0.5, "1000000000000"),
        (1.5e-7, "1.500e-07"),
        (float("nan"), "nan"),
        (100.0, "100"),
    ],
)
def test_a_number_keeps_four_digits_and_never_loses_whole_ones(value: float, text: str) -> None:
    lines = list(table_lines(pa.table({"x": [value]})))
    assert lines[2].strip() == text


def test_csv_keeps_every_digit_and_writes_geometry_as_wkt(answer: pa.Table) -> None:
    rows = list(csv.DictReader(io.StringIO(_written(answer, "csv"))))
    assert rows[0]["name"] == 'a, "b"\nü'
    assert float(rows[0]["area_m2"]) == 12345.678
    assert (rows[0]["n"], rows[0]["is_new"], rows[0]["seen_on"]) == ("3", "true", "2020-07-01")
    assert shapely.from_wkt(rows[0]["geometry"]).equals(_SQUARE)
    assert rows[1] == dict.fromkeys(answer.schema.names, "") | {"name": "b"}


def test_json_is_an_array_of_objects_with_geojson_and_no_nan(answer: pa.Table) -> None:
    nan = answer.set_column(2, "area_m2", pa.array([float("nan"), None], pa.float64()))
    first, second = json.loads(_written(nan, "json"))
    assert first["area_m2"] is None
    assert first["evidence"] == {"n": 1}
    assert first["geometry"]["type"] == "MultiPolygon"
    assert (first["n"], first["is_new"], first["seen_on"]) == (3, True, "2020-07-01")
    assert second == dict.fromkeys(answer.schema.names) | {"name": "b"}


@pytest.mark.parametrize(
    ("format", "text"), [("csv", "x\n"), ("json", "[\n]\n"), ("table", "x\n-\n(0 rows)\n")]
)
def test_an_answer_without_rows_is_still_well_formed(format: str, text: str) -> None:
    assert _written(pa.table({"x": pa.array([], pa.int32())}), format) == text


def test_parquet_with_geometry_is_geoparquet(answer: pa.Table, tmp_path: Path) -> None:
    file = tmp_path / "answer.parquet"
    write_answer(answer.slice(0, 1), "parquet", file)
    geo = json.loads(pq.read_schema(file).metadata[b"geo"])
    assert (geo["version"], geo["primary_column"]) == ("1.1.0", "geometry")
    assert pq.read_table(file)["name"].to_pylist() == ['a, "b"\nü']


def test_parquet_without_geometry_is_plain_and_may_go_to_a_stream(answer: pa.Table) -> None:
    plain = answer.drop_columns(["geometry"])
    stream = io.TextIOWrapper(io.BytesIO())
    write_answer(plain, "parquet", stream)
    assert pq.read_table(io.BytesIO(stream.buffer.getvalue())).equals(plain)


def test_parquet_does_not_go_to_a_terminal(answer: pa.Table) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    with pytest.raises(UsageError, match="give a file"):
        write_answer(answer, "parquet", Terminal())


@pytest.mark.parametrize("format", ["table", "csv", "json", "parquet"])
def test_a_file_appears_whole_or_not_at_all(format: str, answer: pa.Table, tmp_path: Path) -> None:
    file = tmp_path / "answer"
    file.write_text("former")
    broken = answer.set_column(7, "geometry", pa.array([b"no wkb", None], pa.binary()))
    with pytest.raises(shapely.errors.GEOSException):
        write_answer(broken, format, file)
    assert file.read_text() == "former"
    write_answer(answer.slice(0, 1), format, file)
    assert file.read_bytes() != b"former"
    assert [entry.name for entry in tmp_path.iterdir()] == ["answer"]


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_a_file_that_cannot_be_written_costs_one_line(
    format: str, answer: pa.Table, tmp_path: Path
) -> None:
    with pytest.raises(RtsTrackError, match="cannot be written") as caught:
        write_answer(answer, format, tmp_path / "no" / "folder")
    assert "\n" not in str(caught.value)


def test_an_unknown_format_is_refused(answer: pa.Table) -> None:
    with pytest.raises(UsageError, match="expected table, csv, json, parquet"):
        write_answer(answer, "xlsx", io.StringIO())
