"""How well an ensemble finds, tracks and measures slumps of landscapes that it was not trained on.

    python benchmarks/detection_simulated.py --models DIR --sensor sentinel2 --out FILE.md

For each landscape of `detection_settings.TEST_SEEDS`: objects by the ensemble and by each of its
members alone; then the whole way, from scenes to growth rates. `--out FILE` writes the page. What
the measures mean: docs/scoring.md.
"""

from __future__ import annotations

import argparse
import datetime as dt
import platform
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from detection_settings import TEST_SEEDS, landscape_params

import rts_track
from rts_track.model.bundle import read_ensemble
from rts_track.simulate.landscape.files import LandscapeFiles, write_landscape
from rts_track.simulate.landscape.landscape import simulate_landscape
from rts_track.source.auxiliary import Auxiliary
from rts_track.steps.aligning import align
from rts_track.steps.detecting import DetectRequest, detect
from rts_track.steps.ingesting import IngestRequest, ingest
from rts_track.steps.linking import link
from rts_track.steps.measuring import measure
from rts_track.steps.scoring import score
from rts_track.store.base import open_store

Rows = dict[str, dict[str, float | None]]
"""Measure -> column -> value, over all seasons of a landscape."""

OBJECTS = ("objects, IoU 0.3", "objects, IoU 0.5", "objects, overlap")
PLACE = 100
"""Test landscapes lie beyond the training ones."""


def main() -> None:
    options = _options()
    searchers = {"ensemble": [options.models]}
    searchers |= {bundle.name: [bundle] for bundle in _members(options.models)}
    scores: dict[str, list[Rows]] = defaultdict(list)
    seconds = defaultdict(float)
    with tempfile.TemporaryDirectory() as temporary:
        for number, seed in enumerate(TEST_SEEDS):
            folder = Path(temporary) / str(seed)
            params = landscape_params(PLACE + number, (options.sensor,))
            files = write_landscape(simulate_landscape(seed, params), folder)
            for name, models in searchers.items():
                started = time.perf_counter()
                scores[name].append(_scored(files, models, is_tracked=name == "ensemble"))
                seconds[name] += time.perf_counter() - started
                print(seed, name, f"{scores[name][-1][OBJECTS[0]]['f1']:.3f}", flush=True)
    lines = list(_page(options, scores, seconds))
    print(*lines, sep="\n")
    if options.out:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _scored(files: LandscapeFiles, models: list[Path], *, is_tracked: bool) -> Rows:
    """What the models make of a landscape's scenes, in a store of its own."""
    store_file = files.folder / "search.duckdb"
    store_file.unlink(missing_ok=True)
    request = DetectRequest(
        auxiliary=Auxiliary(dem=files.dem, trend=files.trend, cache=files.folder / "layers"),
        out=None,
    )
    with open_store(f"duckdb:///{store_file}") as store:
        store.init()
        ingest(store, files.scenes, IngestRequest())
        report = detect(store, read_ensemble(models), request)
        if report.failures:
            raise SystemExit(report.failures[0].reason)
        if is_tracked:
            align(store)
            link(store)
            measure(store)
        rows = score(store, files.truth).table().to_pylist()
    return {row["measure"]: row for row in rows if row["season_year"] is None}


def _page(
    options: argparse.Namespace, scores: dict[str, list[Rows]], seconds: dict[str, float]
) -> Iterator[str]:
    params = landscape_params(PLACE, (options.sensor,))
    yield f"# Detection on simulated landscapes: {options.sensor}"
    yield ""
    yield (
        f"`python benchmarks/detection_simulated.py --sensor {options.sensor}"
        f" --models {options.models.name}`, {dt.date.today()}, rts-track {rts_track.__version__},"  # noqa: DTZ011
        f" {platform.machine()}. {len(TEST_SEEDS)} landscapes of {params.area_km2:.0f} km2 and"
        f" {params.n_seasons} seasons, of seeds that trained nothing; mean ± standard deviation"
        " over them."
    )
    yield ""
    yield "| | F1, IoU 0.3 | F1, IoU 0.5 | F1, overlap | precision | recall | area ratio | s |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, rows in scores.items():
        cells = [_over(rows, measure_, "f1") for measure_ in OBJECTS]
        cells += [_over(rows, OBJECTS[0], each) for each in ("precision", "recall")]
        cells += [_over(rows, "objects, area", "ratio_median")]
        yield f"| {name} | {' | '.join(cells)} | {seconds[name]:.0f} |"
    yield ""
    yield "Precision and recall at IoU 0.3; the median ratio of found to true area."
    yield ""
    yield "| tracks of the ensemble | precision | recall | F1 |"
    yield "|---|---|---|---|"
    ensemble = scores["ensemble"]
    for measure_ in ensemble[0]:
        if not measure_.startswith(("objects", "growth", "identity")):
            cells = [_over(ensemble, measure_, each) for each in ("precision", "recall", "f1")]
            yield f"| {measure_} | {' | '.join(cells)} |"
    yield ""
    switches = _over(ensemble, "identity switches", "per_100")
    yield f"Identity switches per 100 appearances: {switches}."
    yield ""
    yield "| growth rates | intervals | median difference, m2/a | median ratio | ratio of sums |"
    yield "|---|---|---|---|---|"
    rates = [rows["growth rates"] for rows in ensemble]
    cells = [
        _mean([row[each] for row in rates])
        for each in ("n_found", "difference_median", "ratio_median", "ratio_total")
    ]
    within = _mean([row["within_frac"] for row in rates])
    yield f"| within 1.96 sigma: {within} | {' | '.join(cells)} |"


def _over(rows: list[Rows], measure_: str, column: str) -> str:
    return _mean([each.get(measure_, {}).get(column) for each in rows])


def _mean(values: list[float | None]) -> str:
    known = np.array([value for value in values if value is not None], dtype=float)
    if len(known) == 0:
        return "–"
    digits = 3 if np.abs(known).max() < 10 else 0
    return f"{known.mean():.{digits}f} ± {known.std():.{digits}f}"


def _members(folder: Path) -> list[Path]:
    return sorted(file.parent for file in folder.glob("*/bundle.json"))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--sensor", choices=["sentinel2", "planetscope"], default="sentinel2")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
