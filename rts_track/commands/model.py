"""`rts-track model`: what model bundles are, and whether they are whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rts_track.commands.options import QuietOption, say, with_pandas
from rts_track.errors import InputError

model_app = typer.Typer(
    help="Show and verify model bundles.\n\n"
    "A bundle is a directory of weights, with all that is needed to use them rightly.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@model_app.command()
def show(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A bundle, or a directory of them.")],
) -> None:
    """Say what a bundle is: inputs, normalisation, threshold, licence, training."""
    with_pandas()  # torch asks for it
    from rts_track.model.bundle import bundle_folders, read_bundle
    from rts_track.model.showing import bundle_lines

    for folder in bundle_folders(path):
        for line in bundle_lines(read_bundle(folder)):
            typer.echo(line)


@model_app.command()
def verify(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Bundles, or directories of them.")
    ],
    quiet: QuietOption = False,
) -> None:
    """Check that bundles are whole: digest, shapes, and that they predict, twice the same.

    Nothing in a bundle is executed: only safetensors are read.
    """
    with_pandas()  # torch asks for it
    from rts_track.model.bundle import bundle_folders, ensemble_of, read_bundle
    from rts_track.model.network import verify as verify_bundle

    bundles, n_faults = [], 0
    for folder in (folder for path in paths for folder in bundle_folders(path)):
        try:
            bundle = read_bundle(folder)
            verify_bundle(bundle)
        except InputError as error:
            typer.echo(f"rts-track: {error}", err=True)
            n_faults += 1
            continue
        bundles.append(bundle)
        say(f"{folder}: whole, {bundle.sha256}", quiet)
    if n_faults:
        raise typer.Exit(InputError.exit_code)
    if len(bundles) > 1:
        say(f"together an ensemble of {len(bundles)}: {ensemble_of(bundles).sha256}", quiet)
