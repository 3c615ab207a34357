import numpy as np
import pytest
import rasterio
from affine import Affine

from rts_track.errors import InputError
from rts_track.raster.grid import Grid, Window
from rts_track.release.geotiff import opened_geotiff, write_geotiff

GRID = Grid(
    height=300, width=280, transform=Affine(3.0, 0.0, 468_000.0, 0.0, -3.0, 7.5e6), crs="EPSG:32608"
)
PIXELS = np.arange(2 * 300 * 280, dtype=np.uint16).reshape(2, 300, 280)
WINDOWS = [Window(0, 0, 256, 256), Window(0, 256, 256, 24), Window(256, 0, 44, 280)]


def parts():
    return [(window, PIXELS[:, *window.slices]) for window in WINDOWS]


def test_windows_become_one_file_with_grid_and_band_names(tmp_path):
    path = tmp_path / "new" / "bands.tif"
    write_geotiff(
        path, GRID, parts(), dtype="uint16", n_bands=2, nodata=0, descriptions=("B2", "B8")
    )
    with rasterio.open(path) as file:
        assert np.array_equal(file.read(), PIXELS)
        assert file.transform == GRID.transform
        assert file.crs.to_string() == GRID.crs
        assert file.nodata == 0
        assert file.descriptions == ("B2", "B8")
        assert file.block_shapes[0] == (256, 256)
    assert [each.name for each in path.parent.iterdir()] == ["bands.tif"]


def test_what_no_window_holds_is_nodata(tmp_path):
    path = tmp_path / "heights.tif"
    height_m = np.full((1, 256, 256), 7.5, dtype=np.float32)
    write_geotiff(path, GRID, [(WINDOWS[0], height_m)], dtype="float32", n_bands=1, nodata=-9999.0)
    with rasterio.open(path) as file:
        read = file.read(1)
    assert np.all(read[:256, :256] == 7.5)
    assert np.all(read[256:] == -9999.0)


def test_a_file_that_fails_half_way_leaves_the_one_before_it(tmp_path):
    path = tmp_path / "bands.tif"
    write_geotiff(path, GRID, parts(), dtype="uint16", n_bands=2)
    before = path.read_bytes()
    with (
        pytest.raises(InputError, match=r"bands\.tif: cannot be written"),
        opened_geotiff(path, GRID, dtype="uint16", n_bands=2) as write,
    ):
        write(WINDOWS[0], PIXELS[:, :256, :256])
        raise OSError(28, "No space left on device")
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["bands.tif"]


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError, match="free space or choose another folder"):
        write_geotiff(tmp_path / "file" / "x.tif", GRID, parts(), dtype="uint16", n_bands=2)
