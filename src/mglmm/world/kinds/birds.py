"""Animals with wings: bird, duck, chicken, butterfly; side views face right."""

import numpy as np

from mglmm.world.drawing import Drawing, Kind, Paint
from mglmm.world.kinds.materials import PALE, material, tone
from mglmm.world.kinds.outlines import XY, capsule, ellipse, path, polygon, rounded, smooth, stroke
from mglmm.world.kinds.sketch import DARK, Sketch

FOOT = material(206, 134, 44)


def _add_head(sketch: Sketch, rng: np.random.Generator, paint: Paint, at: XY, radius: float, beak: float) -> None:
    """Adds a head (sometimes in another color) with an eye and a beak of length `beak` at `at`."""
    x, y = at
    crest = paint if rng.random() < 0.6 else tone(rng, "black", "white", "red", "green", "blue", "gray", besides=paint)
    bill = tone(rng, "orange", "yellow", besides=crest)
    sketch.part("head", "head", crest)
    sketch.part("head/beak", "beak", bill)
    sketch.fill(
        "head/beak",
        rounded(
            [
                (x + 0.6 * radius, y - 0.45 * radius),
                (x + radius + beak, y + 0.1 * radius),
                (x + 0.6 * radius, y + 0.6 * radius),
            ],
            0.02,
        ),
    )
    sketch.fill("head", ellipse(x, y, radius))
    sketch.fill("head", ellipse(x + 0.35 * radius, y - 0.25 * radius, 0.22 * radius, count=8), paint=PALE)
    sketch.fill("head", ellipse(x + 0.4 * radius, y - 0.25 * radius, 0.14 * radius, count=8), paint=DARK)


