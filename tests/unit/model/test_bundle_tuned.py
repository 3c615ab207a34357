"""What tuning adds to a bundle: how it is written, read and refused, and what an ensemble has."""

import json

import numpy as np
import pytest

from rts_track.errors import InputError
from rts_track.model.bundle import Threshold, ensemble_of, read_bundle, read_ensemble, write_bundle
from rts_track.model.curve import curve_bytes
from rts_track.model.manifest import to_json
from rts_track.model.showing import bundle_lines

TUNED = {
    "weight": 0.7,
    "curve": ((0.0, 0.0), (0.5, 0.3), (1.0, 0.9)),
    "thresholds": (
        Threshold(sensor="sentinel2", region=None, threshold=0.4),
        Threshold(sensor=None, region="parts/north", threshold=0.3),
    ),
    "max_spread": 0.2,
    "tta": "flips",
    "validation": {"n_slumps": 41, "f1": {"at_half": 0.5, "chosen": 0.6}},
}

SHIPPED = {
    "demo-sentinel2-1": "eeb1667721839fa21695a1d21f0cb777688726a6980963ad5a8176a64a9056de",
    "demo-sentinel2-2": "ef7731e938740a40a1cc61ec6625d5e6c312631f27a27f2322e10a7d13c57b60",
    "demo-sentinel2-3": "2bfd14dde3f0946d03cc89a5979057cf4c41d9c2ee8e4736921edacaaf269b52",
}
"""Digests from before there was a version 2: stored looks depend on them."""


def test_shipped_bundles_keep_their_digests(tmp_path):
    shipped = read_ensemble(["demo-sentinel2"])
    assert {bundle.name: bundle.sha256 for bundle in shipped.bundles} == SHIPPED
    assert shipped.sha256 == "9db20859a2fde425ab86ccc372bb959237d33945cd9bb495a9892b03bfbeb328"
    for bundle in shipped.bundles:
        folder = write_bundle(bundle, tmp_path)
        before = bundle.weights.with_name("bundle.json").read_bytes()
        assert (folder / "bundle.json").read_bytes() == before


def test_what_is_as_by_default_is_not_written(make_bundle):
    content = to_json(make_bundle())
    assert content["format_version"] == 1
    assert not set(TUNED) & set(content)


@pytest.mark.parametrize("entry", sorted(TUNED))
def test_each_entry_of_version_2_comes_back_and_changes_the_digest(make_bundle, tmp_path, entry):
    plain, bundle = make_bundle(), make_bundle(**{entry: TUNED[entry]})
    content = to_json(bundle)
    assert content["format_version"] == 2
    assert set(TUNED) & set(content) == {entry}
    read = read_bundle(write_bundle(bundle, tmp_path))
    assert read == bundle
    assert read.sha256 == bundle.sha256 != plain.sha256


def test_a_manifest_of_version_2_without_its_entries_is_one_of_version_1(make_bundle, tmp_path):
    bundle = make_bundle()
    manifest = write_bundle(bundle, tmp_path) / "bundle.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "format_version": 2, "weight": 1.0, "curve": []}))
    assert read_bundle(manifest.parent).sha256 == bundle.sha256


def test_version_1_knows_no_entry_of_version_2(make_bundle, tmp_path):
    manifest = write_bundle(make_bundle(), tmp_path) / "bundle.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "weight": 2.0}))
    with pytest.raises(InputError, match="unknown entry weight"):
        read_bundle(manifest.parent)


REGION = {"sensor": None, "region": "parts/north", "threshold": 0.3}


@pytest.mark.parametrize(
    ("entry", "value", "said"),
    [
        ("weight", 0, "a number from 0 to"),
        ("weight", -1.0, "a number from 0 to"),
        ("weight", 10**400, "a number from 0 to"),
        ("weight", 1e300, "a number from 0 to"),
        ("weight", True, "a number"),
        ("weight", None, "a number"),
        ("curve", [[0.0, 0.1]], "2 to 1,000 knots"),
        ("curve", [[i / 2000, 0.5] for i in range(1500)], "2 to 1,000 knots"),
        ("curve", {"p": [0, 1]}, "2 to 1,000 knots"),
        ("curve", [[0.0, 0.0], [0.0, 1.0]], "rising knots"),
        ("curve", [[0.5, 0.0], [0.2, 1.0]], "rising knots"),
        ("curve", [[0.0, 0.6], [1.0, 0.5]], "rising knots"),
        ("curve", [[0.0, 0.0], [1.1, 1.0]], "a number from 0 to 1"),
        ("curve", [[0.0, 0.0], [1.0, -0.1]], "a number from 0 to 1"),
        ("curve", [[0.0, 0.0], [1.0]], "knots of two numbers"),
        ("curve", [0.0, 1.0], "knots of two numbers"),
        ("curve", [[0.0, "0"], [1.0, 1.0]], "a number"),
        ("thresholds", {"sentinel2": 0.4}, "a list of thresholds"),
        ("thresholds", [REGION, REGION], "one threshold for each"),
        ("thresholds", [{**REGION, "region": None}], "a sensor, a region or both"),
        ("thresholds", [{**REGION, "region": "north"}], "set/code"),
        ("thresholds", [{**REGION, "region": "/north"}], "set/code"),
        ("thresholds", [{**REGION, "region": 3}], "a text"),
        ("thresholds", [{**REGION, "threshold": 0}], "a number from 0 to 1"),
        ("thresholds", [{**REGION, "sensor": "../x"}], "a name"),
        ("thresholds", [{"region": "parts/north", "threshold": 0.3}], "sensor, region and"),
        ("thresholds", ["parts/north"], "a mapping"),
        ("max_spread", -0.1, "a number from 0 to 1"),
        ("max_spread", "much", "a number"),
        ("tta", "all", "none or flips or d4"),
        ("tta", ["d4"], "none or flips or d4"),
        ("validation", [1], "a mapping"),
    ],
)
def test_an_entry_that_cannot_be_is_refused_in_one_line(make_bundle, tmp_path, entry, value, said):
    manifest = write_bundle(make_bundle(), tmp_path) / "bundle.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "format_version": 2, entry: value}))
    with pytest.raises(InputError) as refused:
        read_bundle(manifest.parent)
    line = str(refused.value)
    assert "\n" not in line
    assert said in line
    assert entry in line
    assert len(line) < 400


