"""The embedded store: one DuckDB file; and an exported directory, read as if it were one."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

import duckdb

from rts_track.contract import CONTRACT, SCHEMA_VERSION, Table
from rts_track.errors import StoreError
from rts_track.store.base import BATCH_ROWS, Scalar, Where, Written
from rts_track.store.internal import INTERNAL, INTERNAL_SCHEMA, any_table
from rts_track.store.rows import batches, check_rows, picked_schema, to_declared

if TYPE_CHECKING:
    import pyarrow as pa

_TYPES = {
    "text": "varchar",
    "int": "integer",
    "double": "double",
    "bool": "boolean",
    "date": "date",
    "timestamp": "timestamptz",
    "json": "json",
    "geometry": "geometry",
}
_STAGED = "staged_rows"
_WRITING = "set memory_limit = '2GB'"
"""What DuckDB may hold beside what a step holds; beyond it, it writes to disk. Millions of rows
are written no slower, and its own choice, four fifths of the machine, would leave no room."""
_CHECKED_ROWS = 5_000
"""Rows whose geometry is looked at a time; bounds memory."""
_NO_DATABASE = "a file, but no store of rts-track: it is no DuckDB database"
_OLDER = "its structure is older than this rts-track; run `rts-track init` on it"
_SESSION = "set timezone = 'UTC'; set preserve_insertion_order = true"
_COLUMNS = """
    select column_name
    from duckdb_columns()
    where database_name = current_database()
    and schema_name = $1
    and table_name = $2
"""
_LOST_TABLE = re.compile(r'Table with name "?(?:\w+\.)?(\w+)"? does not exist')
_Rows = TypeVar("_Rows", "pa.Table", "pa.RecordBatch")


class _DuckDBReader:
    """What the embedded file and an exported directory have in common: reading."""

    url: str

    def __init__(self, connection: duckdb.DuckDBPyConnection, url: str) -> None:
        self.url = url
        self._connection = connection
        self._connection.execute(_SESSION)
        self._depth = 0
        self._is_older = False

    def scan(
        self, table: str, columns: Sequence[str] | None = None, scope: Where | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The matching rows in the key's order, at most BATCH_ROWS at a time."""
        if self._depth:  # a cursor would not see what this transaction wrote
            yield from self.read(table, columns, scope).to_batches(BATCH_ROWS)
            return
        sql, params = _select(any_table(table), columns, scope)
        schema = picked_schema(any_table(table), columns)
        with _one_line(self.url), self._connection.cursor() as cursor:
            cursor.execute("set timezone = 'UTC'")
            for batch in _run(cursor, sql, params).to_arrow_reader(BATCH_ROWS):
                yield _plain(batch).cast(schema)

    def read(
        self, table: str, columns: Sequence[str] | None = None, scope: Where | None = None
    ) -> pa.Table:
        """The matching rows in the key's order, at once."""
        sql, params = _select(any_table(table), columns, scope)
        with _one_line(self.url):
            rows = _run(self._connection, sql, params).to_arrow_table()
        return _plain(rows).cast(picked_schema(any_table(table), columns))

    def query(self, sql: str, params: Mapping[str, Scalar] | None = None) -> pa.Table:
        """The rows of one portable statement over contract names; its parameters are `$name`."""
        with _one_line(self.url):
            rows: pa.Table = _run(self._connection, sql, params).to_arrow_table()
        return _plain(rows)

    def count(self, table: str) -> int:
        """How many rows the table holds."""
        return self._number(f"select count(*) from {_qualified(any_table(table))}")

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()

    def __enter__(self) -> Self:
        """The store itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close."""
        self.close()

    def _number(self, sql: str, params: Mapping[str, object] | None = None) -> int:
        with _one_line(self.url):
            row = _run(self._connection, sql, params).fetchone()
        return int(row[0]) if row else 0


