from collections import Counter, defaultdict

import numpy as np
import pytest
import shapely

from rts_track import grid
from rts_track.errors import UsageError
from rts_track.simulate import place
from rts_track.simulate.history import HistoryParams, simulate_history
from rts_track.simulate.life import live

SMALL = HistoryParams(n_slumps=50, n_seasons=5, extent_m=(8_000.0, 6_000.0))
TABLES = (
    "footprints",
    "looks",
    "truth_footprint",
    "truth_link",
    "truth_event",
    "truth_state",
    "truth_scene",
)


def simulated(seed=3, **changes):
    params = HistoryParams(**{**SMALL.as_dict(), **changes})
    return simulate_history(np.random.default_rng(seed), params)


@pytest.fixture(scope="module")
def history():
    return simulate_history(np.random.default_rng(3), SMALL)


@pytest.fixture(scope="module")
def object_of(history):
    return columns(history.truth_footprint, "source_feature_id", "object_id")


@pytest.fixture(scope="module")
def season_of(history):
    return columns(history.truth_footprint, "source_feature_id", "season_year")


@pytest.fixture(scope="module")
def states(history):
    return {(row["object_id"], row["season_year"]): row for row in history.truth_state.to_pylist()}


def columns(table, key, value):
    return dict(zip(table[key].to_pylist(), table[value].to_pylist(), strict=True))


def metric(table):
    return grid.to_metric(shapely.from_wkb(table["geometry"].to_pylist()))


def events(history, kind):
    return [row for row in history.truth_event.to_pylist() if row["kind"] == kind]


def test_the_same_seed_makes_the_same_history(history):
    again = simulated()
    assert all(getattr(history, name).equals(getattr(again, name)) for name in TABLES)


def test_another_seed_makes_another_history(history):
    assert not history.footprints.equals(simulated(seed=4).footprints)


def test_every_footprint_has_one_word_of_truth(history):
    told = history.truth_footprint["source_feature_id"].to_pylist()
    assert told == history.footprints["source_feature_id"].to_pylist()
    assert len(set(told)) == len(told)


def test_every_end_of_a_true_link_is_a_footprint_of_a_slump(history, object_of):
    for row in history.truth_link.to_pylist():
        assert object_of[row["from_source_feature_id"]] is not None
        assert object_of[row["to_source_feature_id"]] is not None


def test_true_links_lead_forward_in_time(history, season_of):
    for row in history.truth_link.to_pylist():
        assert season_of[row["from_source_feature_id"]] < season_of[row["to_source_feature_id"]]


def test_no_pair_of_footprints_is_linked_twice(history):
    pairs = Counter(
        (row["from_source_feature_id"], row["to_source_feature_id"])
        for row in history.truth_link.to_pylist()
    )
    assert max(pairs.values()) == 1


def test_a_slump_is_linked_from_each_season_it_was_mapped_in_to_the_next(
    history, object_of, season_of
):
    linked = {
        (object_of[a], season_of[a], season_of[b])
        for a, b in zip(
            history.truth_link["from_source_feature_id"].to_pylist(),
            history.truth_link["to_source_feature_id"].to_pylist(),
            strict=True,
        )
        if object_of[a] == object_of[b]
    }
    seasons = defaultdict(set)
    for feature, object_id in object_of.items():
        if object_id is not None:
            seasons[object_id].add(season_of[feature])
    expected = {
        (object_id, before, after)
        for object_id, mapped in seasons.items()
        for before, after in zip(sorted(mapped)[:-1], sorted(mapped)[1:], strict=True)
    }
    assert linked == expected


def test_a_gap_holds_a_season_that_looked_and_missed_and_other_links_hold_none(
    history, object_of, season_of, states
):
    kinds = set()
    for row in history.truth_link.to_pylist():
        before, after = row["from_source_feature_id"], row["to_source_feature_id"]
        if object_of[before] != object_of[after]:
            continue
        seasons = range(season_of[before] + 1, season_of[after])
        between = [states.get((object_of[before], season)) for season in seasons]
        if None in between:
            continue  # it paused; see test_truth
        assert all(state["n_footprints"] == 0 for state in between)
        assert (row["kind"] == "gap") == any(state["is_looked_at"] for state in between)
        kinds.add(row["kind"])
    assert kinds == {"main", "gap", "fragment"}


