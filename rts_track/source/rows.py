"""Footprints as rows of the contract's table, as far as an import knows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import shapely

from rts_track.contract import arrow_schema
from rts_track.domain import canonical_json, mint
from rts_track.polygon.measure import measure, outline_digests

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rts_track.source.inventory import Description
    from rts_track.source.vector import Row

FOOTPRINT_COLUMNS = (
    "footprint_id",
    "source",
    "source_feature_id",
    "look_id",
    "scene_id",
    "season_year",
    "observed_from",
    "observed_to",
    "date_basis",
    "area_m2",
    "perimeter_m",
    "is_clipped",
    "lon",
    "lat",
    "attributes",
    "geometry",
)
"""What an import knows of a footprint; its run is known to whoever writes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A footprint beside its outline: its name, what its file says, its scene and look."""

    name: str
    row: Row
    description: Description
    scene_id: str | None
    look_id: str | None
    is_clipped: bool


def footprint_ids(source: str, found: Sequence[Found], polygons: NDArray[np.object_]) -> list[str]:
    """Ids that follow from source, scene, look, season, dates and EPSG:6931 outline."""
    return [
        mint(
            "footprint",
            source,
            each.scene_id,
            each.look_id,
            each.description.seen.season_year,
            each.description.seen.from_on,
            each.description.seen.to_on,
            digest,
        )
        for each, digest in zip(found, outline_digests(polygons), strict=True)
    ]


def footprint_rows(
    source: str,
    ids: Sequence[str],
    found: Sequence[Found],
    polygons: NDArray[np.object_],
    lonlat: NDArray[np.object_],
    used_fields: frozenset[str],
) -> pa.RecordBatch:
    """The footprints as rows of FOOTPRINT_COLUMNS.

    Args:
        source: their source.
        ids: what `footprint_ids` made of them.
        found: the footprints beside their outlines.
        polygons: their outlines in EPSG:6931, to be measured.
        lonlat: the same in WGS 84, to be stored.
        used_fields: fields that are not repeated among the attributes.
    """
    measures = measure(polygons)
    seen = [each.description.seen for each in found]
    values = {
        "footprint_id": ids,
        "source": [source] * len(found),
        "source_feature_id": [each.name for each in found],
        "look_id": [each.look_id for each in found],
        "scene_id": [each.scene_id for each in found],
        "season_year": [when.season_year for when in seen],
        "observed_from": [when.from_on for when in seen],
        "observed_to": [when.to_on for when in seen],
        "date_basis": [when.basis for when in seen],
        "area_m2": measures.area_m2,
        "perimeter_m": measures.perimeter_m,
        "is_clipped": [each.is_clipped for each in found],
        "lon": measures.lon,
        "lat": measures.lat,
        "attributes": [_attributes(each.row, used_fields) for each in found],
        "geometry": shapely.to_wkb(lonlat, byte_order=1),
    }
    schema = footprint_schema()
    arrays = [pa.array(values[name], schema.field(name).type) for name in FOOTPRINT_COLUMNS]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def footprint_schema() -> pa.Schema:
    """FOOTPRINT_COLUMNS as the contract types them."""
    whole = arrow_schema("footprint")
    return pa.schema([whole.field(name) for name in FOOTPRINT_COLUMNS])


def _attributes(row: Row, used_fields: frozenset[str]) -> str:
    return canonical_json(
        {
            name: value.hex() if isinstance(value, bytes) else value
            for name, value in row.items()
            if name not in used_fields
        }
    )
