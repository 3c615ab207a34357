"""`rts-track model`: what model bundles are, and whether they are whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rts_track.commands.options import QuietOption, names_in, say, with_pandas
from rts_track.errors import InputError, UsageError

model_app = typer.Typer(
    help="Show, verify and import model bundles.\n\n"
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


@model_app.command(name="import")
def import_(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="The other project's file, .pt or .ckpt.")
    ],
    name: Annotated[str, typer.Option(help="Name of the bundle.")],
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The run's configuration (config.yml), where the checkpoint has none. What it"
            " says counts; `ranges` in it names ranges of layers: {red: [-0.1, 0.5]}.",
        ),
    ] = None,
    layers: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="What the network reads, in its order, such as ndvi,blue,green,red,nir.",
            show_default="as the configuration says",
        ),
    ] = None,
    sensors: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="What it was trained for, such as planetscope,sentinel2.",
            show_default="planetscope, if the configuration names its data source",
        ),
    ] = None,
    gsd: Annotated[
        str | None,
        typer.Option(
            metavar="METRES",
            help="Pixel it was trained for: 3 or 3,5.",
            show_default="the sensor's",
        ),
    ] = None,
    threshold: Annotated[
        float, typer.Option(help="From which probability on a pixel belongs to a slump.")
    ] = 0.5,
    min_area: Annotated[
        float | None,
        typer.Option(
            metavar="M2",
            help="Smallest slump that is meant.",
            show_default="32 pixels, as both projects have it",
        ),
    ] = None,
    headroom: Annotated[
        float,
        typer.Option(
            help="How many times as far as theirs bands' ranges reach; weights make up for it."
            " thaw-slump-segmentation clips nothing above reflectance 0.3, a bundle does: 4 keeps"
            " what is brighter.",
        ),
    ] = 1.0,
    kind: Annotated[str, typer.Option(help="landform or active_zone.")] = "landform",
    licence: Annotated[str, typer.Option(help="Under which it may be used.")] = "unstated",
    citation: Annotated[str | None, typer.Option(help="How it is cited.")] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the bundle goes.")] = Path(
        "bundles"
    ),
    quiet: QuietOption = False,
) -> None:
    """Make a bundle of a checkpoint of thaw-slump-segmentation or darts-nextgen.

    Architecture, layers and their scaling come from the run's configuration. Nothing in the
    checkpoint is executed: one that holds code is refused.

    Example: rts-track model import RTS_v6_notcvis/checkpoints/41.pt --config
    RTS_v6_notcvis/config.yml --name rts-v6-notcvis
    """
    with_pandas()  # torch asks for it
    from rts_track.model.bundle import write_bundle
    from rts_track.model.foreign import ForeignRequest, import_bundle
    from rts_track.model.network import verify as verify_bundle

    if kind not in ("landform", "active_zone"):
        raise UsageError(f"--kind {kind!r}: landform, active_zone")
    bundle = import_bundle(
        ForeignRequest(
            checkpoint=checkpoint,
            name=name,
            config=config,
            layers=names_in(layers) or (),
            sensors=names_in(sensors) or (),
            gsd_range_m=_gsd_range_m(gsd),
            threshold=threshold,
            min_area_m2=min_area,
            headroom=headroom,
            kind=kind,  # type: ignore[arg-type] # one of its words, as was just checked
            licence=licence,
            citation=citation,
        )
    )
    verify_bundle(bundle)
    folder = write_bundle(bundle, out)
    say(f"reads {', '.join(bundle.layers)}: {bundle.training['scaling']}", quiet)
    typer.echo(str(folder))


def _gsd_range_m(gsd: str | None) -> tuple[float, float] | None:
    """Finest and coarsest pixel of `3` or `3,5`."""
    if gsd is None:
        return None
    try:
        metres = [float(each) for each in gsd.split(",")]
    except ValueError:
        metres = []
    if not 1 <= len(metres) <= 2:
        raise UsageError(
            f"--gsd {gsd!r}: one number in metres, or the finest and the coarsest: 3,5"
        )
    return min(metres), max(metres)
