"""How fast footprints enter PostGIS, beside `geopandas.to_postgis` in the same run.

    python benchmarks/load_postgis.py

starts a throw-away cluster (tests/postgres_cluster.py), measures, writes
`results/load_postgis.json` and `results/load_postgis.md`, and ends with 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import psycopg
import pyarrow as pa
import shapely

from rts_track.contract import table
from rts_track.store.base import BATCH_ROWS, open_store
from rts_track.store.postgis import PostGISStore
from rts_track.store.rows import picked_schema

HERE = Path(__file__).resolve().parent
VERTICES = 40
FOOTPRINTS_PER_SCENE = 200
SCENE_DEG = 0.3
"""Footprints come scene by scene, as in any import, and lie within a scene of this size."""

FOOTPRINT = table("footprint")
COLUMNS = [name for name in FOOTPRINT.column_names if name != "outline_id"]
"""What an import gives: the 20 columns known before linking."""

STAGING_TARGET = 6.0
"""Times as fast as to_postgis: the binary COPY into a bare staging table."""

WHOLE_TARGET = 1.5
"""Times as fast as to_postgis: the load into the constrained, indexed table."""

SERVER_SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "4GB", "checkpoint_timeout": "1h"}
"""Room to work, so that no checkpoint falls into one way's run and not into the other's."""

MEMORY_TARGET_BYTES = 1_000_000_000
"""Peak memory of a client that streams, however many rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprints:
    """Made-up footprints: their polygons, and the other columns."""

    geometries: np.ndarray
    columns: dict[str, pa.Array]

    def to_table(self) -> pa.Table:
        """The rows as a store takes them; encoding the polygons is part of the load."""
        geometry = pa.array(shapely.to_wkb(self.geometries), pa.binary())
        return pa.table(
            [*self.columns.values(), geometry], schema=picked_schema(FOOTPRINT, COLUMNS)
        )


def make_footprints(first: int, n: int) -> Footprints:
    """n jagged polygons of 40 vertices across the Arctic, with what an import says of each."""
    rng = np.random.default_rng(first)
    numbers = np.arange(first, first + n)
    scenes = numbers // FOOTPRINTS_PER_SCENE
    corner = np.random.default_rng(0).uniform([-170, 60], [170, 75], (scenes[-1] + 1, 2))[scenes]
    lon, lat = (corner + rng.uniform(0, SCENE_DEG, (n, 2))).T
    angle = np.linspace(0, 2 * np.pi, VERTICES, endpoint=False)
    radius = rng.uniform(0.7, 1.3, (n, VERTICES)) * 1e-3
    rings = np.stack(
        [lon[:, None] + 2 * radius * np.cos(angle), lat[:, None] + radius * np.sin(angle)], axis=-1
    )
    days = [dt.date(2018 + scene % 6, 7, 1 + scene % 28) for scene in scenes.tolist()]
    values = {
        "footprint_id": [rng.bytes(16).hex() for _ in numbers],
        "source": ["simulated"] * n,
        "source_feature_id": [f"file:{number}" for number in numbers],
        "look_id": [f"look {scene}" for scene in scenes],
        "scene_id": [f"scene {scene}" for scene in scenes],
        "run_id": ["run"] * n,
        "season_year": [day.year for day in days],
        "observed_from": days,
        "observed_to": days,
        "date_basis": ["exact"] * n,
        "prob_mean": rng.random(n),
        "prob_max": rng.random(n),
        "spread_mean": rng.random(n),
        "area_m2": rng.random(n) * 1e5,
        "perimeter_m": rng.random(n) * 1e3,
        "is_clipped": rng.random(n) < 0.05,
        "lon": lon,
        "lat": lat,
        "attributes": [f'{{"number": {number}}}' for number in numbers],
    }
    schema = picked_schema(FOOTPRINT, COLUMNS)
    return Footprints(
        geometries=shapely.multipolygons(shapely.polygons(rings)[:, None]),
        columns={
            name: pa.array(column, schema.field(name).type) for name, column in values.items()
        },
    )