def test_footprints_are_only_of_slumps_that_live_and_as_many_as_truth_counts(
    object_of, season_of, states
):
    counted = Counter(
        (object_id, season_of[feature])
        for feature, object_id in object_of.items()
        if object_id is not None
    )
    assert counted.keys() <= states.keys()
    assert all(state["n_footprints"] == counted[key] for key, state in states.items())


def test_some_slumps_are_missed_and_some_things_mapped_are_none(object_of, states):
    missed = [s for s in states.values() if s["is_looked_at"] and s["n_footprints"] == 0]
    assert 0.02 < len(missed) / len(states) < 0.15
    assert 0.01 < sum(each is None for each in object_of.values()) / len(object_of) < 0.12


def test_a_merge_has_two_parents_of_which_the_larger_goes_on():
    history = simulated(merge_frac=0.5, missed_frac=0.0, scene_missing_frac=0.0)
    lived = defaultdict(dict)
    for row in history.truth_state.to_pylist():
        lived[row["object_id"]][row["season_year"]] = row["area_m2"]
    merges = events(history, "merge")
    assert len(merges) > 5
    for row in merges:
        absorbed, survivor = lived[row["object_id"]], lived[row["related_object_id"]]
        last = max(absorbed)
        assert last < row["season_year"] <= max(survivor)
        assert last in survivor
        assert survivor[last] >= absorbed[last]


def test_nothing_is_mapped_of_a_slump_before_it_begins_or_after_it_stabilises():
    history = simulated(reactivated_frac=0.0)
    states = {
        (row["object_id"], row["season_year"]): row for row in history.truth_state.to_pylist()
    }
    for kind in ("initiate", "stabilise"):
        assert events(history, kind)
        for row in events(history, kind):
            mapped = [
                season
                for (object_id, season), state in states.items()
                if object_id == row["object_id"] and state["n_footprints"]
            ]
            if kind == "initiate":
                assert min(mapped) >= row["season_year"]
            else:
                assert max(mapped) < row["season_year"]


def test_each_mapped_slump_came_to_be_known_once(history, object_of):
    founded = [
        row["object_id"]
        for row in history.truth_event.to_pylist()
        if row["kind"] in ("initiate", "first_seen", "split", "reinitiate")
    ]
    assert sorted(founded) == sorted({each for each in object_of.values() if each is not None})


def test_the_pieces_of_a_split_are_smaller_than_what_they_came_from():
    history = simulated(
        split_frac=0.3, missed_frac=0.0, scene_missing_frac=0.0, growth_median_m_yr=0.01
    )
    area_m2 = {
        (row["object_id"], row["season_year"]): row["area_m2"]
        for row in history.truth_state.to_pylist()
    }
    splits = events(history, "split")
    assert len(splits) > 5
    for row in splits:
        child, parent, season = row["object_id"], row["related_object_id"], row["season_year"]
        both = area_m2[child, season] + area_m2.get((parent, season), 0.0)
        assert both < area_m2[parent, season - 1] * 1.01


def test_footprints_lie_on_their_scene_and_carry_its_season_and_date(history):
    looks = {row["scene_id"]: row for row in history.looks.to_pylist()}
    extents = dict(zip(looks, metric(history.looks), strict=True))
    for row, polygon in zip(
        history.footprints.to_pylist(), metric(history.footprints), strict=True
    ):
        look = looks[row["scene_id"]]
        assert (row["season_year"], row["observed_on"]) == (
            look["season_year"],
            look["observed_on"],
        )
        on_scene_m2 = shapely.area(shapely.intersection(extents[row["scene_id"]], polygon))
        assert on_scene_m2 > 0.99 * shapely.area(polygon)


def test_a_scene_that_is_missing_leaves_its_ground_unlooked():
    history = simulated(scene_missing_frac=0.6)
    assert history.looks.num_rows < SMALL.scenes_per_season * SMALL.n_seasons
    assert set(history.looks["season_year"].to_pylist()) == set(SMALL.season_years)
    unlooked = [row for row in history.truth_state.to_pylist() if not row["is_looked_at"]]
    assert len(unlooked) > 0.2 * history.truth_state.num_rows
    assert sum(row["n_footprints"] > 0 for row in unlooked) < 0.1 * len(unlooked)


