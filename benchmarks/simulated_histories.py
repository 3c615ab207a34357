"""How well simulated histories are tracked: mean and spread of each score over seeds.

Run: python benchmarks/simulated_histories.py [--seeds 11 12 13 14 15] [--out FILE.md]
"""

from __future__ import annotations

import argparse
import datetime as dt
import tempfile
from pathlib import Path

import numpy as np

import rts_track
from rts_track.simulate.files import write_history
from rts_track.simulate.history import HistoryParams, simulate_history
from rts_track.source.request import ImportRequest
from rts_track.steps.importing import import_footprints
from rts_track.steps.linking import link
from rts_track.steps.scoring import score
from rts_track.store.base import open_store

SHIFTS_M = (0.0, 4.0, 8.0)
"""Standard deviation of the scenes' shifts, each component."""
MEASURES = (
    "links, consecutive",
    "links, gap",
    "events, merge",
    "events, split",
    "events, initiate",
    "events, stabilise",
)


def scores(seed: int, shift_sigma_m: float, folder: Path) -> dict[str, float]:
    """F1 of each measure, and identity switches per 100 appearances."""
    params = HistoryParams(shift_sigma_m=shift_sigma_m)
    files = write_history(simulate_history(np.random.default_rng(seed), params), folder)
    request = ImportRequest(
        source="simulated",
        season_field=files.season_field,
        date_field=files.date_field,
        scene_field=files.scene_field,
        id_field=files.id_field,
        gsd_field=files.gsd_field,
        looked_at=str(files.looks),
    )
    with open_store(f"duckdb:///{folder}/{seed}-{shift_sigma_m}.duckdb") as store:
        store.init()
        import_footprints(store, [files.footprints], request)
        link(store)
        result = score(store, files.truth)
    rows = {row["measure"]: row for row in result.table().to_pylist()}
    found = {name: rows[name]["f1"] or 0.0 for name in MEASURES}
    return {**found, "identity switches per 100": rows["identity switches"]["per_100"]}


def page(seeds: list[int]) -> str:
    """The scores as Markdown."""
    lines = [
        "# Simulated histories",
        "",
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, rts-track {rts_track.__version__};"
        f" 200 slumps, 6 seasons, seeds {', '.join(map(str, seeds))}; F1, mean +- standard"
        " deviation over seeds, by the standard deviation of the scenes' shifts.",
        "",
        f"| measure | {' | '.join(f'{shift:g} m' for shift in SHIFTS_M)} |",
        f"|---|{'---|' * len(SHIFTS_M)}",
    ]
    columns = []
    for shift in SHIFTS_M:
        with tempfile.TemporaryDirectory() as folder:
            columns.append([scores(seed, shift, Path(folder)) for seed in seeds])
    for name in columns[0][0]:
        cells = []
        for runs in columns:
            values = [run[name] for run in runs]
            cells.append(f"{np.mean(values):.3f} +- {np.std(values, ddof=1):.3f}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13, 14, 15])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    text = page(given.seeds)
    if given.out:
        given.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
