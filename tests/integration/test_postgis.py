"""What only a database server has: addresses, roles, migrations, other writers."""

from __future__ import annotations

import logging
import shutil
import socket
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pyarrow as pa
import pytest

from rts_track.errors import StoreError, UsageError
from rts_track.store import migrate as migrating
from rts_track.store.base import Written, open_reader, open_store


def unit(name: str, digest: str = "d") -> pa.Table:
    return pa.table({"step": ["link"], "unit": [name], "inputs_sha256": [digest]})


def with_parts(
    url: str, *, user: str | None = None, port: int | None = None, path: str = ""
) -> str:
    parts = urlsplit(url)
    _, _, host = parts.netloc.rpartition("@")
    netloc = f"{user}@{host}" if user else parts.netloc
    if port:
        netloc = f"{netloc.rpartition(':')[0]}:{port}"
    return urlunsplit(parts._replace(netloc=netloc, path=path or parts.path))


def refusal(url: str) -> str:
    with pytest.raises(StoreError) as refused:
        open_store(url)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_server_that_is_not_there_gets_one_line(postgis_url: str):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = probe.getsockname()[1]
    assert "Connection refused" in refusal(with_parts(postgis_url, port=closed))
    assert "no-such-host.invalid" in refusal("postgresql://no-such-host.invalid/db")


def test_a_wrong_password_gets_one_line_and_is_not_shown(postgis_url: str):
    said = refusal(with_parts(postgis_url, user="postgres:wr0ng"))
    assert "password authentication failed" in said
    assert "wr0ng" not in said


def test_a_database_that_is_not_there_gets_one_line(postgis_url: str):
    said = refusal(with_parts(postgis_url, path="/nowhere"))
    assert 'database "nowhere" does not exist' in said


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3cret@[host/db",
        "postgresql://me:s3cret@host/db?colour=red",
        "postgresql://host/db?password=s3cret&colour=red",
        "mysql://host/db",
    ],
)
def test_what_is_no_address_is_a_mistake_of_use(url: str):
    with pytest.raises(UsageError) as refused:
        open_store(url)
    assert "\n" not in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_the_address_is_shown_without_its_password(postgis_url: str):
    password = urlsplit(postgis_url).password
    with open_store(postgis_url) as store:
        assert password not in store.url
        assert urlsplit(store.url).username == urlsplit(postgis_url).username
    asked = with_parts(postgis_url, user="postgres") + f"?password={password}"
    with open_store(asked) as store:
        assert password not in store.url


def test_init_tells_what_it_applied_and_does_it_once(empty_postgis_url: str):
    with open_store(empty_postgis_url) as store:
        assert store.init() == [migration.name for migration in migrating.migrations()]
        assert store.init() == []


def test_two_that_init_at_once_do_it_once(empty_postgis_url: str):
    def init(_: int) -> list[str]:
        with open_store(empty_postgis_url) as store:
            return store.init()

    with ThreadPoolExecutor(3) as pool:
        applied = list(pool.map(init, range(3)))
    names = [migration.name for migration in migrating.migrations()]
    assert sorted(name for names in applied for name in names) == names


def test_dbmate_would_find_its_bookkeeping(postgis_url: str):
    with psycopg.connect(postgis_url) as connection:
        kept = connection.execute("select version from public.schema_migrations").fetchall()
        type_ = connection.execute(
            "select format_type(atttypid, null) from pg_attribute"
            " where attrelid = 'public.schema_migrations'::regclass and attname = 'version'"
        ).fetchone()
    assert kept == [(migration.version,) for migration in migrating.migrations()]
    assert type_ == ("character varying",)


def test_what_migrations_do_they_can_undo(postgis_url: str):
    files = sorted(migrating.resource_folder("schema").glob("0*.sql"))
    with psycopg.connect(postgis_url, autocommit=True) as connection:
        for file in reversed(files):
            connection.execute(file.read_text("utf-8").partition("-- migrate:down")[2])
        connection.execute("delete from public.schema_migrations")
    with open_store(postgis_url) as store:
        assert store.init() == [file.stem for file in files]


