"""What things look like: surface reflectance of the ground's materials."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

WAVELENGTH_NM = {
    "coastal": 443.0,
    "blue": 490.0,
    "green_i": 531.0,
    "green": 560.0,
    "yellow": 610.0,
    "red": 665.0,
    "rededge1": 705.0,
    "rededge2": 740.0,
    "rededge3": 783.0,
    "nir": 842.0,
    "nir2": 865.0,
    "swir1": 1610.0,
    "swir2": 2190.0,
}
"""Centres of the bands that sensors have, about; by our names."""

_KNOTS_NM = (443.0, 490.0, 560.0, 665.0, 705.0, 740.0, 842.0, 1610.0, 2190.0)
_REFLECTANCE = {
    "heath": (0.022, 0.030, 0.050, 0.058, 0.095, 0.185, 0.250, 0.215, 0.115),
    "lichen": (0.050, 0.062, 0.085, 0.105, 0.140, 0.190, 0.235, 0.290, 0.190),
    "sedge": (0.019, 0.027, 0.052, 0.047, 0.095, 0.215, 0.300, 0.180, 0.085),
    "shrub": (0.013, 0.020, 0.046, 0.030, 0.085, 0.265, 0.360, 0.155, 0.065),
    "pioneer": (0.022, 0.030, 0.058, 0.046, 0.100, 0.240, 0.320, 0.180, 0.085),
    "wet_mud": (0.034, 0.040, 0.048, 0.056, 0.064, 0.072, 0.085, 0.070, 0.045),
    "mud": (0.042, 0.050, 0.061, 0.075, 0.086, 0.098, 0.118, 0.130, 0.090),
    "dry_mud": (0.062, 0.074, 0.092, 0.114, 0.126, 0.138, 0.160, 0.215, 0.165),
    "ice_face": (0.060, 0.062, 0.064, 0.064, 0.064, 0.064, 0.062, 0.030, 0.018),
    "debris": (0.052, 0.062, 0.078, 0.096, 0.112, 0.132, 0.165, 0.190, 0.140),
    "gravel": (0.078, 0.092, 0.112, 0.132, 0.142, 0.154, 0.172, 0.230, 0.195),
    "shale": (0.060, 0.074, 0.096, 0.122, 0.138, 0.154, 0.185, 0.255, 0.205),
    "silt": (0.048, 0.058, 0.074, 0.090, 0.100, 0.110, 0.128, 0.150, 0.110),
    "char": (0.020, 0.024, 0.030, 0.038, 0.046, 0.062, 0.092, 0.175, 0.170),
    "lake": (0.028, 0.026, 0.026, 0.018, 0.015, 0.013, 0.011, 0.005, 0.003),
    "river": (0.046, 0.056, 0.072, 0.070, 0.062, 0.048, 0.040, 0.008, 0.005),
    "snow": (0.780, 0.800, 0.790, 0.770, 0.760, 0.740, 0.700, 0.090, 0.050),
    "cloud": (0.560, 0.560, 0.560, 0.570, 0.580, 0.590, 0.600, 0.420, 0.320),
    "haze": (0.220, 0.205, 0.190, 0.175, 0.170, 0.165, 0.160, 0.080, 0.050),
    "sky": (0.095, 0.068, 0.038, 0.019, 0.015, 0.012, 0.007, 0.000, 0.000),
}
"""By material, at `_KNOTS_NM`. Tundra, mud and debris are such that, under the path radiance of a
clear sky (`sky`, which is added, not mixed in), their medians are those of a Sentinel-2 image of
the Peel Plateau of August 2021 inside and outside of twelve experts' outlines (Nitze et al. 2024,
doi 10.1002/ppp.2249); the others are plausible beside them."""


@cache
def spectrum(material: str, bands: tuple[str, ...]) -> NDArray[np.float32]:
    """Reflectance of the material in those bands, by our names; (bands, 1, 1)."""
    wavelengths_nm = [WAVELENGTH_NM[band] for band in bands]
    values = np.interp(wavelengths_nm, _KNOTS_NM, _REFLECTANCE[material])
    return values.astype(np.float32)[:, None, None]
