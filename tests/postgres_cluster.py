"""A throw-away PostgreSQL cluster for tests and benchmarks; no cluster that is there is touched.

Its settings are chosen to bring mistakes to light: text sorts as in a natural language and the
server's clock is far from UTC, unlike in the embedded store.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "timezone": "Asia/Yakutsk",
    "jit": "off",
    "max_connections": "40",
}
_SUPERUSER = "postgres"


class ClusterError(Exception):
    """No PostgreSQL with PostGIS can be started here; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A running server; `url` addresses one of its databases as the superuser."""

    port: int
    password: str

    def url(self, database: str, user: str = _SUPERUSER) -> str:
        """The address of a database in it."""
        return f"postgresql://{user}:{self.password}@127.0.0.1:{self.port}/{database}"


@contextmanager
def throw_away_cluster(settings: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """A fresh cluster in a folder of its own, stopped and removed at the end or if we are killed.

    Run by root it belongs to the user `postgres`, as the server refuses to run as root.

    Raises:
        ClusterError: where PostgreSQL or PostGIS is not installed, or the server does not start.
    """
    programs = _programs()
    owner = _owner()
    folder = Path(tempfile.mkdtemp(prefix="rts-track-pg-", dir="/var/tmp"))
    if owner:
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    watcher = _stop_when_we_end(programs, folder, owner)
    try:
        password = secrets.token_urlsafe(12)
        _create(programs, folder, password, owner)
        port = _start(programs, folder, {**_SETTINGS, **(settings or {})}, owner)
        yield Cluster(port=port, password=password)
    finally:
        assert watcher.stdin
        watcher.stdin.close()
        watcher.wait(60)


def _programs() -> Path:
    """The folder of initdb and pg_ctl."""
    pg_config = shutil.which("pg_config")
    folders = [*Path("/usr/lib/postgresql").glob("*/bin")]
    if pg_config:
        asked = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=True)
        folders.append(Path(asked.stdout.strip()))
    usable = [folder for folder in folders if (folder / "initdb").is_file()]
    if not usable:
        raise ClusterError("PostgreSQL is not installed (no initdb found)")
    newest = max(usable, key=lambda folder: [int(n) for n in folder.parts if n.isdigit()])
    share = subprocess.run(
        [newest / "pg_config", "--sharedir"], capture_output=True, text=True, check=False
    ).stdout.strip()
    if share and not (Path(share) / "extension" / "postgis.control").is_file():
        raise ClusterError(f"PostGIS is not installed for the PostgreSQL in {newest}")
    return newest


def _owner() -> pwd.struct_passwd | None:
    """The user that shall own the cluster; None: the one we are."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        raise ClusterError("we are root, and there is no user postgres to run a server") from None


def _create(programs: Path, folder: Path, password: str, owner: pwd.struct_passwd | None) -> None:
    pwfile = folder / "password"
    pwfile.write_text(password)
    pwfile.chmod(0o600)
    if owner:
        os.chown(pwfile, owner.pw_uid, owner.pw_gid)
    _call(
        [
            *(programs / "initdb", "--pgdata", folder / "data", "--username", _SUPERUSER),
            *("--auth=scram-sha-256", "--pwfile", pwfile, "--no-sync", "--encoding=UTF8"),
            *("--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"),
        ],
        folder,
        owner,
    )


def _start(
    programs: Path, folder: Path, settings: Mapping[str, str], owner: pwd.struct_passwd | None
) -> int:
    """Start the server on a free port; the port."""
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    for attempt in range(3):
        port = _free_port()
        try:
            _call(
                [
                    *(programs / "pg_ctl", "start", "--wait", "--silent", "--timeout=60"),
                    *("--pgdata", folder / "data", "--log", folder / "server.log"),
                    *("--options", f"-k {folder} -p {port} {options}"),
                ],
                folder,
                owner,
            )
        except ClusterError:
            if attempt == 2:
                raise
        else:
            return port
    raise AssertionError


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _call(command: list[object], folder: Path, owner: pwd.struct_passwd | None) -> None:
    """Run a program of PostgreSQL; ClusterError with its last words if it fails."""
    with (folder / "calls.log").open("w+") as log:
        code = subprocess.run(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
            **_identity(folder, owner),
        ).returncode
        if code:
            log.seek(0)
            server = folder / "server.log"
            said = log.read() + (server.read_text() if server.exists() else "")
            raise ClusterError(f"{Path(str(command[0])).name} failed: {said[-2000:]}")


def _stop_when_we_end(
    programs: Path, folder: Path, owner: pwd.struct_passwd | None
) -> subprocess.Popen[bytes]:
    """A process that stops and removes the cluster once our end of its pipe is closed."""
    script = 'read -r _; "$1"/pg_ctl stop --silent --mode=immediate --pgdata="$2"/data; rm -rf "$2"'
    return subprocess.Popen(
        ["/bin/sh", "-c", script, "sh", str(programs), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        **_identity(folder, owner),
    )


def _identity(folder: Path, owner: pwd.struct_passwd | None) -> dict[str, object]:
    """Who runs it, where and with which environment: no PG* variable of the caller's leaks in."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    identity: dict[str, object] = {"cwd": folder, "env": {**environment, "LC_ALL": "C.UTF-8"}}
    if owner:
        identity |= {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    return identity