def bird(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A bird in flight: head with beak, body with belly, two wings, tail."""
    return _winged("bird", rng, paint, pose)


def _winged(name: str, rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A bird called `name`: "flying" with two wings spread, or "standing" on two legs with a folded wing."""
    sketch = Sketch(name, paint, pose)
    wing = paint if rng.random() < 0.4 else tone(rng, "black", "white", "gray", "blue", "brown", besides=paint)
    belly = None if rng.random() < 0.4 else tone(rng, "white", "yellow", "orange", "red", besides=paint)
    flying = pose == "flying"
    tail, beak = rng.uniform(0.28, 0.45), rng.uniform(0.08, 0.2)
    sketch.part("tail", "tail", wing)
    if flying:
        sketch.fill(
            "tail",
            polygon((-0.35, -0.06), (-0.42 - tail, -0.16), (-0.5 - tail, 0.02), (-0.42 - tail, 0.16), (-0.35, 0.1)),
            shade=-0.15,
        )
        sketch.part("wing1", "wing", wing)
        sketch.fill(
            "wing1",
            smooth([(0.2, -0.1), (0.16, -0.55), (0.36, -0.9), (0.0, -0.76), (-0.2, -0.4), (-0.22, -0.08)]),
            shade=-0.3,
        )
    else:
        sketch.fill(
            "tail",
            polygon((-0.26, -0.28), (-0.4 - tail, 0.02), (-0.36 - 0.8 * tail, 0.16), (-0.12, -0.04)),
            shade=-0.15,
        )
        _add_standing_legs(sketch)
    lean = 0.0 if flying else 0.16
    sketch.part("body", "body")
    sketch.fill(
        "body",
        smooth(
            [
                (-0.42, lean - 0.02),
                (-0.2, -0.2 + 0.2 * lean),
                (0.2, -0.24 - lean),
                (0.42, -0.14 - lean),
                (0.34, 0.14),
                (0.0, 0.24),
                (-0.28, 0.16 + 0.3 * lean),
            ]
        ),
    )
    if belly is not None:
        sketch.part("body/belly", "belly", belly)
        sketch.fill(
            "body/belly", smooth([(0.36, -0.06 - lean), (0.34, 0.12), (0.02, 0.22), (-0.22, 0.13), (0.06, 0.06)])
        )
    _add_head(sketch, rng, paint, (0.42, -0.2 - 1.3 * lean), 0.19, beak)
    _add_near_wing(sketch, wing, flying)
    return sketch.drawing({"head": (0.42, -0.4 - 1.3 * lean)})


def _add_standing_legs(sketch: Sketch) -> None:
    """Adds two thin legs with feet below the body of a standing bird."""
    for number, x in enumerate((-0.04, 0.1), 1):
        leg = sketch.part(f"leg{number}", "leg", FOOT)
        sketch.fill(leg, stroke([(x, 0.1), (x + 0.02, 0.42)], 0.04))
        sketch.fill(leg, stroke([(x - 0.05, 0.42), (x + 0.14, 0.42)], 0.05))


def _add_near_wing(sketch: Sketch, wing: Paint, flying: bool) -> None:
    """Adds the wing in front of the body, with seams between its feathers: spread if `flying`, else folded."""
    sketch.part("wing2", "wing", wing)
    if flying:
        sketch.fill(
            "wing2", smooth([(0.18, -0.05), (0.02, -0.6), (-0.2, -0.98), (-0.34, -0.66), (-0.32, -0.2), (-0.24, 0.04)])
        )
        for dx in (0.0, 0.12):
            sketch.fill(
                "wing2",
                stroke(path([(-0.16 + dx, -0.06), (-0.24 + dx, -0.4), (-0.24 + dx, -0.62)], 3), 0.025),
                shade=-0.3,
            )
    else:
        sketch.fill(
            "wing2",
            smooth([(0.16, -0.16), (0.2, 0.04), (-0.1, 0.13), (-0.46, 0.14), (-0.26, -0.06), (-0.04, -0.2)]),
            shade=-0.1,
        )
        sketch.fill("wing2", stroke(path([(0.1, 0.04), (-0.12, 0.06), (-0.34, 0.1)], 3), 0.025), shade=-0.35)


def pigeon(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A pigeon: a bird that stands on its legs, the wing folded."""
    return _winged("pigeon", rng, paint, pose)


def duck(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A duck afloat: boat-shaped body with raised tail, neck and head with a flat beak, folded wing."""
    sketch = Sketch("duck", paint, pose or None)
    tall = rng.uniform(0.42, 0.55)
    sketch.part("tail", "tail")
    sketch.fill("tail", polygon((-0.34, -0.34), (-0.68, -0.48), (-0.52, -0.12)), shade=-0.15)
    sketch.part("body", "body")
    sketch.fill(
        "body",
        smooth(
            [
                (-0.56, -0.32),
                (-0.3, -0.3),
                (0.1, -0.34),
                (0.38, -0.34),
                (0.52, -0.18),
                (0.36, -0.01),
                (-0.3, -0.01),
                (-0.52, -0.12),
            ]
        ),
    )
    head = paint if rng.random() < 0.5 else tone(rng, "green", "brown", "black", "white", besides=paint)
    x, y = 0.44, -0.36 - tall
    sketch.part("head", "head", head)
    sketch.fill("body", capsule((0.3, -0.24), (x - 0.04, y + 0.12), 0.17, 0.12))
    sketch.part("head/beak", "beak", tone(rng, "orange", "yellow", besides=head))
    sketch.fill(
        "head/beak",
        rounded(
            [(x + 0.1, y - 0.05), (x + 0.24, y - 0.01), (x + 0.38, y + 0.02), (x + 0.37, y + 0.1), (x + 0.1, y + 0.12)],
            0.03,
        ),
    )
    sketch.fill("head", ellipse(x, y, 0.19, 0.18))
    sketch.fill("head", ellipse(x + 0.06, y - 0.05, 0.04, count=8), paint=PALE)
    sketch.fill("head", ellipse(x + 0.07, y - 0.05, 0.026, count=8), paint=DARK)
    sketch.part("wing", "wing", paint if rng.random() < 0.4 else tone(rng, "gray", "white", "brown", besides=paint))
    sketch.fill(
        "wing", smooth([(0.2, -0.3), (0.22, -0.16), (-0.06, -0.07), (-0.46, -0.26), (-0.22, -0.34)]), shade=-0.12
    )
    return sketch.drawing({"head": (x, y - 0.18)})


def chicken(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A chicken: plump body, fanned tail, wing, head with red comb and beak, two legs."""
    sketch = Sketch("chicken", paint, pose or None)
    for number, x in enumerate((-0.06, 0.12), 1):
        leg = sketch.part(f"leg{number}", "leg", FOOT)
        sketch.fill(leg, stroke([(x, -0.36), (x, -0.03)], 0.06), shade=-0.15 if number == 2 else 0.0)
        sketch.fill(leg, stroke([(x - 0.08, -0.03), (x + 0.16, -0.03)], 0.06), shade=-0.15 if number == 2 else 0.0)
    feathers = paint if rng.random() < 0.5 else tone(rng, "black", "brown", "green", "orange", besides=paint)
    lift = rng.uniform(0.0, 0.25)
    sketch.part("tail", "tail", feathers)
    sketch.fill(
        "tail",
        smooth(
            [(-0.26, -0.42), (-0.5, -0.56), (-0.66, -0.74 - lift), (-0.56, -0.96 - lift), (-0.4, -0.86), (-0.22, -0.66)]
        ),
        shade=-0.15,
    )
    sketch.part("body", "body")
    sketch.fill(
        "body",
        smooth(
            [
                (-0.4, -0.62),
                (-0.18, -0.62),
                (0.1, -0.7),
                (0.2, -0.98),
                (0.42, -0.98),
                (0.44, -0.6),
                (0.28, -0.32),
                (-0.08, -0.26),
                (-0.34, -0.4),
            ]
        ),
    )
    x, y = 0.32, -1.04
    _add_chicken_head(sketch, rng, paint, x, y)
    sketch.part("wing", "wing")
    sketch.fill(
        "wing", smooth([(0.12, -0.58), (0.14, -0.44), (-0.08, -0.36), (-0.36, -0.5), (-0.12, -0.6)]), shade=-0.2
    )
    return sketch.drawing({"head": (x, y - 0.16)})


def _add_chicken_head(sketch: Sketch, rng: np.random.Generator, paint: Paint, x: float, y: float) -> None:
    """Adds a head with comb, beak, wattle and an eye at (x, y)."""
    sketch.part("head", "head")
    sketch.part("head/comb", "comb", tone(rng, "red", besides=None))
    sketch.fill(
        "head/comb",
        smooth(
            [
                (x - 0.12, y - 0.08),
                (x - 0.13, y - 0.22),
                (x - 0.04, y - 0.18),
                (x + 0.0, y - 0.28),
                (x + 0.06, y - 0.19),
                (x + 0.14, y - 0.22),
                (x + 0.12, y - 0.06),
            ],
            3,
        ),
    )
    sketch.part("head/beak", "beak", tone(rng, "yellow", "orange", besides=paint))
    sketch.fill("head/beak", polygon((x + 0.1, y - 0.06), (x + 0.3, y + 0.04), (x + 0.1, y + 0.1)))
    sketch.part("head/wattle", "wattle", tone(rng, "red"))
    sketch.fill("head/wattle", ellipse(x + 0.13, y + 0.16, 0.05, 0.09, 12))
    sketch.fill("head", ellipse(x, y, 0.16))
    sketch.fill("head", ellipse(x + 0.05, y - 0.04, 0.032, count=8), paint=DARK)


def butterfly(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A butterfly from above: two large and two small wings in the main paint with spots, dark body, antennae."""
    sketch = Sketch("butterfly", paint, pose or None)
    wide, spot = rng.uniform(0.5, 0.62), tone(rng, "yellow", "white", "black", "orange", "blue", besides=paint)
    for number, side in enumerate((-1, 1), 1):
        upper = [(0.02, -0.5), (0.6 * wide, -0.98), (wide, -0.9), (wide * 0.96, -0.55), (0.5 * wide, -0.42)]
        lower = [(0.02, -0.46), (0.5 * wide, -0.44), (0.82 * wide, -0.26), (0.55 * wide, 0.0), (0.16 * wide, -0.14)]
        for base, outline, (cx, cy), radius in (
            (0, lower, (0.5 * wide, -0.22), 0.07),
            (2, upper, (0.7 * wide, -0.75), 0.1),
        ):
            node = sketch.part(f"wing{base + number}", "wing")
            sketch.fill(node, smooth([(side * x, y) for x, y in outline]), shade=-0.18 if base == 0 else 0.0)
            sketch.part(f"{node}/spot", "spot", spot)
            sketch.fill(f"{node}/spot", ellipse(side * cx, cy, radius, radius * 1.15, 14))
        feeler: list[XY] = [(side * 0.01, -0.7), (side * 0.08, -0.86), (side * 0.18, -0.94)]
        sketch.fill("", stroke(path(feeler, 3), 0.025), paint=DARK)
    sketch.part("body", "body", material(50, 42, 40))
    sketch.fill("body", capsule((0.0, -0.16), (0.0, -0.68), 0.045, 0.06))
    return sketch.drawing()


KINDS: tuple[Kind, ...] = (
    Kind(
        "bird",
        "birds",
        bird,
        (0.3, 0.6),
        frozenset({"street", "park", "beach", "farm", "lake", "snow", "yard"}),
        "air",
        "animal",
        ("flies", "has wings", "sings", "lays eggs", "is alive", "eats"),
        ("flying",),
        ("red", "blue", "yellow", "black", "white", "gray", "brown", "orange", "green", "teal"),
    ),
    Kind(
        "pigeon",
        "pigeons",
        pigeon,
        (0.3, 0.45),
        frozenset({"street", "park", "yard", "farm"}),
        "ground",
        "animal",
        ("flies", "has wings", "lays eggs", "is alive", "eats"),
        ("standing",),
        ("gray", "white", "brown", "black", "blue"),
    ),
    Kind(
        "duck",
        "ducks",
        duck,
        (0.4, 0.6),
        frozenset({"lake", "park"}),
        "water",
        "animal",
        ("floats", "can swim", "flies", "has wings", "lays eggs", "is alive", "eats"),
        colors=("white", "brown", "yellow", "gray", "black"),
    ),
    Kind(
        "chicken",
        "chickens",
        chicken,
        (0.45, 0.6),
        frozenset({"farm", "yard"}),
        "ground",
        "animal",
        ("lays eggs", "has wings", "is alive", "eats", "farm animal"),
        colors=("white", "brown", "black", "orange", "yellow", "gray"),
    ),
    Kind(
        "butterfly",
        "butterflies",
        butterfly,
        (0.25, 0.4),
        frozenset({"park", "farm", "yard", "lake"}),
        "air",
        "animal",
        ("flies", "has wings", "visits flowers", "is alive"),
        colors=("orange", "yellow", "blue", "purple", "red", "pink", "white", "teal"),
    ),
)
"""The winged animals of the world."""