def test_what_cannot_be_read_back_is_not_written(make_bundle, tmp_path):
    with pytest.raises(InputError, match="curve"):
        write_bundle(make_bundle(curve=((0.5, 0.0), (0.2, 1.0))), tmp_path)
    with pytest.raises(InputError, match="weight"):
        write_bundle(make_bundle(weight=0.0), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("entry", sorted(set(TUNED) - {"weight"}))
def test_members_that_disagree_about_the_ensemble_are_refused(make_bundle, entry):
    with pytest.raises(InputError, match=f"{entry} is") as refused:
        ensemble_of([make_bundle(), make_bundle(1, **{entry: TUNED[entry]})])
    assert len(str(refused.value)) < 250


def test_an_ensemble_has_what_its_members_share(make_bundle):
    shared = {name: value for name, value in TUNED.items() if name != "weight"}
    ensemble = ensemble_of([make_bundle(seed, **shared) for seed in range(2)])
    assert ensemble.curve == TUNED["curve"]
    assert ensemble.thresholds == TUNED["thresholds"]
    assert ensemble.max_spread == 0.2
    assert ensemble.tta == "flips"


def test_weights_add_up_to_one_in_the_order_of_the_bundles(make_bundle):
    ensemble = ensemble_of([make_bundle(seed, weight=float(seed + 1)) for seed in range(3)])
    for bundle, weight in zip(ensemble.bundles, ensemble.weights, strict=True):
        assert weight == pytest.approx(bundle.weight / 6)
    equal = ensemble_of([make_bundle(seed, weight=0.3) for seed in range(3)])
    assert equal.weights == (1 / 3, 1 / 3, 1 / 3)
    least = ensemble_of([make_bundle(seed, weight=5e-324 * (seed + 1)) for seed in range(3)])
    assert sum(least.weights) == pytest.approx(1.0)


def test_the_most_specific_threshold_counts(make_bundle):
    thresholds = (
        Threshold(sensor="sentinel2", region=None, threshold=0.4),
        Threshold(sensor=None, region="parts/north", threshold=0.3),
        Threshold(sensor="sentinel2", region="parts/north", threshold=0.2),
        Threshold(sensor=None, region="parts/south", threshold=0.6),
    )
    ensemble = ensemble_of([make_bundle(thresholds=thresholds)])
    assert ensemble.threshold_for("planetscope") == 0.5
    assert ensemble.threshold_for("sentinel2") == 0.4
    assert ensemble.threshold_for("sentinel2", ["parts/east"]) == 0.4
    assert ensemble.threshold_for("sentinel2", ["parts/south"]) == 0.6
    assert ensemble.threshold_for("planetscope", ["parts/north"]) == 0.3
    assert ensemble.threshold_for("sentinel2", ["parts/north"]) == 0.2
    assert ensemble.threshold_for("planetscope", {"parts/south", "parts/north"}) == 0.3


def test_show_says_what_was_tuned(make_bundle):
    lines = "\n".join(bundle_lines(make_bundle(**TUNED)))
    for said in (
        "0.7 among the members",
        "3 knots",
        "threshold sentinel2 0.4",
        "threshold parts/north 0.3",
        "at most 0.2",
        "flips",
        "  validation",
        "n_slumps             41",
    ):
        assert said in lines
    assert "validation" not in "\n".join(bundle_lines(make_bundle()))


def test_a_curve_is_applied_to_stored_bytes():
    table = curve_bytes(((0.2, 0.0), (0.6, 0.4), (0.8, 1.0)))
    assert table[[0, 50, 100, 150, 175, 200, 250]].tolist() == [0, 0, 50, 100, 175, 250, 250]
    assert table[255] == 255
    assert (np.diff(table[:251].astype(int)) >= 0).all()
    assert curve_bytes(())[:251].tolist() == list(range(251))
    assert curve_bytes(())[255] == 255
