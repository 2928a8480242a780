"""Two-wheelers: bicycle, motorcycle, scooter; all face right and carry a rider at the anchor "seat"."""

import numpy as np

from mglmm.world.drawing import Drawing, Kind, Paint
from mglmm.world.kinds.materials import IRON, LAMP, PALE, RUBBER, material, tone
from mglmm.world.kinds.outlines import (
    arc,
    capsule,
    ellipse,
    path,
    polygon,
    rounded,
    rounded_rectangle,
    segment,
    smooth,
    stroke,
)
from mglmm.world.kinds.sketch import DARK, METAL, Sketch

DISC = material(206, 210, 212)


def _add_spoked_wheel(
    sketch: Sketch, node: str, x: float, radius: float, tire: float, closed: bool, spokes: int
) -> None:
    """Adds a wheel on y = 0: a tire of width `tire`, spokes, a hub; `closed` fills its middle with a pale disc."""
    sketch.part(node, "wheel", RUBBER)
    if closed:
        sketch.fill(node, ellipse(x, -radius, radius - tire / 2), paint=DISC)
    for i in range(spokes):
        angle = np.pi * (i + 0.3) / spokes
        dx, dy = (radius - tire) * float(np.cos(angle)), (radius - tire) * float(np.sin(angle))
        line = [(x - dx, -radius - dy), (x + dx, -radius + dy)]
        sketch.fill(node, stroke(line, 0.05 * radius), paint=METAL, shade=-0.25)
    sketch.fill(node, arc(x, -radius, radius - tire / 2, tire, count=28))
    sketch.part(f"{node}/hub", "hub", METAL)
    sketch.fill(f"{node}/hub", ellipse(x, -radius, 0.2 * radius, count=12))


