"""Reader of Barth et al. 2023: slumps of Siberian sites drawn on mosaics of images, 2011-2020.

One shapefile a site, each in its own UTM zone. `id` counts the rows of a site through all years:
it is unique there, and no slump keeps it from year to year. `image_ids` lists the images of the
mosaic, cut off after 254 characters; its images' days outweigh `date_`, which in BL 2016 says
30 August beside an image of 3 August.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rts_track.source.dates import Period, period_of, period_of_images, season_of, seen
from rts_track.source.fields import asked_facts
from rts_track.source.inventory import Description, Inventory, SourceFacts

if TYPE_CHECKING:
    from rts_track.source.request import ImportRequest
    from rts_track.source.vector import Row, VectorFile

FACTS = SourceFacts(
    source="barth2023",
    kind="landform",
    mapper="person",
    sensor="RapidEye, SPOT 6/7, PlanetScope",
    gsd_m=3.0,  # of most of its outlines (PlanetScope); each scene has its own
    delineation_sigma_m=1.5,  # half of it
    citation="Barth et al. 2023, by way of the Arctic Retrogressive Thaw Slumps data set (ARTS),"
    " doi:10.18739/A2PK0738B",
    licence="CC0-1.0",
)

_USED = ("id", "year", "date_", "sp_res_m")


def barth2023_inventories(files: list[VectorFile], request: ImportRequest) -> list[Inventory]:
    """The inventory of its sites' files; UsageError for a file that is none of them."""
    for file in files:
        file.require(*_USED, "image_ids", option=", so not of Barth et al. 2023")
    return [
        Inventory(
            facts=asked_facts(request, FACTS),
            files=tuple(files),
            describe=describe,
            id_field="id",
            used_fields=frozenset(_USED),
        )
    ]


def describe(row: Row, file: VectorFile) -> Description:
    """The footprint's mosaic is its scene, its images' days are its dates."""
    drawn = period_of(row["date_"])
    imaged = period_of_images(row["image_ids"])
    period = imaged or drawn
    return Description(
        seen=seen(season_of(row["year"]), period),
        scene=f"{file.stem.removesuffix('_RTS')}:{_mosaic(row)}",
        gsd_m=row["sp_res_m"],
        notes=_date_notes(drawn, imaged),
    )


def _mosaic(row: Row) -> str:
    """A name for the mosaic: that of its first image, in the order of their names."""
    images = [image for text in str(row["image_ids"] or "").split(",") if (image := text.strip())]
    dated = [image for image in images if period_of_images(image)]
    return min(dated) if dated else str(row["year"])


def _date_notes(drawn: Period | None, imaged: Period | None) -> tuple[str, ...]:
    if drawn is None or imaged is None or drawn in imaged:
        return ()
    return (f"date_ {drawn} is no day of its images: {imaged} is used",)
