import numpy as np
import pytest
from affine import Affine

from rts_track.grid import transformer
from rts_track.raster.grid import Grid, Window
from rts_track.raster.resample import on_grid, windows_needed

UTM = "EPSG:32608"
HAS = Grid(height=80, width=90, transform=Affine(3.0, 0, 471_000.0, 0, -3.0, 7_549_000.0), crs=UTM)


def waves(grid, crs=UTM):
    rows, cols = np.mgrid[: grid.height, : grid.width]
    x, y = grid.transform @ (cols + 0.5, rows + 0.5)
    x, y = transformer(grid.crs, crs).transform(x, y)
    return (np.sin(x / 20.0) + np.cos(y / 14.0)).astype(np.float32)[None]


def test_a_grid_carried_to_itself_stays_as_it_is():
    np.testing.assert_allclose(on_grid(waves(HAS), HAS, HAS), waves(HAS), atol=1e-5)


def test_a_displaced_grid_is_met_to_a_thousandth_of_its_waves():
    wanted = Grid(
        height=40, width=40, transform=Affine(3.0, 0, 471_061.3, 0, -3.0, 7_548_938.9), crs=UTM
    )
    np.testing.assert_allclose(on_grid(waves(HAS), HAS, wanted), waves(wanted), atol=4e-3)


def test_another_crs_is_met_as_well():
    x, y = transformer(UTM, "EPSG:3413").transform(471_120.0, 7_548_900.0)
    wanted = Grid(
        height=30, width=30, transform=Affine(2.5, 0, x - 30.0, 0, -2.5, y + 30.0), crs="EPSG:3413"
    )
    np.testing.assert_allclose(on_grid(waves(HAS), HAS, wanted), waves(wanted), atol=8e-3)


def test_coarser_pixels_hold_nothing_finer_than_they_are():
    stripes = np.broadcast_to(np.arange(90) % 2, (80, 90)).astype(np.float32)[None]
    wanted = Grid(height=24, width=27, transform=HAS.transform @ Affine.scale(10 / 3), crs=UTM)
    carried = on_grid(np.ascontiguousarray(stripes), HAS, wanted)
    np.testing.assert_allclose(carried[0, 3:-3, 3:-3], 0.5, atol=0.02)


def test_beyond_what_is_known_nothing_is():
    values = waves(HAS)
    values[:, :, 45:] = np.nan
    carried = on_grid(values, HAS, HAS)
    assert np.isnan(carried[0, :, 45:]).all()
    assert not np.isnan(carried[0, :, :45]).any()


@pytest.mark.parametrize("gsd_m", [2.0, 3.0, 10.0])
def test_the_windows_needed_give_what_the_whole_gives(gsd_m):
    wanted = Grid(
        height=12,
        width=10,
        transform=Affine(gsd_m, 0, 471_070.7, 0, -gsd_m, 7_548_930.2),
        crs=UTM,
    )
    (window,) = windows_needed(HAS, wanted)
    assert window != HAS.whole
    values = np.ascontiguousarray(waves(HAS)[(slice(None), *window.slices)])
    np.testing.assert_allclose(
        on_grid(values, HAS.part(window), wanted), on_grid(waves(HAS), HAS, wanted), atol=1e-5
    )


def test_nothing_is_needed_of_a_grid_elsewhere():
    assert windows_needed(HAS, HAS.part(Window(500, 500, 10, 10))) == []
