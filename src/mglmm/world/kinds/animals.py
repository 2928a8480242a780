"""Four-legged animals: dog, cat, horse, cow, sheep, pig, rabbit; all face right."""

from dataclasses import dataclass

import numpy as np

from mglmm.world.drawing import Drawing, Kind, Paint
from mglmm.world.kinds.materials import PALE, material, tone
from mglmm.world.kinds.outlines import XY, capsule, ellipse, path, polygon, rotate, rounded, smooth, stroke, translate
from mglmm.world.kinds.sketch import DARK, Sketch

PINK_SKIN = material(222, 150, 150)
HORN = material(222, 208, 176)
HOOF = material(58, 48, 42)


@dataclass(frozen=True, slots=True)
class Build:
    """The proportions of a four-legged animal, in any unit: lengths of body and legs, radii of body, legs and neck."""

    length: float
    leg: float
    girth: float
    leg_radius: float
    neck: float
    hoof: bool = False


def _add_leg(sketch: Sketch, number: int, hip: XY, foot: XY, radius: float, hoof: bool, far: bool) -> None:
    """Adds one leg from `hip` to `foot` with a paw or a hoof (a part); the two legs on the far side are darker."""
    node = sketch.part(f"leg{number}", "leg")
    shade = -0.25 if far else 0.0
    sketch.fill(node, capsule(hip, (foot[0], foot[1] - radius * 0.8), radius * 1.45, radius * 0.9), shade)
    x, y = foot
    if hoof:
        sketch.part(f"{node}/hoof", "hoof", HOOF)
        outline = polygon((x - radius, y - 2 * radius), (x + radius, y - 2 * radius), (x + 1.5 * radius, y),
                          (x - radius, y))
        sketch.fill(f"{node}/hoof", outline)
    else:
        sketch.fill(node, capsule((x, y - radius), (x + radius, y - 0.8 * radius), radius, radius * 0.8, 4), shade)


def _add_trunk(sketch: Sketch, build: Build, pose: str, head: XY) -> None:
    """Adds body (with neck up to `head`) and legs for a pose: "standing", "walking", "sitting" or "lying"."""
    length, leg, girth, thin = build.length, build.leg, build.girth, build.leg_radius
    body = sketch.part("body", "body")
    if pose == "sitting":
        chest = (0.62 * length, -leg - 0.35 * girth)
        _add_leg(sketch, 1, chest, (0.86 * length, 0.0), thin, build.hoof, True)
        sketch.fill(body, capsule(chest, head, 0.9 * build.neck, build.neck))
        sketch.fill(body, capsule((0.1 * length, -1.15 * girth), chest, 1.2 * girth, 0.85 * girth))
        node = sketch.part("leg2", "leg")
        sketch.fill(node, ellipse(0.12 * length, -0.95 * girth, 0.95 * girth), shade=-0.12)
        sketch.fill(node, capsule((0.1 * length, -thin), (0.42 * length, -thin), thin), shade=-0.12)
        _add_leg(sketch, 3, (chest[0] + 0.1 * girth, chest[1]), (0.72 * length, 0.0), thin, build.hoof, False)
    elif pose == "lying":
        sketch.fill(body, capsule((0.9 * length, -girth), head, 1.1 * build.neck, build.neck))
        sketch.fill(body, capsule((0.0, -1.02 * girth), (0.95 * length, -girth), 1.02 * girth, girth))
        for number, (a, b) in enumerate((((0.9 * length, -0.5 * girth), (1.25 * length, -thin)),
                                         ((-0.05 * length, -thin), (0.3 * length, -thin))), 1):
            node = sketch.part(f"leg{number}", "leg")
            if number == 2:
                sketch.fill(node, ellipse(0.0, -0.85 * girth, 0.85 * girth, 0.8 * girth), shade=-0.12)
            sketch.fill(node, capsule(a, b, thin), shade=-0.12)
    else:
        step = 0.22 * leg if pose == "walking" else 0.05 * leg
        back, hip, shoulder = -leg - 0.75 * girth, 0.02 * length, 0.98 * length
        for number, (x, swing) in enumerate(((hip + 0.18 * length, -1.4), (shoulder - 0.17 * length, 1.4)), 1):
            _add_leg(sketch, number, (x, back + 0.5 * girth), (x + swing * step, 0.0), thin, build.hoof, True)
        sketch.fill(body, capsule((shoulder, back), head, 1.35 * build.neck, build.neck))
        sketch.fill(body, capsule((0.0, back), (length, back), girth, 1.04 * girth, 8))
        for number, (x, swing) in enumerate(((hip, 1.0), (shoulder, -1.0)), 3):
            _add_leg(sketch, number, (x, back + 0.3 * girth), (x + swing * step, 0.0), thin, build.hoof, False)


