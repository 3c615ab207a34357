"""The numbered SQL files of `schema/`, applied to PostGIS; dbmate reads the same files and table.

A file holds what to do after `-- migrate:up` and how to undo it after `-- migrate:down`. Its
version, the leading digits of its name, is kept in `public.schema_migrations` once applied.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

import psycopg

from rts_track.errors import StoreError
from rts_track.resources import resource_folder

WRITER_LOCK = 6_931_2018
"""Key of the advisory lock of whoever changes a database: its structure or its rows."""

_OLDEST_POSTGRES = 15
_OLDEST_POSTGIS = (3, 3)
_UP = re.compile(r"^--\s*migrate:up\s*$(.*?)(?=^--\s*migrate:down\s*$|\Z)", re.M | re.S)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step of the structure's history."""

    version: str
    name: str
    up: str


def migrations() -> list[Migration]:
    """All migrations that this rts-track knows, in their order."""
    return [
        Migration(version=version[0], name=file.stem, up=up[1])
        for file in sorted(resource_folder("schema").glob("*.sql"))
        if (version := re.match(r"\d+", file.name)) and (up := _UP.search(file.read_text("utf-8")))
    ]


def applied_versions(connection: psycopg.Connection, url: str) -> set[str]:
    """Versions of the migrations that the database has seen; empty where there is no structure.

    Raises:
        StoreError: it holds one that this rts-track does not know.
    """
    exists = connection.execute("select to_regclass('public.schema_migrations') is not null")
    if not _first(exists):
        return set()
    rows = connection.execute("select version from public.schema_migrations").fetchall()
    applied = {str(version) for (version,) in rows}
    unknown = applied - {migration.version for migration in migrations()}
    if unknown:
        raise StoreError(
            f"{url}: written by a newer rts-track (this one does not know structure"
            f" {max(unknown)}); upgrade rts-track"
        )
    return applied


def pending(connection: psycopg.Connection, url: str) -> list[Migration]:
    """Migrations that the database has not seen, in their order."""
    applied = applied_versions(connection, url)
    return [migration for migration in migrations() if migration.version not in applied]


def migrate(connection: psycopg.Connection, url: str) -> list[str]:
    """Apply what is pending, each migration in a transaction of its own; their names.

    `connection` commits by itself outside of transactions. Two callers at once do it once.

    Raises:
        StoreError: the server or its PostGIS is too old, the user may not, or the database is
            of a newer structure.
    """
    names: list[str] = []
    while pending(connection, url):
        _refuse_old_server(connection, url)
        with connection.transaction():
            name = _apply_next(connection, url)
        if name:
            names.append(name)
            _log.info("%s: applied %s", url, name)
    return names


def _apply_next(connection: psycopg.Connection, url: str) -> str | None:
    """Apply the first pending migration; None if somebody else was quicker."""
    connection.execute("select pg_advisory_xact_lock(%s)", [WRITER_LOCK])
    waiting = pending(connection, url)
    if not waiting:
        return None
    try:
        connection.execute(
            "create table if not exists public.schema_migrations (version varchar primary key)"
        )
        connection.execute(waiting[0].up.encode())
        connection.execute(
            "insert into public.schema_migrations (version) values (%s)", [waiting[0].version]
        )
    except psycopg.errors.InsufficientPrivilege as error:
        raise StoreError(
            f"{url}: {error.diag.message_primary}; the first `rts-track init` needs a user who may"
            " create roles, the PostGIS extension and schemas, such as the server's administrator"
        ) from error
    return waiting[0].name


def _refuse_old_server(connection: psycopg.Connection, url: str) -> None:
    """StoreError where PostgreSQL or PostGIS is older than the structure needs, or missing."""
    major = connection.info.server_version // 10_000
    if major < _OLDEST_POSTGRES:
        raise StoreError(f"{url}: PostgreSQL {major} is too old; {_OLDEST_POSTGRES} is needed")
    version = _first(
        connection.execute(
            "select coalesce(installed_version, default_version)"
            " from pg_available_extensions where name = 'postgis'"
        )
    )
    wanted = ".".join(map(str, _OLDEST_POSTGIS))
    if version is None:
        raise StoreError(f"{url}: its server has no PostGIS; install PostGIS {wanted} or newer")
    if tuple(map(int, re.findall(r"\d+", str(version))[:2])) < _OLDEST_POSTGIS:
        raise StoreError(f"{url}: PostGIS {version} is too old; {wanted} is needed")


def _first(cursor: psycopg.Cursor[tuple[object, ...]]) -> object:
    """The first value of the first row; None if there is none."""
    row = cursor.fetchone()
    return row[0] if row else None
