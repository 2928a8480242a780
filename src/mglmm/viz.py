"""Pictures and terminal text of answers in which a phrase and its mask have the same color."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from rich.text import Text

from mglmm.schema import GroundedText, Prediction, Segment

Rgb = tuple[int, int, int]
_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_Box = tuple[float, float, float, float]

PALETTE: tuple[Rgb, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
    (136, 34, 85),
    (153, 153, 51),
    (51, 34, 136),
    (136, 204, 238),
    (221, 204, 119),
)
"""Colors that stay distinct for color-blind eyes; used in this order, then over again.
Source: the first seven Okabe & Ito (2008), "Color Universal Design"; the rest Paul Tol's "muted" scheme (2021)."""

_FILL = 0.45
"""Opacity of a mask, 0..1: the color is plain to see and so is what lies below. Ours, by eye."""
_TEXT_SHARE = 30
"""Labels are this part of the picture's shorter side, but at least `_MIN_TEXT_PX`."""
_MIN_TEXT_PX = 11
_PAPER: Rgb = (250, 249, 246)
_INK: Rgb = (32, 33, 36)


def segment_colors(answer: GroundedText | None, segments: Sequence[Segment]) -> dict[int, Rgb]:
    """Segment id -> color. The segments of a phrase share its color; those of no phrase get the next ones in order."""
    spans = [s.segment_ids for s in answer.spans] if answer else []
    return _assign_colors([*spans, *((s.id,) for s in segments)])


def overlay(
    image: Image.Image,
    segments: Sequence[Segment],
    answer: GroundedText | None = None,
    *,
    labels: bool = True,
    scale: int = 1,
    opacity: float = _FILL,
    outlines: bool = True,
) -> Image.Image:
    """The picture (RGB, `scale` times as large) with every mask filled, outlined and labelled inside the picture.

    `opacity` of the fill is 0..1. A label is the phrase that `answer` ties to the segment, else the segment's own
    label. Small masks are painted over large ones, so that parts show on their whole.

    Raises:
        ValueError: a mask has not the picture's size.
    """
    size = (image.height, image.width)
    for segment in segments:
        if segment.rle.size != size:
            raise ValueError(f"segment {segment.id}: mask size {segment.rle.size} is not the picture's {size}")
    colors = segment_colors(answer, segments)
    # a mask without pixels has nothing to show, no label either
    seen = sorted((s for s in segments if s.area), key=lambda s: -s.area)
    shapes = {s.id: _enlarged(s.mask, scale) for s in seen}
    picture = image.convert("RGB").resize((image.width * scale, image.height * scale), Image.Resampling.LANCZOS)
    painted = [(shapes[s.id], colors[s.id]) for s in seen]
    canvas = _fill(np.asarray(picture), painted, opacity)
    if outlines:
        _outline(canvas, painted)
    drawn = Image.fromarray(canvas)
    if labels:
        names = _names(answer, seen)
        visible = _visible([shapes[s.id] for s in seen])
        labelled = [(names[s.id], v, colors[s.id]) for s, v in zip(seen, visible, strict=True) if names[s.id]]
        # the smallest first: they have the fewest places to put a label
        _draw_labels(drawn, labelled[::-1])
    return drawn


def terminal_text(answer: GroundedText) -> Text:
    """The answer as rich text: each phrase on a ground of its mask's color."""
    text = Text(answer.text)
    colors = segment_colors(answer, ())
    for span in answer.spans:
        color = colors[span.segment_ids[0]]
        text.stylize(f"rgb({_csv(readable_on(color))}) on rgb({_csv(color)})", span.start, span.end)
    return text


def html_text(answer: GroundedText) -> str:
    """The answer as HTML: each phrase a `mark` on a ground of its mask's color."""
    colors, text, end = segment_colors(answer, ()), "", 0
    for span, phrase in zip(answer.spans, answer.phrases, strict=True):
        style = css(colors[span.segment_ids[0]])
        text += f'{escape(answer.text[end : span.start])}<mark style="{style}">{escape(phrase)}</mark>'
        end = span.end
    return text + escape(answer.text[end:])


def css(color: Rgb) -> str:
    """The style of text on a ground of this color."""
    return f"background: rgb({_csv(color)}); color: rgb({_csv(readable_on(color))})"


