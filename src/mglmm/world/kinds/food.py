"""Food: apple, banana, pear, strawberry, pineapple, melon, carrot, cake, ice cream, bread, pizza.

Lengths in centimetres. Anchors: "hand" (where a hand holds it).
"""

import numpy as np

from mglmm.world.drawing import Drawing, Kind, Paint
from mglmm.world.kinds import outlines as o
from mglmm.world.kinds.sketch import DARK, Sketch, between, chance, color_besides, pick

STEM = Paint(None, rgb=(104, 70, 40))
LEAF = Paint("green")
CONE = Paint(None, rgb=(214, 166, 96))
DARK_LEAF = Paint(None, rgb=(52, 120, 56))


def _leaf(s: Sketch, path: str, x: float, y: float, turn: float, long: float, paint: Paint) -> None:
    """Adds a leaf that starts at (x, y) and points up, turned by `turn` degrees."""
    outline = o.smooth([(x, y), (x - long * 0.28, y - long * 0.5), (x, y - long), (x + long * 0.28, y - long * 0.5)])
    s.fill(s.part(path, "leaf", paint), o.rotate(outline, turn, (x, y)))


def apple(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """An apple with a stem and mostly a leaf."""
    s = Sketch("apple", paint)
    s.fill(s.part("stem", "stem", STEM), o.stroke([(0, -7.2), (0.8, -10.2)], 0.85))
    s.fill(
        "",
        o.smooth(
            [
                (0, -7.6),
                (-2.6, -8.2),
                (-4.5, -5.6),
                (-3.6, -1.6),
                (-1.4, 0),
                (0, -0.4),
                (1.4, 0),
                (3.6, -1.6),
                (4.5, -5.6),
                (2.6, -8.2),
            ]
        ),
    )
    s.fill("", o.ellipse(-2.4, -5.8, 0.7, 1.3, 12), 0.6)
    if chance(rng, 0.8):
        _leaf(s, "leaf", 0.4, -8.4, 60, 3.8, LEAF if paint.color != "green" else DARK_LEAF)
    return s.drawing({"hand": (0.0, -2.0)})


def banana(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A curved banana with dark ends."""
    s = Sketch("banana", paint)
    line = o.path([(-8.5, -7.5), (-6, -3.2), (0, -1.6), (6, -3.2), (8.8, -8.0)], 5)
    s.fill("", o.stroke(line, 3.6))
    s.fill("", o.stroke(line - np.array([0.0, 0.8]), 1.0), -0.18)
    s.fill(s.part("tip1", "tip", STEM), o.polygon((-10.3, -8.6), (-8.9, -9.4), (-6.7, -7.1), (-10.3, -6.6)))
    s.fill(s.part("tip2", "tip", STEM), o.polygon((8.2, -11.0), (10.0, -11.0), (10.7, -7.6), (6.9, -7.9)))
    return s.drawing({"hand": (0.0, -1.6)})


def pear(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A pear with a stem and a leaf."""
    s = Sketch("pear", paint)
    s.fill(s.part("stem", "stem", STEM), o.stroke([(0, -11.0), (0.7, -14.0)], 0.85))
    s.fill(
        "",
        o.smooth(
            [
                (0, -11.6),
                (-2.0, -10.6),
                (-2.6, -7.2),
                (-4.4, -3.8),
                (-3.2, -0.5),
                (0, 0),
                (3.2, -0.5),
                (4.4, -3.8),
                (2.6, -7.2),
                (2.0, -10.6),
            ]
        ),
    )
    s.fill("", o.ellipse(-2.0, -4.6, 0.7, 1.4, 12), 0.5)
    _leaf(s, "leaf", 0.4, -12.0, 65, 4.0, LEAF if paint.color != "green" else DARK_LEAF)
    return s.drawing({"hand": (0.0, -3.0)})


def strawberry(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A strawberry with pale seeds and a crown of leaves."""
    s = Sketch("strawberry", paint)
    s.fill("", o.smooth([(0, 0), (-2.6, -2.4), (-3.8, -5.6), (-2.0, -7.4), (2.0, -7.4), (3.8, -5.6), (2.6, -2.4)]))
    for x, y in ((-2.2, -5.2), (0, -4.6), (2.2, -5.2), (-1.2, -3.0), (1.2, -3.0), (0, -1.5)):
        s.fill("", o.ellipse(x, y, 0.28, 0.42, 8), 0.7)
    crown = s.part("leaf", "leaf", LEAF)
    s.fill(
        crown,
        o.polygon(
            (0, -9.2),
            (0.9, -7.7),
            (3.6, -7.8),
            (1.9, -6.6),
            (2.4, -5.2),
            (0, -6.2),
            (-2.4, -5.2),
            (-1.9, -6.6),
            (-3.6, -7.8),
            (-0.9, -7.7),
        ),
    )
    return s.drawing({"hand": (0.0, -3.0)})


def pineapple(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A pineapple: a body with crossed lines and a tuft of leaves."""
    s = Sketch("pineapple", paint)
    tuft = s.part("leaves", "leaves", LEAF)
    for turn, long in ((-48, 8), (48, 8), (-24, 10.5), (24, 10.5), (0, 12)):
        s.fill(
            tuft,
            o.rotate(o.polygon((-1.4, -15), (1.4, -15), (0, -15 - long)), turn, (0, -15)),
            -0.12 if abs(turn) > 40 else 0.05,
        )
    s.fill("", o.ellipse(0, -8.2, 5.8, 8.2, 28))
    for k in range(-2, 3):
        for side in (-1, 1):
            x = k * 2.6
            s.fill(
                "",
                o.stroke(
                    [(max(-5, min(5, x - 3)), -8.2 - side * 3.2), (max(-5, min(5, x + 3)), -8.2 + side * 3.2)], 0.5
                ),
                -0.32,
            )
    return s.drawing({"hand": (0.0, -6.0)})


def melon(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A slice of melon: flesh in the paint with dark seeds, a green rind."""
    s = Sketch("melon", paint)
    rind = s.part("rind", "rind", LEAF if paint.color != "green" else Paint("yellow"))
    s.fill(rind, o.segment(0, -9.5, 11, 9.5, 0, 180, 24))
    s.fill("", o.segment(0, -9.5, 10, 8.0, 0, 180, 24), 0.55)
    s.fill("", o.segment(0, -9.5, 9.2, 7.2, 0, 180, 24))
    for x, y in ((-5.5, -7.6), (-2.8, -6.2), (0, -5.0), (2.8, -6.2), (5.5, -7.6), (-1.5, -8.2), (1.5, -8.2)):
        s.fill("", o.ellipse(x, y, 0.4, 0.65, 8), paint=DARK)
    return s.drawing({"hand": (0.0, -2.0)})


def carrot(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A carrot with its point down and a bunch of leaves."""
    s = Sketch("carrot", paint)
    top = s.part("leaves", "leaves", LEAF)
    for turn in (-28, 0, 28):
        s.fill(
            top,
            o.rotate(o.smooth([(0, -15), (-1.5, -18.5), (0, -23), (1.5, -18.5)]), turn, (0, -15)),
            0.1 if turn == 0 else -0.1,
        )
    s.fill("", o.smooth([(0, 0), (-1.3, -5), (-2.7, -12.5), (-1.6, -15.6), (1.6, -15.6), (2.7, -12.5), (1.3, -5)]))
    for x0, x1, y in ((-2.4, -0.6, -12), (0.5, 2.0, -9.6), (-1.6, -0.3, -7)):
        s.fill("", o.rectangle(x0, y, x1, y + 0.5), -0.25)
    return s.drawing({"hand": (0.0, -8.0)})


def cake(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A cake with icing in another colour and up to three lit candles, or a cherry; on a plate."""
    s = Sketch("cake", paint)
    half, tall = between(rng, 10, 13), between(rng, 8, 11)
    icing_paint = Paint(color_besides(rng, paint.color))
    plate = s.part("plate", "plate", Paint(color_besides(rng, paint.color, among=("white", "gray", "blue", "yellow"))))
    s.fill(plate, o.ellipse(0, -1.2, half * 1.3, 1.4, 26))
    candles = int(rng.integers(0, 4))
    for k in range(candles):
        x = (k - (candles - 1) / 2) * half * 0.55
        node = s.part(f"candle{k + 1}", "candle", Paint(color_besides(rng, icing_paint.color)))
        s.fill(node, o.rectangle(x - 0.75, -tall - 8, x + 0.75, -tall))
        flame = s.part(f"{node}/flame", "flame", Paint("yellow"))
        s.fill(flame, o.smooth([(x, -tall - 7.6), (x - 1.15, -tall - 9.3), (x, -tall - 12.2), (x + 1.15, -tall - 9.3)]))
    if candles == 0:
        s.fill(
            s.part("cherry", "cherry", Paint("red" if icing_paint.color != "red" else "yellow")),
            o.ellipse(0, -tall - 2.6, 2.0, count=18),
        )
    s.fill("", o.rounded_rectangle(-half, -tall, half, -1.0, 1.2))
    if chance(rng, 0.7):
        layer = s.part("layer", "layer", Paint(color_besides(rng, paint.color, icing_paint.color)))
        s.fill(layer, o.rectangle(-half, -tall * 0.42, half, -tall * 0.22))
    icing = s.part("icing", "icing", icing_paint)
    s.fill(icing, o.ellipse(0, -tall, half, half * 0.14, 28), 0.15)
    drops = [(half * (1 - k / 4), -tall * (0.86 if k % 2 else 0.68)) for k in range(9)]
    s.fill(icing, o.smooth([(half, -tall), *drops, (-half, -tall)]))
    return s.drawing({"hand": (half, -1.0)})


def ice_cream(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """An ice cream cone with one to three scoops, the lowest in the paint."""
    s = Sketch("ice cream", CONE, told=False)
    scoops = int(rng.integers(1, 4))
    taken: list[str | None] = [None]
    for k in range(scoops):
        color = paint if k == 0 else Paint(color_besides(rng, *taken))
        taken.append(color.color)
        node = s.part(f"scoop{k + 1}", "scoop", color)
        s.fill(node, o.ellipse(0, -13.5 - 5.2 * k, 4.4 - 0.4 * k, count=22))
        s.fill(node, o.ellipse(-1.6, -15 - 5.2 * k, 0.9, 0.7, 10), 0.5)
    cone = s.part("cone", "cone")
    s.fill(cone, o.polygon((-4.2, -12), (4.2, -12), (0, 0)))
    s.fill(cone, o.rounded_rectangle(-4.6, -13, 4.6, -10.8, 0.8), -0.12)
    for x in (-2.2, 0.0, 2.2):
        s.fill(cone, o.stroke([(x - 0.9, -10.2), (x * 0.3, -3)], 0.4), -0.3)
    return s.drawing({"hand": (0.0, -5.0)})


def bread(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A loaf of bread with cuts in its crust and one cut side."""
    s = Sketch("bread", Paint(None, rgb=pick(rng, ((190, 126, 64), (170, 104, 52), (206, 150, 84)))), told=False)
    half = between(rng, 11, 14)
    s.fill(
        "",
        o.smooth(
            [
                (-half, 0),
                (-half * 1.05, -5.5),
                (-half * 0.6, -9.5),
                (0, -10.2),
                (half * 0.6, -9.5),
                (half * 1.05, -5.5),
                (half, 0),
            ]
        ),
    )
    for x in (-0.5, -0.1, 0.3):
        s.fill("", o.capsule((x * half, -8.6), (x * half + 2.4, -3.6), 0.75), 0.45)
    end = s.part("slice", "slice", Paint(None, rgb=(246, 226, 180)))
    s.fill(
        end,
        o.smooth([(half * 0.68, -0.6), (half * 0.6, -5), (half * 0.85, -8.2), (half * 1.1, -5), (half * 1.04, -0.6)]),
    )
    return s.drawing({"hand": (0.0, -3.0)})


def pizza(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A slice of pizza with its point down: crust, cheese, three or four round slices in the paint."""
    s = Sketch("pizza", Paint(None, rgb=(246, 204, 100)), told=False)
    s.fill("", o.polygon((-8, -14.5), (8, -14.5), (0, 0)))
    s.fill(s.part("crust", "crust", Paint(None, rgb=(190, 126, 64))), o.capsule((-8.2, -15), (8.2, -15), 1.7))
    spots = ((-4.0, -11.4), (3.2, -11.0), (-0.4, -7.6), (0.4, -3.6))
    for k, (x, y) in enumerate(spots[: int(rng.integers(3, 5))]):
        node = s.part(f"topping{k + 1}", "topping", paint)
        s.fill(node, o.ellipse(x, y, 1.75 if k < 3 else 1.0, count=16))
        s.fill(node, o.ellipse(x - 0.4, y - 0.4, 0.5, count=8), 0.35)
    return s.drawing({"hand": (0.0, -14.0)})


_KITCHEN = frozenset({"kitchen"})
_TABLES = frozenset({"kitchen", "living room"})

KINDS: tuple[Kind, ...] = (
    Kind("apple", "apples", apple, (0.1, 0.13), _TABLES | {"farm", "park"}, "surface", "fruit", ("eat",),
         colors=("red", "green", "yellow")),
    Kind("banana", "bananas", banana, (0.1, 0.13), _TABLES, "surface", "fruit", ("eat",), colors=("yellow", "green")),
    Kind("pear", "pears", pear, (0.12, 0.15), _TABLES, "surface", "fruit", ("eat",), colors=("green", "yellow",
         "brown")),
    Kind("strawberry", "strawberries", strawberry, (0.08, 0.1), _TABLES, "surface", "fruit", ("eat",),
         colors=("red", "pink")),
    Kind("pineapple", "pineapples", pineapple, (0.26, 0.32), _TABLES, "surface", "fruit", ("eat",),
         colors=("orange", "yellow", "brown")),
    Kind("melon", "melons", melon, (0.12, 0.16), _TABLES | {"beach"}, "surface", "fruit", ("eat",),
         colors=("red", "orange", "pink", "yellow")),
    Kind("carrot", "carrots", carrot, (0.18, 0.24), _KITCHEN | {"farm"}, "surface", "food", ("eat",),
         colors=("orange", "purple", "yellow")),
    Kind("cake", "cakes", cake, (0.16, 0.24), _TABLES, "surface", "food", ("eat", "sweet"),
         colors=("brown", "pink", "white", "yellow", "red", "purple", "green", "blue")),
    Kind("ice cream", "ice creams", ice_cream, (0.16, 0.22), frozenset({"beach", "park", "street", "kitchen"}),
         "surface",
         "food", ("eat", "sweet", "melts"), colors=("pink", "white", "brown", "yellow", "green", "purple", "red",
         "orange")),
    Kind("bread", "loaves of bread", bread, (0.14, 0.18), _KITCHEN, "surface", "food", ("eat",)),
    Kind("pizza", "pizzas", pizza, (0.16, 0.2), _TABLES, "surface", "food", ("eat",), colors=("red", "brown", "green",
         "purple")),
)  # fmt: skip
