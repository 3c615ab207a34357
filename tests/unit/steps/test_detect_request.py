"""What a search is called: the same for ever, where nothing that decides of it is another."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from rts_track.errors import UsageError
from rts_track.model.bundle import (
    Architecture,
    Bundle,
    Calibration,
    Input,
    Threshold,
    ensemble_of,
    read_ensemble,
)
from rts_track.steps.detect_plan import search_of
from rts_track.steps.detect_request import DetectRequest

SCENE = {
    "source": "planetscope",
    "scene_id": "planetscope:20210722_210957_92_2212",
    "content_sha256": "0" * 64,
    "season_year": 2021,
    "observed_from": dt.date(2021, 7, 22),
    "observed_to": dt.date(2021, 7, 22),
}
BUNDLE = Bundle(
    name="first",
    architecture=Architecture(name="Unet"),
    inputs=(Input(name="red", low=0.0, high=0.5),),
    fill=0.0,
    sensors=("planetscope",),
    gsd_range_m=(3.0, 5.0),
    threshold=0.5,
    min_area_m2=100.0,
    calibration=Calibration(),
    delineation_sigma_m=2.0,
    recall=0.8,
    kind="landform",
    licence="MIT",
    citation=None,
    training={},
    weights_sha256="first",
    weights=b"",
)
FIRST = ensemble_of([BUNDLE])
TUNED = ensemble_of(
    [
        replace(
            BUNDLE,
            thresholds=(
                Threshold(sensor="planetscope", region=None, threshold=0.6),
                Threshold(sensor=None, region="areas/A", threshold=0.7),
            ),
            max_spread=0.2,
            tta="flips",
        )
    ]
)


def look_id(ensemble, sensor="planetscope", regions=(), **asked):
    request = DetectRequest(**asked)
    params = request.extract_params(ensemble, sensor, regions)
    return search_of(SCENE, ensemble, params, request.other_tta(ensemble)).look_id


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, "d9274e2f-fe52-5c0b-929d-d73e78f81efd"),
        (
            {"threshold": 0.625, "min_area_m2": 500.0, "smooth_m": 5.0},
            "e47d8494-1c91-52cd-af3a-ba0e450a7559",
        ),
    ],
)
def test_ids_of_searches_are_those_that_stores_hold(asked, expected):
    """As rts-track 0.1.0 gave them, when there was no spread, augmentation or device to choose."""
    assert look_id(FIRST, **asked) == expected
    assert look_id(FIRST, **asked, devices=("cuda:0", "cpu")) == expected
    assert look_id(FIRST, **asked, tta="none") == expected
    assert look_id(FIRST, **asked, max_spread=1.0) == expected


def test_the_shipped_ensemble_s_searches_keep_their_ids():
    ensemble = read_ensemble(["demo-sentinel2"])
    assert look_id(ensemble, smooth_m=5.0) == "e565a454-6306-532a-9fd5-a0f821f68fb2"


def test_what_decides_of_what_is_found_makes_another_search():
    searches = [
        look_id(FIRST),
        look_id(FIRST, max_spread=0.2),
        look_id(FIRST, max_spread=0.0),
        look_id(FIRST, tta="flips"),
        look_id(FIRST, tta="d4"),
        look_id(FIRST, threshold=0.6),
        look_id(TUNED),
        look_id(TUNED, sensor="landsat"),
        look_id(TUNED, regions=("areas/A",)),
        look_id(TUNED, tta="none"),
        look_id(TUNED, max_spread=1.0),
    ]
    assert len(set(searches)) == len(searches)
    assert look_id(TUNED, tta="flips", max_spread=0.2, threshold=0.6) == look_id(TUNED)


def test_the_threshold_is_what_is_asked_for_else_that_of_region_sensor_or_ensemble():
    def threshold(sensor, *regions, **asked):
        return DetectRequest(**asked).extract_params(TUNED, sensor, regions).threshold

    assert threshold("landsat") == 0.5
    assert threshold("planetscope") == 0.6
    assert threshold("landsat", "areas/A") == threshold("planetscope", "areas/A") == 0.7
    assert threshold("planetscope", "areas/B") == 0.6
    assert threshold("planetscope", "areas/A", threshold=0.9) == 0.9


def test_a_recall_holds_for_searches_as_the_bundles_mean_them():
    def is_as_meant(ensemble, **asked):
        return DetectRequest(**asked).is_as_meant(ensemble)

    for ensemble in (FIRST, TUNED):
        assert is_as_meant(ensemble)
        assert is_as_meant(ensemble, smooth_m=3.0, min_area_m2=100.0, tta=ensemble.tta)
        assert not is_as_meant(ensemble, min_area_m2=99.0)
        assert not is_as_meant(ensemble, max_spread=0.1)
        assert not is_as_meant(ensemble, tta="d4")
        assert not is_as_meant(ensemble, threshold=0.4)
    assert is_as_meant(FIRST, threshold=0.5)
    assert not is_as_meant(TUNED, threshold=0.5), "its scenes have several"
    assert not is_as_meant(TUNED, max_spread=1.0)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"threshold": 0.0}, "threshold 0.0"),
        ({"min_area_m2": -1.0}, "minimum area"),
        ({"max_spread": 1.5}, "max_spread 1.5: expected 0 to 1"),
        ({"max_spread": float("nan")}, "max_spread nan"),
        ({"tta": "d5"}, "tta 'd5': there are none, flips, d4"),
        ({"devices": ("cuda", "cuda:0")}, "device cuda:0 is named twice"),
    ],
)
def test_what_cannot_be_is_refused(asked, said):
    with pytest.raises(UsageError, match=said):
        DetectRequest(**asked).check(FIRST)
