"""The whole way on a simulated landscape: scenes, ensemble, footprints, tracks, growth, answers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from rts_track import grid
from rts_track.errors import InputError, UsageError
from rts_track.model.bundle import read_ensemble
from rts_track.progress import Progress, silent
from rts_track.raster.grid import Window
from rts_track.report.detections import Panel, plot_panels
from rts_track.simulate.landscape.files import write_landscape
from rts_track.simulate.landscape.landscape import LandscapeParams, simulate_landscape
from rts_track.source.auxiliary import Auxiliary
from rts_track.source.pixels import ScenePixels
from rts_track.source.scenes import open_scene
from rts_track.steps.aligning import align
from rts_track.steps.demo_summary import summary_lines, tracks_picture
from rts_track.steps.detecting import DetectRequest, detect
from rts_track.steps.exporting import export
from rts_track.steps.ingesting import IngestRequest, ingest
from rts_track.steps.linking import link
from rts_track.steps.measuring import measure
from rts_track.steps.place_truth import PlaceTruth, read_place_truth
from rts_track.store.base import open_store

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.raster.grid import Grid
    from rts_track.store.base import Store

STORE_FILE = "demo.duckdb"
SENSOR = "sentinel2"
ENSEMBLE = "demo-sentinel2"
"""The ensemble that comes with the package; it was trained on other landscapes."""
PARAMS = LandscapeParams(
    sensors=(SENSOR,),
    extent_m=(9_000.0, 6_000.0),
    scenes_per_season=2,
    cloud_frac=0.05,
    dem_seasons=(),
)
SMOOTH_M = 5.0
"""Half a pixel: outlines need not show the pixels' corners."""
SHOWN_BANDS = ("red", "green", "blue")
N_SHOWN_SEASONS = 3
SHOWN_PX = (260, 340)
"""Rows and columns of the part of a scene that is drawn."""


def run_demo(
    folder: Path, seed: int, *, url: str | None = None, progress: Progress = silent
) -> Iterator[str]:
    """Simulate, ingest, align, detect, link, measure, export, score; lines that say what came.

    `url` is the store to use; by default a file in the folder. Files in the folder that an
    earlier demo wrote are replaced; a store that was named is added to.
    """
    ensemble = read_ensemble([ENSEMBLE])
    landscape = simulate_landscape(seed, PARAMS)
    yield (
        f"A simulated landscape of {PARAMS.area_km2:.0f} km2 over {PARAMS.n_seasons} seasons"
        f" (seed {seed}), seen by {SENSOR}:"
    )
    if url is None:
        _forget_former(folder)
    scenery = write_landscape(landscape, folder, progress)
    address = url or f"duckdb:///{folder / STORE_FILE}"
    request = DetectRequest(
        auxiliary=Auxiliary(dem=scenery.dem, trend=scenery.trend, cache=folder / "layers"),
        out=folder / "probabilities",
        smooth_m=SMOOTH_M,
    )
    with open_store(address) as store:
        store.init()
        yield from _told(ingest(store, scenery.scenes, IngestRequest(), progress=progress))
        yield from _told(align(store, progress=progress))
        yield f"  an ensemble of {len(ensemble.bundles)}, trained on other landscapes:"
        yield from _told(detect(store, ensemble, request, progress=progress))
        link(store, progress=progress)
        measure(store, progress=progress)
        yield from summary_lines(store, scenery.truth)
        export(store, folder / "export", progress=progress)
        pictures = (
            tracks_picture(store, folder),
            _detections_picture(store, read_place_truth(scenery.truth), folder),
        )
    yield ""
    yield "Files:"
    yield f"  {store.url}   everything; try `rts-track query tracks --store {store.url}`"
    yield f"  {folder / 'scenes'}, {folder / 'dem'}, {folder / 'trend'}   what was searched"
    yield f"  {folder / 'probabilities'}   what the ensemble made of it, as GeoTIFF"
    yield f"  {folder / 'export'}   every table as GeoParquet, for QGIS, DuckDB, Python or R"
    yield from (f"  {picture}" for picture in pictures)


