"""`simulate`: write a landscape of known truth, and what sensors see of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rts_track.commands.options import QuietOption, progress_bar, say
from rts_track.errors import UsageError


def simulate(
    folder: Annotated[Path, typer.Argument(help="Where to write; made if need be.")],
    seed: Annotated[int, typer.Option(help="The same seed makes the same landscape.")] = 1,
    seasons: Annotated[int, typer.Option(help="How many seasons, one a year.")] = 5,
    first_year: Annotated[int, typer.Option(help="The first season.")] = 2019,
    size_km: Annotated[
        str, typer.Option("--size-km", metavar="WxH", help="Extent, east by north.")
    ] = "6x4.02",
    sensors: Annotated[
        str, typer.Option(metavar="A,B", help="Of planetscope, sentinel2 and landsat.")
    ] = "planetscope,sentinel2,landsat",
    cloud_frac: Annotated[float, typer.Option(help="Mean share of a scene under cloud.")] = 0.08,
    slumps_per_km2: Annotated[float, typer.Option(help="Active slumps at the start.")] = 1.6,
    quiet: QuietOption = False,
) -> None:
    """Write a simulated landscape of known truth.

    Scenes, DEMs, a Landsat trend, and the truth beside them. Scenes are files as the sensors'
    makers deliver them, which `rts-track ingest` takes; what the truth's tables mean is told in
    docs/simulated-landscape.md.
    """
    from rts_track.simulate.landscape.files import write_landscape
    from rts_track.simulate.landscape.landscape import LandscapeParams, simulate_landscape

    params = LandscapeParams(
        extent_m=_extent_m(size_km),
        n_seasons=seasons,
        first_year=first_year,
        sensors=tuple(sensor.strip() for sensor in sensors.split(",") if sensor.strip()),
        cloud_frac=cloud_frac,
        slumps_per_km2=slumps_per_km2,
    )
    landscape = simulate_landscape(seed, params)
    files = write_landscape(landscape, folder, progress_bar(quiet))
    n_slumps = len({object_id for object_id, _ in landscape.slumps.layers})
    say(
        f"{folder}: {len(files.scenes)} scenes of {n_slumps} slumps in {params.n_seasons} seasons",
        quiet,
    )
    say(f"  {folder / 'scenes'}   for `rts-track ingest`", quiet)
    say(f"  {files.dem}, {files.trend}   for `--dem` and `--trend`", quiet)
    say(f"  {files.truth}   what is true of it", quiet)


def _extent_m(size_km: str) -> tuple[float, float]:
    """Metres east and north."""
    width, separator, height = size_km.lower().partition("x")
    try:
        if not separator:
            raise ValueError(size_km)
        return round(float(width) * 1e3, 3), round(float(height) * 1e3, 3)
    except ValueError as error:
        raise UsageError(f"--size-km {size_km!r}: expected such as 6x4.02") from error
