"""Which intervals are measured, and on what."""

from itertools import pairwise

import numpy as np

from rts_track.growth.intervals import find_intervals


def rows_of(history):
    """(track, from, to, is_group) of every row."""
    found = find_intervals(history)
    return {
        (
            int(track),
            int(found.from_year[interval]),
            int(found.to_year[interval]),
            bool(found.is_group[interval]),
        )
        for interval, track in zip(found.row_interval, found.row_track, strict=True)
    }


def chain(track, years, area=1e4):
    return [(track, year, area) for year in years]


def main(*rows):
    return [(one, other, 5e3, "main") for one, other in pairwise(rows)]


def test_successive_seasons_and_since_the_first_are_measured_once_each(history):
    found = history(chain(0, [2018, 2019, 2021]), main(0, 1, 2))
    assert rows_of(found) == {
        (0, 2018, 2019, False),
        (0, 2019, 2021, False),
        (0, 2018, 2021, False),
    }


def test_overlap_comes_from_the_link_that_spans_the_interval_alone(history):
    found = find_intervals(history(chain(0, [2018, 2019, 2021]), main(0, 1, 2)))
    overlap = dict(
        zip(zip(found.from_year, found.to_year, strict=True), found.overlap_m2, strict=True)
    )
    assert overlap[2018, 2019] == overlap[2019, 2021] == 5e3
    assert np.isnan(overlap[2018, 2021])


def test_a_season_without_a_whole_outline_is_passed_over(history):
    found = history(chain(0, [2018, 2019, 2020]), main(0, 1, 2), is_whole=[True, False, True])
    assert rows_of(found) == {(0, 2018, 2020, False)}


def test_a_track_without_links_is_still_one_slump_and_overlaid(history):
    found = find_intervals(history(chain(0, [2018, 2019]), []))
    assert len(found) == 1
    assert np.isnan(found.overlap_m2[0])


def merger(history, **columns):
    """0 seen 2018-2020, 1 seen 2018-2019, merged into 0 by 2020."""
    return history(
        [*chain(0, [2018, 2019]), (0, 2020, 2e4), *chain(1, [2018, 2019])],
        [*main(0, 1, 2), *main(3, 4), (4, 2, 9e3, "merge")],
        **columns,
    )


def test_a_merge_within_the_interval_makes_it_the_groups(history):
    assert rows_of(merger(history)) == {
        (0, 2018, 2019, False),
        (1, 2018, 2019, False),
        (0, 2019, 2020, True),
        (1, 2019, 2020, True),
        (0, 2018, 2020, True),
        (1, 2018, 2020, True),
    }


def test_a_groups_overlap_is_the_sum_over_its_links(history):
    found = find_intervals(merger(history))
    direct = (found.from_year == 2019) & (found.to_year == 2020)
    assert found.overlap_m2[direct] == [5e3 + 9e3]


def test_a_group_needs_every_member_at_both_ends(history):
    found = merger(history, is_whole=[True, True, True, True, False])
    assert rows_of(found) == {
        (0, 2018, 2019, False),
        (0, 2018, 2020, True),
        (1, 2018, 2020, True),
    }


def test_a_family_across_the_start_is_unknown_there(history):
    """1 was hidden in 2019 and merged in 2020: in 2019 it was somewhere, unmeasured."""
    found = history(
        [*chain(0, [2018, 2019, 2020]), *chain(1, [2018])],
        [*main(0, 1, 2), (3, 2, 9e3, "merge")],
    )
    rows = rows_of(found)
    assert not any(row[1:3] == (2019, 2020) for row in rows)
    assert (0, 2018, 2020, True) in rows


def test_after_a_split_each_goes_its_own_way(history):
    found = history(
        [*chain(0, [2018, 2019, 2020]), *chain(1, [2019, 2020])],
        [*main(0, 1, 2), (0, 3, 4e3, "split"), *main(3, 4)],
    )
    assert rows_of(found) == {
        (0, 2018, 2019, True),
        (1, 2018, 2019, True),
        (0, 2019, 2020, False),
        (1, 2019, 2020, False),
        (0, 2018, 2020, True),
        (1, 2018, 2020, True),
    }


def test_what_was_initiated_within_the_interval_began_with_nothing(history):
    rows = [*chain(0, [2018, 2019, 2020]), *chain(1, [2019])]
    links = [*main(0, 1, 2), (3, 2, 9e3, "merge")]
    assert (0, 2018, 2020, True) in rows_of(history(rows, links, initiated=[1]))
    assert not any(row[1:3] == (2018, 2020) for row in rows_of(history(rows, links)))


def test_the_scenes_shift_adds_up_along_the_chain(history):
    links = [(0, 1, 5e3, "main", 3.0, -1.0), (1, 2, 5e3, "main", 4.0, 2.0)]
    found = find_intervals(history(chain(0, [2018, 2019, 2020]), links))
    shift = {
        (int(found.from_year[of]), int(found.to_year[of])): (east, north)
        for of, east, north in zip(
            found.end.owner, found.end_east_m, found.end_north_m, strict=True
        )
    }
    assert shift == {
        (2018, 2019): (3.0, -1.0),
        (2019, 2020): (4.0, 2.0),
        (2018, 2020): (7.0, 1.0),
    }


def test_slumps_seen_once_have_no_interval(history):
    assert len(find_intervals(history([(0, 2018, 1e4), (1, 2019, 1e4)]))) == 0
    assert len(find_intervals(history([]))) == 0
