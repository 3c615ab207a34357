"""`detect` reads, computes and writes side by side: nothing that is found depends on it."""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import geopandas
import numpy as np
import pytest
import rasterio
import shapely

from rts_track import grid
from rts_track.errors import DeviceError, InputError, StoreError, UsageError
from rts_track.model import network
from rts_track.model.bundle import Threshold, ensemble_of
from rts_track.source.auxiliary import Auxiliary
from rts_track.steps import detecting
from rts_track.steps.detect_stages import MOST_WAITING
from rts_track.steps.detecting import DetectRequest, detect
from rts_track.steps.ingesting import IngestRequest, ingest
from rts_track.steps.regions import load_regions
from rts_track.store.base import open_store

STORY = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("test_detect.py"))))
FIRST, SLUMP, OTHER, rows = STORY.FIRST, STORY.SLUMP, STORY.OTHER, STORY.rows
NUMBERS = range(11, 17)
IDS = [STORY.id_of(2021, number) for number in NUMBERS]
PATIENCE_S = 120.0


@pytest.fixture(autouse=True)
def no_deadlock():
    """A test that hangs fails, and no thread outlives it."""

    def fail(number, frame):
        raise TimeoutError("a stage waits in vain")

    before = set(threading.enumerate())
    former = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    signal.signal(signal.SIGALRM, former)
    assert not [each for each in set(threading.enumerate()) - before if "detect" in each.name]


def scenes_at(folder, products, numbers=NUMBERS):
    """Scenes of one season, each with slumps at another place."""
    paths = []
    for number in numbers:
        at = 2 * (number - 10)
        values = STORY.image((5 + at, 10 + at, 10, 12), OTHER)
        name = STORY.name_of(2021, number)
        paths.append(products.psscene(folder, name, values=values, metadata=False))
    return paths


@pytest.fixture
def six(duckdb_store, tmp_path, products):
    """A store with six scenes, registered; and their files."""
    paths = scenes_at(tmp_path / "scenes", products)
    assert ingest(duckdb_store, paths, IngestRequest()).faults == ()
    return duckdb_store


class Windowed(STORY.Finder):
    """Shows windows as networks do, and says which threads it worked in."""

    def __init__(self, device="cpu"):
        super().__init__()
        self.device = device
        self.threads = set()
        self.before = lambda stack: None

    def predict(self, stack, progress=None):
        self.threads.add(threading.current_thread())
        for _ in progress(range(3), label="windows", total=3):
            self.before(stack)
        return super().predict(stack)


@pytest.fixture
def devices(monkeypatch):
    """Lets devices of any name be there, each with a predictor of its own."""
    made = {}

    def load(ensemble, request, device):
        return made.setdefault(device, Windowed(device))

    monkeypatch.setattr(network, "torch_devices", lambda names: names)
    monkeypatch.setattr(detecting, "_predictor", load)
    return made


def found(store, out):
    """What the store holds, and what lies in the folder of rasters."""
    files = {str(file.relative_to(out)): file.read_bytes() for file in out.rglob("*.*")}
    tables = {table: rows(store, table) for table in STORY.TABLES}
    runs = [
        {name: value for name, value in row.items() if not name.endswith("_at")}
        for row in rows(store, "run")
    ]
    return sorted(files.items()), tables, runs


def by_hand(store, out, monkeypatch):
    """Scene after scene in the calling thread, as a loop over them would."""
    for scene_id in IDS:
        detect(store, FIRST, DetectRequest(scene_ids=(scene_id,), out=out), predictor=Windowed())


