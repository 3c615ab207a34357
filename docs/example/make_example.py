"""Writes slumps.shp beside itself: a small survey as a user would have it."""

from pathlib import Path

import numpy as np
import pyogrio.raw

from rts_track.simulate.history import HistoryParams, simulate_history


def main() -> None:
    """Write the shapefile beside this script."""
    params = HistoryParams(n_slumps=40, n_seasons=4)
    footprints = simulate_history(np.random.default_rng(7), params).footprints
    pyogrio.raw.write(
        Path(__file__).with_name("slumps.shp"),
        geometry=footprints["geometry"].to_numpy(),
        field_data=[
            footprints["observed_on"].to_numpy().astype("datetime64[D]"),
            footprints["scene_id"].to_numpy(),
            footprints["gsd_m"].to_numpy(),
        ],
        fields=["date", "image", "res_m"],
        driver="ESRI Shapefile",
        geometry_type="Polygon",
        crs="EPSG:4326",
    )


if __name__ == "__main__":
    main()
