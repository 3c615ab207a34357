"""Trains an ensemble on simulated landscapes, such as the one that `rts-track demo` uses.

    python benchmarks/train_bundles.py demo-sentinel2 --out rts_track/bundles/demo-sentinel2

simulates the training landscapes of `detection_settings`, labels their active slumps (moved as
each scene is shifted), and trains three small UNet++ networks from nothing. On two cores this
takes about half an hour for Sentinel-2. What lies in `--work` is used again.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import shapely
from detection_settings import (
    RECIPES,
    TRAINING_SEASONS,
    TRAINING_SEEDS,
    Recipe,
    landscape_params,
)

from rts_track import grid
from rts_track.domain import digest
from rts_track.model.cutting import Cutting
from rts_track.model.params import TrainParams
from rts_track.simulate.landscape.files import write_landscape
from rts_track.simulate.landscape.landscape import simulate_landscape
from rts_track.source.auxiliary import Auxiliary
from rts_track.source.scenes import find_scenes
from rts_track.steps.training import TrainRequest, train
from rts_track.steps.training_labels import Labels

DONE = "landscape.json"


def main() -> None:
    options = _options()
    recipe = RECIPES[options.recipe]
    work = options.work / options.recipe
    folders = [
        _landscape(work, recipe, number, seed)
        for number, seed in enumerate(TRAINING_SEEDS[: options.landscapes])
    ]
    scenes, faults = find_scenes([folder / "scenes" for folder in folders])
    if faults:
        sys.exit(faults[0].reason)
    request = TrainRequest(
        out=work / "bundles",
        layers=recipe.layers,
        auxiliary=_auxiliary(work, recipe),
        cutting=Cutting(window_px=options.window, block_m=3_000.0),
        params=TrainParams(
            name=options.recipe,
            licence="CC0-1.0",
            architecture=recipe.architecture,
            members=options.members,
            max_epochs=options.epochs,
            patience=options.patience,
            batch=16,
            seed=options.seed,
        ),
        is_resumed=True,
    )
    report = train(scenes, _labels(folders), request, on_epoch=_tell)
    print(*report.lines(), sep="\n")
    options.out.mkdir(parents=True, exist_ok=True)
    for bundle in report.bundles:
        shutil.copytree(bundle, options.out / bundle.name, dirs_exist_ok=True)
    print(f"{options.out}: {sum(_size(each) for each in options.out.rglob('*')):,} bytes")


def _landscape(work: Path, recipe: Recipe, number: int, seed: int) -> Path:
    """The folder of a training landscape, simulated unless it is there."""
    folder = work / "landscapes" / str(seed)
    if not (folder / DONE).is_file():
        params = landscape_params(number, recipe.sensors, TRAINING_SEASONS, recipe.atmosphere)
        write_landscape(simulate_landscape(seed, params), folder)
        print(f"{folder}: simulated", flush=True)
    for name, files in (("dem", folder / "dem" / "mosaic"), ("trend", folder / "trend")):
        for file in files.iterdir():
            gathered = work / name / f"{seed}-{file.name}"
            gathered.parent.mkdir(exist_ok=True)
            if not gathered.is_file():
                shutil.copy2(file, gathered)
    return folder


def _auxiliary(work: Path, recipe: Recipe) -> Auxiliary:
    auxiliary = Auxiliary(dem=work / "dem", trend=work / "trend", cache=work / "cache")
    return auxiliary.only(recipe.layers)


def _labels(folders: list[Path]) -> Labels:
    """The active scars of all landscapes, scene by scene, where each scene shows them."""
    polygons, names = [], []
    for folder in folders:
        outlines = pq.read_table(
            folder / "truth" / "truth_outline.parquet",
            columns=["season_year", "part", "is_active", "geometry"],
            filters=[("part", "==", "scar"), ("is_active", "==", True)],
        )
        scars = grid.to_metric(shapely.from_wkb(outlines["geometry"].to_pylist()))
        seasons = outlines["season_year"].to_numpy()
        for scene in pq.read_table(folder / "truth" / "truth_scene.parquet").to_pylist():
            for scar in scars[seasons == scene["season_year"]]:
                polygons.append(_moved(scar, scene["shift_east_m"], scene["shift_north_m"]))
                names.append(scene["scene_id"])
    return Labels(
        polygons=np.array(polygons, dtype=object),
        scenes=np.array(names, dtype=object),
        seasons=np.full(len(names), None, dtype=object),
        n_skipped=0,
        inputs_sha256=digest(*(shapely.to_wkb(polygon).hex() for polygon in polygons)),
    )


def _moved(polygon: shapely.Geometry, east_m: float, north_m: float) -> shapely.Geometry:
    centre = polygon.centroid
    dx, dy = grid.from_ground(east_m, north_m, np.array([centre.x]), np.array([centre.y]))
    return shapely.transform(polygon, lambda xy: xy + np.column_stack([dx, dy]))


def _tell(name: str, score: object) -> None:
    print(name, score, flush=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("recipe", choices=list(RECIPES))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("training"))
    parser.add_argument("--landscapes", type=int, default=len(TRAINING_SEEDS))
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--patience", type=int, default=12)
    parser.add_argument("--window", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
