"""`ingest` of STAC items and searches: fetched whole, registered once, read as they were meant."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from rts_track.cli import EXTRA_OF, app
from rts_track.errors import UsageError
from rts_track.source import stac_fetch, web
from rts_track.source.auxiliary import Auxiliary
from rts_track.source.scenes import open_scene
from rts_track.source.stac_query import stac_query
from rts_track.source.stack import open_stack
from rts_track.steps.ingesting import IngestReport, IngestRequest, ingest
from rts_track.store.base import Store

NAME = "S2B_8WMA_20220801_0_L2A"
BBOX = "-136,67.9,-135,68.5"
COLLECTION = "sentinel-2-l2a"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers on loopback need no patience."""
    quick = web.Patience(n_tries=3, first_wait_s=0.0, longest_wait_s=0.01, timeout_s=5.0)
    monkeypatch.setattr(web, "Patience", lambda: quick)


def run(store: Store, *paths: str | Path, downloads: Path | None, **asked) -> IngestReport:
    asked = {"rate_per_s": 1000.0, **asked}
    return ingest(store, paths, IngestRequest(downloads=downloads, **asked))


def searched(store: Store, api, downloads: Path, **asked) -> IngestReport:
    words = {"bbox": BBOX, **asked}
    query = stac_query(api.url, [COLLECTION], **words)
    return run(store, downloads=downloads, query=query)


def scenes(store: Store) -> dict[str, dict]:
    return {row["scene_id"]: row for row in store.read("scene").to_pylist()}


def contents(store: Store) -> dict[str, list[dict]]:
    return {table: store.read(table).to_pylist() for table in ("source", "scene", "run")}


def address(api, name: str = NAME) -> str:
    return f"{api.url}/collections/{COLLECTION}/items/{name}"


def data_requests(api) -> list[str]:
    return [path for _, path, _ in api.asked if path.startswith("/data/")]


@pytest.fixture
def three(stac_api, stac, products, tmp_path: Path):
    """The API with three scenes on two pages, one of them under much cloud."""
    for name, cloud in (("one", 5.0), ("two", 80.0), ("three", 15.0)):
        stac.publish(stac_api, products, tmp_path / "made", name, cloud=cloud)
    return stac_api


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_search_is_fetched_registered_and_read(
    store: Store, three, tmp_path: Path, products, method: str
) -> None:
    three.method = method
    downloads = tmp_path / "downloads"

    report = searched(store, three, downloads, max_cloud_percent=20.0)

    assert report.faults == ()
    assert set(scenes(store)) == {"sentinel2:one", "sentinel2:three"}
    assert report.n_fetched == 2
    assert any(line.startswith("2 scenes fetched, 0.0 MB") for line in report.lines())
    row = scenes(store)["sentinel2:one"]
    assert row["cloud_frac"] == pytest.approx(4 / 64)
    folder = downloads / COLLECTION / "one"
    assert row["uri"].startswith(f"{(folder / 'item.json').as_uri()}#reader=stac")
    assert {file.name for file in folder.iterdir()} == {
        *("blue.tif", "green.tif", "red.tif", "nir.tif", "nir08.tif", "scl.tif"),
        *("item.json", ".fetched.json"),
    }
    scene = open_scene(row["uri"])
    with open_stack(scene, ["red", "nir2"], Auxiliary()) as stack:
        values, is_clear = stack.read(scene.grid.whole)
    expected = products.image(5, (8, 8), first=2000)
    assert values[0] == pytest.approx(expected[2] * 1e-4 - 0.1, abs=1e-6)
    assert np.isfinite(values).all()
    assert np.argwhere(~is_clear).tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert {each["method"] for each in three.questions} == {method}