def prepare(url: str, n: int) -> None:
    """Give the database its structure, and the rows that n footprints point at."""
    scenes_count = -(-n // FOOTPRINTS_PER_SCENE)
    extent = shapely.to_wkb(shapely.MultiPolygon([shapely.box(-180, 55, 180, 85)]))
    day = dt.date(2018, 7, 1)
    source = {
        "source": "simulated",
        "kind": "landform",
        "mapper": "model",
        "delineation_sigma_m": 1.5,
    }
    run = {
        "run_id": "run",
        "step": "import",
        "started_at": dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
        "code_version": "0",
        "params": "{}",
        "inputs_sha256": "0",
    }
    scenes = [
        {
            "scene_id": f"scene {number}",
            "source": "simulated",
            "season_year": 2018,
            "observed_from": day,
            "observed_to": day,
            "geometry": extent,
        }
        for number in range(scenes_count)
    ]
    looks = [
        {
            "look_id": f"look {number}",
            "source": "simulated",
            "run_id": "run",
            "season_year": 2018,
            "from_on": day,
            "to_on": day,
            "basis": "assumed",
            "status": "done",
            "is_current": True,
            "looked_area_m2": 1.0,
            "geometry": extent,
        }
        for number in range(scenes_count)
    ]
    with open_store(url) as store:
        store.init()
        for name, records in (
            ("source", [source]),
            ("run", [run]),
            ("scene", scenes),
            ("look", looks),
        ):
            store.upsert(name, pa.Table.from_pylist(records))


def time_to_postgis(url: str, footprints: Footprints) -> float:
    """Seconds that geopandas takes into a table without key, index or constraint."""
    import geopandas
    import sqlalchemy

    frame = geopandas.GeoDataFrame(
        {name: column.to_pandas() for name, column in footprints.columns.items()},
        geometry=footprints.geometries,
        crs=4326,
    )
    engine = sqlalchemy.create_engine(url.replace("postgresql:", "postgresql+psycopg:", 1))
    began = time.perf_counter()
    frame.to_postgis("by_geopandas", engine, if_exists="replace", index=False)
    took = time.perf_counter() - began
    engine.dispose()
    return took


def time_staging(url: str, footprints: Footprints) -> float:
    """Seconds of the binary COPY into the store's staging table, polygons encoded."""
    store = PostGISStore.open(url)
    with store, store.transaction():
        began = time.perf_counter()
        with store._staged(FOOTPRINT, footprints.to_table()):
            return time.perf_counter() - began


def time_whole(url: str, footprints: Footprints) -> float:
    """Seconds of the whole load, to the end of its transaction."""
    with open_store(url) as store:
        began = time.perf_counter()
        written = store.upsert("footprint", footprints.to_table())
        took = time.perf_counter() - began
    assert written.added == len(footprints.geometries), written
    return took


def stream(url: str, n: int) -> dict[str, float]:
    """Load n footprints batch by batch; seconds, and this process's peak memory in bytes."""

    def rows() -> Iterator[pa.RecordBatch]:
        for first in range(0, n, BATCH_ROWS):
            yield from make_footprints(first, min(BATCH_ROWS, n - first)).to_table().to_batches()

    with open_store(url) as store:
        began = time.perf_counter()
        written = store.upsert("footprint", rows())
        took = time.perf_counter() - began
    assert written.added == n, written
    return {"seconds": took, "peak_bytes": _peak_bytes()}


def _peak_bytes() -> int:
    """Peak resident memory; getrusage would tell the parent's where that was larger."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError("no VmHWM in /proc/self/status")


@contextmanager
def throw_away_databases() -> Iterator[tuple[psycopg.Connection, object]]:
    """A connection to a throw-away cluster, and the cluster."""
    spec = importlib.util.spec_from_file_location(
        "postgres_cluster", HERE.parent / "tests" / "postgres_cluster.py"
    )
    assert spec
    assert spec.loader
    clusters: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = clusters
    spec.loader.exec_module(clusters)
    with (
        clusters.throw_away_cluster(SERVER_SETTINGS) as cluster,
        psycopg.connect(cluster.url("postgres"), autocommit=True) as connection,
    ):
        yield connection, cluster


def measure(rows: int, streamed_rows: int, repeats: int) -> dict[str, object]:
    """All figures, with where and with what they were taken."""
    with throw_away_databases() as (connection, cluster):
        connection.execute("create database ready")
        prepare(cluster.url("ready"), max(rows, streamed_rows))

        def fresh() -> str:
            connection.execute("drop database if exists bench with (force)")
            connection.execute("create database bench template ready")
            return cluster.url("bench")

        child = subprocess.run(
            [sys.executable, __file__, "--stream", str(streamed_rows), "--url", fresh()],
            check=True,
            stdout=subprocess.PIPE,
        )
        footprints = make_footprints(0, rows)
        seconds: dict[str, list[float]] = {"to_postgis": [], "staging": [], "whole": []}
        for _ in range(repeats):
            seconds["to_postgis"].append(time_to_postgis(fresh(), footprints))
            seconds["staging"].append(time_staging(fresh(), footprints))
            seconds["whole"].append(time_whole(fresh(), footprints))
        versions = connection.execute(
            "select current_setting('server_version'), default_version"
            " from pg_available_extensions where name = 'postgis'"
        ).fetchone()
    best = {name: min(taken) for name, taken in seconds.items()}
    streamed = {"rows": streamed_rows, **json.loads(child.stdout)}
    ratios = {name: best["to_postgis"] / best[name] for name in ("staging", "whole")}
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "device": _device(),
        "versions": _versions() | dict(zip(("postgresql", "postgis"), versions or (), strict=True)),
        "niceness": os.nice(0),
        "server_settings": SERVER_SETTINGS | {"fsync": "off"},
        "rows": rows,
        "columns": len(COLUMNS),
        "vertices": VERTICES,
        "seconds": seconds,
        "best_seconds": best,
        "times_as_fast": ratios,
        "streamed": streamed,
        "is_met": {
            "staging": ratios["staging"] >= STAGING_TARGET,
            "whole": ratios["whole"] >= WHOLE_TARGET,
            "memory": streamed["peak_bytes"] <= MEMORY_TARGET_BYTES,
        },
    }


def _device() -> str:
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def _versions() -> dict[str, str]:
    names = ("rts-track", "psycopg", "pyarrow", "shapely", "geopandas", "sqlalchemy")
    return {"python": platform.python_version()} | {
        name: importlib.metadata.version(name) for name in names
    }


def to_markdown(figures: dict) -> str:
    """The figures for people."""
    best, times, met = figures["best_seconds"], figures["times_as_fast"], figures["is_met"]
    streamed = figures["streamed"]
    verdict = {True: "met", False: "MISSED"}
    versions = ", ".join(f"{name} {version}" for name, version in figures["versions"].items())
    settings = ", ".join(f"{name} {value}" for name, value in figures["server_settings"].items())
    each = "; ".join(
        f"{name} {', '.join(f'{one:.2f}' for one in taken)}"
        for name, taken in figures["seconds"].items()
    )
    return f"""# Footprints into PostGIS

{figures["date"]}, {figures["device"]}, client and server on it, at niceness {figures["niceness"]};
{settings}.
{versions}.

{figures["rows"]:,} footprints of {figures["vertices"]} vertices and {figures["columns"]} columns,
best of {len(figures["seconds"]["whole"])} runs, encoding of the polygons counted in:

| way | seconds | times as fast | target | |
|---|---|---|---|---|
| `geopandas.to_postgis`, bare table | {best["to_postgis"]:.2f} | 1 | | |
| binary COPY into staging | {best["staging"]:.2f} | {times["staging"]:.1f} \
| {STAGING_TARGET} | {verdict[met["staging"]]} |
| whole load: keys, references, checks, indexes | {best["whole"]:.2f} | {times["whole"]:.1f} \
| {WHOLE_TARGET} | {verdict[met["whole"]]} |

{streamed["rows"]:,} footprints streamed in batches of {BATCH_ROWS:,}: {streamed["seconds"]:.0f} s,
peak memory of the client {streamed["peak_bytes"] / 1e6:.0f} MB
(target {MEMORY_TARGET_BYTES / 1e6:.0f} MB: {verdict[met["memory"]]}).

Each run, seconds: {each}.
"""


def main() -> int:
    """Measure and keep the figures; 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--streamed-rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--stream", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.stream:
        print(json.dumps(stream(asked.url, asked.stream)))
        return 0
    figures = measure(asked.rows, asked.streamed_rows, asked.repeats)
    asked.results.mkdir(parents=True, exist_ok=True)
    (asked.results / "load_postgis.json").write_text(json.dumps(figures, indent=2) + "\n")
    (asked.results / "load_postgis.md").write_text(to_markdown(figures))
    print(to_markdown(figures))
    return 0 if all(figures["is_met"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
