"""The file with what an ensemble made of a scene, pixel by pixel."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from rts_track.raster.probability import NOT_LOOKED_AT, STEPS
from rts_track.release.cog import write_cog

if TYPE_CHECKING:
    from rts_track.model.predict import Prediction
    from rts_track.raster.grid import Grid
    from rts_track.steps.detect_writing import SearchRecord


def write_raster(out: Path, record: SearchRecord, prediction: Prediction, grid: Grid) -> Path:
    """The file below `out` with the scene's probability and spread, written whole.

    It comes before the look is stored: one without the other is written again. InputError where it
    cannot be written.
    """
    path = raster_path(out, record.search.scene_id, record.run_id)
    bands = {"probability": prediction.probability, "spread": prediction.spread}
    tags = {
        "RTS_TRACK_SCENE": record.search.scene_id,
        "RTS_TRACK_LOOK": record.search.look_id,
        "RTS_TRACK_RUN": record.run_id,
        "RTS_TRACK_MODEL": record.ensemble.sha256,
    }
    write_cog(path, bands, grid, nodata=NOT_LOOKED_AT, scale=1 / STEPS, tags=tags)
    return path


def raster_path(out: Path, scene_id: str, run_id: str) -> Path:
    """Where the probabilities of a scene's search lie: a folder a scene, a file a run.

    Ids may hold what no file name should, such as a colon or a slash.
    """
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", scene_id)
    return out / f"scene_{safe}" / f"{run_id}.tif"
