"""Requests to servers of the web that mind their manners: not too many at a time, patiently again.

Only http and https, wherever a redirect leads. What is asked for is told without its query, in
which catalogs hand out tokens.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import requests
import urllib3.exceptions

import rts_track
from rts_track.errors import InputError, UsageError
from rts_track.source.closing import Closing

if TYPE_CHECKING:
    from collections.abc import Callable

RATE_PER_S = 4.0
"""Requests a second that one host gets: what catalogs stand without an account."""

_CHUNK_BYTES = 2**16
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers after which the same request may well succeed."""
_ANSWERS = frozenset({200, 206, 304, 416})
_MOST_REDIRECTS = 10

_log = logging.getLogger(__name__)


class DroppedError(Exception):
    """A connection that broke off while an answer came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often a request is tried, and how long is waited in between.

    Attributes:
        n_tries: tries in a row that bring nothing, after which it is given up.
        first_wait_s: wait after the first of them; it doubles with each.
        longest_wait_s: the longest wait, even if the server asks for a longer one.
        timeout_s: how long a server may keep silent.
    """

    n_tries: int = 6
    first_wait_s: float = 1.0
    longest_wait_s: float = 120.0
    timeout_s: float = 60.0

    def wait_s(self, n_failed: int) -> float:
        """The wait after so many tries that failed."""
        return float(min(self.first_wait_s * 2.0 ** (n_failed - 1), self.longest_wait_s))


class Web(Closing):
    """Asks servers, each at most so many times a second. A context manager, for one thread."""

    def __init__(
        self,
        rate_per_s: float = RATE_PER_S,
        patience: Patience | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """UsageError where the rate cannot be one."""
        if not 0.0 < rate_per_s < float("inf"):
            raise UsageError(f"--rate {rate_per_s:g}: expected requests per second, such as 4")
        self.patience = patience or Patience()
        self._interval_s = 1.0 / rate_per_s
        self._sleep = sleep
        self._clock = clock
        self._next_s: dict[str, float] = {}
        """When each host may be asked next."""
        self._session = requests.Session()
        self._session.max_redirects = _MOST_REDIRECTS
        self._session.headers["User-Agent"] = f"rts-track/{rts_track.__version__}"

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    @contextmanager
    def open(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Iterator[requests.Response]:
        """A server's answer, its content yet to come; tried again where that may help.

        InputError where it is refused, or the server cannot be reached.
        """
        response = self._answer(url, method, dict(headers or {}), params, body)
        try:
            yield response
        finally:
            response.close()

    def text(
        self,
        url: str,
        *,
        limit_bytes: int,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> bytes:
        """What lies at an address, unpacked; InputError where it is larger than the limit."""
        for n_failed in range(1, self.patience.n_tries + 1):
            try:
                asked = self.open(url, headers=headers, method=method, params=params, body=body)
                with asked as response:
                    return _content(response, url, limit_bytes)
            except DroppedError as error:
                _log.info("%s: %s", plain(url), error)
                self.rest(n_failed)
        raise InputError(f"{plain(url)}: the connection breaks off each time; try again later")

    def rest(self, n_failed: int) -> None:
        """Wait as after so many tries that failed."""
        self._sleep(self.patience.wait_s(n_failed))

    def _answer(
        self,
        url: str,
        method: str,
        headers: dict[str, str],
        params: Mapping[str, Any] | None,
        body: Mapping[str, Any] | None,
    ) -> requests.Response:
        reason = ""
        for n_failed in range(1, self.patience.n_tries + 1):
            self._wait_for_turn(url)
            wait_s = self.patience.wait_s(n_failed)
            try:
                response = self._session.request(
                    method,
                    url,
                    headers=headers,
                    params=params,
                    json=body,
                    stream=True,
                    timeout=self.patience.timeout_s,
                )
            except (requests.exceptions.SSLError, requests.exceptions.InvalidSchema) as error:
                raise _refused(url, error) from error
            except (requests.ConnectionError, requests.Timeout) as error:
                reason = f"no answer ({_cause(error)})"
            except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
                raise _refused(url, error) from error
            else:
                if response.status_code in _ANSWERS:
                    return response
                reason = f"the server answers {response.status_code} {response.reason}"
                wait_s = min(max(wait_s, _asked_wait_s(response)), self.patience.longest_wait_s)
                response.close()
                if response.status_code not in _AGAIN:
                    break
            if n_failed < self.patience.n_tries:
                _log.info("%s: %s; again in %.0f s", plain(url), reason, wait_s)
                self._sleep(wait_s)
        raise InputError(f"{plain(url)}: {reason}")

    def _wait_for_turn(self, url: str) -> None:
        """Wait until the host may be asked again."""
        host = urlsplit(url).netloc
        now_s = self._clock()
        turn_s = max(self._next_s.get(host, now_s), now_s)
        self._next_s[host] = turn_s + self._interval_s
        if turn_s > now_s:
            self._sleep(turn_s - now_s)


def plain(url: str) -> str:
    """An address without query and user, in one line: what may be told and kept."""
    url = "".join(each if each.isprintable() else "_" for each in url)
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.partition("?")[0]
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def received(response: requests.Response, url: str) -> Iterator[bytes]:
    """The content of an answer as it comes over the wire; DroppedError where it breaks off."""
    try:
        while block := response.raw.read(2**20, decode_content=False):
            yield block
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise DroppedError(f"{plain(url)}: the connection broke off") from error


def _content(response: requests.Response, url: str, limit_bytes: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        for part in response.iter_content(_CHUNK_BYTES):
            parts.append(part)
            size += len(part)
            if size > limit_bytes:
                raise InputError(f"{plain(url)}: more than {limit_bytes:,} bytes; that is no item")
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise DroppedError("the connection broke off") from error
    return b"".join(parts)


def _asked_wait_s(response: requests.Response) -> float:
    """How long the server asks to wait: seconds, or until a date; 0 where it does not."""
    asked = response.headers.get("Retry-After", "").strip()
    if asked.isdigit():
        return float(asked[:6])
    try:
        until = email.utils.parsedate_to_datetime(asked)
    except (TypeError, ValueError):
        return 0.0
    until = until if until.tzinfo else until.replace(tzinfo=dt.UTC)
    return max((until - dt.datetime.now(dt.UTC)).total_seconds(), 0.0)


def _refused(url: str, error: Exception) -> InputError:
    if isinstance(error, requests.exceptions.InvalidSchema):
        return InputError(f"{plain(url)}: it leads to what is neither http nor https")
    return InputError(f"{plain(url)}: cannot be fetched ({_cause(error)})")


def _cause(error: Exception) -> str:
    """What is wrong, in a few words of one line, without the address."""
    inner: BaseException = error
    while inner.__cause__ or inner.__context__:
        inner = inner.__cause__ or inner.__context__ or inner
    words = " ".join(str(getattr(inner, "strerror", None) or inner).split())
    return words[:120] or type(inner).__name__
