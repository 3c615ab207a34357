"""Scenes of one ground, drawn from one spectrum, each lying off by a known shift."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
import rasterio
from affine import Affine
from scipy import ndimage

from rts_track import grid as plane
from rts_track.contract import arrow_schema
from rts_track.errors import UsageError
from rts_track.raster.coregister import CoregisterParams
from rts_track.raster.grid import Grid
from rts_track.source.scene import Band, MaskFile, Scene
from rts_track.steps.align_pair import Untold, told_shift
from rts_track.steps.aligning import align
from rts_track.steps.ingesting import IngestRequest, ingest
from rts_track.steps.linking import link

ORIGIN = (-1_500_000.0, 1_200_000.0)
"""Where the stories of this folder take place."""
PARAMS = CoregisterParams()
CLEAR, CLOUD = 4, 9
"""Of Sentinel-2's scene classification."""
SIDE_M = 660


class Ground:
    """Tundra in a band-limited texture of one metre, that repeats itself at its edges."""

    def __init__(self, seed=1, side_m=SIDE_M):
        self.rng, self.side_m = np.random.default_rng(seed), side_m
        self.spectrum = self._texture()

    def _texture(self):
        spectrum = np.fft.rfft2(self.rng.normal(size=(self.side_m, self.side_m)))
        far = np.hypot(*self._waves())
        far[0, 0] = np.inf
        return spectrum * far**-1.5

    def _waves(self):
        return np.meshgrid(np.fft.fftfreq(self.side_m), np.fft.rfftfreq(self.side_m), indexing="ij")

    def seen(self, gsd_m, moved_m=(0.0, 0.0), *, changed=0.3, noise=0.002, gain=1.0):
        """Reflectance of the ground as it lies, so far to the right and up, with what changed."""
        rows, cols = self._waves()
        blur = np.exp(-2.0 * (np.pi * 0.45 * gsd_m) ** 2 * (rows**2 + cols**2))
        moved = np.exp(-2j * np.pi * (cols * moved_m[0] - rows * moved_m[1]))
        texture = np.sqrt(1.0 - changed**2) * self.spectrum + changed * self._texture()
        fine = np.fft.irfft2(texture * blur * moved, s=(self.side_m, self.side_m))
        n = self.side_m // gsd_m
        image = fine[: n * gsd_m, : n * gsd_m].reshape(n, gsd_m, n, gsd_m).mean((1, 3))
        image = gain * (0.25 + 0.06 * image / image.std())
        return image + noise * self.rng.normal(size=image.shape)


def clouds(ground, shape, frac, size_px=12.0):
    field = ndimage.gaussian_filter(ground.rng.normal(size=shape), size_px)
    return field > np.quantile(field, 1.0 - frac)


def write_scene(folder, name, image, gsd_m, *, is_cloud=None, crs=plane.METRIC_CRS):
    """A plain GeoTIFF of one band and its mask; its corner lies at ORIGIN."""
    grid = Grid(
        height=image.shape[0],
        width=image.shape[1],
        transform=Affine(gsd_m, 0.0, ORIGIN[0], 0.0, -gsd_m, ORIGIN[1]),
        crs=crs,
    )
    codes = np.full(image.shape, CLEAR, dtype=np.uint8)
    if is_cloud is not None:
        codes[is_cloud] = CLOUD
        image = np.where(is_cloud, 0.7, image)
    folder.mkdir(exist_ok=True)
    paths = folder / f"{name}.tif", folder / f"{name}_SCL.tif"
    for path, values in zip(paths, (np.rint(image * 1e4).astype(np.uint16), codes), strict=True):
        with rasterio.open(
            path, "w", driver="GTiff", dtype=values.dtype, count=1, height=grid.height,
            width=grid.width, transform=grid.transform, crs=crs,
        ) as dataset:  # fmt: skip
            dataset.write(values, 1)
    return paths, grid


def scene(folder, name, image, gsd_m, **how):
    (path, mask), grid = write_scene(folder, name, image, gsd_m, **how)
    day = dt.date(2020, 8, 1)
    return Scene(
        product=name,
        reader="sentinel2",
        sensor="sentinel2",
        observed_from=day,
        observed_to=day,
        acquired_at=None,
        grid=grid,
        bands=(Band(name="nir", path=path, index=1, scale=1e-4),),
        nodata=0.0,
        masks=(MaskFile(path=mask, index=1, codes="scl"),),
        cloud_frac=None,
        uri="",
        files=(path, mask),
    )


def on_ground(moved_m, side_m=SIDE_M):
    """Metres east and north on the ground of a move to the right and up in the plane."""
    x, y = ORIGIN[0] + side_m / 2, ORIGIN[1] - side_m / 2
    return tuple(float(each) for each in plane.to_ground(*moved_m, x, y))


