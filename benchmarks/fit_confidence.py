"""Fits the confidences of links and events to simulated histories, and says how well they hold.

Fitting uses the TRAINING settings with the training seeds alone; `--check` measures the expected
calibration error of what `rts_track.track.confidence` holds on the SETTINGS, none of which were
fitted, with the held-out or the training seeds.

Run: python benchmarks/fit_confidence.py --data ../shared/data            prints the coefficients
     python benchmarks/fit_confidence.py --check [--seeds held-out] [--base barth --data ...]
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
from linking_accuracy import OURS, SEEDS, Job, _bases, _simulate
from linking_settings import SETTINGS, TRAINING, TRAINING_SEEDS
from sklearn.linear_model import LogisticRegression

from rts_track.steps.linking import link
from rts_track.steps.scoring import read_truth
from rts_track.store.base import open_store
from rts_track.track import confidence
from rts_track.track.assign import GAP
from rts_track.track.params import LinkParams
from rts_track.track.score import _OF_GROUPS, _OF_LAST_OUTLINE, EVENT_KINDS, SEASON_TOLERANCE_YR
from rts_track.track.truth import Outlines, Tracked, columns_of, components, true_edges

PARAMS = LinkParams()
BIN = 200
"""Events in a bin of the reliability diagram."""
_BARTH_SEEDS = 2
"""Seeds that are fitted with real base outlines: these histories are larger."""
_RIDGE = 2.0
"""Inverse strength of the penalty on coefficients: weak, against what only a few cases say."""
_UNKNOWN = pa.array([None], pa.float64())
_AS_SHARE = {"constant": 0.0, "share": 1.0, "iomin": 0.0, "is_gap": 0.0}
"""With these the stored confidence of a link tells its share, which no column holds."""


def samples(job: Job) -> list[dict[str, object]]:
    """Each link and event of a job's histories: its model, its features and if it is right."""
    found: list[dict[str, object]] = []
    for site, base in _bases(job):
        with tempfile.TemporaryDirectory() as folder:
            name = f"{job.setting} {site} {job.seed}"
            name = "".join(each if each.isalnum() else "-" for each in name)
            kept = job.kept / name if job.kept else Path(folder) / name
            if not (kept / "imported.duckdb").is_file():
                _simulate(job, base, kept)
            shutil.copy(kept / "imported.duckdb", Path(folder) / "linked.duckdb")
            with open_store(f"duckdb:///{folder}/linked.duckdb") as store:
                if job.seed % 2 == 0:  # half of the sources do not state their recall
                    store.update("source", pa.table({"source": ["simulated"], "recall": _UNKNOWN}))
                link(store)
                found += _judged(store, kept / "truth")
    return found


def _judged(store, truth_dir: Path) -> Iterator[dict[str, object]]:
    truth, tables = read_truth(truth_dir), ("footprint", "outline", "link", "event", "track")
    tracked = Tracked(**{name: store.read(name) for name in tables})
    object_of = dict(columns_of(truth.footprint, "source_feature_id", "object_id"))
    outlines = Outlines.of(tracked, object_of)
    for row, is_right in _judged_events(store.read("event"), truth.event, outlines):
        yield {
            "model": f"event {row['kind']}",
            "features": json.loads(row["evidence"]),
            "confidence": row["confidence"],
            "is_right": is_right,
        }
    edges, node_of = true_edges(truth, tracked, object_of), outlines.node_of
    for row in store.read("link").to_pylist():
        ends = row["from_outline_id"], row["to_outline_id"]
        if all(end in node_of for end in ends):
            yield {
                "model": "link",
                "features": {
                    "share": float(np.log(row["confidence"] / (1.0 - row["confidence"]))),
                    "iomin": max(row["cover_from"], row["cover_to"]),
                    "is_gap": row["kind"] == GAP,
                },
                "confidence": row["confidence"],
                "is_right": tuple(node_of[end] for end in ends) in edges,
            }


