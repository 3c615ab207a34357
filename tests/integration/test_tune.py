"""Tuning on scenes whose best threshold is known: what a network would say is drawn into them."""

import datetime as dt
import hashlib
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyogrio
import pytest
import safetensors.numpy
import shapely
from scipy import special

from rts_track import grid
from rts_track.errors import InputError, UsageError
from rts_track.model.bundle import (
    Architecture,
    Bundle,
    Calibration,
    Input,
    ensemble_of,
    read_ensemble,
    write_bundle,
)
from rts_track.model.curve import curve_bytes
from rts_track.polygon.extract import ExtractParams, extract, mask_polygons
from rts_track.raster.probability import STEPS
from rts_track.source.auxiliary import Auxiliary
from rts_track.source.scenes import find_scenes
from rts_track.source.stack import open_stack
from rts_track.steps.training_labels import LabelFields, labels_in
from rts_track.steps.tuning import TuneRequest, judge, tunable, tune
from rts_track.steps.tuning_request import regions_in
from rts_track.track.score_objects import ObjectScore, Search, score_objects

SIZE, GSD_M, SIDE_PX = 96, 10.0, 6
PLACES_M = 5_000.0
"""Scenes lie so far apart that each is a place of its own."""

SLUMPS = [(10, 10), (10, 50), (50, 10), (50, 50), (80, 80)]
OTHERS = [(30, 30), (30, 70), (70, 30)]


class Drawn:
    """Stands for networks: bands hold what they would say, in steps of the stored probability."""

    def __init__(self, n_members=0):
        self.n_members = n_members

    def predict(self, stack, progress=None, *, keeps_members=False):
        layers, is_clear = stack.read(stack.grid.whole)
        values = np.rint(layers * 1e4).astype(np.int64)
        values[:, ~is_clear] = 255
        values = values.astype(np.uint8)
        names = list(stack.names)
        probability = values[names.index("red")]
        spread = np.where(is_clear, 0, 255).astype(np.uint8)
        if "green" in names:
            spread = values[names.index("green")]
        members = None
        if keeps_members:
            members = values[: self.n_members]
            mean = np.rint(members.mean(axis=0)).astype(np.uint8)
            probability = np.where(is_clear, mean, 255).astype(np.uint8)
        return SimpleNamespace(probability=probability, spread=spread, members=members)


def bundle(seed=0, names=("red",), sensors=(), **facts):
    weights = safetensors.numpy.save({"w": np.full((2, 2), float(seed), dtype=np.float32)})
    made = Bundle(
        name=f"drawn-{seed}",
        architecture=Architecture(name="Unet"),
        inputs=tuple(Input(name=name, low=0.0, high=1.0) for name in names),
        fill=0.0,
        sensors=sensors,
        gsd_range_m=(10.0, 10.0),
        threshold=0.5,
        min_area_m2=1_000.0,
        calibration=Calibration(),
        delineation_sigma_m=5.0,
        recall=None,
        kind="landform",
        licence="MIT",
        citation=None,
        training={},
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        weights=weights,
    )
    return replace(made, **facts)


def square(at, side=SIDE_PX):
    return slice(at[0], at[0] + side), slice(at[1], at[1] + side)


class World:
    """Scenes of one kind, far from each other, and the file of their slumps."""

    def __init__(self, folder, products):
        self.folder, self.products = folder, products
        self.shapes = []
        self.n_scenes = 0

    def add(self, *, said=100, wrong=60, sensor="any", bands=None, slumps=SLUMPS, others=OTHERS):
        """A scene: what is said of slumps and of other things; `bands` says more of a band."""
        origin = (self.products.EAST + self.n_scenes * PLACES_M, self.products.NORTH)
        red = np.full((SIZE, SIZE), 2)
        for at in slumps:
            red[square(at)] = said
            row, col = at
            west, north = origin[0] + col * GSD_M, origin[1] - row * GSD_M
            side = SIDE_PX * GSD_M
            self.shapes.append(shapely.box(west, north - side, west + side, north))
        for at in others:
            red[square(at)] = wrong
        values = [red] if bands is None else bands(red)
        path = self.folder / sensor / f"place{self.n_scenes}_2021080{1 + self.n_scenes % 9}.tif"
        stored = np.maximum(np.stack(values), 1).astype(np.uint16)  # 0 is nodata
        self.products.write_tiff(path, stored, gsd_m=GSD_M, origin=origin)
        self.n_scenes += 1
        return self

    @property
    def labels_file(self):
        path = self.folder / "slumps.gpkg"
        pyogrio.raw.write(
            path,
            shapely.to_wkb(self.shapes),
            [np.arange(len(self.shapes))],
            ["number"],
            geometry_type="Polygon",
            crs=self.products.CRS,
        )
        return path

    @property
    def labels(self):
        return labels_in(self.labels_file, LabelFields())

    def scenes(self, bands=("red",)):
        found = []
        for folder in sorted(each for each in self.folder.iterdir() if each.is_dir()):
            scenes, faults = find_scenes(
                [folder], reader="raster", bands=bands, sensor=folder.name, scale=1e-4
            )
            assert not faults
            found += scenes
        return found


