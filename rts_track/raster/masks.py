"""Which stored values of the sensors' masks mean a clear view of the ground: one table.

Clear is what no cloud, shadow, haze, snow, ice or missing data hides. A mask's zero never means
clear sky by itself: it is what lies outside a mask, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """The meaning of a mask whose values are codes: those that are clear, those that are cloud."""

    clear: frozenset[int]
    cloud: frozenset[int] = frozenset()

    def is_clear(self, stored: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Where the stored code means a clear view."""
        return _is_any(stored, self.clear)

    def is_cloud(self, stored: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Where the stored code means cloud."""
        return _is_any(stored, self.cloud)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bits:
    """The meaning of a mask whose values are bit fields.

    Clear is where all bits of `needed` and none of `hiding` are set, cloud where one of `cloud` is.
    """

    needed: int
    hiding: int
    cloud: int

    def is_clear(self, stored: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Where the stored bits mean a clear view."""
        return np.asarray((stored & (self.needed | self.hiding)) == self.needed)

    def is_cloud(self, stored: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Where the stored bits mean cloud."""
        return np.asarray((stored & self.cloud) != 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The meaning of a mask that says clear where it is not zero."""

    def is_clear(self, stored: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Where the stored value is not zero."""
        return np.asarray(stored != 0)

    def is_cloud(self, stored: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Nowhere: such a mask does not tell what hides the ground."""
        return np.zeros(stored.shape, dtype=np.bool_)


def _is_any(stored: NDArray[np.integer], codes: frozenset[int]) -> NDArray[np.bool_]:
    """Where one of a few codes is stored: several times as quick as `np.isin`."""
    is_any = np.zeros(stored.shape, dtype=np.bool_)
    for code in codes:
        is_any |= stored == code
    return is_any


def _bits(*numbers: int) -> int:
    return sum(1 << number for number in numbers)


CLEAR_CODES: dict[str, Codes | Bits | Truth] = {
    # Planet, Usable Data Mask 2: band 1 is 1 where clear; bands 2-6 are flags of snow, shadow,
    # light haze, heavy haze and cloud; band 8 holds bits of blackfill and unusable data.
    "udm2_clear": Codes(clear=frozenset({1})),
    "udm2_flag": Codes(clear=frozenset({0})),
    "udm2_cloud": Codes(clear=frozenset({0}), cloud=frozenset({1})),
    # ESA, Sentinel-2 L2A scene classification: 4 vegetation, 5 bare, 6 water, 7 unclassified (low
    # probability of cloud); not 0 nodata, 1 saturated, 2 dark or topographic shadow, 3 cloud
    # shadow, 8 and 9 cloud, 10 cirrus, 11 snow and ice.
    "scl": Codes(clear=frozenset({4, 5, 6, 7}), cloud=frozenset({8, 9, 10})),
    # USGS, Landsat Collection 2 QA_PIXEL: 0 fill, 1 dilated cloud, 2 cirrus, 3 cloud, 4 cloud
    # shadow, 5 snow, 6 clear (neither cloud nor dilated cloud).
    "qa_pixel": Bits(needed=_bits(6), hiding=_bits(0, 1, 2, 3, 4, 5), cloud=_bits(2, 3)),
    "clear": Truth(),
}
"""What the values of a mask mean, by the name of its code table."""


def tells_cloud(codes: str) -> bool:
    """Whether a mask of those codes tells cloud from what else hides the ground."""
    table = CLEAR_CODES[codes]
    return isinstance(table, Bits) or (isinstance(table, Codes) and bool(table.cloud))


def clear_of(codes: str, stored: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Where a mask of those codes says clear; of the shape of `stored`."""
    return CLEAR_CODES[codes].is_clear(stored)


def cloud_of(codes: str, stored: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Where a mask of those codes says cloud; of the shape of `stored`."""
    return CLEAR_CODES[codes].is_cloud(stored)
