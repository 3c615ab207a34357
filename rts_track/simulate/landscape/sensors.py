"""The sensors that look at a landscape: bands, resolution, sharpness and noise."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """A sensor.

    Attributes:
        name: as the band table of sources has it.
        gsd_m: side of a pixel.
        fine: how many times finer the ground is drawn before it is blurred.
        psf_sigma_m: the point spread, a Gaussian.
        coarse: bands of half the resolution, which come resampled: their point spread is twice.
        bands: our names, in the product's order; their_bands: the sensor's.
        noise: standard deviation of a pixel's noise, reflectance.
        tilt_deg: how its swath lies, clockwise from north.
        local_hour: when it passes, solar time.
    """

    name: str
    gsd_m: float
    fine: int
    psf_sigma_m: float
    coarse: tuple[str, ...]
    bands: tuple[str, ...]
    their_bands: tuple[str, ...]
    noise: float
    tilt_deg: float
    local_hour: float


SENSORS = {
    sensor.name: sensor
    for sensor in (
        Sensor(
            name="planetscope",
            gsd_m=3.0,
            fine=1,
            psf_sigma_m=2.0,
            coarse=(),
            bands=("blue", "green", "red", "nir"),
            their_bands=("blue", "green", "red", "nir"),
            noise=0.0035,
            tilt_deg=11.0,
            local_hour=10.6,
        ),
        Sensor(
            name="sentinel2",
            gsd_m=10.0,
            fine=2,
            psf_sigma_m=4.2,
            coarse=("swir1", "swir2"),
            bands=("blue", "green", "red", "nir", "swir1", "swir2"),
            their_bands=("B2", "B3", "B4", "B8", "B11", "B12"),
            noise=0.0012,
            tilt_deg=14.0,
            local_hour=11.4,
        ),
        Sensor(
            name="landsat",
            gsd_m=30.0,
            fine=3,
            psf_sigma_m=12.0,
            coarse=(),
            bands=("blue", "green", "red", "nir", "swir1", "swir2"),
            their_bands=("B2", "B3", "B4", "B5", "B6", "B7"),
            noise=0.0012,
            tilt_deg=16.0,
            local_hour=11.1,
        ),
    )
}
"""By name. Point spreads are such that the modulation at the Nyquist frequency is about 0.1
(PlanetScope, whose pixels are finer than its optics) to 0.45; noise is that of one pixel."""
