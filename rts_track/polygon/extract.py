"""Footprints from a raster of probabilities, and clear areas from a mask.

Pixels that share a side or a corner belong to one object, in the labels and in the polygons alike:
one object is one row, and its statistics are those of exactly its pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from rts_track.errors import InputError
from rts_track.polygon.smooth import smooth
from rts_track.polygon.trace import metric_multipolygon, metric_polygons, n_corners, pixel_polygons
from rts_track.raster.grid import Window
from rts_track.raster.probability import NOT_LOOKED_AT, STEPS, threshold_byte

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.raster.grid import Grid

CLEAR_CELL_M = 30.0
"""Clear areas are drawn by cells of about this size: finer than the slumps that are judged by
them, and coarse enough that a ragged cloud mask of 100 Mpx stays some thousand vertices."""
UNCLEAR_SHARE = 1 / 9
"""A cell is clear if at most this share of its pixels is not: one pixel of nine at 10 m. Masks are
speckled, and specks of 100 m2 hide no slump; a place counts as looked at from 0.9 on anyway."""
MAX_CORNERS = 50_000
"""Cells are doubled while their outline has more corners: what links seasons lays looks over one
another, and rings of a hundred thousand vertices would cost it more than they tell."""
CLEAR_SPECK_M2 = 10_000.0
"""Clear islands of less than a hectare count as unclear: no absence is told by them, and ragged
masks are made of thousands."""

MOST_SIDES = 5_000_000
"""Sides of pixels, eastern and western, along all outlines: two hundred times what a scene full of
slumps has. Beyond are the probabilities of a model that knows nothing, and minutes of drawing."""

_STRIP_PX = 4_000_000
"""Pixels that are counted at a time: bounds the memory, and they stay in the cache."""
_LEAST_SHARE = 0.5
"""No projected CRS in use shows areas at less than half their size: what is smaller than that
share of the minimum in the raster's own CRS need not be drawn to be left out."""
_EVERY_NEIGHBOUR = np.ones((3, 3), dtype=np.int8)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractParams:
    """How footprints are made of probabilities.

    Attributes:
        threshold: least probability of a slump's pixels, in (0, 1].
        min_area_m2: footprints smaller than that, in EPSG:6931, are left out.
        smooth_m: how far outlines may move to be smooth; 0 leaves them along the pixels' sides.
        delineation_sigma_m: how far outlines lie off as a whole: smoothing changes no area by more
            than perimeter times this. None: half a pixel.
        max_spread: footprints over whose pixels the members' spread is larger than that in the
            mean are left out; None: none are, nor without a spread.
    """

    threshold: float
    min_area_m2: float
    smooth_m: float = 0.0
    delineation_sigma_m: float | None = None
    max_spread: float | None = None

    def __post_init__(self) -> None:
        """ValueError for values out of range."""
        if not 0.0 < self.threshold <= 1.0:
            raise ValueError(f"threshold {self.threshold}: expected more than 0, at most 1")
        if self.min_area_m2 < 0.0 or self.smooth_m < 0.0:
            raise ValueError("neither a minimum area nor smoothing can be negative")
        if self.max_spread is not None and not 0.0 <= self.max_spread <= 1.0:
            raise ValueError(f"max_spread {self.max_spread}: expected 0 to 1")

    def recorded(self) -> dict[str, float | None]:
        """The parameters by their names, as ids and runs hold them.

        What came after ids had been given is left out where it changes nothing: they stay.
        """
        held: dict[str, float | None] = asdict(self)
        if self.max_spread is None:
            del held["max_spread"]
        return held


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """Footprints in the order of their first pixels, row before column; arrays of one length.

    `geometry` are valid EPSG:6931 (Multi)Polygons and `area_m2` their areas. Probabilities and
    spread are 0..1 over the object's pixels; `spread_mean` is NaN without a spread. `is_clipped`:
    the object touches the raster's edge or a pixel that was not looked at.
    """

    geometry: NDArray[np.object_]
    area_m2: NDArray[np.float64]
    prob_mean: NDArray[np.float64]
    prob_max: NDArray[np.float64]
    spread_mean: NDArray[np.float64]
    is_clipped: NDArray[np.bool_]

    def __len__(self) -> int:
        """How many footprints."""
        return len(self.geometry)


