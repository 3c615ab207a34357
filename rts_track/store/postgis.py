"""The system of record: the contract tables in PostGIS, with many readers and one writer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import psycopg
import psycopg.conninfo
from psycopg import sql
from psycopg.adapt import Buffer, Loader
from psycopg.pq import Format
from psycopg.types.numeric import NumericBinaryLoader
from psycopg.types.string import TextBinaryLoader

from rts_track.contract import CONTRACT, Column, Table
from rts_track.errors import StoreError, UsageError
from rts_track.store.base import BATCH_ROWS, Scalar, Where, Written
from rts_track.store.internal import INTERNAL, INTERNAL_SCHEMA, any_table
from rts_track.store.migrate import WRITER_LOCK, migrate, migrations, pending
from rts_track.store.parameters import check_parameters, to_percent_style
from rts_track.store.rows import batches, check_rows, picked_schema, to_declared

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA = "rts_track"
"""The PostgreSQL schema of the contract tables."""

_COPY_ROWS = 10_000
"""Rows that are Python objects at a time on their way in; bounds memory."""

_DEFAULTS: dict[str, Any] = {"connect_timeout": 10, "application_name": "rts-track"}
"""How to connect, where the address does not say: seconds to wait, and who we are."""

_MISSING = (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName)

_TYPES = {
    "text": "text",
    "int": "int4",
    "double": "float8",
    "bool": "bool",
    "date": "date",
    "timestamp": "timestamptz",
    "json": "json",
    "geometry": "geometry(MultiPolygon, 4326)",
}
_SENT_AS = {"json": "text", "geometry": "bytea"}
"""Types that psycopg encodes as another one of the same bytes: the column takes plain WKB."""

_SESSION = """
    select
      set_config(
        'search_path',
        concat_ws(', ', 'rts_track', 'public', quote_ident(nullif(n.nspname, 'public'))),
        false
      ),
      set_config('timezone', 'UTC', false),
      set_config(
        'default_transaction_read_only',
        case when %s then 'on' else current_setting('default_transaction_read_only') end,
        false
      ),
      t.oid
    from (select) as one_row
    left join pg_extension e on e.extname = 'postgis'
    left join pg_namespace n on n.oid = e.extnamespace
    left join pg_type t on t.typnamespace = n.oid and t.typname = 'geometry'
