"""`demo` and `demo-tracks`: the whole job on something simulated, for a first look."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rts_track.commands.options import QuietOption, progress_bar, with_pandas

FolderArgument = Annotated[Path, typer.Argument(metavar="DIR", help="Folder for its files.")]
SeedOption = Annotated[int, typer.Option(help="Another seed, another history.")]
DemoStoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="ADDRESS",
        help="duckdb:///file.duckdb or postgresql://user@host/database.",
        show_default="a file in DIR",
    ),
]


def demo(
    folder: FolderArgument = Path("demo"),
    seed: SeedOption = 1,
    store: DemoStoreOption = None,
    quiet: QuietOption = False,
) -> None:
    """Go the whole way on a simulated landscape, and score it.

    Scenes, detections, tracks, growth; what is found is compared with what is true.
    """
    with_pandas()  # torch asks for it
    from rts_track.steps.demo import run_demo

    for line in run_demo(folder, seed, url=store, progress=progress_bar(quiet)):
        typer.echo(line)


def demo_tracks(
    folder: FolderArgument = Path("demo-tracks"),
    seed: SeedOption = 1,
    store: DemoStoreOption = None,
    quiet: QuietOption = False,
) -> None:
    """Follow simulated slumps that were outlined already.

    An inventory is imported, linked, measured and scored; no network is needed.
    """
    from rts_track.steps.demo_tracks import run_demo_tracks

    for line in run_demo_tracks(folder, seed, url=store, progress=progress_bar(quiet)):
        typer.echo(line)
