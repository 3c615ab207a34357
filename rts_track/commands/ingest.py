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
from rts_track.commands.scene_options import (
    BandsOption,
    DateOption,
    NoMaskOption,
    OffsetOption,
    ReaderOption,
    ScaleOption,
    SensorOption,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rts_track.store.base import Store


def ingest(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", help="Products, or folders that hold some."),
    ],
    reader: ReaderOption = None,
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
    bands: BandsOption = None,
    date: DateOption = None,
    sensor: SensorOption = None,
    scale: ScaleOption = None,
    offset: OffsetOption = None,
    no_mask: NoMaskOption = False,
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