@pytest.fixture
def world(tmp_path, products):
    folder = tmp_path / "world"
    folder.mkdir()
    return World(folder, products)


PLAIN = TuneRequest(calibration="none", criterion="IoU 0.5")


def tuned(world, request=PLAIN, ensemble=None, n_members=0, bands=("red",)):
    return tune(
        ensemble or ensemble_of([bundle(names=bands)]),
        world.scenes(bands),
        world.labels,
        request,
        predictor=Drawn(n_members),
    )


def test_the_threshold_lies_in_the_middle_of_those_that_tell_slumps_from_others(world):
    report = tuned(world.add().add())
    assert report.choice.threshold == pytest.approx((60 + 100) / 2 / STEPS, abs=0.025)
    assert report.chosen.objects["IoU 0.5"].f1 == 1.0
    assert report.at_half.objects["IoU 0.5"].f1 == 0.0
    assert report.left_out.f1 == 1.0
    made = report.bundles[0]
    assert made.threshold == report.choice.threshold
    assert made.recall == 1.0
    assert made.name == "drawn-0"
    assert made.validation["n_slumps"] == 10
    assert made.validation["n_places"] == 2
    assert made.validation["f1"] == made.validation["f1_left_out"] == 1.0
    assert made.validation["f1_at_half"] == 0.0


def test_an_ensemble_that_found_the_best_already_keeps_its_score(world):
    world.add().add()
    report = tuned(world, ensemble=ensemble_of([bundle(threshold=0.3)]))
    assert report.given.objects["IoU 0.5"].f1 == 1.0
    assert report.at_half.objects["IoU 0.5"].f1 == 0.0


def test_pixels_may_decide_instead_of_objects(world):
    # By pixels it pays to find the large faint thing; by objects, the many small bright ones.
    def bands(red):
        red[60:90, 20:50] = 40
        return [red]

    world.add(bands=bands, slumps=[(10, 10), (10, 50)], others=[(30, 30), (30, 70), (70, 80)])
    west, north = world.products.EAST + 200, world.products.NORTH - 600
    world.shapes.append(shapely.box(west, north - 300, west + 300, north))
    by_objects = tuned(world)
    by_pixels = tuned(world, replace(PLAIN, score="pixels"))
    assert 60 / 250 < by_objects.choice.threshold <= 100 / 250
    assert by_pixels.choice.threshold <= 40 / 250
    assert by_pixels.chosen.pixels.f1 > by_objects.chosen.pixels.f1
    assert by_pixels.bundles[0].validation["score"] == "pixels"


@pytest.mark.parametrize("criterion", ["IoU 0.3", "IoU 0.5", "overlap"])
def test_the_criterion_says_what_a_match_is(world, criterion):
    # At low thresholds slumps are found with a fringe: 10 x 10 px around 6 x 6 px.
    def bands(red):
        for row, col in SLUMPS:
            rows, cols = slice(row - 2, row + 8), slice(col - 2, col + 8)
            red[rows, cols] = np.maximum(red[rows, cols], 70)
        return [red]

    report = tuned(world.add(bands=bands, wrong=120), replace(PLAIN, criterion=criterion))
    assert report.chosen.objects[criterion].recall == 1.0
    assert (report.choice.threshold > 70 / 250) == (criterion == "IoU 0.5")


