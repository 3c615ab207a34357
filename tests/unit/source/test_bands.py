import pytest

from rts_track.errors import UsageError
from rts_track.source.bands import BAND_NAMES, PLANET_ORDERS, SENSORS, our_name


@pytest.mark.parametrize(
    ("sensor", "theirs", "ours"),
    [
        ("sentinel2", "B2", "blue"),
        ("sentinel2", "B08", "nir"),
        ("sentinel2", "b8a", "nir2"),
        ("sentinel2", "B12", "swir2"),
        ("sentinel2", "SCL", "SCL"),
        ("landsat", "SR_B5", "nir"),
        ("landsat", "B6", "swir1"),
        ("landsat", "qa_pixel", "QA_PIXEL"),
        ("planetscope", "green_i", "green_i"),
        ("raster", "Red", "red"),
        ("raster", "-", None),
    ],
)
def test_a_sensors_name_of_a_band_has_one_of_ours(sensor, theirs, ours):
    assert our_name(sensor, theirs) == ours


def test_a_name_that_nobody_uses_is_answered_with_those_there_are():
    with pytest.raises(UsageError, match=r"band 'B99': landsat has B1, B2, .*QA_PIXEL.*swir2"):
        our_name("landsat", "B99")


def test_every_row_speaks_of_bands_that_have_a_name():
    rows = [list(row.bands.values()) for row in SENSORS.values()]
    for names in [*rows, *map(list, PLANET_ORDERS.values())]:
        assert set(names) <= set(BAND_NAMES)
        assert len(set(names)) == len(names)