class DuckDBStore(_DuckDBReader):
    """The contract tables in one DuckDB file; one process writes at a time.

    DuckDB's own foreign keys refuse updates of rows they point at, so references and the validity
    of geometry are checked here, by the only writer.
    """

    @classmethod
    def open(cls, path: str, *, is_read_only: bool = False, must_exist: bool = False) -> Self:
        """The store in the file at `path`; created empty where there is none and we may."""
        file = Path(path)
        must_exist = must_exist or is_read_only
        if must_exist and not file.exists():
            raise StoreError(f"{file}: no store here; `rts-track init` or `import` makes one")
        if not file.absolute().parent.is_dir():
            raise StoreError(
                f"{file}: its folder does not exist (duckdb:////four/slashes is an absolute path)"
            )
        if _is_sqlite(file):
            raise StoreError(f"{file}: {_NO_DATABASE}")
        with _one_line(path):
            connection = duckdb.connect(str(file), read_only=is_read_only)
        store = cls(connection, f"duckdb:///{path}")
        version = store._version()
        if version is not None and version > SCHEMA_VERSION:
            connection.close()
            raise StoreError(
                f"{file}: written by a newer rts-track (structure {version}, this one knows"
                f" {SCHEMA_VERSION}); upgrade rts-track"
            )
        if version is None and must_exist:
            connection.close()
            raise StoreError(f"{file}: holds no rts-track tables; run `rts-track init` on it")
        if version is not None and version < SCHEMA_VERSION:
            if must_exist:
                connection.close()
                raise StoreError(f"{file}: {_OLDER}")
            store._is_older = True
        return store

    def init(self) -> list[str]:
        """Create the structure in one transaction, or upgrade an older file; empty if up to date.

        An older file is copied into one of the present structure, which takes its place once it
        is whole: killed at any moment, the old one is as it was.
        """
        version = self._version()
        if version == SCHEMA_VERSION:
            return []
        if version is None:
            self._create_structure()
        else:
            self._upgrade()
        return [f"structure {SCHEMA_VERSION}"]

    def _create_structure(self) -> None:
        with self.transaction():
            execute = self._connection.execute
            execute(f"create schema if not exists {INTERNAL_SCHEMA}")
            for table in (*CONTRACT.values(), *INTERNAL.values()):
                execute(_create(table))
                execute(f"comment on table {_qualified(table)} is {_literal(table.meaning)}")
                for column in table.columns:
                    execute(
                        f"comment on column {_qualified(table)}.{column.name}"
                        f" is {_literal(column.comment)}"
                    )
            execute(f"create table {INTERNAL_SCHEMA}.structure (version integer not null)")
            execute(f"insert into {INTERNAL_SCHEMA}.structure values ({SCHEMA_VERSION})")

    def _upgrade(self) -> None:
        """Put a file of the present structure, with all rows, in the place of this one."""
        file = Path(self.url.removeprefix("duckdb:///")).resolve()
        beside = file.with_name(f".{file.name}.upgrade")
        _remove(beside)  # of an upgrade that was killed
        try:
            with type(self).open(str(beside)) as fresh:
                fresh.init()
            with _one_line(self.url):
                self._copy_rows(beside)
                # Nobody else opens the file until it is another: this connection holds its lock.
                beside.replace(file)
                self._connection.close()
                self._connection = duckdb.connect(str(file))
                self._connection.execute(_SESSION)
        finally:
            _remove(beside)
        self._is_older = False

    def _copy_rows(self, beside: Path) -> None:
        """Copy every table's rows into the file beside, in the columns that both have."""
        execute = self._connection.execute
        execute(f"attach {_literal(str(beside))} as upgraded")
        execute("begin")
        for table in (*CONTRACT.values(), *INTERNAL.values()):
            given = {name for (name,) in execute(_COLUMNS, list(_place(table))).fetchall()}
            names = ", ".join(name for name in table.column_names if name in given)
            if names:
                source = ".".join(_place(table))
                execute(f"insert into upgraded.{source} ({names}) select {names} from {source}")
        execute("commit")
        execute("checkpoint upgraded")
        execute("detach upgraded")
        execute("checkpoint")  # what this file's log holds must not be taken for the other's

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside take effect together, or none."""
        if self._depth:
            yield
            return
        if self._is_older:
            raise StoreError(f"{self.url}: {_OLDER}")
        with _one_line(self.url):
            self._connection.execute(_WRITING)
            self._connection.execute("begin")
        self._depth, self._unchecked = 1, set[str]()
        try:
            yield
            self._check_references()
            with _one_line(self.url):
                self._connection.execute("commit")
        except BaseException:
            with suppress(duckdb.Error):  # a failed commit has rolled back by itself
                self._connection.execute("rollback")
            raise
        finally:
            self._depth = 0

    def upsert(self, table: str, rows: pa.Table | Iterable[pa.RecordBatch]) -> Written:
        """Add rows with new keys, update those that differ in a given column, leave the rest."""
        declared = any_table(table)
        written = Written()
        with self.transaction():
            for staged in batches(rows):
                with self._staged(declared, staged):
                    written += self._merge(declared, staged)
            self._unchecked.add(table)
        return written

    def update(self, table: str, rows: pa.Table) -> int:
        """Set the given columns of the rows with these keys; how many changed."""
        declared = any_table(table)
        given = [name for name in rows.schema.names if name not in declared.key]
        with self.transaction(), self._staged(declared, rows):
            changed = self._number(
                f"update {_qualified(declared)} t"
                f" set {', '.join(f'{name} = s.{name}' for name in given)}"
                f" from {_STAGED} s where {_equal(declared.key)}"
                f" and ({' or '.join(f't.{name} is distinct from s.{name}' for name in given)})"
            )
            self._unchecked.add(table)
        return changed

    def sync(self, table: str, rows: pa.Table, scope: Where) -> Written:
        """Make the rows of `table` that match `scope` exactly these."""
        declared = any_table(table)
        condition, params = _condition(scope)
        with self.transaction(), self._staged(declared, rows):
            removed = self._number(
                f"delete from {_qualified(declared)} t where {condition}"
                f" and not exists (select 1 from {_STAGED} s where {_equal(declared.key)})",
                params,
            )
            written = self._merge(declared, rows)
            self._unchecked |= {table, *(_referencing(table) if removed else ())}
        return written + Written(removed=removed)

    def delete(self, table: str, scope: Where) -> int:
        """Remove the rows that match; how many."""
        condition, params = _condition(scope)
        with self.transaction():
            self._unchecked |= set(_referencing(table))
            return self._number(
                f"delete from {_qualified(any_table(table))} t where {condition}", params
            )

    def _merge(self, table: Table, rows: pa.Table) -> Written:
        """Upsert what is staged."""
        given = rows.schema.names
        names, place, same_key = ", ".join(given), _qualified(table), _equal(table.key)
        # Keys alone first: mostly all rows are new, and nothing else need be compared.
        n_known = self._number(
            f"select count(*) from {_STAGED} s"
            f" where exists (select 1 from {place} t where {same_key})"
        )
        others = [name for name in given if name not in table.key]
        added = rows.num_rows - n_known
        if n_known == 0:
            self._number(f"insert into {place} ({names}) select {names} from {_STAGED}")
        elif others or added:
            differs = " or ".join(f"t.{name} is distinct from s.{name}" for name in others)
            action = ", ".join(f"{name} = excluded.{name}" for name in others)
            changed = self._number(
                f"insert into {place} ({names})"
                f" select {', '.join(f's.{name}' for name in given)} from {_STAGED} s"
                f" left join {place} t on {same_key}"
                f" where t.{table.key[0]} is null {f'or {differs}' if others else ''}"
                f" on conflict ({', '.join(table.key)})"
                f" {f'do update set {action}' if others else 'do nothing'}"
            )
            return Written(added=added, updated=changed - added)
        return Written(added=added)

    @contextmanager
    def _staged(self, table: Table, rows: pa.Table) -> Iterator[None]:
        """The rows as a view of the contract's types: they are read where they lie."""
        declared = to_declared(table, rows)
        for start in range(0, declared.num_rows, _CHECKED_ROWS):
            check_rows(table, declared.slice(start, _CHECKED_ROWS))
        picks = ", ".join(
            f"st_geomfromwkb({name}) as {name}"
            if table[name].type == "geometry"
            else f"cast({name} as {_TYPES[table[name].type]}) as {name}"
            for name in rows.schema.names
        )
        with _one_line(self.url):
            self._connection.register("incoming_rows", declared)
            self._connection.execute(
                f"create or replace temp view {_STAGED} as select {picks} from incoming_rows"
            )
        try:
            yield
        finally:
            with suppress(duckdb.Error):  # a failed statement has ended the transaction
                self._connection.execute(f"drop view {_STAGED}")
            self._connection.unregister("incoming_rows")

    def _check_references(self) -> None:
        """StoreError for the first row that points at a row that is not there."""
        for name in sorted(self._unchecked):
            declared = any_table(name)
            for column in declared.columns:
                if column.references is None:
                    continue
                target = any_table(column.references)
                with _one_line(self.url):
                    lost = self._connection.execute(
                        f"select t.{column.name} from {_qualified(declared)} t"
                        f" anti join {_qualified(target)} r on t.{column.name} = r.{target.key[0]}"
                        f" where t.{column.name} is not null limit 1"
                    ).fetchone()
                if lost:
                    raise StoreError(
                        f"{name}.{column.name} = {lost[0]!r}: no such {column.references}"
                    )

    def _version(self) -> int | None:
        exists = self._number(
            "select count(*) from information_schema.tables"
            f" where table_schema = '{INTERNAL_SCHEMA}' and table_name = 'structure'"
        )
        return self._number(f"select version from {INTERNAL_SCHEMA}.structure") if exists else None