def test_the_same_search_again_fetches_nothing_and_changes_nothing(
    store: Store, three, tmp_path: Path
) -> None:
    searched(store, three, tmp_path / "downloads")
    before = contents(store)
    three.asked.clear()

    report = searched(store, three, tmp_path / "downloads")

    assert report.count("unchanged") == 3
    assert (report.n_fetched, report.n_bytes) == (0, 0)
    assert data_requests(three) == []
    assert contents(store) == before


def test_what_was_fetched_is_a_folder_of_items_like_any(
    store: Store, three, tmp_path: Path
) -> None:
    searched(store, three, tmp_path / "downloads")
    before = contents(store)
    report = run(store, tmp_path / "downloads", downloads=None)
    assert report.faults == ()
    assert report.count("unchanged") == 3
    assert contents(store) == before


def test_an_item_by_its_address_is_the_same_scene(store: Store, three, tmp_path: Path) -> None:
    searched(store, three, tmp_path / "downloads")
    report = run(store, address(three, "one"), downloads=tmp_path / "downloads")
    assert report.count("unchanged") == 1
    with pytest.raises(UsageError, match=r"where to\? Give --downloads DIR"):
        run(store, address(three, "one"), downloads=None)


def test_a_local_item_may_have_its_files_in_the_web(store: Store, three, tmp_path: Path) -> None:
    for item in three.items:
        (tmp_path / "items" / item["id"]).mkdir(parents=True)
        (tmp_path / "items" / item["id"] / "item.json").write_text(json.dumps(item))
    collection = tmp_path / "items" / "all.json"
    three.items[0] = {**three.items[0], "id": "four"}
    collection.write_text(json.dumps({"type": "FeatureCollection", "features": three.items[:1]}))

    without = run(store, tmp_path / "items" / "one", downloads=None)
    (fault,) = without.faults
    assert "give --downloads DIR to fetch it" in fault.reason

    report = run(store, tmp_path / "items", downloads=tmp_path / "downloads")
    assert report.faults == ()
    assert set(scenes(store)) == {f"sentinel2:{name}" for name in ("one", "two", "three", "four")}


def test_an_items_files_may_be_here_and_there(
    store: Store, three, tmp_path: Path, products, stac
) -> None:
    item = json.loads(json.dumps(three.items[0]))
    folder = tmp_path / "item"
    stac.sentinel2_files(folder, products)
    item["assets"]["red"]["href"] = "./B04.tif"
    item["assets"]["blue"]["href"] = "../made/one/B02.tif"
    (folder / "item.json").write_text(json.dumps(item))

    report = run(store, folder, downloads=tmp_path / "downloads")
    (fault,) = report.faults
    assert "asset blue: '../made/one/B02.tif' leads out of the item's folder" in fault.reason
    assert scenes(store) == {}

    item["assets"]["blue"]["href"] = "./B02.tif"
    (folder / "item.json").write_text(json.dumps(item))
    assert run(store, folder, downloads=tmp_path / "downloads").count("added") == 1


def test_a_search_across_180_degrees_finds_both_sides_once(
    store: Store, stac_api, stac, products, tmp_path: Path
) -> None:
    for name, bbox in (
        ("west", (178.0, 70.0, 179.9, 71.0)),
        ("east", (-179.9, 70.0, -178.0, 71.0)),
        ("both", (-180.0, 70.0, 180.0, 71.0)),
        ("far", (10.0, 70.0, 11.0, 71.0)),
    ):
        stac.publish(stac_api, products, tmp_path / "made", name, bbox=bbox)

    report = searched(store, stac_api, tmp_path / "downloads", bbox="178,69,-178,72")

    assert report.faults == ()
    assert set(scenes(store)) == {"sentinel2:west", "sentinel2:east", "sentinel2:both"}
    boxes = {tuple(each["bbox"]) for each in stac_api.questions}
    assert boxes == {(178.0, 69.0, 180.0, 72.0), (-180.0, 69.0, -178.0, 72.0)}


def test_a_limit_ends_the_search(store: Store, three, tmp_path: Path) -> None:
    searched(store, three, tmp_path / "downloads", limit=2)
    assert len(scenes(store)) == 2
    assert len(three.questions) == 1


