"""Scenes found among files and folders, and opened again by their address."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rts_track.errors import InputError, UsageError
from rts_track.source.landsat import LANDSAT
from rts_track.source.plain import RASTER
from rts_track.source.planet import PLANET
from rts_track.source.scene import SceneFault, SceneOptions, SceneReader
from rts_track.source.sentinel2 import SENTINEL2
from rts_track.source.stac import STAC, STAC_SUFFIXES, files_here
from rts_track.source.stac_item import read_items
from rts_track.source.uri import parse_uri

if TYPE_CHECKING:
    from rts_track.source.dates import Period
    from rts_track.source.scene import Scene

SCENE_READERS: dict[str, SceneReader] = {
    reader.name: reader for reader in (PLANET, SENTINEL2, LANDSAT, STAC, RASTER)
}
"""Adapters by their name; `raster` takes any TIFF, and only if it is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """What stands for a scene: a path, who reads it, and how."""

    path: Path
    reader: SceneReader
    options: SceneOptions

    def read(self) -> Scene:
        """The scene; InputError where its files cannot be one."""
        return self.reader.read(self.path, self.options)


def find_scenes(
    paths: Sequence[Path],
    *,
    reader: str | None = None,
    bands: Sequence[str] | None = None,
    period: Period | None = None,
    scale: float | None = None,
    offset: float | None = None,
    sensor: str | None = None,
    is_mask_optional: bool = False,
    assets: Sequence[str] | None = None,
) -> tuple[list[Scene], list[SceneFault]]:
    """The scenes at `paths` in their order, each once; and what is wrong with the others.

    Args:
        paths: products, or folders that hold some at any depth.
        reader: the adapter to use; None lets names tell: planet, sentinel2 or landsat; and files
            that are STAC items.
        bands: see `SceneOptions`, as are the rest.
        period: day or days of acquisition.
        scale: reflectance per stored unit.
        offset: reflectance of a stored 0.
        sensor: what acquired them.
        is_mask_optional: whether products may lack their mask.
        assets: which assets of STAC items are read.

    Raises:
        UsageError: there is no such reader, no sensor has such a band, or the options cannot be.
    """
    options = SceneOptions(
        bands=tuple(bands) if bands else None,
        period=period,
        scale=scale,
        offset=offset,
        sensor=sensor,
        is_mask_optional=is_mask_optional,
        assets=tuple(assets) if assets else None,
    )
    products, faults = find_products(paths, options, reader)
    scenes, unread = read_products(products)
    return scenes, [*faults, *unread]


def find_products(
    paths: Sequence[Path], options: SceneOptions, reader: str | None = None
) -> tuple[list[Product], list[SceneFault]]:
    """The products at `paths` in their order, each once; and where there is none.

    Args:
        paths: products, or folders that hold some at any depth.
        options: how they are to be read.
        reader: the adapter to use; None lets names tell.

    Raises:
        UsageError: there is no such reader, or the options cannot be.
    """
    _check(options.scale, options.offset, options.sensor)
    readers = [scene_reader(reader)] if reader else _NAMED
    found: dict[Path, SceneReader] = {}
    faults: list[SceneFault] = []
    for path in paths:
        at_path = _products_at(path, readers)
        found.update(at_path)
        if not at_path:
            faults.append(_no_scene(path, reader))
    products: list[Product] = []
    for path, by in found.items():
        of_path, wrong = _members(Product(path=path, reader=by, options=options))
        products += of_path
        faults += wrong
    return products, faults


def read_products(products: Sequence[Product]) -> tuple[list[Scene], list[SceneFault]]:
    """The scenes of products in their order, and what is wrong with the others."""
    scenes: list[Scene] = []
    faults: list[SceneFault] = []
    for product in products:
        try:
            scenes.append(product.read())
        except InputError as error:
            faults.append(SceneFault(str(product.path), str(error)))
    return scenes, faults