def bicycle(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A bicycle: frame, two wheels with hubs, saddle, handlebar, pedals; sometimes a basket."""
    sketch = Sketch("bicycle", paint)
    radius, base = rng.uniform(0.33, 0.37), rng.uniform(1.02, 1.14)
    tube, closed, spokes = rng.uniform(0.055, 0.075), bool(rng.random() < 0.5), int(rng.integers(3, 6))
    for node, x in (("wheel1", 0.0), ("wheel2", base)):
        _add_spoked_wheel(sketch, node, x, radius, 0.075, closed, spokes)
    crank, post = (0.42 * base, -radius + 0.03), (0.3 * base, -0.86)
    seat_top = (post[0] - 0.03, -0.96)
    head, neck = (0.8 * base, -0.82), (0.77 * base, -0.94)
    sketch.part("frame", "frame")
    low = rng.random() < 0.35
    joint = (0.34 * base, -0.52) if low else (0.315 * base, -0.78)
    for a, b in ((crank, post), (joint, head), (crank, head), (post, (0.0, -radius)), (crank, (0.0, -radius))):
        sketch.fill("frame", capsule(a, b, tube / 2, steps=3))
    sketch.fill("frame", capsule(neck, head, tube / 2, steps=3))
    sketch.fill("frame", capsule(head, (base, -radius), tube / 2, steps=3), shade=-0.15)
    sketch.fill("frame", capsule(post, seat_top, 0.02, steps=3), paint=METAL)
    sketch.part("saddle", "saddle", tone(rng, "black", "brown", besides=paint))
    x, y = seat_top
    sketch.fill(
        "saddle",
        rounded([(x - 0.16, y - 0.05), (x - 0.16, y + 0.05), (x + 0.16, y + 0.01), (x + 0.16, y - 0.04)], 0.04),
    )
    sketch.part("handlebar", "handlebar", IRON)
    bend = rng.uniform(-0.12, 0.08)
    bar = path(
        [
            neck,
            (neck[0] + 0.06, neck[1] - 0.1),
            (neck[0] + 0.02, neck[1] - 0.15),
            (neck[0] - 0.12, neck[1] - 0.13 + bend),
        ]
    )
    sketch.fill("handlebar", stroke(bar, 0.05))
    sketch.fill(
        "handlebar",
        capsule((float(bar[-1][0]), float(bar[-1][1])), (float(bar[-4][0]), float(bar[-4][1])), 0.035),
        paint=RUBBER,
    )
    sketch.part("pedal", "pedal", RUBBER)
    sketch.fill("pedal", ellipse(*crank, 0.08, count=14), paint=IRON)
    sketch.fill("pedal", capsule(crank, (crank[0] + 0.06, crank[1] + 0.16), 0.018, steps=3), paint=METAL)
    sketch.fill("pedal", rounded_rectangle(crank[0] - 0.01, crank[1] + 0.14, crank[0] + 0.13, crank[1] + 0.19, 0.02))
    if rng.random() < 0.4:
        _add_bicycle_basket(sketch, rng, paint, neck[0] + 0.1, neck[1] - 0.04)
    return sketch.drawing(
        {"seat": seat_top, "hand": (float(bar[-2][0]), float(bar[-2][1])), "foot": (crank[0] + 0.06, crank[1] + 0.16)}
    )


def _add_bicycle_basket(sketch: Sketch, rng: np.random.Generator, paint: Paint, x: float, y: float) -> None:
    """Adds a woven basket with its top left corner at (x, y)."""
    sketch.part("basket", "basket", tone(rng, "brown", "white", "black", besides=paint))
    sketch.fill("basket", rounded([(x, y), (x + 0.32, y), (x + 0.27, y + 0.24), (x + 0.05, y + 0.24)], 0.03))
    for i in range(1, 4):
        sketch.fill(
            "basket",
            stroke([(x + 0.02 * i, y + 0.06 * i), (x + 0.32 - 0.02 * i, y + 0.06 * i)], 0.015),
            shade=-0.35,
        )


def motorcycle(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A motorcycle: tank and fenders in the main paint, seat, engine, exhaust pipe, headlight, handlebar, wheels."""
    sketch = Sketch("motorcycle", paint)
    radius, base = rng.uniform(0.33, 0.37), rng.uniform(1.35, 1.5)
    for node, x in (("wheel1", 0.0), ("wheel2", base)):
        _add_spoked_wheel(sketch, node, x, radius, 0.12, True, 4)
    sketch.fill("", capsule((base, -radius), (base - 0.3, -0.98), 0.035, steps=3), paint=METAL)
    sketch.fill("", arc(base, -radius, radius + 0.04, 0.07, 200, 325, 12))
    sketch.fill("", arc(0.0, -radius, radius + 0.05, 0.09, 190, 330, 12))
    sketch.part("engine", "engine", IRON)
    sketch.fill("engine", rounded([(0.4, -0.62), (0.95, -0.62), (0.9, -0.24), (0.48, -0.22)], 0.08))
    for i in range(3):
        sketch.fill("engine", capsule((0.52, -0.54 + 0.09 * i), (0.8, -0.54 + 0.09 * i), 0.022, steps=3), shade=0.4)
    sketch.part("exhaust", "exhaust pipe", METAL)
    sketch.fill("exhaust", capsule((0.62, -0.3), (-0.28, -0.26), 0.04, 0.075))
    sketch.part("seat", "seat", tone(rng, "black", "brown", besides=paint))
    sketch.fill(
        "seat",
        smooth(
            [(-0.3, -0.76), (-0.25, -0.84), (0.1, -0.78), (0.56, -0.8), (0.6, -0.68), (0.1, -0.64), (-0.2, -0.68)], 3
        ),
    )
    sketch.part("tank", "tank")
    length = rng.uniform(0.52, 0.62)
    sketch.fill(
        "tank",
        smooth(
            [
                (0.5, -0.66),
                (0.52, -0.8),
                (0.5 + 0.55 * length, -1.0),
                (0.5 + length, -0.92),
                (0.52 + length, -0.66),
                (0.75, -0.6),
            ],
            4,
        ),
    )
    sketch.fill("tank", ellipse(0.5 + 0.5 * length, -0.82, 0.1, 0.05, 10), shade=0.5)
    sketch.fill("", rounded([(-0.32, -0.72), (0.3, -0.7), (0.35, -0.58), (-0.1, -0.6)], 0.04))
    sketch.part("handlebar", "handlebar", RUBBER)
    grip = (base - 0.52, -1.1 - rng.uniform(0.0, 0.08))
    sketch.fill("handlebar", capsule((base - 0.3, -0.98), (base - 0.36, -1.1), 0.03, steps=3), paint=METAL)
    sketch.fill("handlebar", capsule((base - 0.34, -1.1), grip, 0.04))
    sketch.part("light", "headlight", LAMP)
    sketch.fill("light", ellipse(base - 0.19, -0.93, 0.11, 0.12, 14))
    sketch.fill("light", segment(base - 0.19, -0.93, 0.11, 0.12, 100, 260, 8), paint=METAL)
    return sketch.drawing({"seat": (0.2, -0.8), "hand": grip, "foot": (0.66, -0.2)})


def scooter(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A motor scooter: curved body and leg shield in the main paint, seat, lights, handlebar, small wheels."""
    sketch = Sketch("scooter", paint)
    radius, base = rng.uniform(0.22, 0.26), rng.uniform(1.2, 1.3)
    for node, x in (("wheel1", 0.0), ("wheel2", base)):
        sketch.part(node, "wheel", RUBBER)
        sketch.fill(node, ellipse(x, -radius, radius))
        sketch.part(f"{node}/hub", "hub", METAL)
        sketch.fill(f"{node}/hub", ellipse(x, -radius, 0.55 * radius, count=14))
        sketch.fill(f"{node}/hub", ellipse(x, -radius, 0.2 * radius, count=8), paint=DARK)
    sketch.fill("", capsule((base, -radius - 0.05), (base - 0.26, -0.98), 0.045, steps=4))
    sketch.fill(
        "",
        rounded(
            [(base - 0.34, -0.98), (base - 0.14, -0.9), (base - 0.22, -0.22), (base - 0.4, -0.16), (base - 0.38, -0.3)],
            0.08,
        ),
    )
    sketch.fill("", rounded([(0.3, -0.3), (base - 0.3, -0.3), (base - 0.3, -0.15), (0.3, -0.15)], 0.06), shade=-0.2)
    sketch.fill(
        "",
        smooth(
            [
                (-0.28, -0.42),
                (-0.22, -0.66),
                (0.2, -0.74),
                (0.46, -0.62),
                (0.5, -0.18),
                (0.24, -0.2),
                (0.12, -0.46),
                (-0.1, -0.5),
            ]
        ),
    )
    sketch.fill("", arc(base, -radius, radius + 0.03, 0.07, 185, 340, 12))
    sketch.part("seat", "seat", tone(rng, "black", "brown", "white", besides=paint))
    sketch.fill("seat", rounded_rectangle(-0.24, -0.82, 0.46, -0.69, 0.06))
    sketch.part("light", "headlight", LAMP)
    sketch.fill("light", ellipse(base - 0.18, -0.98, 0.09, 0.1, 14))
    sketch.part("handlebar", "handlebar", RUBBER)
    grip = (base - 0.5, -1.16)
    sketch.fill("handlebar", capsule((base - 0.28, -0.98), (base - 0.32, -1.12), 0.04, steps=3), paint=METAL)
    sketch.fill("handlebar", capsule((base - 0.3, -1.13), grip, 0.04))
    sketch.part("tail", "tail light", tone(rng, "red", "orange", besides=paint))
    sketch.fill("tail", rounded_rectangle(-0.34, -0.62, -0.2, -0.5, 0.05))
    if rng.random() < 0.4:
        sketch.fill(
            "", polygon((base - 0.2, -1.05), (base - 0.1, -1.0), (base - 0.24, -1.42), (base - 0.3, -1.38)), paint=PALE
        )
    return sketch.drawing({"seat": (0.1, -0.82), "hand": grip, "foot": (0.66, -0.3)})


_ROAD = frozenset({"street", "park", "beach", "yard", "farm"})
KINDS: tuple[Kind, ...] = (
    Kind(
        "bicycle",
        "bicycles",
        bicycle,
        (1.0, 1.15),
        _ROAD | {"lake"},
        "ground",
        "vehicle",
        ("transport", "carries one person", "riding", "needs no fuel", "muscle power", "sport"),
    ),
    Kind(
        "motorcycle",
        "motorcycles",
        motorcycle,
        (1.05, 1.25),
        frozenset({"street", "farm", "beach"}),
        "ground",
        "vehicle",
        ("transport", "carries one person", "riding", "drives on roads", "needs fuel", "can be dangerous"),
    ),
    Kind(
        "scooter",
        "scooters",
        scooter,
        (1.05, 1.2),
        frozenset({"street", "park", "beach"}),
        "ground",
        "vehicle",
        ("transport", "carries one person", "riding", "drives on roads", "needs fuel"),
    ),
)
"""The two-wheelers of the world."""
