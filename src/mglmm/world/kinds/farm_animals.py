"""Four-legged animals of farm and field: horse, cow, sheep, pig, rabbit; all face right."""

import numpy as np

from mglmm.world.drawing import Drawing, Kind, Paint
from mglmm.world.kinds.materials import PALE, material, tone
from mglmm.world.kinds.outlines import XY, capsule, ellipse, path, polygon, rotate, rounded, smooth, stroke, translate
from mglmm.world.kinds.quadruped import PINK_SKIN, Build, add_eye, add_trunk
from mglmm.world.kinds.sketch import DARK, Sketch

HORN = material(222, 208, 176)


def _add_mane(sketch: Sketch, hair: Paint, head: XY, neck: XY) -> None:
    """Adds the mane of a horse from the middle of its `head` to the foot of its `neck`."""
    x, y = head
    sketch.part("mane", "mane", hair)
    sketch.fill(
        "mane",
        smooth(
            [
                (x - 0.02, y - 0.12),
                (x - 0.22, y - 0.02),
                (neck[0] - 0.02, neck[1] - 0.08),
                (neck[0] + 0.12, neck[1] + 0.06),
                (x - 0.12, y + 0.14),
                (x + 0.02, y),
            ]
        ),
        shade=-0.1,
    )


def _add_saddle(sketch: Sketch, paint: Paint, seat: XY) -> None:
    """Adds a saddle around `seat`."""
    saddle = sketch.part("saddle", "saddle", paint)
    sketch.fill(
        saddle,
        smooth(
            [
                (seat[0] - 0.2, seat[1] - 0.08),
                (seat[0], seat[1]),
                (seat[0] + 0.18, seat[1] - 0.1),
                (seat[0] + 0.2, seat[1] + 0.04),
                (seat[0] + 0.1, seat[1] + 0.24),
                (seat[0] - 0.1, seat[1] + 0.24),
                (seat[0] - 0.2, seat[1] + 0.04),
            ]
        ),
    )