def test_two_scenes_show_a_slump_apart_by_the_difference_of_their_shifts():
    history = simulated(
        n_seasons=1, shift_m=10.0, boundary_noise_m=0.0, fragmented_frac=0.0,
        missed_frac=0.0, scene_missing_frac=0.0, scene_overlap_frac=0.5,
    )  # fmt: skip
    shift = {
        row["scene_id"]: np.array([row["shift_east_m"], row["shift_north_m"]])
        for row in history.truth_scene.to_pylist()
    }
    object_of = columns(history.truth_footprint, "source_feature_id", "object_id")
    shown = defaultdict(list)
    centre = shapely.get_coordinates(shapely.centroid(metric(history.footprints)))
    for row, xy in zip(history.footprints.to_pylist(), centre, strict=True):
        if object_of[row["source_feature_id"]] is not None and not row["is_clipped"]:
            shown[object_of[row["source_feature_id"]]].append((row["scene_id"], xy))
    twice = [pair for pair in shown.values() if len(pair) == 2]
    assert len(twice) > 10
    for (scene_a, a), (scene_b, b) in twice:
        step = (b - a)[:, None]
        moved = np.ravel(grid.to_ground(step[0], step[1], a[:1], a[1:]))
        assert moved == pytest.approx(shift[scene_b] - shift[scene_a], abs=0.15)


def test_each_scene_lies_off_by_the_same_length_in_a_direction_of_its_own():
    history = simulated(shift_m=7.0, scene_missing_frac=0.0, n_slumps=1)
    east_m = history.truth_scene["shift_east_m"].to_numpy()
    north_m = history.truth_scene["shift_north_m"].to_numpy()
    np.testing.assert_allclose(np.hypot(east_m, north_m), 7.0)
    assert len(np.unique(np.round(np.arctan2(east_m, north_m), 3))) == history.looks.num_rows


def test_active_zones_move_upslope_by_a_share_of_their_size():
    history = simulated(
        migration_frac=0.5, growth_median_m_yr=0.01, n_seasons=2, shift_m=0.0,
        boundary_noise_m=0.0, fragmented_frac=0.0, missed_frac=0.0, scene_missing_frac=0.0,
        scene_overlap_frac=0.0, split_frac=0.0, merge_frac=0.0, false_positive_frac=0.0,
    )  # fmt: skip
    polygon = dict(
        zip(
            history.footprints["source_feature_id"].to_pylist(),
            metric(history.footprints),
            strict=True,
        )
    )
    is_whole = columns(history.footprints, "source_feature_id", "is_clipped")
    steps = [
        shapely.distance(shapely.centroid(polygon[a]), shapely.centroid(polygon[b]))
        / np.sqrt(shapely.area(polygon[a]))
        for a, b in zip(
            history.truth_link["from_source_feature_id"].to_pylist(),
            history.truth_link["to_source_feature_id"].to_pylist(),
            strict=True,
        )
        if not is_whole[a] and not is_whole[b]
    ]
    assert len(steps) > 30
    assert np.median(steps) == pytest.approx(0.5, rel=0.03)


RESTLESS = {
    "stabilised_frac": 0.3, "reactivated_frac": 0.4, "reinitiated_frac": 0.3, "n_seasons": 8,
    "missed_frac": 0.0, "scene_missing_frac": 0.0, "initiated_frac": 0.1,
}  # fmt: skip


@pytest.fixture(scope="module")
def restless():
    return live(np.random.default_rng(6), HistoryParams(**{**SMALL.as_dict(), **RESTLESS}))


def turns(lives, kind):
    found = [turn for turn in lives.turns if turn.kind == kind]
    assert len(found) > 5
    return found


def last_outline(lives, object_id, season_year):
    return next(
        lives.slumps[season][object_id].polygon
        for season in range(season_year - 1, SMALL.first_year - 1, -1)
        if object_id in lives.slumps[season]
    )


def test_a_slump_that_goes_on_starts_from_where_it_stopped(restless):
    for turn in turns(restless, "reactivate"):
        now = restless.slumps[turn.season_year][turn.object_id].polygon
        stopped = last_outline(restless, turn.object_id, turn.season_year)
        assert turn.object_id not in restless.slumps[turn.season_year - 1]
        shared_m2 = shapely.area(shapely.intersection(now, stopped))
        assert shared_m2 > 0.8 * shapely.area(stopped)
        assert shapely.area(now) > 0.9 * shapely.area(stopped)