def _told(report: object) -> Iterator[str]:
    """A report's lines, as part of a list; InputError for the first thing that went wrong."""
    faults = [*getattr(report, "faults", ()), *getattr(report, "failures", ())]
    if faults:
        raise InputError(str(getattr(faults[0], "reason", faults[0])))
    yield from (f"  {line}" for line in report.lines())  # type: ignore[attr-defined]


def _detections_picture(store: Store, truth: PlaceTruth, folder: Path) -> str:
    """The line that tells of detections.png, scenes and what was found; or why there is none."""
    file = folder / "detections.png"
    panels = [_panel(store, truth, scene) for scene in _shown_scenes(store)]
    try:
        plot_panels(panels, "What the ensemble found, and what is true", file)
    except UsageError as error:
        return f"(no picture: {error})"
    return f"{file}   what was found on some of the scenes"


def _shown_scenes(store: Store) -> list[dict[str, Any]]:
    """The clearest scene of each of some seasons, the first and the last among them."""
    columns = ["scene_id", "season_year", "observed_from", "uri", "clear_geometry"]
    clearest: dict[int, tuple[float, dict[str, Any]]] = {}
    for scene in store.read("scene", columns, {"source": SENSOR}).to_pylist():
        clear = scene.pop("clear_geometry")
        area_m2 = float(shapely.area(_metric([clear]))[0]) if clear else 0.0
        if area_m2 >= clearest.get(scene["season_year"], (0.0, scene))[0]:
            clearest[scene["season_year"]] = (area_m2, scene)
    seasons = sorted(clearest)
    at = np.linspace(0, len(seasons) - 1, N_SHOWN_SEASONS).round().astype(int)
    return [clearest[seasons[number]][1] for number in at]


def _panel(store: Store, truth: PlaceTruth, row: dict[str, Any]) -> Panel:
    season = truth.seasons[row["season_year"]]
    active = season.polygon[season.is_active]
    scope = {"scene_id": row["scene_id"]}
    scene = open_scene(row["uri"])
    window = _crowded_window(scene.grid, truth)
    with ScenePixels(scene) as pixels:
        image = pixels.read(SHOWN_BANDS, window)
        is_clear = pixels.clear(window)
    return Panel(
        title=f"{scene.sensor}, {row['observed_from']}",
        image=image,
        is_clear=is_clear,
        grid=scene.grid.part(window),
        outlines={
            "true and active": active,
            "found": _metric(store.read("footprint", ["geometry"], scope)["geometry"].to_pylist()),
        },
    )


def _crowded_window(of: Grid, truth: PlaceTruth) -> Window:
    """The part of a scene that holds most of the slumps of the first season."""
    height, width = min(SHOWN_PX[0], of.height), min(SHOWN_PX[1], of.width)
    first = next(iter(truth.seasons.values()))
    at = shapely.get_coordinates(shapely.centroid(of.to_pixels(first.polygon)))
    col = np.clip(at[:, 0] - width / 2, 0, of.width - width).astype(int)
    row = np.clip(at[:, 1] - height / 2, 0, of.height - height).astype(int)
    is_in = (np.abs(at[:, 0] - (col + width / 2)[:, None]) < width / 2) & (
        np.abs(at[:, 1] - (row + height / 2)[:, None]) < height / 2
    )
    best = int(is_in.sum(axis=1).argmax())
    return Window(int(row[best]), int(col[best]), height, width)


def _metric(wkb: list[bytes]) -> NDArray[np.object_]:
    return grid.to_metric(np.asarray(shapely.from_wkb(wkb), dtype=object))


def _forget_former(folder: Path) -> None:
    for name in (STORE_FILE, f"{STORE_FILE}.wal"):
        (folder / name).unlink(missing_ok=True)
    for name in ("scenes", "dem", "trend", "truth", "layers", "probabilities"):
        shutil.rmtree(folder / name, ignore_errors=True)