class ExportStore(_DuckDBReader):
    """The tables of an exported directory, to be read."""

    @classmethod
    def open(cls, path: str) -> Self:
        """The export in the directory at `path`; StoreError where there is none."""
        folder = Path(path)
        present = [name for name in CONTRACT if (folder / f"{name}.parquet").is_file()]
        if not present:
            raise StoreError(f"{folder}: holds no exported table; `rts-track export` writes one")
        connection = duckdb.connect(":memory:")
        connection.execute("set enable_geoparquet_conversion = false")
        for name in present:
            file = _literal(str(folder / f"{name}.parquet"))
            connection.execute(f"create view {name} as select * from read_parquet({file})")
        return cls(connection, f"parquet:///{path}")


def _run(
    connection: duckdb.DuckDBPyConnection, sql: str, params: Mapping[str, object] | None
) -> duckdb.DuckDBPyConnection:
    """The connection, after the statement.

    DuckDB asks of each parameter whether it is pandas' NaT, and for that loads pandas where it is
    installed: seconds, of which a question has tenths. So it finds none as long as it looks.
    """
    if "pandas" in sys.modules:
        return connection.execute(sql, dict(params or {}))
    sys.modules["pandas"] = None  # type: ignore[assignment]
    try:
        return connection.execute(sql, dict(params or {}))
    finally:
        del sys.modules["pandas"]


