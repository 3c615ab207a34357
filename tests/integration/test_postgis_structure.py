"""PostGIS's catalogue says what the contract says."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest

from rts_track.contract import CONTRACT, Table
from rts_track.store.internal import INTERNAL, INTERNAL_SCHEMA
from rts_track.store.rows import is_area

TYPES = {
    "text": "text",
    "int": "integer",
    "double": "double precision",
    "bool": "boolean",
    "date": "date",
    "timestamp": "timestamp with time zone",
    "json": "json",
    "geometry": "geometry(MultiPolygon,4326)",
}
SCHEMAS = {"rts_track": CONTRACT, INTERNAL_SCHEMA: INTERNAL}
TABLES = [(schema, table) for schema, tables in SCHEMAS.items() for table in tables.values()]


@pytest.fixture(scope="module")
def catalogue(postgis_server) -> Iterator[psycopg.Connection]:
    with (
        postgis_server.database(postgis_server.template) as url,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        yield connection


def found(catalogue: psycopg.Connection, sql: str, schema: str, table: Table) -> list[tuple]:
    """Rows of a question about one table, given as `$1`-style names."""
    return catalogue.execute(sql, {"table": f"{schema}.{table.name}"}).fetchall()


@pytest.mark.parametrize(("schema", "tables"), SCHEMAS.items(), ids=SCHEMAS)
def test_a_schema_holds_the_declared_tables_and_no_others(catalogue, schema, tables):
    names = catalogue.execute(
        "select tablename from pg_tables where schemaname = %s", [schema]
    ).fetchall()
    assert {name for (name,) in names} == set(tables)


@pytest.mark.parametrize(("schema", "table"), TABLES, ids=lambda value: getattr(value, "name", ""))
def test_a_tables_columns_and_comments_are_the_contracts(catalogue, schema, table):
    columns = found(
        catalogue,
        """
        select a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
               col_description(a.attrelid, a.attnum)
        from pg_attribute a
        where a.attrelid = %(table)s::regclass and a.attnum > 0 and not a.attisdropped
        order by a.attnum
        """,
        schema,
        table,
    )
    assert columns == [
        (column.name, TYPES[column.type], not column.is_nullable, column.comment)
        for column in table.columns
    ]
    ((comment,),) = found(catalogue, "select obj_description(%(table)s::regclass)", schema, table)
    assert comment == table.meaning


@pytest.mark.parametrize(("schema", "table"), TABLES, ids=lambda value: getattr(value, "name", ""))
def test_text_is_ordered_by_code_point(catalogue, schema, table):
    collations = found(
        catalogue,
        """
        select distinct c.collname
        from pg_attribute a
        join pg_collation c on c.oid = a.attcollation
        where a.attrelid = %(table)s::regclass and a.attnum > 0
        """,
        schema,
        table,
    )
    assert collations == [("C",)]


def constraints(catalogue, schema: str, table: Table, kind: str) -> dict[str, tuple]:
    rows = found(
        catalogue,
        f"""
        select conname, pg_get_constraintdef(oid), condeferrable, condeferred,
               confrelid::regclass::text,
               array(
                 select a.attname::text
                 from unnest(conkey) with ordinality k (attnum, place)
                 join pg_attribute a on a.attrelid = conrelid and a.attnum = k.attnum
                 order by k.place
               )
        from pg_constraint
        where conrelid = %(table)s::regclass and contype = '{kind}'
        """,
        schema,
        table,
    )
    return {name: rest for name, *rest in rows}


@pytest.mark.parametrize(("schema", "table"), TABLES, ids=lambda value: getattr(value, "name", ""))
def test_keys_and_references_are_the_contracts(catalogue, schema, table):
    (key,) = constraints(catalogue, schema, table, "p").values()
    assert key[-1] == list(table.key)
    assert constraints(catalogue, schema, table, "f") == {
        f"{table.name}_{column.name}_fkey": [
            f"FOREIGN KEY ({column.name}) REFERENCES rts_track.{column.references}"
            f"({CONTRACT[column.references].key[0]}) DEFERRABLE INITIALLY DEFERRED",
            True,
            True,
            f"rts_track.{column.references}",
            [column.name],
        ]
        for column in table.columns
        if column.references
    }


@pytest.mark.parametrize(("schema", "table"), TABLES, ids=lambda value: getattr(value, "name", ""))
def test_choices_areas_and_geometry_are_checked(catalogue, schema, table):
    checks = {
        name: definition
        for name, (definition, *_) in constraints(catalogue, schema, table, "c").items()
    }
    assert set(checks) == {
        f"{table.name}_{column.name}_check"
        for column in table.columns
        if column.choices or column.type == "geometry" or is_area(column)
    }
    for column in table.columns:
        definition = checks.get(f"{table.name}_{column.name}_check", "")
        assert tuple(re.findall(r"'([^']*)'::text", definition)) == column.choices
        if column.type == "geometry":
            assert "st_isvalid" in definition
            assert "st_isempty" in definition
        elif is_area(column):
            assert f"{column.name} >= " in definition


def test_every_geometry_that_maps_show_and_every_reference_that_is_undone_has_an_index(catalogue):
    indexes = catalogue.execute(
        "select tablename, indexdef from pg_indexes where schemaname = 'rts_track'"
    ).fetchall()
    gist = {table for table, definition in indexes if "USING gist (geometry)" in definition}
    assert gist == {name for name, table in CONTRACT.items() if table.geometry_column}
    leading = {
        (table, re.search(r"USING btree \((\w+)", definition)[1])
        for table, definition in indexes
        if "btree" in definition
    }
    removed = {"outline", "track"}
    assert {
        (table.name, column.name)
        for table in CONTRACT.values()
        for column in table.columns
        if column.references in removed
    } <= leading
