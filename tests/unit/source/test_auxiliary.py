import datetime as dt
import os
import resource
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.warp import transform_bounds

from rts_track.errors import InputError
from rts_track.grid import transformer
from rts_track.raster.grid import Grid, Window
from rts_track.raster.terrain import relative_elevation, slope_deg
from rts_track.source import mosaic
from rts_track.source.auxiliary import Auxiliary, AuxiliaryLayers
from rts_track.source.mosaic import Mosaic, day_of, find_pieces

POLAR = "EPSG:3413"
SCENE = Grid(
    height=60,
    width=80,
    transform=Affine(10.0, 0.0, 471_000.0, 0.0, -10.0, 7_549_000.0),
    crs="EPSG:32608",
)
BOTH = ("relative_elevation", "slope")
TREND = ("tc_brightness", "tc_greenness", "tc_wetness")


def covering(grid, crs, pixel, margin=300.0):
    """A grid in another CRS that holds all of this one and a margin."""
    left, bottom, right, top = transform_bounds(grid.crs, crs, *grid.bounds)
    return Grid(
        height=int((top - bottom + 2 * margin) / pixel),
        width=int((right - left + 2 * margin) / pixel),
        transform=Affine(pixel, 0.0, left - margin, 0.0, -pixel, top + margin),
        crs=crs,
    )


def write(path, bands, grid, **profile):
    path.parent.mkdir(parents=True, exist_ok=True)
    bands = np.asarray(bands)
    with rasterio.open(
        path, "w", driver="GTiff", dtype=bands.dtype, count=len(bands), height=grid.height,
        width=grid.width, transform=grid.transform, crs=grid.crs, **profile,
    ) as dataset:  # fmt: skip
        dataset.write(bands)
    return path


def positions(grid):
    rows, cols = np.mgrid[: grid.height, : grid.width]
    return grid.transform @ (cols + 0.5, rows + 0.5)


def ground(grid):
    """Elevations of rolling ground, a function of where a pixel lies in EPSG:3413."""
    x, y = transformer(grid.crs, POLAR).transform(*positions(grid))
    return (400.0 + 12.0 * np.sin(x / 150.0) + 9.0 * np.cos(y / 90.0)).astype(np.float32)


def dem(folder, *, name="40_17_1_1_2m_v4.1_dem.tif", grid=None, change=None, **profile):
    grid = grid or covering(SCENE, POLAR, 2.0)
    elevation_m = ground(grid)
    if change is not None:
        change(elevation_m)
    return write(folder / name, elevation_m[None], grid, nodata=-9999.0, **profile)


def read(auxiliary, names=BOTH, window=None, grid=SCENE):
    with AuxiliaryLayers(auxiliary, grid) as layers:
        return layers.read(names, window or grid.whole)


def truth(grid=SCENE):
    wide = ground(grid.grown(10))
    inner = (slice(10, -10), slice(10, -10))
    return np.stack(
        [relative_elevation(wide, grid.gsd_m)[inner], slope_deg(wide, grid.gsd_m)[inner]]
    )


def test_layers_of_a_polar_elevation_model_lie_on_the_scenes_grid(tmp_path):
    dem(tmp_path / "dem")
    layers = read(Auxiliary(dem=tmp_path / "dem"))
    assert layers.dtype == np.float32
    relative, slope = layers - truth()
    assert np.abs(relative).max() < 0.15
    assert np.abs(slope).max() < 0.5


def test_layers_come_in_the_order_asked_for_and_are_unknown_outside_the_scene(tmp_path):
    path = dem(tmp_path)
    whole = read(Auxiliary(dem=path))
    window = Window(-3, 70, 8, 20)
    part = read(Auxiliary(dem=path), ("slope", "relative_elevation"), window)
    np.testing.assert_array_equal(part[:, 3:, :10], whole[::-1, :5, 70:])
    assert np.isnan(part[:, :3]).all()
    assert np.isnan(part[:, :, 10:]).all()


