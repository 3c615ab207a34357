"""How fast, and in how much memory, `link` works through the embedded store.

Slumps of 40 vertices in clusters of 25, two seasons, 8 % missed in each, the later season 4 m off;
a few measured looks cover everything. Every size is written and linked in a process of its own,
which counts its peak memory.

Run: python benchmarks/linking_scale.py [--slumps 100000 1000000] [--profile] [--out FILE.md]
"""

from __future__ import annotations

import argparse
import cProfile
import datetime as dt
import importlib
import json
import os
import platform
import pstats
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MISSED_FRAC = 0.08
SHIFT_M = 4.0
N_VERTICES = 40
CLUSTER_ROWS = 5
"""A cluster is a square of 5 x 5 slumps."""
SPACING_M = 130.0
"""Between neighbours of a cluster: most stand apart, some touch."""
CLUSTER_M = 2_000.0
RADIUS_MEDIAN_M, RADIUS_LOG_SIGMA = 32.0, 0.45
GROWTH_M = 4.0
NOISE_M = 1.5
TILES = 4
"""Scenes of a season, and so looks, along each side of the area."""
CENTRE_M = (-1_500_000.0, 1_200_000.0)
"""In EPSG:6931: about 72 N."""
SEASONS = (2020, 2021)
SEED = 20

TIMED = (
    ("coverage of the seasons", "covering", ("refresh_coverage",)),
    ("consolidation", "consolidating", ("consolidate_season",)),
    (
        "candidates to links",
        "season_links",
        ("estimate_shifts", "expected_drift_m", "season_pairs", "link_drifting"),
    ),
    ("naming", "registry", ("name_chains",)),
    ("writing tracks", "track_rows", ("write_tracks",)),
    ("writing outlines", "track_rows", ("write_outlines",)),
    ("writing links", "track_rows", ("write_links",)),
    ("writing states", "track_rows", ("write_states",)),
    ("writing events", "track_rows", ("write_events",)),
    ("regions", "regions", ("assign_regions",)),
)
"""Stages: what they are, and the functions of which module of `rts_track.steps` they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """What one size cost; `stages_s` are parts of `cpu_s`."""

    slumps: int
    footprints: int
    outlines: int
    links: int
    write_s: float
    link_s: float
    cpu_s: float
    peak_gb: float
    stages_s: dict[str, float]

    @property
    def per_s(self) -> float:
        """Footprints linked in a second."""
        return self.footprints / self.link_s

    @property
    def cpu_per_footprint_us(self) -> float:
        """Microseconds of CPU a footprint, which other work on the machine does not lengthen."""
        return 1e6 * self.cpu_s / self.footprints


def write_seasons(url: str, slumps: int) -> int:
    """Fill a new store; how many footprints it holds."""
    import numpy as np

    from rts_track.store.base import open_store

    rng = np.random.default_rng(SEED)
    n_clusters = -(-slumps // CLUSTER_ROWS**2)
    side = int(np.ceil(np.sqrt(n_clusters)))
    place = _Places(rng, slumps, side)
    with open_store(url) as store:
        store.init()
        with store.transaction():
            _write_source(store)
            n = 0
            for season in SEASONS:
                _write_scenes(store, season, side)
                n += sum(
                    store.upsert("footprint", rows).added for rows in place.seen_in(rng, season)
                )
    return n


class _Places:
    """Where the slumps lie and how they are drawn, the same in every season but for growth."""

    def __init__(self, rng: Any, slumps: int, side: int) -> None:
        import numpy as np

        number = np.arange(slumps)
        cluster, within = np.divmod(number, CLUSTER_ROWS**2)
        self.cluster = np.column_stack([cluster % side, cluster // side])
        inside = np.column_stack([within % CLUSTER_ROWS, within // CLUSTER_ROWS])
        corner = _corner(side)
        self.side = side
        self.centre = corner + self.cluster * CLUSTER_M + 500.0 + inside * SPACING_M
        self.centre += rng.normal(0.0, 15.0, (slumps, 2))
        self.radius_m = RADIUS_MEDIAN_M * np.exp(rng.normal(0.0, RADIUS_LOG_SIGMA, slumps))
        self.radius_m = np.minimum(self.radius_m, 120.0)
        self.wave = rng.uniform(0.0, 2.0 * np.pi, (slumps, 3))

    def seen_in(self, rng: Any, season: int) -> Iterator[Any]:
        """The season's footprints as rows, some thousands at a time."""
        import numpy as np

        seen = np.flatnonzero(rng.random(len(self.radius_m)) >= MISSED_FRAC)
        for start in range(0, len(seen), 20_000):
            yield _footprint_rows(self, rng, season, seen[start : start + 20_000])


def _corner(side: int) -> Any:
    import numpy as np

    return np.array(CENTRE_M) - side * CLUSTER_M / 2.0