def test_what_is_found_does_not_depend_on_devices_or_on_what_overlaps(
    duckdb_store, tmp_path, products, devices, monkeypatch
):
    paths = scenes_at(tmp_path / "scenes", products)
    outcomes = []
    for name in ("alone", "one", "three"):
        with open_store(f"duckdb:///{tmp_path / name}.duckdb") as store:
            store.init()
            ingest(store, paths, IngestRequest())
            out = tmp_path / name
            if name == "alone":
                by_hand(store, out, monkeypatch)
            else:
                used = ("a",) if name == "one" else ("b", "c", "d")
                report = detect(store, FIRST, DetectRequest(out=out, devices=used))
                assert [each.scene_id for each in report.searched] == IDS
                assert set(report.paces) <= set(used)
            outcomes.append(found(store, out))
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert len(outcomes[0][0]) == len(IDS)
    assert all(len(each.threads) <= 1 for each in devices.values())
    assert not any(threading.main_thread() in each.threads for each in devices.values())


def test_a_single_scene_is_searched_in_the_calling_thread(six):
    finder = Windowed()
    detect(six, FIRST, DetectRequest(scene_ids=(IDS[0],)), predictor=finder)
    assert finder.threads == {threading.current_thread()}


def test_a_report_is_in_the_order_of_the_plan_whatever_is_done_first(six, devices):
    """The first scene waits until all others are stored by another device."""

    def wait_for_the_others(stack):
        deadline = time.monotonic() + PATIENCE_S / 2
        while stack.read(stack.grid.whole)[0][0, 8, 13] > 0.3 and len(shown) < len(IDS) - 1:
            assert time.monotonic() < deadline, "a slow scene stalls the others"
            time.sleep(0.01)

    shown = []

    def progress(items, *, label, total=None):
        for item in items:
            yield item
            if label == "searching":
                shown.append(item)

    for name in ("a", "b"):
        devices[name] = Windowed(name)
        devices[name].before = wait_for_the_others
    request = DetectRequest(devices=("a", "b"))
    report = detect(six, FIRST, request, progress=progress)
    assert [each.scene_id for each in report.searched] == IDS
    assert len(shown) == len(IDS)
    assert sorted(pace.n_scenes for pace in report.paces.values()) == [1, 5]


def failing(where, monkeypatch):
    """A predictor, and what is patched so that the third scene fails in that stage."""
    finder = Windowed()
    marked = STORY.name_of(2021, NUMBERS[2])
    if where == "read":
        opened = detecting.open_ahead

        def read(search, *given, **options):
            if marked in search.scene_id:
                raise InputError("the reader fails")
            return opened(search, *given, **options)

        monkeypatch.setattr(detecting, "open_ahead", read)
    elif where == "compute":

        def fail(stack):
            if marked in str(stack._scene.files[0]):
                raise RuntimeError("the network fails")

        finder.before = fail
    else:
        extract = detecting.extract

        def fail_once(probability, *given):
            if probability[5 + 2 * 3, 10 + 2 * 3] == 200 and probability[5 + 2 * 3 - 1, 20] == 10:
                raise InputError("the outlines fail")
            return extract(probability, *given)

        monkeypatch.setattr(detecting, "extract", fail_once)
    return finder


@pytest.mark.parametrize("where", ["read", "compute", "write"])
def test_a_scene_that_fails_in_any_stage_is_a_failed_look_and_the_others_go_on(
    six, monkeypatch, where
):
    report = detect(six, FIRST, DetectRequest(), predictor=failing(where, monkeypatch))
    assert [each.scene_id for each in report.failures] == [IDS[2]]
    assert report.failures[0].reason.endswith("fails" if where != "write" else "fail")
    assert [each.scene_id for each in report.searched] == IDS[:2] + IDS[3:]
    status = {row["scene_id"]: row["status"] for row in rows(six, "look")}
    assert status == {each: "failed" if each == IDS[2] else "done" for each in IDS}


