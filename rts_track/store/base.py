"""What every store can do, and how one is opened from its address."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from rts_track.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

Scalar = str | int | float | bool | None
Where = Mapping[str, "Scalar | Sequence[Scalar]"]
"""Column -> the value it must equal, or the values it must be among."""

BATCH_ROWS = 50_000
"""Rows that travel at a time; bounds the memory of every bulk read and write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a write did: rows that were new, rows that changed, rows removed."""

    added: int = 0
    updated: int = 0
    removed: int = 0

    def __add__(self, other: Written) -> Written:
        """The sum of two writes."""
        return Written(
            added=self.added + other.added,
            updated=self.updated + other.updated,
            removed=self.removed + other.removed,
        )

    @property
    def is_empty(self) -> bool:
        """Whether nothing changed."""
        return self.added + self.updated + self.removed == 0


class Reader(Protocol):
    """Something that holds contract tables: a store, or an exported directory.

    Geometry travels as WKB of lon/lat, json as text. Tables are Arrow, typed as
    `contract.arrow_schema` says. Every method raises StoreError with one line.
    """

    url: str

    def scan(
        self, table: str, columns: Sequence[str] | None = None, scope: Where | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The matching rows in the key's order, at most BATCH_ROWS at a time."""

    def read(
        self, table: str, columns: Sequence[str] | None = None, scope: Where | None = None
    ) -> pa.Table:
        """The matching rows in the key's order, at once."""

    def query(self, sql: str, params: Mapping[str, Scalar] | None = None) -> pa.Table:
        """The rows of one portable statement over contract names; its parameters are `$name`."""

    def count(self, table: str) -> int:
        """How many rows the table holds."""

    def close(self) -> None:
        """Let go of the database."""

    def __enter__(self) -> Self:
        """The reader itself."""

    def __exit__(self, *exc: object) -> None:
        """Close."""


class Store(Reader, Protocol):
    """One database with the contract tables, to read and write.

    A write may leave out nullable columns: they are null for new rows, unchanged for others.
    """

    def init(self) -> list[str]:
        """Create or upgrade the structure; the names of what was applied, empty if up to date."""

    def transaction(self) -> AbstractContextManager[None]:
        """All writes inside take effect together, or none. Entering it again inside is harmless.

        One writer at a time: a second one waits (PostGIS) or is refused (DuckDB file).
        """

    def upsert(self, table: str, rows: pa.Table | Iterable[pa.RecordBatch]) -> Written:
        """Add rows with new keys, update those that differ in a given column, leave the rest.

        Rows of one call have distinct keys. A reference to a row that does not exist by the end
        of the transaction is refused.
        """

    def update(self, table: str, rows: pa.Table) -> int:
        """Set the given columns of the rows with these keys; how many changed. Others stay."""

    def sync(self, table: str, rows: pa.Table, scope: Where) -> Written:
        """Make the rows of `table` that match `scope` exactly these: upsert, and remove others."""

    def delete(self, table: str, scope: Where) -> int:
        """Remove the rows that match; how many."""


DEFAULT_URL = "duckdb:///rts-track.duckdb"


def open_store(url: str, *, is_read_only: bool = False, must_exist: bool = False) -> Store:
    """The store at `duckdb:///path/file.duckdb` or `postgresql://user@host/database`.

    Three slashes introduce a path relative to the working directory, four an absolute one.
    With `must_exist` an embedded file is not made on the way. UsageError where the address is of
    no known form.
    """
    scheme, separator, rest = url.partition("://")
    if scheme == "duckdb" and separator:
        from rts_track.store.duckdb import DuckDBStore

        return DuckDBStore.open(
            rest.removeprefix("/"), is_read_only=is_read_only, must_exist=must_exist
        )
    if scheme in ("postgresql", "postgres") and separator:
        from rts_track.store.postgis import PostGISStore

        return PostGISStore.open(url, is_read_only=is_read_only)
    raise UsageError(
        f"store {url!r}: expected duckdb:///file.duckdb or postgresql://user@host/database"
    )


def embedded_file(url: str) -> Path | None:
    """The file of an embedded store's address; None for any other address."""
    scheme, separator, rest = url.partition("://")
    return Path(rest.removeprefix("/")) if scheme == "duckdb" and separator else None


def open_reader(url: str) -> Reader:
    """The store at `url`, to be read only; or the exported directory at `parquet:///path`."""
    scheme, _, rest = url.partition("://")
    if scheme == "parquet":
        from rts_track.store.duckdb import ExportStore

        return ExportStore.open(rest.removeprefix("/"))
    return open_store(url, is_read_only=True)