def answer_card(image: Image.Image, prediction: Prediction, *, width: int = 720) -> Image.Image:
    """One picture (RGB, `width` pixels wide) of the instruction, the overlay and the answer with colored phrases."""
    scale = max(1, -(-width // image.width))
    painted = overlay(image, prediction.segments, prediction.answer, scale=scale)
    height = max(1, round(painted.height * width / painted.width))
    painted = painted.resize((width, height), Image.Resampling.LANCZOS)
    font = ImageFont.load_default(size=max(_MIN_TEXT_PX, width // 36))
    margin = width // 30
    question = GroundedText(text=prediction.instruction)
    top = _paragraph(question, width, margin, font, bold=True)
    bottom = _paragraph(prediction.answer, width, margin, font)
    card = Image.new("RGB", (width, top.height + height + bottom.height), _PAPER)
    card.paste(top, (0, 0))
    card.paste(painted, (0, top.height))
    card.paste(bottom, (0, top.height + height))
    return card


def side_by_side(pictures: Sequence[Image.Image], *, gap: int = 16) -> Image.Image:
    """One picture (RGB) of several next to each other, aligned at the top."""
    width = sum(p.width for p in pictures) + gap * (len(pictures) - 1)
    sheet = Image.new("RGB", (width, max(p.height for p in pictures)), _PAPER)
    left = 0
    for picture in pictures:
        sheet.paste(picture, (left, 0))
        left += picture.width + gap
    return sheet


def _assign_colors(groups: Sequence[Sequence[int]]) -> dict[int, Rgb]:
    """Segment id -> color, one color for each group; a group that shares a segment with an earlier one joins it."""
    colors: dict[int, Rgb] = {}
    used = 0
    for group in groups:
        known = [colors[i] for i in group if i in colors]
        color = known[0] if known else PALETTE[used % len(PALETTE)]
        used += not known
        for segment_id in group:
            colors.setdefault(segment_id, color)
    return colors


def _names(answer: GroundedText | None, segments: Sequence[Segment]) -> dict[int, str]:
    """Segment id -> what its label says."""
    names = {s.id: s.label for s in segments}
    if answer:
        for span, phrase in zip(answer.spans, answer.phrases, strict=True):
            names.update((i, phrase) for i in span.segment_ids if i in names)
    return names


def _enlarged(mask: np.ndarray, scale: int) -> np.ndarray:
    """bool[H * scale, W * scale]."""
    if scale == 1:
        return mask
    large = cv2.resize(mask.astype(np.float32), None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    return large >= 0.5


def _visible(shapes: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Of each shape what the later ones leave free, or all of it if that is nothing."""
    covered = np.zeros_like(shapes[0]) if shapes else np.zeros((0, 0), dtype=bool)
    visible = []
    for shape in reversed(shapes):
        free = shape & ~covered
        visible.append(free if free.any() else shape)
        covered = covered | shape
    return visible[::-1]


def _fill(canvas: np.ndarray, shapes: Sequence[tuple[np.ndarray, Rgb]], opacity: float) -> np.ndarray:
    """uint8[H, W, 3]; of overlapping shapes the later one is seen."""
    top = np.zeros((*canvas.shape[:2], 3), dtype=np.float32)
    covered = np.zeros(canvas.shape[:2], dtype=bool)
    for shape, color in shapes:
        top[shape] = color
        covered |= shape
    return np.where(covered[..., None], canvas * (1 - opacity) + top * opacity, canvas).astype(np.uint8)


def _outline(painted: np.ndarray, shapes: Sequence[tuple[np.ndarray, Rgb]]) -> None:
    """Draw the outlines on uint8[H, W, 3]."""
    shorter_side = min(painted.shape[:2])
    thickness = max(1, round(shorter_side / 250))
    for shape, color in shapes:
        contours, _ = cv2.findContours(shape.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        if shorter_side >= 400:  # a light rim keeps dark colors visible on dark pictures; small ones have no room
            cv2.drawContours(painted, contours, -1, (255, 255, 255), thickness + 2, cv2.LINE_AA)
        cv2.drawContours(painted, contours, -1, color, thickness, cv2.LINE_AA)


def _draw_labels(picture: Image.Image, labels: Sequence[tuple[str, np.ndarray, Rgb]]) -> None:
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=max(_MIN_TEXT_PX, min(picture.size) // _TEXT_SHARE))
    taken: list[_Box] = []
    for name, shape, color in labels:
        text = _fitting(name, font, picture.width * 0.6)
        box = _label_box(draw.textbbox((0, 0), text, font=font), shape, picture.size, taken)
        taken.append(box)
        draw.rounded_rectangle(box, radius=3, fill=color, outline=readable_on(color))
        middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        draw.text(middle, text, font=font, fill=readable_on(color), anchor="mm")


def _fitting(text: str, font: _Font, width: float) -> str:
    """The text, its end cut off if it is wider than `width` pixels."""
    if font.getlength(text) <= width:
        return text
    while len(text) > 1 and font.getlength(text + "...") > width:
        text = text[:-1]
    return text.rstrip() + "..."


def _label_box(text_box: _Box, shape: np.ndarray, size_wh: tuple[int, int], taken: Sequence[_Box]) -> _Box:
    """Where a label goes: on the thick of its mask, or beside a mask that it would hide; inside the picture, over as
    little of the other labels as can be."""
    width, height = text_box[2] - text_box[0] + 8, text_box[3] - text_box[1] + 8
    x, y = _thick_of(shape)
    rows, columns = np.flatnonzero(shape.any(axis=1)), np.flatnonzero(shape.any(axis=0))
    extent = (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
    hides = width * height > 0.4 * float(shape.sum())
    middles = [(x, y + step * height) for step in (0, 1.1, -1.1, 2.2, -2.2)]
    middles += [(x, extent[1] - 0.6 * height), (x, extent[3] + 0.6 * height)]
    middles += [(extent[0] - 0.52 * width, y), (extent[2] + 0.52 * width, y)]
    boxes = [_inside(mx - width / 2, my - height / 2, width, height, size_wh) for mx, my in middles]

    def _covered(box: _Box) -> float:
        on_itself = _shared_area(box, extent) if hides else 0.0
        return 3 * sum(_shared_area(box, other) for other in taken) + on_itself

    return min(boxes, key=_covered)


def _thick_of(shape: np.ndarray) -> tuple[float, float]:
    """x, y of the pixel that is farthest from the outside of the mask."""
    # the border of zeros makes the picture's edge count as outside
    depth = cv2.distanceTransform(np.pad(shape, 1).astype(np.uint8), cv2.DIST_L2, 3)
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return float(x) - 1, float(y) - 1


def _inside(left: float, top: float, width: float, height: float, size_wh: tuple[int, int]) -> _Box:
    """The box moved inside the picture (at its left and top edge if it is larger than the picture)."""
    left = max(0.0, min(left, size_wh[0] - 1 - width))
    top = max(0.0, min(top, size_wh[1] - 1 - height))
    return left, top, left + width, top + height


def _shared_area(a: _Box, b: _Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


@dataclass(frozen=True)
class _Word:
    text: str
    color: Rgb | None
    """The ground of a phrase's words; None between phrases."""
    joined: bool
    """Directly behind the word before it, without a space."""


def _words(answer: GroundedText) -> list[_Word]:
    colors = segment_colors(answer, ())
    cuts: list[tuple[str, Rgb | None]] = []
    end = 0
    for span, phrase in zip(answer.spans, answer.phrases, strict=True):
        cuts += [(answer.text[end : span.start], None), (phrase, colors[span.segment_ids[0]])]
        end = span.end
    words: list[_Word] = []
    space = True
    for text, color in [*cuts, (answer.text[end:], None)]:
        for number, word in enumerate(text.split()):
            words.append(_Word(word, color, joined=number == 0 and not space and not text[0].isspace()))
        space = text[-1].isspace() if text else space
    return words


def _paragraph(answer: GroundedText, width: int, margin: int, font: _Font, *, bold: bool = False) -> Image.Image:
    """The text, wrapped, `width` pixels wide with a margin around it; phrases stand on their color."""
    gap, line_height = font.getlength("n") * 0.6, font.getbbox("Ay")[3] * 1.5
    placed: list[tuple[float, float, _Word]] = []
    x, y = float(margin), float(margin) / 2
    for word in _words(answer):
        length = font.getlength(word.text)
        x += 0 if word.joined or x == margin else gap
        if x > margin and x + length > width - margin and not word.joined:
            x, y = float(margin), y + line_height
        placed.append((x, y, word))
        x += length
    paper = Image.new("RGB", (width, round(y + line_height + margin / 2)), _PAPER)
    draw = ImageDraw.Draw(paper)
    previous: tuple[float, float, _Word] | None = None
    for x, y, word in placed:
        if word.color:
            # words of one phrase on one line stand on one unbroken ground
            same = previous is not None and previous[1] == y and previous[2].color == word.color
            left = previous[0] if same and previous else x - 2
            draw.rectangle((left, y, x + font.getlength(word.text), y + line_height * 0.88), fill=word.color)
        previous = (x, y, word)
    for x, y, word in placed:
        ink = readable_on(word.color) if word.color else _INK
        draw.text((x, y + line_height * 0.44), word.text, font=font, fill=ink, anchor="lm", stroke_width=0.4 * bold)
    return paper


def readable_on(color: Rgb) -> Rgb:
    """Black or white, whichever has the higher contrast with `color`: at least 4.58 to 1.

    Source: contrast ratio of WCAG 2.2, by which both are equal at a relative luminance of sqrt(1.05 * 0.05) - 0.05.
    """
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (part / 255 for part in color)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return (0, 0, 0) if luminance > 0.1791 else (255, 255, 255)


def _csv(color: Rgb) -> str:
    return ",".join(map(str, color))
