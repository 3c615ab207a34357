"""`rts-track align`: how far scenes lie from each other, told by their images."""

from __future__ import annotations

from typing import Annotated

import typer

from rts_track.commands.options import (
    QuietOption,
    StoreOption,
    end_with,
    open_store_at,
    progress_bar,
    say,
)


def align(
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="SCENE",
            help="Compare all scenes that overlap this one with it.",
            show_default="the clearest scene of the earliest season of each place",
        ),
    ] = None,
    redo: Annotated[
        bool, typer.Option("--redo", help="Tell shifts anew that are known already.")
    ] = False,
    store: StoreOption = None,
    quiet: QuietOption = False,
) -> None:
    """Tell how far scenes lie from each other.

    Linking corrects for it, so align before linking. A shift is kept once it is told.
    """
    from rts_track.steps.aligning import align as align_scenes

    with open_store_at(store) as opened:
        report = align_scenes(opened, reference=reference, redo=redo, progress=progress_bar(quiet))
    for line in report.lines():
        say(line, quiet)
    end_with(report.faults)
