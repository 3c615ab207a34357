"""How far one image lies from another, told by what both show: many windows, each with its say.

A window's offset is where the cross-correlation of the two images' gradient magnitudes peaks,
which a discrete Fourier transform of the peak's surroundings tells finer than in pixels
(Guizar-Sicairos et al. 2008, doi 10.1364/OL.33.000156; here in quarters of a pixel, with a parabola
through the highest of them, so that there are no steps). Gradients leave out what differs between
images of a place in level and contrast: season, haze, sensor. Unlike phase correlation, the
spectrum is not whitened: the finest detail is noise, and aliased, and pulls the peak to whole
pixels, by up to 0.08 px where it was tried.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import fft, ndimage

from rts_track.track.params import LinkParams
from rts_track.track.shift import Shift

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SMOOTH_PX = 0.7
"""Gradients are those of the image smoothed so far: noise and aliasing are finer."""
_MARGIN_PX = 3
"""Gradients so near to what is not clear are its edge, not the ground's."""
_NEAR_PX = np.arange(-4, 5) / 4.0
_MAD_TO_SIGMA = 1.4826
_ROUNDS = 5
_LEAST_BLOCKS = 4
"""Of fewer blocks the scatter between them says little: each window is taken for one then."""
_LINKING = LinkParams()


@dataclass(frozen=True, slots=True, kw_only=True)
class CoregisterParams:
    """When the windows of two images tell how far one lies from the other."""

    windows_px: tuple[int, ...] = (128, 96, 64, 48, 32)
    """Sides of a window: the largest of which `enough_windows` are clear in both images."""
    enough_windows: int = 36
    """So many windows are wanted before their size is..."""
    most_windows: int = 150
    """... and more than so many add little."""
    min_windows: int = 8
    """Fewer that agree tell no shift."""
    min_clear_frac: float = 0.9
    """A window counts if so much of it is clear in both images."""
    min_correlation: float = 0.25
    """A window counts if the images' gradients, laid over each other, are this alike."""
    min_agreeing_frac: float = 0.6
    """Windows that agree must be so many of all that count."""
    reject_sigma: float = 4.0
    """A window agrees that lies within so many robust standard deviations of the median."""
    max_scatter_px: float = 0.7
    """Windows that scatter more than this agree by chance."""
    floor_px: float = 0.02
    """What resampling, aliasing and a changed ground leave in any shift, however many windows tell
    it: on simulated scenes of known shift, errors are of the size of the standard errors so."""
    min_se: float = _LINKING.shift_min_se
    """A shift is corrected for when it is larger than so many standard errors (as in linking)."""
    max_shift_m: float = _LINKING.max_shift_m
    """A larger shift is taken for a wrong match of scenes and not corrected for."""

    def as_dict(self) -> dict[str, object]:
        """The parameters by name, as a run keeps them."""
        return asdict(self)


class Offset(NamedTuple):
    """How far a window's content lies down and right of another's, and how alike they are."""

    row_px: float
    col_px: float
    correlation: float


def is_usable(
    before: NDArray[np.float32], after: NDArray[np.float32], params: CoregisterParams
) -> bool:
    """Whether enough of a window is clear in both images; NaN is not clear."""
    is_clear = np.isfinite(before) & np.isfinite(after)
    return bool(is_clear.mean() >= params.min_clear_frac)


def window_offset(before: NDArray[np.float32], after: NDArray[np.float32]) -> Offset | None:
    """How far the later image's window lies down and right of the earlier one's.

    Args:
        before: (h, w) one band of the earlier image; NaN: not clear.
        after: (h, w) the same of the later one.

    Returns:
        None where one of them shows nothing but a single level.
    """
    is_clear = np.isfinite(before) & np.isfinite(after)
    taper = np.outer(*(np.hanning(size + 2)[1:-1] for size in before.shape))
    weight = taper * ndimage.binary_erosion(is_clear, iterations=_MARGIN_PX, border_value=1)
    one, other = (_texture(image, is_clear, weight) for image in (before, after))
    size = np.sqrt((one**2).sum() * (other**2).sum())
    if not size > 0.0:
        return None
    spectrum = np.conj(fft.fft2(one)) * fft.fft2(other) / size
    alike = fft.ifft2(spectrum).real
    row, col = np.unravel_index(int(alike.argmax()), alike.shape)
    near = _near(spectrum, int(row), int(col))
    at_row, at_col = np.unravel_index(int(near.argmax()), near.shape)
    return Offset(
        row_px=_signed(int(row), len(alike)) + _top(near[:, at_col], int(at_row)),
        col_px=_signed(int(col), alike.shape[1]) + _top(near[at_row], int(at_col)),
        correlation=float(near.max()),
    )


