"""Rooms: a wall, a floor, perhaps a curtain and a rug."""

import numpy as np

from mglmm.world.drawing import COLORS
from mglmm.world.stuff import MARGIN, Backdrop, Canvas, Rgb, box, jitter, one_of

WALLS = ("white", "gray", "yellow", "blue", "green", "teal", "pink", "orange", "brown", "purple", "red")
ROOM_TONES: tuple[Rgb, ...] = ((214, 204, 188), (200, 190, 170), (186, 192, 186), (222, 214, 204))


def room(c: Canvas, floors: tuple[str, ...], rug: float, curtain: float) -> Backdrop:
    """A room with a wall and a floor; `rug` and `curtain` are the probabilities of having one."""
    rng = c.rng
    edge = rng.uniform(0.56, 0.74)
    color, rgb = _wall_color(rng)
    details = _wallpaper(c, rgb, edge)
    c.add("wall", rgb, "wall", box(c.left, -MARGIN, c.right, c.bottom), color=color, details=details)
    floor = floors[int(rng.integers(len(floors)))]
    if floor == "wood":
        tone = one_of(rng, (166, 118, 74), (140, 96, 60), (196, 156, 108), (110, 76, 52))
        c.add("floor", tone, "wood", c.below(c.line(edge)), details=_boards(c, edge, tone))
    elif floor == "tiles":
        tone = one_of(rng, (200, 200, 196), (180, 186, 190), (210, 196, 172), (150, 156, 160))
        c.add("floor", tone, "stone", c.below(c.line(edge)), details=_tiles(c, edge, tone))
    else:
        tone = one_of(rng, (170, 160, 150), (150, 140, 146), (140, 150, 160), (176, 160, 130))
        c.add("floor", tone, "cloth", c.below(c.line(edge)))
    if rng.random() < curtain:
        _curtain(c, edge)
    if rng.random() < rug:
        _rug(c, edge)
    return c.backdrop(ground=(edge + 0.06, 0.98), wall=(edge * 0.22, edge * 0.62))


def _wall_color(rng: np.random.Generator) -> tuple[str | None, Rgb]:
    """A wall's named colour with its RGB, or a pale tone without a name."""
    if rng.random() < 0.4:
        return None, one_of(rng, *ROOM_TONES)
    name = WALLS[int(rng.integers(len(WALLS)))]
    light = np.array(COLORS[name]) * 0.88 + 255 * 0.12
    return name, jitter(rng, (int(light[0]), int(light[1]), int(light[2])), 6)


def _wallpaper(c: Canvas, rgb: Rgb, edge: float) -> tuple[tuple[np.ndarray, Rgb], ...]:
    """Nothing, faint stripes, or a tiled or boarded lower part, and a skirting board."""
    factor = c.rng.uniform(0.88, 0.95)
    soft = (int(rgb[0] * factor), int(rgb[1] * factor), int(rgb[2] * factor))
    style, marks = c.rng.random(), []
    if style < 0.3:
        step = c.rng.uniform(0.07, 0.16)
        marks = [box(x, -MARGIN, x + step / 2, c.height) for x in np.arange(-1.0, c.width + 1.0, step)]
    elif style < 0.5:
        step = c.rng.uniform(0.09, 0.14)
        marks = [box(x, -MARGIN, x + 0.006, c.height) for x in np.arange(-1.0, c.width + 1.0, step)]
        marks += [box(c.left, y, c.right, y + 0.006) for y in np.arange(-0.5, c.height, step)]
    y = edge * c.height
    board = (box(c.left, y - 0.035, c.right, c.bottom), one_of(c.rng, (236, 232, 226), (120, 90, 64), rgb))
    return (*((mark, soft) for mark in marks), board)