def extract(
    probability: NDArray[np.uint8],
    spread: NDArray[np.uint8] | None,
    grid: Grid,
    params: ExtractParams,
) -> Extracted:
    """The footprints in a raster of stored probabilities; empty arrays where there is none.

    Args:
        probability: (H, W) bytes as `raster.probability` has them; 255 was not looked at.
        spread: (H, W) bytes of the members' spread, or None.
        grid: where the pixels lie.
        params: threshold, least area, largest spread, smoothing.

    Raises:
        InputError: the probabilities are noise, from pixel to pixel on this or that side of the
            threshold.
    """
    from scipy.ndimage import label

    is_object = probability >= threshold_byte(params.threshold)
    is_object &= probability != NOT_LOOKED_AT
    _check_is_no_noise(is_object)
    labels, n_objects = label(is_object, _EVERY_NEIGHBOUR, output=np.int32)
    sums = _sums(probability, spread, labels, int(n_objects))
    is_meant = sums.n_px * grid.gsd_m**2 >= params.min_area_m2 * _LEAST_SHARE
    is_meant &= ~_is_disputed(sums, params.max_spread)
    if not is_meant[1:].all():
        _drop(labels, ~is_meant)
    values, polygons = pixel_polygons(labels, _occupied(is_object))
    geometry = metric_polygons(polygons, grid)
    is_kept = shapely.area(geometry) >= params.min_area_m2
    values, geometry = values[is_kept], geometry[is_kept]
    if params.smooth_m > 0.0:
        geometry = metric_polygons(_smoothed(polygons[is_kept], grid, params), grid)
    n_px = sums.n_px[values]
    return Extracted(
        geometry=geometry,
        area_m2=np.asarray(shapely.area(geometry)),
        prob_mean=sums.probability[values] / n_px / STEPS,
        prob_max=sums.highest[values] / STEPS,
        spread_mean=sums.spread[values] / n_px / STEPS,
        is_clipped=sums.n_clipped[values] > 0,
    )


def mask_polygons(
    mask: NDArray[np.bool_], grid: Grid, *, simplify_m: float = CLEAR_CELL_M
) -> shapely.MultiPolygon:
    """The area where the (H, W) mask is True, as one valid EPSG:6931 MultiPolygon.

    It is drawn along cells of about `simplify_m`, or along the pixels where those are larger:
    cells with more than a ninth of unclear pixels are left out whole, so that but for specks
    nothing is claimed that the mask does not say, and up to a cell along its borders is lost.
    Masks so ragged that this would make more than `MAX_CORNERS` get larger cells. Islands of less
    than a hectare are left out, too, unless there is nothing larger. Empty where nothing is clear.
    """
    size_px = max(int(simplify_m / grid.gsd_m), 1)
    labels = _islands(_clear_cells(mask, size_px), size_px * grid.gsd_m)
    while n_corners(labels != 0) > MAX_CORNERS:
        size_px *= 2
        labels = _islands(_clear_cells(mask, size_px), size_px * grid.gsd_m)
    _, polygons = pixel_polygons(labels, Window(0, 0, *labels.shape))
    end = np.array([grid.width, grid.height])
    placed = shapely.transform(polygons, lambda xy: np.minimum(xy * size_px, end))
    return metric_multipolygon(np.asarray(placed, dtype=object), grid)


