"""Things of leisure outdoors: parasol, tent, snowman, slide, swing, sandcastle, sled."""

import numpy as np

from mglmm.world.drawing import Drawing, Kind, Paint
from mglmm.world.kinds.materials import IRON, PALE, TIMBER, material, tone
from mglmm.world.kinds.outlines import (
    XY,
    capsule,
    ellipse,
    path,
    polygon,
    rectangle,
    rotate,
    rounded,
    rounded_rectangle,
    smooth,
    stroke,
)
from mglmm.world.kinds.sketch import DARK, METAL, Sketch

SAND = material(222, 190, 132)


def parasol(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A parasol: round canopy in the main paint, often with gores of another color, a pole and a knob; may lean."""
    sketch = Sketch("parasol", paint)
    wide, rise, high = rng.uniform(0.9, 1.2), rng.uniform(0.45, 0.6), rng.uniform(1.5, 1.8)
    lean = rng.uniform(-12, 12)

    def tilt(points: np.ndarray) -> np.ndarray:
        """The points turned by the lean of the parasol around its foot."""
        return rotate(points, lean)

    sketch.part("pole", "pole", TIMBER if rng.random() < 0.5 else METAL)
    sketch.fill("pole", tilt(rectangle(-0.04, -high - 0.1, 0.04, 0.0)))
    sketch.part("canopy", "canopy")
    edges = np.linspace(-wide, wide, 7)
    dome = [(wide * float(np.cos(a)), -high - rise * float(np.sin(a))) for a in np.radians(np.linspace(180, 0, 13))]
    sketch.fill("canopy", tilt(np.array(dome)))
    if paint.pattern == "plain" and rng.random() < 0.7:
        cloth = tone(rng, "white", "yellow", "red", "blue", "orange", "pink", besides=paint)
        for number, (a, b) in enumerate(((1, 2), (4, 5)) if rng.random() < 0.5 else ((1, 2), (3, 4), (5, 6)), 1):
            node = sketch.part(f"canopy/stripe{number}", "stripe", cloth)
            seams = [(float(edges[a]), f) for f in (1.0, 0.75, 0.4, 0.08)] + [
                (float(edges[b]), f) for f in (0.08, 0.4, 0.75, 1.0)
            ]
            sketch.fill(node, tilt(np.array([(x * f, -high - 0.995 * rise * np.sqrt(1 - f * f)) for x, f in seams])))
    sketch.part("knob", "knob", TIMBER)
    sketch.fill("knob", tilt(ellipse(0.0, -high - rise - 0.04, 0.09, count=12)))
    return sketch.drawing({"shade": (0.4 * wide, 0.0)})


def tent(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A tent from the front: cloth in the main paint, an entrance (open with flaps, or closed), ropes, a flag."""
    sketch = Sketch("tent", paint, pose)
    half, tall = rng.uniform(1.1, 1.5), rng.uniform(1.3, 1.6)
    for number, side in enumerate((-1, 1), 1):
        node = sketch.part(f"rope{number}", "rope", PALE)
        sketch.fill(node, stroke([(side * 0.06, -tall + 0.02), (side * (half + 0.45), -0.04)], 0.045))
        sketch.fill(
            node, capsule((side * (half + 0.42), -0.14), (side * (half + 0.47), -0.04), 0.04, steps=3), paint=TIMBER
        )
    sketch.fill("", polygon((-half, 0.0), (-0.05, -tall), (0.05, -tall), (half, 0.0)))
    sketch.fill("", polygon((0.05, -tall), (half, 0.0), (half - 0.25, 0.0)), shade=-0.2)
    mouth = rng.uniform(0.4, 0.5) * half
    sketch.part(
        "entrance",
        "entrance",
        material(52, 44, 40) if pose == "open" else tone(rng, "white", "gray", "brown", "yellow", besides=paint),
        pose,
    )
    sketch.fill("entrance", polygon((-mouth, 0.0), (0.0, -0.72 * tall), (mouth, 0.0)))
    if pose == "open":
        flap = tone(rng, "white", "gray", "brown", "yellow", "orange", besides=paint)
        for number, side in enumerate((-1, 1), 1):
            node = sketch.part(f"flap{number}", "flap", flap)
            sketch.fill(
                node,
                polygon(
                    (0.0, -0.72 * tall),
                    (side * mouth * 0.62, 0.0),
                    (side * mouth * 1.35, 0.0),
                    (side * mouth * 0.95, -0.3 * tall),
                ),
            )
    else:
        sketch.fill("entrance", rectangle(-0.02, -0.68 * tall, 0.02, 0.0), paint=DARK)
    sketch.part("flag", "flag", tone(rng, "red", "yellow", "blue", "white", "green", besides=paint))
    sketch.fill("flag", rectangle(-0.03, -tall - 0.42, 0.03, -tall), paint=IRON)
    sketch.fill("flag", polygon((0.03, -tall - 0.42), (0.5, -tall - 0.28), (0.03, -tall - 0.14)))
    return sketch.drawing({"inside": (0.0, 0.0)})


def snowman(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A snowman: white body, head with hat, carrot nose and eyes, scarf, arms, buttons."""
    sketch = Sketch("snowman", paint)
    low, mid, top = rng.uniform(0.5, 0.58), rng.uniform(0.36, 0.42), rng.uniform(0.26, 0.3)
    mid_y = -1.75 * low - 0.6 * mid
    top_y = mid_y - 0.85 * mid - 0.75 * top
    for number, side in enumerate((-1, 1), 1):
        node = sketch.part(f"arm{number}", "arm", TIMBER)
        a: XY = (side * 0.8 * mid, mid_y - 0.1)
        b: XY = (side * (mid + 0.42), mid_y - rng.uniform(0.1, 0.4))
        sketch.fill(node, stroke([a, b], 0.075, 0.05))
        sketch.fill(
            node, stroke([(0.4 * a[0] + 0.6 * b[0], 0.4 * a[1] + 0.6 * b[1]), (b[0] - side * 0.02, b[1] - 0.16)], 0.045)
        )
    sketch.part("body", "body")
    sketch.fill("body", ellipse(0.0, -0.94 * low, low, 0.94 * low, 24), shade=-0.06)
    sketch.fill("body", ellipse(0.0, mid_y, mid, count=22))
    button = tone(rng, "black", "red", "blue", "brown")
    for number, y in enumerate((mid_y - 0.05, mid_y + 0.2, -low), 1):
        node = sketch.part(f"body/button{number}", "button", button)
        sketch.fill(node, ellipse(0.02, y, 0.065, count=12))
    sketch.part("head", "head")
    sketch.fill("head", ellipse(0.0, top_y, top, count=20))
    for x in (-0.09, 0.11):
        sketch.fill("head", ellipse(x, top_y - 0.06, 0.035, count=8), paint=DARK)
    sketch.fill(
        "head", stroke(path([(-0.1, top_y + 0.11), (0.02, top_y + 0.16), (0.13, top_y + 0.11)], 3), 0.03), paint=DARK
    )
    sketch.part("head/nose", "nose", tone(rng, "orange"))
    sketch.fill("head/nose", polygon((0.0, top_y - 0.04), (0.34, top_y + 0.04), (0.0, top_y + 0.07)))
    brim = top_y - 0.72 * top
    _add_snowman_hat(sketch, rng, brim)
    neck = top_y + 0.92 * top
    sketch.part(
        "scarf",
        "scarf",
        Paint(
            tone(rng, "red", "blue", "green", "purple", "orange", "pink").color,
            "striped" if rng.random() < 0.4 else "plain",
        ),
    )
    sketch.fill(
        "scarf", rounded([(0.08, neck), (0.24, neck), (0.28, neck + 0.42), (0.1, neck + 0.42)], 0.03), shade=-0.12
    )
    sketch.fill("scarf", rounded_rectangle(-0.27, neck - 0.08, 0.27, neck + 0.08, 0.07))
    return sketch.drawing({"head": (0.0, brim - 0.3), "hand": (mid + 0.42, mid_y - 0.3)})


def _add_snowman_hat(sketch: Sketch, rng: np.random.Generator, brim: float) -> None:
    """Adds a top hat with a band, or a woolen cap with a bobble, whose brim is at the height `brim`."""
    hat = tone(rng, "black", "red", "blue", "green", "brown")
    sketch.part("head/hat", "hat", hat)
    if rng.random() < 0.6:
        sketch.fill("head/hat", rectangle(-0.2, brim - 0.34, 0.2, brim))
        sketch.fill("head/hat", rounded_rectangle(-0.32, brim - 0.04, 0.32, brim + 0.05, 0.04))
        sketch.part("head/hat/band", "band", tone(rng, "red", "yellow", "white", besides=hat))
        sketch.fill("head/hat/band", rectangle(-0.2, brim - 0.15, 0.2, brim - 0.04))
    else:
        sketch.fill(
            "head/hat",
            smooth(
                [
                    (-0.26, brim + 0.08),
                    (-0.2, brim - 0.16),
                    (0.0, brim - 0.28),
                    (0.2, brim - 0.16),
                    (0.26, brim + 0.08),
                    (0.0, brim + 0.02),
                ]
            ),
        )
        sketch.fill("head/hat", ellipse(0.0, brim - 0.32, 0.09, count=12), shade=0.3)


def slide(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A slide from the side: chute in the main paint, ladder with rungs, platform, rail."""
    sketch = Sketch("slide", paint)
    high, run = rng.uniform(1.5, 1.9), rng.uniform(1.6, 2.1)
    frame = tone(rng, "red", "blue", "yellow", "gray", "green", besides=paint)
    ladder = sketch.part("ladder", "ladder", frame)
    for x in (-0.62, -0.3):
        sketch.fill(ladder, stroke([(x - 0.16, 0.0), (x + 0.16, -high - 0.45 if x < -0.5 else -high)], 0.09))
    for i in range(1, 6):
        y = -high * i / 6
        shift = 0.32 * i / 6
        sketch.fill(ladder, stroke([(-0.76 + shift, y), (-0.46 + shift, y)], 0.07), shade=-0.25)
    sketch.part("support", "support", frame)
    sketch.fill("support", stroke([(0.18, -high), (0.28, 0.0)], 0.08), shade=-0.3)
    sketch.part("platform", "platform", tone(rng, "brown", "gray", "white", besides=paint))
    sketch.fill("platform", rounded_rectangle(-0.5, -high - 0.06, 0.22, -high + 0.06, 0.03))
    sketch.part("rail", "rail", frame)
    sketch.fill(
        "rail",
        stroke(path([(-0.46, -high - 0.44), (0.0, -high - 0.46), (0.3, -high - 0.36), (0.42, -high + 0.02)]), 0.07),
    )
    sketch.part("chute", "chute")
    line = path([(0.1, -high), (0.45, -0.84 * high), (0.75 * run, -0.42), (run, -0.19), (run + 0.3, -0.12)], 4)
    sketch.fill("chute", stroke(line, 0.22))
    sketch.fill("chute", stroke(_raised(line), 0.06), shade=-0.25)
    return sketch.drawing({"seat": (-0.1, -high), "top": (0.0, -high)})


def _raised(line: np.ndarray) -> np.ndarray:
    """The side board of a chute: its line a little higher."""
    return line - np.array([0.0, 0.08])


def swing(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A swing from the front: frame in the main paint with two pairs of legs, one or two seats on ropes."""
    sketch = Sketch("swing", paint)
    half, high = rng.uniform(1.2, 1.5), rng.uniform(1.9, 2.2)
    sketch.part("frame", "frame")
    for side in (-1, 1):
        sketch.fill("frame", stroke([(side * (half - 0.1), -high), (side * (half + 0.25), 0.0)], 0.12))
        sketch.fill("frame", stroke([(side * (half - 0.1), -high), (side * (half - 0.35), 0.0)], 0.1), shade=-0.2)
    sketch.fill("frame", rounded_rectangle(-half - 0.1, -high - 0.1, half + 0.1, -high + 0.08, 0.05))
    board = tone(rng, "red", "yellow", "brown", "black", "green", besides=paint)
    seats = (0.0,) if pose == "single" else (-0.5 * half, 0.42 * half)
    for number, x in enumerate(seats, 1):
        rope, seat = sketch.part(f"rope{number}", "rope", IRON), sketch.part(f"seat{number}", "seat", board)
        low = -rng.uniform(0.45, 0.6)
        for dx in (-0.22, 0.22):
            sketch.fill(rope, rectangle(x + dx - 0.025, -high, x + dx + 0.025, low))
        sketch.fill(seat, rounded_rectangle(x - 0.32, low - 0.05, x + 0.32, low + 0.08, 0.04))
    return sketch.drawing({"seat": (seats[0], -0.55)})


def sandcastle(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A sandcastle: battlements, two towers with flags in the paint given, a gate; its sand has no told color."""
    sketch = Sketch("sandcastle", SAND)
    wall = rng.uniform(0.4, 0.55)
    sketch.part("wall", "wall")
    sketch.fill("wall", rounded([(-0.85, 0.0), (-0.7, -wall), (0.7, -wall), (0.85, 0.0)], 0.06))
    for x in np.linspace(-0.6, 0.6, 5):
        sketch.fill("wall", rectangle(x - 0.08, -wall - 0.12, x + 0.08, -wall + 0.05))
    for number, side in enumerate((-1, 1), 1):
        high = rng.uniform(0.75, 1.0)
        x = 0.62 * side
        flag = sketch.part(f"flag{number}", "flag", paint)
        sketch.fill(flag, rectangle(x - 0.025, -high - 0.5, x + 0.025, -high), paint=TIMBER)
        sketch.fill(flag, polygon((x + 0.02, -high - 0.5), (x + 0.38, -high - 0.37), (x + 0.02, -high - 0.22)))
        tower = sketch.part(f"tower{number}", "tower")
        sketch.fill(tower, polygon((x - 0.27, 0.0), (x - 0.22, -high), (x + 0.22, -high), (x + 0.27, 0.0)), shade=0.12)
        for dx in (-0.2, 0.0, 0.2):
            sketch.fill(tower, rectangle(x + dx - 0.06, -high - 0.12, x + dx + 0.06, -high + 0.04), shade=0.12)
        sketch.fill(
            tower, rounded_rectangle(x - 0.05, -0.7 * high - 0.1, x + 0.05, -0.7 * high + 0.1, 0.05), shade=-0.45
        )
    sketch.part("gate", "gate", material(92, 70, 46))
    sketch.fill("gate", rounded([(-0.17, 0.0), (-0.17, -0.36), (0.17, -0.36), (0.17, 0.0)], 0.15))
    return sketch.drawing()


def sled(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A sled from the side: seat board in the main paint, posts, a runner bent up in front, a rope."""
    sketch = Sketch("sled", paint)
    length = rng.uniform(1.0, 1.3)
    runner = sketch.part("runner", "runner", tone(rng, "brown", "black", "gray", "red", besides=paint))
    sketch.fill(
        runner,
        stroke(
            path(
                [
                    (0.0, -0.05),
                    (0.5 * length, -0.05),
                    (length, -0.05),
                    (length + 0.22, -0.16),
                    (length + 0.24, -0.36),
                    (length + 0.1, -0.42),
                ]
            ),
            0.09,
        ),
    )
    for number, x in enumerate((0.15, 0.5 * length, length - 0.1), 1):
        node = sketch.part(f"post{number}", "post", sketch.paints[runner])
        sketch.fill(node, rectangle(x - 0.05, -0.4, x + 0.05, -0.08), shade=-0.2)
    sketch.part("seat", "seat")
    sketch.fill("seat", rounded_rectangle(-0.06, -0.5, length + 0.08, -0.35, 0.05))
    sketch.fill("seat", rectangle(-0.04, -0.43, length + 0.06, -0.41), shade=-0.35)
    rope = sketch.part("rope", "rope", PALE)
    sketch.fill(rope, stroke(path([(length + 0.12, -0.42), (length + 0.42, -0.28), (length + 0.62, -0.62)], 5), 0.045))
    return sketch.drawing({"seat": (0.45 * length, -0.48), "hand": (length + 0.62, -0.62)})


_BRIGHT = ("red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "white")
KINDS: tuple[Kind, ...] = (
    Kind(
        "parasol",
        "parasols",
        parasol,
        (1.9, 2.4),
        frozenset({"beach", "yard", "park"}),
        "ground",
        "shelter",
        ("gives shade", "protects from sun"),
        colors=_BRIGHT,
        patterns=("plain", "striped", "dotted", "checked"),
    ),
    Kind(
        "tent",
        "tents",
        tent,
        (1.5, 2.1),
        frozenset({"lake", "park", "snow", "yard", "beach"}),
        "ground",
        "shelter",
        ("shelter", "sleep", "keeps out rain", "camping"),
        ("open", "closed"),
        ("red", "orange", "yellow", "green", "teal", "blue", "purple", "brown", "gray"),
    ),
    Kind(
        "snowman",
        "snowmen",
        snowman,
        (1.2, 1.8),
        frozenset({"snow"}),
        "ground",
        "toy",
        ("melts", "made of snow", "play"),
        colors=("white",),
    ),
    Kind(
        "slide",
        "slides",
        slide,
        (1.8, 2.4),
        frozenset({"park", "yard"}),
        "ground",
        "toy",
        ("play", "children play on it", "climb"),
        colors=("red", "orange", "yellow", "green", "teal", "blue", "purple", "pink"),
    ),
    Kind(
        "swing",
        "swings",
        swing,
        (2.0, 2.5),
        frozenset({"park", "yard"}),
        "ground",
        "toy",
        ("play", "children play on it", "sit"),
        ("single", "double"),
        ("red", "green", "blue", "yellow", "brown", "gray", "purple", "teal"),
    ),
    Kind(
        "sandcastle",
        "sandcastles",
        sandcastle,
        (0.5, 0.9),
        frozenset({"beach"}),
        "ground",
        "toy",
        ("play", "made of sand"),
        colors=_BRIGHT,
    ),
    Kind(
        "sled",
        "sleds",
        sled,
        (0.45, 0.6),
        frozenset({"snow"}),
        "ground",
        "toy",
        ("play", "transport", "sit", "slides on snow"),
        colors=("red", "blue", "green", "yellow", "orange", "purple", "brown"),
    ),
)
"""The outdoor toys and shelters of the world."""
