"""Ensembles on a real site beside twelve experts: trained on simulated scenes, and fine-tuned.

    python benchmarks/peel.py --data FOLDER --models DIR --image docs/images/peel.png --out FILE

The site: 2.5 km of the Peel Plateau in Sentinel-2 and Landsat 8, and the outlines of twelve
experts (Nitze et al. 2024, doi 10.1002/ppp.2249). No elevations or trends are at hand, so the
ensemble reads bands and NDVI alone (`train_bundles.py optical`). Both files hold
top-of-atmosphere reflectance, which no correction was made for.

The ensemble is judged as it is, and fine-tuned on the experts' consensus with one of four blocks
held out at a time (`peel_blocks`). A few minutes on one core; predictions are kept in `--work`.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import peel_blocks
import pyogrio
import shapely
import torch
from peel_figure import draw

import rts_track
from rts_track import grid
from rts_track.model.bundle import Ensemble, read_ensemble
from rts_track.polygon.extract import ExtractParams, extract
from rts_track.polygon.vote import ballot
from rts_track.raster.labels import label_mask
from rts_track.raster.probability import NOT_LOOKED_AT, STEPS, threshold_byte
from rts_track.source.scene import Scene
from rts_track.source.scenes import find_scenes
from rts_track.steps.validating import validate
from rts_track.steps.validating_report import ValidationReport
from rts_track.track.score_objects import OVERLAP
from rts_track.track.score_validation import (
    CONSENSUS,
    FOUND,
    Region,
    Sample,
    ValidationParams,
)
from rts_track.track.score_validation_estimates import AREAS, Estimate, MeanScore

SENTINEL2 = "S2_20210821T210019_20210821T210020_T08WMA.tif"
LANDSAT = "L8_LC08_139232_20210721.tif"
BANDS = {
    SENTINEL2: ("B2", "B3", "B4", "B5", "B6", "B7", "B8"),
    LANDSAT: ("B2", "B3", "B4", "B5", "B6", "B7", "-"),
}
MIN_AREA_M2 = 1_000.0
"""Ten pixels of Sentinel-2; smaller objects count for nobody."""

THRESHOLDS = np.arange(0.1, 0.91, 0.05).round(2)
SHOWN = (
    ((OVERLAP, "F1"), "objects' F1, overlap"),
    (("IoU 0.3", "F1"), "objects' F1, IoU 0.3"),
    (("IoU 0.5", "F1"), "objects' F1, IoU 0.5"),
    ((AREAS, "F1"), "areas' F1"),
    ((AREAS, "IoU"), "areas' IoU"),
)
AS_IT_IS, SIMULATED, SIMULATED_CHOSEN = (
    "simulated alone, smallest as its bundle says",
    "simulated alone",
    "simulated alone, threshold of the other blocks",
)
TUNED, TUNED_CHOSEN = "fine-tuned", "fine-tuned, threshold of the other blocks"
ON_LANDSAT = "simulated alone, on Landsat 8"


@dataclass(frozen=True, kw_only=True)
class Site:
    """The scene of each file, and what each expert drew, EPSG:6931."""

    scenes: Mapping[str, Scene]
    experts: Mapping[str, np.ndarray]

    @property
    def consensus(self) -> np.ndarray:
        """The parts that more than half of the experts drew."""
        return ballot(list(self.experts.values())).consensus()


def main() -> None:
    options = _options()
    torch.set_num_threads(1)
    site = _site(options.data / "rts_digitization_peel")
    scene, start = site.scenes[SENTINEL2], read_ensemble([options.models])
    simulated = peel_blocks.predict(scene, start)
    tuned, seconds = _tuned(options.work, scene, start, site.consensus)
    found = _found(scene, start, site.consensus, simulated, tuned)
    reports = {
        name: _judged(name, each.geometry, each.is_clipped, scene, site)
        for name, each in found.items()
    }
    landsat = site.scenes[LANDSAT]
    drawn = extract(
        peel_blocks.predict(landsat, start),
        None,
        landsat.grid,
        ExtractParams(threshold=start.threshold, min_area_m2=start.min_area_m2),
    )
    reports[ON_LANDSAT] = _judged(ON_LANDSAT, drawn.geometry, drawn.is_clipped, landsat, site)
    outlines = {name: each.geometry for name, each in found.items()}
    draw(scene, site.consensus, outlines[SIMULATED], outlines[TUNED], _dots(reports), options.image)
    reading = _reading(reports, outlines, tuned, site)
    lines = list(_page(reports, start, tuned, seconds, reading))
    print(*lines, sep="\n")
    if options.out:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _site(folder: Path) -> Site:
    scenes = {}
    for name, bands in BANDS.items():
        (scenes[name],), _ = find_scenes([folder / name], bands=bands)
    files = sorted(folder.glob("experts/*/*.shp"))
    return Site(
        scenes=scenes, experts={f"expert {file.parent.name}": _outlines(file) for file in files}
    )


def _outlines(file: Path) -> np.ndarray:
    """One expert's polygons, EPSG:6931."""
    meta, _, wkb, _ = pyogrio.raw.read(file)
    polygons = shapely.make_valid(shapely.from_wkb(wkb))
    metric = grid.to_metric(grid.as_multipolygons(np.asarray(polygons, dtype=object)), meta["crs"])
    return metric[shapely.area(metric) > 0.0]


