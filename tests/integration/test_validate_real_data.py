"""Validation on real outlines: twelve experts of one site, and two inventories of another."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from rts_track.steps.training_labels import LabelFields, labels_in
from rts_track.steps.validating import ValidateRequest, validate, validate_stored
from rts_track.track.score_objects import OVERLAP
from rts_track.track.score_validation import CONSENSUS, FOUND, OTHERS, Sample, ValidationParams
from rts_track.track.score_validation_estimates import AREAS, BOUNDARY

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def site(real_data):
    return real_data / "rts_digitization_peel"


@pytest.fixture(scope="module")
def beside_eleven(site):
    """The first expert beside the other eleven."""
    first, *others = sorted(site.glob("experts/*/*.shp"))
    request = ValidateRequest(
        truths=tuple(others), found=first, area=site / "Peel_AOI_2500.geojson"
    )
    return validate_stored(None, request, ValidationParams(n_replicates=300))


def test_an_expert_agrees_with_the_others_as_they_do_among_themselves(beside_eleven):
    report = beside_eleven
    assert report.compared.annotators == tuple(f"{number:02}" for number in range(2, 13))
    assert report.n_skipped == 1  # of no area
    pairs = report.annotators.pairs
    assert len(pairs[OVERLAP, "F1"].each) == 55
    assert pairs[OVERLAP, "F1"].mean.value == pytest.approx(0.80, abs=0.01)
    assert pairs[AREAS, "F1"].mean.value == pytest.approx(0.73, abs=0.01)
    low, high = pairs[AREAS, "IoU"].span
    assert (low, high) == pytest.approx((0.34, 0.76), abs=0.01)
    mean = pairs[AREAS, "IoU"].mean
    assert low < mean.low < mean.value < mean.high < high


def test_the_site_is_one_block_so_places_are_drawn_and_it_says_so(beside_eleven):
    report = beside_eleven
    assert (report.main.resampled, report.main.n_blocks, report.main.n_places) == ("places", 1, 10)
    assert report.main.looked_m2 == pytest.approx(2_500**2, rel=2e-3)
    lines = "\n".join(report.lines())
    assert "fewer than 5 blocks, so places were drawn" in lines


def test_areas_agree_with_pixels_of_a_metre(beside_eleven, site):
    """The consensus of eleven, drawn again in pixels of the site's own projection."""
    import pyogrio
    from affine import Affine
    from rasterio.features import rasterize

    area = shapely.from_geojson((site / "Peel_AOI_2500.geojson").read_text()).geoms[0]
    west, south, east, north = area.bounds
    size = round(north - south), round(east - west)
    frame = Affine(1.0, 0.0, west, 0.0, -1.0, north)
    drawn = []
    for file in sorted(site.glob("experts/*/*.shp")):
        polygons = shapely.make_valid(shapely.from_wkb(pyogrio.raw.read(file)[2]))
        polygons = [each for each in polygons if each.area > 0.0]
        drawn.append(rasterize(polygons, out_shape=size, transform=frame).astype(bool))
    first, others = drawn[0], np.array(drawn[1:])
    agreed = 2 * others.sum(axis=0) > len(others)
    iou = (first & agreed).sum() / (first | agreed).sum()
    assert beside_eleven.main.measures[AREAS, "IoU"].value == pytest.approx(iou, abs=0.004)
    one, other = others[0], others[1]
    iou = (one & other).sum() / (one | other).sum()
    assert beside_eleven.annotators.pairs[AREAS, "IoU"].each[0] == pytest.approx(iou, abs=0.002)


def test_the_others_consensus_leaves_the_expert_out(beside_eleven):
    report = beside_eleven
    alone = report.score_of("05", OTHERS)
    with_it = report.score_of(FOUND, CONSENSUS)
    assert alone.true_m2 != with_it.true_m2
    assert report.annotators.others[AREAS, "F1"].mean.value == pytest.approx(0.79, abs=0.02)


def test_two_inventories_are_compared_where_both_looked(real_data):
    """Nitze's labels of one image beside Barth's slumps of that season, at NK."""
    file = "TrainingLabel_RTS_PlanetScope_Nitze_iteration001.gpkg"
    labels = labels_in(real_data / "nitze_labels" / file, LabelFields(scene="image_id"))
    found = labels.polygons[labels.scenes == "20190813_082915_68_105c"]
    true = barth(real_data, "NK", 2019)
    around = [around_all(each) for each in (found, true)]
    sample = Sample(found=found, truths={"barth2023": true}, looked=shapely.intersection(*around))
    report = validate([sample], ValidationParams(n_replicates=200, block_m=500.0))
    tally = report.main.tallies[OVERLAP]
    assert (tally.n_true, tally.n_found, tally.n_right) == (25, 22, 18)
    iou = report.main.measures[AREAS, "IoU"]
    assert iou.value == pytest.approx(0.87, abs=0.01)
    assert iou.low < iou.value < iou.high
    assert 5.0 < report.main.measures[BOUNDARY, "mean_m"].value < 40.0


def test_outlines_that_came_from_the_same_hand_are_no_second_opinion(real_data):
    """Nitze's labels of ET are Barth's outlines: all alike, some twice, as validation shows."""
    file = "TrainingLabel_RTS_PlanetScope_Nitze_iteration002.gpkg"
    found = labels_in(real_data / "nitze_labels" / file, LabelFields()).polygons
    true = barth(real_data, "ET", 2020)
    sample = Sample(found=found, truths={"barth2023": true}, looked=around_all(true))
    main = validate([sample], ValidationParams(n_replicates=0)).main
    assert main.measures[BOUNDARY, "p95_m"].value == pytest.approx(0.0, abs=0.01)
    assert main.measures[AREAS, "IoU"].value == pytest.approx(1.0, abs=0.01)
    assert main.tallies[OVERLAP].recall == 1.0
    assert main.tallies[OVERLAP].n_found > main.tallies[OVERLAP].n_true


def barth(folder, site, season):
    labels = labels_in(folder / "barth2023" / site / f"{site}_RTS.shp", LabelFields(season="year"))
    return labels.polygons[labels.seasons == season]


def around_all(polygons):
    hull = shapely.convex_hull(shapely.multipoints(shapely.get_coordinates(polygons)))
    return shapely.buffer(hull, 100.0)