def test_days_and_places_are_asked_of_the_api(store: Store, three, tmp_path: Path) -> None:
    from rts_track.source.dates import period_of

    area = {
        "type": "Polygon",
        "coordinates": [[[178, 70], [179.5, 70], [179.5, 71], [178, 71], [178, 70]]],
    }
    file = tmp_path / "area.geojson"
    features = [{"type": "Feature", "properties": {}, "geometry": area}]
    file.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    words = {"from_": period_of("2022-07"), "to": period_of("2022-08-31"), "max_cloud_percent": 9.0}

    searched(store, three, tmp_path / "downloads", bbox=None, area=file, **words)

    (question,) = three.questions
    assert question["collections"] == [COLLECTION]
    assert question["datetime"] == "2022-07-01T00:00:00Z/2022-08-31T23:59:59Z"
    assert question["query"] == {"eo:cloud_cover": {"lte": 9.0}}
    assert question["intersects"]["type"] == "Polygon"
    corners = np.array(question["intersects"]["coordinates"][0])
    assert corners.min(axis=0) == pytest.approx([178, 70], abs=0.06)
    assert corners.max(axis=0) == pytest.approx([179.5, 71], abs=0.06)
    assert set(scenes(store)) == {"sentinel2:one"}


def test_cloud_is_looked_at_even_if_the_api_cannot_be_asked(
    store: Store, three, tmp_path: Path
) -> None:
    three.conforms_to = three.conforms_to[:2]
    three.items[2]["properties"].pop("eo:cloud_cover")
    searched(store, three, tmp_path / "downloads", max_cloud_percent=20.0)
    assert set(scenes(store)) == {"sentinel2:one"}
    assert all("query" not in each for each in three.questions)


def test_a_scene_that_is_not_whole_is_not_registered_and_the_others_are(
    store: Store, three, tmp_path: Path
) -> None:
    whole = three.files.pop("/data/one/B04.tif")
    three.faults["/data/one/SCL.tif"] = [("drop", 10), *[("drop", 0)] * 5]

    report = searched(store, three, tmp_path / "downloads")

    assert set(scenes(store)) == {"sentinel2:two", "sentinel2:three"}
    assert len(report.faults) == 2
    assert "asset red: " in report.faults[0].reason
    assert "404 Not Found" in report.faults[0].reason
    assert "asset scl: " in report.faults[1].reason
    assert "ingest again to go on from there" in report.faults[1].reason
    assert not (tmp_path / "downloads" / COLLECTION / "one" / "item.json").exists()
    assert run(store, tmp_path / "downloads", downloads=None).count("unchanged") == 2

    three.files["/data/one/B04.tif"] = whole
    three.faults.clear()
    three.asked.clear()
    three.n_ranges = 0
    report = searched(store, three, tmp_path / "downloads")
    assert report.faults == ()
    assert report.count("added") == 1
    came = [path for path in data_requests(three) if path != "/data/one/B02.tif"]
    assert {"/data/one/B04.tif", "/data/one/SCL.tif"} <= set(came)
    assert three.n_ranges == 1


def test_a_wrong_checksum_is_a_fault_of_its_scene(store: Store, three, tmp_path: Path) -> None:
    three.items[0]["assets"]["red"]["file:checksum"] = "1220" + "ab" * 32
    report = searched(store, three, tmp_path / "downloads")
    (fault,) = report.faults
    assert "asset red: " in fault.reason
    assert "its checksum (sha256) is not the one that the item states" in fault.reason
    assert len(scenes(store)) == 2


