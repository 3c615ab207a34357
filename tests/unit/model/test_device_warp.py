import numpy as np
import pytest
import torch
from affine import Affine

from rts_track.grid import transformer
from rts_track.model import device_warp
from rts_track.model.device_warp import MOST_OFF_PX, first_known, lattice, on_grid
from rts_track.raster import resample
from rts_track.raster.grid import Grid

UTM, POLAR, LONLAT = "EPSG:32608", "EPSG:3413", "EPSG:4326"
WANTED = Grid(
    height=70, width=90, transform=Affine(10.0, 0, 471_000.0, 0, -10.0, 7_549_000.0), crs=UTM
)
CPU = torch.device("cpu")


def around(grid, crs, pixel, margin_px=6):
    """A grid in a CRS that holds all of another and a margin."""
    left, bottom, right, top = resample.bounds_in(grid, crs)[0]
    margin = margin_px * pixel
    return Grid(
        height=int((top - bottom + 2 * margin) / pixel),
        width=int((right - left + 2 * margin) / pixel),
        transform=Affine(pixel, 0, left - margin, 0, -pixel, top + margin),
        crs=crs,
    )


def rough(grid, n=1, seed=0, holes=True):
    """Noise over a slope, with holes: nothing hides a place or a weight that is wrong."""
    chance = np.random.default_rng(seed)
    values = chance.normal(500.0, 1.0, (n, *grid.shape)).astype(np.float32)
    values += np.arange(grid.width, dtype=np.float32) * 0.5
    if holes:
        values[:, chance.random(grid.shape) < 0.02] = np.nan
        values[:, 5:20, 8:30] = np.nan
    return values


def dense(wanted, has):
    """Where every pixel of a grid lies on another, exactly."""
    col, row = np.meshgrid(np.arange(wanted.width) + 0.5, np.arange(wanted.height) + 0.5)
    x, y = transformer(wanted.crs, has.crs).transform(*(wanted.transform @ (col, row)))
    return np.stack(~has.transform @ (np.asarray(x), np.asarray(y)))


def between(nodes, wanted):
    """Where the lattice says that every pixel lies."""
    window = wanted.whole
    found = device_warp._Between(nodes, window, CPU).rows(0, wanted.height)
    return found.numpy()


CASES = [
    (UTM, 10.0, "the same pixels in another place"),
    (POLAR, 10.0, "pixels of the same size"),
    (POLAR, 14.0, "coarser pixels"),
    (POLAR, 9.7, "hardly finer pixels"),
    (POLAR, 6.5, "finer pixels"),
    (POLAR, 2.0, "much finer pixels"),
    (LONLAT, 3e-4, "degrees"),
]


@pytest.mark.parametrize(("crs", "pixel"), [case[:2] for case in CASES], ids=[c[2] for c in CASES])
@pytest.mark.parametrize("holes", [False, True])
def test_values_come_out_as_on_the_cpu(crs, pixel, holes):
    has = around(WANTED, crs, pixel)
    values = rough(has, holes=holes)
    expected = resample.on_grid(values, has, WANTED)
    found = on_grid(torch.from_numpy(values), has, WANTED).numpy()
    is_nan = np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(found), is_nan)
    assert is_nan.any() == holes
    # places of the CPU's way are wrong by up to 0.002 px, which noise shows most
    off = np.abs(found - expected)[~is_nan]
    assert np.median(off) < 0.001
    assert off.max() < 0.01


def test_a_part_of_the_grid_is_carried_where_a_raster_ends_in_it():
    has = around(WANTED.part(resample.Window(20, 30, 30, 25)), POLAR, 7.0, margin_px=0)
    values = rough(has, holes=False)
    expected = resample.on_grid(values, has, WANTED)
    found = on_grid(torch.from_numpy(values), has, WANTED).numpy()
    assert 0.05 < np.isnan(expected).mean() < 0.95
    assert (np.isnan(found) != np.isnan(expected)).mean() < 0.001
    assert np.nanmax(np.abs(found - expected)) < 0.01


