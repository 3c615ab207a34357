"""Real outlines that simulated histories start from: the sites of Barth et al. 2023."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import pyogrio

SITES = {"ET": 2020, "WT": 2020, "NK": 2016, "BL": 2017}
"""The season of each site that the study of corrupted outlines used. Its fifth, NZ, is not at
hand; SK has six slumps."""


def barth_sites(folder: Path) -> dict[str, np.ndarray]:
    """Each site's outlines of its season, WGS 84 lon/lat; `folder` holds a folder a site."""
    return {site: _outlines(folder, site, season) for site, season in SITES.items()}


def _outlines(folder: Path, site: str, season_year: int) -> np.ndarray:
    path = folder / site / f"{site}_RTS.shp"
    if not path.is_file():
        raise SystemExit(f"{path}: no such file; --data names the folder that holds barth2023/")
    frame: geopandas.GeoDataFrame = pyogrio.read_dataframe(path)
    of_season = frame[frame["year"].astype(int) == season_year].sort_values("id")
    return np.asarray(of_season.geometry.force_2d().to_crs(4326).to_numpy(), dtype=object)
