"""A scene's layers, prepared where the networks are: of what its files hold, as a `Stack` does.

They come out as there: the same formulas in float32, auxiliary layers rounded to the steps that
files keep them in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from rts_track.errors import InputError
from rts_track.model.device_terrain import relative_elevation, slope_deg
from rts_track.model.device_warp import first_known
from rts_track.raster.raw import (
    LARGEST_TREND,
    MOST_STEPS,
    NDVI,
    NDVI_BANDS,
    STEPS,
    TERRAIN,
    TREND,
    UNKNOWN,
    RawRaster,
)
from rts_track.raster.terrain import disc_margin_px

if TYPE_CHECKING:
    from rts_track.model.device_copies import Copies
    from rts_track.raster.grid import Grid
    from rts_track.raster.raw import RawBand, RawScene

_EXACT = (torch.uint8, torch.int8, torch.uint16, torch.int16, torch.float16, torch.float32)
"""Types whose every value is a float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceScene:
    """A scene's files on a device, or on their way there.

    Attributes:
        raw: the scene as it was read.
        stored: its bands' stored values, (H, W) each.
        is_clear: (H, W).
        elevation: the values of its pieces, (1, h, w) each.
        trend: likewise, (3, h, w).
        made: layers that were kept, (H, W) in steps.
        mark: when all of it has arrived; None: it has.
    """

    raw: RawScene
    stored: Mapping[str, torch.Tensor]
    is_clear: torch.Tensor
    elevation: Sequence[torch.Tensor]
    trend: Sequence[torch.Tensor]
    made: Mapping[str, torch.Tensor]
    mark: torch.cuda.Event | None

    def tensors(self) -> Iterator[torch.Tensor]:
        """All that lies on the device."""
        yield from (*self.stored.values(), *self.elevation, *self.trend, *self.made.values())
        yield self.is_clear


def put_scene(raw: RawScene, copies: Copies) -> DeviceScene:
    """The scene, going to the device: `copies.arrived` tells when it is there."""
    with copies.going():
        return DeviceScene(
            raw=raw,
            stored={band.name: copies.put(band.stored) for band in raw.bands},
            is_clear=copies.put(raw.is_clear),
            elevation=[copies.put(piece.values) for piece in raw.elevation],
            trend=[copies.put(piece.values) for piece in raw.trend],
            made={name: copies.put(steps) for name, (steps, _) in raw.made.items()},
            mark=copies.mark(),
        )


def layers(scene: DeviceScene, names: Collection[str]) -> Iterator[tuple[str, torch.Tensor]]:
    """Name and values (H, W) of each of these layers, float32 in its unit; NaN: unknown.

    They come one by one, in an order of their own, so that none but the latest needs memory.

    Raises:
        InputError: elevations or trends hold nothing where the scene lies.
    """
    yield from _bands(scene, names)
    yield from _kept(scene, names)
    if set(names) & set(TERRAIN) - scene.made.keys():
        yield from _of(names, TERRAIN, _terrain(scene))
    if set(names) & set(TREND) - scene.made.keys():
        yield from _of(names, TREND, _trend(scene))


def _bands(scene: DeviceScene, names: Collection[str]) -> Iterator[tuple[str, torch.Tensor]]:
    """Reflectances, and the index that is told by them."""
    has_index = NDVI in names and NDVI not in scene.stored
    needed: dict[str, torch.Tensor] = {}
    for band in scene.raw.bands:
        reflectance = _reflectance(scene.stored[band.name], band)
        if band.name in names:
            yield band.name, reflectance
        if has_index and band.name in NDVI_BANDS:
            needed[band.name] = reflectance
    if has_index:
        yield NDVI, ndvi(*(needed[name] for name in NDVI_BANDS))


def _reflectance(stored: torch.Tensor, band: RawBand) -> torch.Tensor:
    """What the stored values mean, (H, W); NaN: nothing was seen."""
    values = stored.to(torch.float32)
    reflectance = values * band.scale + band.offset
    is_known = torch.isfinite(reflectance)
    if band.nodata is not None:
        exact = values if stored.dtype in _EXACT else stored.to(torch.float64)
        is_known &= exact != band.nodata
    return torch.where(is_known, reflectance, torch.nan)


def ndvi(nir: torch.Tensor, red: torch.Tensor) -> torch.Tensor:
    """The normalised difference vegetation index, -1..1, as `raster.indices.ndvi` has it."""
    near, visible = nir.clamp(0.0, 1.0), red.clamp(0.0, 1.0)
    total = near + visible
    return torch.where(total > 0, (near - visible) / total, torch.nan)


def _kept(scene: DeviceScene, names: Collection[str]) -> Iterator[tuple[str, torch.Tensor]]:
    """Layers that were kept."""
    for name, counted in scene.made.items():
        if name in names:
            step = scene.raw.made[name][1]
            yield name, torch.where(counted != UNKNOWN, counted.float() * step, torch.nan)


def _terrain(scene: DeviceScene) -> tuple[torch.Tensor, ...]:
    """Relative elevation and slope, told by what lies around the grid, too."""
    grid = scene.raw.grid
    margin = max(disc_margin_px(grid.gsd_m), 1)
    elevation_m = _mosaic(scene.raw.elevation, scene.elevation, grid.grown(margin), scene)[0]
    inner = (slice(margin, -margin), slice(margin, -margin))
    _check_known(elevation_m[inner], scene, "elevation")
    return tuple(made(elevation_m, grid.gsd_m)[inner] for made in (relative_elevation, slope_deg))


def _trend(scene: DeviceScene) -> tuple[torch.Tensor, ...]:
    values = _mosaic(scene.raw.trend, scene.trend, scene.raw.grid, scene)
    _check_known(values, scene, "trend")
    return values.clamp(0.0, LARGEST_TREND).unbind()


def _mosaic(
    pieces: Sequence[RawRaster], values: Sequence[torch.Tensor], grid: Grid, scene: DeviceScene
) -> torch.Tensor:
    """The pieces' values on the grid, (n, H, W)."""
    placed = [(tensor, piece.grid) for tensor, piece in zip(values, pieces, strict=True)]
    n_bands = len(values[0])
    return first_known(placed, n_bands, grid, scene.is_clear.device)


def _check_known(values: torch.Tensor, scene: DeviceScene, what: str) -> None:
    if torch.isnan(values).all():
        origin = scene.raw.origins.get(what, what)
        raise InputError(f"{origin}: it has nothing but holes where the scene lies")


def _of(
    names: Collection[str], made_names: Sequence[str], made: Sequence[torch.Tensor]
) -> Iterator[tuple[str, torch.Tensor]]:
    """Those of the layers that are asked for, rounded as files keep them."""
    for name, values in zip(made_names, made, strict=True):
        if name in names:
            yield name, _in_steps(values, STEPS[name])


def _in_steps(values: torch.Tensor, step: float) -> torch.Tensor:
    """The values as whole multiples of a step, as far as files keep them."""
    by = values.new_tensor(step)  # divided by a plain number they would be multiplied by 1 / step
    return (values / by).round().clamp(-MOST_STEPS, MOST_STEPS) * by
