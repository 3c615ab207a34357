"""ARTS's own form: GeoJSON with its columns (Yang et al. 2025, doi:10.1038/s41597-025-04372-7)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import shapely

from rts_track.writing import appearing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ARTS_COLUMNS = (
    "CentroidLat",
    "CentroidLon",
    "RegionName",
    "CreatorLab",
    "BaseMapDate",
    "BaseMapSource",
    "BaseMapResolution",
    "TrainClass",
    "LabelType",
    "RepeatRTS",
    "MergedRTS",
    "SplitRTS",
    "NewRTS",
    "StabilizedRTS",
    "UnknownRelationship",
    "ContributionDate",
    "UID",
    "BaseMapID",
    "Area",
    "Notes",
    "RelationshipBy",
)
"""The columns of ARTS, in its order; the last, of our own, says who found the relations."""

_OPENING = (
    '{"type": "FeatureCollection", "name": "arts",'
    ' "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}},'
    ' "features": ['
)

Feature = Mapping[str, object]
"""Values of ARTS_COLUMNS; those left out are null."""


def write_arts(path: Path, batches: Iterable[tuple[list[Feature], NDArray[np.object_]]]) -> int:
    """How many features were written to `path`, atomically: values, and WGS 84 lon/lat geometries.

    Raises:
        OSError: where `path` cannot be written, or the disk is full.
    """
    n_written = 0
    with appearing(path) as beside, beside.open("w", encoding="utf-8") as stream:
        stream.write(_OPENING)
        for features, geometries in batches:
            for feature, geometry in zip(features, shapely.to_geojson(geometries), strict=True):
                values = {column: feature.get(column) for column in ARTS_COLUMNS}
                told = json.dumps(values, ensure_ascii=False, allow_nan=False)
                stream.write(",\n" if n_written else "\n")
                stream.write(f'{{"type": "Feature", "properties": {told}, "geometry": {geometry}}}')
                n_written += 1
        stream.write("\n]}\n")
    return n_written