def _judged_events(found, true, outlines: Outlines) -> Iterator[tuple[dict, bool]]:
    """Each event and if it is right, as `track.score` has it."""
    years, pairs = defaultdict(list), defaultdict(list)
    for object_id, related, year, kind in columns_of(
        true, "object_id", "related_object_id", "season_year", "kind"
    ):
        years[kind, frozenset({object_id, related} - {None})].append(year)
        pairs[kind, year].append((object_id, related))
    groups = {
        key: components({each for pair in of for each in pair}, of)
        for key, of in pairs.items()
        if key[0] in _OF_GROUPS
    }
    for row in found.to_pylist():
        tracks = [row[name] for name in ("track_id", "related_track_id") if row[name]]
        if not all(outlines.has(track) for track in tracks):
            continue
        kind, season = row["kind"], row["season_year"]
        is_before = kind in _OF_LAST_OUTLINE
        objects = {outlines.object_at(track, season, is_before=is_before) for track in tracks}
        nearby = range(season - SEASON_TOLERANCE_YR, season + SEASON_TOLERANCE_YR + 1)
        if kind in _OF_GROUPS:
            of = [groups.get((kind, year), {}) for year in nearby]
            together = [{group.get(each) for each in objects} for group in of]
            yield row, len(objects) == 2 and any(len(t) == 1 and None not in t for t in together)
            continue
        waiting = years[kind, frozenset(objects)]
        near = [year for year in waiting if year in nearby]
        if near:
            waiting.remove(near[0])
        yield row, bool(near)


def fitted(found: list[dict[str, object]]) -> dict[str, dict[str, float]]:
    """The coefficients of each model."""
    of_model = defaultdict(list)
    for each in found:
        of_model[each["model"]].append(each)
    coefficients = {}
    for model, rows in sorted(of_model.items()):
        terms = _terms(model, rows)
        names = sorted(terms)
        regression = LogisticRegression(C=_RIDGE, max_iter=2000)
        regression.fit(np.column_stack([terms[n] for n in names]), [r["is_right"] for r in rows])
        values = regression.coef_[0]
        coefficients[model] = {"constant": round(float(regression.intercept_[0]), 3)} | {
            name: round(float(value), 3) for name, value in zip(names, values, strict=True)
        }
    return coefficients


def _terms(model: str, rows: list[dict[str, object]]) -> dict[str, np.ndarray]:
    names = rows[0]["features"]
    features = {
        name: np.array(
            [np.nan if row["features"][name] is None else row["features"][name] for row in rows]
        )
        for name in names
    }
    if model == "link":
        return confidence.link_terms(features)
    return confidence.event_terms(model.removeprefix("event "), features, PARAMS)


def calibration_error(sure: np.ndarray, is_right: np.ndarray, n: int = BIN) -> float:
    """Expected calibration error over bins of at least `n`, by confidence."""
    order = np.argsort(sure, kind="stable")
    bins = np.array_split(order, max(1, len(order) // n))
    return float(sum(len(b) * abs(sure[b].mean() - is_right[b].mean()) for b in bins) / len(order))


def _gathered(jobs: list[Job], n_jobs: int, *, as_share: bool) -> list[dict[str, object]]:
    with ProcessPoolExecutor(n_jobs, initializer=_begin, initargs=(as_share,)) as pool:
        return [each for found in pool.map(samples, jobs) for each in found]


def _begin(as_share: bool) -> None:
    if as_share:
        confidence.COEFFICIENTS |= {f"event {kind}": defaultdict(float) for kind in EVENT_KINDS}
        confidence.COEFFICIENTS["link"] = _AS_SHARE


def report(found: list[dict[str, object]]) -> str:
    """Markdown: per model how many, how many right, mean confidence, calibration error."""
    lines = ["| what | n | right | mean confidence | ECE |", "|---|---|---|---|---|"]
    groups = {"all events": [], "link": []} | {
        model: [] for model in sorted({each["model"] for each in found})
    }
    for each in found:
        groups[each["model"]].append(each)
        if each["model"] != "link":
            groups["all events"].append(each)
    for name, rows in groups.items():
        sure = np.array([row["confidence"] for row in rows])
        right = np.array([row["is_right"] for row in rows], dtype=float)
        error = f"{calibration_error(sure, right):.3f}" if len(rows) >= BIN else "–"
        lines.append(f"| {name} | {len(rows)} | {right.mean():.3f} | {sure.mean():.3f} | {error} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--seeds", choices=SEEDS, default="training")
    parser.add_argument("--base", choices=("simulated", "barth"), default="simulated")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--kept", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    settings = SETTINGS if given.check else TRAINING
    seeds = SEEDS[given.seeds] if given.check else TRAINING_SEEDS
    bases = [given.base] if given.check or not given.data else ["simulated", "barth"]
    jobs = [
        Job(
            setting=setting,
            params=params,
            seed=seed,
            base=base,
            data=given.data,
            linkers=(OURS,),
            kept=given.kept,
        )
        for base in bases
        for setting, params in settings.items()
        for seed in (seeds if given.check or base == "simulated" else seeds[:_BARTH_SEEDS])
    ]
    found = _gathered(jobs, given.jobs, as_share=not given.check)
    if given.check:
        print(report(found))
    else:
        print("COEFFICIENTS =", json.dumps(fitted(found), indent=4))


if __name__ == "__main__":
    main()
