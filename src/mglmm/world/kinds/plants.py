"""Plants: tree, pine, palm, bush, flower, mushroom; the main paint is that of the crown, the petals or the cap."""

import numpy as np

from mglmm.world.drawing import Drawing, Kind, Paint
from mglmm.world.kinds.materials import PALE, tone
from mglmm.world.kinds.outlines import ellipse, path, pie, rotate, rounded, smooth, stroke
from mglmm.world.kinds.sketch import Sketch


def _cloud(rng: np.random.Generator, x: float, y: float, rx: float, ry: float, bumps: int) -> np.ndarray:
    """A leafy outline around (x, y): an ellipse with `bumps` round lobes of uneven reach."""
    angles = 2 * np.pi * (np.arange(bumps) + rng.uniform(-0.15, 0.15, bumps)) / bumps
    reach = rng.uniform(0.94, 1.08, bumps)
    tips = np.stack([np.cos(angles) * rx * reach, np.sin(angles) * ry * reach], axis=1)
    between = (tips + np.roll(tips, -1, axis=0)) / 2 * 0.93
    points = np.stack([tips * 0.99, between], axis=1).reshape(-1, 2) + np.array([x, y])
    return smooth([(float(a), float(b)) for a, b in points], 3)


def _add_trunk(sketch: Sketch, rng: np.random.Generator, paint: Paint, high: float, width: float) -> None:
    """Adds a trunk from the ground up to `high`, wider at its foot, with marks in the bark."""
    sketch.part("trunk", "trunk", tone(rng, "brown", "brown", "brown", "gray", besides=paint))
    w, lean = width / 2, rng.uniform(-0.08, 0.08)
    sketch.fill(
        "trunk",
        smooth(
            [
                (-1.9 * w, 0.0),
                (-w, -0.25 * high),
                (-0.9 * w + lean, -high),
                (0.9 * w + lean, -high),
                (w, -0.25 * high),
                (1.9 * w, 0.0),
                (0.0, -0.03),
            ],
            3,
        ),
    )
    for y in (0.35, 0.55, 0.75):
        x = rng.uniform(-0.5, 0.3) * w
        sketch.fill("trunk", stroke([(x, -y * high), (x + 0.05 * w, -(y - 0.12) * high)], 0.22 * w), shade=-0.35)


