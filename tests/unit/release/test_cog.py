import subprocess
import sys

import numpy as np
import pytest
import rasterio
from affine import Affine

from rts_track.errors import InputError
from rts_track.raster.grid import Grid
from rts_track.release.cog import write_cog


def grid_of(shape):
    transform = Affine(3, 0, 500_000, 0, -3, 7_500_000)
    return Grid(height=shape[0], width=shape[1], transform=transform, crs="EPSG:32608")


def bands_of(shape, seed=0):
    chance = np.random.default_rng(seed)
    return {
        name: chance.integers(0, 256, shape).astype(np.uint8) for name in ("probability", "spread")
    }


def test_what_is_written_is_read_back_with_names_scale_and_place(tmp_path):
    bands, grid = bands_of((700, 1100)), grid_of((700, 1100))
    path = tmp_path / "deep" / "scene.tif"
    write_cog(path, bands, grid, scale=1 / 250, tags={"RTS_TRACK_RUN": "r1"})
    with rasterio.open(path) as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.overviews(1) == [2, 4]
        assert dataset.descriptions == ("probability", "spread")
        assert dataset.scales == (1 / 250, 1 / 250)
        assert dataset.nodata == 255
        assert dataset.tags()["RTS_TRACK_RUN"] == "r1"
        assert dataset.transform == grid.transform
        assert dataset.crs.to_epsg() == 32608
        for at, values in enumerate(bands.values(), start=1):
            assert (dataset.read(at) == values).all()


@pytest.mark.parametrize("shape", [(1, 1), (3, 517), (512, 512)])
def test_rasters_of_any_size_can_be_written(tmp_path, shape):
    bands = bands_of(shape)
    write_cog(tmp_path / "scene.tif", bands, grid_of(shape))
    with rasterio.open(tmp_path / "scene.tif") as dataset:
        assert (dataset.read(2) == bands["spread"]).all()


def test_nothing_but_the_file_is_left_and_the_same_bands_give_the_same_bytes(tmp_path):
    bands, grid = bands_of((40, 40)), grid_of((40, 40))
    write_cog(tmp_path / "one.tif", bands, grid)
    write_cog(tmp_path / "two.tif", bands, grid)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["one.tif", "two.tif"]
    assert (tmp_path / "one.tif").read_bytes() == (tmp_path / "two.tif").read_bytes()


_NO_SPACE = """
import resource, signal, sys
import numpy as np
from affine import Affine
from pathlib import Path
from rts_track.errors import InputError
from rts_track.raster.grid import Grid
from rts_track.release.cog import write_cog

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
noise = np.random.default_rng(0).integers(0, 256, (300, 300)).astype(np.uint8)
grid = Grid(height=300, width=300, transform=Affine(3, 0, 0, 0, -3, 0), crs="EPSG:32608")
try:
    write_cog(Path(sys.argv[1]), {"probability": noise}, grid)
except InputError as error:
    print(error)
"""


def test_a_file_that_does_not_fit_is_one_line_and_leaves_what_was_there(tmp_path):
    path = tmp_path / "scene.tif"
    write_cog(path, bands_of((40, 40)), grid_of((40, 40)))
    before = path.read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", _NO_SPACE, str(path)], check=True, capture_output=True, text=True
    )
    assert done.stdout.startswith(f"{path}: cannot be written (File too large)")
    assert done.stderr == ""
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["scene.tif"]


def test_a_folder_that_cannot_be_written_to_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_cog(tmp_path / "file" / "scene.tif", bands_of((4, 4)), grid_of((4, 4)))