def test_small_false_finds_are_left_out_by_a_larger_least_area(world):
    def bands(red):
        red[30:34, 60:64] = red[60:64, 30:34] = 200  # 1,600 m2 beside slumps of 3,600 m2
        return [red]

    world.add(bands=bands, others=[]).add(bands=bands, others=[])
    kept = tuned(world)
    assert kept.choice.min_area_m2 == 1_000.0
    assert kept.chosen.objects["IoU 0.5"].precision < 0.8
    area = tuned(world, replace(PLAIN, is_area_tuned=True))
    assert area.choice.min_area_m2 == 2_000.0
    assert area.chosen.objects["IoU 0.5"].f1 == area.left_out.f1 == 1.0
    assert area.bundles[0].min_area_m2 == 2_000.0


def test_a_larger_least_area_takes_no_slump_off_the_labels(world):
    world.add()
    report = tuned(world, replace(PLAIN, is_area_tuned=True))
    assert report.choice.min_area_m2 == 1_000.0  # beyond 3,600 m2 there would be none to miss
    assert report.objects.n_true.tolist() == [5] * len(report.objects)


def test_slumps_below_the_least_area_do_not_count(world):
    world.add(slumps=[*SLUMPS])
    west, north = world.products.EAST + 800, world.products.NORTH - 200
    world.shapes.append(shapely.box(west, north - 20, west + 20, north))
    assert tuned(world).domain.n_slumps == 5
    assert tuned(world, replace(PLAIN, min_area_m2=100.0)).domain.n_slumps == 6


def test_disputed_finds_are_left_out_by_the_largest_spread(world):
    def bands(red):
        green = np.full_like(red, 20)
        for at in OTHERS:
            green[square(at)] = 45
        return [red, green]

    both = ("red", "green")
    world.add(wrong=100, bands=bands).add(wrong=100, bands=bands)
    ensemble = ensemble_of([bundle(seed, names=both) for seed in range(2)])
    plain = tuned(world, ensemble=ensemble, bands=both)
    assert plain.choice.max_spread is None
    assert plain.chosen.objects["IoU 0.5"].f1 < 0.8
    spread = tuned(world, replace(PLAIN, is_spread_tuned=True), ensemble, bands=both)
    assert spread.choice.max_spread == 0.15
    assert spread.chosen.objects["IoU 0.5"].f1 == 1.0
    assert {each.max_spread for each in spread.bundles} == {0.15}


def test_each_sensor_with_slumps_enough_gets_its_own_threshold(world):
    for _ in range(2):
        world.add(sensor="bright", said=200, wrong=150)
        world.add(sensor="faint", said=100, wrong=60)
    world.add(sensor="rare", said=40, wrong=2, slumps=SLUMPS[:2])
    sensors = ("bright", "faint", "rare")
    ensemble = ensemble_of([bundle(sensors=sensors)])
    report = tuned(world, replace(PLAIN, per="sensor", min_slumps=10), ensemble)
    made = ensemble_of(report.bundles)
    assert 150 / 250 < made.threshold_for("bright") <= 200 / 250
    assert 60 / 250 < made.threshold_for("faint") <= 100 / 250
    assert made.threshold_for("rare") == made.threshold
    groups = {group.name: group for group in report.groups}
    assert groups["bright"].f1 == groups["faint"].f1 == 1.0
    assert groups["rare"].threshold is None
    assert any("rare: 2 labelled slumps, fewer than 10" in line for line in report.lines())
    assert report.chosen.objects["IoU 0.5"].n_right == 20
    assert not any(line.startswith("that figure is with") for line in report.lines())