@pytest.mark.parametrize("where", ["read", "compute"])
def test_a_device_that_fails_ends_the_run_and_no_scene_is_blamed(six, monkeypatch, where):
    finder, n_good = Windowed(), 0

    def fail(stack):
        nonlocal n_good
        if n_good == 2 * 3:
            raise DeviceError("device cuda:0 has failed")
        n_good += 1

    def load(ahead):
        if STORY.name_of(2021, NUMBERS[2]) in str(ahead._scene.files[0]):
            raise DeviceError("device cuda:0 has failed")

    if where == "compute":
        finder.before = fail
    else:
        finder.is_resident, finder.load = True, load
    with pytest.raises(DeviceError, match="cuda:0"):
        detect(six, FIRST, DetectRequest(), predictor=finder)
    assert {row["status"] for row in rows(six, "look")} <= {"done"}
    assert detect(six, FIRST, DetectRequest(), predictor=Windowed()).n_failed_before == 0


class Away:
    """A store that is away from the nth transaction on."""

    def __init__(self, store, n_good):
        self._store, self._n_good = store, n_good

    def __getattr__(self, name):
        return getattr(self._store, name)

    def transaction(self):
        self._n_good -= 1
        if self._n_good < 0:
            raise StoreError("the store is away")
        return self._store.transaction()


def test_a_store_that_is_away_ends_the_run_and_its_workers(six, devices):
    with pytest.raises(StoreError, match="the store is away"):
        detect(Away(six, 2), FIRST, DetectRequest(devices=("a", "b")))
    assert len(rows(six, "look")) == 2
    assert {row["status"] for row in rows(six, "look")} == {"done"}
    assert len(detect(six, FIRST, DetectRequest(devices=("a",))).searched) == 4


@pytest.mark.parametrize("where", ["read", "compute"])
def test_a_fault_of_ours_in_any_stage_ends_the_run_and_is_told(six, monkeypatch, where):
    finder = Windowed()

    def broken(*given, **options):
        raise ZeroDivisionError(where)

    if where == "read":
        monkeypatch.setattr(detecting, "open_ahead", broken)
    else:
        finder.before = broken
    with pytest.raises(ZeroDivisionError, match=where):
        detect(six, FIRST, DetectRequest(), predictor=finder)
    assert rows(six, "look") == []


def test_networks_that_cannot_be_loaded_store_nothing(six, devices, monkeypatch):
    def load(ensemble, request, device):
        if device == "b":
            raise InputError("bundle first: weights cannot be read")
        return Windowed(device)

    monkeypatch.setattr(detecting, "_predictor", load)
    with pytest.raises(InputError, match="weights cannot be read"):
        detect(six, FIRST, DetectRequest(devices=("a", "b", "c")))
    assert rows(six, "look") == rows(six, "run", step="detect") == []


def test_few_scenes_are_open_at_a_time(six, monkeypatch):
    """Two wait to be computed and two to be written, however slow the writing."""
    n_open, most_open, opened = 0, 0, detecting.open_ahead

    def read(*given, **options):
        nonlocal n_open, most_open
        n_open += 1
        most_open = max(most_open, n_open)
        ahead = opened(*given, **options)
        close = ahead.close

        def closed():
            nonlocal n_open
            n_open -= 1
            close()

        ahead.close = closed
        return ahead

    monkeypatch.setattr(detecting, "open_ahead", read)
    finder = Windowed()
    finder.before = lambda stack: time.sleep(0.02)
    detect(six, FIRST, DetectRequest(), predictor=finder)
    assert n_open == 0
    # two wait, one is being computed, and one was read and waits to join those that wait
    assert most_open <= MOST_WAITING + 2