def _footprint_rows(place: _Places, rng: Any, season: int, rows: Any) -> Any:
    import numpy as np
    import pyarrow as pa
    import shapely

    from rts_track import grid
    from rts_track.polygon.measure import measure

    n, years = len(rows), season - SEASONS[0]
    angle = np.linspace(0.0, 2.0 * np.pi, N_VERTICES, endpoint=False)
    wave = place.wave[rows]
    shape = 1.0 + sum(
        0.12 * np.sin((order + 2) * angle + wave[:, order : order + 1]) for order in range(3)
    )
    radius = shape * (place.radius_m[rows] + GROWTH_M * years)[:, None]
    radius = np.maximum(radius + rng.normal(0.0, NOISE_M, radius.shape), 3.0)
    centre = place.centre[rows] + (SHIFT_M * years, 0.0)
    xy = centre[:, None, :] + radius[..., None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    ring = shapely.linearrings(
        np.concatenate([xy, xy[:, :1]], axis=1).reshape(-1, 2),
        indices=np.repeat(np.arange(n), N_VERTICES + 1),
    )
    metric = shapely.polygons(ring)
    measures = measure(metric)
    tile = place.cluster[rows] * TILES // place.side
    scene = [f"{season}-{x}-{y}" for x, y in tile.tolist()]
    on = dt.date(season, 8, 1)
    return pa.table(
        {
            "footprint_id": [f"{season}-{number:08d}" for number in _scattered(rows).tolist()],
            "source": ["bench"] * n,
            "look_id": scene,
            "scene_id": scene,
            "run_id": ["bench"] * n,
            "season_year": [season] * n,
            "observed_from": [on] * n,
            "observed_to": [on] * n,
            "date_basis": ["exact"] * n,
            "prob_mean": rng.uniform(0.5, 1.0, n),
            "area_m2": measures.area_m2,
            "perimeter_m": measures.perimeter_m,
            "is_clipped": [False] * n,
            "lon": measures.lon,
            "lat": measures.lat,
            "attributes": ["{}"] * n,
            "geometry": pa.array(shapely.to_wkb(grid.to_lonlat(metric)), pa.binary()),
        }
    )


def _scattered(number: Any) -> Any:
    """Numbers in no spatial order, as derived ids are: a bijection of 0 to 99,999,988."""
    return number * 48_271 % 99_999_989


def _write_source(store: Any) -> None:
    import pyarrow as pa

    from rts_track.contract import arrow_schema

    run = {
        "run_id": "bench",
        "step": "import",
        "started_at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        "code_version": "0",
        "params": "{}",
        "inputs_sha256": "0",
    }
    schema = arrow_schema("run")
    store.upsert("run", pa.Table.from_pylist([run], pa.schema([schema.field(n) for n in run])))
    source = {
        "source": ["bench"],
        "kind": ["landform"],
        "mapper": ["model"],
        "gsd_m": [3.0],
        "delineation_sigma_m": [1.0],
        "recall": [1.0 - MISSED_FRAC],
    }
    store.upsert("source", pa.table(source))


def _write_scenes(store: Any, season: int, side: int) -> None:
    """The season's scenes, and a measured look at each."""
    import numpy as np
    import pyarrow as pa
    import shapely

    from rts_track import grid

    edge = np.array([-(-number * side // TILES) for number in range(TILES + 1)]) * CLUSTER_M
    corner = _corner(side)
    x, y = (each.ravel() for each in np.meshgrid(np.arange(TILES), np.arange(TILES)))
    tiles = shapely.box(
        corner[0] + edge[x], corner[1] + edge[y], corner[0] + edge[x + 1], corner[1] + edge[y + 1]
    )
    lonlat = grid.to_lonlat(grid.densify(tiles, grid.METRIC_CRS))
    n, on = len(tiles), dt.date(season, 8, 1)
    wkb = pa.array(shapely.to_wkb(lonlat), pa.binary())
    names = [f"{season}-{i}-{j}" for i, j in zip(x.tolist(), y.tolist(), strict=True)]
    scene = {
        "scene_id": names,
        "source": ["bench"] * n,
        "season_year": [season] * n,
        "observed_from": [on] * n,
        "observed_to": [on] * n,
        "gsd_m": [3.0] * n,
        "geometry": wkb,
    }
    look = {
        "look_id": names,
        "source": ["bench"] * n,
        "scene_id": names,
        "run_id": ["bench"] * n,
        "season_year": [season] * n,
        "from_on": [on] * n,
        "to_on": [on] * n,
        "basis": ["measured"] * n,
        "status": ["done"] * n,
        "is_current": [True] * n,
        "looked_area_m2": shapely.area(tiles),
        "geometry": wkb,
    }
    store.upsert("scene", pa.table(scene))
    store.upsert("look", pa.table(look))


def link_store(url: str, *, profile: bool) -> dict[str, Any]:
    """Link what the store holds: the report's counts, seconds and peak memory."""
    from rts_track.steps.linking import link
    from rts_track.store.base import open_store

    stages_s = {label: 0.0 for label, *_ in TIMED}
    for label, module, functions in TIMED:
        defined = importlib.import_module(f"rts_track.steps.{module}")
        _time([getattr(defined, function) for function in functions], stages_s, label)
    profiler = cProfile.Profile() if profile else None
    with open_store(url) as store:
        before, cpu_before = time.perf_counter(), time.process_time()
        if profiler:
            profiler.enable()
        report = link(store)
        if profiler:
            profiler.disable()
        link_s, cpu_s = time.perf_counter() - before, time.process_time() - cpu_before
    if profiler:
        stats = pstats.Stats(profiler, stream=sys.stderr)
        stats.sort_stats("tottime").print_stats(45)
        stats.sort_stats("cumulative").print_stats(60)
    return {
        "outlines": report.outlines,
        "links": report.links,
        "link_s": link_s,
        "cpu_s": cpu_s,
        "peak_gb": _peak_gb(),
        "stages_s": stages_s,
    }


def _time(functions: list[Callable[..., Any]], stages_s: dict[str, float], label: str) -> None:
    """Add to the stage's seconds of CPU while any of the functions runs, whoever calls it."""
    running: list[str] = []

    def timed(plain: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **named: Any) -> Any:
            running.append(plain.__name__)
            before = time.process_time()
            try:
                return plain(*args, **named)
            finally:
                running.pop()
                if not running:  # what runs within another of the stage is counted there
                    stages_s[label] += time.process_time() - before

        return run

    for plain in functions:
        for name, module in list(sys.modules.items()):
            if name.startswith("rts_track.") and vars(module).get(plain.__name__) is plain:
                setattr(module, plain.__name__, timed(plain))


def _peak_gb() -> float:
    """Peak resident memory of this process, in 1e9 bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def measured(slumps: int, *, profile: bool) -> Linked:
    """What linking so many slumps costs, in processes of their own."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"duckdb:///{folder}/scale.duckdb"
        before = time.perf_counter()
        footprints = _in_own_process(["--write", url, "--slumps", str(slumps)])
        write_s = time.perf_counter() - before
        linked = _in_own_process(["--link", url, *(["--profile"] if profile else [])])
    return Linked(slumps=slumps, footprints=footprints["footprints"], write_s=write_s, **linked)


def _in_own_process(arguments: list[str]) -> dict[str, Any]:
    command = [sys.executable, str(Path(__file__).resolve()), *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def page(results: list[Linked]) -> str:
    """The figures as Markdown."""
    import rts_track

    today = f"{dt.datetime.now(dt.UTC):%Y-%m-%d}"
    lines = [
        "# Linking at scale",
        "",
        f"{today}, rts-track {rts_track.__version__}, Python {platform.python_version()},"
        f" {os.cpu_count()} cores ({platform.machine()}), embedded store.",
        "",
        f"Two seasons, {N_VERTICES} vertices, clusters of {CLUSTER_ROWS**2},"
        f" {MISSED_FRAC:.0%} missed, shift {SHIFT_M:g} m; footprints of both seasons counted.",
        "",
        "| slumps | footprints | links | `link`, s | of which CPU, s | footprints/s"
        " | footprints/s of CPU | µs of CPU/footprint | peak, GB |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {each.slumps:,} | {each.footprints:,} | {each.links:,} | {each.link_s:.1f}"
        f" | {each.cpu_s:.1f}"
        f" | {each.per_s:,.0f} | {each.footprints / each.cpu_s:,.0f}"
        f" | {each.cpu_per_footprint_us:.0f} | {each.peak_gb:.2f} |"
        for each in results
    ]
    lines += [
        "",
        f"| stage, s of CPU | {' | '.join(f'{each.slumps:,}' for each in results)} |",
        f"|---|{'---:|' * len(results)}",
    ]
    for label, *_ in TIMED:
        cells = " | ".join(f"{each.stages_s[label]:.1f}" for each in results)
        lines.append(f"| {label} | {cells} |")
    rest = " | ".join(f"{each.cpu_s - sum(each.stages_s.values()):.1f}" for each in results)
    lines.append(f"| states, events and the rest | {rest} |")
    if len(results) > 1:
        ratio = results[-1].cpu_per_footprint_us / results[0].cpu_per_footprint_us
        lines += [
            "",
            f"A footprint of {results[-1].slumps:,} slumps costs {ratio:.2f} times the CPU of one"
            f" of {results[0].slumps:,}.",
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slumps", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--profile", action="store_true", help="what takes the time, on stderr")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--write", metavar="STORE", help="only fill a new store")
    parser.add_argument("--link", metavar="STORE", help="only link a store that was filled")
    given = parser.parse_args()
    if given.write:
        print(json.dumps({"footprints": write_seasons(given.write, given.slumps[0])}))
    elif given.link:
        print(json.dumps(link_store(given.link, profile=given.profile)))
    else:
        measured(1_000, profile=False)  # compiled loops are kept on disk: not once a size
        text = page([measured(slumps, profile=given.profile) for slumps in sorted(given.slumps)])
        if given.out:
            given.out.write_text(text, encoding="utf-8")
        print(text)


if __name__ == "__main__":
    main()