def _check_is_no_noise(is_object: NDArray[np.bool_]) -> None:
    n_sides = int(np.count_nonzero(is_object[:, 1:] ^ is_object[:, :-1]))
    if n_sides > MOST_SIDES:
        raise InputError(
            f"the probabilities are noise: outlines along {n_sides:,} pixels; is the model trained,"
            " and for such scenes?"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sums:
    """Per label, 0 included: pixels, sums of bytes, highest byte, pixels beside the unseen."""

    n_px: NDArray[np.int64]
    probability: NDArray[np.float64]
    highest: NDArray[np.uint8]
    spread: NDArray[np.float64]
    n_clipped: NDArray[np.float64]


def _sums(
    probability: NDArray[np.uint8],
    spread: NDArray[np.uint8] | None,
    labels: NDArray[np.int32],
    n_objects: int,
) -> _Sums:
    size = n_objects + 1
    sums = _Sums(
        n_px=np.zeros(size, dtype=np.int64),
        probability=np.zeros(size),
        highest=np.zeros(size, dtype=np.uint8),
        spread=np.zeros(size) if spread is not None else np.full(size, np.nan),
        n_clipped=np.zeros(size),
    )
    for rows in _strips(probability.shape):
        own = labels[rows].ravel()
        at = np.flatnonzero(own)
        owner = own[at]
        seen = probability[rows].ravel()[at]
        sums.n_px[:] += np.bincount(owner, minlength=size)
        sums.probability[:] += np.bincount(owner, seen, minlength=size)
        np.maximum.at(sums.highest, owner, seen)
        is_beside = _beside_unseen(probability, rows).ravel()[at]
        sums.n_clipped[:] += np.bincount(owner, is_beside, minlength=size)
        if spread is not None:
            sums.spread[:] += np.bincount(owner, spread[rows].ravel()[at], minlength=size)
    return sums


def _is_disputed(sums: _Sums, max_spread: float | None) -> NDArray[np.bool_]:
    """Per label whether the members' spread is too large, in the mean of its pixels."""
    if max_spread is None:
        return np.zeros(len(sums.n_px), dtype=bool)
    mean: NDArray[np.float64] = sums.spread / np.maximum(sums.n_px, 1) / STEPS
    return mean > max_spread


def _strips(shape: tuple[int, int]) -> Iterator[slice]:
    """Rows that are worked on at a time."""
    height, width = shape
    step = max(_STRIP_PX // max(width, 1), 1)
    return (slice(first, min(first + step, height)) for first in range(0, height, step))


def _beside_unseen(probability: NDArray[np.uint8], rows: slice) -> NDArray[np.bool_]:
    """Which pixels of these rows have a neighbour outside the raster or not looked at."""
    height, width = probability.shape
    unseen = np.ones((rows.stop - rows.start + 2, width + 2), dtype=bool)
    first, end = max(rows.start - 1, 0), min(rows.stop + 1, height)
    at = first - (rows.start - 1)
    unseen[at : at + end - first, 1:-1] = probability[first:end] == NOT_LOOKED_AT
    across = unseen[:, :-2] | unseen[:, 1:-1] | unseen[:, 2:]
    return np.asarray(across[:-2] | across[1:-1] | across[2:])


def _drop(labels: NDArray[np.int32], is_dropped: NDArray[np.bool_]) -> None:
    """Set the labels that are to be dropped to 0."""
    for rows in _strips(labels.shape):
        own = labels[rows].reshape(-1)
        at = np.flatnonzero(own)
        own[at[is_dropped[own[at]]]] = 0


def _occupied(is_object: NDArray[np.bool_]) -> Window:
    """The least window with every object."""
    rows = np.flatnonzero(is_object.any(axis=1))
    cols = np.flatnonzero(is_object.any(axis=0))
    if len(rows) == 0:
        return Window(0, 0, 0, 0)
    return Window(
        int(rows[0]), int(cols[0]), int(rows[-1] - rows[0]) + 1, int(cols[-1] - cols[0]) + 1
    )


def _smoothed(
    polygons: NDArray[np.object_], grid: Grid, params: ExtractParams
) -> NDArray[np.object_]:
    sigma_m = params.delineation_sigma_m
    sigma_px = 0.5 if sigma_m is None else sigma_m / grid.gsd_m
    return smooth(polygons, params.smooth_m / grid.gsd_m, sigma_px)


def _clear_cells(mask: NDArray[np.bool_], size_px: int) -> NDArray[np.bool_]:
    """Cells of size_px x size_px pixels (fewer at the far edges) that count as clear."""
    if size_px == 1:
        return mask
    height, width = mask.shape
    first_rows, first_cols = np.arange(0, height, size_px), np.arange(0, width, size_px)
    clear = np.empty((len(first_rows), len(first_cols)), dtype=np.int64)
    for at, first in enumerate(first_rows):
        by_col = mask[first : first + size_px].sum(axis=0, dtype=np.int32)
        clear[at] = np.add.reduceat(by_col, first_cols)
    n_px = np.outer(
        np.diff(first_rows, append=height),
        np.diff(first_cols, append=width),
    )
    return np.asarray(n_px - clear <= np.floor(n_px * UNCLEAR_SHARE))


def _islands(cells: NDArray[np.bool_], cell_m: float) -> NDArray[np.int32]:
    """Labels of clear cells that hang together by their sides, without specks."""
    from scipy.ndimage import label

    labels, n_islands = label(cells, output=np.int32)
    n_cells = np.bincount(labels.ravel(), minlength=int(n_islands) + 1)
    n_cells[0] = 0
    is_speck = (n_cells * cell_m**2 < CLEAR_SPECK_M2) & (n_cells < n_cells.max())
    if is_speck[1:].any():
        _drop(labels, is_speck)
    return np.asarray(labels)
