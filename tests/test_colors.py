"""A color is named when it clearly dominates, and only then."""

import numpy as np
import pytest

from mglmm.colors import COLORS, MIN_PIXELS, UNLIKE, color_name


@pytest.mark.parametrize("name", COLORS)
@pytest.mark.parametrize("light", [0.85, 1.0, 1.05])
def test_the_colors_of_the_world_have_their_names(name: str, light: float) -> None:
    noise = np.random.default_rng(0).normal(0, 5, (300, 3))
    pixels = np.clip(np.array(COLORS[name]) * light + noise, 0, 255).astype(np.uint8)
    assert color_name(pixels) == name


def test_no_color_without_a_clear_lead() -> None:
    red, blue = np.tile(np.uint8(COLORS["red"]), (100, 1)), np.tile(np.uint8(COLORS["blue"]), (100, 1))
    assert color_name(np.concatenate([red, blue])) is None
    assert color_name(np.concatenate([red, blue[:30]])) == "red"
    assert color_name(red[: MIN_PIXELS - 1]) is None


def test_near_misses_are_other_colors() -> None:
    assert set(UNLIKE) == set(COLORS)
    for name, others in UNLIKE.items():
        assert name not in others and set(others) <= set(COLORS)
