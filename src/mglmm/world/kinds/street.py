"""Things of the street: street lamp, traffic light, sign, mailbox, hydrant, trash can, bench, fence."""

import numpy as np

from mglmm.world.drawing import Drawing, Kind, Paint
from mglmm.world.kinds.materials import IRON, LAMP, PALE, TIMBER, tone
from mglmm.world.kinds.outlines import (
    arc,
    ellipse,
    path,
    pie,
    polygon,
    rectangle,
    rounded,
    rounded_rectangle,
    stroke,
)
from mglmm.world.kinds.sketch import DARK, METAL, Sketch


def bench(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A bench from the front: slatted backrest and seat in the main paint, legs, armrests."""
    sketch = Sketch("bench", paint)
    half, tall = rng.uniform(0.75, 1.05), rng.uniform(0.85, 1.0)
    sketch.part("backrest", "backrest")
    slats = int(rng.integers(2, 4))
    for i in range(slats):
        low = -0.52 - (tall - 0.52) * i / slats
        sketch.fill(
            "backrest",
            rounded_rectangle(-half + 0.04, low - 0.78 * (tall - 0.52) / slats, half - 0.04, low, 0.03),
            shade=-0.1,
        )
    for x in (-0.7 * half, 0.7 * half):
        sketch.fill("backrest", rectangle(x - 0.04, -tall, x + 0.04, -0.45), paint=IRON)
    for number, side in enumerate((-1, 1), 1):
        node = sketch.part(f"leg{number}", "leg", IRON)
        x = side * (half - 0.12)
        sketch.fill(node, polygon((x - 0.06, -0.4), (x + 0.06, -0.4), (x + 0.09, 0.0), (x - 0.09, 0.0)))
    sketch.part("seat", "seat")
    sketch.fill("seat", rounded_rectangle(-half, -0.47, half, -0.31, 0.03))
    sketch.fill("seat", rectangle(-half + 0.02, -0.4, half - 0.02, -0.375), shade=-0.4)
    if rng.random() < 0.7:
        for number, side in enumerate((-1, 1), 1):
            node = sketch.part(f"armrest{number}", "armrest", IRON)
            x = side * (half - 0.02)
            sketch.fill(node, rectangle(x - 0.035, -0.66, x + 0.035, -0.3))
            sketch.fill(node, rounded_rectangle(x - 0.07, -0.72, x + 0.07, -0.63, 0.04))
    return sketch.drawing({"seat": (0.0, -0.44), "surface": (0.4 * half, -0.44)})


def street_lamp(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A street lamp: pole in the main paint, lamps (lit or not) as a lantern on top or on one or two curved arms."""
    lit = bool(rng.random() < 0.5)
    sketch = Sketch("street lamp", paint, "lit" if lit else None)
    high = rng.uniform(2.3, 3.0)
    sketch.part("pole", "pole")
    sketch.fill("pole", polygon((-0.13, -0.3), (-0.1, -high), (0.1, -high), (0.13, -0.3)))
    sketch.fill("pole", rounded([(-0.28, 0.0), (-0.18, -0.4), (0.18, -0.4), (0.28, 0.0)], 0.05), shade=-0.12)
    glow = LAMP if lit else PALE
    if pose == "lantern":
        lamp = sketch.part("lamp", "lamp", glow, "lit" if lit else None)
        sketch.fill(
            lamp,
            polygon((-0.22, -high), (-0.34, -high - 0.66), (0.34, -high - 0.66), (0.22, -high)),
            0.0 if lit else -0.2,
        )
        for x in (-0.03, 0.03):
            sketch.fill(lamp, stroke([(x, -high), (x * 1.6, -high - 0.66)], 0.025), paint=IRON)
        sketch.fill("pole", rectangle(-0.24, -high - 0.05, 0.24, -high + 0.06))
        sketch.part("cap", "cap")
        sketch.fill("cap", polygon((-0.44, -high - 0.62), (0.0, -high - 0.98), (0.44, -high - 0.62)), shade=-0.12)
        return sketch.drawing({"top": (0.0, -high - 0.98)})
    for number, side in enumerate((1, -1) if pose == "double" else (1,), 1):
        arm = path([(0.0, -high + 0.05), (side * 0.15, -high - 0.3), (side * 0.6, -high - 0.32)], 5)
        sketch.fill("pole", stroke(arm, 0.17))
        node = sketch.part(f"lamp{number}", "lamp", glow, "lit" if lit else None)
        x = side * 0.76
        sketch.fill(node, pie(x, -high - 0.28, 0.34, 0.32, 0, 180), 0.0 if lit else -0.2)
        sketch.fill(
            node,
            rounded(
                [(x - 0.42, -high - 0.2), (x - 0.25, -high - 0.5), (x + 0.25, -high - 0.5), (x + 0.42, -high - 0.2)],
                0.05,
            ),
            paint=paint,
        )
    return sketch.drawing({"top": (0.0, -high)})


def traffic_light(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A traffic light: pole, housing in the main paint, three lights; `pose` is the color of the one that is lit."""
    sketch = Sketch("traffic light", paint)
    high, half = rng.uniform(0.9, 1.5), 0.32
    sketch.part("pole", "pole", IRON)
    sketch.fill("pole", rectangle(-0.09, -high, 0.09, 0.0))
    sketch.fill("pole", rounded_rectangle(-0.22, -0.14, 0.22, 0.0, 0.05), shade=-0.2)
    sketch.part("housing", "housing")
    sketch.fill("housing", rounded_rectangle(-half, -high - 1.5, half, -high + 0.02, 0.12))
    for i, color in enumerate(("red", "yellow", "green")):
        y, lit = -high - 1.23 + 0.49 * i, color == pose
        sketch.fill(
            "housing", arc(0.0, y - 0.03, 0.23, 0.05, 180, 360, 10), shade=-0.5 if paint.color != "black" else 0.3
        )
        # A lamp that is off is black glass: only the lit one shows its color, so that text about it is true.
        node = sketch.part(f"light{i + 1}", "light", Paint(color) if lit else DARK, "lit" if lit else None)
        sketch.fill(node, ellipse(0.0, y, 0.21), shade=0.0 if lit else 0.12)
        sketch.fill(node, ellipse(-0.06, y - 0.07, 0.05, 0.04, 8), shade=0.6 if lit else 0.3)
    return sketch.drawing({"top": (0.0, -high - 1.5)})


def sign(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A road sign on a pole: round, triangular, square or eight-sided plate in the main paint with a rim and a mark."""
    sketch = Sketch("sign", paint)
    high, size = rng.uniform(1.0, 1.5), rng.uniform(0.42, 0.54)
    sketch.part("pole", "pole", METAL)
    sketch.fill("pole", rectangle(-0.065, -high - 0.2, 0.065, 0.0))
    node = sketch.part("plate", "plate")
    corners, turn = {"round": (24, 0.0), "triangle": (3, -90.0), "square": (4, 45.0), "stop": (8, 22.5)}[pose]
    angles = np.radians(turn + 360 * np.arange(corners) / corners)
    rim = np.stack([np.cos(angles), np.sin(angles)], axis=1) * size * (1.25 if corners < 5 else 1.0)
    center = np.array([0.0, -high - size * (0.7 if pose == "triangle" else 0.9)])
    ink = tone(rng, "white", besides=paint) if paint.color not in ("white", "yellow") else tone(rng, "black")
    sketch.fill(node, center + rim)
    sketch.fill(node, center + rim * 0.9, paint=ink)
    sketch.fill(node, center + rim * 0.8)
    mark = sketch.part("plate/mark", "mark", ink)
    y = float(center[1]) + (0.06 if pose == "triangle" else 0.0)
    style = int(rng.integers(3))
    s = size * (0.75 if pose == "triangle" else 1.0)
    if style == 0:
        sketch.fill(mark, rounded_rectangle(-0.5 * s, y - 0.15 * s, 0.5 * s, y + 0.15 * s, 0.02))
    elif style == 1:
        sketch.fill(
            mark,
            polygon(
                (0.0, y - 0.5 * s),
                (0.4 * s, y - 0.05 * s),
                (0.14 * s, y - 0.05 * s),
                (0.14 * s, y + 0.45 * s),
                (-0.14 * s, y + 0.45 * s),
                (-0.14 * s, y - 0.05 * s),
                (-0.4 * s, y - 0.05 * s),
            ),
        )
    else:
        sketch.fill(mark, rounded_rectangle(-0.11 * s, y - 0.5 * s, 0.11 * s, y + 0.16 * s, 0.03))
        sketch.fill(mark, ellipse(0.0, y + 0.36 * s, 0.13 * s, count=10))
    return sketch.drawing({"top": (0.0, float(center[1]) - size)})


def mailbox(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A mailbox: on a post with a door and a flag, or a standing one with a slot and a plate."""
    sketch = Sketch("mailbox", paint)
    accent = tone(rng, "white", "yellow", "red", "black", besides=paint)
    if pose == "standing":
        for x in (-0.22, 0.22):
            sketch.fill("", rectangle(x - 0.05, -0.2, x + 0.05, 0.0), shade=-0.4)
        top = -rng.uniform(0.85, 1.1)
        sketch.fill(
            "",
            rounded(
                [
                    (-0.34, -0.12),
                    (-0.34, top - 0.1),
                    (-0.2, top - 0.3),
                    (0.2, top - 0.3),
                    (0.34, top - 0.1),
                    (0.34, -0.12),
                ],
                0.14,
            ),
        )
        sketch.part("slot", "slot", DARK)
        sketch.fill("slot", rounded_rectangle(-0.24, top - 0.08, 0.24, top + 0.02, 0.03))
        sketch.part("plate", "plate", accent)
        sketch.fill("plate", rounded_rectangle(-0.2, top + 0.18, 0.2, top + 0.44, 0.03))
        sketch.fill("plate", stroke([(-0.2, top + 0.19), (0.0, top + 0.33)], 0.03), shade=-0.4)
        sketch.fill("plate", stroke([(0.0, top + 0.33), (0.2, top + 0.19)], 0.03), shade=-0.4)
        return sketch.drawing({"inside": (0.0, top)})
    high = rng.uniform(0.8, 1.0)
    sketch.part("post", "post", TIMBER)
    sketch.fill("post", rectangle(-0.07, -high - 0.05, 0.07, 0.0))
    sketch.part("flag", "flag", accent, "up")
    sketch.fill("flag", rectangle(0.14, -high - 0.72, 0.2, -high - 0.25))
    sketch.fill("flag", rectangle(0.14, -high - 0.74, 0.38, -high - 0.56))
    sketch.fill("", rounded([(-0.4, -high), (-0.4, -high - 0.46), (0.4, -high - 0.46), (0.4, -high)], 0.2))
    sketch.part("door", "door")
    sketch.fill(
        "door",
        rounded([(-0.42, -high + 0.02), (-0.42, -high - 0.44), (-0.16, -high - 0.44), (-0.16, -high + 0.02)], 0.12),
        shade=-0.25,
    )
    sketch.part("door/handle", "handle", METAL)
    sketch.fill("door/handle", rounded_rectangle(-0.34, -high - 0.3, -0.24, -high - 0.16, 0.03))
    return sketch.drawing({"inside": (0.0, -high - 0.2)})


def hydrant(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A fire hydrant: body and cap in the main paint, side outlets in another color, base."""
    sketch = Sketch("hydrant", paint)
    wide, tall = rng.uniform(0.2, 0.25), rng.uniform(0.55, 0.7)
    accent = tone(rng, "white", "yellow", "gray", "blue", "red", besides=paint)
    for number, side in enumerate((-1, 1), 1):
        node = sketch.part(f"outlet{number}", "outlet", accent)
        a, b = sorted((side * 0.8 * wide, side * (wide + 0.16)))
        sketch.fill(node, rounded_rectangle(a, -0.62 * tall - 0.1, b, -0.62 * tall + 0.1, 0.04))
    sketch.fill("", rectangle(-wide, -tall, wide, -0.08))
    sketch.fill("", rounded_rectangle(-wide - 0.08, -0.12, wide + 0.08, 0.0, 0.03), shade=-0.2)
    sketch.part("cap", "cap", accent if rng.random() < 0.4 else None)
    sketch.fill("cap", pie(0.0, -tall, 1.05 * wide, 0.2, 180, 360), shade=-0.12)
    sketch.fill("cap", rounded_rectangle(-wide - 0.06, -tall - 0.06, wide + 0.06, -tall + 0.04, 0.03), shade=-0.25)
    sketch.fill("cap", rectangle(-0.05, -tall - 0.28, 0.05, -tall - 0.15), shade=-0.25)
    sketch.part("outlet3", "outlet", accent)
    sketch.fill("outlet3", ellipse(0.0, -0.6 * tall, 0.13, count=16))
    sketch.fill("outlet3", ellipse(0.0, -0.6 * tall, 0.05, count=6), shade=-0.4)
    return sketch.drawing()


def trash_can(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A trash can: ribbed bin in the main paint with a lid (closed, or open with trash in it) and wheels."""
    sketch = Sketch("trash can", paint, pose)
    wide, tall = rng.uniform(0.3, 0.36), rng.uniform(0.8, 0.95)
    if pose == "open":
        for number, (x, radius) in enumerate(((-0.12, 0.15), (0.12, 0.17)), 1):
            bag = sketch.part(f"bag{number}", "bag", tone(rng, "black", "white", "blue", "gray", besides=paint))
            sketch.fill(bag, ellipse(x, -tall - 0.03, radius, count=14))
    for number, side in enumerate((-1, 1), 1):
        node = sketch.part(f"wheel{number}", "wheel", DARK)
        sketch.fill(node, ellipse(side * 0.22, -0.09, 0.09, count=14))
    sketch.fill("", rounded([(-wide, -tall), (wide, -tall), (0.8 * wide, -0.06), (-0.8 * wide, -0.06)], 0.05))
    for x in (-0.5, 0.0, 0.5):
        sketch.fill(
            "",
            polygon(
                (x * wide - 0.03, -0.85 * tall),
                (x * wide + 0.03, -0.85 * tall),
                (0.85 * x * wide + 0.03, -0.2),
                (0.85 * x * wide - 0.03, -0.2),
            ),
            shade=-0.25,
        )
    lid = sketch.part(
        "lid", "lid", None if rng.random() < 0.5 else tone(rng, "black", "gray", "yellow", "blue", besides=paint), pose
    )
    if pose == "open":
        outline = [(wide - 0.02, 0.0), (wide + 0.2, -0.5), (wide + 0.3, -0.46), (wide + 0.08, 0.04)]
    else:
        outline = [(-wide - 0.07, 0.03), (-wide + 0.02, -0.14), (wide - 0.02, -0.14), (wide + 0.07, 0.03)]
    sketch.fill(lid, rounded([(x, -tall + y) for x, y in outline], 0.04 if pose == "open" else 0.06), shade=-0.15)
    if pose != "open":
        sketch.part("lid/handle", "handle", METAL)
        sketch.fill("lid/handle", rounded_rectangle(-0.12, -tall - 0.21, 0.12, -tall - 0.11, 0.04))
    return sketch.drawing({"inside": (0.0, -tall)})


def fence(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A piece of fence: pointed boards ("post") and two rails in the main paint."""
    sketch = Sketch("fence", paint)
    count, tall = int(rng.integers(5, 9)), rng.uniform(0.8, 1.0)
    half = 0.14 * count
    sketch.part("rail1", "rail")
    sketch.part("rail2", "rail")
    for number, y in enumerate((-0.3 * tall, -0.72 * tall), 1):
        sketch.fill(f"rail{number}", rectangle(-half - 0.06, y - 0.055, half + 0.06, y + 0.055), shade=-0.25)
    for number, x in enumerate(np.linspace(-half + 0.12, half - 0.12, count), 1):
        node = sketch.part(f"board{number}", "board")
        sketch.fill(
            node,
            polygon((x - 0.08, 0.0), (x - 0.08, -tall), (x, -tall - 0.12), (x + 0.08, -tall), (x + 0.08, 0.0)),
            shade=0.0 if number % 2 else 0.08,
        )
    return sketch.drawing({"top": (0.0, -tall)})


_METALWORK = ("black", "gray", "green", "blue", "white", "brown", "teal", "red")
KINDS: tuple[Kind, ...] = (
    Kind(
        "bench",
        "benches",
        bench,
        (0.85, 1.05),
        frozenset({"street", "park", "beach", "lake", "yard", "snow"}),
        "ground",
        "furniture",
        ("sit", "rest"),
        colors=("brown", "green", "white", "gray", "blue", "red", "orange", "black", "yellow", "teal"),
    ),
    Kind(
        "street lamp",
        "street lamps",
        street_lamp,
        (3.2, 4.5),
        frozenset({"street", "park", "snow", "beach"}),
        "ground",
        "street furniture",
        ("gives light", "light at night", "needs electricity", "is tall"),
        ("lantern", "single", "double"),
        _METALWORK,
    ),
    Kind(
        "traffic light",
        "traffic lights",
        traffic_light,
        (2.8, 3.6),
        frozenset({"street"}),
        "ground",
        "street furniture",
        ("controls traffic", "gives light", "needs electricity", "keeps people safe"),
        ("red", "yellow", "green"),
        ("black", "gray", "green", "blue", "white", "orange", "brown", "yellow"),
    ),
    Kind(
        "sign",
        "signs",
        sign,
        (2.0, 2.6),
        frozenset({"street", "park", "farm", "snow", "beach"}),
        "ground",
        "street furniture",
        ("controls traffic", "gives information", "keeps people safe"),
        ("round", "triangle", "square", "stop"),
        ("red", "blue", "yellow", "green", "white", "orange", "black", "brown"),
    ),
    Kind(
        "mailbox",
        "mailboxes",
        mailbox,
        (1.1, 1.5),
        frozenset({"street", "yard", "farm", "snow"}),
        "ground",
        "street furniture",
        ("post", "holds letters"),
        ("post", "standing"),
        ("red", "blue", "yellow", "green", "white", "gray", "black", "orange", "teal"),
    ),
    Kind(
        "hydrant",
        "hydrants",
        hydrant,
        (0.7, 0.9),
        frozenset({"street", "snow"}),
        "ground",
        "street furniture",
        ("gives water", "puts out fires", "keeps people safe"),
        colors=("red", "yellow", "orange", "blue", "green", "white", "gray"),
    ),
    Kind(
        "trash can",
        "trash cans",
        trash_can,
        (0.9, 1.2),
        frozenset({"street", "park", "yard", "beach"}),
        "ground",
        "street furniture",
        ("holds trash", "keeps the place clean"),
        ("closed", "open"),
        ("green", "gray", "black", "blue", "brown", "yellow", "orange", "red"),
    ),
    Kind(
        "fence",
        "fences",
        fence,
        (0.9, 1.3),
        frozenset({"farm", "yard", "park"}),
        "ground",
        "structure",
        ("keeps animals in", "marks a border"),
        colors=("white", "brown", "gray", "green", "black", "blue", "red", "yellow"),
    ),
)
"""The street furniture of the world."""