"""
_STAGE = sql.SQL("create temporary table staged_rows ({columns}) on commit drop")
_COPY = sql.SQL("copy {target} ({given}) from stdin (format binary)")
_ARE_NEW = sql.SQL(
    "select not exists (select from {table} t join unnest({keys}) s ({key}) on {same_key})"
)
_UPDATE = sql.SQL(
    "update {table} t set {assignments} from staged_rows s where {same_key} and ({differs})"
)
_INSERT = sql.SQL(
    """
    insert into {table} ({given})
    select {given} from staged_rows s
    where not exists (select from {table} t where {same_key})
    """
)
_REMOVE = sql.SQL(
    """
    delete from {table} t
    where {condition} and not exists (select from staged_rows s where {same_key})
    """
)
_DELETE = sql.SQL("delete from {table} t where {condition}")
_SELECT = sql.SQL("select {columns} from {table} t where {condition} order by {key}")
_COUNT = sql.SQL("select count(*) from {table}")

_Connection = psycopg.Connection[tuple[Any, ...]]


class PostGISStore:
    """The contract tables in a PostGIS database.

    The database itself checks references, choices and geometry, so that rows which others write
    are as sound as ours. `url` is the address without its password.
    """

    url: str

    def __init__(self, connection: _Connection, url: str, *, is_read_only: bool) -> None:
        """Take over a connection that commits by itself; see `open`."""
        self.url = url
        self._connection = connection
        self._is_read_only = is_read_only
        self._depth = 0
        self._scan_numbers = count()
        self._begin_session()

    @classmethod
    def open(cls, url: str, *, is_read_only: bool = False) -> Self:
        """The store in the database at `url`, which must exist; `init` gives it its structure.

        Raises:
            UsageError: `url` is no address of a database.
            StoreError: it cannot be reached, is of a newer structure, or, to be read only, has
                none.
        """
        address, shown = _address(url), _without_password(url)
        with _one_line(shown):
            connection = psycopg.connect(address, autocommit=True, prepare_threshold=None)
        try:
            with _one_line(shown):
                store = cls(connection, shown, is_read_only=is_read_only)
            if is_read_only and store._waiting:
                raise StoreError(store._lack())
        except BaseException:
            connection.close()
            raise
        return store

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()

    def __enter__(self) -> Self:
        """The store itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close."""
        self.close()

    def init(self) -> list[str]:
        """Apply the migrations that the database has not seen; their names."""
        with self._translated():
            names = migrate(self._connection, self.url)
            self._begin_session()
        return names

    def scan(
        self, table: str, columns: Sequence[str] | None = None, scope: Where | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The matching rows in the key's order, at most BATCH_ROWS at a time.

        They are those at the time of the first batch, whatever is written in between.
        """
        statement, params = _select(any_table(table), columns, scope)
        schema = picked_schema(any_table(table), columns)
        name = f"scan_{next(self._scan_numbers)}"
        cursor = self._connection.cursor(name, withhold=True)
        try:
            with self._translated():
                cursor.execute(statement, params, binary=True)
            is_more = True
            while is_more:
                with self._translated():
                    rows = cursor.fetchmany(BATCH_ROWS)
                if rows:
                    yield _to_batch(rows, schema)
                is_more = len(rows) == BATCH_ROWS
        finally:
            with suppress(psycopg.Error):  # gone already with a failed transaction
                cursor.close()

    def read(
        self, table: str, columns: Sequence[str] | None = None, scope: Where | None = None
    ) -> pa.Table:
        """The matching rows in the key's order, at once."""
        import pyarrow as pa

        statement, params = _select(any_table(table), columns, scope)
        with self._translated():
            rows = self._connection.execute(statement, params, binary=True).fetchall()
        return pa.Table.from_batches([_to_batch(rows, picked_schema(any_table(table), columns))])

    def query(self, sql: str, params: Mapping[str, Scalar] | None = None) -> pa.Table:
        """The rows of one portable statement over contract names; its parameters are `$name`.

        Values are bound as literals, whose type the place of use decides: a parameter sent apart
        would need its type told wherever it is only compared with null.
        """
        import pyarrow as pa

        check_parameters(sql, params or {})
        with self._translated():
            binder = psycopg.ClientCursor(self._connection)
            bound = binder.mogrify(to_percent_style(sql).encode(), dict(params or {}))
            cursor = self._connection.execute(bound.encode(), binary=True)
            if cursor.description is None:
                return pa.table({})
            schema = self._result_schema(cursor.description)
            return pa.Table.from_batches([_to_batch(cursor.fetchall(), schema)])

    def count(self, table: str) -> int:
        """How many rows the table holds."""
        with self._translated():
            statement = _COUNT.format(table=_qualified(any_table(table)))
            (row,) = self._connection.execute(statement).fetchall()
        return int(row[0])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside take effect together, or none; a second writer waits for the first."""
        if self._depth:
            yield
            return
        if self._waiting:
            raise StoreError(self._lack())
        with self._translated():
            self._connection.execute("begin")
        self._depth = 1
        try:
            with self._translated():
                self._connection.execute("select pg_advisory_xact_lock(%s)", [WRITER_LOCK])
            yield
            with self._translated():
                self._connection.execute("commit")
        except BaseException:
            with suppress(psycopg.Error):  # a lost connection has rolled back by itself
                self._connection.rollback()
            raise
        finally:
            self._depth = 0

    def upsert(self, table: str, rows: pa.Table | Iterable[pa.RecordBatch]) -> Written:
        """Add rows with new keys, update those that differ in a given column, leave the rest."""
        declared, written = any_table(table), Written()
        with self.transaction():
            for batch in batches(rows):
                written += self._put(declared, to_declared(declared, batch))
        return written

    def update(self, table: str, rows: pa.Table) -> int:
        """Set the given columns of the rows with these keys; how many changed."""
        declared = any_table(table)
        with self.transaction(), self._staged(declared, to_declared(declared, rows)):
            return self._change(declared, rows.schema.names)

    def sync(self, table: str, rows: pa.Table, scope: Where) -> Written:
        """Make the rows of `table` that match `scope` exactly these."""
        declared = any_table(table)
        condition, params = _condition(scope)
        statement = _REMOVE.format(
            table=_qualified(declared), condition=condition, same_key=_same_key(declared)
        )
        with self.transaction(), self._staged(declared, to_declared(declared, rows)):
            removed = self._connection.execute(statement, params).rowcount
            return Written(removed=removed) + self._merge(declared, rows.schema.names)

    def delete(self, table: str, scope: Where) -> int:
        """Remove the rows that match; how many."""
        condition, params = _condition(scope)
        statement = _DELETE.format(table=_qualified(any_table(table)), condition=condition)
        with self.transaction(), self._translated():
            return self._connection.execute(statement, params).rowcount

    def _put(self, table: Table, rows: pa.Table) -> Written:
        """Upsert the rows: straight into the table where all keys are new, which is quicker."""
        with self._named(table, rows):
            if self._are_new(table, rows):
                self._copy(table, _qualified(table), rows)
                return Written(added=rows.num_rows)
        with self._staged(table, rows):
            return self._merge(table, rows.schema.names)

    def _are_new(self, table: Table, rows: pa.Table) -> bool:
        """Whether the table holds none of the rows' keys."""
        keys = [sql.SQL("%s::{}[]").format(sql.SQL(_TYPES[table[name].type])) for name in table.key]
        statement = _ARE_NEW.format(
            table=_qualified(table),
            keys=sql.SQL(", ").join(keys),
            key=_names(table.key),
            same_key=_same_key(table),
        )
        given = [rows[name].to_pylist() for name in table.key]
        (row,) = self._connection.execute(statement, given).fetchall()
        return bool(row[0])

    @contextmanager
    def _staged(self, table: Table, rows: pa.Table) -> Iterator[None]:
        """The rows as a temporary table of their columns."""
        columns = [
            sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(_TYPES[table[name].type]))
            for name in rows.schema.names
        ]
        with self._named(table, rows):
            self._connection.execute(_STAGE.format(columns=sql.SQL(", ").join(columns)))
            self._copy(table, sql.Identifier("staged_rows"), rows)
            yield
            self._connection.execute("drop table staged_rows")

    @contextmanager
    def _named(self, table: Table, rows: pa.Table) -> Iterator[None]:
        """What the database refuses of the rows is told by the key of the first."""
        if _has_empty_wkb(table, rows):
            check_rows(table, rows)
        with self._translated():
            try:
                yield
            except (psycopg.IntegrityError, psycopg.DataError, psycopg.InternalError):
                check_rows(table, rows)
                raise

    def _copy(self, table: Table, target: sql.Identifier, rows: pa.Table) -> None:
        """Copy the rows into the target in PostgreSQL's binary format."""
        types = [table[name].type for name in rows.schema.names]
        statement = _COPY.format(target=target, given=_names(rows.schema.names))
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types([_SENT_AS.get(type_, _TYPES[type_]) for type_ in types])
            for batch in rows.to_batches(_COPY_ROWS):
                for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    copy.write_row(row)

    def _merge(self, table: Table, names: Sequence[str]) -> Written:
        """Upsert what is staged; the writer's lock keeps others from adding the same keys.

        `insert ... on conflict` does the same in one statement, and takes a third longer for new
        rows.
        """
        updated = self._change(table, names)
        statement = _INSERT.format(
            table=_qualified(table), given=_names(names), same_key=_same_key(table)
        )
        return Written(added=self._connection.execute(statement).rowcount, updated=updated)

    def _change(self, table: Table, names: Sequence[str]) -> int:
        """Update the rows that differ from what is staged; how many."""
        values = [table[name] for name in names if name not in table.key]
        if not values:
            return 0
        statement = _UPDATE.format(
            table=_qualified(table),
            assignments=_assignments(values),
            same_key=_same_key(table),
            differs=_differs(values),
        )
        return self._connection.execute(statement).rowcount

    def _begin_session(self) -> None:
        """Set what every statement relies on; learn what the database lacks."""
        (row,) = self._connection.execute(_SESSION, [self._is_read_only]).fetchall()
        self._geometry_oid = row[-1]
        adapters = self._connection.adapters
        adapters.register_loader("json", TextBinaryLoader)
        adapters.register_loader("numeric", _FloatLoader)
        if self._geometry_oid is not None:
            adapters.register_loader(self._geometry_oid, _WkbLoader)
        self._waiting = pending(self._connection, self.url)

    def _lack(self) -> str:
        """What `rts-track init` would mend."""
        if len(self._waiting) == len(migrations()):
            return f"{self.url}: holds no rts-track tables; run `rts-track init` on it"
        return f"{self.url}: its structure is older than this rts-track; run `rts-track init` on it"

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """PostgreSQL's errors as one line each."""
        with _one_line(self.url, self._lack() if self._waiting else None):
            yield

    def _result_schema(self, description: Sequence[psycopg.Column]) -> pa.Schema:
        """The Arrow types of a result; StoreError for a column that has none."""
        import pyarrow as pa

        types = _arrow_types() | {self._geometry_oid: pa.binary()}
        for column in description:
            if column.type_code not in types:
                raise StoreError(
                    f"column {column.name} of the result is of type {column.type_display};"
                    " cast it to text"
                )
        return pa.schema([(column.name, types[column.type_code]) for column in description])