def test_an_interruption_ends_the_run_within_a_window_and_a_rerun_goes_on(six, tmp_path):
    finder = Windowed()

    def interrupt(stack):
        if finder.n_scenes == 3:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)

    finder.before = interrupt
    request = DetectRequest(out=tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        detect(six, FIRST, request, predictor=finder)
    assert finder.n_scenes == 3
    n_done = len(rows(six, "look"))
    assert n_done <= 3
    assert len(detect(six, FIRST, request, predictor=Windowed()).searched) == len(IDS) - n_done
    files = [file.suffix for file in (tmp_path / "out").rglob("*") if file.is_file()]
    assert files == [".tif"] * len(IDS)


_ENDED = """
import runpy, sys, time
from pathlib import Path
from types import SimpleNamespace
sys.modules["rts_track.model.network"] = SimpleNamespace(torch_devices=lambda names: names)
from rts_track.commands.detect import detect
from rts_track.model import bundle
from rts_track.steps import detecting

story = runpy.run_path(sys.argv[1])

class Slow(story["Finder"]):
    def predict(self, stack, progress=None):
        for window in progress(range(1000), label="windows"):
            stack.read(stack.grid.whole)
            if window == 0:
                print("computing", flush=True)
            time.sleep(0.05)

bundle.read_ensemble = lambda models: story["ensemble_of"](
    [story["bundle"](layers=("red", "slope"))]
)
detecting._predictor = lambda *given: Slow()
url, out, dem = sys.argv[2:]
detect([Path("any")], out=Path(out), dem=Path(dem), device=["cpu"], store=url, quiet=True)
"""


@pytest.mark.parametrize(
    ("number", "expected"),
    [(signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGINT, -signal.SIGINT)],
)
def test_a_command_that_is_told_to_end_ends_soon_and_leaves_nothing_half_written(
    duckdb_url, tmp_path, products, number, expected
):
    paths = scenes_at(tmp_path / "scenes", products, (11, 12, 13))
    with open_store(duckdb_url) as store:
        ingest(store, paths, IngestRequest())
    dem = elevations(tmp_path / "dem", products, paths[0])
    (tmp_path / "temporary").mkdir()
    script = [sys.executable, "-c", _ENDED, str(STORY.__file__), duckdb_url]
    process = subprocess.Popen(
        [*script, str(tmp_path / "out"), str(dem)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path / "temporary")},
    )
    try:
        assert process.stdout.readline() == b"computing\n", process.stderr.read()
        process.send_signal(number)
        ended = process.wait(timeout=PATIENCE_S / 2)
    finally:
        process.kill()
        process.communicate()
    assert ended == expected
    assert list((tmp_path / "temporary").iterdir()) == []
    assert not (tmp_path / "out").exists()
    with open_store(duckdb_url) as store:
        assert rows(store, "look") == rows(store, "run", step="detect") == []


def elevations(folder, products, scene):
    """An elevation model around that scene."""
    with rasterio.open(scene) as dataset:
        west, north = dataset.bounds.left - 600.0, dataset.bounds.top + 600.0
    rise = np.add.outer(np.arange(80.0), np.arange(80.0)).astype(np.float32)
    return products.write_tiff(folder / "a_dem.tif", rise, origin=(west, north), gsd_m=20.0).parent


def test_layers_that_are_not_kept_are_made_ahead_and_go_with_their_scene(
    six, tmp_path, products, monkeypatch
):
    dem = elevations(tmp_path / "dem", products, next((tmp_path / "scenes").rglob("*_SR.tif")))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    deep = ensemble_of([STORY.bundle(layers=("red", "slope"))])
    slopes, made_when_computed = [], []

    class Sloping(Windowed):
        def predict(self, stack, progress=None):
            made_when_computed.append(len(list(temporary.rglob("*.tif"))) > 0)
            slopes.append(stack.read(stack.grid.whole)[0][1])
            return super().predict(stack, progress)

    report = detect(six, deep, DetectRequest(auxiliary=Auxiliary(dem=dem)), predictor=Sloping())
    assert len(report.searched) == len(IDS), report.failures
    assert all(made_when_computed)
    assert len(slopes) == len(IDS)
    assert all(np.isfinite(slope).all() for slope in slopes)
    assert list(temporary.iterdir()) == []