def _boards(c: Canvas, edge: float, rgb: Rgb) -> tuple[tuple[np.ndarray, Rgb], ...]:
    """The joints of floor boards that run towards the viewer."""
    dark = (int(rgb[0] * 0.78), int(rgb[1] * 0.76), int(rgb[2] * 0.74))
    y0, y1, mid = edge * c.height, c.height * 1.3, c.width / 2
    spread = c.rng.uniform(1.5, 2.4)
    return tuple(
        (np.array([(mid + d, y0), (mid + d + 0.004, y0), (mid + d * spread + 0.009, y1), (mid + d * spread, y1)]), dark)
        for d in np.arange(-1.6, 1.6, c.rng.uniform(0.1, 0.16))
    )


def _tiles(c: Canvas, edge: float, rgb: Rgb) -> tuple[tuple[np.ndarray, Rgb], ...]:
    """The joints of floor tiles in perspective."""
    dark = (int(rgb[0] * 0.82), int(rgb[1] * 0.82), int(rgb[2] * 0.82))
    rows = edge * c.height + (c.height * 1.4 - edge * c.height) * np.linspace(0, 1, 8) ** 1.7
    across = tuple((box(c.left, y, c.right, y + 0.004 + 0.004 * k / 8), dark) for k, y in enumerate(rows))
    return (*_boards(c, edge, (rgb[0], rgb[1], rgb[2])), *across)


def _curtain(c: Canvas, edge: float) -> None:
    """Nothing; hangs a curtain at one side of the wall."""
    rng = c.rng
    name = WALLS[int(rng.integers(len(WALLS)))]
    rgb = jitter(rng, COLORS[name], 8)
    wide = rng.uniform(0.16, 0.28)
    x = 0.0 if rng.random() < 0.5 else c.width - wide
    foot = edge * c.height * rng.uniform(0.8, 1.04)
    folds = np.arange(x, x + wide, 0.045)
    dark = (int(rgb[0] * 0.82), int(rgb[1] * 0.82), int(rgb[2] * 0.82))
    hem = np.stack([np.linspace(x + wide, x, 13), foot + 0.012 * np.sin(np.arange(13) * 1.7)], axis=1)
    outline = np.concatenate([[(x, -MARGIN), (x + wide, -MARGIN)], hem])
    details = tuple((box(f, -MARGIN, f + 0.016, foot - 0.012), dark) for f in folds)
    c.add("curtain", rgb, "cloth", outline, color=name, details=details)


def _rug(c: Canvas, edge: float) -> None:
    """Nothing; lays a rug on the floor, round or four-cornered, with a border."""
    rng = c.rng
    name = WALLS[int(rng.integers(len(WALLS)))]
    rgb = jitter(rng, COLORS[name], 8)
    border = one_of(rng, (236, 228, 210), (70, 60, 60), (int(rgb[0] * 0.6), int(rgb[1] * 0.6), int(rgb[2] * 0.6)))
    x, y = rng.uniform(0.3, 0.7) * c.width, (edge + (1 - edge) * rng.uniform(0.45, 0.75)) * c.height
    half, deep = rng.uniform(0.28, 0.45), rng.uniform(0.08, 0.13)
    if rng.random() < 0.4:
        angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        unit = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    else:
        unit = np.array([(-0.8, -1), (0.8, -1), (1, 1), (-1, 1)])
    shape = unit * (half, deep)
    c.add(
        "rug",
        rgb,
        "cloth",
        shape + (x, y),
        color=name,
        details=((shape * 0.9 + (x, y), border), (shape * 0.82 + (x, y), rgb)),
    )


INDOOR: dict[str, tuple[tuple[str, ...], float, float]] = {
    # setting: (floors, probability of a rug, probability of a curtain)
    "kitchen": (("tiles", "wood"), 0.15, 0.2),
    "living room": (("wood", "carpet"), 0.6, 0.45),
    "bedroom": (("wood", "carpet"), 0.5, 0.45),
    "office": (("carpet", "wood"), 0.25, 0.2),
    "bathroom": (("tiles",), 0.35, 0.3),
}
"""How each room is furnished with stuff."""