def _qualified(table: Table) -> str:
    return f"{INTERNAL_SCHEMA}.{table.name}" if table.name in INTERNAL else table.name


def _place(table: Table) -> tuple[str, str]:
    """The table's schema and name."""
    return (INTERNAL_SCHEMA if table.name in INTERNAL else "main"), table.name


def _remove(file: Path) -> None:
    """Remove a database file and what DuckDB may have left beside it."""
    file.unlink(missing_ok=True)
    file.with_name(f"{file.name}.wal").unlink(missing_ok=True)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _create(table: Table) -> str:
    """The table's DDL; every name in it comes from a declaration."""
    columns = [
        f"{column.name} {_TYPES[column.type]}" + ("" if column.is_nullable else " not null")
        for column in table.columns
    ]
    checks = [
        f"check ({column.name} in ({', '.join(map(_literal, column.choices))}))"
        for column in table.columns
        if column.choices
    ]
    key = f"primary key ({', '.join(table.key)})"
    return f"create table {_qualified(table)} ({', '.join([*columns, *checks, key])})"


def _equal(names: Sequence[str]) -> str:
    return " and ".join(f"t.{name} = s.{name}" for name in names)


def _condition(scope: Where | None) -> tuple[str, dict[str, object]]:
    """The scope as a condition on `t`, and its parameters."""
    clauses, params = ["true"], dict[str, object]()
    for number, (name, wanted) in enumerate((scope or {}).items()):
        if wanted is None:
            clauses.append(f"t.{name} is null")
        elif isinstance(wanted, str | int | float | bool):
            clauses.append(f"t.{name} = $scope{number}")
            params[f"scope{number}"] = wanted
        else:
            clauses.append(f"t.{name} in (select unnest($scope{number}))")
            params[f"scope{number}"] = list(wanted)
    return " and ".join(clauses), params


