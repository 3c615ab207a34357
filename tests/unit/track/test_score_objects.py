"""Searches drawn as boxes of metres, and how well they found what is true."""

import numpy as np
import pytest
import shapely

from rts_track.track.score_objects import CRITERIA, ObjectScore, Search, score_objects
from rts_track.track.tally import Tally

EVERYWHERE = (-1000, -1000, 1000, 1000)


def boxes(*bounds):
    return np.array([shapely.box(*each) for each in bounds], dtype=object)


def search(
    drawn,
    true,
    looked=EVERYWHERE,
    *,
    clipped=(),
    still=(),
    beside=(),
    lookalikes=None,
    min_area_m2=10.0,
):
    return Search(
        drawn=boxes(*drawn),
        is_clipped=np.isin(np.arange(len(drawn)), clipped),
        true=boxes(*true),
        is_active=~np.isin(np.arange(len(true)), still),
        beside=boxes(*beside),
        lookalikes={kind: boxes(*each) for kind, each in (lookalikes or {}).items()},
        looked=shapely.box(*looked),
        min_area_m2=min_area_m2,
    )


def tally(n_true, n_found, n_right):
    return Tally(n_true=n_true, n_found=n_found, n_right=n_right)


def test_what_is_drawn_as_it_is_is_right_by_every_criterion():
    score = score_objects(search([(0, 0, 10, 10)], [(0, 0, 10, 10)]))
    assert score.tallies == dict.fromkeys(CRITERIA, tally(1, 1, 1))
    assert score.area_ratio_median == score.area_ratio_total == 1.0


def test_a_missed_object_and_a_false_one_are_told_apart():
    score = score_objects(search([(0, 0, 10, 10), (50, 0, 60, 10)], [(0, 0, 10, 10)] * 1))
    assert score.tallies["IoU 0.5"] == tally(1, 2, 1)
    score = score_objects(search([(0, 0, 10, 10)], [(0, 0, 10, 10), (50, 0, 60, 10)]))
    assert score.tallies["IoU 0.5"] == tally(2, 1, 1)


def test_a_drawing_half_the_size_is_right_by_overlap_and_low_iou_alone():
    score = score_objects(search([(0, 0, 4, 10)], [(0, 0, 10, 10)]))
    assert score.tallies["IoU 0.3"].n_right == score.tallies["overlap"].n_right == 1
    assert score.tallies["IoU 0.5"] == tally(1, 1, 0)
    assert score.area_ratio_median == pytest.approx(0.4)


def test_an_object_in_two_pieces_is_found_once_and_one_piece_is_wrong():
    score = score_objects(search([(0, 0, 4, 10), (6, 0, 10, 10)], [(0, 0, 10, 10)]))
    assert score.tallies["overlap"] == tally(1, 2, 1)


def test_two_objects_drawn_as_one_are_one_found_and_one_missed():
    score = score_objects(search([(0, 0, 20, 10)], [(0, 0, 9, 10), (11, 0, 20, 10)]))
    assert score.tallies["overlap"] == tally(2, 1, 1)


def test_an_object_mostly_under_cloud_is_neither_missed_nor_found():
    looked = (0, 0, 100, 100)
    true = [(-6, 0, 4, 10)]
    assert score_objects(search([], true, looked)).tallies["overlap"] == tally(0, 0, 0)
    drawn = [(0, 0, 4, 10)]
    assert score_objects(search(drawn, true, looked)).tallies["overlap"] == tally(0, 0, 0)


def test_of_an_object_half_under_cloud_its_clear_part_is_to_be_found():
    drawn, true, looked = [(0, 0, 5, 10)], [(-5, 0, 5, 10)], (0, 0, 100, 100)
    score = score_objects(search(drawn, true, looked))
    assert score.tallies["IoU 0.5"] == tally(1, 1, 1)
    assert score.area_ratio_median is None, "what is seen in part tells nothing of area"


def test_objects_below_the_minimum_area_are_neither_missed_nor_found():
    small = [(0, 0, 5, 5)]
    assert score_objects(search([], small, min_area_m2=30)).tallies["overlap"] == tally(0, 0, 0)
    drawn = [(0, 0, 6, 6)]
    assert score_objects(search(drawn, small, min_area_m2=30)).tallies["overlap"] == tally(0, 0, 0)


