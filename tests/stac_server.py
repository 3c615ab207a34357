"""A small STAC API and the files of its items, served on loopback, with faults at will."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import numpy as np

CONFORMS_TO = [
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/item-search",
    "https://api.stacspec.org/v1.0.0/item-search#query",
]


@dataclass
class StacServer:
    """What is served, what was asked, and what goes wrong.

    `faults` are, by path, taken one a request: ("status", code, headers), ("drop", n_bytes),
    ("redirect", address), ("headers", headers). `answers` are whole documents by path.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    etags: dict[str, str | None] = field(default_factory=dict)
    modified: dict[str, str] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    items: list[dict] = field(default_factory=list)
    faults: dict[str, list[tuple]] = field(default_factory=dict)
    asked: list[tuple[str, str, dict]] = field(default_factory=list)
    questions: list[dict] = field(default_factory=list)
    method: str = "POST"
    page_size: int = 2
    conforms_to: list[str] = field(default_factory=lambda: list(CONFORMS_TO))
    n_ranges: int = 0
    n_sent: int = 0

    def add_file(self, path: str, content: bytes) -> str:
        """The address of a file."""
        self.files[path] = content
        return f"{self.url}{path}"

    def etag(self, path: str) -> str | None:
        """The entity tag of a file: of its content, unless told otherwise."""
        return self.etags.get(path, f'"{hashlib.md5(self.files[path]).hexdigest()}"')

    def asked_for(self, path: str) -> int:
        """How often something was asked for."""
        return sum(each == path for _, each, _ in self.asked)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: StacServer

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self._answer("POST", json.loads(self.rfile.read(length) or b"{}"))

    def do_GET(self) -> None:
        self._answer("GET", {name: values[0] for name, values in self._query().items()})

    def _query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query)

    def _answer(self, method: str, question: dict) -> None:
        path = urlsplit(self.path).path
        self.api.asked.append((method, path, dict(self.headers)))
        faults = self.api.faults.get(path, [])
        fault = faults.pop(0) if faults else None
        if fault and fault[0] == "status":
            self._send(fault[1], b"", fault[2])
        elif fault and fault[0] == "redirect":
            self._send(302, b"", {"Location": fault[1]})
        elif path in self.api.files:
            self._file(path, fault)
        elif path in self.api.answers:
            self._json(self.api.answers[path])
        elif path == "/":
            self._json(self._landing_page())
        elif path == "/search":
            self._json(self._page(method, question))
        else:
            self._send(404, b"", {})

    def _landing_page(self) -> dict:
        links = [
            {"rel": "self", "href": f"{self.api.url}/"},
            {"rel": "data", "href": f"{self.api.url}/collections"},
        ]
        methods = ["GET", "POST"] if self.api.method == "POST" else ["GET"]
        links += [
            {
                "rel": "search",
                "href": f"{self.api.url}/search",
                "type": "application/geo+json",
                "method": method,
            }
            for method in methods
        ]
        return {
            "type": "Catalog",
            "id": "loopback",
            "stac_version": "1.0.0",
            "description": "for tests",
            "conformsTo": self.api.conforms_to,
            "links": links,
        }

    def _page(self, method: str, question: dict) -> dict:
        self.api.questions.append({**question, "method": method})
        found = [item for item in self.api.items if _is_meant(item, question)]
        start = int(question.get("token", 0))
        page = found[start : start + self.api.page_size]
        links = []
        if start + self.api.page_size < len(found):
            following = {**question, "token": str(start + self.api.page_size)}
            href = f"{self.api.url}/search"
            if method == "POST":
                links = [{"rel": "next", "href": href, "method": "POST", "body": following}]
            else:
                links = [{"rel": "next", "href": f"{href}?{urlencode(following)}"}]
        return {"type": "FeatureCollection", "features": page, "links": links}

    def _file(self, path: str, fault: tuple | None) -> None:
        content, etag = self.api.files[path], self.api.etag(path)
        modified = self.api.modified.get(path)
        headers = {"ETag": etag} if etag else {}
        headers |= {"Last-Modified": modified} if modified else {}
        is_known = etag and self.headers.get("If-None-Match") == etag
        if is_known or (modified and self.headers.get("If-Modified-Since") == modified):
            self._send(304, b"", headers)
            return
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        status, start = 200, 0
        if match and self.headers.get("If-Range") in {etag, modified} - {None}:
            start = int(match[1])
            if start >= len(content):
                self._send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
                return
            self.api.n_ranges += 1
            status = 206
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        if fault and fault[0] == "headers":
            headers |= fault[1]
        n_sent = fault[1] if fault and fault[0] == "drop" else None
        self._send(status, content[start:], headers, n_sent=n_sent)

    def _json(self, document: object) -> None:
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        self._send(200, content, {"Content-Type": "application/json"})

    def _send(self, status: int, content: bytes, headers: dict, n_sent: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 304 and "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        sent = content if n_sent is None else content[:n_sent]
        self.api.n_sent += len(sent)
        self.wfile.write(sent)
        if n_sent is not None:
            self.wfile.flush()
            self.close_connection = True


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Tell what went wrong, unless the client hung up: it may."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def _is_meant(item: dict, question: dict) -> bool:
    """Whether an item answers a question: collection, box, and cloud where it is asked of."""
    collections = question.get("collections", [])
    collections = collections.split(",") if isinstance(collections, str) else collections
    if item.get("collection") not in collections:
        return False
    bbox = question.get("bbox")
    if bbox:
        bbox = [float(each) for each in bbox.split(",")] if isinstance(bbox, str) else bbox
        west, south, east, north = bbox
        left, low, right, high = item["bbox"]
        if left > east or right < west or low > north or high < south:
            return False
    query = question.get("query") or {}
    query = json.loads(query) if isinstance(query, str) else query
    most = query.get("eo:cloud_cover", {}).get("lte", 100)
    return item["properties"].get("eo:cloud_cover", 0) <= most


def served() -> tuple[StacServer, ThreadingHTTPServer]:
    """A server that answers on loopback, in a thread of its own; and what stops it."""
    api = StacServer()
    http = _Http(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": api}))
    api.url = f"http://127.0.0.1:{http.server_port}"
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    return api, http


SENTINEL2_BANDS = {
    "blue": ("B02", "blue", 10.0),
    "green": ("B03", "green", 10.0),
    "red": ("B04", "red", 10.0),
    "nir": ("B08", "nir", 10.0),
    "nir08": ("B8A", "nir08", 20.0),
}
"""Keys of Earth Search, the sensor's names, common names and resolutions."""


def sentinel2_item(
    name: str = "S2B_8WMA_20220801_0_L2A",
    *,
    href: Any = "./{file}",
    applied: bool | None = None,
    baseline: str | None = "04.00",
    offset: float | None = -0.1,
    bbox: tuple = (-135.7, 68.0, -135.5, 68.1),
    cloud: float | None = 12.5,
    at: str = "2022-08-01T20:50:19.024000Z",
) -> dict:
    """An item as Earth Search has them; `href` is a pattern of `{file}`, such as B02.tif."""
    assets: dict[str, dict] = {}
    for key, (band, common_name, gsd_m) in SENTINEL2_BANDS.items():
        raster = {"nodata": 0, "data_type": "uint16", "scale": 0.0001}
        raster |= {"spatial_resolution": gsd_m}
        raster |= {} if offset is None else {"offset": offset}
        assets[key] = {
            "href": href.format(file=f"{band}.tif"),
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "eo:bands": [{"name": key, "common_name": common_name}],
            "raster:bands": [raster],
            "gsd": gsd_m,
            "roles": ["data", "reflectance"],
        }
        assets[f"{key}-jp2"] = {
            **assets[key],
            "href": f"s3://sentinel-s2-l2a/tiles/{band}.jp2",
            "type": "image/jp2",
        }
    picture = {"nodata": 0, "data_type": "uint8"}
    assets["visual"] = {
        "href": href.format(file="TCI.tif"),
        "type": "image/tiff",
        "eo:bands": [{"name": each, "common_name": each} for each in ("red", "green", "blue")],
        "raster:bands": [picture] * 3,
        "roles": ["visual"],
    }
    assets["scl"] = {"href": href.format(file="SCL.tif"), "type": "image/tiff", "roles": ["data"]}
    assets["thumbnail"] = {"href": href.format(file="L.jpg"), "type": "image/jpeg"}
    properties: dict[str, Any] = {
        "datetime": at,
        "platform": "sentinel-2b",
        "constellation": "sentinel-2",
    }
    properties |= {} if applied is None else {"earthsearch:boa_offset_applied": applied}
    properties |= {} if baseline is None else {"s2:processing_baseline": baseline}
    properties |= {} if cloud is None else {"eo:cloud_cover": cloud}
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": "sentinel-2-l2a",
        "geometry": None,
        "bbox": list(bbox),
        "properties": properties,
        "assets": assets,
        "links": [],
    }


def sentinel2_files(folder: Path, products: Any, *, first: int = 2000, size: int = 8) -> Path:
    """The files that such an item leads to, in a folder; with the values of `products.safe`."""
    bands = products.image(5, (size, size), first=first)
    for at, (band, _, gsd_m) in enumerate(SENTINEL2_BANDS.values()):
        values = bands[at] if gsd_m == 10.0 else bands[at, ::2, ::2]
        products.write_tiff(folder / f"{band}.tif", values, gsd_m=gsd_m)
    scl = np.full((size // 2, size // 2), 4, dtype=np.uint8)
    scl[0, 0] = 9
    products.write_tiff(folder / "SCL.tif", scl, gsd_m=20.0)
    return folder


def publish(api: StacServer, products: Any, folder: Path, name: str, **said: Any) -> dict:
    """An item and its files on the server; the item."""
    first = said.pop("first", 2000)
    sentinel2_files(folder / name, products, first=first, size=said.pop("size", 8))
    for file in sorted((folder / name).glob("*.tif")):
        api.add_file(f"/data/{name}/{file.name}", file.read_bytes())
    item = sentinel2_item(name, href=f"{api.url}/data/{name}/{{file}}", **said)
    api.items.append(item)
    api.answers[f"/collections/sentinel-2-l2a/items/{name}"] = item
    return item