def test_each_region_gets_its_own_threshold_and_counts_as_one_place(world, tmp_path):
    for said, wrong in ((200, 150), (200, 150), (100, 60), (100, 60)):
        world.add(said=said, wrong=wrong)
    middle = world.products.EAST + 2 * PLACES_M - 500
    west, east = middle - 20_000, middle + 20_000
    south, north = world.products.NORTH - 5_000, world.products.NORTH + 5_000
    file = tmp_path / "parts.gpkg"
    pyogrio.raw.write(
        file,
        shapely.to_wkb(
            [shapely.box(west, south, middle, north), shapely.box(middle, south, east, north)]
        ),
        [np.array([1.0, 2.0])],
        ["code"],
        geometry_type="Polygon",
        crs=world.products.CRS,
    )
    regions = regions_in(file, "code")
    assert regions.names == ("parts/1", "parts/2")
    request = replace(PLAIN, per="region", regions=regions, min_slumps=10)
    report = tuned(world, request)
    made = ensemble_of(report.bundles)
    assert 150 / 250 < made.threshold_for("any", ["parts/1"]) <= 200 / 250
    assert 60 / 250 < made.threshold_for("any", ["parts/2"]) <= 100 / 250
    assert report.domain.n_places == 2
    assert report.domain.regions == ("parts/1", "parts/2")
    assert report.left_out.f1 < report.chosen.objects["IoU 0.5"].f1 == 1.0
    assert any("a region's own cannot be chosen without it" in line for line in report.lines())
    nowhere = World(tmp_path / "nowhere", world.products)
    nowhere.folder.mkdir()
    nowhere.n_scenes = 40
    lines = list(tuned(nowhere.add(), request).lines())
    assert any("no scene lies in a region" in line for line in lines)
    renamed = regions_in(file, "code", "arctic")
    assert renamed.names == ("arctic/1", "arctic/2")


CELL_PX = 6


def noisy_scene(world, seed, temperature=3.0):
    """A scene whose cells are slumps by chance, as their true logit says; told too boldly."""
    chance = np.random.default_rng(seed)
    n_cells = SIZE // CELL_PX
    true = chance.normal(-0.5, 0.6, (n_cells, n_cells))
    is_slump = chance.random(true.shape) < special.expit(true)
    said = np.rint(special.expit(true * temperature) * STEPS)
    said = np.kron(said, np.ones((CELL_PX, CELL_PX)))
    places = [
        (row * CELL_PX, col * CELL_PX) for row, col in zip(*np.nonzero(is_slump), strict=True)
    ]
    world.add(bands=lambda _red: [said], slumps=places, others=[])


@pytest.mark.parametrize("method", ["temperature", "isotonic"])
def test_calibration_is_judged_on_places_that_it_was_not_fitted_on(world, method):
    for seed in range(3):
        noisy_scene(world, seed)
    report = tuned(world, replace(PLAIN, calibration=method, score="pixels"))
    made = report.calibrated
    assert made.is_kept
    assert made.errors_after["width"] < 0.5 * made.errors_before["width"]
    p, q = np.array(report.bundles[0].curve).T
    true = special.expit(special.logit(0.1) / 3)
    assert np.interp(0.1, p, q) == pytest.approx(true, abs=0.08)
    validation = report.bundles[0].validation
    assert validation["is_ece_out_of_sample"]
    assert validation["ece_calibrated"] == pytest.approx(made.errors_after["width"], abs=1e-6)
    assert validation["ece"] == pytest.approx(made.errors_before["width"], abs=1e-6)


def test_a_calibration_that_does_not_carry_over_is_not_kept(world):
    noisy_scene(world, 0, temperature=3.0)
    noisy_scene(world, 1, temperature=0.3)
    report = tuned(world, replace(PLAIN, calibration="temperature", score="pixels"))
    assert not report.calibrated.is_kept
    assert report.bundles[0].curve == ()
    assert any("not kept" in line for line in report.lines())


def test_the_chosen_threshold_is_of_the_calibrated_mean(world):
    for seed in range(2):
        noisy_scene(world, seed)
    plain = tuned(world, replace(PLAIN, score="pixels"))
    scaled = tuned(world, replace(PLAIN, calibration="temperature", score="pixels"))
    p, q = np.array(scaled.bundles[0].curve).T
    assert np.interp(plain.choice.threshold, p, q) == pytest.approx(
        scaled.choice.threshold, abs=0.02
    )
    assert scaled.chosen.pixels.f1 == pytest.approx(plain.chosen.pixels.f1, abs=0.002)
    assert scaled.given.pixels == plain.given.pixels


