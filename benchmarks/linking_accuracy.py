"""How well simulated histories are linked, beside the field's linkers on the very same outlines.

    python benchmarks/linking_accuracy.py --seeds training --only rts-track --kept FOLDER

Each setting of `linking_settings.py` and each seed is simulated, imported, linked (embedded store)
and scored; `baselines.py` links the outlines that rts-track linked, and is scored by the same
measures. Mean and standard deviation over the seeds. The held-out seeds make the published
figures and nothing else.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from base_outlines import barth_sites
from baselines import LINKERS, linked_by, read_outlines
from linking_settings import ACTIVE_ZONE, HELD_OUT_SEEDS, SETTINGS, TRAINING, TRAINING_SEEDS

import rts_track
import rts_track.simulate
from rts_track.domain import canonical_json, digest
from rts_track.simulate.files import write_history
from rts_track.simulate.history import HistoryParams, simulate_history
from rts_track.source.request import ImportRequest
from rts_track.steps.importing import import_footprints
from rts_track.steps.linking import link
from rts_track.steps.scoring import read_truth, score
from rts_track.store.base import open_store
from rts_track.track.score import EVENT_KINDS, Score, Tally, score_tracking

OURS = "rts-track"
SEEDS = {"training": TRAINING_SEEDS, "held-out": HELD_OUT_SEEDS}
RIVAL = "laptrack"
"""Whose link error is the yardstick."""

Measures = Mapping[str, float]
"""A linker's figures on one history by their names; NaN where there is nothing to tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One history to be linked: a setting, a seed, and what its first season is made of."""

    setting: str
    params: HistoryParams
    seed: int
    base: str
    data: Path | None
    linkers: tuple[str, ...]
    kept: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What is told of a linker: counts, so that those of several sites add up."""

    consecutive: Tally
    gap: Tally
    events: Mapping[str, Tally]
    n_appearances: int
    n_id_switches: int

    @classmethod
    def of(cls, found: Score) -> Counts:
        """The counts in a score."""
        return cls(
            consecutive=found.consecutive,
            gap=found.gap,
            events=dict(found.events),
            n_appearances=found.n_appearances,
            n_id_switches=found.n_id_switches,
        )

    def __add__(self, other: Counts) -> Counts:
        """Both together."""
        return Counts(
            consecutive=self.consecutive + other.consecutive,
            gap=self.gap + other.gap,
            events={kind: self.events[kind] + other.events[kind] for kind in EVENT_KINDS},
            n_appearances=self.n_appearances + other.n_appearances,
            n_id_switches=self.n_id_switches + other.n_id_switches,
        )

    @property
    def link_error(self) -> float:
        """1 - F1 of the consecutive links."""
        return 1.0 - _told(self.consecutive.f1)

    @property
    def true_events(self) -> Tally:
        """Merges and splits."""
        return self.events["merge"] + self.events["split"]


def judge(job: Job) -> dict[str, Counts]:
    """What is told of each linker; over several sites, of all of them together."""
    counts: dict[str, list[Counts]] = {linker: [] for linker in job.linkers}
    for site, base in _bases(job):
        with tempfile.TemporaryDirectory() as folder:
            for linker, found in _judge_site(job, site, base, Path(folder)).items():
                counts[linker].append(Counts.of(found))
    return {linker: reduce(add, found) for linker, found in counts.items()}


def _bases(job: Job) -> Iterator[tuple[str, np.ndarray | None]]:
    if job.base == "simulated":
        yield "simulated", None
    elif job.data is None:
        raise SystemExit("--base barth needs --data, the folder that holds barth2023/")
    else:
        yield from barth_sites(job.data / "barth2023").items()


def _judge_site(job: Job, site: str, base: np.ndarray | None, folder: Path) -> dict[str, Score]:
    kept = (job.kept or folder) / f"{site}-{job.seed}-{_made_of(job)}"
    if not (kept / "imported.duckdb").is_file():
        _simulate(job, base, kept)
    shutil.copy(kept / "imported.duckdb", folder / "linked.duckdb")
    with open_store(f"duckdb:///{folder / 'linked.duckdb'}") as store:
        store.init()  # a kept one may be of an older structure
        link(store)
        scores = {OURS: score(store, kept / "truth")}
        rivals = [linker for linker in job.linkers if linker != OURS]
        if rivals:
            truth, outlines = read_truth(kept / "truth"), read_outlines(store)
            footprint = store.read(
                "footprint", ["source_feature_id", "outline_id", "season_year", "area_m2"]
            )
            for linker in rivals:
                scores[linker] = score_tracking(linked_by(linker, outlines, footprint), truth)
    return scores


def _made_of(job: Job) -> str:
    """A digest of the setting and of the generator itself."""
    generator = sorted(Path(rts_track.simulate.__file__).parent.glob("*.py"))
    kind = "active_zone" if job.setting in ACTIVE_ZONE else "landform"
    return digest(
        kind, canonical_json(job.params.as_dict()), *(file.read_text() for file in generator)
    )[:16]


def _simulate(job: Job, base: np.ndarray | None, folder: Path) -> None:
    """Write the history, and a store into which it was imported."""
    history = simulate_history(np.random.default_rng(job.seed), job.params, base)
    files = write_history(history, folder)
    request = ImportRequest(
        source="simulated",
        kind="active_zone" if job.setting in ACTIVE_ZONE else "landform",
        season_field=files.season_field,
        date_field=files.date_field,
        scene_field=files.scene_field,
        id_field=files.id_field,
        gsd_field=files.gsd_field,
        looked_at=str(files.looks),
    )
    beside = folder / "importing.duckdb"
    beside.unlink(missing_ok=True)
    with open_store(f"duckdb:///{beside}") as store:
        store.init()
        import_footprints(store, [files.footprints], request)
        stated = {"source": ["simulated"], "recall": [1.0 - job.params.missed_frac]}
        store.update("source", pa.table(stated))
    beside.rename(folder / "imported.duckdb")


def measures(counts: Mapping[str, Counts]) -> dict[str, Measures]:
    """Each linker's figures on one history."""
    return {
        linker: {
            "link F1": _told(found.consecutive.f1),
            "link error": found.link_error,
            "gap F1": _told(found.gap.f1),
            "true-event F1": _told(found.true_events.f1),
            "switches per 100": 100.0 * found.n_id_switches / max(found.n_appearances, 1),
            **{kind: _told(found.events[kind].f1) for kind in EVENT_KINDS},
        }
        for linker, found in counts.items()
    }


