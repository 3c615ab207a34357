"""Stores to test against: a fresh one of each kind, and the real inventories where they are."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit, urlunsplit

import pytest

from rts_track.store.base import Store, open_store

_HERE = Path(__file__).resolve().parent


def pytest_configure(config: pytest.Config) -> None:
    """Let tests be alike on all machines: only `pytest -m cuda` finds a CUDA device.

    What computes takes such a device where there is one, and by default in bf16, so that numbers
    would differ from those of the processor, with which tests compare them.
    """
    config.addinivalue_line("markers", "cuda: needs a CUDA device; run by `pytest -m cuda` alone")
    if config.option.markexpr != "cuda":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as a shell leaves its background jobs
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _load(name: str) -> ModuleType:
    """The module beside this file: tests are no package."""
    spec = importlib.util.spec_from_file_location(name, _HERE / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def products() -> ModuleType:
    """Writers of products as the sensors' makers lay them out (`scene_products.py`)."""
    return _load("scene_products")


@pytest.fixture(scope="session")
def stac() -> ModuleType:
    """A STAC API to serve on loopback, and items for it (`stac_server.py`)."""
    return _load("stac_server")


@pytest.fixture
def stac_api(stac: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """A STAC API on loopback, without items."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    api, http = stac.served()
    yield api
    http.shutdown()
    http.server_close()


@dataclass(frozen=True, slots=True, kw_only=True)
class PostGISServer:
    """A server on which databases can be made: its maintenance database and a template."""

    url: str
    template: str

    def database_url(self, database: str) -> str:
        """The address of a database on it."""
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{database}"))

    def execute(self, sql: str) -> None:
        """Run one statement in the maintenance database."""
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql)

    @contextmanager
    def database(self, template: str | None = None) -> Iterator[str]:
        """A database of its own, copied from `template` or empty; dropped at the end."""
        name = _database_name()
        self.execute(f"create database {name} template {template or 'template0'}")
        try:
            yield self.database_url(name)
        finally:
            self.execute(f"drop database if exists {name} with (force)")


def _database_name() -> str:
    return f"rts_track_test_{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def postgis_server() -> Iterator[PostGISServer]:
    """RTS_TRACK_TEST_DSN's server, else a throw-away cluster; the template is migrated."""
    clusters = _load("postgres_cluster")
    given = os.environ.get("RTS_TRACK_TEST_DSN")
    if given:
        yield from _with_template(given)
        return
    try:
        with clusters.throw_away_cluster() as cluster:
            yield from _with_template(cluster.url("postgres"))
    except clusters.ClusterError as error:
        if os.environ.get("RTS_TRACK_REQUIRE_POSTGIS") == "1":
            pytest.fail(f"RTS_TRACK_REQUIRE_POSTGIS=1, but {error}")
        pytest.skip(f"no PostGIS: {error}; set RTS_TRACK_TEST_DSN or install it")


def _with_template(url: str) -> Iterator[PostGISServer]:
    server = PostGISServer(url=url, template=_database_name())
    server.execute(f"create database {server.template} template template0")
    try:
        with open_store(server.database_url(server.template)) as store:
            store.init()
        yield server
    finally:
        server.execute(f"drop database if exists {server.template} with (force)")


@pytest.fixture
def postgis_url(postgis_server: PostGISServer) -> Iterator[str]:
    """Address of a fresh, initialised PostGIS database."""
    with postgis_server.database(postgis_server.template) as url:
        yield url


@pytest.fixture
def empty_postgis_url(postgis_server: PostGISServer) -> Iterator[str]:
    """Address of a fresh database without any structure."""
    with postgis_server.database() as url:
        yield url


@pytest.fixture
def postgis_store(postgis_url: str) -> Iterator[Store]:
    """A fresh, initialised PostGIS store."""
    with open_store(postgis_url) as store:
        yield store


@pytest.fixture(scope="session")
def duckdb_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An initialised embedded store, to be copied."""
    file = tmp_path_factory.mktemp("template") / "store.duckdb"
    with open_store(f"duckdb:///{file}") as store:
        store.init()
    return file


@pytest.fixture
def duckdb_url(duckdb_template: Path, tmp_path: Path) -> str:
    """Address of a fresh, initialised embedded store."""
    return f"duckdb:///{shutil.copy(duckdb_template, tmp_path / 'store.duckdb')}"


@pytest.fixture
def duckdb_store(duckdb_url: str) -> Iterator[Store]:
    """A fresh, initialised embedded store."""
    with open_store(duckdb_url) as store:
        yield store


@pytest.fixture(params=["duckdb", "postgis"])
def store_url(request: pytest.FixtureRequest) -> str:
    """Address of a fresh, initialised store of either kind."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A fresh, initialised store of either kind."""
    with open_store(store_url) as opened:
        yield opened


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of the real inventories."""
    given = os.environ.get("RTS_TRACK_REAL_DATA")
    folder = Path(given) if given else _HERE.parent.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is not there; set RTS_TRACK_REAL_DATA")
    return folder
