"""What a kind of thing hands to the renderer: named shapes in the thing's own frame. Pure data, numpy only.

The frame of a thing: one unit is the thing's height; x to the right, y DOWN, the origin at the middle of its foot.
So a thing stands between y = -1 (top) and y = 0 (foot) and spans x = -width/2 .. width/2.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

COLORS: dict[str, tuple[int, int, int]] = {
    "red": (205, 38, 38),
    "orange": (238, 128, 28),
    "yellow": (240, 208, 40),
    "green": (46, 139, 60),
    "teal": (24, 148, 148),
    "blue": (40, 84, 200),
    "purple": (122, 52, 162),
    "pink": (238, 130, 168),
    "brown": (124, 78, 42),
    "black": (34, 34, 38),
    "gray": (134, 136, 140),
    "white": (240, 240, 236),
}
"""The twelve colour names of the world with their RGB centres (0..255); the renderer jitters around them."""

PATTERNS = ("plain", "striped", "dotted", "checked")


@dataclass(frozen=True, slots=True)
class Paint:
    """How a surface looks: one of `COLORS`, one of `PATTERNS`.

    `rgb` overrides the look of materials that text never names a colour of (skin, glass, rubber): then `color` is None.
    """

    color: str | None
    pattern: str = "plain"
    rgb: tuple[int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """One filled outline. `node` is the path of the node that owns it: "" the thing, "head/hat" a part of a part.

    `points` is float[N, 2] in the frame of the thing (a closed polygon, simple, N >= 3; curves are sampled finely).
    `shade` -1..1 makes it darker / lighter than its paint (a crease, a highlight) without changing the named colour.
    """

    node: str
    points: np.ndarray
    paint: Paint
    shade: float = 0.0


@dataclass(frozen=True, slots=True)
class Node:
    """A nameable node of a thing: its word, paint and state. Colour is told in text only if `paint.color` is set."""

    name: str
    paint: Paint | None = None
    state: str | None = None
    """One adjective or participle that text may use: "open", "sitting", "long", "lit"."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """One drawn thing: `nodes` by path (always with "" for the thing itself), `shapes` from back to front.

    `anchors` are points (x, y) of the frame where other things attach: "seat", "hand", "top", "surface", "inside".
    """

    width: float
    nodes: dict[str, Node]
    shapes: tuple[Shape, ...]
    anchors: dict[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of thing. `build(rng, paint, pose)` draws one; `poses` are the values of `pose` it knows, first = default.

    `height` is the range in metres; `settings` where it occurs; `support` what it stands on: "ground", "surface" (a
    table top), "wall", "air", "water"; `category` a hypernym ("vehicle", "animal", ...); `uses` tags that the reasoning
    questions speak of ("transport", "sit", "cut", ...).
    """

    name: str
    plural: str
    build: Callable[[np.random.Generator, Paint, str], Drawing]
    height: tuple[float, float]
    settings: frozenset[str]
    support: str
    category: str
    uses: tuple[str, ...] = ()
    poses: tuple[str, ...] = ("",)
    colors: tuple[str, ...] = tuple(COLORS)
    patterns: tuple[str, ...] = ("plain",)
