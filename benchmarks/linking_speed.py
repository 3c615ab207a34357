"""How fast outlines of two seasons become links: from candidates to kinds, no store involved.

Outlines of 40 vertices in clusters of 25, 8 % missed in each season, the later season 4 m off;
rows come in no spatial order. Timed are the pairs within 10 m, every overlap column of them after
the shift, and the assignment. On a sample of the same outlines rts-track runs beside laptrack
(in several configurations) and a linker made of `geopandas.overlay`.

Run: python benchmarks/linking_speed.py [--n 100000 1000000] [--samples 1000 10000] [--out FILE.md]
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.metadata
import os
import platform
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import shapely
from laptrack import LapTrack

import rts_track
from rts_track import grid
from rts_track.track.assign import Links, link_seasons
from rts_track.track.candidates import Candidates, measure_pairs, neighbours, shifts_of_pairs
from rts_track.track.params import LinkParams
from rts_track.track.shift import Shift

N_VERTICES = 40
PER_CLUSTER = 25
CLUSTER_SIGMA_M = 320.0
"""Wide enough that some one pair in seven are neighbours, as among digitised slumps."""
CLUSTER_M = 6_000.0
"""Between the centres of clusters."""
RADIUS_MEDIAN_M, RADIUS_LOG_SIGMA = 32.0, 0.45
GROWTH_M = 4.0
NOISE_M = 1.5
MISSED_FRAC = 0.08
SHIFT_M = (4.0, 0.0)
"""East and north, on the ground."""
WITHIN_M = 10.0
CENTRE_M = np.array([-1_500_000.0, 1_200_000.0])
"""In EPSG:6931: about 72 N."""
SEED = 30
TARGET_PER_S, AIM_PER_S = 10_000, 25_000
CENTROID_CUTOFF_M = 50.0
LARGEST_LOOKED_UP = 2_000
"""laptrack asks for every pair's overlap one by one: more outlines would take minutes."""
LONG_S = 20.0
"""What takes longer is not repeated."""
PARAMS = LinkParams()


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """What a linker took for the outlines of two seasons: the best of the repeats, by stage."""

    linker: str
    footprints: int
    links: int
    stages_s: dict[str, float]
    cpu_s: float
    peak_gb: float

    @property
    def seconds(self) -> float:
        return sum(self.stages_s.values())

    @property
    def per_s(self) -> float:
        return self.footprints / self.seconds

    @property
    def per_cpu_s(self) -> float:
        return self.footprints / self.cpu_s


class Stopwatch:
    """Seconds since it was last asked."""

    def __init__(self) -> None:
        self.at = time.perf_counter()

    def lap(self) -> float:
        before, self.at = self.at, time.perf_counter()
        return self.at - before


