"""How fast elevations become relative elevation, beside SciPy's ways to convolve with a disc.

Ground of fractal noise at 3 m with holes, as float32; a disc of 100 m has 3,500 pixels. All make
the normalised mean, which takes SciPy two convolutions (of elevations and of what is known). The
direct way is timed on a small part and told for the whole by its pixels. Times are the best of the
repeats, in one process and one thread.

Run: python benchmarks/relative_elevation.py [--size 6000] [--repeats 3] [--out FILE.md]
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
from scipy import ndimage, signal

import rts_track
from rts_track.raster.terrain import disc_margin_px, relative_elevation, slope_deg

GSD_M, RADIUS_M = 3.0, 100.0
DIRECT_PX = 300
"""Side of the part on which the direct way is timed."""
HOLE_FRAC = 0.02
SEED = 5
TARGET_S = 10.0
TARGET_MPX = 36.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """What one way took for the whole raster, and how far it lies from ours at most."""

    way: str
    wall_s: float
    cpu_s: float
    peak_gb: float
    furthest_m: float
    is_scaled: bool = False


def ground(size_px):
    rng = np.random.default_rng(SEED)
    coarse = rng.normal(size=(size_px // 16 + 2, size_px // 16 + 2))
    hills = ndimage.zoom(ndimage.gaussian_filter(coarse, 3.0), 16, order=1)[:size_px, :size_px]
    elevation_m = (400.0 + 300.0 * hills).astype(np.float32)
    elevation_m += rng.normal(scale=0.3, size=elevation_m.shape).astype(np.float32)
    hole = ndimage.zoom(rng.random((size_px // 16 + 2, size_px // 16 + 2)), 16, order=0)
    elevation_m[hole[:size_px, :size_px] < HOLE_FRAC] = np.nan
    return elevation_m


def disc():
    reach = disc_margin_px(GSD_M, RADIUS_M)
    rows, cols = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return (np.hypot(rows, cols) * GSD_M <= RADIUS_M + 1e-6).astype(np.float32)


def by_convolving(convolve: Callable[..., np.ndarray]):
    def relative(elevation_m):
        is_known = ~np.isnan(elevation_m)
        kernel = disc()
        total = convolve(np.where(is_known, elevation_m, np.float32(0.0)), kernel, mode="same")
        count = convolve(is_known.astype(np.float32), kernel, mode="same")
        return elevation_m - total / np.maximum(count, 1.0)

    return relative


def direct(elevation_m, kernel, mode):
    return signal.convolve(elevation_m, kernel, mode=mode, method="direct")


def peak_gb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def timed(way, relative, elevation_m, ours, repeats, *, whole_px=None):
    """The best of the repeats, told for `whole_px` pixels where only a part was convolved."""
    scale = 1.0 if whole_px is None else whole_px / elevation_m.size
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        result = relative(elevation_m)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    margin = disc_margin_px(GSD_M, RADIUS_M) if whole_px else 0
    inner = slice(margin, -margin or None)
    return Timed(
        way=way,
        wall_s=min(walls) * scale,
        cpu_s=min(cpus) * scale,
        peak_gb=peak_gb(),
        furthest_m=float(np.nanmax(np.abs(result - ours)[inner, inner])),
        is_scaled=whole_px is not None,
    )


def measure(size_px, repeats):
    elevation_m = ground(size_px)
    relative_elevation(elevation_m[:99, :99], GSD_M, RADIUS_M)  # compiles
    slope_deg(elevation_m[:99, :99], GSD_M)
    before_gb = peak_gb()
    ours = relative_elevation(elevation_m, GSD_M, RADIUS_M)
    ways = [
        timed(
            "rts-track",
            lambda z: relative_elevation(z, GSD_M, RADIUS_M),
            elevation_m,
            ours,
            repeats,
        )
    ]
    slope = timed(
        "slope (rts-track)",
        lambda z: slope_deg(z, GSD_M),
        elevation_m,
        slope_deg(elevation_m, GSD_M),
        repeats,
    )
    once = max(repeats - 2, 1)
    ways.append(
        timed("scipy oaconvolve", by_convolving(signal.oaconvolve), elevation_m, ours, once)
    )
    ways.append(
        timed("scipy fftconvolve", by_convolving(signal.fftconvolve), elevation_m, ours, once)
    )
    side = min(DIRECT_PX, size_px)
    part = np.ascontiguousarray(elevation_m[:side, :side])
    ways.append(
        timed(
            "scipy direct",
            by_convolving(direct),
            part,
            relative_elevation(part, GSD_M, RADIUS_M),
            1,
            whole_px=elevation_m.size,
        )
    )
    return ways, slope, before_gb


def report(ways, slope, before_gb, size_px):
    mpx = size_px**2 / 1e6
    ours = ways[0]
    lines = [
        "# Relative elevation",
        "",
        f"{size_px} x {size_px} pixels ({mpx:.0f} Mpx) of 3 m, radius 100 m, {HOLE_FRAC:.0%} holes."
        f" {dt.datetime.now(dt.UTC):%Y-%m-%d}, rts-track {rts_track.__version__}, Python"
        f" {platform.python_version()}, NumPy {version('numpy')}, SciPy {version('scipy')}, Numba"
        f" {version('numba')}; {platform.machine()}, {os.cpu_count()} cores, one used; load"
        f" {os.getloadavg()[0]:.1f}.",
        "",
        "| way | wall s | CPU s | Mpx/s (CPU) | beside ours (CPU) | peak GB so far | furthest from"
        " ours, m |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {each.way}{' (from a part)' if each.is_scaled else ''} | {each.wall_s:.2f} |"
        f" {each.cpu_s:.2f} | {mpx / each.cpu_s:.1f} | {each.cpu_s / ours.cpu_s:.1f} x |"
        f" {each.peak_gb:.2f} | {each.furthest_m:.4f} |"
        for each in ways
    ]
    lines += [
        "",
        f"Before any of them the process held {before_gb:.2f} GB. Slope (Horn 1981) of the same:"
        f" {slope.wall_s:.2f} s wall, {slope.cpu_s:.2f} s CPU.",
    ]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=6000, help="side of the raster in pixels")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, help="write the figures to this file, too")
    asked = parser.parse_args()
    ways, slope, before_gb = measure(asked.size, asked.repeats)
    text = report(ways, slope, before_gb, asked.size)
    print(text)
    if asked.out:
        asked.out.write_text(text)
    allowed_s = TARGET_S * asked.size**2 / 1e6 / TARGET_MPX
    if ways[0].wall_s > allowed_s:
        sys.exit(f"missed: {ways[0].wall_s:.1f} s, {allowed_s:.1f} s allowed")


if __name__ == "__main__":
    main()
