"""Scenes of STAC items that lie in the web, fetched into a folder each, whole or not at all.

`DIR/<collection>/<item id>/` holds the files of the assets that are read and, last of all,
`item.json`: the item with these assets alone, their references leading to the files beside it. A
folder without it is of a scene that is not whole.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rts_track.errors import InputError
from rts_track.source.download import (
    Expected,
    Remote,
    check_file,
    download,
    file_digest,
    is_unchanged,
    multihash,
)
from rts_track.source.imagery import check_image
from rts_track.source.landsat import LANDSAT
from rts_track.source.planet import PLANET
from rts_track.source.sentinel2 import SENTINEL2
from rts_track.source.stac import assets_of, check_mask
from rts_track.source.stac_item import StacAsset, StacItem, address_of, file_of, is_address, shown
from rts_track.source.web import plain
from rts_track.writing import appearing

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from rts_track.source.scene import SceneOptions
    from rts_track.source.web import Web

ITEM_FILE = "item.json"
STATE_FILE = ".fetched.json"

_FILE_EXTENSION = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
_NO_COLLECTION = "items"
_LONGEST_NAME = 100
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_SUFFIX_OF = {"image/jp2": ".jp2"}
_SUFFIXES = (".tif", ".tiff", ".jp2")
_LEFT_OUT = ("alternate", "storage:refs", "auth:refs", "file:local_path")
"""What is said of an asset that is no longer true of the file beside the item."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What came of fetching one scene.

    Attributes:
        item_file: its item, all its files beside it; None where it is not whole.
        n_bytes: bytes that came now; 0 where all was there.
        faults: why it is not whole, an asset a line.
    """

    item_file: Path | None
    n_bytes: int = 0
    faults: tuple[str, ...] = ()


def fetch(web: Web, item: StacItem, options: SceneOptions, downloads: Path) -> Fetched:
    """What came of fetching the files of an item that are read.

    What is there is not fetched again: nothing at all is asked for where the item says what it
    said the last time, else what its server says has changed.

    Args:
        web: who asks.
        item: an item in the web, or a local one whose files are.
        options: which of its assets are read.
        downloads: folder of all downloads.

    Raises:
        OSError: as it comes, such as of a full disk; what was fetched stays.
    """
    try:
        chosen = assets_of(item, options)
        check_mask(item, chosen, options)
        if options.period is None:
            item.period()
        folder = folder_of(item, downloads)
        folder.mkdir(parents=True, exist_ok=True)
    except InputError as error:
        return Fetched(item_file=None, faults=(str(error),))
    except FileExistsError as error:
        return Fetched(item_file=None, faults=(f"{error.filename}: is no folder; move it away",))
    assets = [each.asset for each in chosen if not (each.is_mask and options.is_mask_ignored)]
    with _alone_in(folder) as is_alone:
        if not is_alone:
            fault = f"{folder}: another run fetches into it; ingest again when it has ended"
            return Fetched(item_file=None, faults=(fault,))
        return _Folder(web=web, item=item, folder=folder, assets=assets).fetch()


@contextmanager
def _alone_in(folder: Path) -> Iterator[bool]:
    """Whether no other run is fetching into the folder; none will until the end.

    The lock is the folder's own: it leaves no file, and goes with a process that is killed.
    """
    if fcntl is None:
        yield True
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    except OSError:  # a file system that knows no locks
        yield True
    else:
        yield True
    finally:
        os.close(opened)


def folder_of(item: StacItem, downloads: Path) -> Path:
    """Where an item's files are put; InputError where a link leads that out of the downloads."""
    folder = downloads / safe_name(item.collection or _NO_COLLECTION) / safe_name(item.item_id)
    if not folder.resolve().is_relative_to(downloads.resolve()):
        raise InputError(f"{folder}: leads out of {downloads}; remove the link")
    return folder


def safe_name(word: str) -> str:
    """The word as the name of a file or folder, itself if it is one; no two words have one name."""
    name = _UNSAFE.sub("_", word).strip(".")[:_LONGEST_NAME]
    if name == word:
        return name
    return f"{name}-{hashlib.sha256(word.encode(errors='replace')).hexdigest()[:8]}"


