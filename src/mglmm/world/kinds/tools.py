"""Tools: knife, fork, spoon, scissors, pencil, broom. Lengths in centimetres.

Anchors: "hand" (where a hand holds it).
"""

import numpy as np

from mglmm.world.drawing import Drawing, Kind, Paint
from mglmm.world.kinds import outlines as o
from mglmm.world.kinds.sketch import DARK, METAL, Sketch, between, color_besides, pick, wood

STRAW = Paint(None, rgb=(200, 160, 96))


def _cutlery(paint: Paint, name: str) -> Sketch:
    """A sketch of an upright metal tool with its handle in the paint."""
    s = Sketch(name, METAL, told=False)
    handle = s.part("handle", "handle", paint)
    s.fill(handle, o.capsule((0, -9.5), (0, -1.4), 0.95, 1.4))
    s.fill(handle, o.ellipse(0, -2.2, 0.5), -0.4)
    return s


def knife(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A knife with its blade up and a handle in the paint."""
    s = _cutlery(paint, "knife")
    blade = s.part("blade", "blade")
    long = between(rng, 11, 15)
    tip = (0.4, -9.6 - long)
    s.fill(blade, o.polygon((-1.3, -9.6), (1.4, -9.6), (1.9, -9.6 - long * 0.75), tip, (-1.3, -9.6 - long * 0.8)))
    s.fill(blade, o.polygon((0.6, -9.8), (1.4, -9.8), (1.9, -9.6 - long * 0.75), (0.5, -9.6 - long)), 0.4)
    return s.drawing({"hand": (0.0, -5.0)})


def fork(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A fork with its tines up and a handle in the paint."""
    s = _cutlery(paint, "fork")
    s.fill("", o.rectangle(-0.6, -13, 0.6, -9.4))
    s.fill("", o.polygon((-2.1, -16.5), (2.1, -16.5), (1.5, -13.4), (0.5, -12.6), (-0.5, -12.6), (-1.5, -13.4)))
    for x in (-1.65, 0.0, 1.65):
        s.fill("", o.rectangle(x - 0.45, -20.5, x + 0.45, -16.2))
    return s.drawing({"hand": (0.0, -5.0)})


def spoon(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A spoon with its bowl up and a handle in the paint."""
    s = _cutlery(paint, "spoon")
    s.fill("", o.rectangle(-0.6, -14, 0.6, -9.4))
    s.fill("", o.ellipse(0, -17, 2.5, 3.4, 20))
    s.fill("", o.ellipse(0, -17.2, 1.7, 2.5, 18), -0.2)
    return s.drawing({"hand": (0.0, -5.0)})


def scissors(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """Open scissors, points up: two blades, two ring handles in the paint."""
    s = Sketch("scissors", METAL, told=False)
    spread = between(rng, 10, 22)
    for k, side in enumerate((-1, 1)):
        turn, pivot = side * spread, (0.0, -9.0)
        blade = o.polygon((-1.0, -8.0), (1.0, -8.0), (1.2, -12.0), (side * -0.6, -20.0), (-1.2, -12.0))
        s.fill(s.part(f"blade{k + 1}", "blade"), o.rotate(blade, turn, pivot), -0.15 * k)
        ring = s.part(f"handle{k + 1}", "handle", paint)
        s.fill(ring, o.rotate(o.rectangle(-0.9, -9.0, 0.9, -5.5), turn, pivot))
        s.fill(ring, o.rotate(o.arc(-side * -0.4, -3.4, 2.3, 1.4, 0, 360, 22), turn, pivot))
    s.fill("", o.ellipse(0, -9, 0.7, count=10), -0.5)
    return s.drawing({"hand": (0.0, -4.0)})


def pencil(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A thick pencil with its point up: tip, wood, eraser."""
    s = Sketch("pencil", paint)
    s.fill("", o.rectangle(-1.3, -15, 1.3, -2.6))
    s.fill("", o.rectangle(0.5, -15, 1.3, -2.6), -0.25)
    tip = s.part("tip", "tip", Paint(None, rgb=(226, 190, 140)))
    s.fill(tip, o.polygon((-1.3, -15), (1.3, -15), (0, -19.5)))
    s.fill(tip, o.polygon((-0.5, -17.7), (0.5, -17.7), (0, -19.5)), paint=DARK)
    s.fill("", o.rectangle(-1.4, -3.2, 1.4, -2.2), paint=METAL)
    s.fill(
        s.part("eraser", "eraser", Paint(color_besides(rng, paint.color))), o.rounded_rectangle(-1.3, -2.3, 1.3, 0, 0.6)
    )
    return s.drawing({"hand": (0.0, -6.0)})


def broom(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A broom: a long stick, a head in the paint and bristles."""
    s = Sketch("broom", paint)
    stick = s.part("stick", "stick", pick(rng, (wood(rng), Paint(color_besides(rng, paint.color)))))
    s.fill(stick, o.rectangle(-2.0, -120, 2.0, -30))
    half = between(rng, 15, 20)
    bristles = s.part("brush", "brush", pick(rng, (STRAW, Paint(color_besides(rng, paint.color)))))
    s.fill(bristles, o.polygon((-half, -20), (half, -20), (half * 1.2, 0), (-half * 1.2, 0)))
    for x in (-0.6, -0.2, 0.2, 0.6):
        s.fill(
            bristles,
            o.polygon(
                (x * half - 0.8, -20), (x * half + 0.8, -20), (x * half * 1.2 + 0.8, 0), (x * half * 1.2 - 0.8, 0)
            ),
            -0.25,
        )
    s.fill(
        "",
        o.polygon(
            (-3.5, -34), (3.5, -34), (half * 1.02, -26), (half * 1.02, -17), (-half * 1.02, -17), (-half * 1.02, -26)
        ),
    )
    return s.drawing({"hand": (0.0, -70.0)})


KITCHEN = frozenset({"kitchen"})

KINDS: tuple[Kind, ...] = (
    Kind("knife", "knives", knife, (0.2, 0.26), KITCHEN, "surface", "tool", ("cut",)),
    Kind("fork", "forks", fork, (0.18, 0.22), KITCHEN, "surface", "tool", ("eat with",)),
    Kind("spoon", "spoons", spoon, (0.18, 0.22), KITCHEN, "surface", "tool", ("eat with",)),
    Kind("scissors", "scissors", scissors, (0.18, 0.22), frozenset({"office", "kitchen"}), "surface", "tool", ("cut",)),
    Kind("pencil", "pencils", pencil, (0.18, 0.22), frozenset({"office"}), "surface", "tool", ("write",)),
    Kind("broom", "brooms", broom, (1.2, 1.4), frozenset({"kitchen", "yard", "bathroom", "farm"}), "ground", "tool",
         ("clean the floor",)),
)  # fmt: skip