def members_scene(world, seed, noise=(0.1, 3.0)):
    """A scene in which each band is what a member says."""
    chance = np.random.default_rng(seed)
    true = np.full((SIZE, SIZE), -3.0)
    origin = world.products.EAST + world.n_scenes * PLACES_M

    def bands(red):
        true[red == 100] = 3.0
        said = [special.expit(true + chance.normal(0, each, true.shape)) for each in noise]
        return [np.rint(each * STEPS) for each in said]

    world.add(bands=bands, others=[])
    return origin


BOTH = ("red", "green")


def test_weights_that_help_elsewhere_are_kept(world):
    for seed in range(3):
        members_scene(world, seed)
    ensemble = ensemble_of([bundle(seed, names=BOTH) for seed in range(2)])
    report = tuned(world, replace(PLAIN, is_weighted=True), ensemble, n_members=2, bands=BOTH)
    assert report.weighted.is_kept
    assert report.weighted.loss_weighted < report.weighted.loss_equal
    good = ensemble.bundles[0].name  # the first band is the first member's
    kept = {each.name: each.weight for each in report.bundles}
    assert kept[good] > 0.9
    assert report.given is None
    assert report.chosen.objects["IoU 0.5"].f1 > 0.9
    assert any(line.startswith("weights ") for line in report.lines())
    assert any("weights that were fitted on all places" in line for line in report.lines())


def test_weights_that_were_given_stay_where_none_are_fitted(world):
    ensemble = ensemble_of([bundle(0, weight=3.0), bundle(1)])
    report = tuned(world.add(), ensemble=ensemble)
    assert [each.weight for each in report.bundles] == [3.0, 1.0]


def test_weights_that_do_not_help_are_left_alike(world):
    for seed in range(3):
        members_scene(world, seed, noise=(1.0, 1.0))
    ensemble = ensemble_of([bundle(seed, names=BOTH, weight=float(seed + 1)) for seed in range(2)])
    report = tuned(world, replace(PLAIN, is_weighted=True), ensemble, n_members=2, bands=BOTH)
    assert not report.weighted.is_kept
    assert {each.weight for each in report.bundles} == {1.0}
    assert any("do not earn" in line for line in report.lines())
    unasked = tuned(world, PLAIN, ensemble, bands=BOTH)
    assert sorted(each.weight for each in unasked.bundles) == [1.0, 2.0]


def test_one_model_has_neither_weight_nor_spread(world):
    world.add()
    for asked in ({"is_weighted": True}, {"is_spread_tuned": True}):
        with pytest.raises(UsageError, match="one model alone"):
            tuned(world, replace(PLAIN, **asked))


def test_scenes_of_one_place_are_no_proof_of_each_other(world):
    world.add()
    world.n_scenes = 0
    path = world.folder / "any"
    (path / "place0_20210801.tif").rename(path / "first_20210701.tif")
    world.add()
    report = tuned(world)
    assert report.domain.n_scenes == 2
    assert report.domain.n_places == 1
    assert report.are_scenes_places
    assert any("of one place" in line for line in report.lines())


def test_one_scene_alone_tells_nothing_of_others(world):
    report = tuned(world.add())
    assert report.left_out is None
    assert report.bundles[0].validation["f1_left_out"] is None
    assert any("nothing is known" in line for line in report.lines())


def test_a_scene_that_is_not_the_models_is_told_and_the_rest_goes_on(world):
    world.add(sensor="ours").add(sensor="others")
    report = tuned(world, ensemble=ensemble_of([bundle(sensors=("ours",))]))
    assert report.domain.n_scenes == 1
    (fault,) = report.faults
    assert "is for ours, not others" in fault.reason
    assert report.bundles[0].validation["sensors"] == ["ours"]


def test_labels_that_fit_no_scene_are_refused_in_one_line(world):
    world.add(slumps=[])
    world.shapes = [shapely.box(0, 0, 100, 100)]
    with pytest.raises(InputError, match="no labelled slump") as refused:
        tuned(world)
    assert "\n" not in str(refused.value)


def test_an_ensemble_that_sees_nothing_is_told_so_and_written_all_the_same(world, tmp_path):
    world.add(said=2, wrong=2)
    report = tuned(world, replace(PLAIN, out=tmp_path / "tuned"))
    assert report.chosen.objects["IoU 0.5"].f1 == 0.0
    assert read_ensemble(report.folders).recall == 0.0
    validation = read_ensemble(report.folders).bundles[0].validation
    assert validation["f1"] == 0.0
    assert validation["ece_doubtful"] is None  # there is no such pixel
    json.dumps(report.json(), allow_nan=False)
    assert not any("nan" in line for line in report.lines())