@dataclass(slots=True, kw_only=True)
class _State:
    """What is known of the files of a folder.

    Attributes:
        said: digest of what the item said when the folder became whole.
        files: by name, what the servers said of those that stand; parts: of those on their way.
    """

    file: Path
    said: str | None = None
    files: dict[str, Remote] = field(default_factory=dict)
    parts: dict[str, Remote] = field(default_factory=dict)

    @classmethod
    def of(cls, file: Path) -> _State:
        """The state that was kept; nothing where there is none, or it cannot be read."""
        try:
            kept = json.loads(file.read_text(encoding="utf-8"))
            files, parts = (
                {str(name): Remote(**remote) for name, remote in kept[which].items()}
                for which in ("files", "parts")
            )
            return cls(file=file, said=kept["said"], files=files, parts=parts)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return cls(file=file)

    def keep(self) -> None:
        """Write it down."""
        kept = {
            "said": self.said,
            "files": {name: asdict(remote) for name, remote in self.files.items()},
            "parts": {name: asdict(remote) for name, remote in self.parts.items()},
        }
        with appearing(self.file) as beside:
            beside.write_text(json.dumps(kept, indent=1), encoding="utf-8")


@dataclass(slots=True, kw_only=True)
class _Folder:
    """One item's folder, and what is to come into it."""

    web: Web
    item: StacItem
    folder: Path
    assets: Sequence[StacAsset]
    n_bytes: int = 0

    def fetch(self) -> Fetched:
        """Fetch what is not there; the folder changes only when all of it has come."""
        state = _State.of(self.folder / STATE_FILE)
        said = self._said()
        if state.said == said and self._is_whole(state):
            return Fetched(item_file=self.folder / ITEM_FILE)
        faults = []
        for asset in self.assets:
            try:
                self._bring(asset, state)
            except InputError as error:
                faults.append(f"{self.item.place}: asset {shown(asset.key)}: {error}")
                _log.info("%s", faults[-1])
        if faults:
            return Fetched(item_file=None, n_bytes=self.n_bytes, faults=tuple(faults))
        self._settle(state, said)
        return Fetched(item_file=self.folder / ITEM_FILE, n_bytes=self.n_bytes)

    def _said(self) -> str:
        """A digest of all that the item says of the scene and these files; tokens left out."""
        assets = {
            asset.key: {**asset.fields, "href": plain(asset.href), "alternate": None}
            for asset in self.assets
        }
        said = json.dumps([self.item.properties, assets], sort_keys=True, default=str)
        return hashlib.sha256(said.encode(errors="replace")).hexdigest()

    def _is_whole(self, state: _State) -> bool:
        """Whether all files stand as they were fetched, and the item with them."""
        names = [file_name(asset) for asset in self.assets]
        return (self.folder / ITEM_FILE).is_file() and all(
            name in state.files and _size(self.folder / name) == state.files[name].n_bytes
            for name in names
        )

    def _bring(self, asset: StacAsset, state: _State) -> None:
        """See to it that an asset's file stands, or lies whole beside; InputError otherwise."""
        name = file_name(asset)
        expected = _expected(asset)
        standing = self._standing(name, state)
        if isinstance(self.item.base, Path) and not is_address(asset.href):
            self._copy(file_of(asset.href, self.item.base), name, expected, state)
            return
        url = address_of(asset.href, str(self.item.base))
        part = self.folder / f"{name}.part"
        begun = state.parts.get(name)
        if part.exists() and begun is not None and begun.is_whole:
            if begun.is_known_as(expected) or is_unchanged(self.web, url, begun):
                return
        elif standing is not None and (
            standing.is_known_as(expected) or is_unchanged(self.web, url, standing)
        ):
            return
        self._download(url, part, expected, begun, state)

    def _standing(self, name: str, state: _State) -> Remote | None:
        """What is known of the file that stands under the name; None where none does."""
        known = [state.parts.get(name), state.files.get(name)]
        size = _size(self.folder / name)
        for remote in known:
            if remote is not None and remote.is_whole and remote.n_bytes == size:
                return remote
        return None

    def _download(
        self, url: str, part: Path, expected: Expected, begun: Remote | None, state: _State
    ) -> None:
        name = part.name.removesuffix(".part")

        def note(remote: Remote) -> None:
            state.parts[name] = remote
            state.keep()

        before = _size(part) if begun is not None and not begun.is_whole else 0
        remote = download(self.web, url, part, expected=expected, former=begun, note=note)
        try:
            check_image(part)
        except InputError:
            part.unlink()
            raise InputError(f"{plain(url)}: no TIFF or JPEG 2000; does it want a login?") from None
        self.n_bytes += max(_size(part) - before, 0)
        note(remote)

    def _copy(self, source: Path, name: str, expected: Expected, state: _State) -> None:
        """Take in an asset that lies beside the item, others of which lie in the web."""
        part = self.folder / f"{name}.part"
        check_image(source)
        check_file(source, expected)
        shutil.copyfile(source, part)
        state.parts[name] = Remote(
            url=source.as_uri(), n_bytes=_size(part), sha256=file_digest(part, "sha256")
        )
        state.keep()

    def _settle(self, state: _State, said: str) -> None:
        """Let what has come stand, the item last: without it nothing counts."""
        item_file = self.folder / ITEM_FILE
        item_file.unlink(missing_ok=True)
        for asset in self.assets:
            name = file_name(asset)
            part = self.folder / f"{name}.part"
            standing = self._standing(name, state)
            if part.exists():
                part.replace(self.folder / name)
                standing = state.parts[name]
            if standing is not None:
                state.files[name] = standing
        state.parts.clear()
        state.said = said
        state.keep()
        with appearing(item_file) as beside:
            text = json.dumps(self._document(state), indent=1, ensure_ascii=False, default=str)
            beside.write_text(text + "\n", encoding="utf-8", errors="replace")

    def _document(self, state: _State) -> dict[str, Any]:
        """The item with the fetched assets alone, leading to the files beside it."""
        assets = {}
        for asset in self.assets:
            name = file_name(asset)
            remote = state.files[name]
            kept = {key: said for key, said in asset.fields.items() if key not in _LEFT_OUT}
            assets[asset.key] = {
                **kept,
                "href": f"./{name}",
                "file:size": remote.n_bytes,
                "file:checksum": multihash(remote),
            }
        document = self.item.document
        extensions = document.get("stac_extensions")
        extensions = list(extensions) if isinstance(extensions, list) else []
        if not any(str(each).startswith(_FILE_EXTENSION[:45]) for each in extensions):
            extensions.append(_FILE_EXTENSION)
        origin = _self_address(document, self.item.base)
        return {
            **document,
            "stac_extensions": extensions,
            "links": [{"rel": "via", "href": origin}] if origin else [],
            "assets": assets,
        }