def _add_eye(sketch: Sketch, x: float, y: float, radius: float) -> None:
    """Draws an eye on the head: dark with a light spot."""
    sketch.fill("head", ellipse(x, y, radius, count=8), paint=DARK)
    sketch.fill("head", ellipse(x + 0.3 * radius, y - 0.35 * radius, 0.4 * radius, count=6), paint=PALE)


def _add_collar(sketch: Sketch, rng: np.random.Generator, paint: Paint, neck: XY, head: XY, width: float) -> None:
    """Adds a collar of another color across the neck, between `neck` and `head`."""
    sketch.part("collar", "collar", tone(rng, "red", "blue", "yellow", "green", "pink", "teal", besides=paint))
    along = np.array(head) - np.array(neck)
    along = along / np.hypot(*along)
    center, across = np.array(neck), np.array([-along[1], along[0]]) * width
    ends = [(float(p[0]), float(p[1])) for p in (center - across, center + along * 0.1 * width, center + across)]
    sketch.fill("collar", stroke(ends, 0.55 * width))


def _head_of(build: Build, pose: str, forward: float, up: float) -> XY:
    """The middle of the head for a pose, `forward` and `up` from the shoulder in body girths."""
    if pose == "sitting":
        return 0.72 * build.length + 0.3 * forward * build.girth, -build.leg - (1.2 + up) * build.girth
    if pose == "lying":
        return build.length * 1.02 + 0.6 * forward * build.girth, -(1.25 + up) * build.girth
    return build.length + forward * build.girth, -build.leg - (0.9 + up) * build.girth