def test_a_report_says_what_the_stages_and_devices_did_and_the_log_tells(six, devices, caplog):
    caplog.set_level("INFO", logger="rts_track.steps.detecting")
    report = detect(six, FIRST, DetectRequest(devices=("a",)))
    assert set(report.seconds) == {"read", "compute", "write"}
    assert all(seconds > 0.0 for seconds in report.seconds.values())
    assert sum(report.seconds.values()) < 3 * report.wall_s
    assert report.paces["a"].n_px == len(IDS) * STORY.SIZE[0] * STORY.SIZE[1]
    assert report.paces["a"].mpx_s == pytest.approx(
        report.paces["a"].n_px / 1e6 / report.paces["a"].seconds
    )
    assert any(f"a {len(IDS)} scenes at" in line and "Mpx/s" in line for line in caplog.messages)
    assert not any("Mpx" in str(row) for row in rows(six, "run"))


def test_a_device_that_is_named_twice_is_refused(six):
    for twice in (("cpu", "cpu"), ("cuda", "cpu", "cuda:0")):
        with pytest.raises(UsageError, match=r"device c\S+ is named twice"):
            detect(six, FIRST, DetectRequest(devices=twice))


@pytest.mark.parametrize("name", ["abacus", "cuda:99"])
def test_a_device_that_there_is_not_is_refused_and_stores_nothing(six, name):
    with pytest.raises(UsageError, match=f"device '?{name}"):
        detect(six, FIRST, DetectRequest(devices=("cpu", name)))
    assert rows(six, "look") == []


def test_without_names_every_gpu_is_used_else_the_processor(monkeypatch):
    for n_gpus, expected in ((2, ("cuda:0", "cuda:1")), (0, ("cpu",))):
        monkeypatch.setattr(network.torch.cuda, "is_available", lambda n=n_gpus: n > 0)
        monkeypatch.setattr(network.torch.cuda, "device_count", lambda n=n_gpus: n)
        assert network.torch_devices(()) == expected
        assert network.torch_devices(("cpu", *expected[1:])) == ("cpu", *expected[1:])
        with pytest.raises(UsageError, match="device cuda:2: "):
            network.torch_devices(("cpu", "cuda:2"))


def test_an_augmentation_that_there_is_not_is_refused(six):
    with pytest.raises(UsageError, match="tta 'd5': there are none, flips, d4"):
        detect(six, FIRST, DetectRequest(tta="d5"), predictor=Windowed())


def test_another_augmentation_is_another_search_and_says_so(six):
    request = DetectRequest(scene_ids=(IDS[0],))
    detect(six, FIRST, request, predictor=Windowed())
    assert detect(six, FIRST, replace(request, tta="none"), predictor=Windowed()).n_done == 1
    report = detect(six, FIRST, replace(request, tta="flips"), predictor=Windowed())
    assert len(report.searched) == 1
    params = [json.loads(row["params"]) for row in rows(six, "run", step="detect")]
    assert sorted(each.get("tta", "the model's") for each in params) == ["flips", "the model's"]


def test_footprints_on_which_members_disagree_are_left_out_and_recall_is_unknown(six):
    request = DetectRequest(scene_ids=(IDS[0],))
    (one,) = detect(six, FIRST, request, predictor=Windowed()).searched
    (source,) = rows(six, "source")
    assert (one.n_footprints, source["recall"]) == (2, 0.8)
    agreed = replace(request, max_spread=0.1)
    (same,) = detect(six, FIRST, agreed, predictor=Windowed()).searched
    (none,) = detect(six, FIRST, replace(request, max_spread=0.09), predictor=Windowed()).searched
    assert (same.n_footprints, none.n_footprints) == (2, 0)
    (source,) = rows(six, "source")
    assert source["recall"] is None
    strict = ensemble_of([replace(FIRST.bundles[0], max_spread=0.09)])
    (none,) = detect(six, strict, request, predictor=Windowed()).searched
    every = replace(request, max_spread=1.0)
    (all_,) = detect(six, strict, every, predictor=Windowed()).searched
    assert (none.n_footprints, all_.n_footprints) == (0, 2)