def test_a_raster_elsewhere_leaves_all_unknown():
    has = around(WANTED.part(resample.Window(5000, 5000, 30, 30)), POLAR, 10.0)
    assert torch.isnan(on_grid(torch.from_numpy(rough(has)), has, WANTED)).all()


def test_a_grid_of_a_single_pixel_is_carried_to():
    wanted = WANTED.part(resample.Window(33, 44, 1, 1))
    has = around(WANTED, POLAR, 5.0)
    values = rough(has, holes=False)
    found = on_grid(torch.from_numpy(values), has, wanted).numpy()
    np.testing.assert_allclose(found, resample.on_grid(values, has, wanted), atol=0.02)


def test_blocks_of_rows_are_the_whole(monkeypatch):
    has = around(WANTED, POLAR, 4.0)
    values = torch.from_numpy(rough(has, n=3))
    at_once = on_grid(values, has, WANTED)
    monkeypatch.setattr(device_warp, "_BLOCK_VALUES", 5_000)
    torch.testing.assert_close(on_grid(values, has, WANTED), at_once, equal_nan=True)


@pytest.mark.parametrize("crs", [POLAR, LONLAT, "EPSG:3995", "EPSG:32612"])
def test_places_between_the_lattices_nodes_are_near_the_true_ones(crs):
    wanted = Grid(height=300, width=280, transform=WANTED.transform, crs=UTM)
    has = around(wanted, crs, 3e-5 if crs == LONLAT else 2.0)
    nodes = lattice(wanted, has)
    assert nodes.step_px == 32
    off_px = np.abs(between(nodes, wanted) - dense(wanted, has)).max()
    assert off_px < MOST_OFF_PX


def test_where_places_bend_the_nodes_are_set_closer():
    # pixels of 3 km near a pole of the graticule: a lattice of 32 px would be off by pixels
    wanted = Grid(height=64, width=64, transform=Affine(3e3, 0, 2e5, 0, -3e3, 5e5), crs=POLAR)
    has = Grid(height=400, width=3600, transform=Affine(0.1, 0, -180, 0, -0.1, 90), crs=LONLAT)
    nodes = lattice(wanted, has)
    assert nodes.step_px < 32
    assert np.abs(between(nodes, wanted) - dense(wanted, has)).max() < 2 * MOST_OFF_PX


def test_a_scene_across_180_degrees_is_carried_from_both_sides():
    x, y = transformer(LONLAT, "EPSG:32601").transform(180.0, 71.16)
    wanted = Grid(
        height=40, width=40, transform=Affine(30.0, 0, x - 600.0, 0, -30.0, y), crs="EPSG:32601"
    )
    globe = Grid(height=60, width=7200, transform=Affine(0.05, 0, -180, 0, -0.05, 72.5), crs=LONLAT)
    values = np.full((1, *globe.shape), 50.0, dtype=np.float32)
    values[:, :, : globe.width // 2] = 90.0
    pieces = [
        (torch.from_numpy(values[(slice(None), *window.slices)].copy()), globe.part(window))
        for window in resample.windows_needed(globe, wanted)
    ]
    assert len(pieces) == 2
    found = first_known(pieces, 1, wanted, CPU)[0].numpy()
    assert not np.isnan(found).any()
    assert found[20, 0] == pytest.approx(50.0, abs=0.5)
    assert found[20, -1] == pytest.approx(90.0, abs=0.5)


def test_where_several_know_a_value_the_first_one_counts():
    has = around(WANTED, POLAR, 10.0)
    first, second = (np.full((1, *has.shape), level, np.float32) for level in (1.0, 2.0))
    first[:, :, : has.width // 2] = np.nan
    pieces = [(torch.from_numpy(each), has) for each in (first, second)]
    found = first_known(pieces, 1, WANTED, CPU)
    alone = on_grid(torch.from_numpy(first), has, WANTED)
    assert (found == torch.where(torch.isnan(alone), 2.0, 1.0)).all()
    assert 0.2 < (found == 1.0).float().mean() < 0.8
