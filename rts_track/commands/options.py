"""What commands share: options, opening the store, telling how far a step is."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from typing import TYPE_CHECKING, Annotated

import typer

from rts_track.errors import UsageError
from rts_track.settings import store_url

if TYPE_CHECKING:
    from rts_track.progress import Item, Progress
    from rts_track.source.dates import Period
    from rts_track.store.base import Store

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="ADDRESS",
        help="duckdb:///file.duckdb or postgresql://user@host/database.",
        show_default="RTS_TRACK_STORE, else duckdb:///rts-track.duckdb",
    ),
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print nothing but faults and answers.")
]


def open_store_at(store: str | None, *, may_create: bool = False) -> Store:
    """The store to write to; an embedded file is made on the way where that is what is asked."""
    from rts_track.store.base import open_store

    url = store_url(store)
    opened = open_store(url, must_exist=not may_create)
    if may_create and url.startswith("duckdb:"):
        opened.init()
    return opened


@contextmanager
def open_to_import(store: str | None) -> Iterator[Store]:
    """The store to import into; a file that was made for it goes again if nothing comes in."""
    from rts_track.store.base import embedded_file

    file = embedded_file(store_url(store))
    is_new = file is not None and not file.exists()
    is_empty = False
    try:
        with open_store_at(store, may_create=True) as opened:
            try:
                yield opened
            except BaseException:
                is_empty = opened.count("run") == 0  # else another process was quicker
                raise
    finally:
        if file is not None and is_new and is_empty:
            file.unlink(missing_ok=True)


def progress_bar(quiet: bool) -> Progress:
    """A progress bar that shows itself after a second, on a terminal's error stream."""
    from rts_track.progress import silent

    if quiet:
        return silent

    def shown(items: Iterable[Item], *, label: str, total: int | None = None) -> Iterable[Item]:
        from tqdm import tqdm

        bar: Iterable[Item] = tqdm(
            items,
            desc=label,
            total=total,
            delay=1.0,
            leave=False,
            file=sys.stderr,
            disable=None,  # where it is no terminal
        )
        return bar

    return shown


def say(line: str, quiet: bool) -> None:
    """Print the line, unless quiet was asked for."""
    if not quiet:
        typer.echo(line)


def names_in(text: str | None) -> tuple[str, ...] | None:
    """The names that an option lists with commas; None where it was not given."""
    return tuple(name.strip() for name in text.split(",")) if text else None


def period_in(date: str | None, option: str = "--date") -> Period | None:
    """The day or days that an option says; UsageError where it says none."""
    from rts_track.source.dates import period_of

    try:
        return period_of(date)
    except ValueError as error:
        raise UsageError(
            f"{option}: {error}; expected 2021-08-21 or 2021-07-01..2021-08-31"
        ) from error


def end_with(faults: Sequence[str]) -> None:
    """Tell each fault in a line, and end non-zero if there is one."""
    for fault in faults:
        typer.echo(f"rts-track: {' '.join(fault.split())}", err=True)
    if faults:
        raise typer.Exit(1)


class _NoPandas(MetaPathFinder):
    """Finds no pandas. None in `sys.modules` would not do: pyarrow takes that for pandas."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError("this command does without pandas", name=fullname)


@contextmanager
def without_pandas() -> Iterator[None]:
    """Keep DuckDB and pyarrow from loading pandas, which they try: it takes seconds."""
    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        with_pandas()


def with_pandas() -> None:
    """Let pandas be found again, by a command that needs it."""
    sys.meta_path[:] = [each for each in sys.meta_path if not isinstance(each, _NoPandas)]
