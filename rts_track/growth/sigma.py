"""How well an outline's area is known: the error of its pixels and that of whoever drew it.

Two errors of different nature. The pixel staircase is random along the outline and never repeats,
so its effect grows with the root of the perimeter and cancels with nothing. The delineation offset
moves the whole outline in or out, so its effect grows with the perimeter itself; it is *coherent*:
the same hand, or network, tends to repeat it in another season.

The popular error P * px / 2 takes the staircase for an offset of half a pixel and is 18-25 times
too large as a pixel error. A rigid shift of a scene changes no area, so a scene's misplacement
enters nothing here; it matters for the area gained and lost (`rts_track.growth.rates`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

PIXELISATION_K = 0.22
"""Standard deviation of a pixelised area, in px^1.5 * sqrt(P); no unit.

Middle of the 0.19-0.26 found by rasterising a slump of 1.8 ha and 508 m perimeter in random
position and orientation at pixels of 3 to 30 m.
"""


def area_sigma_m2(
    perimeter_m: ArrayLike, gsd_m: ArrayLike, delineation_sigma_m: ArrayLike
) -> NDArray[np.float64]:
    """1 sigma of each outline's area, in m2: sqrt((k px^1.5 sqrt P)^2 + (P sigma_d)^2).

    Args:
        perimeter_m: P, length of all rings of each outline, in metres on the ground.
        gsd_m: px, size of the pixels that the outline was drawn from, in metres; NaN (drawn
            without pixels, or unknown) leaves their term out.
        delineation_sigma_m: sigma_d, coherent offset of the source's outlines, in metres.
    """
    return np.hypot(
        pixel_sigma_m2(perimeter_m, gsd_m), coherent_sigma_m2(perimeter_m, delineation_sigma_m)
    )


def pixel_sigma_m2(perimeter_m: ArrayLike, gsd_m: ArrayLike) -> NDArray[np.float64]:
    """The random part of each area's sigma, in m2; 0 where `gsd_m` is NaN."""
    gsd = np.nan_to_num(np.asarray(gsd_m, dtype=np.float64), nan=0.0)
    perimeter = np.asarray(perimeter_m, dtype=np.float64)
    return np.asarray(PIXELISATION_K * gsd**1.5 * np.sqrt(perimeter))


def coherent_sigma_m2(
    perimeter_m: ArrayLike, delineation_sigma_m: ArrayLike
) -> NDArray[np.float64]:
    """The part of each area's sigma that a source tends to repeat in other seasons, in m2."""
    perimeter = np.asarray(perimeter_m, dtype=np.float64)
    return np.asarray(perimeter * np.asarray(delineation_sigma_m, dtype=np.float64))
