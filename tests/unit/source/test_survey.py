import numpy as np
import pytest
import shapely
from affine import Affine

from rts_track.errors import InputError
from rts_track.raster.grid import Grid
from rts_track.source import survey as surveying
from rts_track.source.scenes import find_scenes
from rts_track.source.survey import strips, survey


def only(folder, **options):
    scenes, faults = find_scenes([folder], **options)
    assert faults == []
    (scene,) = scenes
    return scene


@pytest.fixture
def scene(tmp_path, products):
    """60 x 50 pixels of 30 m: nodata in the north, cloud in the west of the rest, snow in the
    south-east corner."""
    values = products.image(7, (60, 50), first=8000)
    values[:, :6] = 0
    qa = np.full((60, 50), 21824, dtype=np.uint16)
    qa[:6] = 1
    qa[6:, :10] = 22280
    qa[50:, 40:] = 30048
    products.landsat(tmp_path, values=values, qa=qa)
    return only(tmp_path)


def test_what_is_valid_clear_and_cloudy_is_counted(scene):
    seen = survey(scene)
    assert seen.n_valid == 54 * 50
    assert seen.n_clear == 54 * 40 - 10 * 10
    assert seen.cloud_frac == pytest.approx(10 / 50)


def test_the_clear_area_lies_where_it_is_clear(scene):
    clear = survey(scene).clear
    assert clear.area == pytest.approx((54 * 40 - 10 * 10) * 900, rel=0.01)
    centre = scene.grid.to_metric(
        np.array([shapely.Point(25.5, 30.5), shapely.Point(5.5, 30.5)], dtype=object)
    )
    assert shapely.contains(clear, centre).tolist() == [True, False]


def test_strips_change_nothing(scene, monkeypatch):
    whole = survey(scene)
    monkeypatch.setattr(surveying, "BLOCK_ROWS", 7)
    monkeypatch.setattr(surveying, "STRIP_PX", 1)
    assert len(list(strips(scene.grid))) == 9
    assert survey(scene) == whole


@pytest.mark.parametrize(("height", "width"), [(1, 1), (512, 3), (1025, 10_000), (40, 9_000_000)])
def test_strips_cover_a_grid_once(height, width):
    grid = Grid(height=height, width=width, transform=Affine.identity(), crs="EPSG:32608")
    windows = list(strips(grid))
    assert sum(window.height for window in windows) == height
    ends = [window.row + window.height for window in windows]
    assert [window.row for window in windows] == [0, *ends[:-1]]
    assert {(window.col, window.width) for window in windows} == {(0, width)}


def test_a_mask_that_does_not_know_cloud_leaves_it_to_the_product(tmp_path, products):
    products.psscene(tmp_path, mask=False)
    assert survey(only(tmp_path, is_mask_optional=True)).cloud_frac == 0.03
    path = products.write_tiff(tmp_path / "flight_20210801.tif", products.image(1) / 10_000.0)
    plain = only(path, reader="raster", sensor="drone", bands=("red",))
    assert survey(plain).cloud_frac is None


def test_a_scene_whose_first_rows_are_nodata_is_judged_by_the_others(tmp_path, products):
    values = products.image()
    values[:, :5] = 0
    products.psscene(tmp_path, values=values)
    assert survey(only(tmp_path)).n_valid == 8


def test_nothing_valid_is_refused(tmp_path, products):
    products.psscene(tmp_path, values=np.zeros((4, 6, 8), dtype=np.uint16))
    with pytest.raises(InputError, match="no valid pixel"):
        survey(only(tmp_path))