@pytest.mark.parametrize(
    ("before_m", "after_m", "side_m", "moved_m"),
    [
        (3, 3, 480, (7.4, -4.9)),
        (10, 10, 1300, (-13.0, 24.5)),
        (3, 10, 1300, (4.6, 6.1)),
        (10, 3, 1300, (-8.3, 2.2)),
    ],
)
def test_a_shift_is_told_to_a_fraction_of_a_pixel_whatever_the_two_resolutions(
    tmp_path, before_m, after_m, side_m, moved_m
):
    ground = Ground(3, side_m)
    before = ground.seen(before_m)
    after = ground.seen(after_m, moved_m, gain=0.8)
    told = told_shift(
        scene(tmp_path, "before", before, before_m),
        scene(tmp_path, "after", after, after_m, is_cloud=clouds(ground, after.shape, 0.1)),
        PARAMS,
    )
    error_m = np.subtract((told.dx_m, told.dy_m), on_ground(moved_m, side_m))
    assert np.abs(error_m).max() < 0.08 * max(before_m, after_m)
    assert np.abs(error_m).max() < 3.5 * told.se_m
    assert told.is_applied


def test_scenes_under_cloud_or_of_other_ground_tell_no_shift(tmp_path):
    ground = Ground(4, 300)
    before = scene(tmp_path, "before", ground.seen(3), 3)
    hidden = ground.seen(3)
    is_cloud = np.ones(hidden.shape, dtype=bool)
    is_cloud[:40, :40] = False
    under = told_shift(before, scene(tmp_path, "under", hidden, 3, is_cloud=is_cloud), PARAMS)
    assert isinstance(under, Untold)
    assert under.reason == "1 windows are clear in both, 8 needed"
    elsewhere = scene(tmp_path, "elsewhere", Ground(5, 300).seen(3), 3)
    assert isinstance(told_shift(before, elsewhere, PARAMS), Untold)


MOVED_M = {2019: (0.0, 0.0), 2020: (14.3, -9.7), 2021: (-6.1, 4.4)}


@pytest.fixture
def scenes(tmp_path):
    """Three seasons' scenes at 3 m, those after the first lying off."""
    ground, folder = Ground(), tmp_path / "scenes"
    for season, moved_m in MOVED_M.items():
        image = ground.seen(3, moved_m, gain=1.0 - 0.1 * (season - 2019))
        is_cloud = clouds(ground, image.shape, 0.04)
        write_scene(
            folder,
            f"S2_{season}0801T210019_{season}0801T210020_T08WMA",
            image,
            3,
            is_cloud=is_cloud,
        )
    return folder


@pytest.fixture
def quick():
    """Few windows."""
    return CoregisterParams(windows_px=(32,), most_windows=20)


def take_in(store, folder):
    report = ingest(store, [folder], IngestRequest(source="s2", bands=("B8",)))
    assert not report.faults
    return {row["season_year"]: row["scene_id"] for row in store.read("scene").to_pylist()}


def shifts(store):
    return {(row["scene_a"], row["scene_b"]): row for row in store.read("scene_shift").to_pylist()}


def everything(store):
    tables = ("scene_shift", "run", "scene", "step_input")
    return {name: store.read(name).to_pylist() for name in tables}


def test_scenes_are_aligned_in_pairs_as_linking_asks_for_them(store, scenes, quick):
    scene_of = take_in(store, scenes)
    report = align(store, params=quick)
    assert (report.n_told, report.n_derived, report.n_kept) == (2, 1, 0)
    assert not report.untold
    found = shifts(store)
    assert len(found) == 3
    for (season_a, season_b), is_derived in {
        (2019, 2020): False,
        (2019, 2021): False,
        (2020, 2021): True,
    }.items():
        row = found[scene_of[season_a], scene_of[season_b]]
        moved_m = on_ground(np.subtract(MOVED_M[season_b], MOVED_M[season_a]))
        error_m = np.subtract((row["dx_m"], row["dy_m"]), moved_m)
        assert np.abs(error_m).max() < 0.5, (season_a, season_b)
        assert np.abs(error_m).max() < 4.0 * row["se_m"], (season_a, season_b)
        assert row["method"] == "coregistration"
        assert row["is_applied"]
        if is_derived:
            direct = [found[scene_of[2019], scene_of[each]]["se_m"] for each in (2020, 2021)]
            assert row["se_m"] == pytest.approx(np.hypot(*direct))
    (run,) = store.read("run", scope={"step": "align"}).to_pylist()
    assert run["run_id"] == report.run_id


def test_a_second_time_changes_nothing_and_compares_nothing(
    duckdb_store, scenes, quick, monkeypatch
):
    take_in(duckdb_store, scenes)
    align(duckdb_store, params=quick)
    before = everything(duckdb_store)
    monkeypatch.setattr("rts_track.steps.aligning.told_shift", None)
    report = align(duckdb_store, params=quick)
    assert everything(duckdb_store) == before
    assert (report.run_id, report.n_told, report.n_kept) == (None, 0, 3)