def test_relative_elevation_at_a_scenes_edge_knows_the_ground_beyond_it(tmp_path):
    """A margin of the radius in pixels, taken for metres, would leave it a third of its disc."""
    cliff = covering(SCENE, POLAR, 2.0)

    def fall_outside(elevation_m):
        east, _ = transformer(POLAR, SCENE.crs).transform(*positions(cliff))
        elevation_m[:] = np.where(east < SCENE.bounds[0] - 30.0, 350.0, 400.0)

    relative = read(Auxiliary(dem=dem(tmp_path, grid=cliff, change=fall_outside)))[0]
    assert relative[30, 0] > 10.0
    assert abs(relative[30, 20]) < 0.1


def test_a_hole_in_the_elevation_model_stays_as_large_as_it_is(tmp_path):
    grid = covering(SCENE, POLAR, 2.0)
    hole = (slice(200, 300), slice(200, 300))

    def pierce(elevation_m):
        elevation_m[hole] = -9999.0

    layers = read(Auxiliary(dem=dem(tmp_path, change=pierce)))
    hole_m2 = 100 * 100 * grid.gsd_m**2
    for layer in layers:
        lost_m2 = np.isnan(layer).sum() * SCENE.gsd_m**2
        assert lost_m2 == pytest.approx(hole_m2, rel=0.15)


def test_elevations_that_cannot_be_are_holes_and_leave_no_spikes_around(tmp_path):
    def spoil(elevation_m):
        elevation_m[210:230, 210:230] = 4500.0
        elevation_m[300:320, 300:320] = -250.0

    layers = read(Auxiliary(dem=dem(tmp_path, change=spoil)))
    is_nan = np.isnan(layers[0])
    assert 0 < is_nan.sum() < 60
    difference = np.abs(layers - truth())
    assert np.nanmax(difference[0]) < 3.0


def test_a_scene_half_outside_the_elevation_model_has_layers_where_it_is_inside(tmp_path):
    half = Grid(height=60, width=40, transform=SCENE.transform, crs=SCENE.crs)
    layers = read(Auxiliary(dem=dem(tmp_path, grid=covering(half, SCENE.crs, 5.0, margin=0.0))))
    assert np.isnan(layers[:, :, 41:]).all()
    assert not np.isnan(layers[:, :, :39]).any()


def test_a_scene_outside_the_elevation_model_is_told_so_in_one_line(tmp_path):
    path = dem(tmp_path)
    away = Grid(
        height=20, width=20, transform=Affine(10.0, 0.0, 5e5, 0.0, -10.0, 8.0e6), crs="EPSG:32640"
    )
    with pytest.raises(InputError, match=r"_dem\.tif: its elevations do not reach the scene"):
        read(Auxiliary(dem=path), grid=away)


def test_a_scene_in_a_hole_of_the_elevation_model_is_told_so_and_nothing_is_kept(tmp_path):
    def empty(elevation_m):
        elevation_m[:] = -9999.0

    cache = tmp_path / "cache"
    with pytest.raises(InputError, match="nothing but holes where the scene lies"):
        read(Auxiliary(dem=dem(tmp_path, change=empty), cache=cache))
    assert list(cache.iterdir()) == []