def dog(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A dog: head with ears and nose, body, legs, tail, often a collar; standing, sitting or lying."""
    sketch = Sketch("dog", paint, pose)
    build = Build(rng.uniform(0.6, 0.8), rng.uniform(0.34, 0.5), rng.uniform(0.16, 0.2), 0.055, 0.115)
    x, y = _head_of(build, pose, 0.95, 1.35)
    low = {"sitting": (-0.12, -0.08), "lying": (-0.2, -0.12)}.get(pose, (-0.14, -build.leg - 0.2))
    lift = 0.06 if pose == "lying" else rng.uniform(0.1, 0.3)
    tail = path([(low[0] + 0.12, low[1]), (low[0] - 0.06, low[1] - 0.05), (low[0] - 0.22, low[1] - lift)])
    sketch.part("tail", "tail")
    sketch.fill("tail", stroke(tail, 0.11, 0.06), shade=-0.08)
    _add_trunk(sketch, build, pose, (x - 0.06, y + 0.08))
    if rng.random() < 0.6:
        _add_collar(sketch, rng, paint, (x - 0.07, y + 0.19), (x - 0.02, y), 0.14)
    pointed, muzzle = bool(rng.random() < 0.4), rng.uniform(0.18, 0.26)
    ear = paint if rng.random() < 0.5 else tone(rng, "brown", "black", "white", besides=paint)
    sketch.part("head", "head")
    if pointed:
        sketch.part("head/ear1", "ear", ear)
        sketch.fill("head/ear1", polygon((x - 0.02, y - 0.1), (x + 0.04, y - 0.34), (x + 0.13, y - 0.1)), shade=-0.3)
    sketch.fill("head", capsule((x, y), (x + muzzle, y + 0.06), 0.165, 0.085))
    _add_eye(sketch, x + 0.09, y - 0.06, 0.03)
    sketch.fill("head", stroke([(x + muzzle - 0.1, y + 0.1), (x + muzzle + 0.05, y + 0.09)], 0.018), paint=DARK)
    sketch.part("head/nose", "nose", DARK)
    sketch.fill("head/nose", ellipse(x + muzzle + 0.055, y + 0.015, 0.058, 0.05, 12))
    sketch.part("head/ear2", "ear", ear)
    if pointed:
        outline = polygon((x - 0.15, y - 0.07), (x - 0.1, y - 0.36), (x + 0.03, y - 0.12))
    else:
        outline = smooth([(x - 0.1, y - 0.14), (x + 0.01, y - 0.12), (x - 0.01, y + 0.08), (x - 0.1, y + 0.16),
                          (x - 0.17, y + 0.06)])
    sketch.fill("head/ear2", outline, shade=-0.2)
    return sketch.drawing({"head": (x, y - 0.16), "neck": (x - 0.06, y + 0.18)}, 0.62 if pose == "lying" else 1.0)


def cat(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A cat: round head seen from the front with ears, nose and whiskers, body, legs, long tail; three poses."""
    sketch = Sketch("cat", paint, pose)
    build = Build(rng.uniform(0.55, 0.7), rng.uniform(0.24, 0.3), rng.uniform(0.14, 0.17), 0.045, 0.1)
    x, y = _head_of(build, pose, 0.9, 1.2)
    if pose == "standing":
        tail = [(0.0, -build.leg - 0.2), (-0.22, -build.leg - 0.22), (-0.3, -build.leg - 0.48),
                (-0.2, -build.leg - 0.66)]
    elif pose == "sitting":
        tail = [(0.02, -0.06), (-0.2, -0.06), (-0.34, -0.16), (-0.34, -0.34)]
    else:
        tail = [(-0.05, -0.09), (-0.26, -0.06), (-0.42, -0.1), (-0.5, -0.22)]
    sketch.part("tail", "tail")
    sketch.fill("tail", stroke(path(tail), 0.085, 0.07), shade=-0.1)
    _add_trunk(sketch, build, pose, (x, y + 0.04))
    if rng.random() < 0.4:
        _add_collar(sketch, rng, paint, (x - 0.02, y + 0.2), (x, y), 0.13)
    sketch.part("head", "head")
    for number, side in enumerate((-1, 1), 1):
        sketch.part(f"head/ear{number}", "ear")
        sketch.fill(f"head/ear{number}", polygon((x + side * 0.03, y - 0.12), (x + side * 0.15, y - 0.32),
                                                 (x + side * 0.2, y - 0.04)), shade=-0.2)
        sketch.fill(f"head/ear{number}", polygon((x + side * 0.08, y - 0.13), (x + side * 0.14, y - 0.25),
                                                 (x + side * 0.165, y - 0.1)), paint=PINK_SKIN)
    sketch.fill("head", ellipse(x, y, 0.2, 0.175))
    iris = material(90, 160, 70) if rng.random() < 0.5 else material(214, 168, 50)
    for side in (-1, 1):
        sketch.fill("head", ellipse(x + side * 0.085, y - 0.03, 0.045, 0.04, 10), paint=iris)
        sketch.fill("head", ellipse(x + side * 0.085, y - 0.03, 0.016, 0.038, 8), paint=DARK)
        for tilt in (-0.02, 0.03):
            sketch.fill("head", stroke([(x + side * 0.06, y + 0.07), (x + side * 0.19, y + 0.07 + tilt)], 0.01),
                        paint=PALE)
    sketch.fill("head", ellipse(x, y + 0.08, 0.075, 0.05, 12), shade=0.35)
    sketch.part("head/nose", "nose", PINK_SKIN)
    sketch.fill("head/nose", rounded([(x - 0.045, y + 0.025), (x + 0.045, y + 0.025), (x, y + 0.085)], 0.02))
    return sketch.drawing({"head": (x, y - 0.17), "neck": (x, y + 0.2)}, 0.62 if pose == "lying" else 1.0)


def horse(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A horse: long head with ears, mane, body, legs with hooves, tail, sometimes a saddle; standing or walking."""
    sketch = Sketch("horse", paint, pose)
    build = Build(rng.uniform(0.78, 0.9), rng.uniform(0.62, 0.72), 0.22, 0.05, 0.11, hoof=True)
    back = -build.leg - 0.75 * build.girth
    hair = paint if rng.random() < 0.3 else tone(rng, "black", "brown", "white", besides=paint)
    sketch.part("tail", "tail", hair)
    sketch.fill("tail", smooth([(-0.1, back - 0.16), (-0.26, back - 0.1), (-0.36, back + 0.25), (-0.3, back + 0.5),
                                (-0.2, back + 0.2), (-0.16, back)]), shade=-0.1)
    x, y = build.length + 0.32, back - 0.62
    _add_trunk(sketch, build, pose, (x - 0.04, y + 0.05))
    sketch.part("mane", "mane", hair)
    neck = (build.length - 0.12, back - 0.18)
    sketch.fill("mane", smooth([(x - 0.02, y - 0.12), (x - 0.22, y - 0.02), (neck[0] - 0.02, neck[1] - 0.08),
                                (neck[0] + 0.12, neck[1] + 0.06), (x - 0.12, y + 0.14), (x + 0.02, y)]), shade=-0.1)
    sketch.part("head", "head")
    for number, lean in enumerate((0.03, -0.05), 1):
        sketch.part(f"head/ear{number}", "ear")
        sketch.fill(f"head/ear{number}", polygon((x + lean - 0.05, y - 0.08), (x + lean, y - 0.27),
                                                 (x + lean + 0.08, y - 0.07)), shade=-0.3 if number == 1 else -0.15)
    sketch.fill("head", capsule((x, y), (x + 0.26, y + 0.24), 0.13, 0.085))
    _add_eye(sketch, x + 0.07, y - 0.01, 0.028)
    sketch.fill("head", ellipse(x + 0.3, y + 0.23, 0.02, count=8), paint=DARK)
    if rng.random() < 0.4:
        sketch.fill("head", stroke([(x + 0.14, y + 0.0), (x + 0.28, y + 0.15)], 0.05), paint=PALE)
    seat = (0.5 * build.length, back - 0.22)
    if rng.random() < 0.5:
        saddle = sketch.part("saddle", "saddle", tone(rng, "brown", "black", "red", "blue", besides=paint))
        sketch.fill(saddle, smooth([(seat[0] - 0.2, seat[1] - 0.08), (seat[0], seat[1]),
                                    (seat[0] + 0.18, seat[1] - 0.1), (seat[0] + 0.2, seat[1] + 0.04),
                    (seat[0] + 0.1, seat[1] + 0.24), (seat[0] - 0.1, seat[1] + 0.24), (seat[0] - 0.2, seat[1] + 0.04)]))
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
    _add_trunk(sketch, build, pose, (x - 0.08, y + 0.05))
    if rng.random() < 0.75:
        spot = tone(rng, "black", "brown", besides=paint) if paint.color == "white" else tone(rng, "white", "black",
            besides=paint)
        for number, cx in enumerate((0.02, 0.46, 0.8), 1):
            size = rng.uniform(0.09, 0.14)
            blob = np.array([(-1.0, 0.1), (-0.4, -0.9), (0.6, -0.7), (1.0, 0.2), (0.3, 0.8),
                             (-0.5, 0.9)]) * size * rng.uniform(0.8, 1.2, (6, 1))
            sketch.part(f"body/spot{number}", "spot", spot)
            center = (cx * build.length, back + rng.uniform(-0.1, 0.0))
            sketch.fill(f"body/spot{number}", translate(smooth([(p[0], p[1]) for p in blob], 3), *center))
    sketch.part("head", "head")
    for number, dx in enumerate((0.06, -0.1), 1):
        sketch.part(f"head/horn{number}", "horn", HORN)
        sketch.fill(f"head/horn{number}", stroke(path([(x + dx, y - 0.1), (x + dx + 0.02, y - 0.2),
                                                       (x + dx + 0.1, y - 0.27)]), 0.065, 0.03))
    sketch.fill("head", capsule((x, y), (x + 0.2, y + 0.16), 0.155, 0.115))
    sketch.part("head/snout", "snout", PINK_SKIN)
    sketch.fill("head/snout", ellipse(x + 0.24, y + 0.19, 0.1, 0.105, 14))
    sketch.fill("head/snout", ellipse(x + 0.28, y + 0.16, 0.022, 0.026, 8), shade=-0.5)
    sketch.part("head/ear", "ear")
    sketch.fill("head/ear", rotate(ellipse(x - 0.16, y - 0.02, 0.11, 0.055, 12), -20, (x - 0.1, y)), shade=-0.3)
    _add_eye(sketch, x + 0.06, y - 0.03, 0.028)
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
        sketch.fill("wool", stroke(path([(dx - 0.06, wool_y + dy), (dx, wool_y + dy + 0.05),
                                         (dx + 0.06, wool_y + dy)], 3), 0.02), shade=-0.2)
    x, y = half + 0.06, wool_y - 0.16
    sketch.part("head", "head", skin)
    sketch.fill("head", capsule((x - 0.02, y - 0.03), (x + 0.09, y + 0.1), 0.12, 0.085))
    sketch.part("head/ear", "ear", skin)
    sketch.fill("head/ear", rotate(ellipse(x - 0.13, y, 0.1, 0.05, 12), -25, (x - 0.05, y)), shade=-0.15)
    sketch.fill("head", ellipse(x + 0.07, y - 0.01, 0.03, count=8), paint=PALE)
    sketch.fill("head", ellipse(x + 0.075, y - 0.01, 0.016, count=6), paint=DARK)
    sketch.fill("", smooth([(x - 0.12, y - 0.1), (x - 0.04, y - 0.2), (x + 0.06, y - 0.17), (x + 0.08, y - 0.08),
                            (x, y - 0.06)], 3))
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
    _add_trunk(sketch, build, pose, (x - 0.05, y + 0.02))
    sketch.part("head", "head")
    sketch.part("head/snout", "snout")
    sketch.fill("head", ellipse(x, y, 0.21, 0.2))
    sketch.fill("head/snout", rounded([(x + 0.12, y - 0.06), (x + 0.3, y - 0.04), (x + 0.3, y + 0.12),
                                       (x + 0.12, y + 0.13)], 0.06), shade=-0.22)
    sketch.fill("head/snout", ellipse(x + 0.26, y + 0.03, 0.018, 0.035, 8), paint=DARK)
    for number, dx in enumerate((0.02, -0.16), 1):
        sketch.part(f"head/ear{number}", "ear")
        sketch.fill(f"head/ear{number}", polygon((x + dx, y - 0.14), (x + dx + 0.06, y - 0.32),
                                                 (x + dx + 0.16, y - 0.1)), shade=-0.2)
    _add_eye(sketch, x + 0.08, y - 0.06, 0.03)
    return sketch.drawing({"head": (x, y - 0.2)}, 1.0 if pose == "standing" else 0.8)


def rabbit(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A rabbit that sits: head with two long ears and nose, round body, legs, a white tail."""
    sketch = Sketch("rabbit", paint, pose or None)
    fat, ear = rng.uniform(0.25, 0.3), rng.uniform(0.32, 0.42)
    sketch.part("tail", "tail", tone(rng, "white", "gray", besides=paint))
    sketch.fill("tail", ellipse(-0.3, -0.16, 0.1, 0.09, 14))
    sketch.part("body", "body")
    sketch.fill("body", smooth([(-0.28, -0.14), (-0.18, -fat - 0.14), (0.12, -fat - 0.16), (0.3, -0.3),
                                (0.26, -0.02), (-0.16, -0.01)]))
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
        sketch.fill(node, rotate(ellipse(*spot, 0.065, ear / 2 + 0.04, 16), tilt, (x, y)),
                    shade=-0.25 if number == 1 else -0.1)
        sketch.fill(node, rotate(ellipse(*spot, 0.03, ear / 2 - 0.03, 12), tilt, (x, y)), paint=PINK_SKIN)
    sketch.fill("head", smooth([(x - 0.14, y), (x - 0.06, y - 0.13), (x + 0.08, y - 0.11), (x + 0.18, y + 0.03),
                                (x + 0.08, y + 0.12), (x - 0.08, y + 0.12)]))
    _add_eye(sketch, x + 0.06, y - 0.02, 0.03)
    sketch.part("head/nose", "nose", PINK_SKIN)
    sketch.fill("head/nose", ellipse(x + 0.165, y + 0.03, 0.035, count=10))
    return sketch.drawing({"head": (x, y - 0.12)})


_FUR = ("brown", "black", "white", "gray", "orange", "yellow")
KINDS: tuple[Kind, ...] = (
    Kind("dog", "dogs", dog, (0.5, 0.8), frozenset({"street", "park", "beach", "farm", "snow", "yard", "living room",
                                                    "kitchen"}),
         "ground", "animal", ("is a pet", "barks", "guards the house", "can run", "likes bones", "is alive", "eats"),
         ("standing", "sitting", "lying"), _FUR),
    Kind("cat", "cats", cat, (0.35, 0.5), frozenset({"street", "yard", "farm", "living room", "bedroom", "kitchen"}),
         "ground", "animal", ("is a pet", "meows", "catches mice", "can climb", "is alive", "eats"),
         ("standing", "sitting", "lying"), _FUR, ("plain", "striped")),
    Kind("horse", "horses", horse, (1.9, 2.3), frozenset({"farm", "beach", "park", "snow"}), "ground", "animal",
         ("carries one person", "riding", "can run", "pulls loads", "eats grass", "is alive", "eats", "farm animal"),
         ("standing", "walking"), ("brown", "black", "white", "gray", "orange")),
    Kind("cow", "cows", cow, (1.4, 1.6), frozenset({"farm"}), "ground", "animal",
         ("gives milk", "eats grass", "is alive", "eats", "farm animal"), ("standing", "lying"),
         ("white", "brown", "black", "gray", "orange")),
    Kind("sheep", "sheep", sheep, (0.85, 1.05), frozenset({"farm", "snow"}), "ground", "animal",
         ("gives wool", "eats grass", "is alive", "eats", "farm animal"), ("standing", "lying"),
         ("white", "gray", "black", "brown")),
    Kind("pig", "pigs", pig, (0.7, 0.9), frozenset({"farm"}), "ground", "animal",
         ("is alive", "eats", "farm animal", "likes mud"), ("standing", "lying"),
         ("pink", "brown", "black", "white", "gray")),
    Kind("rabbit", "rabbits", rabbit, (0.35, 0.5), frozenset({"farm", "yard", "park", "snow"}), "ground", "animal",
         ("is a pet", "can jump", "eats grass", "is alive", "eats", "likes carrots"),
         colors=("white", "brown", "gray", "black", "orange")),
)
"""The four-legged animals of the world."""