@pytest.mark.parametrize("moment", ["download", "settle"])
def test_an_ingest_killed_in_between_ends_as_if_it_never_was(
    store: Store, three, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    downloads = tmp_path / "downloads"
    n_calls = 0
    replaced = Path.replace

    def killed_at_download(*args: object, **kwargs: object):
        nonlocal n_calls
        n_calls += 1
        if n_calls == 4:
            raise KeyboardInterrupt
        return fetch_one(*args, **kwargs)

    def killed_at_settling(path: Path, target: Path):
        nonlocal n_calls
        if path.suffix == ".part":
            n_calls += 1
            if n_calls == 4:
                raise KeyboardInterrupt
        return replaced(path, target)

    fetch_one = stac_fetch.download
    with monkeypatch.context() as patched:
        if moment == "download":
            patched.setattr(stac_fetch, "download", killed_at_download)
        else:
            patched.setattr(Path, "replace", killed_at_settling)
        with pytest.raises(KeyboardInterrupt):
            searched(store, three, downloads)
    assert scenes(store) == {}
    three.asked.clear()
    sent = three.n_sent

    report = searched(store, three, downloads)

    assert report.faults == ()
    assert len(scenes(store)) == 3
    size = sum(len(three.files[f"/data/one/{b}.tif"]) for b in ("B02", "B03", "B04"))
    all_of_it = sum(len(content) for content in three.files.values())
    assert three.n_sent - sent <= all_of_it - size + 9_000 * len(three.questions)
    assert not list(downloads.rglob("*.part"))


def test_a_scene_that_changed_in_the_web_is_fetched_anew_and_searched_again(
    store: Store, three, tmp_path: Path, stac, products
) -> None:
    downloads = tmp_path / "downloads"
    searched(store, three, downloads)
    before = scenes(store)["sentinel2:one"]
    changed = stac.sentinel2_files(tmp_path / "later", products, first=3000)
    three.files["/data/one/B04.tif"] = (changed / "B04.tif").read_bytes()
    # nothing is asked for while the item says what it said
    assert searched(store, three, downloads).count("unchanged") == 3
    three.items[0]["properties"]["updated"] = "2026-01-01T00:00:00Z"
    three.asked.clear()

    report = searched(store, three, downloads)

    assert report.count("updated") == 1
    assert report.n_bytes == len(three.files["/data/one/B04.tif"])
    after = scenes(store)["sentinel2:one"]
    assert after["content_sha256"] != before["content_sha256"]
    scene = open_scene(after["uri"])
    with open_stack(scene, ["red"], Auxiliary()) as stack:
        values, _ = stack.read(scene.grid.whole)
    red = products.image(5, (8, 8), first=3000)[2]
    assert values[0] == pytest.approx(red * 1e-4 - 0.1, abs=1e-6)


def test_a_scene_that_cannot_be_renewed_stays_as_it_was(
    store: Store, three, tmp_path: Path
) -> None:
    downloads = tmp_path / "downloads"
    searched(store, three, downloads)
    before = contents(store)
    three.items[0]["properties"]["updated"] = "2026-01-01T00:00:00Z"
    three.files["/data/one/B04.tif"] = b"<html>please log in</html>"

    report = searched(store, three, downloads)

    (fault,) = report.faults
    assert "no TIFF or JPEG 2000; does it want a login?" in fault.reason
    assert contents(store) == before
    assert run(store, downloads, downloads=None).count("unchanged") == 3


def test_only_the_assets_asked_for_and_the_mask_come(store: Store, three, tmp_path: Path) -> None:
    run(store, address(three, "one"), downloads=tmp_path / "downloads", assets=("red", "nir"))
    assert set(data_requests(three)) == {
        "/data/one/B04.tif",
        "/data/one/B08.tif",
        "/data/one/SCL.tif",
    }
    row = scenes(store)["sentinel2:one"]
    assert open_scene(row["uri"]).band_names == ("red", "nir")
    run(store, tmp_path / "downloads", downloads=None)
    assert scenes(store)["sentinel2:one"] == row


def hostile(three, change) -> str:
    """The address of an item changed by a function."""
    item = json.loads(json.dumps(three.items[0]))
    change(item)
    three.answers["/hostile/item.json"] = item
    return f"{three.url}/hostile/item.json"


@pytest.mark.parametrize(
    "href", ["file:///etc/hostname", "s3://bucket/red.tif", "ftp://host/red.tif", "C:\\red.tif"]
)
def test_an_item_of_the_web_names_no_file_of_this_machine(
    store: Store, three, tmp_path: Path, href: str
) -> None:
    url = hostile(three, lambda item: item["assets"]["red"].update(href=href))
    report = run(store, url, downloads=tmp_path / "downloads", assets=("red",))
    (fault,) = report.faults
    assert "is not fetched: only http and https are" in fault.reason
    assert scenes(store) == {}


def test_relative_references_of_an_item_of_the_web_lead_to_its_server(
    store: Store, three, tmp_path: Path, stac
) -> None:
    name = "../data/one/{file}"
    three.answers["/hostile/item.json"] = stac.sentinel2_item("one", href=name)
    url = f"{three.url}/hostile/item.json"
    assert run(store, url, downloads=tmp_path / "a").count("added") == 1
    # an absolute path is one of the server, too
    secret = tmp_path / "secret.tif"
    secret.write_bytes(three.files["/data/one/B04.tif"])
    url = hostile(three, lambda item: item["assets"]["red"].update(href=str(secret)))
    (fault,) = run(store, url, downloads=tmp_path / "b").faults
    assert f"{three.url}{secret}: the server answers 404" in fault.reason


@pytest.mark.parametrize(
    ("item_id", "collection"),
    [
        ("../../escaped", "c"),
        ("..", ".."),
        ("/absolute", "c"),
        ("a/b\\c:d", "c/d"),
        ("x" * 240, "y" * 240),
        ("été #1?", None),
        (".hidden", "~"),
    ],
)
def test_names_of_items_stay_within_the_downloads(
    store: Store, three, tmp_path: Path, item_id: str, collection: str | None
) -> None:
    url = hostile(three, lambda item: item.update(id=item_id, collection=collection))
    downloads = tmp_path / "in" / "downloads"
    report = run(store, url, downloads=downloads)
    assert report.faults == ()
    assert len(list(downloads.glob("*/*/item.json"))) == 1
    assert [each.name for each in (tmp_path / "in").iterdir()] == ["downloads"]
    (row,) = scenes(store).values()
    assert open_scene(row["uri"]).product == item_id
    assert run(store, url, downloads=downloads).count("unchanged") == 1


def test_names_of_assets_stay_within_their_folder(store: Store, three, tmp_path: Path) -> None:
    def change(item):
        for at, key in enumerate(["../../up", "/abs", "S2A_MSIL2A_20220801T205019_SR"]):
            item["assets"][key] = item["assets"].pop(["red", "nir", "blue"][at])
            item["assets"][key]["eo:bands"][0]["name"] = ["red", "nir", "blue"][at]

    url = hostile(three, change)
    downloads = tmp_path / "in" / "downloads"
    assert run(store, url, downloads=downloads).faults == ()
    (folder,) = [file.parent for file in downloads.rglob("item.json")]
    assert len([file for file in folder.iterdir() if file.suffix == ".tif"]) == 6
    assert [each.name for each in (tmp_path / "in").iterdir()] == ["downloads"]
    assert run(store, downloads, downloads=None).count("unchanged") == 1


def test_a_link_that_leads_out_of_the_downloads_is_not_followed(
    store: Store, three, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / COLLECTION).symlink_to(tmp_path / "elsewhere")
    report = run(store, address(three, "one"), downloads=tmp_path / "downloads")
    (fault,) = report.faults
    assert "leads out of" in fault.reason
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (b"no json", "no JSON; fetch it again"),
        (b"[" * 100_000, "no JSON; fetch it again"),
        (b"[]", "no STAC item"),
        (b'{"type": "Feature"}', "no STAC item"),
        (b'{"stac_version": "1.0.0", "x": "' + b"x" * 17_000_000 + b'"}', "are no STAC item"),
        (b'{"type": "FeatureCollection", "features": []}', "an ItemCollection without items"),
    ],
)
def test_what_is_no_item_is_told(
    store: Store, three, tmp_path: Path, answer: bytes, what: str
) -> None:
    three.answers["/item.json"] = answer
    report = run(store, f"{three.url}/item.json", downloads=tmp_path / "downloads")
    (fault,) = report.faults
    assert what in fault.reason
    assert "\n" not in fault.reason


