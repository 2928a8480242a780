"""Craft of the water and the air: boat, ship, airplane, helicopter, balloon, kite; side views face right."""

import numpy as np

from mglmm.world.drawing import Drawing, Kind, Paint
from mglmm.world.kinds.materials import GLASS, IRON, TIMBER, tone
from mglmm.world.kinds.outlines import (
    capsule,
    ellipse,
    path,
    polygon,
    rectangle,
    rounded,
    rounded_rectangle,
    smooth,
    stroke,
)
from mglmm.world.kinds.sketch import DARK, METAL, Sketch


def boat(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A boat: hull in the main paint with a stripe; pose "sailing" with mast, sails and flag, "rowing" with oars."""
    sketch = Sketch("boat", paint, "sailing" if pose == "sailing" else None)
    length, deep = rng.uniform(3.0, 3.8), rng.uniform(0.5, 0.65)
    if pose == "sailing":
        _add_sails(sketch, rng, paint, length, deep)
    else:
        for number, x in enumerate((0.3 * length, 0.72 * length), 1):
            sketch.part(f"seat{number}", "seat", TIMBER)
            sketch.fill(f"seat{number}", rounded_rectangle(x - 0.18, -deep - 0.2, x + 0.16, -deep + 0.08, 0.04))
    sketch.part("hull", "hull")
    rise = rng.uniform(0.05, 0.2)
    hull = [
        (0.0, -deep - 0.04),
        (length, -deep - rise),
        (length - 0.32, -0.3),
        (length - 0.75, 0.0),
        (0.42, 0.0),
        (0.1, -0.25),
    ]
    sketch.fill("hull", rounded(hull, 0.22))
    sketch.part("hull/stripe", "stripe", tone(rng, "white", "red", "black", "yellow", "blue", besides=paint))
    top, low = -deep + 0.02, -deep + 0.17
    sketch.fill(
        "hull/stripe", polygon((0.02, top), (length - 0.03, top - rise), (length - 0.14, low - rise), (0.05, low))
    )
    if pose == "rowing":
        sketch.part("oar", "oar", TIMBER)
        sketch.fill("oar", capsule((0.62 * length, -deep - 0.42), (0.36 * length, -0.12), 0.04, steps=4))
        sketch.fill("oar", _oar_blade(0.36 * length, -0.12))
    return sketch.drawing(
        {"seat": (0.36 * length, -deep - 0.1), "inside": (0.36 * length, -deep), "top": (length / 2, -deep)},
        height=1.0 if pose == "sailing" else 0.32,
    )


def _oar_blade(x: float, y: float) -> np.ndarray:
    """The blade of an oar whose shaft ends at (x, y)."""
    return rounded([(x - 0.02, y - 0.1), (x + 0.12, y - 0.02), (x - 0.14, y + 0.12), (x - 0.28, y + 0.04)], 0.05)


def _add_sails(sketch: Sketch, rng: np.random.Generator, paint: Paint, length: float, deep: float) -> None:
    """Adds mast, main sail with a stripe, front sail and flag to a boat."""
    mast, tall = 0.52 * length, rng.uniform(3.0, 3.6)
    sketch.part("mast", "mast", TIMBER)
    sketch.fill("mast", rectangle(mast - 0.06, -deep - tall, mast + 0.06, -deep))
    plain = tone(rng, "white", "white", "red", "yellow", "orange", "blue", besides=paint)
    cloth = Paint(plain.color, "striped" if rng.random() < 0.25 else "plain")
    sketch.part("sail1", "sail", cloth)
    boom = -deep - 0.3
    a, b, c = (mast - 0.1, -deep - tall + 0.15), (mast - 0.1, boom), (0.12 * length, boom)
    sketch.fill("sail1", polygon(a, b, c, (0.5 * (a[0] + c[0]) - 0.14, 0.5 * (a[1] + c[1]) + 0.05)))
    if cloth.pattern == "plain" and rng.random() < 0.7:
        sketch.part("sail1/stripe", "stripe", tone(rng, "red", "blue", "black", "green", besides=cloth))
        t, u = 0.58, 0.8
        sketch.fill(
            "sail1/stripe",
            polygon(
                (a[0], a[1] + t * (b[1] - a[1])),
                (a[0] + t * (c[0] - a[0]) - 0.03, a[1] + t * (c[1] - a[1])),
                (a[0] + u * (c[0] - a[0]) - 0.03, a[1] + u * (c[1] - a[1])),
                (a[0], a[1] + u * (b[1] - a[1])),
            ),
        )
    sketch.part("sail2", "sail", cloth)
    top = -deep - 0.82 * tall
    sketch.fill(
        "sail2", polygon((mast + 0.12, top), (0.96 * length, boom + 0.05), (mast + 0.12, boom + 0.05)), shade=-0.08
    )
    sketch.part("flag", "flag", tone(rng, "red", "blue", "green", "orange", besides=cloth))
    sketch.fill("flag", polygon((mast, -deep - tall), (mast + 0.6, -deep - tall + 0.16), (mast, -deep - tall + 0.34)))


def ship(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A ship: hull in the main paint with round windows and an anchor, cabin with windows, funnels with stripes."""
    sketch = Sketch("ship", paint)
    length = rng.uniform(9.0, 11.0)
    funnel = tone(rng, "red", "yellow", "black", "orange", "blue", besides=paint)
    for number in range(1, int(rng.integers(1, 3)) + 1):
        x = 0.22 * length + 1.6 * number
        node = sketch.part(f"funnel{number}", "funnel", funnel)
        sketch.fill(node, polygon((x - 0.45, -3.4), (x - 0.35, -5.3), (x + 0.45, -5.3), (x + 0.55, -3.4)))
        sketch.part(f"{node}/stripe", "stripe", tone(rng, "white", "black", besides=funnel))
        sketch.fill(f"{node}/stripe", polygon((x - 0.38, -4.9), (x - 0.4, -4.5), (x + 0.49, -4.5), (x + 0.47, -4.9)))
    sketch.part("mast", "mast", METAL)
    sketch.fill("mast", rectangle(0.72 * length - 0.1, -4.6, 0.72 * length + 0.1, -1.8))
    cabin = sketch.part("cabin", "cabin", tone(rng, "white", "gray", besides=paint))
    sketch.fill(cabin, rounded_rectangle(0.16 * length, -3.0, 0.7 * length, -1.7, 0.1))
    sketch.fill(cabin, rounded_rectangle(0.22 * length, -3.8, 0.6 * length, -2.9, 0.1), shade=-0.08)
    for number, x in enumerate(np.linspace(0.2 * length, 0.62 * length, 5), 1):
        sketch.part(f"cabin/window{number}", "window", GLASS)
        sketch.fill(f"cabin/window{number}", rounded_rectangle(x, -2.75, x + 0.6, -2.15, 0.08), shade=-0.15)
    sketch.part("hull", "hull")
    hull = [(0.0, -2.0), (0.86 * length, -1.9), (length, -2.3), (length - 0.9, 0.0), (0.5, 0.0)]
    sketch.fill("hull", rounded(hull, 0.3))
    sketch.fill("hull", polygon((0.36, -0.5), (length - 0.72, -0.5), (length - 0.9, 0.0), (0.55, 0.0)), shade=-0.35)
    for x in np.linspace(0.1 * length, 0.72 * length, 6):
        sketch.fill("hull", ellipse(x, -1.25, 0.2, count=10), paint=GLASS)
    hook = sketch.part("anchor", "anchor", IRON)
    x = 0.88 * length
    sketch.fill(hook, stroke([(x, -1.5), (x, -0.75)], 0.14))
    sketch.fill(
        hook, stroke(path([(x - 0.34, -1.0), (x - 0.2, -0.78), (x, -0.7), (x + 0.2, -0.78), (x + 0.34, -1.0)]), 0.16)
    )
    return sketch.drawing({"top": (0.4 * length, -3.8), "inside": (0.4 * length, -2.0)})


def airplane(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """An airplane from the side: fuselage in the main paint with windows and door, wings with engines, tail fin."""
    sketch = Sketch("airplane", paint)
    length, round_ = rng.uniform(10.0, 12.5), rng.uniform(0.8, 0.95)
    accent = tone(rng, "white", "red", "blue", "orange", "teal", "gray", besides=paint)
    sketch.part("wing1", "wing")
    sketch.fill(
        "wing1",
        polygon((0.52 * length, -0.4), (0.62 * length, -0.4), (0.5 * length, -2.0), (0.43 * length, -2.0)),
        shade=-0.25,
    )
    sketch.part("tail", "tail", accent)
    sketch.fill(
        "tail",
        rounded([(0.02 * length, -0.5), (-0.03 * length, -2.7), (0.07 * length, -2.7), (0.22 * length, -0.6)], 0.15),
    )
    sketch.fill("", _fuselage(length, round_))
    if rng.random() < 0.5:
        sketch.part("stripe", "stripe", accent)
        sketch.fill(
            "stripe",
            polygon((0.12 * length, 0.1), (0.965 * length, 0.1), (0.955 * length, 0.36), (0.16 * length, 0.36)),
        )
    _add_cabin(sketch, rng, paint, length)
    sketch.part("wing2", "wing")
    sketch.fill(
        "wing2",
        rounded([(0.44 * length, 0.2), (0.64 * length, 0.2), (0.42 * length, 2.2), (0.3 * length, 2.2)], 0.15),
        shade=-0.15,
    )
    engine = sketch.part(
        "engine", "engine", accent if rng.random() < 0.5 else tone(rng, "gray", "white", besides=paint)
    )
    sketch.fill(engine, rounded_rectangle(0.46 * length, 0.75, 0.62 * length, 1.45, 0.3))
    sketch.fill(engine, ellipse(0.61 * length, 1.1, 0.14, 0.33, 12), paint=DARK)
    sketch.part("tail2", "tail")
    sketch.fill(
        "tail2",
        polygon((0.08 * length, -0.3), (0.19 * length, -0.3), (0.06 * length, 0.3), (-0.02 * length, 0.3)),
        shade=-0.2,
    )
    return sketch.drawing({"top": (0.5 * length, -round_)})


def _add_cabin(sketch: Sketch, rng: np.random.Generator, paint: Paint, length: float) -> None:
    """Adds the cockpit, the door and a row of windows to the fuselage of an airplane."""
    sketch.part("cockpit", "cockpit", GLASS)
    sketch.fill(
        "cockpit",
        rounded([(0.85 * length, -0.62), (0.91 * length, -0.55), (0.95 * length, -0.18), (0.85 * length, -0.18)], 0.1),
        shade=-0.3,
    )
    sketch.part("door", "door", tone(rng, "gray", "white", "black", besides=paint))
    sketch.fill("door", rounded_rectangle(0.75 * length, -0.55, 0.75 * length + 0.6, 0.45, 0.12))
    for number, x in enumerate(np.linspace(0.2 * length, 0.68 * length, int(rng.integers(5, 8))), 1):
        sketch.part(f"window{number}", "window", GLASS)
        sketch.fill(f"window{number}", rounded_rectangle(x, -0.5, x + 0.42, -0.02, 0.15, 3), shade=-0.2)


def _fuselage(length: float, round_: float) -> np.ndarray:
    """The body of an airplane from the side, `round_` high above its middle."""
    body = [
        (0.0, -round_ * 0.8),
        (0.1 * length, -round_),
        (0.8 * length, -round_),
        (0.93 * length, -0.72 * round_),
        (length, 0.05),
        (0.94 * length, 0.55 * round_),
        (0.8 * length, 0.75 * round_),
        (0.25 * length, 0.75 * round_),
    ]
    return rounded(body, 0.9, 5)


def helicopter(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A helicopter: cabin in the main paint with window and door, tail with rotor, rotor on top, skid below."""
    sketch = Sketch("helicopter", paint)
    reach = rng.uniform(2.8, 3.6)
    sketch.part("rotor", "rotor", IRON)
    sketch.fill("rotor", rectangle(-0.09, -2.1, 0.09, -1.2))
    sketch.fill("rotor", rounded_rectangle(-reach, -2.2, reach, -2.02, 0.09))
    sketch.part("tail", "tail")
    sketch.fill(
        "tail",
        polygon((-0.6, -0.95), (-3.1, -0.9), (-3.35, -1.7), (-3.65, -1.7), (-3.5, -0.62), (-0.5, 0.1)),
        shade=-0.12,
    )
    sketch.part("tail/rotor", "rotor", IRON)
    for angle in (20, 110):
        turn = np.radians(angle)
        dx, dy = 0.62 * float(np.cos(turn)), 0.62 * float(np.sin(turn))
        sketch.fill("tail/rotor", capsule((-3.45 - dx, -1.2 - dy), (-3.45 + dx, -1.2 + dy), 0.08, steps=3))
    for x in (-0.7, 0.7):
        sketch.fill("", rectangle(x - 0.05, 0.5, x + 0.05, 1.15), paint=IRON)
    sketch.part("skid", "skid", IRON)
    sketch.fill("skid", stroke(path([(-1.4, 1.15), (0.0, 1.15), (1.3, 1.15), (1.62, 0.9)], 3), 0.17))
    sketch.fill(
        "",
        smooth(
            [
                (-1.3, -0.5),
                (-0.7, -1.15),
                (0.5, -1.2),
                (1.4, -0.6),
                (1.7, 0.15),
                (1.2, 0.62),
                (-0.6, 0.62),
                (-1.25, 0.2),
            ]
        ),
    )
    sketch.part("window1", "window", GLASS)
    sketch.fill("window1", smooth([(0.55, -0.98), (1.25, -0.5), (1.5, 0.05), (0.62, 0.08)]))
    sketch.part("door", "door", tone(rng, "white", "gray", "black", "yellow", besides=paint))
    sketch.fill("door", rounded_rectangle(-0.5, -0.85, 0.4, 0.5, 0.15))
    sketch.part("door/window", "window", GLASS)
    sketch.fill("door/window", rounded_rectangle(-0.38, -0.72, 0.28, -0.12, 0.12))
    return sketch.drawing()


_STRIPE = ((0.3, -1.02), (1.1, -0.6), (1.3, 0.0), (0.9, 0.7), (0.5, 1.04), (0.35, 0.9), (0.5, 0.2), (0.5, -0.4))
_SEAM = ((0.3, -1.05), (1.2, -0.4), (1.1, 0.4), (0.6, 1.05), (0.5, 0.4), (0.5, -0.4))
"""A stripe and a shaded gore of a balloon's envelope; x is a multiple of how far out it lies."""


def balloon(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A hot-air balloon: envelope in the main paint with bands, ropes, and a basket below."""
    sketch = Sketch("balloon", paint)
    wide = rng.uniform(0.95, 1.1)
    for x in (-1, -0.35, 0.35, 1):
        sketch.fill("", stroke([(x * 0.42, 1.05), (x * 0.26, 1.72)], 0.035), paint=IRON)
    envelope = [
        (-0.3, 1.1),
        (-0.8 * wide, 0.5),
        (-wide, -0.15),
        (-0.72 * wide, -0.85),
        (0.0, -1.12),
        (0.72 * wide, -0.85),
        (wide, -0.15),
        (0.8 * wide, 0.5),
        (0.3, 1.1),
    ]
    sketch.fill("", smooth(envelope, 4))
    style = int(rng.integers(3)) if paint.pattern == "plain" else 2
    if style == 0:
        band = sketch.part("band", "band", tone(rng, "white", "yellow", "red", "blue", "purple", besides=paint))
        edge = 0.985 * wide
        sketch.fill(band, rounded([(-edge, -0.3), (edge, -0.3), (edge, 0.1), (-edge, 0.1)], 0.06))
    elif style == 1:
        for number, x in enumerate((-0.55, 0.55), 1):
            stripe = tone(rng, "white", "yellow", besides=paint) if number == 1 else sketch.paints["stripe1"]
            node = sketch.part(f"stripe{number}", "stripe", stripe)
            sketch.fill(node, smooth([(x * across, y) for across, y in _STRIPE]))
    else:
        for x in (-0.5, 0.5):
            sketch.fill("", smooth([(x * across, y) for across, y in _SEAM]), shade=-0.18)
    sketch.part("basket", "basket", tone(rng, "brown", "brown", "orange", "black", besides=paint))
    sketch.fill("basket", rounded([(-0.34, 1.66), (0.34, 1.66), (0.28, 2.18), (-0.28, 2.18)], 0.08))
    sketch.fill("basket", rounded_rectangle(-0.38, 1.62, 0.38, 1.75, 0.05), shade=-0.3)
    return sketch.drawing({"inside": (0.0, 1.66), "seat": (0.0, 1.7)})


def kite(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A kite: diamond cloth in the main paint with a cross of sticks, a patch and a tail with bows."""
    sketch = Sketch("kite", paint)
    wide, middle = rng.uniform(0.38, 0.5), rng.uniform(0.35, 0.42)
    line = path([(0.0, 0.98), (-0.14, 1.2), (0.02, 1.42), (-0.16, 1.68)], 5)
    bow = tone(rng, "red", "yellow", "blue", "white", "pink", besides=paint)
    tail = sketch.part("tail", "tail", bow)
    sketch.fill(tail, stroke(line, 0.035), paint=IRON)
    for x, y in line[[5, 10, 15]]:
        sketch.fill(tail, polygon((x, y), (x - 0.15, y - 0.09), (x - 0.15, y + 0.09)))
        sketch.fill(tail, polygon((x, y), (x + 0.15, y - 0.09), (x + 0.15, y + 0.09)), shade=-0.1)
    sketch.fill("", polygon((0.0, 0.0), (wide, middle), (0.0, 1.0), (-wide, middle)))
    sketch.part("patch", "patch", tone(rng, "white", "yellow", "red", "blue", "green", besides=paint))
    sketch.fill("patch", polygon((0.0, middle), (wide, middle), (0.0, 1.0)))
    sketch.fill("", stroke([(0.0, 0.02), (0.0, 0.98)], 0.03), paint=TIMBER)
    sketch.fill("", stroke([(-wide + 0.02, middle), (wide - 0.02, middle)], 0.03), paint=TIMBER)
    return sketch.drawing({"hand": (-0.16, 1.68)})


_OPEN_AIR = frozenset({"street", "park", "beach", "farm", "lake", "snow"})
KINDS: tuple[Kind, ...] = (
    Kind(
        "boat",
        "boats",
        boat,
        (4.0, 5.5),
        frozenset({"lake", "beach"}),
        "water",
        "vehicle",
        ("transport", "carries people", "floats", "uses wind", "fishing"),
        ("sailing", "rowing"),
    ),
    Kind(
        "ship",
        "ships",
        ship,
        (8.0, 12.0),
        frozenset({"beach", "lake"}),
        "water",
        "vehicle",
        ("transport", "carries people", "carries many people", "carries goods", "floats", "needs fuel"),
        colors=("red", "blue", "black", "green", "white", "gray", "orange", "teal", "brown"),
    ),
    Kind(
        "airplane",
        "airplanes",
        airplane,
        (5.0, 7.0),
        _OPEN_AIR,
        "air",
        "vehicle",
        ("transport", "carries people", "carries many people", "flies", "needs fuel", "has wings"),
    ),
    Kind(
        "helicopter",
        "helicopters",
        helicopter,
        (3.0, 4.0),
        _OPEN_AIR,
        "air",
        "vehicle",
        ("transport", "carries people", "flies", "rescue", "needs fuel"),
    ),
    Kind(
        "balloon",
        "balloons",
        balloon,
        (8.0, 12.0),
        _OPEN_AIR,
        "air",
        "vehicle",
        ("transport", "carries people", "flies", "floats in the air", "uses hot air"),
        patterns=("plain", "striped", "dotted", "checked"),
    ),
    Kind(
        "kite",
        "kites",
        kite,
        (1.0, 1.6),
        _OPEN_AIR - {"street"},
        "air",
        "toy",
        ("play", "flies", "uses wind", "is a toy"),
        patterns=("plain", "striped", "dotted", "checked"),
    ),
)
"""The boats, aircraft and kites of the world."""