def two_seasons(n_slumps: int) -> tuple[np.ndarray, np.ndarray]:
    """Outlines of the earlier and of the later season, in EPSG:6931."""
    random = np.random.default_rng(SEED)
    cluster = np.arange(n_slumps) // PER_CLUSTER
    side = int(np.ceil(np.sqrt(cluster[-1] + 1)))
    centre = CENTRE_M + CLUSTER_M * np.column_stack([cluster % side, cluster // side])
    centre = centre + random.normal(0.0, CLUSTER_SIGMA_M, (n_slumps, 2))
    median_m = RADIUS_MEDIAN_M * np.exp(random.normal(0.0, RADIUS_LOG_SIGMA, n_slumps))
    angle = np.linspace(0.0, 2.0 * np.pi, N_VERTICES, endpoint=False)
    wave = random.uniform(0.0, 2.0 * np.pi, (n_slumps, 3))
    form = 1.0 + sum(0.12 * np.sin((k + 2) * angle + wave[:, k : k + 1]) for k in range(3))
    around = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    east, north = grid.from_ground(*SHIFT_M, *centre.T)
    seasons = []
    for growth_m, dx, dy in ((0.0, 0.0 * east, 0.0 * north), (GROWTH_M, east, north)):
        radius = form * (median_m + growth_m)[:, None]
        radius = np.maximum(radius + random.normal(0.0, NOISE_M, radius.shape), 3.0)
        there = centre + np.column_stack([dx, dy])
        drawn = shapely.polygons(there[:, None] + radius[..., None] * around)
        seen = random.permutation(np.flatnonzero(random.random(n_slumps) >= MISSED_FRAC))
        seasons.append(drawn[seen])
    return seasons[0], seasons[1]


def by_rts_track(parents: np.ndarray, children: np.ndarray, workers: int) -> tuple[Links, dict]:
    """rts-track's links, and the seconds of each stage."""
    watch = Stopwatch()
    reach_m = (WITHIN_M + np.hypot(*SHIFT_M)) * 1.3
    parent, child = neighbours(parents, children, reach_m, workers=workers)
    query_s = watch.lap()
    scene = np.full(len(parent), "scene", dtype=object)
    known = Shift(dx_m=SHIFT_M[0], dy_m=SHIFT_M[1], se_m=0.5, n=99, is_applied=True)
    shift_m = shifts_of_pairs(scene, scene, {("scene", "scene"): known})
    pairs = measure_pairs(parents, children, parent, child, shift_m, workers=workers)
    measure_s = watch.lap()
    links = link_seasons(pairs.take(pairs.distance_m < WITHIN_M), PARAMS)
    return links, {"candidates": query_s, "overlap": measure_s, "assignment": watch.lap()}


def by_overlay(parents: np.ndarray, children: np.ndarray) -> tuple[Links, dict]:
    """The links of rts-track's assignment on pairs that `geopandas.overlay` measured."""
    watch = Stopwatch()
    before = geopandas.GeoDataFrame({"parent": np.arange(len(parents))}, geometry=parents)
    after = geopandas.GeoDataFrame({"child": np.arange(len(children))}, geometry=children)
    shared = geopandas.overlay(before, after, how="intersection").sort_values(["parent", "child"])
    parent, child = shared["parent"].to_numpy(), shared["child"].to_numpy()
    overlap_m2 = shared.area.to_numpy()
    area_before = before.area.to_numpy()[parent]
    area_after = after.area.to_numpy()[child]
    pairs = Candidates(
        parent=parent,
        child=child,
        overlap_m2=overlap_m2,
        cover_parent=overlap_m2 / area_before,
        cover_child=overlap_m2 / area_after,
        iou=overlap_m2 / (area_before + area_after - overlap_m2),
        distance_m=np.zeros(len(parent)),
    )
    overlay_s = watch.lap()
    links = link_seasons(pairs, PARAMS)
    return links, {"overlap": overlay_s, "assignment": watch.lap()}


def by_laptrack(tracker: LapTrack, places: list[np.ndarray]) -> tuple[int, dict]:
    """How many edges laptrack finds, and its seconds."""
    watch = Stopwatch()
    tree = tracker.predict(places)
    return tree.number_of_edges(), {"assignment": watch.lap()}


def centroid_tracker(*, relatives: bool) -> LapTrack:
    """laptrack on centroids, its compiled default metric; with or without splits and merges."""
    cutoff = CENTROID_CUTOFF_M**2
    return LapTrack(
        cutoff=cutoff,
        splitting_cutoff=cutoff if relatives else False,
        merging_cutoff=cutoff if relatives else False,
        gap_closing_cutoff=False,
    )


def overlap_tracker(parents: np.ndarray, children: np.ndarray) -> LapTrack:
    """laptrack at a cost of 1 - IoMin, looked up: the measure that links slumps best there."""
    child, parent = shapely.STRtree(parents).query(children, predicate="intersects")
    shared_m2 = shapely.area(shapely.intersection(parents[parent], children[child]))
    least_m2 = np.minimum(shapely.area(parents)[parent], shapely.area(children)[child])
    cost = dict(zip(zip(parent, child, strict=True), 1.0 - shared_m2 / least_m2, strict=True))

    def one_minus_iomin(a: np.ndarray, b: np.ndarray) -> float:
        if a[1] == b[1]:
            return 1.0
        one, other = (a, b) if a[1] < b[1] else (b, a)
        return cost.get((int(one[0]), int(other[0])), 1.0)

    metrics = ("metric", "splitting_metric", "merging_metric")
    cutoffs = ("cutoff", "splitting_cutoff", "merging_cutoff")
    return LapTrack(
        **dict.fromkeys(metrics, one_minus_iomin),
        **dict.fromkeys(cutoffs, 0.9),
        gap_closing_cutoff=False,
    )


def laptrack_on_overlap(parents: np.ndarray, children: np.ndarray) -> tuple[int, dict]:
    """How many edges laptrack finds by overlap, and the seconds, overlap included."""
    watch = Stopwatch()
    tracker = overlap_tracker(parents, children)
    overlap_s = watch.lap()
    places = [
        np.column_stack([np.arange(len(outlines)), np.full(len(outlines), season)]).astype(float)
        for season, outlines in enumerate((parents, children))
    ]
    edges, stages_s = by_laptrack(tracker, places)
    return edges, {"overlap": overlap_s, **stages_s}


def best_of(
    repeats: int, linker: str, footprints: int, run: Callable[[], tuple[Links | int, dict]]
) -> Timed:
    """The fastest of the runs."""
    best: Timed | None = None
    for _ in range(repeats):
        cpu_before = time.process_time()
        links, stages_s = run()
        timed = Timed(
            linker=linker,
            footprints=footprints,
            links=links if isinstance(links, int) else len(links.pairs.parent),
            stages_s=stages_s,
            cpu_s=time.process_time() - cpu_before,
            peak_gb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
        )
        best = timed if best is None or timed.seconds < best.seconds else best
        if timed.seconds > LONG_S:
            break
    assert best is not None
    print(f"{best.linker}: {best.footprints:,} footprints, {best.per_s:,.0f}/s", flush=True)
    return best


def large_run(n: int, repeats: int) -> list[Timed]:
    """rts-track on all outlines, with one thread and with two."""
    parents, children = two_seasons(n)
    return [
        best_of(
            repeats,
            f"rts-track, {workers} thread{'s' * (workers > 1)}",
            len(children),
            lambda workers=workers: by_rts_track(parents, children, workers),
        )
        for workers in (1, 2)
    ]


def side_by_side(sample: int, repeats: int) -> list[Timed]:
    """Every linker on one sample."""
    parents, children = two_seasons(sample)
    centroids = [shapely.get_coordinates(shapely.centroid(each)) for each in (parents, children)]
    runs: dict[str, Callable[[], tuple[Links | int, dict]]] = {
        "rts-track, 1 thread": lambda: by_rts_track(parents, children, 1),
        "geopandas overlay": lambda: by_overlay(parents, children),
        "laptrack, centroids, one to one only": lambda: by_laptrack(
            centroid_tracker(relatives=False), centroids
        ),
        "laptrack, centroids, splits and merges": lambda: by_laptrack(
            centroid_tracker(relatives=True), centroids
        ),
    }
    if sample <= LARGEST_LOOKED_UP:
        runs["laptrack, 1 - IoMin, splits and merges"] = lambda: laptrack_on_overlap(
            parents, children
        )
    return [best_of(repeats, linker, len(children), run) for linker, run in runs.items()]


def page(large: list[Timed], samples: list[list[Timed]], repeats: int) -> str:
    """The figures as Markdown."""
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}"
        for name in ("numba", "numpy", "shapely", "geopandas", "laptrack")
    )
    geos = ".".join(map(str, shapely.geos_version))
    lines = [
        "# Linking speed",
        "",
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d}; {_processor()}, {os.cpu_count()} cores,"
        f" {platform.system()}, Python {platform.python_version()};"
        f" rts-track {rts_track.__version__}, {versions}, GEOS {geos}.",
        "",
        "Linking proper: pairs within 10 m of each other, all their overlap columns after a shift"
        " of 4 m, and what each link is. No reading, no writing; compiled beforehand. Outlines of"
        f" {N_VERTICES} vertices in clusters of {PER_CLUSTER}, {MISSED_FRAC:.0%} missed a season."
        " Footprints are those of the later season. Times are the best of"
        f" {repeats}, or of 1 beyond {LONG_S:.0f} s; {_load()}",
        "",
        "## Two seasons",
        "",
        "| linker | footprints | links | s | candidates | overlap | assignment | footprints/s"
        " | a CPU second | peak memory, GB |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *(_row(timed) for timed in large),
        "",
        f"Target {TARGET_PER_S:,} footprints/s, aim {AIM_PER_S:,}. The memory is the process's,"
        " outlines of both seasons included.",
        "",
        *(line for sample in samples for line in _beside(sample)),
        "geopandas and laptrack look at the outlines as they are, without the shift; the overlay"
        " linker takes rts-track's own assignment. laptrack compares every outline with every"
        " other, so its rate falls as the sample grows. 1 - IoMin is the measure at which it links"
        " slumps well; on centroids, one to one, it is fastest, and finds no split or merge.",
        "",
    ]
    return "\n".join(lines)


