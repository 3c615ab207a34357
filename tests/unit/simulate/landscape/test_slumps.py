from itertools import pairwise

import numpy as np
import pytest
import shapely

from rts_track.simulate.landscape.points import Points
from rts_track.simulate.landscape.slumps import lattice
from rts_track.simulate.landscape.truth import truth_tables


def column_of(table, key, value):
    return dict(
        zip(
            zip(*(table[name].to_pylist() for name in key), strict=True),
            table[value].to_pylist(),
            strict=True,
        )
    )


@pytest.fixture(scope="module")
def truth(small):
    return truth_tables(small, {})


def test_much_happens_in_the_small_landscape(small):
    kinds = {turn.kind for turn in small.slumps.lives.turns}
    assert {"initiate", "merge", "split", "stabilise", "reactivate"} <= kinds


def test_an_active_scar_covers_what_it_covered_the_season_before(small):
    divided = {
        (turn.related_object_id, turn.season_year)
        for turn in small.slumps.lives.turns
        if turn.kind == "split"
    }
    layers = small.slumps.layers
    for object_id, season_year in layers:
        before = layers.get((object_id, season_year - 1))
        if before is None or (object_id, season_year) in divided:
            continue
        lost = shapely.difference(before.scar, layers[object_id, season_year].scar)
        assert lost.area < 0.05 * before.scar.area, (object_id, season_year)


def test_a_scar_lies_above_its_toe_and_its_tongue_below_its_headwall(small):
    for layer in small.slumps.layers.values():
        ring = np.array(layer.scar.exterior.coords)
        assert layer.toe_m <= small.terrain.height_at(ring).min() + 1e-6
        if not layer.tongue.is_empty:
            assert shapely.intersection(layer.scar, layer.tongue).area < 1e-6
            tongue = small.terrain.height_at(np.array(layer.tongue.exterior.coords))
            assert tongue.mean() < small.terrain.height_at(ring).mean()


def test_slumps_begin_where_the_ground_is_steep_enough(small):
    for layer in small.slumps.layers.values():
        ahead = np.array([layer.scar.centroid.coords[0]]) + 30.0 * layer.heading
        rise = float(small.terrain.uphill(ahead)[0] @ layer.heading)
        assert rise > -0.05


def test_ground_sinks_in_scars_as_deep_as_the_headwall_and_rises_on_tongues(small):
    season = small.params.season_years[-1]
    for shown in small.slumps.painted(season):
        layer = shown.layer
        west, south, east, north = layer.scar.bounds
        points = lattice((west, south, east, north))
        change_m = small.relief_change(points, small.terrain.at(points).height_m, season)
        is_in = shapely.contains_xy(layer.scar, points.x, points.y)
        assert change_m[is_in].max() <= 1e-6, "nothing is laid down in a scar"
        if shown.still == 0 and layer.generation == 0:
            assert -change_m[is_in].min() >= 0.3 * layer.headwall_m
        if not layer.tongue.is_empty:
            middle = shapely.point_on_surface(layer.tongue)
            there = Points.at(np.array([[middle.x]]), np.array([[middle.y]]), 1.0)
            land_m = small.terrain.at(there).height_m
            assert layer.debris_m(there, (slice(None), slice(None)))[0, 0] > 0.0
            assert land_m.shape == (1, 1)


def test_ground_beyond_all_slumps_stays_as_it_is(small):
    west, south = small.params.south_west_m
    points = lattice((west + 100.0, south + 100.0, west + 900.0, south + 900.0))
    land_m = small.terrain.at(points).height_m
    change_m = small.relief_change(points, land_m, small.params.season_years[-1])
    is_far = ~shapely.contains_xy(small.slumps.everywhere(), points.x, points.y)
    assert is_far.any()
    assert not change_m[is_far].any()


def test_volumes_are_those_of_the_ground(small, truth):
    volume = truth["truth_volume"]
    eroded = column_of(volume, ("object_id", "season_year"), "eroded_m3")
    deposited = column_of(volume, ("object_id", "season_year"), "deposited_m3")
    season = small.params.season_years[2]
    west, south = small.params.south_west_m
    width_m, height_m = small.params.extent_m
    points = lattice((west, south, west + width_m, south + height_m))
    change_m = small.height_at(points, season).astype(np.float64)
    change_m -= small.height_at(points, season - 1)
    ours = {key for key in eroded if key[1] == season}
    assert len(ours) > 3
    lost_m3 = 4.0 * np.maximum(-change_m, 0.0).sum()
    moved_m3 = sum(eroded[key] - deposited[key] for key in ours)
    assert sum(eroded[key] for key in ours) == pytest.approx(lost_m3, rel=0.03)
    assert moved_m3 == pytest.approx(-4.0 * change_m.sum(), rel=0.03)


def test_what_lies_still_moves_nothing(truth):
    active = column_of(truth["truth_state"], ("object_id", "season_year"), "is_active")
    eroded = column_of(truth["truth_volume"], ("object_id", "season_year"), "eroded_m3")
    still = [key for key, is_active in active.items() if not is_active]
    assert still
    for key in still:
        assert eroded[key] == pytest.approx(0.0, abs=1.0)


def test_the_tongue_holds_less_than_the_scar_lost(truth):
    table = truth["truth_volume"].to_pylist()
    assert sum(row["deposited_total_m3"] for row in table) < 0.5 * sum(
        row["eroded_total_m3"] for row in table
    )


def test_each_slump_has_one_active_scar_a_season_and_links_follow_it(small, truth):
    outline = truth["truth_outline"]
    ids = outline["outline_id"].to_pylist()
    assert len(set(ids)) == len(ids)
    active = [
        (row["object_id"], row["season_year"])
        for row in outline.to_pylist()
        if row["part"] == "scar" and row["is_active"]
    ]
    assert sorted(active) == sorted(small.slumps.layers)
    for row in truth["truth_link"].to_pylist():
        assert row["from_outline_id"] in ids
        assert row["to_outline_id"] in ids
        assert row["from_year"] < row["to_year"]
    kinds = set(truth["truth_link"]["kind"].to_pylist())
    assert kinds == {"main", "merge", "split"}


def test_what_stabilises_is_told_as_still_and_greener_each_season(small, truth):
    rows = [
        row
        for row in truth["truth_outline"].to_pylist()
        if row["part"] == "scar" and not row["is_active"]
    ]
    assert rows
    by_slump = {}
    for row in rows:
        by_slump.setdefault(row["object_id"], []).append(row)
    for seasons in by_slump.values():
        seasons.sort(key=lambda row: row["season_year"])
        for earlier, later in pairwise(seasons):
            if later["still_seasons"] == earlier["still_seasons"] + 1:
                assert later["regrown_frac"] > earlier["regrown_frac"]


def test_areas_are_equal_areas_and_places_lie_on_the_peel_plateau(small, truth):
    outline = truth["truth_outline"]
    polygons = shapely.from_wkb(outline["geometry"].to_numpy(zero_copy_only=False))
    assert shapely.is_valid(polygons).all()
    west, south, east, north = shapely.total_bounds(polygons)
    assert -136.0 < west < east < -135.0
    assert 67.5 < south < north < 68.5
    area_m2 = column_of(outline, ("outline_id",), "area_m2")
    for (object_id, season_year), layer in small.slumps.layers.items():
        assert area_m2[f"{object_id}@{season_year}",] == pytest.approx(layer.scar.area, rel=2e-3)
