"""Files fetched from the web: gone on with where they broke off, and checked before they count.

A part of a file is gone on with only if the server says that it is still the same file (RFC 9110,
section 13.1.5: If-Range with the file's ETag or date); else it is fetched anew. What is known of
the file, the item's checksum and size or at least the server's length, must be true of the whole.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rts_track.errors import InputError
from rts_track.source.web import DroppedError, plain, received

if TYPE_CHECKING:
    import requests

    from rts_track.source.web import Web

LARGEST_FILE_BYTES = 64 * 2**30
"""More than any scene's band; where nobody says how long a file is, it ends here."""

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_MULTIHASHES = {
    0x11: "sha1",
    0x12: "sha256",
    0x13: "sha512",
    0x14: "sha3_512",
    0x15: "sha3_384",
    0x16: "sha3_256",
    0x17: "sha3_224",
    0x20: "sha384",
    0xD5: "md5",
    0x1013: "sha224",
}
"""Algorithms by their code in the multihash table (https://multiformats.io/multihash)."""
_SHA256 = "sha256"
_SHA256_MULTIHASH = "1220"

_OK = 200
_PARTIAL = 206
_NOT_MODIFIED = 304

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What is known of a file before it is fetched; None where it is not.

    Attributes:
        n_bytes: its length.
        checksum: its multihash, in hex.
    """

    n_bytes: int | None = None
    checksum: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """What a server said of a file when it was fetched, or began to be.

    Attributes:
        url: its address without query.
        etag: its entity tag; None where it has none.
        last_modified: when it was last changed, as the server writes it; None likewise.
        n_bytes: its length; None while that is not known.
        sha256: digest of the whole file; None while it is not whole.
    """

    url: str
    etag: str | None = None
    last_modified: str | None = None
    n_bytes: int | None = None
    sha256: str | None = None

    @property
    def validator(self) -> str | None:
        """What tells whether a part is of the same file: a strong tag, else the date."""
        is_strong = self.etag is not None and not self.etag.startswith("W/")
        return self.etag if is_strong else self.last_modified

    @property
    def is_whole(self) -> bool:
        """Whether it was fetched to its end, and checked."""
        return self.sha256 is not None

    def is_known_as(self, expected: Expected) -> bool:
        """Whether it is whole, and its digest is the one that is expected."""
        return self.is_whole and multihash(self) == (expected.checksum or "").lower()


def multihash(remote: Remote) -> str:
    """The digest of a whole file as `file:checksum` has it."""
    return f"{_SHA256_MULTIHASH}{remote.sha256}"


def is_unchanged(web: Web, url: str, remote: Remote) -> bool:
    """Whether the server says that the file is still what was fetched; False where it cannot."""
    headers = {}
    if remote.etag is not None:
        headers["If-None-Match"] = remote.etag
    elif remote.last_modified is not None:
        headers["If-Modified-Since"] = remote.last_modified
    if not headers or remote.url != plain(url):
        return False
    with web.open(url, headers=headers) as response:
        return bool(response.status_code == _NOT_MODIFIED)


def download(
    web: Web,
    url: str,
    part: Path,
    *,
    expected: Expected,
    former: Remote | None,
    note: Callable[[Remote], None],
) -> Remote:
    """What the server said of the file that now lies whole and checked at `part`.

    Args:
        web: who asks.
        url: the file's address.
        part: where it is put; what is there already is gone on with, if `former` fits.
        expected: what is known of it.
        former: what the server said when the part there was begun; None where that is not known.
        note: told what the server says before anything is written, to be given as `former` in
            another run.

    Raises:
        InputError: it cannot be fetched, or is not what it should be; then nothing is left. Where
            the connection breaks off for good, the part stays.
        OSError: as it comes, such as of a full disk; the part stays.
    """
    coming = _Coming(web=web, url=url, part=part, expected=expected, note=note, remote=former)
    if former is None or former.is_whole:
        coming.begin_anew()
    was_begun = part.exists()
    coming.receive()
    reason = _fault(part, expected)
    if reason and was_begun:
        _log.info("%s: %s; fetched anew", plain(url), reason)
        coming.begin_anew()
        coming.receive()
        reason = _fault(part, expected)
    if reason:
        part.unlink()
        raise InputError(f"{plain(url)}: {reason}; fetch it again")
    return replace(coming.known(), n_bytes=part.stat().st_size, sha256=file_digest(part, _SHA256))


def check_file(path: Path, expected: Expected) -> None:
    """InputError where a file is not what is expected."""
    if reason := _fault(path, expected):
        raise InputError(f"{path}: {reason}; fetch it again")


def file_digest(path: Path, algorithm: str) -> str:
    """The digest of a file's content, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


