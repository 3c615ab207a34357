"""`rts-track ingest`: scenes are registered, to be searched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rts_track.commands.options import (
    QuietOption,
    StoreOption,
    end_with,
    names_in,
    open_to_import,
    period_in,
    progress_bar,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rts_track.store.base import Store


def ingest(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", help="Products, or folders that hold some."),
    ],
    reader: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="planet, sentinel2, landsat, or raster for any GeoTIFF.",
            show_default="as names tell",
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Source that is to search them; one name, one sensor, one way of mapping.",
            show_default="the sensor",
        ),
    ] = None,
    season: Annotated[
        int | None,
        typer.Option(metavar="YEAR", help="Their season.", show_default="the year of their date"),
    ] = None,
    bands: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="What the bands of a plain GeoTIFF are, in its order, with commas: the sensor's"
            " names or blue, green, red, nir ...; - leaves one out.",
        ),
    ] = None,
    date: Annotated[
        str | None,
        typer.Option(
            metavar="DAY",
            help="Day of acquisition, 2021-08-21; of a mosaic 2021-07-01..2021-08-31.",
            show_default="as the product says",
        ),
    ] = None,
    sensor: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What acquired them.", show_default="by the reader"),
    ] = None,
    scale: Annotated[
        float | None,
        typer.Option(
            metavar="FACTOR",
            help="Reflectance per stored unit of a plain GeoTIFF.",
            show_default="the sensor's",
        ),
    ] = None,
    offset: Annotated[
        float | None,
        typer.Option(
            metavar="REFLECTANCE",
            help="Reflectance of a stored 0 of a plain GeoTIFF: -0.1 for Sentinel-2 since 2022"
            " unless it was harmonised.",
            show_default="0; of Landsat -0.2",
        ),
    ] = None,
    no_mask: Annotated[
        bool,
        typer.Option(
            "--no-mask",
            help="Take in products whose mask is missing, too: all their valid pixels count as"
            " clear.",
        ),
    ] = False,
    align: Annotated[
        bool,
        typer.Option(
            "--align",
            help="Tell by their images how far the store's scenes lie from each other, for linking"
            " to correct.",
        ),
    ] = False,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="SCENE_ID",
            help="With --align: the scene that those of its place are compared with.",
            show_default="the clearest of the earliest season",
        ),
    ] = None,
    realign: Annotated[
        bool,
        typer.Option("--realign", help="As --align, but shifts that were told before, too."),
    ] = False,
    store: StoreOption = None,
    quiet: QuietOption = False,
) -> None:
    """Register scenes: when, where, how fine, what is clear.

    Nothing is copied; `detect` reads the files where they lie.

    Example: rts-track ingest scenes/ --align
    """
    from rts_track.steps.ingesting import IngestRequest
    from rts_track.steps.ingesting import ingest as ingest_scenes

    request = IngestRequest(
        source=source,
        season_year=season,
        reader=reader,
        bands=names_in(bands),
        period=period_in(date),
        scale=scale,
        offset=offset,
        sensor=sensor,
        is_mask_optional=no_mask,
    )
    with open_to_import(store) as opened:
        report = ingest_scenes(opened, paths, request, progress=progress_bar(quiet))
        _tell(report.lines(), quiet)
        faults = [fault.reason for fault in report.faults]
        if align or realign or reference:
            faults += _align(opened, reference, realign, quiet)
        end_with(faults)


def _align(store: Store, reference: str | None, is_redo: bool, quiet: bool) -> tuple[str, ...]:
    """Align all scenes of the store; what went wrong."""
    from rts_track.steps.aligning import align as align_scenes

    aligned = align_scenes(store, reference=reference, redo=is_redo, progress=progress_bar(quiet))
    _tell(aligned.lines(), quiet)
    return aligned.faults


def _tell(lines: Iterator[str], quiet: bool) -> None:
    for line in () if quiet else lines:
        typer.echo(line)