def horse(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A horse: long head with ears, mane, body, legs with hooves, tail, sometimes a saddle; standing or walking."""
    sketch = Sketch("horse", paint, pose)
    build = Build(rng.uniform(0.78, 0.9), rng.uniform(0.62, 0.72), 0.22, 0.05, 0.11, hoof=True)
    back = -build.leg - 0.75 * build.girth
    hair = paint if rng.random() < 0.3 else tone(rng, "black", "brown", "white", besides=paint)
    sketch.part("tail", "tail", hair)
    sketch.fill(
        "tail",
        smooth(
            [
                (-0.1, back - 0.16),
                (-0.26, back - 0.1),
                (-0.36, back + 0.25),
                (-0.3, back + 0.5),
                (-0.2, back + 0.2),
                (-0.16, back),
            ]
        ),
        shade=-0.1,
    )
    x, y = build.length + 0.32, back - 0.62
    add_trunk(sketch, build, pose, (x - 0.04, y + 0.05))
    _add_mane(sketch, hair, (x, y), (build.length - 0.12, back - 0.18))
    sketch.part("head", "head")
    for number, lean in enumerate((0.03, -0.05), 1):
        sketch.part(f"head/ear{number}", "ear")
        sketch.fill(
            f"head/ear{number}",
            polygon((x + lean - 0.05, y - 0.08), (x + lean, y - 0.27), (x + lean + 0.08, y - 0.07)),
            shade=-0.3 if number == 1 else -0.15,
        )
    sketch.fill("head", capsule((x, y), (x + 0.26, y + 0.24), 0.13, 0.085))
    add_eye(sketch, x + 0.07, y - 0.01, 0.028)
    sketch.fill("head", ellipse(x + 0.3, y + 0.23, 0.02, count=8), paint=DARK)
    if rng.random() < 0.4:
        sketch.fill("head", stroke([(x + 0.14, y + 0.0), (x + 0.28, y + 0.15)], 0.05), paint=PALE)
    seat = (0.5 * build.length, back - 0.22)
    if rng.random() < 0.5:
        _add_saddle(sketch, tone(rng, "brown", "black", "red", "blue", besides=paint), seat)
    return sketch.drawing({"seat": seat, "head": (x, y - 0.13), "neck": (x - 0.1, y + 0.2)})


def cow(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A cow: head with horns, ears and snout, spotted body with udder, legs with hooves, tail; standing or lying."""
    sketch = Sketch("cow", paint, pose)
    build = Build(rng.uniform(0.82, 0.95), rng.uniform(0.4, 0.48), 0.26, 0.06, 0.15, hoof=True)
    standing = pose == "standing"
    back = -build.leg - 0.75 * build.girth if standing else -1.02 * build.girth
    sketch.part("tail", "tail")
    sketch.fill("tail", stroke(path([(-0.2, back - 0.12), (-0.34, back), (-0.34, back + 0.2)]), 0.05), shade=-0.1)
    sketch.fill("tail", ellipse(-0.34, back + 0.24, 0.05, 0.09, 12), paint=DARK)
    if standing:
        sketch.part("udder", "udder", PINK_SKIN)
        sketch.fill("udder", ellipse(0.24, -build.leg + 0.06, 0.13, 0.11, 14))
    x, y = build.length + 0.26, back - (0.24 if standing else 0.3)
    add_trunk(sketch, build, pose, (x - 0.08, y + 0.05))
    if rng.random() < 0.75:
        spot = (
            tone(rng, "black", "brown", besides=paint)
            if paint.color == "white"
            else tone(rng, "white", "black", besides=paint)
        )
        for number, cx in enumerate((0.02, 0.46, 0.8), 1):
            size = rng.uniform(0.09, 0.14)
            blob = (
                np.array([(-1.0, 0.1), (-0.4, -0.9), (0.6, -0.7), (1.0, 0.2), (0.3, 0.8), (-0.5, 0.9)])
                * size
                * rng.uniform(0.8, 1.2, (6, 1))
            )
            sketch.part(f"body/spot{number}", "spot", spot)
            center = (cx * build.length, back + rng.uniform(-0.1, 0.0))
            sketch.fill(f"body/spot{number}", translate(smooth([(p[0], p[1]) for p in blob], 3), *center))
    sketch.part("head", "head")
    for number, dx in enumerate((0.06, -0.1), 1):
        sketch.part(f"head/horn{number}", "horn", HORN)
        sketch.fill(
            f"head/horn{number}",
            stroke(path([(x + dx, y - 0.1), (x + dx + 0.02, y - 0.2), (x + dx + 0.1, y - 0.27)]), 0.065, 0.03),
        )
    sketch.fill("head", capsule((x, y), (x + 0.2, y + 0.16), 0.155, 0.115))
    sketch.part("head/snout", "snout", PINK_SKIN)
    sketch.fill("head/snout", ellipse(x + 0.24, y + 0.19, 0.1, 0.105, 14))
    sketch.fill("head/snout", ellipse(x + 0.28, y + 0.16, 0.022, 0.026, 8), shade=-0.5)
    sketch.part("head/ear", "ear")
    sketch.fill("head/ear", rotate(ellipse(x - 0.16, y - 0.02, 0.11, 0.055, 12), -20, (x - 0.1, y)), shade=-0.3)
    add_eye(sketch, x + 0.06, y - 0.03, 0.028)
    return sketch.drawing({"seat": (0.5 * build.length, back - 0.25), "head": (x, y - 0.15)}, 1.0 if standing else 0.72)


def sheep(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A sheep: curly wool in the main paint, dark or pale head with ears, legs, short tail."""
    sketch = Sketch("sheep", paint, pose)
    skin = material(56, 50, 48) if paint.color != "black" and rng.random() < 0.6 else material(214, 190, 164)
    half, leg = rng.uniform(0.38, 0.46), rng.uniform(0.24, 0.32) if pose == "standing" else 0.06
    wool_y = -leg - 0.26
    for number, x in enumerate((-0.2, 0.12, -0.28, 0.24), 1):
        node = sketch.part(f"leg{number}", "leg", skin)
        sketch.fill(node, capsule((x, wool_y), (x + 0.02, -0.05), 0.06, 0.05), shade=0.0 if number > 2 else -0.2)
    sketch.part("tail", "tail")
    sketch.fill("tail", ellipse(-half - 0.06, wool_y - 0.02, 0.1, 0.13, 14), shade=-0.12)
    sketch.part("wool", "wool")
    angles = np.linspace(0, 2 * np.pi, 13)[:-1]
    bumps = [(half * np.cos(a) * k, wool_y + 0.28 * np.sin(a) * k) for a in angles for k in (1.0, 1.12)]
    sketch.fill("wool", smooth(bumps, 3))
    for dx, dy in ((-0.18, -0.06), (0.1, -0.1), (-0.04, 0.08), (0.2, 0.06)):
        sketch.fill(
            "wool",
            stroke(path([(dx - 0.06, wool_y + dy), (dx, wool_y + dy + 0.05), (dx + 0.06, wool_y + dy)], 3), 0.02),
            shade=-0.2,
        )
    x, y = half + 0.06, wool_y - 0.16
    sketch.part("head", "head", skin)
    sketch.fill("head", capsule((x - 0.02, y - 0.03), (x + 0.09, y + 0.1), 0.12, 0.085))
    sketch.part("head/ear", "ear", skin)
    sketch.fill("head/ear", rotate(ellipse(x - 0.13, y, 0.1, 0.05, 12), -25, (x - 0.05, y)), shade=-0.15)
    sketch.fill("head", ellipse(x + 0.07, y - 0.01, 0.03, count=8), paint=PALE)
    sketch.fill("head", ellipse(x + 0.075, y - 0.01, 0.016, count=6), paint=DARK)
    sketch.fill(
        "",
        smooth(
            [(x - 0.12, y - 0.1), (x - 0.04, y - 0.2), (x + 0.06, y - 0.17), (x + 0.08, y - 0.08), (x, y - 0.06)], 3
        ),
    )
    return sketch.drawing({"head": (x, y - 0.18)}, 1.0 if pose == "standing" else 0.78)


def pig(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A pig: round body, head with ears and snout, short legs with hooves, curly tail; standing or lying."""
    sketch = Sketch("pig", paint, pose)
    build = Build(rng.uniform(0.5, 0.62), rng.uniform(0.2, 0.26), 0.27, 0.06, 0.2, hoof=True)
    back = -build.leg - 0.75 * build.girth if pose == "standing" else -1.02 * build.girth
    sketch.part("tail", "tail")
    curl = [(-0.22, back - 0.02), (-0.32, back - 0.1), (-0.4, back), (-0.5, back - 0.08), (-0.54, back - 0.2)]
    sketch.fill("tail", stroke(path(curl), 0.045), shade=-0.15)
    x, y = build.length + 0.2, back - 0.08
    add_trunk(sketch, build, pose, (x - 0.05, y + 0.02))
    sketch.part("head", "head")
    sketch.part("head/snout", "snout")
    sketch.fill("head", ellipse(x, y, 0.21, 0.2))
    sketch.fill(
        "head/snout",
        rounded([(x + 0.12, y - 0.06), (x + 0.3, y - 0.04), (x + 0.3, y + 0.12), (x + 0.12, y + 0.13)], 0.06),
        shade=-0.22,
    )
    sketch.fill("head/snout", ellipse(x + 0.26, y + 0.03, 0.018, 0.035, 8), paint=DARK)
    for number, dx in enumerate((0.02, -0.16), 1):
        sketch.part(f"head/ear{number}", "ear")
        sketch.fill(
            f"head/ear{number}",
            polygon((x + dx, y - 0.14), (x + dx + 0.06, y - 0.32), (x + dx + 0.16, y - 0.1)),
            shade=-0.2,
        )
    add_eye(sketch, x + 0.08, y - 0.06, 0.03)
    return sketch.drawing({"head": (x, y - 0.2)}, 1.0 if pose == "standing" else 0.8)


def rabbit(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A rabbit that sits: head with two long ears and nose, round body, legs, a white tail."""
    sketch = Sketch("rabbit", paint, pose or None)
    fat, ear = rng.uniform(0.25, 0.3), rng.uniform(0.32, 0.42)
    sketch.part("tail", "tail", tone(rng, "white", "gray", besides=paint))
    sketch.fill("tail", ellipse(-0.3, -0.16, 0.1, 0.09, 14))
    sketch.part("body", "body")
    sketch.fill(
        "body",
        smooth([(-0.28, -0.14), (-0.18, -fat - 0.14), (0.12, -fat - 0.16), (0.3, -0.3), (0.26, -0.02), (-0.16, -0.01)]),
    )
    for number, (x, rx, ry) in enumerate(((0.24, 0.12, 0.05), (-0.02, 0.2, 0.055)), 1):
        sketch.part(f"leg{number}", "leg")
        if number == 2:
            sketch.fill("leg2", ellipse(-0.08, -0.15, 0.15, 0.13, 16), shade=-0.12)
        sketch.fill(f"leg{number}", ellipse(x, -0.05, rx, ry, 14), shade=-0.15)
    x, y = 0.3, -fat - 0.24
    sketch.part("head", "head")
    for number, (dx, tilt) in enumerate(((0.02, 8), (-0.08, -14)), 1):
        node = sketch.part(f"head/ear{number}", "ear")
        spot = (x + dx, y - 0.1 - ear / 2)
        sketch.fill(
            node, rotate(ellipse(*spot, 0.065, ear / 2 + 0.04, 16), tilt, (x, y)), shade=-0.25 if number == 1 else -0.1
        )
        sketch.fill(node, rotate(ellipse(*spot, 0.03, ear / 2 - 0.03, 12), tilt, (x, y)), paint=PINK_SKIN)
    sketch.fill(
        "head",
        smooth(
            [
                (x - 0.14, y),
                (x - 0.06, y - 0.13),
                (x + 0.08, y - 0.11),
                (x + 0.18, y + 0.03),
                (x + 0.08, y + 0.12),
                (x - 0.08, y + 0.12),
            ]
        ),
    )
    add_eye(sketch, x + 0.06, y - 0.02, 0.03)
    sketch.part("head/nose", "nose", PINK_SKIN)
    sketch.fill("head/nose", ellipse(x + 0.165, y + 0.03, 0.035, count=10))
    return sketch.drawing({"head": (x, y - 0.12)})


KINDS: tuple[Kind, ...] = (
    Kind(
        "horse",
        "horses",
        horse,
        (1.9, 2.3),
        frozenset({"farm", "beach", "park", "snow"}),
        "ground",
        "animal",
        ("carries one person", "riding", "can run", "pulls loads", "eats grass", "is alive", "eats", "farm animal"),
        ("standing", "walking"),
        ("brown", "black", "white", "gray", "orange"),
    ),
    Kind(
        "cow",
        "cows",
        cow,
        (1.4, 1.6),
        frozenset({"farm"}),
        "ground",
        "animal",
        ("gives milk", "eats grass", "is alive", "eats", "farm animal"),
        ("standing", "lying"),
        ("white", "brown", "black", "gray", "orange"),
    ),
    Kind(
        "sheep",
        "sheep",
        sheep,
        (0.85, 1.05),
        frozenset({"farm", "snow"}),
        "ground",
        "animal",
        ("gives wool", "eats grass", "is alive", "eats", "farm animal"),
        ("standing", "lying"),
        ("white", "gray", "black", "brown"),
    ),
    Kind(
        "pig",
        "pigs",
        pig,
        (0.7, 0.9),
        frozenset({"farm"}),
        "ground",
        "animal",
        ("is alive", "eats", "farm animal", "likes mud"),
        ("standing", "lying"),
        ("pink", "brown", "black", "white", "gray"),
    ),
    Kind(
        "rabbit",
        "rabbits",
        rabbit,
        (0.35, 0.5),
        frozenset({"farm", "yard", "park", "snow"}),
        "ground",
        "animal",
        ("is a pet", "can jump", "eats grass", "is alive", "eats", "likes carrots"),
        colors=("white", "brown", "gray", "black", "orange"),
    ),
)
"""The four-legged animals of farm and field."""