def agreed_shift(
    offset_m: NDArray[np.float64],
    block: NDArray[np.int64],
    gsd_m: float,
    params: CoregisterParams,
) -> Shift | None:
    """The shift that windows agree on: their mean, without those far from their median.

    The standard error is that of a mean whose members err together within a block and apart
    between blocks (the cluster-robust one: Liang & Zeger 1986, doi 10.1093/biomet/73.1.13), of
    the worse component, and at least `floor_px`. It knows of nothing that moves all blocks
    alike, such as shadows that lie elsewhere under another sun.

    Args:
        offset_m: (n, 2) metres east and north that each window's later image lies off.
        block: (n,) which part of the scene each window is in.
        gsd_m: the pixels that they were told on.
        params: when windows agree.

    Returns:
        None where too few agree.
    """
    agrees = agreeing(offset_m, gsd_m, params)
    n = int(agrees.sum())
    if n < max(params.min_windows, params.min_agreeing_frac * len(offset_m)):
        return None
    kept, (dx_m, dy_m) = offset_m[agrees], offset_m[agrees].mean(axis=0)
    off_m = kept - (dx_m, dy_m)
    if off_m.std(axis=0).max() > params.max_scatter_px * gsd_m:
        return None
    _, group = np.unique(block[agrees], return_inverse=True)
    if group.max() + 1 < _LEAST_BLOCKS:
        group = np.arange(n)
    n_groups = int(group.max()) + 1
    sums = np.stack([np.bincount(group, component) for component in off_m.T])
    spread = np.sqrt((sums**2).sum(axis=1) * n_groups / (n_groups - 1)) / n
    se_m = float(np.hypot(spread.max(), params.floor_px * gsd_m))
    return shift_of(float(dx_m), float(dy_m), se_m, n, params)


def agreeing(
    offset_m: NDArray[np.float64], gsd_m: float, params: CoregisterParams
) -> NDArray[np.bool_]:
    """Which of some offsets, (n, 2) metres, lie close to the median of those that do."""
    floor_m = params.floor_px * gsd_m
    agrees = np.ones(len(offset_m), dtype=bool)
    for _ in range(_ROUNDS):
        if not agrees.any():
            break
        off_m = np.abs(offset_m - np.median(offset_m[agrees], axis=0))
        sigma_m = _MAD_TO_SIGMA * np.median(off_m[agrees], axis=0)
        closer = np.all(off_m <= params.reject_sigma * np.maximum(sigma_m, floor_m), axis=1)
        if (closer == agrees).all():
            break
        agrees = closer
    return agrees


def between(to_a: Shift, to_b: Shift, params: CoregisterParams) -> Shift:
    """The shift of b against a, from theirs against one reference.

    Errors are taken for independent: both hold the reference's own noise, which would cancel in
    part. `n` is the smaller one's.
    """
    return shift_of(
        to_b.dx_m - to_a.dx_m,
        to_b.dy_m - to_a.dy_m,
        float(np.hypot(to_a.se_m, to_b.se_m)),
        min(to_a.n, to_b.n),
        params,
    )


def shift_of(dx_m: float, dy_m: float, se_m: float, n: int, params: CoregisterParams) -> Shift:
    """A shift, and whether it is to be corrected for."""
    size_m = float(np.hypot(dx_m, dy_m))
    is_applied = params.min_se * se_m < size_m <= params.max_shift_m
    return Shift(dx_m=dx_m, dy_m=dy_m, se_m=se_m, n=n, is_applied=is_applied)


def _near(spectrum: NDArray[np.complex128], row: int, col: int) -> NDArray[np.float64]:
    """The correlation at the steps _NEAR_PX around a pixel, in rows and columns.

    By plain sums: several threads for products of small matrices would only wait for each other.
    """
    height, width = spectrum.shape
    by_row = np.exp(2j * np.pi * np.outer(row + _NEAR_PX, np.fft.fftfreq(height)))
    by_col = np.exp(2j * np.pi * np.outer(col + _NEAR_PX, np.fft.fftfreq(width)))
    along = np.einsum("ij,jk->ik", by_row, spectrum)
    return np.asarray(np.einsum("ik,lk->il", along, by_col).real / spectrum.size)


def _top(values: NDArray[np.float64], at: int) -> float:
    """Where a parabola through the highest value and its neighbours is highest, in pixels."""
    middle = min(max(at, 1), len(values) - 2)
    left, own, right = values[middle - 1 : middle + 2].tolist()
    bend = left - 2.0 * own + right
    step = 0.5 * (left - right) / bend if bend < 0.0 else 0.0
    return float(_NEAR_PX[middle] + min(max(step, -1.0), 1.0) * (_NEAR_PX[1] - _NEAR_PX[0]))


def _signed(at: int, n: int) -> int:
    """A place in a periodic row of n as a step from its first, forward or back."""
    return at if at <= n // 2 else at - n


def _texture(
    image: NDArray[np.float32], is_clear: NDArray[np.bool_], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The image's gradient magnitude about its weighted mean, times the weight."""
    level = image[is_clear].mean() if is_clear.any() else 0.0
    filled = np.where(is_clear, image, level).astype(np.float64)
    steepness = ndimage.gaussian_gradient_magnitude(filled, _SMOOTH_PX)
    total = weight.sum()
    mean = (steepness * weight).sum() / total if total > 0.0 else 0.0
    return np.asarray((steepness - mean) * weight)