def _told(value: float | None) -> float:
    return np.nan if value is None else value


def page(given: argparse.Namespace, results: Mapping[str, list[dict[str, Measures]]]) -> str:
    """The figures as Markdown: a table a group of settings, then rts-track's events."""
    columns = ("link F1", "gap F1", "true-event F1", "switches per 100")
    seeds = SEEDS[given.seeds][: given.n_seeds]
    lines = [
        "# Accuracy of linking",
        "",
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, rts-track {rts_track.__version__}; {given.base} base"
        f" outlines; {given.seeds} seeds {', '.join(map(str, seeds))}; mean ± standard deviation"
        " over them; sources state their recall. Link F1: of consecutive links; its error, 1 - F1,"
        " is beside laptrack's as a ratio of the means over the seeds. True events: merges and"
        " splits.",
    ]
    for group in dict.fromkeys(_group(setting) for setting in results):
        of_group = [setting for setting in results if _group(setting) == group]
        lines += ["", f"## {group.capitalize()}", ""]
        lines += _head("setting", "linker", "link error / laptrack's", *columns)
        for setting in of_group:
            for linker in results[setting][0]:
                cells = _cells([run[linker] for run in results[setting]], columns)
                ratio = _error_ratio(results[setting], linker)
                lines.append(f"| {setting} | {linker} | {ratio} | {' | '.join(cells)} |")
    lines += ["", "## Events of rts-track, F1", "", *_head("setting", *EVENT_KINDS)]
    for setting, runs in results.items():
        cells = _cells([run[OURS] for run in runs], EVENT_KINDS)
        lines.append(f"| {setting} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _error_ratio(runs: list[dict[str, Measures]], linker: str) -> str:
    """The linker's mean link error beside laptrack's; of single seeds it may be of next to none."""
    if RIVAL not in runs[0]:
        return "–"
    ours, theirs = (np.mean([run[each]["link error"] for run in runs]) for each in (linker, RIVAL))
    return f"{ours / theirs:.2f}" if theirs > 0.0 else "–"


def _group(setting: str) -> str:
    return setting.split()[0]


def _head(*names: str) -> list[str]:
    return [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]


def _cells(runs: list[Measures], names: Iterable[str]) -> list[str]:
    return [_mean_and_spread([run[name] for run in runs]) for name in names]


def _mean_and_spread(values: list[float]) -> str:
    known = [value for value in values if not np.isnan(value)]
    if not known:
        return "–"
    spread = f" ± {np.std(known, ddof=1):.4f}" if len(known) > 1 else ""
    return f"{np.mean(known):.4f}{spread}"


def run(given: argparse.Namespace) -> dict[str, list[dict[str, Measures]]]:
    """Each setting's figures, one entry a seed."""
    settings = {**SETTINGS, **TRAINING}
    chosen = given.settings or list(SETTINGS)
    jobs = [
        Job(
            setting=setting,
            params=settings[setting],
            seed=seed,
            base=given.base,
            data=given.data,
            linkers=(OURS,) if given.only == OURS else (OURS, *LINKERS),
            kept=given.kept,
        )
        for setting in chosen
        for seed in SEEDS[given.seeds][: given.n_seeds]
    ]
    results: dict[str, list[dict[str, Measures]]] = {setting: [] for setting in chosen}
    for job, scores in zip(jobs, _mapped(judge, jobs, given.jobs), strict=True):
        results[job.setting].append(measures(scores))
    return results


def _mapped(work: Callable[[Job], Any], jobs: list[Job], n_processes: int) -> Iterator[Any]:
    if n_processes == 1:
        yield from map(work, jobs)
        return
    with ProcessPoolExecutor(n_processes) as pool:
        yield from pool.map(work, jobs)


def parsed(arguments: list[str] | None = None) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", choices=SEEDS, required=True)
    parser.add_argument("--n-seeds", type=int, help="only the first so many of them")
    parser.add_argument(
        "--settings", nargs="+", choices=[*SETTINGS, *TRAINING], help="by default all but 'fit'"
    )
    parser.add_argument("--base", choices=("simulated", "barth"), default="simulated")
    parser.add_argument("--data", type=Path, help="folder that holds barth2023/")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--only", choices=(OURS,), help="leave the field's linkers out")
    parser.add_argument(
        "--kept",
        type=Path,
        help="keep the imported histories there and take them from there the next time; remove"
        " the folder when the import changed",
    )
    parser.add_argument("--out", type=Path)
    return parser.parse_args(arguments)


def main() -> None:
    """Run it."""
    given = parsed()
    text = page(given, run(given))
    if given.out:
        given.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
