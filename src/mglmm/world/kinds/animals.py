"""Four-legged pets: dog, cat; both face right."""

import numpy as np

from mglmm.world.drawing import Drawing, Kind, Paint
from mglmm.world.kinds.materials import PALE, material, tone
from mglmm.world.kinds.outlines import XY, capsule, ellipse, path, polygon, rounded, smooth, stroke
from mglmm.world.kinds.quadruped import PINK_SKIN, Build, add_eye, add_trunk
from mglmm.world.kinds.sketch import DARK, Sketch


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
    add_trunk(sketch, build, pose, (x - 0.06, y + 0.08))
    if rng.random() < 0.6:
        _add_collar(sketch, rng, paint, (x - 0.07, y + 0.19), (x - 0.02, y), 0.14)
    pointed, muzzle = bool(rng.random() < 0.4), rng.uniform(0.18, 0.26)
    ear = paint if rng.random() < 0.5 else tone(rng, "brown", "black", "white", besides=paint)
    sketch.part("head", "head")
    if pointed:
        sketch.part("head/ear1", "ear", ear)
        sketch.fill("head/ear1", polygon((x - 0.02, y - 0.1), (x + 0.04, y - 0.34), (x + 0.13, y - 0.1)), shade=-0.3)
    sketch.fill("head", capsule((x, y), (x + muzzle, y + 0.06), 0.165, 0.085))
    add_eye(sketch, x + 0.09, y - 0.06, 0.03)
    sketch.fill("head", stroke([(x + muzzle - 0.1, y + 0.1), (x + muzzle + 0.05, y + 0.09)], 0.018), paint=DARK)
    sketch.part("head/nose", "nose", DARK)
    sketch.fill("head/nose", ellipse(x + muzzle + 0.055, y + 0.015, 0.058, 0.05, 12))
    sketch.part("head/ear2", "ear", ear)
    if pointed:
        outline = polygon((x - 0.15, y - 0.07), (x - 0.1, y - 0.36), (x + 0.03, y - 0.12))
    else:
        outline = smooth(
            [(x - 0.1, y - 0.14), (x + 0.01, y - 0.12), (x - 0.01, y + 0.08), (x - 0.1, y + 0.16), (x - 0.17, y + 0.06)]
        )
    sketch.fill("head/ear2", outline, shade=-0.2)
    return sketch.drawing({"head": (x, y - 0.16), "neck": (x - 0.06, y + 0.18)}, 0.62 if pose == "lying" else 1.0)


def cat(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A cat: round head seen from the front with ears, nose and whiskers, body, legs, long tail; three poses."""
    sketch = Sketch("cat", paint, pose)
    build = Build(rng.uniform(0.55, 0.7), rng.uniform(0.24, 0.3), rng.uniform(0.14, 0.17), 0.045, 0.1)
    x, y = _head_of(build, pose, 0.9, 1.2)
    if pose == "standing":
        tail = [
            (0.0, -build.leg - 0.2),
            (-0.22, -build.leg - 0.22),
            (-0.3, -build.leg - 0.48),
            (-0.2, -build.leg - 0.66),
        ]
    elif pose == "sitting":
        tail = [(0.02, -0.06), (-0.2, -0.06), (-0.34, -0.16), (-0.34, -0.34)]
    else:
        tail = [(-0.05, -0.09), (-0.26, -0.06), (-0.42, -0.1), (-0.5, -0.22)]
    sketch.part("tail", "tail")
    sketch.fill("tail", stroke(path(tail), 0.085, 0.07), shade=-0.1)
    add_trunk(sketch, build, pose, (x, y + 0.04))
    if rng.random() < 0.4:
        _add_collar(sketch, rng, paint, (x - 0.02, y + 0.2), (x, y), 0.13)
    sketch.part("head", "head")
    for number, side in enumerate((-1, 1), 1):
        sketch.part(f"head/ear{number}", "ear")
        sketch.fill(
            f"head/ear{number}",
            polygon((x + side * 0.03, y - 0.12), (x + side * 0.15, y - 0.32), (x + side * 0.2, y - 0.04)),
            shade=-0.2,
        )
        sketch.fill(
            f"head/ear{number}",
            polygon((x + side * 0.08, y - 0.13), (x + side * 0.14, y - 0.25), (x + side * 0.165, y - 0.1)),
            paint=PINK_SKIN,
        )
    sketch.fill("head", ellipse(x, y, 0.2, 0.175))
    iris = material(90, 160, 70) if rng.random() < 0.5 else material(214, 168, 50)
    for side in (-1, 1):
        sketch.fill("head", ellipse(x + side * 0.085, y - 0.03, 0.045, 0.04, 10), paint=iris)
        sketch.fill("head", ellipse(x + side * 0.085, y - 0.03, 0.016, 0.038, 8), paint=DARK)
        for tilt in (-0.02, 0.03):
            sketch.fill(
                "head", stroke([(x + side * 0.06, y + 0.07), (x + side * 0.19, y + 0.07 + tilt)], 0.01), paint=PALE
            )
    sketch.fill("head", ellipse(x, y + 0.08, 0.075, 0.05, 12), shade=0.35)
    sketch.part("head/nose", "nose", PINK_SKIN)
    sketch.fill("head/nose", rounded([(x - 0.045, y + 0.025), (x + 0.045, y + 0.025), (x, y + 0.085)], 0.02))
    return sketch.drawing({"head": (x, y - 0.17), "neck": (x, y + 0.2)}, 0.62 if pose == "lying" else 1.0)


_FUR = ("brown", "black", "white", "gray", "orange", "yellow")
KINDS: tuple[Kind, ...] = (
    Kind(
        "dog",
        "dogs",
        dog,
        (0.5, 0.8),
        frozenset({"street", "park", "beach", "farm", "snow", "yard", "living room", "kitchen"}),
        "ground",
        "animal",
        ("is a pet", "barks", "guards the house", "can run", "likes bones", "is alive", "eats"),
        ("standing", "sitting", "lying"),
        _FUR,
    ),
    Kind(
        "cat",
        "cats",
        cat,
        (0.35, 0.5),
        frozenset({"street", "yard", "farm", "living room", "bedroom", "kitchen"}),
        "ground",
        "animal",
        ("is a pet", "meows", "catches mice", "can climb", "is alive", "eats"),
        ("standing", "sitting", "lying"),
        _FUR,
        ("plain", "striped"),
    ),
)
"""The four-legged pets of the world."""