class _WkbLoader(Loader):
    """PostGIS's binary form of a geometry as plain little-endian WKB, its SRID left out."""

    format = Format.BINARY

    def load(self, data: Buffer) -> bytes:
        ewkb = bytes(data)
        has_srid = ewkb[4] & 0x20
        return ewkb[:4] + bytes([ewkb[4] & ~0x20]) + ewkb[9:] if has_srid else ewkb


class _FloatLoader(NumericBinaryLoader):
    """A numeric as a float: measures are no money."""

    def load(self, data: Buffer) -> float:  # type: ignore[override]
        return float(super().load(data))


def _qualified(table: Table) -> sql.Identifier:
    return sql.Identifier(INTERNAL_SCHEMA if table.name in INTERNAL else SCHEMA, table.name)


def _names(names: Sequence[str], *alias: str) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(*alias, name) for name in names)


def _assignments(columns: Sequence[Column]) -> sql.Composed:
    return sql.SQL(", ").join(
        sql.SQL("{0} = s.{0}").format(sql.Identifier(column.name)) for column in columns
    )


def _differs(columns: Sequence[Column]) -> sql.Composed:
    """Whether any of the columns would change; json, which has no equality, by its text."""
    forms = {"json": "t.{0}::text is distinct from s.{0}::text"}
    return sql.SQL(" or ").join(
        sql.SQL(forms.get(column.type, "t.{0} is distinct from s.{0}")).format(
            sql.Identifier(column.name)
        )
        for column in columns
    )