def _members(product: Product) -> tuple[list[Product], list[SceneFault]]:
    """The products that one path stands for: mostly itself."""
    if product.reader.members is None:
        return [product], []
    try:
        names, faults = product.reader.members(product.path)
    except InputError as error:
        return [], [SceneFault(str(product.path), str(error))]
    wrong = [SceneFault(str(product.path), fault) for fault in faults]
    if len(names) == 1 and not faults:
        return [product], wrong
    by_name = [replace(product, options=replace(product.options, item=name)) for name in names]
    return by_name, wrong


def _check(scale: float | None, offset: float | None, sensor: str | None) -> None:
    if scale is not None and not 0.0 < scale < math.inf:
        raise UsageError(f"--scale {scale:g}: expected more than 0, such as 0.0001")
    if offset is not None and not math.isfinite(offset):
        raise UsageError(f"--offset {offset:g}: expected a reflectance, such as -0.1")
    if sensor is not None and not sensor.strip():
        raise UsageError("--sensor: expected a name")


def open_scene(uri: str) -> Scene:
    """The scene at an address that some `Scene.uri` was.

    InputError where its files are gone, cut short, or cannot be read as they were.
    """
    path, reader, options = parse_uri(uri)
    if not path.exists():
        raise InputError(f"{path}: gone; bring it back, or ingest the scene from where it is now")
    try:
        return scene_reader(reader).read(path, options)
    except UsageError as error:
        raise InputError(f"{path}: not as it was ({error}); ingest it again") from error


def scene_reader(name: str) -> SceneReader:
    """The adapter of that name; UsageError where there is none."""
    if name not in SCENE_READERS:
        raise UsageError(f"reader {name!r}: there are {', '.join(SCENE_READERS)}")
    return SCENE_READERS[name]


_NAMED = [PLANET, SENTINEL2, LANDSAT, STAC]
"""Readers that know their products, best first."""


def _products_at(path: Path, readers: Sequence[SceneReader]) -> dict[Path, SceneReader]:
    """The products at a path or below, each with the first reader that knows it.

    Below a folder, an item that describes a product which another reader knows is none of its own.
    """
    if not path.exists():
        return {}
    paths = [path]
    if path.is_dir():
        paths += sorted(path.rglob("*"))
    found: dict[Path, SceneReader] = {}
    for reader in readers:
        for product in reader.products(paths):
            if not (reader is STAC and path.is_dir() and _describes_any(product, found)):
                found.setdefault(product.resolve(), reader)
    return dict(sorted(found.items()))


def _describes_any(item_file: Path, found: Mapping[Path, SceneReader]) -> bool:
    """Whether an item's files are products that others know by their names.

    One whose files are all in the web describes what lies beside it, as those that come with
    Landsat's products do.
    """
    files = files_here(item_file)
    if not files:
        return item_file.resolve().parent in {product.parent for product in found}
    return any(reader.products(files) for reader in set(found.values()) - {STAC})


def _no_item(path: Path) -> str:
    """Why a file is no STAC item."""
    try:
        read_items(path)
    except InputError as error:
        return str(error)
    return f"{path}: no STAC item"


def _no_scene(path: Path, reader: str | None) -> SceneFault:
    if not path.exists():
        reason = "no such file or folder"
    elif path.suffix.lower() in STAC_SUFFIXES and reader in (None, STAC.name) and path.is_file():
        return SceneFault(str(path), _no_item(path))
    elif reader is not None:
        reason = f"nothing that --reader {reader} knows by its name"
    elif path.is_dir():
        reason = (
            "no scene in this folder whose name tells what it is; give --reader raster --sensor"
            " NAME --bands ... to take every TIFF"
        )
    else:
        reason = (
            "its name does not tell what acquired it; give --reader, such as --reader raster"
            " --sensor NAME --bands ..."
        )
    return SceneFault(str(path), f"{path}: {reason}")
