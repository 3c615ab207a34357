"""Options of commands that read scenes, and layers beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ReaderOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="planet, sentinel2, landsat, stac, or raster for any GeoTIFF.",
        show_default="as names tell",
    ),
]
BandsOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="What the bands of a plain GeoTIFF are, in its order, with commas: the sensor's"
        " names or blue, green, red, nir ...; - leaves one out.",
    ),
]
DateOption = Annotated[
    str | None,
    typer.Option(
        metavar="DAY",
        help="Day of acquisition, 2021-08-21; of a mosaic 2021-07-01..2021-08-31.",
        show_default="as the product says",
    ),
]
SensorOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="What acquired them.", show_default="by the reader"),
]
ScaleOption = Annotated[
    float | None,
    typer.Option(
        metavar="FACTOR",
        help="Reflectance per stored unit of a plain GeoTIFF or STAC item.",
        show_default="the sensor's",
    ),
]
OffsetOption = Annotated[
    float | None,
    typer.Option(
        metavar="REFLECTANCE",
        help="Reflectance of a stored 0 of a plain GeoTIFF or STAC item: -0.1 for Sentinel-2"
        " since 2022 unless it was harmonised.",
        show_default="0; of Landsat -0.2; of items as they say",
    ),
]
NoMaskOption = Annotated[
    bool,
    typer.Option(
        "--no-mask",
        help="Take in products whose mask is missing, too: all their valid pixels count as clear.",
    ),
]
DownloadsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Fetch scenes of the web into DIR/<collection>/<item>/.",
        show_default="none are fetched",
    ),
]
AssetsOption = Annotated[
    str | None,
    typer.Option(
        metavar="KEYS",
        help="Assets of STAC items to read, with commas: their keys or our names of bands; the mask"
        " comes along.",
        show_default="all known bands",
    ),
]
RateOption = Annotated[
    float,
    typer.Option(metavar="N", help="Requests a second that a host of the web gets."),
]
DemOption = Annotated[
    Path | None,
    typer.Option(metavar="PATH", help="Elevation model: a GeoTIFF, or a folder of them."),
]
TrendOption = Annotated[
    Path | None,
    typer.Option(metavar="PATH", help="Landsat trends (TCVIS): a GeoTIFF, or a folder of them."),
]
CacheOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Keep what is computed of --dem and --trend here.",
        show_default="not kept",
    ),
]
LabelsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Polygons of all slumps in the scenes.",
        show_default="the outlines of people in --store",
    ),
]
SceneFieldOption = Annotated[
    str | None,
    typer.Option(metavar="FIELD", help="Field that names the scene a label was drawn on."),
]
SeasonFieldOption = Annotated[
    str | None, typer.Option(metavar="FIELD", help="Field that holds the season's year.")
]
DateFieldOption = Annotated[
    str | None, typer.Option(metavar="FIELD", help="Field that holds the label's date.")
]
LayerOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Layer of the labels' file, if several.")
]
