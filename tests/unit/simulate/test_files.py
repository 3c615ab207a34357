import hashlib

import numpy as np
import pyarrow.parquet as pq
import pyogrio
import pytest

from rts_track.errors import InputError
from rts_track.simulate.files import TRUTH_TABLES, write_history
from rts_track.simulate.history import HistoryParams, simulate_history

PARAMS = HistoryParams(n_slumps=12, n_seasons=3, extent_m=(5_000.0, 4_000.0))


@pytest.fixture(scope="module")
def history():
    return simulate_history(np.random.default_rng(1), PARAMS)


@pytest.fixture
def files(history, tmp_path):
    return write_history(history, tmp_path / "history")


def read(path):
    metadata, _, wkb, data = pyogrio.raw.read(path)
    return metadata, wkb, dict(zip(metadata["fields"].tolist(), data, strict=True))


def digests(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_footprints_are_written_with_the_fields_that_an_import_names(history, files):
    metadata, wkb, data = read(files.footprints)
    assert metadata["crs"] == "EPSG:4326"
    assert metadata["geometry_type"] == "MultiPolygon"
    assert len(wkb) == history.footprints.num_rows
    named = {
        files.season_field, files.date_field, files.scene_field, files.id_field, files.gsd_field
    }  # fmt: skip
    assert named <= data.keys()
    assert data[files.season_field].tolist() == history.footprints["season_year"].to_pylist()
    assert data[files.date_field].astype("datetime64[D]").tolist() == (
        history.footprints["observed_on"].to_pylist()
    )


def test_truth_names_footprints_by_the_file_and_their_id(history, files):
    _, _, data = read(files.footprints)
    named = [f"{files.footprints.stem}:{each}" for each in data[files.id_field]]
    told = pq.read_table(files.truth / "truth_footprint.parquet")
    assert told["source_feature_id"].to_pylist() == named


def test_looks_are_written_with_scene_and_season(history, files):
    _, wkb, data = read(files.looks)
    assert len(wkb) == history.looks.num_rows
    assert set(data[files.scene_field]) == set(history.looks["scene_id"].to_pylist())


def test_every_table_of_truth_comes_back_as_it_was(history, files):
    for name in TRUTH_TABLES:
        assert pq.read_table(files.truth / f"{name}.parquet").equals(getattr(history, name))


def test_the_same_history_makes_the_same_bytes_and_nothing_else(history, files, tmp_path):
    before = digests(tmp_path)
    write_history(history, tmp_path / "history")
    assert digests(tmp_path) == before
    assert len(before) == 2 + len(TRUTH_TABLES)


def test_writing_leaves_gdal_as_it_was(files):
    assert pyogrio.get_gdal_config_option("OGR_CURRENT_DATE") is None


def test_a_folder_that_cannot_be_made_is_one_clear_line(history, tmp_path):
    (tmp_path / "file").write_text("here")
    with pytest.raises(InputError, match="cannot write the history"):
        write_history(history, tmp_path / "file" / "history")
