"""Indices of bands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def ndvi(nir: NDArray[np.float32], red: NDArray[np.float32]) -> NDArray[np.float32]:
    """The normalised difference vegetation index, -1..1, in float32.

    NDVI = (nir - red) / (nir + red) (Tucker 1979, doi 10.1016/0034-4257(79)90013-0) of surface
    reflectances, each clipped to 0..1 first: atmospheric correction leaves negative ones over
    dark water, which would throw the ratio far out of its range. NaN where a band is NaN, or
    both are 0: no light tells no ratio.

    Args:
        nir: near-infrared reflectance, 1.0 = 100 %; any shape.
        red: red reflectance, of the same shape.
    """
    near, visible = (np.clip(band, 0.0, 1.0).astype(np.float32, copy=False) for band in (nir, red))
    total = near + visible
    index = np.full_like(total, np.nan)
    np.divide(near - visible, total, out=index, where=total > 0)
    return index