def test_test_time_augmentation_goes_into_the_bundles(world):
    world.add()
    report = tuned(world, replace(PLAIN, tta="flips"))
    assert report.given is None
    assert tuned(world, replace(PLAIN, tta="none")).given is not None
    assert report.bundles[0].tta == "flips"
    assert report.bundles[0].validation["tta"] == "flips"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"score": "lines"}, "objects, pixels"),
        ({"criterion": "IoU 0.9"}, "IoU 0.3"),
        ({"per": "year"}, "sensor, region"),
        ({"per": "region"}, "--regions"),
        ({"calibration": "beta"}, "isotonic"),
        ({"tta": "all"}, "flips"),
        ({"name": "../out"}, "letters"),
        ({"min_area_m2": -1.0}, "0 or more"),
        ({"score": "pixels", "is_area_tuned": True}, "--score objects"),
    ],
)
def test_a_request_that_cannot_be_is_refused(world, asked, said):
    with pytest.raises(UsageError, match=said):
        tuned(world.add(), replace(PLAIN, **asked))


def test_tuned_bundles_are_written_and_the_given_ones_stay(world, tmp_path):
    world.add().add()
    given = tmp_path / "given"
    for seed in range(2):
        write_bundle(bundle(seed), given)
    before = {file: file.read_bytes() for file in given.rglob("*") if file.is_file()}
    out = tmp_path / "tuned"
    report = tuned(world, replace(PLAIN, out=out), read_ensemble([given]))
    assert [folder.name for folder in report.folders] == ["drawn-0", "drawn-1"]
    assert read_ensemble([out]).threshold == report.choice.threshold
    assert {file: file.read_bytes() for file in given.rglob("*") if file.is_file()} == before
    again = tuned(world, replace(PLAIN, out=out), read_ensemble([given]))
    assert [each.sha256 for each in again.bundles] == [each.sha256 for each in report.bundles]
    retuned = tuned(world, replace(PLAIN, out=tmp_path / "again"), read_ensemble([out]))
    assert retuned.choice == report.choice
    with pytest.raises(UsageError, match="is one of the bundles to tune"):
        tuned(world, replace(PLAIN, out=given), read_ensemble([given]))
    with pytest.raises(UsageError, match="holds other bundles"):
        tuned(world, replace(PLAIN, out=given, name="new"), read_ensemble([given]))


def test_bundles_tuned_otherwise_are_not_overwritten(world, tmp_path):
    world.add().add()
    out = tmp_path / "tuned"
    tuned(world, replace(PLAIN, out=out))
    before = (out / "drawn-0" / "bundle.json").read_bytes()
    with pytest.raises(InputError, match="another bundle is there"):
        tuned(world, replace(PLAIN, out=out, criterion="overlap"))
    assert (out / "drawn-0" / "bundle.json").read_bytes() == before
    named = tuned(world, replace(PLAIN, out=tmp_path / "new", name="mine"))
    assert named.folders == (tmp_path / "new" / "mine",)


def test_the_order_of_scenes_changes_nothing(world):
    for said in (90, 110, 130):
        world.add(said=said)
    ensemble = ensemble_of([bundle()])
    scenes, labels = world.scenes(), world.labels
    reports = [
        tune(ensemble, order, labels, PLAIN, predictor=Drawn()) for order in (scenes, scenes[::-1])
    ]
    assert reports[0].bundles[0].sha256 == reports[1].bundles[0].sha256


def test_the_report_is_told_as_json(world):
    report = tuned(world.add().add())
    told = json.loads(json.dumps(report.json(dt.date(2026, 1, 2)), allow_nan=False))
    assert told["tuned_on"] == "2026-01-02"
    assert told["choice"]["threshold"] == report.choice.threshold
    assert told["scores"]["chosen"]["objects"]["iou 0.5"]["f1"] == 1.0
    assert told["scores"]["left_out"]["n_true"] == 10
    assert len(told["curves"]["pixels"]["threshold"]) == 250
    assert len(told["curves"]["objects"]["n_right"]) == len(told["curves"]["objects"]["threshold"])
    assert told["calibration"]["before"]["ece"]["width"] > 0