def test_strips_fill_what_the_mosaic_leaves_open_the_latest_first(tmp_path):
    grid = covering(SCENE, POLAR, 2.0)
    third = grid.width // 3

    def holds(level_m, columns):
        def change(elevation_m):
            elevation_m[:] = -9999.0
            elevation_m[:, columns] = level_m

        return change

    folder = tmp_path / "dem"
    dem(folder, name="40_17_2m_v4.1_dem.tif", change=holds(300.0, slice(0, third)))
    early, late = (
        "SETSM_s2s041_WV01_20120711_10200_2m_dem.tif",
        "SETSM_WV02_20190820_1030_2m_dem.tif",
    )
    dem(folder, name=early, change=holds(100.0, slice(0, None)))
    dem(folder, name=late, change=holds(200.0, slice(0, 2 * third)))
    names = [piece.path.name for piece in find_pieces(folder)]
    assert names == ["40_17_2m_v4.1_dem.tif", late, early]
    with Mosaic(find_pieces(folder)) as strips:
        level = strips.on_grid(grid, 1, lambda read: read)[0]
    row = grid.height // 2
    at = [third // 2, third + third // 2, 2 * third + third // 2]
    assert level[row, at].tolist() == [300.0, 200.0, 100.0]


def test_a_strips_day_is_in_its_name_and_catalogue_numbers_are_no_days():
    assert day_of("SETSM_s2s041_WV01_20160405_1020010048D0A900_2m_dem") == dt.date(2016, 4, 5)
    assert day_of("40_17_1_1_2m_v4.1_dem") is None
    assert day_of("tile_20161399_dem") is None
    assert day_of("SETSM_1020160405123456_dem") is None


def test_masks_and_counts_beside_elevations_are_not_taken_for_elevations(tmp_path):
    dem(tmp_path)
    write(
        tmp_path / "40_17_1_1_2m_v4.1_count.tif",
        np.ones((1, 4, 4), np.uint8),
        SCENE.part(Window(0, 0, 4, 4)),
    )
    assert [piece.path.name for piece in find_pieces(tmp_path)] == ["40_17_1_1_2m_v4.1_dem.tif"]


def trend(folder, values, *, crs="EPSG:4326", pixel=3e-4, margin=0.01):
    grid = covering(SCENE, crs, pixel, margin)
    bands = np.empty((3, *grid.shape), dtype=np.uint8)
    bands[:] = np.array(values, dtype=np.uint8)[:, None, None]
    return write(folder / "TCVIS.tif", bands, grid)


def test_the_trend_comes_from_any_crs_onto_the_scenes_grid(tmp_path):
    layers = read(Auxiliary(trend=trend(tmp_path, (120, 0, 255))), TREND)
    for layer, value in zip(layers, (120.0, 0.0, 255.0), strict=True):
        np.testing.assert_allclose(layer, value, atol=1e-3)


def test_where_all_trends_are_0_nothing_is_known(tmp_path):
    path = trend(tmp_path, (10, 20, 30), crs=SCENE.crs, pixel=30.0, margin=300.0)
    with rasterio.open(path, "r+") as dataset:
        dataset.write(np.zeros((3, 6, 6), np.uint8), window=rasterio.windows.Window(12, 12, 6, 6))
    layers = read(Auxiliary(trend=path), TREND)
    is_nan = np.isnan(layers)
    assert (is_nan[0] == is_nan[1]).all()
    assert is_nan[0].sum() == pytest.approx(18 * 18, rel=0.15)
    assert np.nanmin(layers[0]) == pytest.approx(10.0, abs=0.02)


def test_a_trend_across_180_degrees_is_read_on_both_sides(tmp_path):
    x, y = transformer("EPSG:4326", "EPSG:32601").transform(180.0, 71.16)
    grid = Grid(
        height=40,
        width=40,
        transform=Affine(30.0, 0.0, x - 600.0, 0.0, -30.0, y),
        crs="EPSG:32601",
    )
    west, _, east, _ = transform_bounds(grid.crs, "EPSG:4326", *grid.bounds)
    assert west > 0 > east
    globe = Grid(
        height=60,
        width=7200,
        transform=Affine(0.05, 0.0, -180.0, 0.0, -0.05, 72.5),
        crs="EPSG:4326",
    )
    bands = np.full((3, *globe.shape), 50, dtype=np.uint8)
    bands[:, :, : globe.width // 2] = 90
    layers = read(Auxiliary(trend=write(tmp_path / "globe.tif", bands, globe)), TREND, grid=grid)
    assert not np.isnan(layers).any()
    assert layers[0, 20, 0] == pytest.approx(50.0, abs=0.5)
    assert layers[0, 20, -1] == pytest.approx(90.0, abs=0.5)


def test_a_trend_that_is_none_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"1 bands of float32 are no trends; expected 3 of uint8"):
        read(Auxiliary(trend=dem(tmp_path)), TREND)


def test_kept_layers_are_read_without_the_elevation_models_pixels(tmp_path):
    path = dem(tmp_path)
    auxiliary = Auxiliary(dem=path, cache=tmp_path / "cache")
    first = read(auxiliary)
    facts = path.stat()
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    np.testing.assert_array_equal(read(auxiliary), first)


def test_a_changed_elevation_model_makes_new_layers(tmp_path):
    auxiliary = Auxiliary(dem=tmp_path / "dem", cache=tmp_path / "cache")
    path = dem(tmp_path / "dem")
    first = read(auxiliary)

    def tilt(elevation_m):
        elevation_m += np.linspace(0.0, 300.0, elevation_m.shape[1], dtype=np.float32)

    dem(tmp_path / "dem", change=tilt)
    os.utime(path, ns=(1, 1))
    assert np.abs(read(auxiliary) - first)[1].max() > 3.0
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_each_grid_keeps_layers_of_its_own(tmp_path):
    auxiliary = Auxiliary(dem=dem(tmp_path), cache=tmp_path / "cache")
    whole = read(auxiliary)
    part = read(auxiliary, grid=SCENE.part(Window(10, 20, 30, 40)))
    np.testing.assert_allclose(part, whole[:, 10:40, 20:60], atol=0.05)
    assert len(list((tmp_path / "cache").iterdir())) == 2


@pytest.mark.parametrize("spoil", ["cut", "garbage", "zeros inside"])
def test_kept_layers_that_were_spoiled_are_made_anew(tmp_path, spoil):
    auxiliary = Auxiliary(dem=dem(tmp_path), cache=tmp_path / "cache")
    first = read(auxiliary)
    (kept,) = (tmp_path / "cache").iterdir()
    content = kept.read_bytes()
    half = len(content) // 2
    kept.write_bytes(
        {
            "cut": content[:half],
            "garbage": b"no raster",
            "zeros inside": content[: half - 200] + bytes(400) + content[half + 200 :],
        }[spoil]
    )
    np.testing.assert_array_equal(read(auxiliary), first)


def test_without_a_cache_nothing_is_left_behind(tmp_path, monkeypatch):
    path = dem(tmp_path / "dem")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    read(Auxiliary(dem=path))
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_told_in_one_line(tmp_path):
    (tmp_path / "cache").write_text("a file, where a folder is needed")
    with pytest.raises(InputError, match="layers cannot be kept there"):
        read(Auxiliary(dem=dem(tmp_path), cache=tmp_path / "cache"))


def test_no_space_while_layers_are_written_is_one_line_and_leaves_nothing(tmp_path):
    auxiliary = Auxiliary(dem=dem(tmp_path), cache=tmp_path / "cache")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, limits[1]))
    try:
        with pytest.raises(InputError, match="layers cannot be kept there"):
            read(auxiliary)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list((tmp_path / "cache").iterdir()) == []
    assert read(auxiliary).shape == (2, *SCENE.shape)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "nowhere", "no such file or folder"),
        (lambda folder: folder, "no GeoTIFF below"),
        (lambda folder: Path(folder / "x.tif").write_bytes(b"x") and folder, "cannot be read"),
    ],
)
def test_elevations_that_are_not_there_are_told_in_one_line(tmp_path, make, message):
    with pytest.raises(InputError, match=message):
        read(Auxiliary(dem=make(tmp_path)))


def test_a_truncated_elevation_model_is_told_in_one_line_and_nothing_is_kept(tmp_path):
    path = dem(tmp_path, compress="deflate", tiled=True)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 3])
    with pytest.raises(InputError, match=r"_dem\.tif: cannot be read"):
        read(Auxiliary(dem=path, cache=tmp_path / "cache"))
    assert not (tmp_path / "cache").exists() or not list((tmp_path / "cache").iterdir())


def test_a_layer_that_is_not_at_hand_names_its_option(tmp_path):
    with pytest.raises(InputError, match="no layer tc_wetness: give --trend"):
        read(Auxiliary(dem=dem(tmp_path)), ("tc_wetness",))


def test_layers_made_part_by_part_are_those_made_at_once(tmp_path, monkeypatch):
    auxiliary = Auxiliary(dem=dem(tmp_path))
    grid = Grid(
        height=300, width=280, transform=SCENE.transform @ Affine.scale(0.25), crs=SCENE.crs
    )
    at_once = read(auxiliary, grid=grid)
    monkeypatch.setattr(mosaic, "_READ_PX", 1)
    in_parts = read(auxiliary, grid=grid)
    np.testing.assert_allclose(in_parts, at_once, atol=0.05)
