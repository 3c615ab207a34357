"""What the sensors call their bands, and how they store reflectance: one row a sensor."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rts_track.errors import UsageError

BAND_NAMES = (
    "coastal",
    "blue",
    "green_i",
    "green",
    "yellow",
    "red",
    "rededge1",
    "rededge2",
    "rededge3",
    "nir",
    "nir2",
    "swir1",
    "swir2",
)
"""Our names of bands, by wavelength; `green_i` is Planet's 531 nm, `nir2` Sentinel-2's B8A."""

SKIPPED = "-"
"""Stands in a list of bands for one that is not to be read."""

_ZERO_PADDED = re.compile(r"^B0(\d)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskBand:
    """A sensor's mask: its name as a band, what a mask file's name ends in, and its codes."""

    name: str
    codes: str

    @property
    def suffix(self) -> str:
        """What the name of a mask that lies beside a plain GeoTIFF ends in."""
        return f"_{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """A row of the band table.

    Attributes:
        bands: our names by the sensor's.
        scale: reflectance per stored unit of its integer products; None where that must be told.
        offset: reflectance of a stored 0.
        mask: its mask, where it has one in one band.
    """

    bands: dict[str, str]
    scale: float | None
    offset: float
    mask: MaskBand


SENSORS: dict[str, Sensor] = {
    "planetscope": Sensor(
        bands={
            "COASTAL_BLUE": "coastal",
            "BLUE": "blue",
            "GREEN_I": "green_i",
            "GREEN": "green",
            "YELLOW": "yellow",
            "RED": "red",
            "REDEDGE": "rededge1",
            "NIR": "nir",
        },
        scale=1e-4,
        offset=0.0,
        mask=MaskBand(name="clear", codes="clear"),
    ),
    "sentinel2": Sensor(
        bands={
            "B1": "coastal",
            "B2": "blue",
            "B3": "green",
            "B4": "red",
            "B5": "rededge1",
            "B6": "rededge2",
            "B7": "rededge3",
            "B8": "nir",
            "B8A": "nir2",
            "B11": "swir1",
            "B12": "swir2",
        },
        scale=1e-4,
        offset=0.0,
        mask=MaskBand(name="SCL", codes="scl"),
    ),
    # Collection 2, level 2: USGS LSDS-1619, table 6-1
    "landsat": Sensor(
        bands={
            "B1": "coastal",
            "B2": "blue",
            "B3": "green",
            "B4": "red",
            "B5": "nir",
            "B6": "swir1",
            "B7": "swir2",
        },
        scale=2.75e-5,
        offset=-0.2,
        mask=MaskBand(name="QA_PIXEL", codes="qa_pixel"),
    ),
    "raster": Sensor(bands={}, scale=None, offset=0.0, mask=MaskBand(name="clear", codes="clear")),
}

PLANET_ORDERS: dict[int, tuple[str, ...]] = {
    4: ("blue", "green", "red", "nir"),
    8: ("coastal", "blue", "green_i", "green", "yellow", "red", "rededge1", "nir"),
}
"""The bands of PlanetScope's surface reflectance in their order, by how many there are."""


def our_name(sensor: str, name: str) -> str | None:
    """Our name of a band that a sensor, or we, call `name`; None for a band to be left out.

    A mask has the name that the sensor's row gives it. UsageError where nobody calls a band so.
    """
    row = SENSORS[sensor]
    if name == SKIPPED:
        return None
    if name.lower() in BAND_NAMES:
        return name.lower()
    if name.upper() == row.mask.name.upper():
        return row.mask.name
    theirs = _ZERO_PADDED.sub(r"B\1", name.upper().removeprefix("SR_"))
    if theirs in row.bands:
        return row.bands[theirs]
    known = ", ".join([*row.bands, row.mask.name, *BAND_NAMES])
    raise UsageError(f"band {name!r}: {sensor} has {known}; {SKIPPED} leaves one out")
