"""How well an area is known."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from rts_track.growth.sigma import PIXELISATION_K, area_sigma_m2, coherent_sigma_m2, pixel_sigma_m2


@pytest.mark.parametrize(("gsd_m", "published_m2"), [(3.0, 31.0), (10.0, 138.0)])
def test_pixels_cost_what_was_found_for_a_slump_of_508_m_perimeter(gsd_m, published_m2):
    """The published figures vary with k = 0.19-0.26; ours takes the middle."""
    sigma = float(pixel_sigma_m2(508.0, gsd_m))
    assert sigma / PIXELISATION_K * 0.19 <= published_m2 <= sigma / PIXELISATION_K * 0.27


def test_pixelising_a_slump_scatters_its_area_as_predicted():
    """A wobbly outline in random places and orientations on a grid of 3 m, by pixel centres."""
    rng = np.random.default_rng(4)
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    radius = 70 + 15 * np.sin(3 * angle) + 6 * np.cos(7 * angle)
    outline = shapely.Polygon(np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]))
    gsd_m, areas = 3.0, []
    centre = np.arange(-110, 110, gsd_m)
    for _ in range(150):
        turned = shapely.affinity.rotate(outline, rng.uniform(0, 360), origin=(0, 0))
        moved = shapely.affinity.translate(turned, *rng.uniform(0, gsd_m, 2))
        shapely.prepare(moved)
        inside = shapely.contains_xy(moved, *np.meshgrid(centre, centre))
        areas.append(inside.sum() * gsd_m**2)
    assert np.std(areas) == pytest.approx(float(pixel_sigma_m2(outline.length, gsd_m)), rel=0.35)


def test_an_outline_without_pixels_has_only_its_delineation_error():
    assert area_sigma_m2(400.0, np.nan, 2.0) == pytest.approx(800.0)
    assert area_sigma_m2(400.0, np.nan, 2.0) == coherent_sigma_m2(400.0, 2.0)


def test_half_a_pixel_of_coherent_offset_dwarfs_the_staircase():
    assert coherent_sigma_m2(508.0, 1.5) / pixel_sigma_m2(508.0, 3.0) > 18


@given(st.floats(1, 1e5), st.floats(0, 30), st.floats(0, 30), st.floats(0, 30), st.floats(0, 30))
def test_coarser_pixels_or_a_shakier_hand_never_make_an_area_surer(
    perimeter, gsd, sigma, more_gsd, more_sigma
):
    known = area_sigma_m2(perimeter, gsd, sigma)
    assert area_sigma_m2(perimeter, gsd + more_gsd, sigma + more_sigma) >= known * (1 - 1e-12)