def _select(
    table: Table, columns: Sequence[str] | None, scope: Where | None
) -> tuple[str, dict[str, object]]:
    condition, params = _condition(scope)
    names = ", ".join(f"t.{name}" for name in columns or table.column_names)
    order = ", ".join(f"t.{name}" for name in table.key)
    return f"select {names} from {_qualified(table)} t where {condition} order by {order}", params


def _plain(rows: _Rows) -> _Rows:
    """The rows with geometry as plain WKB and decimals as floats: contract types, no others."""
    import pyarrow as pa

    fields, arrays = [], []
    for field, array in zip(rows.schema, rows.columns, strict=True):
        kind = field.type
        if isinstance(kind, pa.BaseExtensionType):
            array, kind = array.cast(kind.storage_type), kind.storage_type
        if pa.types.is_decimal(kind):
            array, kind = array.cast(pa.float64()), pa.float64()
        fields.append(pa.field(field.name, kind))
        arrays.append(array)
    return type(rows).from_arrays(arrays, schema=pa.schema(fields))


def _referencing(table: str) -> list[str]:
    return [
        other.name
        for other in CONTRACT.values()
        if any(column.references == table for column in other.columns)
    ]


def _is_sqlite(file: Path) -> bool:
    """Whether it is SQLite, as a GeoPackage is: DuckDB would fetch an extension and write to it."""
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        return opened.read(16) == b"SQLite format 3\0"


@contextmanager
def _one_line(url: str) -> Iterator[None]:
    """DuckDB's errors as one line each; what interrupts it stays an interruption."""
    try:
        yield
    except RuntimeError as error:  # so it tells of Ctrl-C, or of what a signal's handler raised
        if error.__cause__ is None or isinstance(error.__cause__, Exception):
            raise
        raise error.__cause__ from None
    except duckdb.Error as error:
        text = str(error).strip().splitlines()[0]
        if "Could not set lock" in text or "Conflicting lock" in text:
            text = "another process is using this file; wait for it to end, or close it"
        elif "No space left" in str(error):
            text = "no space left on the disk"
        elif "not a valid DuckDB database" in text:
            text = _NO_DATABASE
        elif "attached in read-only mode" in text:
            text = "opened to be read only"
        elif (lost := _LOST_TABLE.search(text)) and lost[1] in CONTRACT | INTERNAL:
            mend = "export it again" if url.startswith("parquet:") else "run `rts-track init` on it"
            text = f"holds no table {lost[1]}; {mend}"
        raise StoreError(f"{url}: {text}") from error