@pytest.mark.parametrize(
    "landing",
    [
        b"<html></html>",
        {"type": "Catalog"},
        [],
        {"type": "Catalog", "id": "x", "stac_version": "1.0.0", "description": "d", "links": []},
        {
            "type": "Catalog",
            "id": "x",
            "stac_version": "1.0.0",
            "description": "d",
            "conformsTo": ["https://api.stacspec.org/v1.0.0/item-search"],
            "links": [
                {"rel": "search", "href": "file:///etc/passwd", "type": "application/geo+json"}
            ],
        },
    ],
)
def test_what_is_no_api_is_told_in_one_line(
    store: Store, stac_api, tmp_path: Path, landing: object
) -> None:
    stac_api.answers["/"] = landing
    stac_api.items = []
    report = searched(store, stac_api, tmp_path / "downloads")
    (fault,) = report.faults
    assert "\n" not in fault.reason
    assert stac_api.url in fault.reason


def test_pages_that_lead_in_a_circle_end(store: Store, three, tmp_path: Path) -> None:
    circle = {"rel": "next", "href": f"{three.url}/search", "method": "POST", "body": {}}
    three.answers["/search"] = {
        "type": "FeatureCollection",
        "features": three.items,
        "links": [circle],
    }
    report = searched(store, three, tmp_path / "downloads")
    assert report.count("added") == 3
    assert three.asked_for("/search") == 2