def region_around(path, scene_row, code, *, margin_m):
    """A file with one region: the scene's extent, wider by that margin."""
    extent = grid.to_metric(np.array([shapely.from_wkb(scene_row["geometry"])], dtype=object))[0]
    geopandas.GeoDataFrame(
        {"code": [code]}, geometry=[extent.buffer(margin_m)], crs="EPSG:6931"
    ).to_file(path)
    return path


def params_of(store):
    """The threshold by scene, as runs hold it."""
    params = [json.loads(row["params"]) for row in rows(store, "run", step="detect")]
    return {each["scene"]: each["threshold"] for each in params}


def test_a_region_s_own_threshold_counts_for_the_scenes_whose_clear_part_lies_there(
    store, tmp_path, products
):
    """One scene lies in the region; another's extent does, but its clear part does not."""
    inside = products.psscene(
        tmp_path, STORY.name_of(2021, 11), values=STORY.image(SLUMP), metadata=False
    )
    away = products.psscene(
        tmp_path,
        STORY.name_of(2021, 12),
        values=STORY.image(SLUMP),
        metadata=False,
        origin=(540_000.0, 7_600_000.0),
    )
    assert ingest(store, [inside, away], IngestRequest()).faults == ()
    scene = rows(store, "scene", scene_id=STORY.id_of(2021, 11))[0]
    file = region_around(tmp_path / "regions.gpkg", scene, "NW", margin_m=100.0)
    load_regions(store, file, "test", "code")
    tuned = ensemble_of(
        [
            replace(
                FIRST.bundles[0],
                thresholds=(
                    Threshold(sensor=None, region="test/NW", threshold=0.9),
                    Threshold(sensor=None, region="other/NW", threshold=0.1),
                    Threshold(sensor="landsat", region=None, threshold=0.2),
                ),
            )
        ]
    )
    report = detect(store, tuned, DetectRequest(), predictor=STORY.Finder())
    assert [each.n_footprints for each in report.searched] == [0, 1]
    assert params_of(store) == {STORY.id_of(2021, 11): 0.9, STORY.id_of(2021, 12): 0.5}
    assert rows(store, "source")[0]["recall"] == 0.8
    asked = detect(store, tuned, DetectRequest(threshold=0.5), predictor=STORY.Finder())
    assert [each.n_footprints for each in asked.searched] == [1]
    assert asked.n_done == 1
    assert rows(store, "source")[0]["recall"] is None


def test_a_scene_with_a_clear_corner_lies_where_that_corner_lies(store, tmp_path, products):
    mask = products.udm2(STORY.SIZE)
    mask[0], mask[5] = 0, 1
    mask[0, 40:, 60:], mask[5, 40:, 60:] = 1, 0
    path = products.psscene(
        tmp_path, STORY.name_of(2021, 11), values=STORY.image(SLUMP), mask=mask, metadata=False
    )
    assert ingest(store, [path], IngestRequest()).faults == ()
    (scene,) = rows(store, "scene")
    extent = grid.to_metric(np.array([shapely.from_wkb(scene["geometry"])], dtype=object))[0]
    clear = grid.to_metric(np.array([shapely.from_wkb(scene["clear_geometry"])], dtype=object))[0]
    regions = {"clear": clear.envelope, "rest": extent.difference(clear.envelope)}
    geopandas.GeoDataFrame(
        {"code": list(regions)}, geometry=list(regions.values()), crs="EPSG:6931"
    ).to_file(tmp_path / "regions.gpkg")
    load_regions(store, tmp_path / "regions.gpkg", "parts", "code")
    thresholds = tuple(
        Threshold(sensor=None, region=f"parts/{code}", threshold=value)
        for code, value in (("rest", 0.3), ("clear", 0.6))
    )
    tuned = ensemble_of([replace(FIRST.bundles[0], thresholds=thresholds)])
    detect(store, tuned, DetectRequest(), predictor=STORY.Finder())
    assert list(params_of(store).values()) == [0.6]
