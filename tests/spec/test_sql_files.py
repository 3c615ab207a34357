"""What every file in sql/ must keep to, so that it means the same to every reader and engine."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from rts_track.contract import CONTRACT
from rts_track.query import Question, questions
from rts_track.resources import resource_folder

_QUESTIONS = questions()
_PAGE = Path(__file__).parents[2] / "docs" / "questions.md"
_each = pytest.mark.parametrize("asked", _QUESTIONS, ids=[asked.name for asked in _QUESTIONS])


@_each
def test_a_question_describes_itself(asked: Question) -> None:
    assert asked.question.endswith(("?", "QGIS."))
    assert asked.grain.startswith("one row per ")
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", asked.name)
    assert all(param.meaning for param in asked.params)
    assert all(param.is_required or param.default_value is not ... for param in asked.params)


@_each
def test_a_question_declares_exactly_the_parameters_that_it_uses(asked: Question) -> None:
    assert set(re.findall(r"\$(\w+)", asked.sql)) == {param.name for param in asked.params}


@_each
def test_a_parameter_is_cast_once_so_that_no_engine_guesses_its_type(asked: Question) -> None:
    for param in asked.params:
        assert len(re.findall(rf"\${param.name}\b", asked.sql)) == 1
        assert re.search(
            rf"cast\(\${param.name} as (text|integer|double precision|boolean)\)", asked.sql
        )


@_each
def test_a_question_reads_only_tables_of_the_contract(asked: Question) -> None:
    named = set(re.findall(r"\b(?:from|join)\s+(\w+)", _code(asked)))
    own = set(re.findall(r"\b(\w+) as \(\n", _code(asked)))
    assert named - own - {"asked"} <= set(CONTRACT)
    assert named & set(CONTRACT)


@_each
def test_a_question_reads_only_columns_of_the_contract(asked: Question) -> None:
    tables = "|".join(CONTRACT)
    own = set(re.findall(r"\b(\w+) as \(\n", _code(asked)))
    for table, column in re.findall(rf"\b({tables})\.(\w+)", _code(asked)):
        assert table in own or column in CONTRACT[table].column_names, f"{table}.{column}"


@_each
def test_a_question_needs_no_spatial_function(asked: Question) -> None:
    assert not re.search(r"\bst_\w+", asked.sql, re.IGNORECASE)


@_each
def test_a_question_avoids_what_engines_read_differently(asked: Question) -> None:
    code = _code(asked)
    for trap in ("::", ";", "%", "qualify", "any_value", "date_trunc", "round(", "||", '" '):
        assert trap not in code, trap
    assert not re.search(r"[A-Z]", code.replace('collate "C"', ""))
    assert not re.search(r"\b\d+ / \d+\b", code)


@_each
def test_a_question_orders_its_rows(asked: Question) -> None:
    assert re.search(r"^order by$", asked.sql, re.MULTILINE)


@_each
def test_a_descending_order_says_where_nulls_go_or_sorts_what_is_never_null(
    asked: Question,
) -> None:
    nullable = {c.name for table in CONTRACT.values() for c in table.columns if c.is_nullable}
    for column, rest in re.findall(r"\.(\w+) desc\b([^,\n]*)", _code(asked)):
        assert column not in nullable - {"area_m2", "area_rate_m2_yr"} or "nulls" in rest


@_each
def test_a_question_is_laid_out_one_clause_a_line(asked: Question) -> None:
    for line in asked.sql.splitlines():
        assert len(line) <= 100
        assert line == line.rstrip()
        assert "\t" not in line
    for line in _code(asked).splitlines():
        within = re.sub(r"\(.*\)|\(.*$|^.*\)", "", line.strip())
        assert not re.search(r"\S\s+(select|from|where|group by|having|window)\b", within), line
        assert not re.search(r"\S\s+join\b", re.sub("^(left|cross) ", "", within)), line


def test_every_file_in_the_folder_is_a_question() -> None:
    files = {file.name for file in resource_folder("sql").iterdir() if file.name != ".gitkeep"}
    assert files == {f"{asked.name}.sql" for asked in _QUESTIONS}


@_each
def test_a_question_can_be_planned_on_bare_contract_tables(asked: Question) -> None:
    types = {
        "text": "varchar",
        "int": "integer",
        "double": "double",
        "bool": "boolean",
        "date": "date",
        "timestamp": "timestamptz",
        "json": "varchar",
        "geometry": "blob",
    }
    with duckdb.connect() as connection:
        for table in CONTRACT.values():
            columns = ", ".join(f"{c.name} {types[c.type]}" for c in table.columns)
            connection.execute(f"create table {table.name} ({columns})")
        params = {param.name: None for param in asked.params}
        names = [d[0] for d in connection.execute(asked.sql, params).description]
    assert names == [column.name for column in asked.columns]


def test_the_page_of_questions_is_up_to_date() -> None:
    from rts_track.query import questions_page

    assert _PAGE.read_text(encoding="utf-8") == questions_page(), (
        "write it anew: python -c 'from rts_track.query import questions_page;"
        ' print(questions_page(), end="")\' > docs/questions.md'
    )


def _code(asked: Question) -> str:
    """The statement without comments and literals."""
    bare = re.sub(r"--[^\n]*", "", asked.sql)
    return re.sub(r"'[^']*'", "''", bare)