@pytest.mark.parametrize("item_id", [5, "\ud800"])
def test_a_broken_item_of_a_search_is_told_and_the_others_come(
    store: Store, three, tmp_path: Path, item_id: object
) -> None:
    broken = {"type": "Feature", "collection": COLLECTION, "properties": {}, "id": item_id}
    three.items.insert(1, broken)
    three.items[1]["bbox"] = [-136, 68, -135, 68.2]
    report = searched(store, three, tmp_path / "downloads")
    assert len(scenes(store)) == 3
    assert len(report.faults) == 1


def command(*words: str):
    return CliRunner().invoke(app, ["ingest", *words])


def test_the_command_searches_fetches_and_ends_non_zero_where_anything_is_wrong(
    three, tmp_path: Path, duckdb_url: str
) -> None:
    words = ["--stac", three.url, "--collection", COLLECTION, "--bbox", "-136,67.9,-135,68.5"]
    words += ["--from", "2022-07-01", "--to", "2022-08", "--max-cloud", "50", "--rate", "1000"]
    words += ["--downloads", str(tmp_path / "downloads"), "--store", duckdb_url]
    done = command(*words)
    assert done.exit_code == 0, done.output
    assert "2 scenes added" in done.output
    assert "2 scenes fetched" in done.output

    three.items[1]["properties"]["eo:cloud_cover"] = 10.0
    del three.files["/data/two/B03.tif"]
    done = command(*words)
    assert done.exit_code == 1
    assert "asset green" in done.output


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ([], "nothing to ingest: name products, folders of them, or --stac URL"),
        (["--bbox", "1,2,3,4"], "--bbox: of which API? Give --stac URL"),
        (["--stac", "ftp://x"], "--stac ftp://x: expected the address of an API"),
        (["--stac", "http://x"], "which of its collections? Give --collection NAME"),
        (["--stac", "http://x", "--collection", "c"], "where? Give --bbox or --area"),
        (["--stac", "http://x", "--collection", "c", "--bbox", "1,2,3"], "--bbox 1,2,3: expected"),
        (["--stac", "http://x", "--collection", "c", "--bbox", "0,80,1,70"], "expected west"),
        (["--stac", "http://x", "--collection", "c", "--bbox", "0,0,nan,70"], "expected west"),
        (
            ["--stac", "http://x", "--collection", "c", "--bbox", "0,60,1,70", "--area", "f"],
            "not both",
        ),
        (["--stac", "http://x", "--collection", "c", "--limit", "0"], "where?"),
        (["--stac", "http://x", "--collection", "c", "--limit", "-3"], "--limit -3: expected 1"),
        (
            ["--stac", "http://x", "--collection", "c", "--limit", "3", "--max-cloud", "101"],
            "--max-cloud 101: expected per cent",
        ),
        (
            ["--stac", "http://x", "--collection", "c", "--limit", "3", "--from", "soon"],
            "--from: 'soon' is no date",
        ),
        (
            [
                *["--stac", "http://x", "--collection", "c", "--limit", "3"],
                *["--from", "2022-08-02", "--to", "2022-08-01"],
            ],
            "--from 2022-08-02 is after --to 2022-08-01",
        ),
        (["--stac", "http://x", "--collection", "c", "--limit", "3"], "Give --downloads DIR"),
        (["https://host/item.json"], "Give --downloads DIR"),
        (
            ["https://host/item.json", "--downloads", "d", "--rate", "0"],
            "--rate 0: expected requests per second",
        ),
    ],
)
def test_options_that_do_not_go_together_are_told(
    duckdb_url: str, words: list[str], what: str
) -> None:
    done = command(*words, "--store", duckdb_url)
    assert isinstance(done.exception, UsageError), done.output
    assert what in str(done.exception)


