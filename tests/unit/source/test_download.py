"""Files of the web: gone on with, checked, asked for with manners."""

import datetime as dt
import email.utils
import hashlib

import pytest

from rts_track.errors import InputError, UsageError
from rts_track.source import download as download_module
from rts_track.source.download import Expected, Remote, download, is_unchanged
from rts_track.source.web import Patience, Web, plain

CONTENT = bytes(range(256)) * 40
PATH = "/data/red.tif"


class Clock:
    """A clock that sleeping moves; `slept` tells how long each time."""

    def __init__(self):
        self.now_s = 0.0
        self.slept = []

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now_s += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def web(clock):
    patience = Patience(n_tries=3, first_wait_s=1.0, longest_wait_s=50.0, timeout_s=5.0)
    with Web(1000.0, patience, sleep=clock.sleep, clock=lambda: clock.now_s) as opened:
        yield opened


@pytest.fixture
def url(stac_api):
    return stac_api.add_file(PATH, CONTENT)


@pytest.fixture
def part(tmp_path):
    return tmp_path / "red.tif.part"


def fetched(web, url, part, former=None, **expected):
    """What is known of the fetched file; what was noted on the way."""
    noted = []
    expected = Expected(**expected)
    remote = download(web, url, part, expected=expected, former=former, note=noted.append)
    return remote, noted


def multihash(content=CONTENT, algorithm="sha256", prefix="1220"):
    return prefix + hashlib.new(algorithm, content).hexdigest()


def test_a_file_comes_whole_with_what_tells_it_again(web, url, part, stac_api):
    remote, noted = fetched(web, url, part)
    assert part.read_bytes() == CONTENT
    assert remote.n_bytes == len(CONTENT)
    assert remote.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert remote.etag == stac_api.etag(PATH)
    assert [each.is_whole for each in noted] == [False]


def test_a_connection_that_drops_is_gone_on_with(web, url, part, stac_api):
    stac_api.faults[PATH] = [("drop", 3000), ("drop", 3000)]
    fetched(web, url, part)
    assert part.read_bytes() == CONTENT
    assert stac_api.n_ranges == 2
    assert stac_api.n_sent == len(CONTENT)


def test_a_part_of_an_earlier_run_is_gone_on_with(web, url, part, stac_api):
    stac_api.faults[PATH] = [("drop", 4000), *[("drop", 0)] * 3]
    noted = []
    with pytest.raises(InputError, match="breaks off each time; ingest again to go on"):
        download(web, url, part, expected=Expected(), former=None, note=noted.append)
    assert part.stat().st_size == 4000
    stac_api.n_sent = 0

    fetched(web, url, part, former=noted[-1])

    assert part.read_bytes() == CONTENT
    assert stac_api.n_sent == len(CONTENT) - 4000


@pytest.mark.parametrize("etag", ['"other"', None, 'W/"weak"'])
def test_a_part_of_another_file_is_not_gone_on_with(web, url, part, stac_api, etag):
    stac_api.etags[PATH] = etag
    former = Remote(url=plain(url), etag=etag if etag != '"other"' else '"before"')
    part.write_bytes(b"x" * 4000)

    fetched(web, url, part, former=former)

    assert part.read_bytes() == CONTENT


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_where_no_strong_tag_tells_a_file_its_date_does(web, url, part, stac_api, etag):
    stac_api.etags[PATH] = etag
    stac_api.modified[PATH] = "Mon, 01 Aug 2022 10:00:00 GMT"
    stac_api.faults[PATH] = [("drop", 3000)]
    remote, _ = fetched(web, url, part)
    assert part.read_bytes() == CONTENT
    assert stac_api.n_sent == len(CONTENT)
    assert is_unchanged(web, url, remote)
    stac_api.etags[PATH] = None
    stac_api.modified[PATH] = "Mon, 01 Aug 2022 11:00:00 GMT"
    assert not is_unchanged(web, url, remote)