def _row(timed: Timed) -> str:
    share = " | ".join(f"{each / timed.seconds:.0%}" for each in timed.stages_s.values())
    return (
        f"| {timed.linker} | {timed.footprints:,} | {timed.links:,} | {timed.seconds:.2f} |"
        f" {share} | **{timed.per_s:,.0f}** | {timed.per_cpu_s:,.0f} | {timed.peak_gb:.1f} |"
    )


def _beside(sample: list[Timed]) -> list[str]:
    ours = sample[0]
    rows = [
        f"| {timed.linker} | {timed.links:,} | {timed.seconds:.3g} | {timed.per_s:,.0f} |"
        f" {timed.seconds / ours.seconds:.2g} |"
        for timed in sample
    ]
    return [
        f"## The same {ours.footprints:,} footprints",
        "",
        "| linker | links | s | footprints/s | time, in rts-track's |",
        "|---|---|---|---|---|",
        *rows,
        "",
    ]


def _load() -> str:
    """How busy the machine was, in words; CPU seconds do not depend on it."""
    waiting = os.getloadavg()[1]
    shared = " other work shared the cores, which counts in seconds, not in CPU seconds;"
    busy = shared if waiting > 1.5 * (os.cpu_count() or 1) else ""
    return f"{busy} mean load over the last five minutes {waiting:.1f}.".strip()


def _processor() -> str:
    found = Path("/proc/cpuinfo")
    lines = found.read_text().splitlines() if found.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def main() -> int:
    """Measure, print and write; 1 if the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--n", type=int, nargs="+", default=[100_000], help="slumps")
    parser.add_argument("--samples", type=int, nargs="*", default=[1_000, 10_000], help="slumps")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    given = parser.parse_args()
    by_rts_track(*two_seasons(50), workers=1)
    large = [timed for n in sorted(given.n) for timed in large_run(n, given.repeats)]
    samples = [side_by_side(sample, given.repeats) for sample in given.samples]
    text = page(large, samples, given.repeats)
    print(text)
    if given.out:
        given.out.write_text(text)
    return 0 if min(timed.per_s for timed in large) >= TARGET_PER_S else 1


if __name__ == "__main__":
    raise SystemExit(main())