def test_an_ensemble_is_judged_on_scenes_that_it_was_not_tuned_on(world, tmp_path, products):
    world.add().add()
    made = ensemble_of(tuned(world).bundles)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    held_out = World(elsewhere, products)
    held_out.n_scenes = 5
    held_out.add(said=95, wrong=65)
    judged = judge(made, held_out.scenes(), held_out.labels, PLAIN, predictor=Drawn())
    assert judged.chosen.objects["IoU 0.5"].f1 == 1.0
    assert judged.at_half.objects["IoU 0.5"].f1 == 0.0
    assert judged.domain.n_slumps == 5
    assert judged.errors_before == judged.errors_after


def test_what_is_judged_after_calibration_is_what_the_curve_makes_of_it(world):
    curve = ((0.0, 0.0), (0.4, 0.9), (1.0, 1.0))
    ensemble = ensemble_of([bundle(curve=curve)])
    judged = judge(ensemble, world.add().scenes(), world.labels, TuneRequest(), predictor=Drawn())
    through = judged.before.through(curve_bytes(curve)).counts
    assert judged.after.counts.tolist() == through.tolist() != judged.before.counts.tolist()
    assert judged.errors_after["width"] != judged.errors_before["width"]


def test_an_ensemble_that_was_tuned_before_is_predicted_without_its_curve():
    curve = ((0.0, 0.0), (0.4, 0.9), (1.0, 1.0))
    assert tunable(ensemble_of([bundle(curve=curve)]), TuneRequest()).curve == ()


def test_the_domain_of_scenes_is_told(world):
    domain = tuned(world.add().add()).domain
    assert domain.n_scenes == 2
    assert domain.clear_km2 == pytest.approx(2 * (SIZE * GSD_M) ** 2 / 1e6, rel=0.01)
    assert domain.seasons == (2021,)
    assert domain.observed == (dt.date(2021, 8, 1), dt.date(2021, 8, 2))
    west, south, east, north = domain.bounds
    middle = shapely.Point(world.products.EAST + 3_000, world.products.NORTH - 500)
    lon, lat = grid.transformer(world.products.CRS, "EPSG:4326").transform(middle.x, middle.y)
    assert west < lon < east
    assert south < lat < north


def test_what_does_no_better_elsewhere_is_said(world):
    # In each place another threshold is best, and neither is 0.5, which is never quite wrong.
    world.add(said=140, wrong=60, slumps=SLUMPS[:3]).add(said=240, wrong=200, slumps=SLUMPS[:3])
    report = tuned(world)
    half, out = report.at_half.objects["IoU 0.5"].f1, report.left_out.f1
    assert out < half
    assert any("more labelled scenes are needed" in line for line in report.lines())
    assert not any("more labelled" in line for line in tuned(world.add().add().add()).lines())


def test_footprints_of_the_tuned_ensemble_are_those_that_were_scored(world):
    """The threshold is of the calibrated mean, and was tried on the mean as it was."""
    for seed in range(3):
        noisy_scene(world, seed)
    report = tuned(world, replace(PLAIN, calibration="isotonic"))
    (made,) = report.bundles
    assert made.curve
    table, total = curve_bytes(made.curve), ObjectScore()
    for scene in world.scenes():
        with open_stack(scene, ("red",), Auxiliary()) as stack:
            said = Drawn().predict(stack)
        params = ExtractParams(threshold=made.threshold, min_area_m2=made.min_area_m2)
        drawn = extract(table[said.probability], said.spread, scene.grid, params)
        total += score_objects(
            Search(
                drawn=drawn.geometry,
                is_clipped=drawn.is_clipped,
                true=world.labels.of(scene),
                is_active=np.ones(len(world.shapes), dtype=bool),
                beside=np.empty(0, dtype=object),
                lookalikes={},
                looked=mask_polygons(said.probability != 255, scene.grid),
                min_area_m2=1_000.0,
            )
        )
    assert dict(total.tallies) == dict(report.chosen.objects)
    assert made.recall == total.tallies["overlap"].recall