@dataclass(slots=True, kw_only=True)
class _Coming:
    """A file on its way; `remote` is what the server said of what lies at `part`."""

    web: Web
    url: str
    part: Path
    expected: Expected
    note: Callable[[Remote], None]
    remote: Remote | None

    def known(self) -> Remote:
        """What the server says of the file, once it has been asked."""
        return self.remote or Remote(url=plain(self.url))

    def begin_anew(self) -> None:
        """Forget what has come."""
        self.part.unlink(missing_ok=True)
        self.remote = None

    def receive(self) -> None:
        """Fetch to the file's end, as often as the connection drops while it gets further."""
        n_failed = 0
        while n_failed < self.web.patience.n_tries:
            before = self._size()
            try:
                if self._go_on():
                    return
                n_failed += 1
            except DroppedError as error:
                n_failed = 1 if self._size() > before else n_failed + 1
                _log.info("%s at byte %d", error, self._size())
            self.web.rest(n_failed)
        raise InputError(
            f"{plain(self.url)}: the connection breaks off each time; ingest again to go on from"
            " there"
        )

    def _go_on(self) -> bool:
        """Ask for what is missing; whether the end was reached. Else it is to be asked anew."""
        start = self._size()
        validator = self.remote.validator if self.remote else None
        if validator is None or self.known().url != plain(self.url):
            start = 0
        if (
            start
            and start == self.known().n_bytes
            and is_unchanged(self.web, self.url, self.known())
        ):
            return True
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers |= {"Range": f"bytes={start}-", "If-Range": str(validator)}
        with self.web.open(self.url, headers=headers) as response:
            if response.status_code == _OK:
                self._begin(response)
                return self._write(response, 0, _length(response))
            total = self._total_of_rest(response, start)
            if total is None or not start:
                self.begin_anew()
                return False
            return self._write(response, start, total)

    def _begin(self, response: requests.Response) -> None:
        """A new file: what the server says of it is told before its first byte is written."""
        self.begin_anew()
        self.remote = Remote(
            url=plain(self.url),
            etag=response.headers.get("ETag"),
            last_modified=response.headers.get("Last-Modified"),
            n_bytes=_length(response),
        )
        self.note(self.remote)

    def _total_of_rest(self, response: requests.Response, start: int) -> int | None:
        """Length of the whole file, where the answer is its rest; None where it is not."""
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        etag = response.headers.get("ETag")
        is_same = etag is None or etag == self.known().etag
        if response.status_code != _PARTIAL or match is None or not is_same:
            return None
        first, last, total = match[1], match[2], match[3]
        is_rest = total != "*" and int(first) == start and int(last) == int(total) - 1
        return int(total) if is_rest else None

    def _write(self, response: requests.Response, start: int, total: int | None) -> bool:
        """Put what comes behind what is there; True at the end, DroppedError before it."""
        self._check_length(response, total)
        most = LARGEST_FILE_BYTES if total is None else total
        size = start
        with self.part.open("ab" if start else "wb") as stream:
            for block in received(response, self.url):
                size += len(block)
                if size > most:
                    break
                stream.write(block)
        if size > most:
            self.begin_anew()
            raise InputError(f"{plain(self.url)}: more than the {most:,} bytes that it has")
        if total is not None and size < total:
            raise DroppedError(f"{plain(self.url)}: the connection broke off")
        if self._size() != size:
            self.begin_anew()
            raise InputError(f"{self.part}: another run writes to it; fetch it again")
        return True

    def _check_length(self, response: requests.Response, total: int | None) -> None:
        packed = response.headers.get("Content-Encoding", "identity")
        if packed != "identity":
            raise InputError(f"{plain(self.url)}: the server packs it ({packed[:20]}), unasked")
        if self.expected.n_bytes is not None and total not in (None, self.expected.n_bytes):
            self.begin_anew()
            raise InputError(
                f"{plain(self.url)}: {total:,} bytes, and the item says"
                f" {self.expected.n_bytes:,}; fetch the item again"
            )

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0


def _length(response: requests.Response) -> int | None:
    """The length that an answer states."""
    stated = response.headers.get("Content-Length", "")
    return int(stated) if stated.isdigit() else None


def _fault(path: Path, expected: Expected) -> str | None:
    """What is not as it should be with a whole file; None where nothing is."""
    size = path.stat().st_size
    if expected.n_bytes is not None and size != expected.n_bytes:
        return f"{size:,} bytes, and the item says {expected.n_bytes:,}"
    known = _checksum(expected.checksum) if expected.checksum else None
    if known is None:
        return None
    algorithm, digits = known
    if file_digest(path, algorithm) != digits:
        return f"its checksum ({algorithm}) is not the one that the item states"
    return None


def _checksum(multihash_hex: str) -> tuple[str, str] | None:
    """Algorithm and digits of a multihash; None, with a word in the log, for one not known here."""
    try:
        rest = bytes.fromhex(multihash_hex)
        code, rest = _varint(rest)
        length, rest = _varint(rest)
    except (ValueError, IndexError):
        code, length, rest = -1, -1, b""
    algorithm = _MULTIHASHES.get(code)
    if algorithm is None or length != len(rest) or length != hashlib.new(algorithm).digest_size:
        _log.warning(
            "checksum %.40s is no multihash that is known here: not checked", multihash_hex
        )
        return None
    return algorithm, rest.hex()


def _varint(stream: bytes) -> tuple[int, bytes]:
    """An unsigned varint at the beginning of bytes, and the bytes behind it."""
    value = 0
    for at, byte in enumerate(stream):
        value |= (byte & 0x7F) << (7 * at)
        if byte < 0x80:
            return value, stream[at + 1 :]
    raise ValueError("no end")