def test_a_file_that_changes_while_it_comes_is_fetched_anew(web, url, part, stac_api):
    stac_api.faults[PATH] = [("drop", 3000)]

    def note(remote):
        if remote.etag != '"later"':
            stac_api.etags[PATH] = '"later"'
            stac_api.files[PATH] = CONTENT[::-1]

    remote = download(web, url, part, expected=Expected(), former=None, note=note)

    assert remote.etag == '"later"'
    assert part.read_bytes() == CONTENT[::-1]


def test_a_server_that_sends_another_rest_than_was_asked_for_is_not_believed(
    web, url, part, stac_api
):
    wrong = {"Content-Range": f"bytes 7-{len(CONTENT) - 1}/{len(CONTENT)}"}
    stac_api.faults[PATH] = [("drop", 3000), ("headers", wrong)]
    fetched(web, url, part)
    assert part.read_bytes() == CONTENT


def test_a_part_that_was_all_is_not_fetched_again(web, url, part, stac_api):
    part.write_bytes(CONTENT)
    former = Remote(url=plain(url), etag=stac_api.etag(PATH), n_bytes=len(CONTENT))
    remote, _ = fetched(web, url, part, former=former)
    assert remote.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert stac_api.n_sent == 0


def test_a_part_that_is_longer_than_the_file_is_fetched_anew(web, url, part, stac_api):
    part.write_bytes(CONTENT * 2)
    fetched(web, url, part, former=Remote(url=plain(url), etag=stac_api.etag(PATH)))
    assert part.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("algorithm", "prefix"),
    [
        ("sha256", "1220"),
        ("sha1", "1114"),
        ("sha512", "1340"),
        ("sha3_256", "1620"),
        ("md5", "d50110"),
    ],
)
def test_checksums_are_checked(web, url, part, algorithm, prefix):
    right = multihash(algorithm=algorithm, prefix=prefix)
    fetched(web, url, part, checksum=right)
    wrong = multihash(b"other", algorithm=algorithm, prefix=prefix)
    with pytest.raises(InputError, match=r"its checksum .* is not the one that the item states"):
        fetched(web, url, part, checksum=wrong)
    assert not part.exists()


def test_a_part_with_which_the_checksum_is_wrong_is_fetched_anew(web, url, part, stac_api):
    part.write_bytes(b"x" * 4000)
    former = Remote(url=plain(url), etag=stac_api.etag(PATH))
    fetched(web, url, part, former=former, checksum=multihash())
    assert part.read_bytes() == CONTENT


@pytest.mark.parametrize("checksum", ["nonsense", "1220ab", "", "7720" + "0" * 64, "12"])
def test_what_is_no_known_checksum_is_not_checked(web, url, part, checksum):
    remote, _ = fetched(web, url, part, checksum=checksum)
    assert remote.is_whole


def test_a_size_that_is_not_the_items_is_told_before_it_comes(web, url, part, stac_api):
    with pytest.raises(InputError, match=r"10,240 bytes, and the item says 99"):
        fetched(web, url, part, n_bytes=99)
    assert not part.exists()
    fetched(web, url, part, n_bytes=len(CONTENT))


def test_a_packed_file_is_refused(web, url, part, stac_api):
    stac_api.faults[PATH] = [("headers", {"Content-Encoding": "gzip"})]
    with pytest.raises(InputError, match="the server packs it"):
        fetched(web, url, part)


@pytest.mark.parametrize("status", [429, 503, 500])
def test_a_busy_server_is_asked_again_after_as_long_as_it_says(
    web, url, part, stac_api, clock, status
):
    later = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=30)
    asked = [{"Retry-After": "7"}, {"Retry-After": email.utils.format_datetime(later)}]
    stac_api.faults[PATH] = [("status", status, headers) for headers in asked]
    fetched(web, url, part)
    assert part.read_bytes() == CONTENT
    waits = [each for each in clock.slept if each > 0.5]
    assert waits[0] == 7.0
    assert 25.0 < waits[1] <= 30.0


def test_waits_grow_and_have_an_end(web, url, part, stac_api, clock):
    stac_api.faults[PATH] = [("status", 503, {}), ("status", 429, {"Retry-After": "99999"})]
    fetched(web, url, part)
    assert [each for each in clock.slept if each > 0.5] == [1.0, 50.0]


