import numpy as np
import pytest

from rts_track.raster.grid import Window
from rts_track.simulate.landscape.points import Points
from rts_track.simulate.landscape.relief import CELL_M
from rts_track.simulate.landscape.scenes import grid_of


def test_all_water_leaves_by_one_mouth(small):
    relief = small.terrain.relief
    where = np.arange(relief.receiver.size)
    for _ in range(relief.receiver.size):
        onward = relief.receiver[where]
        if np.array_equal(onward, where):
            break
        where = onward
    assert len(np.unique(where)) == 1
    assert relief.drained_m2.max() > relief.height_m.size * CELL_M**2


def test_streams_run_in_valleys(small):
    relief = small.terrain.relief
    is_stream = relief.drained_m2 > 2e5
    inner = (slice(6, -6), slice(6, -6))
    around = np.mean(
        [np.roll(relief.height_m, step, axis) for axis in (0, 1) for step in (-6, 6)], axis=0
    )
    above_m = (relief.height_m - around)[inner]
    assert np.median(above_m[is_stream[inner]]) < np.median(above_m[~is_stream[inner]]) - 2.0


def test_the_land_between_lattice_points_is_as_high_as_they_are(small):
    relief = small.terrain.relief
    some = np.arange(0, relief.height_m.size, 97)
    inner = some[(some % relief.height_m.shape[1] > 3)]
    found = small.terrain.height_at(relief.xy_of(inner))
    np.testing.assert_allclose(found, relief.height_m.reshape(-1)[inner], atol=1e-2)


def test_a_window_of_the_ground_is_that_part_of_the_whole(small):
    grid = grid_of(small.params, 5.0)
    window = Window(77, 41, 60, 90)
    whole = small.elevation(grid, 2022)
    assert np.array_equal(small.elevation(grid.part(window), 2022), whole[window.slices])


def test_lakes_and_the_river_are_level_across(small):
    for lake in small.water.lakes:
        x, y = lake.polygon.representative_point().coords[0]
        points = Points.at(np.array([[x, x + 1.0]]), np.array([[y, y]]), 1.0)
        assert small.height_at(points, None) == pytest.approx(lake.level_m, abs=1e-3)
    middle = small.water.river[len(small.water.river) // 2]
    points = Points.at(middle[:1, None], middle[1:, None], 1.0)
    level_m = small.water.river_level_m[len(small.water.river) // 2]
    assert small.height_at(points, None)[0, 0] == pytest.approx(level_m, abs=0.05)


def test_the_river_never_runs_uphill(small):
    assert np.all(np.diff(small.water.river_level_m) <= 0.0)