def file_name(asset: StacAsset) -> str:
    """The name of an asset's file: its key and what kind of image it is.

    Never one that other readers know as a product of theirs.
    """
    suffix = Path(asset.file_name).suffix.lower()
    suffix = suffix if suffix in _SUFFIXES else _SUFFIX_OF.get(asset.media_type, ".tif")
    stem = safe_name(asset.key)
    for name in (f"{stem}{suffix}", f"asset-{stem}{suffix}"):
        if not any(by.products([Path(name)]) for by in (PLANET, SENTINEL2, LANDSAT)):
            return name
    return f"asset-{hashlib.sha256(stem.encode()).hexdigest()[:16]}{suffix}"


def _expected(asset: StacAsset) -> Expected:
    """What the item says of the whole file."""
    fields: Mapping[str, Any] = asset.fields
    size = fields.get("file:size")
    checksum = fields.get("file:checksum") or fields.get("checksum:multihash")
    return Expected(
        n_bytes=size if isinstance(size, int) and not isinstance(size, bool) and size > 0 else None,
        checksum=checksum.strip().lower() if isinstance(checksum, str) and checksum else None,
    )


def _self_address(document: Mapping[str, Any], base: Path | str) -> str | None:
    """The item's address in the web, without tokens; None where it is not known."""
    links = document.get("links")
    for link in links if isinstance(links, list) else []:
        if isinstance(link, Mapping) and link.get("rel") in ("self", "via"):
            href = link.get("href")
            if isinstance(href, str) and is_address(href):
                return plain(href)
    return plain(base) if isinstance(base, str) else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