@pytest.fixture
def later_migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Add a migration to those that are known; what it does is to be given."""
    folder = Path(shutil.copytree(migrating.resource_folder("schema"), tmp_path / "schema"))
    monkeypatch.setattr(migrating, "resource_folder", lambda _: folder)

    def add(up: str) -> None:
        (folder / "9999_later.sql").write_text(
            f"-- migrate:up\n{up}\n-- migrate:down\nselect 1 / 0;\n"
        )

    return add


def test_a_migration_that_fails_leaves_nothing(empty_postgis_url: str, later_migration):
    known = migrating.migrations()
    later_migration("create table public.half (a integer); select 1 / 0;")
    with (
        open_store(empty_postgis_url) as store,
        pytest.raises(StoreError, match="division by zero"),
    ):
        store.init()
    with psycopg.connect(empty_postgis_url) as connection:
        kept = connection.execute("select version from public.schema_migrations").fetchall()
        half = connection.execute("select to_regclass('public.half')").fetchone()
    assert (kept, half) == ([(migration.version,) for migration in known], (None,))


def test_a_store_of_a_newer_structure_is_not_touched(postgis_url: str):
    with psycopg.connect(postgis_url, autocommit=True) as connection:
        connection.execute("insert into public.schema_migrations values ('0999')")
    said = refusal(postgis_url)
    assert "written by a newer rts-track" in said
    assert "0999" in said
    assert "upgrade rts-track" in said


def test_a_store_of_an_older_structure_asks_for_init(postgis_url: str, later_migration):
    later_migration("select 1;")
    with pytest.raises(StoreError, match="older than this rts-track; run `rts-track init`"):
        open_reader(postgis_url)
    with open_store(postgis_url) as store:
        with pytest.raises(StoreError, match="older than this rts-track; run `rts-track init`"):
            store.upsert("step_input", unit("a"))
        assert store.init() == ["9999_later"]
        assert store.upsert("step_input", unit("a")) == Written(added=1)


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("_OLDEST_POSTGRES", 99, r"PostgreSQL \d+ is too old; 99 is needed"),
        ("_OLDEST_POSTGIS", (99, 1), r"PostGIS [\d.]+ is too old; 99.1 is needed"),
    ],
)
def test_an_old_server_is_refused(empty_postgis_url: str, monkeypatch, setting, value, said):
    monkeypatch.setattr(migrating, setting, value)
    with open_store(empty_postgis_url) as store, pytest.raises(StoreError, match=said):
        store.init()


def test_a_server_without_postgis_is_refused():
    nothing = SimpleNamespace(fetchone=lambda: None)
    server = SimpleNamespace(
        info=SimpleNamespace(server_version=150_000), execute=lambda *_: nothing
    )
    with pytest.raises(StoreError, match=r"its server has no PostGIS; install PostGIS 3\.3"):
        migrating._refuse_old_server(server, "postgresql://host/db")


@pytest.fixture
def login(postgis_server):
    """Make a user with the given attributes; its `name:password`."""
    made = []

    def make(attributes: str, url: str, *grants: str) -> str:
        name = f"rts_track_test_{uuid.uuid4().hex[:12]}"
        made.append((name, url))
        postgis_server.execute(f"create role {name} login password 'pw' {attributes}")
        with psycopg.connect(url, autocommit=True) as connection:
            for grant in grants:
                connection.execute(f"grant {grant} to {name}")
        return f"{name}:pw"

    yield make
    for name, url in made:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"drop owned by {name} cascade")
        postgis_server.execute(f"drop role {name}")


def test_ingest_writes_every_table_and_changes_no_structure(postgis_url: str, login):
    user = login("", postgis_url, "rts_track_ingest")
    with open_store(with_parts(postgis_url, user=user)) as store:
        assert store.upsert("step_input", unit("a")) == Written(added=1)
        assert store.upsert("step_input", unit("a", "e")) == Written(updated=1)
        assert store.delete("step_input", {"unit": "a"}) == 1
        assert store.count("footprint") == 0
        assert store.init() == []
        with pytest.raises(StoreError, match="must be owner"):
            store.query("drop table region")


def test_read_sees_the_contract_and_nothing_else(postgis_url: str, login):
    url = with_parts(postgis_url, user=login("", postgis_url, "rts_track_read"))
    with open_reader(url) as reader:
        assert reader.count("footprint") == 0
        with pytest.raises(StoreError, match="permission denied"):
            reader.count("step_input")
    with open_store(url) as store:
        with pytest.raises(StoreError, match="to write takes the role rts_track_ingest"):
            store.delete("region", {})
        with pytest.raises(StoreError, match="permission denied"):
            store.query("create table rts_track.mine (a integer)")


def test_a_stranger_reads_nothing(postgis_url: str, login):
    url = with_parts(postgis_url, user=login("", postgis_url))
    with pytest.raises(StoreError, match="to read rts_track_read"):
        open_reader(url)


def test_a_user_who_may_make_roles_inits_where_postgis_is_there(empty_postgis_url: str, login):
    with psycopg.connect(empty_postgis_url, autocommit=True) as connection:
        connection.execute("create extension postgis")
        name = connection.info.dbname
    user = login(
        "createrole", empty_postgis_url, f"all on database {name}", "create on schema public"
    )
    with open_store(with_parts(empty_postgis_url, user=user)) as store:
        assert store.init() != []
        assert store.upsert("step_input", unit("a")) == Written(added=1)


def test_a_user_who_may_not_init_is_told_who_may(empty_postgis_url: str, login):
    with psycopg.connect(empty_postgis_url) as connection:
        name = connection.info.dbname
    user = login("", empty_postgis_url, f"all on database {name}", "create on schema public")
    store = open_store(with_parts(empty_postgis_url, user=user))
    with store, pytest.raises(StoreError, match="needs a user who may create roles") as refused:
        store.init()
    assert "\n" not in str(refused.value)


def test_the_owner_owns_every_table(postgis_url: str):
    with psycopg.connect(postgis_url) as connection:
        owners = connection.execute(
            "select distinct tableowner from pg_tables where schemaname like 'rts_track%'"
        ).fetchall()
    assert owners == [("rts_track_owner",)]


def test_a_second_writer_waits_for_the_first(postgis_url: str):
    done, order = threading.Event(), []

    def second() -> None:
        with open_store(postgis_url) as store, store.transaction():
            order.append("second")
            store.upsert("step_input", unit("b"))
        done.set()

    with open_store(postgis_url) as store:
        with store.transaction():
            store.upsert("step_input", unit("a"))
            thread = threading.Thread(target=second)
            thread.start()
            assert not done.wait(0.3)
            order.append("first")
        assert done.wait(10)
        thread.join()
        assert order == ["first", "second"]
        assert store.count("step_input") == 2


def test_a_database_that_is_read_only_by_its_administrators_will_stays_so(postgis_url: str):
    with psycopg.connect(postgis_url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"alter database {name} set default_transaction_read_only = on")
    with open_store(postgis_url) as store, pytest.raises(StoreError, match="to be read only"):
        store.upsert("step_input", unit("a"))


def test_a_reader_does_not_wait_for_a_writer(postgis_url: str):
    with open_store(postgis_url) as writer, open_reader(postgis_url) as reader:
        with writer.transaction():
            writer.upsert("step_input", unit("a"))
            assert reader.count("step_input") == 0
        assert reader.count("step_input") == 1


def test_a_connection_that_is_lost_gets_one_line(postgis_server, postgis_url: str):
    with open_store(postgis_url) as store:
        with pytest.raises(StoreError) as refused, store.transaction():
            store.upsert("step_input", unit("a"))
            postgis_server.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                f" where datname = '{urlsplit(postgis_url).path[1:]}'"
            )
            store.upsert("step_input", unit("b"))
        assert "\n" not in str(refused.value)
    with open_store(postgis_url) as store:
        assert store.count("step_input") == 0


def test_sessions_are_utc_with_the_contract_first_whatever_the_server_says(postgis_url: str):
    with open_store(postgis_url) as store:
        settings = store.query(
            "select current_setting('timezone') as zone, current_setting('search_path') as path"
        )
    assert settings.to_pylist() == [{"zone": "UTC", "path": "rts_track, public"}]


def test_postgis_in_a_schema_of_its_own_is_found(empty_postgis_url: str):
    with psycopg.connect(empty_postgis_url, autocommit=True) as connection:
        connection.execute('create schema "My Extensions"')
        connection.execute('grant usage on schema "My Extensions" to public')
        connection.execute('create extension postgis schema "My Extensions"')
    with open_store(empty_postgis_url) as store:
        assert store.init() != []
        assert store.count("footprint") == 0
    with open_store(empty_postgis_url) as store:
        assert store.read("region")["geometry"].type == pa.binary()


def test_a_result_of_a_type_without_arrow_form_asks_for_a_cast(postgis_store):
    with pytest.raises(StoreError, match=r"column a of the result is of type .*; cast it to text"):
        postgis_store.query("select array[1, 2] as a")


def test_an_applied_migration_is_logged_once(empty_postgis_url: str, caplog):
    caplog.set_level(logging.INFO, "rts_track.store.migrate")
    with open_store(empty_postgis_url) as store:
        applied = store.init()
        store.init()
    assert [record.args[1] for record in caplog.records] == applied


def test_an_address_without_a_host_is_shown_as_it_was_given():
    with pytest.raises(StoreError, match=r"^postgresql:///slumps\?host=") as refused:
        open_reader("postgresql:///slumps?host=/no/such/folder&password=s3cret")
    assert "s3cret" not in str(refused.value)
