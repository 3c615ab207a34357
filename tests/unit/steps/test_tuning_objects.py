"""What is counted once for many thresholds, areas and spreads is what scoring each would count."""

import datetime as dt
from types import SimpleNamespace

import numpy as np
import pytest
import shapely
from affine import Affine

from rts_track.model.reliability import joint_histogram
from rts_track.polygon.extract import ExtractParams, extract, mask_polygons
from rts_track.raster.grid import Grid
from rts_track.steps.tuning_objects import Finding
from rts_track.steps.tuning_scenes import Viewed
from rts_track.track.score_objects import CRITERIA, match_objects, score_objects

SIZE = 120
GRID = Grid(
    height=SIZE,
    width=SIZE,
    transform=Affine(10.0, 0.0, 500_000.0, 0.0, -10.0, 7_500_000.0),
    crs="EPSG:32608",
)
MIN_AREA_M2 = 800.0


def blobs(seed):
    """Probabilities of round things, smoothly falling, some of them labelled, and what is clear."""
    chance = np.random.default_rng(seed)
    rows, cols = np.mgrid[:SIZE, :SIZE]
    probability = np.zeros((SIZE, SIZE))
    labelled = []
    for _ in range(25):
        row, col = chance.uniform(5, SIZE - 5, 2)
        radius, top = chance.uniform(2, 7), chance.uniform(0.2, 1.0)
        away = np.hypot(rows - row, cols - col) / radius
        probability = np.maximum(probability, top * np.exp(-(away**2) / 2))
        if chance.random() < 0.6:
            at = chance.normal([col, row], 1.0)
            labelled.append(shapely.Point(at).buffer(radius * chance.uniform(0.7, 1.5)))
    stored = np.rint(probability * 250).astype(np.uint8)
    spread = chance.integers(0, 60, stored.shape).astype(np.uint8)
    stored[:15, 60:] = spread[:15, 60:] = 255
    return stored, spread, GRID.to_metric(np.array(labelled, dtype=object))


def viewed_of(seed, folder):
    probability, spread, labelled = blobs(seed)
    np.save(folder / "probability.npy", probability)
    np.save(folder / "spread.npy", spread)
    looked = mask_polygons(probability != 255, GRID)
    day = dt.date(2021, 8, 1)
    viewed = Viewed(
        scene=SimpleNamespace(grid=GRID, product="blobs", observed_from=day, observed_to=day),
        folder=folder,
        histogram=joint_histogram(probability, np.zeros(probability.shape, dtype=bool)),
        looked=looked,
        clear_m2=looked.area,
        labelled=labelled,
        n_slumps=0,
        region=None,
    )
    return viewed, probability, spread


@pytest.mark.parametrize("seed", range(4))
def test_each_tally_is_that_of_the_footprints_that_are_kept(tmp_path, seed):
    viewed, probability, spread = viewed_of(seed, tmp_path)
    finding = Finding([viewed], MIN_AREA_M2)
    for cut in (20, 75, 150, 240):
        found = finding.at(0, cut)
        for min_area_m2 in (MIN_AREA_M2, 2_000.0, 6_000.0):
            for max_spread in (None, 0.12, 0.11):
                params = ExtractParams(
                    threshold=cut / 250, min_area_m2=min_area_m2, max_spread=max_spread
                )
                drawn = extract(probability, spread, GRID, params).geometry
                wanted = score_objects(viewed.search(drawn, MIN_AREA_M2)).tallies
                for criterion in CRITERIA:
                    made = found.tally(criterion, min_area_m2, max_spread)
                    assert made == wanted[criterion]


def test_labels_that_could_not_be_seen_do_not_count(tmp_path):
    viewed, _, _ = viewed_of(0, tmp_path)
    found = Finding([viewed], MIN_AREA_M2).at(0, 75)
    counts = match_objects(viewed.search(np.empty(0, dtype=object), MIN_AREA_M2)).counts
    assert found.n_true == counts.sum() < len(viewed.labelled)


def test_noise_is_no_threshold(tmp_path, monkeypatch):
    monkeypatch.setattr("rts_track.polygon.extract.MOST_SIDES", 500)
    viewed, probability, _ = viewed_of(1, tmp_path)
    chance = np.random.default_rng(0)
    noisy = np.where(probability < 60, chance.integers(0, 60, probability.shape), probability)
    np.save(tmp_path / "probability.npy", noisy.astype(np.uint8))
    finding = Finding([viewed], MIN_AREA_M2)
    assert not finding.is_possible(30)
    assert finding.is_possible(100)
