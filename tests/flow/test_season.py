"""The flow on two tiny scenes, with a network that says yes to all that is clear."""

import datetime as dt

import numpy as np
import pytest

from rts_track.errors import InputError, StoreError
from rts_track.store.base import open_store

TABLES = ("source", "scene", "look", "footprint", "outline", "link", "track", "track_state")
FIRST, SECOND = "20210722_210957_92_2212", "20210723_210957_92_2212"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A bundle whose network gives every pixel the same high probability."""
    torch = pytest.importorskip("torch")
    from rts_track.model.bundle import Architecture, Bundle, Calibration, Input, write_bundle
    from rts_track.model.network import new_network, weights_bytes

    arguments = {
        "encoder_name": "tu-test_resnet",
        "encoder_depth": 3,
        "decoder_channels": [8, 4, 4],
    }
    architecture = Architecture(name="Unet", arguments=arguments)
    state = new_network(architecture, 1).state_dict()
    for name, values in state.items():
        values.zero_()
        if name == "segmentation_head.0.bias":
            values.fill_(3.0)
    content, sha256 = weights_bytes(state, dtype=torch.float32)
    bundle = Bundle(
        name="always",
        architecture=architecture,
        inputs=(Input(name="red", low=0.0, high=1.0),),
        fill=0.0,
        sensors=("planetscope",),
        gsd_range_m=(3.0, 10.0),
        threshold=0.5,
        min_area_m2=300.0,
        calibration=Calibration(),
        delineation_sigma_m=2.0,
        recall=None,
        kind="landform",
        licence="MIT",
        citation=None,
        training={},
        weights_sha256=sha256,
        weights=content,
    )
    return write_bundle(bundle, tmp_path_factory.mktemp("models"))


def clear_in_the_middle(products, size=(40, 40)):
    """A UDM2 that is clear but for a wide frame."""
    mask = products.udm2(size)
    frame = np.ones(size, dtype=bool)
    frame[10:30, 10:30] = False
    mask[0][frame], mask[5][frame] = 0, 1
    return mask


@pytest.fixture
def scenes(tmp_path, products):
    """A folder with two scenes of one day."""
    folder = tmp_path / "scenes"
    for name in (FIRST, SECOND):
        values = products.image(size=(40, 40))
        mask = clear_in_the_middle(products)
        products.psscene(folder, name, values=values, mask=mask, gsd_m=10.0)
    return folder


@pytest.fixture
def url(tmp_path):
    return f"duckdb:///{tmp_path / 'flow.duckdb'}"


@pytest.fixture
def run(season, server, scenes, model, url):
    """Runs the flow; its last state."""
    del server

    def run(**given):
        given = {"scenes": [scenes], "season_year": 2021, **given}
        return season.season(models=[model], store=url, device="cpu", return_state=True, **given)

    return run


def contents(url):
    with open_store(url, is_read_only=True) as store:
        return {table: store.read(table).to_pylist() for table in TABLES}


def test_a_season_goes_from_scenes_to_tracks_and_again_changes_nothing(season, run, url):
    season._predictor.cache_clear()
    state = run()
    assert state.is_completed(), state.message
    assert state.message == "season 2021: 2 scenes searched"
    assert season._predictor.cache_info().misses == 1, "the networks are loaded once for both"
    stored = contents(url)
    assert {row["scene_id"] for row in stored["look"]} == {
        f"planetscope:{name}" for name in (FIRST, SECOND)
    }
    assert [row["status"] for row in stored["look"]] == ["done", "done"]
    assert len(stored["footprint"]) == 2
    assert [row["n_hits"] for row in stored["outline"]] == [2]
    assert len(stored["track"]) == 1

    again = run()
    assert again.message == "season 2021: 0 scenes searched"
    assert contents(url) == stored


def test_a_scene_that_fails_fails_the_flow_once_all_else_is_done(run, url, scenes, products):
    assert run().is_completed()
    (broken,) = scenes.glob(f"{SECOND}/*_SR.tif")
    third = "20210724_210957_92_2212"
    values, mask = products.image(size=(40, 40), first=1200), clear_in_the_middle(products)
    products.psscene(scenes, third, values=values, mask=mask, gsd_m=10.0)
    broken.write_bytes(broken.read_bytes()[:400])
    state = run()
    assert state.is_failed()
    assert state.message.startswith("season 2021: 1 failed: ")
    assert SECOND in state.message
    assert "\n" not in state.message
    stored = contents(url)
    assert len(stored["look"]) == 3
    assert [row["n_hits"] for row in stored["outline"]] == [3], "what else there is was linked"


def test_a_scene_that_goes_after_it_was_registered_is_a_failed_look(season, run, url, scenes):
    from rts_track.steps.ingesting import IngestRequest, ingest

    with open_store(url) as store:
        store.init()
        ingest(store, [scenes], IngestRequest())
    for file in scenes.glob(f"{SECOND}/*"):
        file.unlink()
    (kept,) = scenes.glob(f"{FIRST}")
    state = run(scenes=[kept])
    assert state.is_failed()
    assert f"planetscope:{SECOND}" in state.message
    (failed,) = [row for row in contents(url)["look"] if row["status"] == "failed"]
    assert failed["failure"]
    again = run(scenes=[kept])
    assert again.is_completed(), "a failed scene is left alone until it is asked for"
    assert run(scenes=[kept], retry_failed=True).is_failed()


def test_tasks_are_functions_that_run_without_prefect(season, monkeypatch, scenes, model, url):
    told = []
    monkeypatch.setattr(season, "_tell", told.extend)
    searching = season.Searching(season_year=2021, models=(model,), device="cpu")
    assert season.ingest_scenes.fn([scenes], url, None, None, []) == []
    first, second = season.scenes_to_search.fn(url, searching)
    assert season.search_scene.fn(first, url, searching).is_completed()
    assert season.scenes_to_search.fn(url, searching) == [second]
    season.link_seasons.fn(url)
    season.measure_growth.fn(url)
    assert len(contents(url)["track"]) == 1
    assert told[0].startswith("2 scenes added")


def test_networks_are_loaded_once_for_all_scenes(season, model, monkeypatch):
    from rts_track.model import predict

    loaded = []
    monkeypatch.setattr(predict, "Predictor", lambda ensemble, device: loaded.append(device))
    season._predictor.cache_clear()
    for _ in range(3):
        season._predictor((model,), "cpu", 1)
    assert loaded == ["cpu"]
    season._predictor.cache_clear()


@pytest.mark.parametrize(
    ("fault", "may_pass"),
    [
        (StoreError("busy"), True),
        (OSError(5, "input/output error"), True),
        (InputError("truncated"), False),
        (ValueError("a bug"), False),
        (None, False),
    ],
)
def test_only_what_may_pass_is_tried_again(season, fault, may_pass):
    from prefect.states import Failed

    assert season.retrying_can_mend(None, None, Failed(data=fault)) is may_pass


def test_a_store_that_was_busy_is_tried_again(season, server, monkeypatch, url):
    del server
    with open_store(url) as store:
        store.init()
    opened = []

    def busy_at_first(address):
        opened.append(address)
        if len(opened) == 1:
            raise StoreError("the file is locked by another process")
        return open_store(address)

    monkeypatch.setattr(season, "open_store_at", busy_at_first)
    at_once = season.link_seasons.with_options(retry_delay_seconds=0)
    assert at_once(url, return_state=True).is_completed()
    assert opened == [url, url]


def test_every_task_is_tried_again_and_none_is_remembered(season):
    from prefect.cache_policies import NO_CACHE

    tasks = [each for each in vars(season).values() if type(each).__name__ == "Task"]
    assert len(tasks) == 6
    for each in tasks:
        assert each.retries == 2
        assert each.retry_condition_fn is season.retrying_can_mend
        assert each.cache_policy == NO_CACHE


def test_faults_beyond_ten_are_counted(season):
    state = season._ended(2021, 12, [f"scene {number}: gone" for number in range(12)])
    assert state.message.endswith("scene 9: gone; and 2 more")
    assert "12 failed" in state.message


def test_the_season_is_the_year_for_which_the_run_is_scheduled(season, server, monkeypatch):
    del server
    asked = []
    monkeypatch.setattr(season, "ingest_scenes", lambda *_: [])
    monkeypatch.setattr(season, "align_scenes", lambda _: None)
    monkeypatch.setattr(season, "scenes_to_search", lambda _, how: asked.append(how) or [])
    monkeypatch.setattr(season, "link_seasons", lambda _: None)
    monkeypatch.setattr(season, "measure_growth", lambda _: None)
    state = season.season(scenes=["scenes"], models=["model"], return_state=True)
    assert state.is_completed()
    assert asked[0].season_year == dt.datetime.now(dt.UTC).year