def _has_empty_wkb(table: Table, rows: pa.Table) -> bool:
    """Whether a geometry has no bytes at all: PostGIS 3.3 ends the whole server over one."""
    import pyarrow.compute as pc

    return any(
        pc.any(pc.equal(pc.binary_length(rows[name]), 0)).as_py()
        for name in rows.schema.names
        if table[name].type == "geometry"
    )


def _same_key(table: Table) -> sql.Composed:
    return sql.SQL(" and ").join(
        sql.SQL("t.{0} = s.{0}").format(sql.Identifier(name)) for name in table.key
    )


def _condition(scope: Where | None) -> tuple[sql.Composed, dict[str, object]]:
    """The scope as a condition on `t`, and its parameters."""
    clauses, params = [sql.SQL("true").format()], dict[str, object]()
    for number, (name, wanted) in enumerate((scope or {}).items()):
        column, place = sql.Identifier("t", name), f"scope{number}"
        if wanted is None:
            clauses.append(sql.SQL("{} is null").format(column))
        elif isinstance(wanted, str | int | float | bool):
            clauses.append(sql.SQL("{} = {}").format(column, sql.Placeholder(place)))
            params[place] = wanted
        else:
            clauses.append(sql.SQL("{} = any({})").format(column, sql.Placeholder(place)))
            params[place] = list(wanted)
    return sql.SQL(" and ").join(clauses), params


