"""One Prefect server for all flow tests: it takes half a minute to come up."""

from __future__ import annotations

import ctypes
import importlib.util
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVER_TIMEOUT_S = 300
"""It is 20 s on a quiet machine."""


@pytest.fixture(autouse=True)
def _foreign_warnings() -> Iterator[None]:
    """What Prefect's own libraries warn of, where it cannot be mended from here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="prefect")
        warnings.filterwarnings("ignore", category=ResourceWarning)
        yield


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home of its own for Prefect, which speaks to nobody; set before it is imported."""
    home = tmp_path_factory.mktemp("prefect")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(home))
        patch.setenv("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
        patch.setenv("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")
        patch.setenv("PREFECT_CLI_PROMPT", "false")
        patch.setenv("DO_NOT_TRACK", "1")
        yield home


@pytest.fixture(scope="session")
def season(prefect_home: Path) -> ModuleType:
    """The module of the flow, which is in no package."""
    del prefect_home
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spec = importlib.util.spec_from_file_location("season", ROOT / "flows" / "season.py")
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules["season"] = module
        spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def server(prefect_home: Path) -> Iterator[str]:
    """The address of the server's API; its database lies in a temporary folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from prefect.settings import PREFECT_API_URL
        from prefect.testing.utilities import prefect_test_harness

        harness = prefect_test_harness(server_startup_timeout=SERVER_TIMEOUT_S)
        with _children_of_ours(prefect_home / "server.log"):
            harness.__enter__()
        try:
            yield str(PREFECT_API_URL.value())
        finally:
            harness.__exit__(None, None, None)


@contextmanager
def _children_of_ours(log: Path) -> Iterator[None]:
    """Processes that start here end when this one is killed, and write to a file.

    Else a server would live on after a hard kill, and whoever reads our output wait for its.
    """
    popen = subprocess.Popen
    with pytest.MonkeyPatch.context() as patch, log.open("w") as out:
        patch.setattr(
            subprocess,
            "Popen",
            lambda *args, **given: popen(
                *args,
                **given,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            ),
        )
        yield


def _end_with_parent() -> None:
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)