def test_a_server_that_stays_busy_is_given_up(web, url, part, stac_api):
    stac_api.faults[PATH] = [("status", 503, {})] * 9
    with pytest.raises(InputError, match=r"red\.tif: the server answers 503"):
        fetched(web, url, part)
    assert stac_api.asked_for(PATH) == 3


def test_what_is_refused_is_asked_for_once(web, stac_api, part):
    with pytest.raises(InputError, match="the server answers 404 Not Found"):
        fetched(web, f"{stac_api.url}/gone.tif?token=secret", part)
    assert stac_api.asked_for("/gone.tif") == 1


def test_a_server_that_is_not_there_is_told(web, part):
    with pytest.raises(InputError, match=r"no answer \(Connection refused\)"):
        fetched(web, "http://127.0.0.1:9/red.tif", part)


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/x", "gopher://x"])
def test_redirects_out_of_the_web_are_refused(web, url, part, stac_api, target):
    stac_api.faults[PATH] = [("redirect", target)]
    with pytest.raises(InputError, match="leads to what is neither http nor https"):
        fetched(web, url, part)
    assert not part.exists()


def test_redirects_within_the_web_are_followed(web, url, part, stac_api):
    stac_api.faults["/old.tif"] = [("redirect", url)]
    fetched(web, f"{stac_api.url}/old.tif", part)
    assert part.read_bytes() == CONTENT


def test_redirects_in_a_circle_have_an_end(web, url, part, stac_api):
    stac_api.faults[PATH] = [("redirect", url)] * 99
    with pytest.raises(InputError, match="cannot be fetched"):
        fetched(web, url, part)


def test_a_token_in_an_address_is_neither_told_nor_kept(web, url, part):
    remote, noted = fetched(web, f"{url}?sig=secret", part)
    assert {remote.url, *(each.url for each in noted)} == {url}
    assert plain("https://me:pw@host:8/a/b?c=d#e") == "https://host:8/a/b"
    assert plain("https://host/a\x1b[2J\nb\ud800") == "https://host/a_[2J_b_"
    assert plain("http://[?sig=secret") == "http://["


def test_an_unchanged_file_is_known_without_fetching_it(web, url, part, stac_api):
    remote, _ = fetched(web, url, part)
    sent = stac_api.n_sent
    assert is_unchanged(web, url, remote)
    assert stac_api.n_sent == sent
    stac_api.files[PATH] = CONTENT[::-1]
    assert not is_unchanged(web, url, remote)
    assert not is_unchanged(web, url, Remote(url=url))


def test_a_host_is_asked_so_often_a_second_at_most(stac_api, url, clock):
    with Web(2.0, sleep=clock.sleep, clock=lambda: clock.now_s) as web:
        for _ in range(5):
            web.text(url, limit_bytes=99_999)
    assert clock.now_s == pytest.approx(2.0)


def test_a_document_without_end_is_refused(web, url):
    with pytest.raises(InputError, match="more than 1,000 bytes"):
        web.text(url, limit_bytes=1000)


def test_a_document_that_breaks_off_is_asked_for_again(web, url, stac_api):
    stac_api.faults[PATH] = [("drop", 100)]
    assert web.text(url, limit_bytes=99_999) == CONTENT
    stac_api.faults[PATH] = [("drop", 100)] * 3
    with pytest.raises(InputError, match="breaks off each time"):
        web.text(url, limit_bytes=99_999)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_a_rate_that_cannot_be_is_refused(rate):
    with pytest.raises(UsageError, match=r"^--rate"):
        Web(rate)


def test_a_part_that_another_run_writes_to_is_not_believed(web, url, part, monkeypatch):
    def received(response, address):
        yield response.raw.read()
        with part.open("ab") as stream:
            stream.write(b"of another run")

    monkeypatch.setattr(download_module, "received", received)
    with pytest.raises(InputError, match="another run writes to it"):
        fetched(web, url, part)
    assert not part.exists()