def without_the_extra(*words: str) -> subprocess.CompletedProcess[str]:
    """The command's end where neither requests nor pystac-client is installed."""
    program = (
        "import sys; sys.modules['requests'] = sys.modules['pystac_client'] = None;"
        " from rts_track.cli import main; main()"
    )
    command_line = [sys.executable, "-c", program, *words]
    return subprocess.run(command_line, capture_output=True, text=True, check=False)


def test_local_scenes_are_ingested_without_the_extra_and_others_name_it(
    tmp_path: Path, duckdb_url: str, products, stac
) -> None:
    assert EXTRA_OF["pystac_client"] == "stac"
    products.psscene(tmp_path / "scenes")
    folder = stac.sentinel2_files(tmp_path / "scenes" / "item", products)
    (folder / "item.json").write_text(json.dumps(stac.sentinel2_item()))

    done = without_the_extra("ingest", str(tmp_path / "scenes"), "--store", duckdb_url)
    assert done.returncode == 0, done.stderr
    assert "2 scenes added" in done.stdout

    words = ["--downloads", str(tmp_path / "downloads"), "--store", duckdb_url]
    done = without_the_extra("ingest", "https://host/item.json", *words)
    assert done.returncode == 2
    assert done.stderr.strip().endswith("needs requests: pip install 'rts-track[stac]'")
    assert done.stderr.count("\n") == 1


def test_two_runs_do_not_fetch_into_one_folder(store: Store, three, tmp_path: Path) -> None:
    folder = tmp_path / "downloads" / COLLECTION / "one"
    folder.mkdir(parents=True)
    with stac_fetch._alone_in(folder) as is_alone:
        assert is_alone
        report = searched(store, three, tmp_path / "downloads")
        assert [each for each in report.faults if "another run fetches into it" in str(each)]
        assert set(scenes(store)) == {"sentinel2:two", "sentinel2:three"}
        assert list(folder.iterdir()) == []
    assert searched(store, three, tmp_path / "downloads").faults == ()
    assert "sentinel2:one" in scenes(store)