def _select(
    table: Table, columns: Sequence[str] | None, scope: Where | None
) -> tuple[sql.Composed, dict[str, object]]:
    condition, params = _condition(scope)
    statement = _SELECT.format(
        columns=_names(columns or table.column_names, "t"),
        table=_qualified(table),
        condition=condition,
        key=_names(table.key, "t"),
    )
    return statement, params


def _to_batch(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _arrow_types() -> dict[int, pa.DataType]:
    """The Arrow type of a result's column by PostgreSQL's number of its type."""
    import pyarrow as pa

    by_name = {
        "bool": pa.bool_(),
        "int2": pa.int16(),
        "int4": pa.int32(),
        "int8": pa.int64(),
        "float4": pa.float32(),
        "float8": pa.float64(),
        "numeric": pa.float64(),
        "text": pa.string(),
        "varchar": pa.string(),
        "bpchar": pa.string(),
        "name": pa.string(),
        "json": pa.string(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us"),
        "timestamptz": pa.timestamp("us", tz="UTC"),
        "bytea": pa.binary(),
    }
    return {psycopg.adapters.types[name].oid: type_ for name, type_ in by_name.items()}


@contextmanager
def _one_line(url: str, lack: str | None = None) -> Iterator[None]:
    """PostgreSQL's errors as one line each; `lack` tells why a table may not be there."""
    try:
        yield
    except psycopg.errors.ForeignKeyViolation as error:
        raise StoreError(_lost_reference(error)) from error
    except psycopg.ProgrammingError as error:
        is_missing = isinstance(error, _MISSING) and lack is not None
        raise StoreError(lack if is_missing else f"{url}: {_reason(error)}") from error
    except psycopg.Error as error:
        raise StoreError(f"{url}: {_reason(error)}") from error


def _reason(error: psycopg.Error) -> str:
    """What is wrong, and what would mend it where we know."""
    said = error.diag.message_primary or _first_line(error)
    match error:
        case psycopg.errors.InsufficientPrivilege():
            return f"{said}; to write takes the role rts_track_ingest, to read rts_track_read"
        case psycopg.errors.ReadOnlySqlTransaction():
            return "opened to be read only"
        case psycopg.errors.DiskFull():
            return f"no space left on the server's disk ({said})"
    return said


def _first_line(error: psycopg.Error) -> str:
    """The first line that says something: of several failed attempts to connect, the last."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    attempts = [line.removeprefix("- ") for line in lines if line.startswith("- ")]
    return (attempts or lines or [type(error).__name__])[-1 if attempts else 0]


def _lost_reference(error: psycopg.errors.ForeignKeyViolation) -> str:
    """Which column points at a row that is not there, in the words of the embedded store."""
    value = re.search(r"\)=\((.*)\)", error.diag.message_detail or "")
    for table in CONTRACT.values():
        for column in table.columns:
            if value and error.diag.constraint_name == f"{table.name}_{column.name}_fkey":
                return f"{table.name}.{column.name} = {value[1]!r}: no such {column.references}"
    return str(error.diag.message_primary)


def _address(url: str) -> str:
    """The address with what it leaves open filled in; UsageError where it is none."""
    try:
        given = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        shown = _without_password(url)
        raise UsageError(f"store {shown}: {_first_line(error).replace(url, shown)}") from error
    return psycopg.conninfo.make_conninfo("", **(_DEFAULTS | given))


def _without_password(url: str) -> str:
    """The address as it may be shown."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "postgresql://..."
    user, at, host = parts.netloc.rpartition("@")
    options = [(name, value) for name, value in parse_qsl(parts.query) if name != "password"]
    shown = parts._replace(netloc="", scheme="", query=urlencode(options))
    return f"{parts.scheme}://{user.partition(':')[0]}{at}{host}{urlunsplit(shown)}"