def _tuned(
    work: Path | None, scene: Scene, start: Ensemble, consensus: np.ndarray
) -> tuple[peel_blocks.Predicted, float]:
    """What fine-tuned ensembles made of the blocks, and the seconds it took; kept in `work`."""
    kept = work / f"peel-{start.sha256[:12]}.npz" if work else None
    if kept and kept.is_file():
        with np.load(kept) as stored:
            told = json.loads(str(stored["told"]))
            made = peel_blocks.Predicted(
                probability=stored["probability"],
                thresholds=told["thresholds"],
                best_epochs=tuple(told["best_epochs"]),
            )
        return made, told["seconds"]
    began = time.perf_counter()
    made = peel_blocks.leave_one_out(scene, start, consensus)
    seconds = time.perf_counter() - began
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        told = {
            "thresholds": made.thresholds,
            "best_epochs": made.best_epochs,
            "seconds": seconds,
        }
        np.savez(kept, probability=made.probability, told=json.dumps(told))
    return made, seconds


def _found(
    scene: Scene,
    start: Ensemble,
    consensus: np.ndarray,
    simulated: np.ndarray,
    tuned: peel_blocks.Predicted,
) -> dict[str, object]:
    """The outlines that each way of going about it gives."""
    usual = dict.fromkeys(peel_blocks.NAMES, start.threshold)
    chosen = _chosen(scene, simulated, consensus)
    print("thresholds chosen on the other blocks:", chosen, tuned.thresholds)
    drawn = {
        AS_IT_IS: (simulated, usual, start.min_area_m2),
        SIMULATED: (simulated, usual, MIN_AREA_M2),
        SIMULATED_CHOSEN: (simulated, chosen, MIN_AREA_M2),
        TUNED: (tuned.probability, usual, MIN_AREA_M2),
        TUNED_CHOSEN: (tuned.probability, tuned.thresholds, MIN_AREA_M2),
    }
    return {name: _extracted(scene, *given) for name, given in drawn.items()}


def _extracted(
    scene: Scene, probability: np.ndarray, thresholds: Mapping[str, float], min_area_m2: float
) -> object:
    """Outlines where each block has its threshold; they may cross the borders of blocks."""
    is_found = np.zeros_like(probability)
    for name, block in peel_blocks.blocks(scene.grid).items():
        is_above = probability[block] >= threshold_byte(thresholds[name])
        is_found[block] = np.where(is_above, STEPS, 0)
    is_found[probability == NOT_LOOKED_AT] = NOT_LOOKED_AT
    params = ExtractParams(threshold=0.5, min_area_m2=min_area_m2)
    return extract(is_found, None, scene.grid, params)


def _chosen(scene: Scene, probability: np.ndarray, consensus: np.ndarray) -> dict[str, float]:
    """For each block the threshold with the best pixel F1 on the three others."""
    is_slump = _is_slump(scene, consensus)
    chosen = {}
    for name, block in peel_blocks.blocks(scene.grid).items():
        is_other = probability != NOT_LOOKED_AT
        is_other[block] = False
        true, said = is_slump[is_other], probability[is_other]
        scores = []
        for threshold in THRESHOLDS:
            is_found = said >= threshold_byte(float(threshold))
            scores.append(2 * (is_found & true).sum() / (is_found.sum() + true.sum()))
        chosen[name] = float(THRESHOLDS[int(np.argmax(scores))])
    return chosen


def _is_slump(scene: Scene, consensus: np.ndarray) -> np.ndarray:
    """(H, W): the pixels that the consensus covers."""
    from affine import Affine

    shape = scene.grid.height, scene.grid.width
    drawn = list(scene.grid.to_pixels(consensus))
    return np.asarray(label_mask(drawn, shape, Affine.identity()), dtype=bool)


def _judged(
    name: str, found: np.ndarray, is_clipped: np.ndarray, scene: Scene, site: Site
) -> ValidationReport:
    blocks = peel_blocks.blocks(scene.grid) if scene.sensor == "sentinel2" else {}
    regions = [
        Region(name=each, polygon=peel_blocks.block_extent(scene.grid, block))
        for each, block in blocks.items()
    ]
    sample = Sample(
        found=found,
        truths=site.experts,
        looked=scene.grid.extent(),
        is_clipped=is_clipped,
        min_area_m2=MIN_AREA_M2,
    )
    return validate([sample], ValidationParams(), regions, name=name)