def test_a_new_slump_begins_small_inside_one_that_lies_still_and_never_goes_on(restless):
    for turn in turns(restless, "reinitiate"):
        new = restless.slumps[turn.season_year][turn.object_id].polygon
        scar = last_outline(restless, turn.related_object_id, turn.season_year)
        assert shapely.area(shapely.intersection(new, scar)) > 0.85 * shapely.area(new)
        assert shapely.area(new) < 1_600.0
        stopped = max(
            each.season_year
            for each in restless.turns_of(turn.related_object_id, "stabilise")
            if each.season_year < turn.season_year
        )
        assert turn.season_year - stopped >= SMALL.stabilise_seasons
        for season in range(stopped, max(restless.slumps) + 1):
            assert turn.related_object_id not in restless.slumps[season]


def test_no_slump_begins_unsaid_where_another_lies_still(restless):
    for turn in turns(restless, "initiate"):
        new = restless.slumps[turn.season_year][turn.object_id].polygon
        for stop in turns(restless, "stabilise"):
            if stop.season_year <= turn.season_year:
                scar = restless.slumps[stop.season_year - 1][stop.object_id].polygon
                is_still = stop.object_id not in restless.slumps[turn.season_year]
                assert not (is_still and shapely.intersects(new, scar))


def test_a_gap_link_leads_to_every_known_return():
    history = simulated(**{**RESTLESS, "missed_frac": 0.08})
    season_of = columns(history.truth_footprint, "source_feature_id", "season_year")
    object_of = columns(history.truth_footprint, "source_feature_id", "object_id")
    led_to = {
        (object_of[row["to_source_feature_id"]], season_of[row["to_source_feature_id"]])
        for row in history.truth_link.to_pylist()
        if row["kind"] == "gap"
        and object_of[row["from_source_feature_id"]] == object_of[row["to_source_feature_id"]]
    }
    returns = {(row["object_id"], row["season_year"]) for row in events(history, "reactivate")}
    assert len(returns) > 5
    assert returns <= led_to
    founded = {(row["object_id"], row["season_year"]) for row in events(history, "reinitiate")}
    assert founded
    assert not founded & led_to


def test_object_ids_are_never_used_twice(restless):
    begun = [
        turn.object_id
        for turn in restless.turns
        if turn.kind in ("initiate", "split", "reinitiate")
    ]
    assert len(set(begun)) == len(begun)
    assert not set(begun) & set(restless.slumps[SMALL.first_year])


def test_footprints_across_the_antimeridian_are_split_there_and_keep_their_area(history):
    first = shapely.from_wkb(history.footprints["geometry"][0].as_py())
    east_deg = first.centroid.x - SMALL.centre_lonlat[0]
    there = simulated(centre_lonlat=(180.0 - east_deg, SMALL.centre_lonlat[1]))
    lonlat = shapely.from_wkb(there.footprints["geometry"].to_pylist())
    assert shapely.is_valid(lonlat).all()
    assert (np.abs(shapely.bounds(lonlat)[:, [0, 2]]) <= 180.0).all()
    crossing = shapely.bounds(lonlat)[:, 2] - shapely.bounds(lonlat)[:, 0] > 180.0
    assert crossing.any()
    np.testing.assert_allclose(
        shapely.area(metric(there.footprints)),
        shapely.area(metric(history.footprints)),
        rtol=2e-4,  # halves are joined on a grid of a millimetre
    )


def test_slumps_have_plausible_sizes_and_outlines(history):
    polygons = metric(history.footprints)
    assert shapely.is_valid(polygons).all()
    area_ha = shapely.area(polygons) / 1e4
    assert 0.3 < np.median(area_ha) < 2.0
    assert area_ha.max() < 20.0
    assert 25 < shapely.get_num_coordinates(polygons).mean() < 80


@pytest.mark.parametrize(
    "bad",
    [
        {"missed_frac": 1.5},
        {"split_frac": -0.1},
        {"n_slumps": 0},
        {"shift_m": -1.0},
        {"reactivated_frac": 2.0},
        {"extent_m": (-5.0, 10.0)},
    ],
)
def test_parameters_that_make_no_sense_are_refused_by_name(bad):
    with pytest.raises(UsageError, match=next(iter(bad))):
        HistoryParams(**bad)


def test_an_area_too_small_for_its_slumps_is_refused(monkeypatch):
    monkeypatch.setattr(place, "_TRIES_IN_VAIN", 2)
    with pytest.raises(UsageError, match="too small"):
        simulated(n_slumps=400, extent_m=(900.0, 900.0))


def test_a_history_may_come_to_its_end():
    history = simulated(n_slumps=1, stabilised_frac=1.0, initiated_frac=0.0, n_seasons=3)
    assert set(history.truth_state["season_year"].to_pylist()) == {SMALL.first_year}
