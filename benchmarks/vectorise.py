"""How fast probabilities become footprints, and a cloud mask a clear area; one core.

A raster of 3 m pixels with some 2,000 ragged slumps, clouds that were not looked at, and specks
below the minimum area. Beside rts-track run two naive ways on the same bytes: polygons of the whole
raster with the statistics of each read through a mask in its window, and what peers do: 8-connected
labels with their statistics, and 4-connected polygons of them. Rows beyond the number of objects
are objects that came in pieces.

Run: python benchmarks/vectorise.py [--size 6000] [--objects 2000] [--repeats 3] [--out FILE.md]
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import rasterio.windows
import shapely
from affine import Affine
from rasterio.features import geometry_mask, shapes
from rasterio.windows import from_bounds
from scipy.ndimage import gaussian_filter, label, zoom
from skimage.measure import regionprops_table

import rts_track
from rts_track.polygon.extract import ExtractParams, extract, mask_polygons
from rts_track.raster.grid import Grid, Window
from rts_track.raster.probability import NOT_LOOKED_AT, threshold_byte

GSD_M = 3.0
STAMP_PX = 61
RADIUS_PX = (6.0, 28.0)
RAGGED = 3.0
"""How strongly noise of two pixels' length bends an outline."""
CLOUD_SHARE = 0.2
MASK_PX = 10_000
SEED = 36
TARGET_S, TARGET_MPX = 2.0, 36.0
PARAMS = ExtractParams(threshold=0.5, min_area_m2=300.0)
SMOOTH = ExtractParams(threshold=0.5, min_area_m2=300.0, smooth_m=3.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """The best of the repeats, and how many rows came of it."""

    way: str
    wall_s: float
    cpu_s: float
    rows: int
    peak_gb: float


def grid_of(size_px: int) -> Grid:
    transform = Affine(GSD_M, 0, 500_000, 0, -GSD_M, 7_500_000)
    return Grid(height=size_px, width=size_px, transform=transform, crs="EPSG:32608")


def clouds(size_px: int, chance: np.random.Generator) -> np.ndarray:
    """Where something is clear: clouds of all sizes with ragged edges."""
    coarse = zoom(gaussian_filter(chance.normal(size=(size_px // 20,) * 2), 6), 20, order=1)
    field = coarse + zoom(chance.normal(size=(size_px // 4,) * 2) * 0.003, 4, order=0)
    return field < np.quantile(field[::7, ::7], 1.0 - CLOUD_SHARE)


def probabilities(size_px: int, n_objects: int) -> np.ndarray:
    """Bytes as a prediction has them."""
    chance = np.random.default_rng(SEED)
    drawn = np.full((size_px, size_px), 10, dtype=np.uint8)
    half = STAMP_PX // 2
    rows, cols = np.mgrid[-half : half + 1, -half : half + 1]
    n_side = int(np.ceil(np.sqrt(n_objects)))
    step = (size_px - 2 * STAMP_PX) / n_side
    for number in range(n_objects):
        row, col = (
            int(STAMP_PX + step * (at + 0.5) + chance.uniform(-0.2, 0.2) * step)
            for at in divmod(number, n_side)
        )
        noise = gaussian_filter(chance.normal(0, 0.15, (STAMP_PX, STAMP_PX)), 2) * RAGGED
        inside = np.hypot(rows, cols) / chance.uniform(*RADIUS_PX) + noise < 1
        window = drawn[row - half : row + half + 1, col - half : col + half + 1]
        window[inside] = chance.integers(130, 250)
    specks = chance.integers(0, size_px, (n_objects * 2, 2))
    drawn[specks[:, 0], specks[:, 1]] = 180
    drawn[~clouds(size_px, chance)] = NOT_LOOKED_AT
    return drawn


def ours(params: ExtractParams) -> Callable[[np.ndarray, Grid], int]:
    def run(probability: np.ndarray, grid: Grid) -> int:
        return len(extract(probability, probability // 8, grid, params))

    return run


def polygons_then_masks(probability: np.ndarray, grid: Grid) -> int:
    """Polygons of the whole raster; each one's statistics through a mask of its window."""
    is_object = (probability >= threshold_byte(PARAMS.threshold)) & (probability != NOT_LOOKED_AT)
    transform = grid.transform
    kept = 0
    for shape, value in shapes(is_object.astype(np.uint8), transform=transform):
        if not value:
            continue
        polygon = shapely.geometry.shape(shape)
        if polygon.area < PARAMS.min_area_m2:
            continue
        window = _window(from_bounds(*polygon.bounds, transform=transform))
        values = probability[window.slices]
        part = grid.part(window)
        inside = geometry_mask([polygon], values.shape, part.transform, invert=True)
        values[inside].mean(), values[inside].max()
        kept += 1
    return kept


def _window(window: rasterio.windows.Window) -> Window:
    row, col = round(window.row_off), round(window.col_off)
    return Window(row, col, round(window.height), round(window.width))


def labels_then_polygons(probability: np.ndarray, grid: Grid) -> int:
    """8-connected labels with their statistics, and 4-connected polygons of the labels."""
    is_object = (probability >= threshold_byte(PARAMS.threshold)) & (probability != NOT_LOOKED_AT)
    labels, _ = label(is_object, np.ones((3, 3)), output=np.int32)
    table = regionprops_table(
        labels, probability, properties=("label", "num_pixels", "intensity_mean", "intensity_max")
    )
    large = set(table["label"][table["num_pixels"] * GSD_M**2 >= PARAMS.min_area_m2].tolist())
    polygons = [
        shapely.geometry.shape(shape)
        for shape, value in shapes(labels, mask=is_object, transform=grid.transform)
        if value in large
    ]
    return len(polygons)


def clear_area(mask: np.ndarray, grid: Grid) -> int:
    return int(shapely.get_num_coordinates(mask_polygons(mask, grid)))


def timed(way: str, run: Callable[..., int], *given: object, repeats: int) -> Timed:
    walls, cpus, rows = [], [], 0
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        rows = run(*given)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return Timed(way=way, wall_s=min(walls), cpu_s=min(cpus), rows=rows, peak_gb=peak_gb)


def measure(size_px: int, n_objects: int, repeats: int) -> tuple[list[Timed], Timed]:
    """Footprints in each way, and the clear area."""
    n_drawn = round(n_objects / (1.0 - CLOUD_SHARE))
    probability, grid = probabilities(size_px, n_drawn), grid_of(size_px)
    extract(probability[:500, :500], None, grid_of(500), PARAMS)  # imports
    ways = [
        timed("rts-track", ours(PARAMS), probability, grid, repeats=repeats),
        timed("rts-track, smoothed", ours(SMOOTH), probability, grid, repeats=repeats),
        timed("labels, then polygons of them", labels_then_polygons, probability, grid, repeats=1),
        timed("polygons, then masks", polygons_then_masks, probability, grid, repeats=1),
    ]
    del probability
    mask = clouds(MASK_PX, np.random.default_rng(SEED + 1))
    area = timed("clear area", clear_area, mask, grid_of(MASK_PX), repeats=repeats)
    return ways, area


def report(ways: list[Timed], area: Timed, size_px: int, n_objects: int) -> str:
    mpx = size_px**2 / 1e6
    first = ways[0]
    lines = [
        "# Vectorising",
        "",
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d}; {platform.machine()}, {os.cpu_count()} cores, one"
        f" used, load {os.getloadavg()[0]:.1f}; rts-track {rts_track.__version__}, Python"
        f" {platform.python_version()}, NumPy {version('numpy')}, SciPy {version('scipy')},"
        f" rasterio {version('rasterio')}, scikit-image {version('scikit-image')}, shapely"
        f" {version('shapely')}.",
        "",
        f"{size_px} x {size_px} pixels ({mpx:.0f} Mpx) of 3 m; some {n_objects:,} ragged slumps"
        f" that clouds ({CLOUD_SHARE:.0%}) left, and thousands of specks below the minimum of"
        f" {PARAMS.min_area_m2:g} m2. From bytes to polygons with their statistics; only rts-track"
        " brings them to EPSG:6931 and says which are clipped. Times are the best of the repeats;"
        " other work shared the cores, which counts in seconds, not in CPU seconds.",
        "",
        "| way | wall s | CPU s | beside ours (CPU) | rows | peak GB so far |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {each.way} | {each.wall_s:.2f} | {each.cpu_s:.2f} | {each.cpu_s / first.cpu_s:.1f} x |"
        f" {each.rows:,} | {each.peak_gb:.2f} |"
        for each in ways
    ]
    lines += [
        "",
        f"Target: {TARGET_MPX:.0f} Mpx with 2,000 objects under {TARGET_S:g} s of one core. Rows"
        " beyond rts-track's are objects that came in pieces, each with the statistics of the whole"
        " or of the piece.",
        "",
        f"Clear area of {MASK_PX:,} x {MASK_PX:,} pixels with clouds over {CLOUD_SHARE:.0%}:"
        f" {area.wall_s:.2f} s wall, {area.cpu_s:.2f} s CPU, {area.rows:,} vertices.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=6000, help="side of the raster in pixels")
    parser.add_argument("--objects", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, help="write the figures to this file, too")
    asked = parser.parse_args()
    ways, area = measure(asked.size, asked.objects, asked.repeats)
    text = report(ways, area, asked.size, asked.objects)
    print(text)
    if asked.out:
        asked.out.write_text(text)
    allowed_s = TARGET_S * asked.size**2 / 1e6 / TARGET_MPX
    if ways[0].cpu_s > allowed_s:
        sys.exit(f"missed: {ways[0].cpu_s:.1f} s of one core, {allowed_s:.1f} s allowed")


if __name__ == "__main__":
    main()