def _dots(
    reports: Mapping[str, ValidationReport],
) -> dict[str, dict[str, tuple[Estimate, tuple[float, ...]]]]:
    """For the picture: of each measure by name the estimates, experts' with those of all pairs."""
    annotators = reports[SIMULATED].annotators
    rows = {}
    for of, label in SHOWN:
        pairs: MeanScore = annotators.pairs[of]
        rows[label] = {
            **{name: (reports[name].main.measures[of], ()) for name in (SIMULATED, TUNED)},
            "experts two by two": (pairs.mean, tuple(v for v in pairs.each if v is not None)),
        }
    return rows


def _page(
    reports: Mapping[str, ValidationReport],
    start: Ensemble,
    tuned: peel_blocks.Predicted,
    seconds: float,
    reading: str,
) -> Iterator[str]:
    report = reports[SIMULATED]
    names = " and ".join(sorted(bundle.name for bundle in start.bundles))
    n_members = peel_blocks.FINE_TUNING.members * len(peel_blocks.NAMES)
    n_better = sum(epoch >= 0 for epoch in tuned.best_epochs)
    yield "# Detection on a real site: the Peel Plateau"
    yield ""
    yield (
        f"`python benchmarks/peel.py` with the bundles {names} (recipe `optical`, ensemble"
        f" {start.sha256[:12]}), {dt.date.today()}; {_device()}, rts-track"  # noqa: DTZ011
        f" {rts_track.__version__}, torch {torch.__version__}. Sentinel-2 of 21 August 2021, 2.5"
        " km, top-of-atmosphere reflectance, and twelve experts (Nitze et al. 2024, doi"
        " 10.1002/ppp.2249). Truth is what more than half of them drew:"
        f" {_n_true(report)} slumps of {MIN_AREA_M2:,.0f} m2 and more,"
        f" {report.main.true_m2 / 1e4:.1f} ha; the largest has {_share_of_largest(report):.0%} of"
        " that."
    )
    yield ""
    yield (
        "*Simulated alone*: the ensemble as it was trained on simulated landscapes; it has never"
        f" seen a real scene. Its own threshold is {start.threshold:g}. *Fine-tuned*: started from"
        " it, on the experts' consensus in three of four blocks, with nothing within"
        f" {peel_blocks.MARGIN_PX * 10} m of the fourth, of which its prediction counts;"
        f" {peel_blocks.FINE_TUNING.members} members a block, up to"
        f" {peel_blocks.FINE_TUNING.max_epochs} epochs, {seconds / 60:.0f} minutes for all four. In"
        f" {n_better} of {n_members} members an epoch was better than the start, on the one of the"
        " three blocks that the member held out itself; the others remained the start. How"
        " windows are cut was changed once after scores had been seen (`peel_blocks.py`)."
        " *Threshold"
        " of the other blocks*: chosen for each block on the three others; else it is the"
        f" ensemble's {start.threshold:g}. Objects below {MIN_AREA_M2:,.0f} m2 do not count; the"
        f" first row has the minimum of the bundles, {start.min_area_m2:,.0f} m2. Intervals: 95 %,"
        f" places (polygons that touch each other; {report.main.n_places} for *simulated alone*,"
        f" {reports[TUNED].main.n_places} for *fine-tuned*) drawn"
        f" {report.params.n_replicates:,} times with replacement; definitions in"
        " [validation](../../docs/validation.md)."
    )
    yield ""
    yield "| | found | right | " + " | ".join(label for _, label in SHOWN) + " |"
    yield "|---|---|---|" + "---|" * len(SHOWN)
    for name, each in reports.items():
        tally = each.main.tallies[OVERLAP]
        cells = " | ".join(_cell(each.main.measures[of]) for of, _ in SHOWN)
        yield f"| {name} | {tally.n_found} | {tally.n_right} | {cells} |"
    annotators = report.annotators
    for label, scores in (
        ("experts two by two, mean", annotators.pairs),
        ("an expert beside the consensus of the others, mean", annotators.others),
    ):
        yield f"| {label} | | | " + " | ".join(_cell(scores[of].mean) for of, _ in SHOWN) + " |"
    spans = " | ".join(_span(annotators.pairs[of]) for of, _ in SHOWN)
    yield f"| experts two by two, lowest to highest | | | {spans} |"
    yield ""
    yield from _blocks_table(reports)
    yield ""
    yield "![Outlines and scores](../../docs/images/peel.png)"
    yield ""
    yield reading


def _n_true(report: ValidationReport) -> int:
    return report.main.tallies[OVERLAP].n_true


