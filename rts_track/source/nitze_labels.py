"""Reader of Nitze et al.'s training labels: slumps drawn on PlanetScope images, 2018-2022.

Each iteration has a file of labels and a file of image footprints (that of iteration 001 is not
published with the others). Whoever labelled an image searched the whole of it, so the footprints
are measured looks, also of the images without a label. Traps, all met in the published files:

- image footprints of iteration 002 are dated 202-00-722: the day is taken from the image's name;
- iteration 005's labels lost the last character of the image's name: a name that begins just one
  image's name is that image's;
- `label` is 1, 1.0, '1' or nothing. Nothing (all 20 polygons of one image of iteration 003, which
  have no id either) is a slump, too: `target` says so, and nobody draws 20 outlines, of a median
  of 1,300 m2, round nothing. A label of 0 would be no footprint.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rts_track.errors import UsageError
from rts_track.source.dates import Period, day_in_name, period_of, seen
from rts_track.source.fields import asked_facts
from rts_track.source.inventory import (
    Description,
    Fault,
    Inventory,
    LeftOut,
    LookArea,
    SourceFacts,
)
from rts_track.source.looks import Area, read_areas

if TYPE_CHECKING:
    from rts_track.source.request import ImportRequest
    from rts_track.source.vector import Row, VectorFile

SCENE_GSD_M = 3.0
ORTHOTILE_GSD_M = 3.125
"""Pixels of the two PlanetScope products (Planet Imagery Product Specifications)."""

FACTS = SourceFacts(
    source="nitze-labels",
    kind="active_zone",  # DARTS, drawn by networks that learned from them, calls itself so
    mapper="person",
    sensor="PlanetScope",
    gsd_m=SCENE_GSD_M,
    delineation_sigma_m=SCENE_GSD_M / 2,
    citation="Nitze, Barth and Küpper 2024: ML training labels, version 1.0.1,"
    " doi:10.5281/zenodo.12706220",
)

_IMAGES = ("image_id", "image_date", "datasource")
_LABELS = (*_IMAGES, "label", "id")


def nitze_labels_inventories(files: list[VectorFile], request: ImportRequest) -> list[Inventory]:
    """The inventory of the label files, with the looks that the image files tell of.

    UsageError for a file that is neither.
    """
    facts = asked_facts(request, FACTS)
    labels = [file for file in files if "label" in file.fields]
    images = [file for file in files if "label" not in file.fields]
    for file in labels:
        file.require(*_LABELS, option=", so none of Nitze's labels")
    for file in images:
        file.require(*_IMAGES, option=", so neither Nitze's labels nor their images")
    looks: dict[str, LookArea] = {}
    repaired: list[Fault] = []
    skipped: list[Fault] = []
    for file in images:
        areas, mended, refused = read_areas(file)
        repaired += mended
        skipped += refused
        for area in areas:
            _add_look(area, facts.source, looks, repaired, skipped)
    return [
        Inventory(
            facts=facts,
            files=tuple(labels),
            describe=describe_with(sorted(looks)),
            id_field="id",
            used_fields=frozenset({"id", "image_id"}),
            looks=tuple(looks.values()),
            repaired=tuple(repaired),
            skipped=tuple(skipped),
        )
    ]


def describe_with(images: list[str]) -> Callable[[Row, VectorFile], Description]:
    """How a label is understood beside the names of the images whose footprints are known."""
    full_names: dict[str, str] = {}

    def describe(row: Row, file: VectorFile) -> Description:
        del file
        if _is_negative(row["label"]):
            raise LeftOut("label 0: searched, no slump")
        image = str(row["image_id"] or "").strip()
        if not image:
            raise ValueError("no image_id")
        name = full_names.get(image) or full_names.setdefault(image, _full_name(image, images))
        notes = [] if name == image else [f"image_id {image} was cut off: {name}"]
        if row["label"] is None:
            notes.append("no label: taken for a slump as all else says")
        period = _day(name, row["image_date"], notes)
        return Description(
            seen=seen(None, period),
            scene=name,
            gsd_m=_gsd_m(row["datasource"]),
            notes=tuple(notes),
        )

    return describe


def _add_look(
    area: Area,
    source: str,
    looks: dict[str, LookArea],
    repaired: list[Fault],
    skipped: list[Fault],
) -> None:
    """The look at one image, under the image's name."""
    image = str(area.row["image_id"] or "").strip()
    notes: list[str] = []
    try:
        when = seen(None, _day(image, area.row["image_date"], notes))
    except ValueError as error:
        skipped.append(Fault(area.name, str(error)))
        return
    if image in looks:
        raise UsageError(f"{area.name}: image {image} has two footprints; leave one out")
    repaired += [Fault(area.name, note) for note in notes]
    looks[image] = LookArea(
        source=source,
        unit=f"{source}:{image}",
        season_year=when.season_year,
        from_on=when.from_on,
        to_on=when.to_on,
        basis="measured",
        geometry=area.geometry,
        scene_id=f"{source}:{image}",
        gsd_m=_gsd_m(area.row["datasource"]),
    )


def _is_negative(label: object) -> bool:
    return label is not None and str(label).strip() in ("0", "0.0", "False", "false")


def _full_name(image: str, images: list[str]) -> str:
    """The one known image whose name begins so; the name itself where it is known, or none is."""
    if image in images:
        return image
    longer = [name for name in images if name.startswith(image)]
    return longer[0] if len(longer) == 1 else image


def _day(image: str, written: object, notes: list[str]) -> Period | None:
    """The image's day: its name carries it; what is written beside counts where it does not."""
    named = day_in_name(image)
    if named is None:
        return period_of(written)
    by_name = Period(from_on=named, to_on=named)
    try:
        stated = period_of(written)
    except ValueError as error:
        notes.append(f"image_date {error}: {named} as its image's name says")
        return by_name
    if stated is not None and stated != by_name:
        notes.append(f"image_date {stated} is not its image's day: {named} is used")
    return by_name


def _gsd_m(datasource: object) -> float:
    """PlanetScope's pixel: OrthoTiles are resampled to 3.125 m, scenes have 3 m."""
    return ORTHOTILE_GSD_M if "orthot" in str(datasource).lower() else SCENE_GSD_M
