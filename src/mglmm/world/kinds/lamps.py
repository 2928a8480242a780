"""What gives light in a room: lamp, table lamp, candle; each "lit" or not. Lengths in centimetres.

Anchors: "hand" (where a hand holds it), "top".
"""

import numpy as np

from mglmm.world.drawing import PATTERNS, Drawing, Kind, Paint
from mglmm.world.kinds import outlines as o
from mglmm.world.kinds.sketch import DARK, METAL, Sketch, between, chance, color_besides, pick, wood

GLOW = Paint(None, rgb=(255, 246, 190))


def _shade(s: Sketch, rng: np.random.Generator, paint: Paint, y: float, half: float, tall: float, lit: bool) -> None:
    """Adds a lamp shade with its lower edge at `y`, bright when `lit`, and the bulb below it."""
    s.fill("bulb", o.ellipse(0, y + tall * 0.02, half * 0.26, tall * 0.16, 14), paint=GLOW if lit else METAL)
    node = s.part("shade", "shade", paint)
    top = half * between(rng, 0.45, 0.8)
    s.fill(node, o.polygon((-half, y), (-top, y - tall), (top, y - tall), (half, y)), 0.3 if lit else 0.0)
    if chance(rng, 0.4):
        band = s.part("shade/stripe", "stripe", Paint(color_besides(rng, paint.color)))
        s.fill(
            band,
            o.polygon(
                (-half, y),
                (-half * 0.96 - top * 0.04, y - tall * 0.22),
                (half * 0.96 + top * 0.04, y - tall * 0.22),
                (half, y),
            ),
        )


def _lamp(rng: np.random.Generator, paint: Paint, pose: str, name: str) -> tuple[Sketch, Paint, bool]:
    """A sketch of a lamp that is "lit" or off, the paint of its pole and base, and whether it is lit."""
    lit = pose == "lit"
    s = Sketch(name, paint, state="lit" if lit else None)
    s.part("bulb", "bulb", METAL)
    return (
        s,
        pick(
            rng,
            (METAL, DARK, wood(rng), Paint(color_besides(rng, paint.color)), Paint(color_besides(rng, paint.color))),
        ),
        lit,
    )


def lamp(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A standing lamp: base, pole, shade in the paint."""
    s, metal, lit = _lamp(rng, paint, pose, "lamp")
    high, half = between(rng, 85, 115), between(rng, 24, 33)
    s.fill(s.part("base", "base", metal), o.rounded_rectangle(-half * 0.8, -6, half * 0.8, 0, 4), -0.1)
    s.fill(s.part("pole", "pole", metal), o.rectangle(-2.8, -high, 2.8, -5))
    _shade(s, rng, paint, -high, half, between(rng, 30, 42), lit)
    return s.drawing({"top": (0.0, -high)})


def table_lamp(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A table lamp: a round or square base and a shade, both in the paint or the base in another colour."""
    s, metal, lit = _lamp(rng, paint, pose, "table lamp")
    half, foot = between(rng, 11, 15), between(rng, 14, 20)
    base = s.part("base", "base", metal)
    if chance(rng, 0.6):
        s.fill(
            base,
            o.smooth(
                [
                    (-6, 0),
                    (-8.5, -foot * 0.4),
                    (-2, -foot * 0.9),
                    (-1.5, -foot - 3),
                    (1.5, -foot - 3),
                    (2, -foot * 0.9),
                    (8.5, -foot * 0.4),
                    (6, 0),
                ]
            ),
        )
    else:
        s.fill(base, o.rounded_rectangle(-8, -3, 8, 0, 1.5))
        s.fill(base, o.rectangle(-1.5, -foot - 3, 1.5, -2))
    _shade(s, rng, paint, -foot - 1, half, between(rng, 13, 18), lit)
    return s.drawing({"hand": (0.0, -foot * 0.6)})


def candle(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A candle in a holder, lit (with a flame) or not."""
    s = Sketch("candle", paint, state="lit" if pose == "lit" else None)
    half, tall = between(rng, 2.2, 3.4), between(rng, 13, 19)
    holder = s.part("holder", "holder", pick(rng, (METAL, Paint(color_besides(rng, paint.color)))))
    s.fill(holder, o.ellipse(0, -1.4, half * 2.4, 1.4), -0.1)
    s.fill(holder, o.rounded_rectangle(-half * 1.3, -4, half * 1.3, -1.4, 0.8))
    s.fill(holder, o.arc(half * 2.3, -2.6, 1.5, 0.8, 0, 360, 16), -0.15)
    s.fill("", o.rounded_rectangle(-half, -tall, half, -3.2, 0.6))
    s.fill(
        "",
        o.polygon(
            (-half, -tall),
            (half, -tall),
            (half, -tall + 2),
            (half * 0.5, -tall + 4.5),
            (half * 0.1, -tall + 1.6),
            (-half * 0.5, -tall + 3),
            (-half, -tall + 1.5),
        ),
        0.3,
    )
    s.fill("", o.rectangle(-0.3, -tall - 1.8, 0.3, -tall), paint=DARK)
    if pose == "lit":
        flame = s.part("flame", "flame", Paint("orange" if paint.color != "orange" else "yellow"))
        s.fill(flame, o.smooth([(0, -tall - 1), (-1.9, -tall - 3), (0, -tall - 8), (1.9, -tall - 3)]))
        s.fill(flame, o.smooth([(0, -tall - 1.2), (-0.9, -tall - 2.6), (0, -tall - 5), (0.9, -tall - 2.6)]), 0.6)
    return s.drawing({"hand": (0.0, -2.5)})


_ROOMS = frozenset({"living room", "bedroom", "office"})

KINDS: tuple[Kind, ...] = (
    Kind("lamp", "lamps", lamp, (1.35, 1.7), _ROOMS, "ground", "lamp", ("light a room",), ("off", "lit"),
         patterns=PATTERNS),
    Kind("table lamp", "table lamps", table_lamp, (0.42, 0.62), _ROOMS, "surface", "lamp", ("light a room",),
         ("off", "lit"), patterns=PATTERNS),
    Kind("candle", "candles", candle, (0.18, 0.25), _ROOMS | {"bathroom"}, "surface", "lamp", ("light a room", "burns"),
         ("lit", "unlit")),
)  # fmt: skip