def tree(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A tree with leaves: trunk and crown (main paint), sometimes with fruit or a nest in the crown."""
    sketch = Sketch("tree", paint)
    wide, tall, stem = rng.uniform(1.1, 1.7), rng.uniform(1.1, 1.6), rng.uniform(1.1, 1.8)
    _add_trunk(sketch, rng, paint, stem + 0.5 * tall, rng.uniform(0.34, 0.5))
    middle = -stem - 0.75 * tall
    crown = sketch.part("crown", "crown")
    sketch.fill(crown, _cloud(rng, 0.0, middle, wide, tall, int(rng.integers(8, 12))))
    for dx, dy, shade in ((-0.3, -0.35, 0.14), (0.35, 0.25, -0.16), (0.3, -0.2, 0.08)):
        sketch.fill(crown, _cloud(rng, dx * wide, middle + dy * tall, 0.36 * wide, 0.3 * tall, 6), shade)
    kind = rng.random()
    if kind < 0.45:
        fruit = tone(rng, "red", "yellow", "orange", "purple", besides=paint)
        for number, angle in enumerate(np.linspace(0, 2 * np.pi, int(rng.integers(4, 8)))[:-1] + rng.uniform(0, 2), 1):
            node = sketch.part(f"crown/fruit{number}", "fruit", fruit)
            x, y = 0.6 * wide * float(np.cos(angle)), middle + 0.6 * tall * float(np.sin(angle))
            sketch.fill(node, ellipse(x, y, 0.2, count=14))
            sketch.fill(node, ellipse(x - 0.06, y - 0.07, 0.05, count=8), shade=0.5)
    elif kind < 0.6:
        node = sketch.part("crown/nest", "nest", tone(rng, "brown", "gray", besides=paint))
        x = rng.uniform(-0.4, 0.4) * wide
        sketch.fill(node, pie(x, middle + 0.1, 0.42, 0.34, 0, 180))
        sketch.fill(node, stroke([(x - 0.46, middle + 0.1), (x + 0.46, middle + 0.1)], 0.1), shade=-0.25)
    return sketch.drawing({"top": (0.0, middle - tall), "shade": (wide * 0.7, 0.0)})


def pine(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A pine tree: tiers of branches in the main paint over a short trunk; snow on top in the pose "snowy"."""
    sketch = Sketch("pine tree", paint, pose or None)
    tiers, wide = int(rng.integers(3, 5)), rng.uniform(0.9, 1.25)
    _add_trunk(sketch, rng, paint, 0.9, 0.32)
    sketch.part("branches", "branches")
    step = rng.uniform(0.75, 0.9)
    top = -0.6 - step * tiers - 0.5
    for i in range(tiers):
        half, foot = wide * (1 - 0.72 * i / tiers), -0.6 - step * i
        peak = foot - 1.35 * step if i < tiers - 1 else top
        outline = [
            (-half, foot),
            (-0.5 * half, foot - 0.08),
            (0.0, foot + 0.06),
            (0.5 * half, foot - 0.08),
            (half, foot),
            (0.12, peak),
            (-0.12, peak),
        ]
        sketch.fill("branches", rounded(outline, 0.08), shade=-0.12 + 0.1 * i)
        if pose == "snowy":
            if i == 0:
                sketch.part("snow", "snow", tone(rng, "white", besides=paint))
            cap = [
                (-0.62 * half, foot - 0.3 * step),
                (0.0, peak),
                (0.62 * half, foot - 0.3 * step),
                (0.3 * half, foot - 0.42 * step),
                (0.0, foot - 0.25 * step),
                (-0.3 * half, foot - 0.42 * step),
            ]
            sketch.fill("snow", rounded(cap, 0.06))
    return sketch.drawing({"top": (0.0, top)})


def palm(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A palm tree: bent ringed trunk, a fan of leaves in the main paint, coconuts."""
    sketch = Sketch("palm tree", paint)
    high, bend = rng.uniform(3.2, 4.2), rng.uniform(0.2, 0.8)
    sketch.part("trunk", "trunk", tone(rng, "brown", "gray", besides=paint))
    line = path([(0.0, 0.0), (0.1 * bend, -0.4 * high), (0.5 * bend, -0.75 * high), (bend, -high)], 4)
    sketch.fill("trunk", stroke(line, 0.5, 0.3))
    for x, y in line[2:-1:2]:
        sketch.fill("trunk", stroke([(x - 0.16, y + 0.03), (x + 0.16, y - 0.03)], 0.06), shade=-0.35)
    x, y = float(line[-1][0]), float(line[-1][1])
    reach = rng.uniform(1.5, 1.9)
    for number, angle in enumerate((-165, -15, -135, -45, -115, 165, 15), 1):
        node = sketch.part(f"leaf{number}", "leaf")
        side = 1.0 if abs(angle) < 90 else -1.0
        tip = (x + reach * float(np.cos(np.radians(angle))), y + 0.8 * reach * float(np.sin(np.radians(angle))) + 0.55)
        middle = (x + 0.55 * (tip[0] - x), y + 0.55 * (tip[1] - y) - 0.42)
        droop = (middle[0] - 0.06 * side, middle[1] + 0.42)
        sketch.fill(
            node,
            smooth([(x, y - 0.08), middle, tip, droop, (x, y + 0.1)], 4),
            shade=(-0.2, -0.12, 0.0, 0.06, 0.12, -0.26, -0.2)[number - 1],
        )
    nut = tone(rng, "brown", "orange", "yellow", besides=paint)
    for number, dx in enumerate((-0.2, 0.2), 1):
        sketch.part(f"coconut{number}", "coconut", nut)
        sketch.fill(f"coconut{number}", ellipse(x + dx, y + 0.16, 0.22, count=14))
    return sketch.drawing({"top": (x, y - 0.8), "shade": (x, 0.0)})


def bush(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A bush: a low round mass of leaves in the main paint, with berries or flowers in another color."""
    sketch = Sketch("bush", paint)
    wide, tall = rng.uniform(0.9, 1.3), rng.uniform(0.6, 0.8)
    mass = _cloud(rng, 0.0, -0.72 * tall, wide, 0.9 * tall, int(rng.integers(8, 12)))
    mass[:, 1] = np.where(mass[:, 1] > -0.3 * tall, -0.3 * tall + 0.35 * (mass[:, 1] + 0.3 * tall), mass[:, 1])
    sketch.fill("", mass)
    for dx, dy, shade in ((-0.4, -0.25, 0.14), (0.4, 0.2, -0.16), (0.1, -0.35, 0.08)):
        sketch.fill("", _cloud(rng, dx * wide, -0.75 * tall + dy * tall, 0.3 * wide, 0.26 * tall, 6), shade)
    kind = rng.random()
    if kind < 0.7:
        word = "berry" if kind < 0.35 else "flower"
        color = tone(rng, "red", "blue", "white", "pink", "yellow", "purple", besides=paint)
        for number, dx in enumerate(np.linspace(-0.65, 0.65, int(rng.integers(4, 7))), 1):
            x, y = dx * wide, -tall * (0.75 + rng.uniform(-0.35, 0.4))
            node = sketch.part(f"{word}{number}", word, color)
            if word == "berry":
                sketch.fill(node, ellipse(x, y, 0.105, count=12))
            else:
                angles = np.radians(np.arange(0, 360, 36))
                star = [
                    (x + r * float(np.cos(a)), y + r * float(np.sin(a)))
                    for a, r in zip(angles, (0.17, 0.09) * 5, strict=True)
                ]
                sketch.fill(node, smooth(star, 3))
                sketch.fill(node, ellipse(x, y, 0.05, count=8), paint=PALE, shade=-0.2)
    return sketch.drawing({"top": (0.0, -1.55 * tall)})


def flower(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A flower: stem with leaves, blossom with petals in the main paint around a center; or a tulip."""
    sketch = Sketch("flower", paint)
    green = tone(rng, "green", besides=paint) if paint.color != "green" else tone(rng, "teal")
    high, sway = rng.uniform(0.9, 1.3), rng.uniform(-0.12, 0.12)
    sketch.part("stem", "stem", green)
    sketch.fill("stem", stroke(path([(0.0, 0.0), (sway, -0.5 * high), (0.0, -high)]), 0.075))
    for number, side in enumerate((-1, 1), 1):
        base = -rng.uniform(0.2, 0.45) * high
        sketch.part(f"leaf{number}", "leaf", green)
        leaf = smooth(
            [(0.5 * sway, base), (side * 0.2, base - 0.2), (side * 0.42, base - 0.22), (side * 0.26, base - 0.02)], 4
        )
        sketch.fill(f"leaf{number}", leaf, shade=-0.12 * number)
    if pose == "tulip":
        sketch.part("blossom", "blossom")
        cup = [
            (-0.3, -high - 0.5),
            (-0.15, -high - 0.34),
            (0.0, -high - 0.58),
            (0.15, -high - 0.34),
            (0.3, -high - 0.5),
            (0.28, -high - 0.1),
            (0.0, -high + 0.06),
            (-0.28, -high - 0.1),
        ]
        sketch.fill("blossom", rounded(cup, 0.12))
        sketch.fill(
            "blossom",
            smooth([(0.0, -high - 0.56), (0.13, -high - 0.25), (0.0, -high + 0.02), (-0.13, -high - 0.25)]),
            shade=-0.16,
        )
        return sketch.drawing({"top": (0.0, -high - 0.5)})
    count, reach = int(rng.integers(5, 9)), rng.uniform(0.38, 0.46)
    turn, middle = rng.uniform(0, 60), -high - 0.1
    for number in range(1, count + 1):
        node = sketch.part(f"petal{number}", "petal")
        petal = ellipse(0.58 * reach, middle, 0.45 * reach, 1.15 * reach / count + 0.06, 14)
        sketch.fill(
            node, rotate(petal, turn + 360 * number / count, (0.0, middle)), shade=-0.12 if number % 2 else 0.04
        )
    sketch.part("center", "center", tone(rng, "yellow", "orange", "brown", "white", besides=paint))
    sketch.fill("center", ellipse(0.0, middle, 0.17, count=16))
    return sketch.drawing({"top": (0.0, middle)})


def mushroom(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A mushroom: cap in the main paint with pale spots on a thick stem."""
    sketch = Sketch("mushroom", paint)
    wide, tall = rng.uniform(0.4, 0.55), rng.uniform(0.34, 0.5)
    sketch.part("stem", "stem", tone(rng, "white", "yellow", besides=paint))
    sketch.fill(
        "stem",
        smooth([(-0.16, -0.5), (-0.14, -0.2), (-0.22, -0.03), (0.0, 0.0), (0.22, -0.03), (0.14, -0.2), (0.16, -0.5)]),
    )
    sketch.part("cap", "cap")
    sketch.fill(
        "cap",
        smooth(
            [
                (-wide, -0.48),
                (-0.7 * wide, -0.48 - 0.8 * tall),
                (0.0, -0.5 - tall),
                (0.7 * wide, -0.48 - 0.8 * tall),
                (wide, -0.48),
                (0.0, -0.4),
            ]
        ),
    )
    spot = tone(rng, "white", "yellow", besides=paint)
    for number, (dx, dy, radius) in enumerate(
        ((-0.5, 0.35, 0.07), (0.05, 0.7, 0.085), (0.5, 0.3, 0.075), (-0.05, 0.25, 0.06)), 1
    ):
        sketch.part(f"cap/spot{number}", "spot", spot)
        sketch.fill(f"cap/spot{number}", ellipse(dx * wide, -0.48 - dy * tall, radius, 0.85 * radius, 12))
    return sketch.drawing({"top": (0.0, -0.5 - tall)})


_LEAVES = ("green", "green", "green", "yellow", "orange", "red", "teal")
KINDS: tuple[Kind, ...] = (
    Kind(
        "tree",
        "trees",
        tree,
        (3.5, 6.0),
        frozenset({"street", "park", "farm", "lake", "yard"}),
        "ground",
        "plant",
        ("gives shade", "is a plant", "bears fruit", "birds live in it", "grows", "is tall"),
        colors=(*_LEAVES, "pink", "brown"),
    ),
    Kind(
        "pine tree",
        "pine trees",
        pine,
        (3.5, 6.5),
        frozenset({"snow", "lake", "park", "farm"}),
        "ground",
        "plant",
        ("is a plant", "grows", "is green in winter", "is tall", "gives wood"),
        ("", "snowy"),
        ("green", "teal"),
    ),
    Kind(
        "palm tree",
        "palm trees",
        palm,
        (4.0, 6.0),
        frozenset({"beach"}),
        "ground",
        "plant",
        ("gives shade", "is a plant", "bears fruit", "grows", "is tall"),
        colors=("green", "teal", "yellow"),
    ),
    Kind(
        "bush",
        "bushes",
        bush,
        (0.9, 1.5),
        frozenset({"street", "park", "farm", "lake", "yard"}),
        "ground",
        "plant",
        ("is a plant", "grows", "hiding place"),
        colors=("green", "green", "teal", "yellow", "orange", "red"),
    ),
    Kind(
        "flower",
        "flowers",
        flower,
        (0.4, 0.8),
        frozenset({"park", "farm", "yard", "lake"}),
        "ground",
        "plant",
        ("is a plant", "grows", "smells good", "is a gift", "bees like it"),
        ("daisy", "tulip"),
        ("red", "yellow", "pink", "purple", "blue", "white", "orange"),
    ),
    Kind(
        "mushroom",
        "mushrooms",
        mushroom,
        (0.25, 0.45),
        frozenset({"park", "farm", "lake"}),
        "ground",
        "plant",
        ("grows", "can be poisonous"),
        colors=("red", "brown", "orange", "white", "yellow", "gray"),
    ),
)
"""The plants of the world."""