def _share_of_largest(report: ValidationReport) -> float:
    """The share of the consensus's area that its largest slump has."""
    places = report.compared.comparisons[FOUND, CONSENSUS].columns["true_m2"]
    return float(places.max() / report.main.true_m2)


def _blocks_table(reports: Mapping[str, ValidationReport]) -> Iterator[str]:
    """Right of true by overlap, what is wrong, and areas' F1, block by block."""
    yield "| block | slumps | " + " | ".join((SIMULATED, TUNED)) + " |"
    yield "|---|---|---|---|"
    for name in peel_blocks.NAMES:
        cells, n_true = [], 0
        for way in (SIMULATED, TUNED):
            (score,) = [each for each in reports[way].scores if each.region == name]
            tally = score.tallies[OVERLAP]
            n_true = tally.n_true
            f1 = score.measures[AREAS, "F1"].value
            cells.append(
                f"{tally.n_right} found, {tally.n_found - tally.n_right} wrong, areas' F1"
                f" {'-' if f1 is None else f'{f1:.2f}'}"
            )
        yield f"| {name} | {n_true} | {' | '.join(cells)} |"


def _reading(
    reports: Mapping[str, ValidationReport],
    outlines: Mapping[str, np.ndarray],
    tuned: peel_blocks.Predicted,
    site: Site,
) -> str:
    """What the figures say, and what they do not."""
    before, after = reports[SIMULATED], reports[TUNED]
    one, other = (each.main.tallies[OVERLAP] for each in (before, after))
    changes = []
    for of, word in (((OVERLAP, "F1"), "objects"), ((AREAS, "F1"), "areas")):
        first, second = before.main.measures[of], after.main.measures[of]
        is_apart = first.low > second.high or second.low > first.high
        changes.append(
            f"F1 of {word} is {_cell(first)} before and {_cell(second)} after: the intervals"
            f" {'lie apart' if is_apart else 'overlap'}"
        )
    less = [
        f"{_difference(each.annotators.found_less_pairs[of])} in F1 of {word}"
        for each in (before, after)
        for of, word in (((OVERLAP, "F1"), "objects"), ((AREAS, "F1"), "areas"))
    ]
    n_beside, n_drawn = _beside_all(outlines[SIMULATED], site)
    n_members = peel_blocks.FINE_TUNING.members * len(peel_blocks.NAMES)
    n_better = sum(epoch >= 0 for epoch in tuned.best_epochs)
    return (
        f"Reading: knowing simulated slumps only, the ensemble finds {one.n_right} of {one.n_true}"
        f" slumps and {one.n_found - one.n_right} objects more, fine-tuned without the block"
        f" {other.n_right} and {other.n_found - other.n_right}. {'; '.join(changes)}. With"
        f" {_labels(before)} slumps on three blocks to learn from, {n_members - n_better} of"
        f" {n_members} members did no better in any epoch than their start, on a block that they"
        f" had not seen. Of {n_beside} objects of *simulated alone* that lie beside the consensus,"
        f" {n_drawn} touch what some expert drew; the others nobody took for a slump. Beside an"
        " expert, *simulated alone* agrees less than experts do with each other, by"
        f" {less[0]} and {less[1]}; *fine-tuned* by {less[2]} and {less[3]}. Neither elevations nor"
        " trends were at hand. This is one image of one site: it says nothing about other sites,"
        " or about fine-tuning with more labels."
    )


def _beside_all(found: np.ndarray, site: Site) -> tuple[int, int]:
    """How many share nothing with the consensus, and how many of them touch an expert's outline."""
    beside = found[~shapely.intersects(found, shapely.union_all(site.consensus))]
    anybody = shapely.union_all(np.concatenate(list(site.experts.values())))
    return len(beside), int(shapely.intersects(beside, anybody).sum())


def _labels(report: ValidationReport) -> str:
    """How many slumps the three training blocks have, fewest to most."""
    counts = [
        each.tallies[OVERLAP].n_true for each in report.scores if each.region in peel_blocks.NAMES
    ]
    return f"{sum(counts) - max(counts)} to {sum(counts) - min(counts)}"


def _difference(estimate: Estimate) -> str:
    return f"{-estimate.value:.2f} ({-estimate.high:.2f} to {-estimate.low:.2f})"


def _cell(estimate: Estimate) -> str:
    if estimate.value is None:
        return "-"
    if estimate.low is None:
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def _span(score: MeanScore) -> str:
    low, high = score.span
    return f"{low:.2f} to {high:.2f}"


def _device() -> str:
    """The processor's name, and that one core of it was used."""
    info = Path("/proc/cpuinfo")
    names = [
        line.partition(":")[2].strip()
        for line in (info.read_text().splitlines() if info.is_file() else ())
        if line.startswith("model name")
    ]
    return f"one of {os.cpu_count()} cores, {names[0] if names else platform.machine()}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--work", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