def test_a_new_season_is_compared_once_and_leaves_what_was_known(
    duckdb_store, scenes, quick, tmp_path
):
    (tmp_path / "later").mkdir()
    for file in scenes.glob("*2021*"):
        file.rename(tmp_path / "later" / file.name)
    take_in(duckdb_store, scenes)
    align(duckdb_store, params=quick)
    before = shifts(duckdb_store)
    take_in(duckdb_store, tmp_path / "later")
    report = align(duckdb_store, params=quick)
    after = shifts(duckdb_store)
    assert (report.n_told, report.n_derived, report.n_kept) == (1, 1, 1)
    assert {pair: after[pair] for pair in before} == before


def test_a_shift_that_outlines_told_stays_until_a_redo(duckdb_store, scenes, quick):
    scene_of = take_in(duckdb_store, scenes)
    row = {
        "scene_a": scene_of[2019],
        "scene_b": scene_of[2020],
        "dx_m": 1.0,
        "dy_m": 2.0,
        "se_m": 0.5,
        "n": 9,
        "method": "mutual_best",
        "is_applied": True,
    }
    schema = arrow_schema("scene_shift")
    duckdb_store.upsert("scene_shift", pa.Table.from_pylist([row], schema=schema))
    align(duckdb_store, params=quick)
    pair = scene_of[2019], scene_of[2020]
    assert shifts(duckdb_store)[pair] == row
    align(duckdb_store, params=quick, redo=True)
    assert shifts(duckdb_store)[pair]["method"] == "coregistration"


def test_the_reference_may_be_chosen_and_lie_in_a_later_season(duckdb_store, scenes, quick):
    scene_of = take_in(duckdb_store, scenes)
    report = align(duckdb_store, reference=scene_of[2021], params=quick)
    assert (report.n_told, report.n_derived) == (2, 1)
    row = shifts(duckdb_store)[scene_of[2019], scene_of[2020]]
    error_m = np.subtract((row["dx_m"], row["dy_m"]), on_ground(MOVED_M[2020]))
    assert np.abs(error_m).max() < 0.5
    with pytest.raises(UsageError, match="reference 'nowhere': no scene that can be opened"):
        align(duckdb_store, reference="nowhere", params=quick)


def test_scenes_that_do_not_tell_are_named_and_not_compared_again(
    duckdb_store, tmp_path, quick, monkeypatch
):
    folder = tmp_path / "scenes"
    for season in (2019, 2020):
        write_scene(
            folder,
            f"S2_{season}0801T210019_{season}0801T210020_T08WMA",
            Ground(season, 300).seen(3),
            3,
        )
    take_in(duckdb_store, folder)
    report = align(duckdb_store, params=quick)
    assert len(report.untold) == 1
    assert any("no shift between" in line for line in report.lines())
    assert shifts(duckdb_store) == {}
    monkeypatch.setattr("rts_track.steps.aligning.told_shift", None)
    assert align(duckdb_store, params=quick).n_told == 0


def test_a_scene_whose_files_are_gone_is_told_and_the_others_are_aligned(
    duckdb_store, scenes, quick
):
    scene_of = take_in(duckdb_store, scenes)
    (scenes / "S2_20200801T210019_20200801T210020_T08WMA.tif").unlink()
    report = align(duckdb_store, params=quick)
    assert len(report.faults) == 1
    assert "S2_20200801T210019_20200801T210020_T08WMA.tif: gone" in report.faults[0]
    assert list(shifts(duckdb_store)) == [(scene_of[2019], scene_of[2021])]


def test_killed_between_two_comparisons_the_next_time_goes_on(
    duckdb_store, scenes, quick, monkeypatch
):
    take_in(duckdb_store, scenes)
    compared = []

    def killed_at_second(before, after, params):
        compared.append((before.product, after.product))
        if len(compared) == 2:
            raise KeyboardInterrupt
        return told_shift(before, after, params)

    monkeypatch.setattr("rts_track.steps.aligning.told_shift", killed_at_second)
    with pytest.raises(KeyboardInterrupt):
        align(duckdb_store, params=quick)
    assert len(shifts(duckdb_store)) == 1
    align(duckdb_store, params=quick)
    assert len(shifts(duckdb_store)) == 3
    assert len(compared) == 3


def test_linking_corrects_for_what_the_images_tell(story, store, scenes, quick):
    """Two slumps are too few to tell a shift by their outlines; their scenes' images do."""
    scene_of = take_in(store, scenes)
    for season in (2019, 2020):
        east_m, north_m = MOVED_M[season]
        for name, x in (("left", 100.0), ("right", 400.0)):
            box = (x + east_m, -300.0 + north_m, x + east_m + 30.0, -270.0 + north_m)
            story.slump(season, name, box, scene=scene_of[season], source="s2")
    link(store)
    as_they_lie = store.read("link")["iou"].to_pylist()
    report = align(store, params=quick)
    assert report.linked_seasons == (2020,)
    assert any("rts-track link --redo 2020" in line for line in report.lines())
    link(store, redo=2020)
    corrected = store.read("link")["iou"].to_pylist()
    assert len(as_they_lie) == len(corrected) == 2
    assert max(as_they_lie) < 0.35
    assert min(corrected) > 0.97
