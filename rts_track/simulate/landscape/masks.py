"""The masks that come with a scene, in the form of each sensor's product."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.simulate.landscape.clouds import Air

_CLOUD = 0.35
_SHADOW = 0.35
_LIGHT_HAZE = 0.22
_HEAVY_HAZE = 0.42
_CIRRUS = 0.38
_DILATED = 0.02

UDM2_BANDS = (
    "clear",
    "snow",
    "shadow",
    "haze_light",
    "haze_heavy",
    "cloud",
    "confidence",
    "unusable",
)
"""The bands of Planet's Usable Data Mask 2.1, in their order."""

_SCL_NODATA, _SCL_SHADOW, _SCL_PLANTS, _SCL_BARE, _SCL_WATER = 0, 3, 4, 5, 6
_SCL_LIKELY_CLOUD, _SCL_CLOUD, _SCL_CIRRUS = 8, 9, 10

_QA_FILL, _QA_DILATED, _QA_CIRRUS, _QA_CLOUD, _QA_SHADOW = 0, 1, 2, 3, 4
_QA_CLEAR, _QA_WATER = 6, 7
QA_CLOUD_BIT = 1 << _QA_CLOUD
"""Set in QA_PIXEL where there is cloud."""
_QA_CONFIDENCE = (8, 10, 12, 14)
"""First bits of the confidences of cloud, shadow, snow and cirrus: 1 is low, 3 high."""


def udm2(flags: Air, is_inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Usable Data Mask 2.1, (8, H, W): flags of 0 and 1, confidence in percent, unusable bits."""
    cloud = flags.cloud > _CLOUD
    shadow = (flags.shadow > _SHADOW) & ~cloud
    heavy = (flags.haze > _HEAVY_HAZE) & ~cloud & ~shadow
    light = (flags.haze > _LIGHT_HAZE) & ~cloud & ~shadow & ~heavy
    clear = ~(cloud | shadow | heavy | light)
    strongest = np.maximum(np.maximum(flags.cloud, flags.shadow), flags.haze)
    confidence = np.clip(60.0 + 40.0 * np.abs(2.0 * strongest - 0.6), 0.0, 100.0)
    mask = np.zeros((len(UDM2_BANDS), *is_inside.shape), dtype=np.uint8)
    for number, flag in ((0, clear), (2, shadow), (3, light), (4, heavy), (5, cloud)):
        mask[number] = flag & is_inside
    mask[6] = np.where(is_inside, confidence, 0)
    mask[7] = ~is_inside
    return mask


def scl(
    flags: Air,
    is_inside: NDArray[np.bool_],
    ndvi: NDArray[np.float32],
    is_water: NDArray[np.bool_],
) -> NDArray[np.uint8]:
    """Sentinel-2's scene classification, (1, H, W)."""
    classes = np.where(ndvi > 0.4, _SCL_PLANTS, _SCL_BARE).astype(np.uint8)
    classes[is_water] = _SCL_WATER
    classes[flags.haze > _CIRRUS] = _SCL_CIRRUS
    classes[flags.shadow > _SHADOW] = _SCL_SHADOW
    classes[flags.cloud > _CLOUD] = _SCL_LIKELY_CLOUD
    classes[flags.cloud > 2.0 * _CLOUD] = _SCL_CLOUD
    classes[~is_inside] = _SCL_NODATA
    return classes[None]


def qa_pixel(
    flags: Air, is_inside: NDArray[np.bool_], is_water: NDArray[np.bool_]
) -> NDArray[np.uint16]:
    """Landsat's QA_PIXEL of Collection 2, (1, H, W)."""
    cloud = flags.cloud > _CLOUD
    dilated = (flags.cloud > _DILATED) & ~cloud
    shadow = (flags.shadow > _SHADOW) & ~cloud
    cirrus = (flags.haze > _CIRRUS) & ~cloud
    bits = np.zeros(is_inside.shape, dtype=np.uint16)
    for number, flag in (
        (_QA_DILATED, dilated),
        (_QA_CIRRUS, cirrus),
        (_QA_CLOUD, cloud),
        (_QA_SHADOW, shadow),
        (_QA_CLEAR, ~cloud & ~dilated),
        (_QA_WATER, is_water),
    ):
        bits |= flag.astype(np.uint16) << number
    sure = (cloud, shadow, np.zeros_like(cloud), cirrus)
    for number, flag in zip(_QA_CONFIDENCE, sure, strict=True):
        bits |= np.where(flag, 3, 1).astype(np.uint16) << number
    bits[~is_inside] = 1 << _QA_FILL
    return bits[None]
