"""Overlays, cards and terminal text: the right pixels in the right colors, everything inside the picture."""

import numpy as np
import pytest
from PIL import Image

from mglmm.schema import GroundedText, Prediction, Rle, Segment, Span
from mglmm.viz import PALETTE, answer_card, overlay, segment_colors, side_by_side, terminal_text

SIZE = (120, 160)
ANSWER = GroundedText(
    text="A house with two windows and grass.",
    spans=(
        Span(start=0, end=7, segment_ids=(1,)),
        Span(start=13, end=24, segment_ids=(2, 3)),
        Span(start=29, end=34, segment_ids=(9,)),
    ),
)


def segment(segment_id: int, top: int, left: int, bottom: int, right: int) -> Segment:
    mask = np.zeros(SIZE, dtype=bool)
    mask[top:bottom, left:right] = True
    return Segment(id=segment_id, rle=Rle.from_mask(mask), label=f"label {segment_id}")


# the window is listed before the house that it lies on; the last one has no pixels and no phrase
SEGMENTS = (
    segment(2, 30, 40, 60, 70),
    segment(1, 10, 20, 90, 120),
    segment(3, 30, 80, 60, 110),
    segment(4, 5, 5, 5, 5),
)


def gray() -> Image.Image:
    return Image.new("RGB", (SIZE[1], SIZE[0]), (128, 128, 128))


def test_phrases_give_the_colors() -> None:
    colors = segment_colors(ANSWER, SEGMENTS)
    assert colors[1] == PALETTE[0]
    assert colors[2] == colors[3] == PALETTE[1]
    assert colors[9] == PALETTE[2]
    assert colors[4] == PALETTE[3]  # the next one


def test_a_segment_of_two_phrases_keeps_its_color() -> None:
    spans = tuple(Span(start=2 * i, end=2 * i + 1, segment_ids=ids) for i, ids in enumerate([(1,), (2, 1), (3,)]))
    colors = segment_colors(GroundedText(text="a b c", spans=spans), ())
    assert colors == {1: PALETTE[0], 2: PALETTE[0], 3: PALETTE[1]}


def test_more_phrases_than_colors() -> None:
    segments = [segment(i, 0, 0, 10, 10) for i in range(2 * len(PALETTE))]
    colors = segment_colors(None, segments)
    assert set(colors.values()) == set(PALETTE)


def test_palette_is_distinct() -> None:
    for i, first in enumerate(PALETTE):
        for second in PALETTE[:i]:
            assert sum(abs(a - b) for a, b in zip(first, second, strict=True)) >= 60


def test_overlay_paints_masks_and_nothing_else() -> None:
    painted = np.asarray(overlay(gray(), SEGMENTS, ANSWER, labels=False)).astype(int)
    assert painted.shape == (*SIZE, 3)
    expected = {i: 128 * 0.55 + np.array(PALETTE[i]) * 0.45 for i in (0, 1)}
    assert np.abs(painted[80, 100] - expected[0]).max() <= 1  # the house
    assert np.abs(painted[45, 55] - expected[1]).max() <= 1  # the window, though it is listed before the house
    assert (painted[110, 150] == 128).all()
    assert np.abs(painted[10, 70] - np.array(PALETTE[0])).max() < 40  # the outline is nearly opaque


def test_overlay_size_and_scale() -> None:
    assert overlay(gray(), SEGMENTS).size == (160, 120)
    assert overlay(gray(), SEGMENTS, ANSWER, scale=3).size == (480, 360)


def test_labels_change_only_a_little_of_the_picture() -> None:
    with_labels, without = (np.asarray(overlay(gray(), SEGMENTS, ANSWER, labels=x, scale=4)) for x in (True, False))
    changed = (with_labels != without).any(axis=2)
    assert 0.005 < changed.mean() < 0.25


@pytest.mark.parametrize("size_wh", [(1, 1), (2, 300), (300, 2), (17, 9)])
def test_any_size_and_any_mask(size_wh: tuple[int, int]) -> None:
    full = np.ones(size_wh[::-1], dtype=bool)
    dot = np.zeros_like(full)
    dot[0, 0] = True
    segments = [
        Segment(id=i, rle=Rle.from_mask(m), label="a very long label indeed " * 5) for i, m in enumerate((full, dot))
    ]
    assert overlay(Image.new("RGB", size_wh), segments).size == size_wh


def test_nothing_to_paint() -> None:
    assert np.array_equal(np.asarray(overlay(gray(), ())), np.asarray(gray()))


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(120, 160\).*\(50, 40\)"):
        overlay(Image.new("RGB", (40, 50)), SEGMENTS)


def test_terminal_text_keeps_the_text_and_marks_the_phrases() -> None:
    text = terminal_text(ANSWER)
    assert text.plain == ANSWER.text
    assert [text.plain[s.start : s.end] for s in text.spans] == list(ANSWER.phrases)
    assert "rgb(230,159,0)" in str(text.spans[0].style)


def card(answer: GroundedText) -> Image.Image:
    prediction = Prediction(
        sample_id="x",
        size=SIZE,
        instruction="Describe it.",
        answer=answer,
        segments=(*SEGMENTS, segment(9, 0, 0, 9, 9)),
    )
    return answer_card(gray(), prediction, width=320)


def test_answer_card() -> None:
    picture = card(ANSWER)
    assert picture.width == 320
    assert picture.height > 240
    below = np.asarray(picture)[-60:].reshape(-1, 3)
    for color in PALETTE[:3]:
        assert (below == color).all(axis=1).sum() > 100  # the ground of the phrase


def test_answer_card_wraps_long_answers() -> None:
    long = GroundedText(text=" ".join(["word"] * 200))
    assert card(long).height > 2 * card(ANSWER).height
    assert card(GroundedText(text="")).height < card(ANSWER).height + 1
    assert card(GroundedText(text="x" * 500)).width == 320  # one word that is wider than the card


def test_side_by_side() -> None:
    assert side_by_side([Image.new("RGB", (10, 20)), Image.new("RGB", (30, 5))], gap=4).size == (44, 20)
