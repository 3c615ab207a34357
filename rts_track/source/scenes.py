"""Scenes found among files and folders, and opened again by their address."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rts_track.errors import InputError, UsageError
from rts_track.source.landsat import LANDSAT
from rts_track.source.plain import RASTER
from rts_track.source.planet import PLANET
from rts_track.source.scene import SceneFault, SceneOptions
from rts_track.source.sentinel2 import SENTINEL2
from rts_track.source.uri import parse_uri

if TYPE_CHECKING:
    from rts_track.source.dates import Period
    from rts_track.source.scene import Scene, SceneReader

SCENE_READERS: dict[str, SceneReader] = {
    reader.name: reader for reader in (PLANET, SENTINEL2, LANDSAT, RASTER)
}
"""Adapters by their name; `raster` takes any TIFF, and only if it is asked for."""


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
) -> tuple[list[Scene], list[SceneFault]]:
    """The scenes at `paths` in their order, each once; and what is wrong with the others.

    Args:
        paths: products, or folders that hold some at any depth.
        reader: the adapter to use; None lets names tell: planet, sentinel2 or landsat.
        bands: see `SceneOptions`, as are the rest.
        period: day or days of acquisition.
        scale: reflectance per stored unit.
        offset: reflectance of a stored 0.
        sensor: what acquired them.
        is_mask_optional: whether products may lack their mask.

    Raises:
        UsageError: there is no such reader, no sensor has such a band, or the options cannot be.
    """
    _check(scale, offset, sensor)
    options = SceneOptions(
        bands=tuple(bands) if bands else None,
        period=period,
        scale=scale,
        offset=offset,
        sensor=sensor,
        is_mask_optional=is_mask_optional,
    )
    readers = [scene_reader(reader)] if reader else _NAMED
    found: dict[Path, SceneReader] = {}
    faults: list[SceneFault] = []
    for path in paths:
        products = _products_at(path, readers)
        found.update(products)
        if not products:
            faults.append(_no_scene(path, reader))
    scenes: list[Scene] = []
    for product, by in found.items():
        try:
            scenes.append(by.read(product, options))
        except InputError as error:
            faults.append(SceneFault(str(product), str(error)))
    return scenes, faults


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


_NAMED = [PLANET, SENTINEL2, LANDSAT]


def _products_at(path: Path, readers: Sequence[SceneReader]) -> dict[Path, SceneReader]:
    """The products at a path or below, each with the first reader that knows it."""
    if not path.exists():
        return {}
    paths = [path]
    if path.is_dir():
        paths += sorted(path.rglob("*"))
    found: dict[Path, SceneReader] = {}
    for reader in readers:
        for product in reader.products(paths):
            found.setdefault(product.resolve(), reader)
    return dict(sorted(found.items()))


def _no_scene(path: Path, reader: str | None) -> SceneFault:
    if not path.exists():
        reason = "no such file or folder"
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
