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
    AssetsOption,
    BandsOption,
    DateOption,
    DownloadsOption,
    NoMaskOption,
    OffsetOption,
    RateOption,
    ReaderOption,
    ScaleOption,
    SensorOption,
)
from rts_track.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rts_track.source.stac_query import StacQuery
    from rts_track.store.base import Store


def ingest(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH",
            help="Products, or folders that hold some; STAC items, or their addresses.",
        ),
    ] = None,
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
    stac: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Search this STAC API for scenes, too or only."),
    ] = None,
    collection: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="With --stac: a collection to search, one or more."),
    ] = None,
    bbox: Annotated[
        str | None,
        typer.Option(
            metavar="W,S,E,N",
            help="With --stac: where, in degrees; 178,70,-178,72 crosses 180 degrees.",
        ),
    ] = None,
    area: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With --stac: where, as polygons."),
    ] = None,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="DAY", help="With --stac: first day.")
    ] = None,
    to: Annotated[str | None, typer.Option(metavar="DAY", help="With --stac: last day.")] = None,
    max_cloud: Annotated[
        float | None,
        typer.Option(metavar="PERCENT", help="With --stac: most cloud that a scene may state."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", help="With --stac: how many scenes at most.")
    ] = None,
    downloads: DownloadsOption = None,
    assets: AssetsOption = None,
    rate: RateOption = 4.0,
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

    Nothing is copied; `detect` reads the files where they lie. Scenes of the web are fetched into
    --downloads first, each whole or not at all; the same command again goes on where it ended.

    Example: rts-track ingest scenes/ --align

    Example: rts-track ingest --stac https://earth-search.aws.element84.com/v1
    --collection sentinel-2-l2a --bbox -136,68,-135,68.5 --from 2022-07-01 --to 2022-08-31
    --max-cloud 20 --downloads sentinel2/
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
        assets=names_in(assets),
        query=_query(stac, collection, bbox, area, from_, to, max_cloud, limit),
        downloads=downloads,
        rate_per_s=rate,
    )
    if not paths and request.query is None:
        raise UsageError("nothing to ingest: name products, folders of them, or --stac URL")
    with open_to_import(store) as opened:
        report = ingest_scenes(opened, paths or [], request, progress=progress_bar(quiet))
        _tell(report.lines(), quiet)
        faults = [fault.reason for fault in report.faults]
        if align or realign or reference:
            faults += _align(opened, reference, realign, quiet)
        end_with(faults)


def _query(
    stac: str | None,
    collections: list[str] | None,
    bbox: str | None,
    area: Path | None,
    from_: str | None,
    to: str | None,
    max_cloud: float | None,
    limit: int | None,
) -> StacQuery | None:
    """What to ask of a STAC API; None where none is named."""
    if stac is None:
        options = {
            "--collection": collections,
            "--bbox": bbox,
            "--area": area,
            "--from": from_,
            "--to": to,
            "--max-cloud": max_cloud,
            "--limit": limit,
        }
        given = [name for name, value in options.items() if value is not None and value != []]
        if given:
            raise UsageError(f"{', '.join(given)}: of which API? Give --stac URL")
        return None
    from rts_track.source.stac_query import stac_query

    return stac_query(
        stac,
        collections or [],
        bbox=bbox,
        area=area,
        from_=period_in(from_, "--from"),
        to=period_in(to, "--to"),
        max_cloud_percent=max_cloud,
        limit=limit,
    )


def _align(store: Store, reference: str | None, is_redo: bool, quiet: bool) -> tuple[str, ...]:
    """Align all scenes of the store; what went wrong."""
    from rts_track.steps.aligning import align as align_scenes

    aligned = align_scenes(store, reference=reference, redo=is_redo, progress=progress_bar(quiet))
    _tell(aligned.lines(), quiet)
    return aligned.faults


def _tell(lines: Iterator[str], quiet: bool) -> None:
    for line in () if quiet else lines:
        typer.echo(line)
