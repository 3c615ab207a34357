"""Small files of polygons to read."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import shapely

WriteVector = Callable[..., Path]


@pytest.fixture
def write_vector(tmp_path: Path) -> WriteVector:
    """Writes rows and their geometries (squares by default) to a file of any suffix."""
    geopandas = pytest.importorskip("geopandas")

    def write(
        name: str,
        rows: Sequence[dict[str, Any]],
        geometries: Sequence[shapely.Geometry | None] | None = None,
        crs: str | None = "EPSG:32608",
        **options: Any,
    ) -> Path:
        squares = [
            shapely.box(5e5 + at * 200, 75e5, 5e5 + at * 200 + 100, 75e5 + 100)
            for at in range(len(rows))
        ]
        frame = geopandas.GeoDataFrame(
            list(rows), geometry=squares if geometries is None else list(geometries), crs=crs
        )
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        if path.suffix == ".parquet":
            frame.to_parquet(path, **options)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that a CRS is missing is meant so
                frame.to_file(path, **options)
        return path

    return write
