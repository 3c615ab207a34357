"""Draw the pictures of docs/simulated-landscape.md: python benchmarks/landscape_figures.py."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
from affine import Affine
from matplotlib import pyplot as plt
from matplotlib.colors import LightSource
from PIL import Image

from rts_track.raster.grid import Grid
from rts_track.raster.terrain import relative_elevation
from rts_track.simulate.landscape.landscape import LandscapeParams, simulate_landscape
from rts_track.simulate.landscape.scenes import grid_of

ACTIVE, STILL, TONGUE = "#ffffff", "#ffd23f", "#ff9f5a"


def composite(spec, pixels, bands, highest):
    """Three bands as a picture."""
    layers = [pixels[spec.table.bands.index(band)] for band in bands]
    stretched = np.stack(layers, axis=-1) / np.array(highest)
    return np.clip(np.nan_to_num(stretched), 0.0, 1.0) ** 0.85


def true_colour(spec, pixels):
    return composite(spec, pixels, ("red", "green", "blue"), (0.14, 0.14, 0.14))


def false_colour(spec, pixels):
    return composite(spec, pixels, ("nir", "red", "green"), (0.44, 0.17, 0.15))


def extent_of(grid):
    west, south, east, north = grid.bounds
    return west, east, south, north


def show(axis, image, grid, title, **options):
    axis.imshow(image, extent=extent_of(grid), interpolation="nearest", **options)
    axis.set_title(title, fontsize=9)
    axis.set_xticks([])
    axis.set_yticks([])


def draw_truth(axis, landscape, season_year, shift_m=(0.0, 0.0), width=0.6):
    for shown in landscape.slumps.painted(season_year):
        if shown.heir != shown.layer.object_id:
            continue
        rings = [(shown.layer.ring, ACTIVE if shown.still == 0 else STILL)]
        if not shown.layer.tongue.is_empty:
            rings.append((shown.layer.tongue_ring, TONGUE))
        for ring, colour in rings:
            axis.plot(ring[:, 0] + shift_m[0], ring[:, 1] + shift_m[1], c=colour, lw=width)


def save(figure, path):
    """Write a figure with a palette: a third of the size."""
    figure.savefig(path, dpi=75)
    plt.close(figure)
    with Image.open(path) as image:
        small = image.convert("RGB").quantize(colors=200, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


def overview(landscape, season_year, path):
    """What there is: three sensors, the truth, relative elevation, the trend."""
    figure, axes = plt.subplots(2, 3, figsize=(13.5, 6.6), layout="constrained")
    of = {spec.sensor: spec for spec in landscape.scenes if spec.season_year == season_year}
    for axis, sensor in zip(axes[0], ("planetscope", "sentinel2", "landsat"), strict=True):
        spec = of[sensor]
        pixels = landscape.scene(spec).reflectance
        show(axis, true_colour(spec, pixels), spec.grid, f"{sensor}, {spec.acquired_at:%Y-%m-%d}")
    spec = of["sentinel2"]
    clear = replace(spec, swath=(0.0, 1e6), sky=replace(spec.sky, cloud_frac=0.0, haze=0.0))
    pixels = landscape.scene(clear).reflectance
    show(
        axes[1, 0], false_colour(spec, pixels), spec.grid, "truth (without clouds): scars, tongues"
    )
    draw_truth(axes[1, 0], landscape, season_year, spec.shift_m)
    axes[1, 0].set_xlim(*extent_of(spec.grid)[:2])
    axes[1, 0].set_ylim(*extent_of(spec.grid)[2:])
    height_m = landscape.elevation(spec.grid, season_year)
    raised_m = relative_elevation(height_m, spec.grid.gsd_m)
    show(
        axes[1, 1],
        raised_m,
        spec.grid,
        "relative elevation, ±15 m",
        cmap="RdBu_r",
        vmin=-15,
        vmax=15,
    )
    trend = landscape.trend()
    show(
        axes[1, 2],
        np.moveaxis(trend, 0, -1),
        grid_of(landscape.params, 30.0),
        "Landsat trend: brightness, greenness, wetness",
    )
    save(figure, path)


def busiest(landscape):
    """The middle of the slump that moved most ground."""
    first, last = landscape.params.season_years[0], landscape.params.season_years[-1]
    grown = {
        object_id: layer.scar.area - landscape.slumps.layers[object_id, first].scar.area
        for (object_id, season), layer in landscape.slumps.layers.items()
        if season == last and (object_id, first) in landscape.slumps.layers
    }
    most = max(grown, key=grown.__getitem__)
    middle = landscape.slumps.layers[most, last].scar.centroid
    return middle.x, middle.y


def seasons(landscape, path, half_m=210.0):
    """One place through the seasons: what PlanetScope sees, the ground, and what it lost."""
    x, y = (round(value / 30.0) * 30.0 for value in busiest(landscape))
    years = list(landscape.params.season_years)
    figure, axes = plt.subplots(
        3, len(years), figsize=(2.6 * len(years), 8.0), layout="constrained"
    )
    fine = Grid(
        height=int(2 * half_m),
        width=int(2 * half_m),
        transform=Affine(1.0, 0.0, x - half_m, 0.0, -1.0, y + half_m),
        crs=landscape.params.crs,
    )
    before_m = landscape.elevation(fine)
    for column, year in enumerate(years):
        spec = next(
            each
            for each in landscape.scenes
            if (each.sensor, each.season_year) == ("planetscope", year)
        )
        near = replace(
            spec,
            grid=Grid(
                height=int(2 * half_m / 3),
                width=int(2 * half_m / 3),
                transform=Affine(3.0, 0.0, x - half_m, 0.0, -3.0, y + half_m),
                crs=landscape.params.crs,
            ),
            swath=(0.0, 1e6),
            sky=replace(spec.sky, cloud_frac=0.0, haze=0.0),
        )
        show(
            axes[0, column],
            false_colour(spec, landscape.scene(near).reflectance),
            near.grid,
            str(year),
        )
        draw_truth(axes[0, column], landscape, year, spec.shift_m, 0.9)
        height_m = landscape.elevation(fine, year)
        shade = LightSource(315, 35).hillshade(height_m, dx=1.0, dy=1.0)
        show(axes[1, column], shade, fine, "ground", cmap="gray", vmin=0.1, vmax=1.0)
        change_m = height_m - before_m
        show(axes[2, column], change_m, fine, "since before, ±8 m", cmap="RdBu", vmin=-8, vmax=8)
        for axis in axes[:, column]:
            axis.set_xlim(x - half_m, x + half_m)
            axis.set_ylim(y - half_m, y + half_m)
    save(figure, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("docs/images"))
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    mpl.use("Agg")
    landscape = simulate_landscape(given.seed, LandscapeParams())
    overview(landscape, landscape.params.season_years[3], given.folder / "landscape.png")
    seasons(landscape, given.folder / "landscape-seasons.png")


if __name__ == "__main__":
    main()
