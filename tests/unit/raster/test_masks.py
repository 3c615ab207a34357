import numpy as np
import pytest

from rts_track.raster.masks import CLEAR_CODES, clear_of, cloud_of, tells_cloud


def test_a_drawn_scene_classification_is_clear_where_the_ground_shows():
    drawn = np.array(
        [
            [0, 1, 2, 3],  # nodata, saturated, dark or topographic shadow, cloud shadow
            [4, 5, 6, 7],  # vegetation, bare, water, unclassified
            [8, 9, 10, 11],  # cloud, cloud, cirrus, snow
        ],
        dtype=np.uint8,
    )
    assert clear_of("scl", drawn).astype(int).tolist() == [[0] * 4, [1] * 4, [0] * 4]
    assert cloud_of("scl", drawn).astype(int).tolist() == [[0] * 4, [0] * 4, [1, 1, 1, 0]]


@pytest.mark.parametrize(
    ("stored", "is_clear", "is_cloud"),
    [
        (21824, True, False),  # clear land
        (21952, True, False),  # clear water
        (21826, False, False),  # dilated cloud
        (22280, False, True),  # high confidence cloud
        (23888, False, False),  # cloud shadow
        (54596, False, True),  # high confidence cirrus
        (30048, False, False),  # snow
        (1, False, False),  # fill
        (0, False, False),  # outside the mask
    ],
)
def test_landsats_bits_say_what_hides_the_ground(stored, is_clear, is_cloud):
    pixel = np.array([[stored]], dtype=np.uint16)
    assert clear_of("qa_pixel", pixel)[0, 0] == is_clear
    assert cloud_of("qa_pixel", pixel)[0, 0] == is_cloud


@pytest.mark.parametrize("codes", ["scl", "qa_pixel", "udm2_clear", "clear"])
def test_a_zero_of_a_mask_is_no_clear_sky(codes):
    assert not clear_of(codes, np.zeros((2, 2), dtype=np.uint16)).any()


def test_udm2s_flags_hide_where_they_are_set():
    flag = np.array([[0, 1]], dtype=np.uint8)
    assert clear_of("udm2_flag", flag).tolist() == [[True, False]]
    assert not cloud_of("udm2_flag", flag).any()
    assert cloud_of("udm2_cloud", flag).tolist() == [[False, True]]


def test_only_some_masks_tell_cloud_apart():
    told = {codes for codes in CLEAR_CODES if tells_cloud(codes)}
    assert told == {"udm2_cloud", "scl", "qa_pixel"}
