"""Reading features by named fields: what the `vector` reader and most presets do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from dataclasses import fields as fields_of
from typing import TYPE_CHECKING

from rts_track.errors import UsageError
from rts_track.source.dates import period_of, season_of, seen
from rts_track.source.inventory import Description, Inventory, SourceFacts

if TYPE_CHECKING:
    from rts_track.source.dates import Period
    from rts_track.source.request import ImportRequest
    from rts_track.source.vector import Row, VectorFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """The fields that hold a footprint's season, date, scene, id and pixel size; None: no such."""

    season: str | None = None
    date: str | None = None
    scene: str | None = None
    id: str | None = None
    gsd: str | None = None

    @property
    def used(self) -> frozenset[str]:
        """Those that there are."""
        names = (self.season, self.date, self.scene, self.id, self.gsd)
        return frozenset(name for name in names if name is not None)

    def check(self, files: list[VectorFile]) -> None:
        """UsageError where a file lacks one of them, or there is neither season nor date."""
        for file in files:
            file.require(self.season, self.date, self.scene, self.id, self.gsd)
            if self.season is None and self.date is None:
                raise UsageError(
                    f"{file.path}: which field says when? Name one with --season-field or"
                    f" --date-field; its fields are {file.field_list}"
                )


def asked_fields(request: ImportRequest, default: Fields | None = None) -> Fields:
    """The fields that a user names, and those of the preset where the user names none."""
    preset = default or Fields()
    return Fields(
        season=request.season_field or preset.season,
        date=request.date_field or preset.date,
        scene=request.scene_field or preset.scene,
        id=request.id_field or preset.id,
        gsd=request.gsd_field or preset.gsd,
    )


def asked_facts(request: ImportRequest, preset: SourceFacts) -> SourceFacts:
    """What a user says of the source, and the preset's word where the user says nothing.

    A pixel size given without a delineation sigma sets that, too: half the pixel.
    """
    half_m = request.gsd_m / 2 if request.gsd_m else None
    given = {field.name: getattr(request, field.name) for field in fields_of(SourceFacts)}
    given["delineation_sigma_m"] = request.delineation_sigma_m or half_m
    return replace(preset, **{name: value for name, value in given.items() if value is not None})


def vector_inventories(files: list[VectorFile], request: ImportRequest) -> list[Inventory]:
    """The one inventory that the files are, read by the fields that the user names."""
    if request.source is None and len(files) > 1:
        raise UsageError("several files: give their source a name with --source")
    fields = asked_fields(request)
    fields.check(files)
    preset = SourceFacts(source=files[0].stem, kind="landform", mapper="person")
    return [by_fields(files, fields, asked_facts(request, preset))]


def by_fields(files: list[VectorFile], fields: Fields, facts: SourceFacts) -> Inventory:
    """An inventory whose footprints are described by these fields alone."""
    return Inventory(
        facts=facts,
        files=tuple(files),
        describe=describe_by(fields),
        id_field=fields.id,
        has_gsd=fields.gsd is not None,
        used_fields=fields.used,
    )


def describe_by(fields: Fields) -> Callable[[Row, VectorFile], Description]:
    """How a feature is understood by its fields.

    A date that is none is mended by leaving it out where the season is known.
    """

    def describe(row: Row, file: VectorFile) -> Description:
        del file
        notes: list[str] = []
        season = season_of(row[fields.season]) if fields.season else None
        period = _period(row[fields.date], season, notes) if fields.date else None
        return Description(
            seen=seen(season, period),
            scene=_scene(row[fields.scene]) if fields.scene else None,
            gsd_m=gsd_of(row[fields.gsd], notes) if fields.gsd else None,
            notes=tuple(notes),
        )

    return describe


def _period(value: object, season: int | None, notes: list[str]) -> Period | None:
    try:
        return period_of(value)
    except ValueError as error:
        if season is None:
            raise
        notes.append(f"{error}: only the season is kept")
        return None


def _scene(value: object) -> str | None:
    return (str(value).strip() or None) if value is not None else None


def gsd_of(value: object, notes: list[str]) -> float | None:
    """The pixel size in metres that a field says; None, with a note, where it is none."""
    if value is None or value == "":
        return None
    try:
        gsd_m = float(str(value))
    except ValueError:
        gsd_m = 0.0
    if not 0.0 < gsd_m < float("inf"):
        notes.append(f"pixel size {value!r} is none: taken as unknown")
        return None
    return gsd_m