def test_a_scar_that_lies_still_is_neither_missed_nor_found():
    still = [(0, 0, 10, 10)]
    assert score_objects(search([], still, still=[0])).tallies["overlap"] == tally(0, 0, 0)
    assert score_objects(search(still, still, still=[0])).tallies["overlap"] == tally(0, 0, 0)


def test_debris_is_no_slump_but_to_draw_it_is_no_fault():
    scar, tongue = (0, 0, 10, 10), (0, -30, 10, 0)
    score = score_objects(search([scar, (0, -28, 10, -2)], [scar], beside=[tongue]))
    assert score.tallies["IoU 0.5"] == tally(1, 1, 1)
    both = score_objects(search([(0, -30, 10, 10)], [scar], beside=[tongue]))
    assert both.tallies["IoU 0.3"] == tally(1, 0, 0)
    assert both.tallies["overlap"] == tally(1, 1, 1)
    assert both.area_ratio_median == 4.0


def test_what_is_wrong_is_told_by_what_it_lies_on():
    burn, bar = (100, 0, 140, 40), (200, 0, 240, 40)
    drawn = [
        (0, 0, 10, 10),
        (100, 0, 120, 20),
        (110, 0, 130, 20),
        (235, 0, 255, 20),
        (0, 99, 9, 109),
    ]
    lookalikes = {"burn": [burn], "bar": [bar]}
    score = score_objects(search(drawn, [(0, 0, 10, 10)], lookalikes=lookalikes))
    assert score.wrong_on == {"burn": 2, "nothing known": 2}
    assert (score + score).wrong_on["burn"] == 4


def test_what_is_drawn_beside_an_uncounted_object_is_wrong():
    small = [(0, 0, 5, 5)]
    drawn = [(4, 0, 24, 10)]
    assert score_objects(search(drawn, small, min_area_m2=30)).tallies["overlap"] == tally(0, 1, 0)


def test_what_is_drawn_too_small_is_no_fault_but_may_be_right():
    drawn = [(0, 0, 5, 5), (50, 50, 55, 55)]
    score = score_objects(search(drawn, [(0, 0, 6, 6)], min_area_m2=30))
    assert score.tallies["IoU 0.5"] == tally(1, 1, 1)


def test_a_clipped_drawing_is_right_but_tells_nothing_of_area():
    score = score_objects(search([(0, 0, 10, 10)], [(0, 0, 10, 10)], clipped=[0]))
    assert score.tallies["IoU 0.5"] == tally(1, 1, 1)
    assert score.area_ratio_median is None
    assert score.area_ratio_total is None


def test_area_ratios_are_of_the_middle_match_and_of_all_area():
    true = [(0, 0, 10, 10), (100, 0, 110, 10), (200, 0, 240, 40)]
    drawn = [(0, 0, 10, 11), (100, 0, 110, 12), (200, 0, 240, 20)]
    score = score_objects(search(drawn, true))
    assert score.area_ratio_median == pytest.approx(1.1)
    assert score.area_ratio_total == pytest.approx((110 + 120 + 800) / 1800)


def test_nothing_drawn_where_nothing_is_true_scores_nothing():
    score = score_objects(search([], []))
    assert score.tallies == dict.fromkeys(CRITERIA, tally(0, 0, 0))
    assert score.tallies["IoU 0.5"].f1 is None


def test_searches_add_up():
    one = score_objects(search([(0, 0, 10, 10)], [(0, 0, 10, 10)]))
    other = score_objects(search([(0, 0, 10, 20)], [(0, 0, 10, 10), (50, 0, 60, 10)]))
    both = one + other + ObjectScore()
    assert both.tallies["IoU 0.5"] == tally(3, 2, 2)
    assert both.area_ratio_total == pytest.approx(1.5)


def test_a_search_that_looked_nowhere_counts_nothing():
    nowhere = Search(
        drawn=boxes(),
        is_clipped=np.zeros(0, dtype=bool),
        true=boxes((0, 0, 10, 10)),
        is_active=np.ones(1, dtype=bool),
        beside=boxes(),
        lookalikes={},
        looked=shapely.MultiPolygon(),
        min_area_m2=0.0,
    )
    assert score_objects(nowhere).tallies["overlap"] == tally(0, 0, 0)
