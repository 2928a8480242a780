"""What holds things: box, basket, bucket, gift, vase, potted plant. Lengths in centimetres.

Anchors: "hand" (where a hand holds it), "inside" (of an open vessel), "surface" (of a closed box).
"""

import numpy as np

from mglmm.world.drawing import PATTERNS, Drawing, Kind, Paint
from mglmm.world.kinds import outlines as o
from mglmm.world.kinds.clothes import emblem
from mglmm.world.kinds.sketch import METAL, Sketch, between, chance, color_besides, pick
from mglmm.world.kinds.small import other

LEAF = Paint(None, rgb=(58, 132, 62))


def box(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A box, closed (lid, tape, label) or open (flaps to the sides; things look out of it)."""
    s = Sketch("box", paint, state=pose)
    half, tall = between(rng, 16, 26), between(rng, 22, 32)
    if pose == "open":
        for k, side in enumerate((-1, 1)):
            flap = s.part(f"flap{k + 1}", "flap")
            s.fill(
                flap,
                o.polygon(
                    (side * half, -tall),
                    (side * half * 0.98, -tall + 2),
                    (side * half * 1.4, -tall - 5),
                    (side * half * 1.36, -tall - 8),
                ),
                0.15,
            )
    s.fill("", o.rectangle(-half, -tall, half, 0))
    s.fill("", o.rectangle(half * 0.72, -tall, half, 0), -0.18)
    if pose == "closed":
        lid = s.part("lid", "lid", other(rng, paint, 0.4))
        s.fill(lid, o.rectangle(-half * 1.07, -tall - 2, half * 1.07, -tall + tall * 0.22), 0.06)
    label = s.part("label", "label", other(rng, paint))
    if chance(rng, 0.5):
        s.fill(label, o.rectangle(-half * 0.5, -tall * 0.62, half * 0.35, -tall * 0.22))
        for row in (0.5, 0.4):
            s.fill(
                label,
                o.rectangle(-half * 0.4, -tall * row, half * 0.2, -tall * row + tall * 0.045),
                -0.5 if s.paints[label].color != "black" else 0.5,
            )
    else:
        s.fill(label, emblem(rng, -half * 0.1, -tall * 0.42, tall * 0.2))
    anchors = {"hand": (0.0, -tall * 0.3)}
    if pose == "open":
        anchors["inside"] = (0.0, -tall * 0.7)
    else:
        anchors["surface"] = (0.0, -tall - 2)
    return s.drawing(anchors)


def basket(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A woven basket with a rim and a high handle; things look out of it."""
    s = Sketch("basket", paint)
    half, tall = between(rng, 15, 20), between(rng, 14, 19)
    s.fill(s.part("handle", "handle", other(rng, paint, 0.5)), o.arc(0, -tall, half * 0.82, 2.8, 180, 360, 24), -0.1)
    s.fill("", o.polygon((-half, -tall), (half, -tall), (half * 0.78, 0), (-half * 0.78, 0)))
    for row in range(3):
        for k in range(6):
            x = (-0.75 + 0.3 * k + (0.15 if row % 2 else 0.0)) * half
            y = -tall * (0.2 + 0.25 * row)
            if abs(x) < half * 0.75:
                s.fill(
                    "",
                    o.rounded_rectangle(x - half * 0.11, y - tall * 0.09, x + half * 0.11, y + tall * 0.05, 1.2, 2),
                    -0.25,
                )
    s.fill(
        s.part("rim", "rim", other(rng, paint, 0.5)),
        o.rounded_rectangle(-half * 1.05, -tall - 1.8, half * 1.05, -tall + 2, 1.8),
        0.08,
    )
    return s.drawing({"hand": (0.0, -tall - half * 0.8), "inside": (0.0, -tall * 0.8)})


def bucket(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A bucket with a wire handle and a stripe or a logo; things look out of it."""
    s = Sketch("bucket", paint)
    half, tall = between(rng, 12, 15), between(rng, 22, 28)
    s.fill(s.part("handle", "handle", METAL), o.arc(0, -tall, half * 0.95, 1.8, 180, 360, 24))
    s.fill("", o.polygon((-half, -tall), (half, -tall), (half * 0.74, 0), (-half * 0.74, 0)))
    s.fill("", o.polygon((half * 0.5, -tall), (half, -tall), (half * 0.74, 0), (half * 0.4, 0)), -0.18)
    if chance(rng, 0.5):
        s.fill(
            s.part("stripe", "stripe", other(rng, paint)),
            o.polygon(
                (-half * 0.94, -tall * 0.72),
                (half * 0.94, -tall * 0.72),
                (half * 0.87, -tall * 0.48),
                (-half * 0.87, -tall * 0.48),
            ),
        )
    else:
        s.fill(s.part("logo", "logo", other(rng, paint)), emblem(rng, -half * 0.1, -tall * 0.5, half * 0.4))
    s.fill("", o.rounded_rectangle(-half * 1.06, -tall - 1.2, half * 1.06, -tall + 1.4, 1.2), 0.12)
    return s.drawing({"hand": (0.0, -tall - half * 0.95), "inside": (0.0, -tall * 0.8)})


def gift(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A gift: a wrapped box with a ribbon and a big bow."""
    s = Sketch("gift", paint)
    half, tall = between(rng, 11, 17), between(rng, 15, 26)
    s.fill("", o.rectangle(-half, -tall, half, 0))
    s.fill("", o.rectangle(-half * 1.06, -tall, half * 1.06, -tall * 0.78), -0.12)
    ribbon = s.part("ribbon", "ribbon", other(rng, paint))
    wide = half * between(rng, 0.14, 0.2)
    s.fill(ribbon, o.rectangle(-wide, -tall, wide, 0))
    if chance(rng, 0.6):
        s.fill(ribbon, o.rectangle(-half, -tall * 0.45, half, -tall * 0.45 + wide * 2))
    bow = s.part("ribbon/bow", "bow", other(rng, paint, 1.0) if chance(rng, 0.3) else s.paints[ribbon])
    for side in (-1, 1):
        s.fill(
            bow,
            o.smooth(
                [
                    (0, -tall),
                    (side * half * 0.35, -tall - half * 0.55),
                    (side * half * 0.75, -tall - half * 0.4),
                    (side * half * 0.6, -tall - 0.5),
                ]
            ),
        )
        s.fill(bow, o.ellipse(side * half * 0.42, -tall - half * 0.27, half * 0.13, half * 0.1, 10), -0.35)
    s.fill(bow, o.ellipse(0, -tall - half * 0.12, half * 0.17, count=12), -0.12)
    return s.drawing({"hand": (0.0, -tall * 0.25)})


def _bloom(s: Sketch, rng: np.random.Generator, path: str, x: float, y: float, low: float, paint: Paint) -> None:
    """Adds a flower at (x, y) with petals, a center and a stem down to (0, `low`)."""
    node = s.part(path, "flower", paint)
    s.fill(node, o.stroke([(x, y), (x * 0.25, low)], 1.0), paint=LEAF)
    radius = between(rng, 2.6, 3.4)
    petals = int(rng.integers(5, 8))
    for k in range(petals):
        s.fill(node, o.rotate(o.ellipse(x, y - radius, radius * 0.62, radius * 0.85, 10), 360 * k / petals, (x, y)))
    s.fill(
        s.part(
            f"{path}/center",
            "center",
            Paint(color_besides(rng, paint.color, among=("yellow", "orange", "brown", "white"))),
        ),
        o.ellipse(x, y, radius * 0.62, count=12),
    )


def vase(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A vase with a band, mostly with one to three flowers in it."""
    s = Sketch("vase", paint)
    half, tall = between(rng, 6, 8.5), between(rng, 18, 26)
    if chance(rng, 0.8):
        color = other(rng, paint)
        places = {1: (0.0,), 2: (-5.0, 4.5), 3: (-7.5, 0.0, 7.5)}[int(rng.integers(1, 4))]
        for k, x in enumerate(places):
            one = color if chance(rng, 0.6) else other(rng, paint)
            _bloom(s, rng, f"flower{k + 1}", x, -tall - between(rng, 8, 12), -tall + 2, one)
    neck = half * between(rng, 0.45, 0.7)
    outline = [(neck * 1.25, -tall), (neck, -tall * 0.82), (half, -tall * 0.45), (half * 0.7, -1), (half * 0.6, 0)]
    s.fill("", o.smooth(outline + [(-x, y) for x, y in outline[::-1]]))
    s.fill("", o.ellipse(-half * 0.45, -tall * 0.48, half * 0.14, tall * 0.14, 12), 0.45)
    if chance(rng, 0.6):
        s.fill(
            s.part("stripe", "stripe", other(rng, paint)),
            o.polygon(
                (-half * 0.97, -tall * 0.42),
                (half * 0.97, -tall * 0.42),
                (half * 0.86, -tall * 0.24),
                (-half * 0.86, -tall * 0.24),
            ),
        )
    return s.drawing({"hand": (0.0, -tall * 0.45)})


def potted_plant(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A plant with long leaves or a cactus, in a pot of the paint."""
    s = Sketch("potted plant", LEAF, told=False)
    half, tall = between(rng, 7, 9), between(rng, 10, 14)
    if chance(rng, 0.3):
        stem = s.part("cactus", "cactus", Paint(None, rgb=(70, 140, 84)))
        high = between(rng, 16, 24)
        s.fill(stem, o.capsule((0, -tall), (0, -tall - high), 4.2))
        for side, y in ((-1, 0.35), (1, 0.55)):
            s.fill(stem, o.capsule((side * 2, -tall - high * y), (side * 8, -tall - high * y), 2.0), -0.1)
            s.fill(stem, o.capsule((side * 8, -tall - high * y), (side * 8, -tall - high * (y + 0.35)), 2.0), 0.05)
        s.fill(
            s.part("flower", "flower", Paint(pick(rng, ("pink", "red", "yellow", "white")))),
            o.ellipse(0, -tall - high - 4.5, 3.0, 2.4, 14),
        )
    else:
        count = int(rng.integers(5, 9))
        for k in range(count):
            turn = -70 + 140 * k / (count - 1) + between(rng, -8, 8)
            long = between(rng, 16, 26)
            blade = o.smooth([(0, 0), (-3.4, -long * 0.55), (0, -long), (3.4, -long * 0.55)])
            s.fill(
                s.part(f"leaf{k + 1}", "leaf", LEAF),
                o.translate(o.rotate(blade, turn), turn * 0.04, -tall + 1),
                (-0.2, 0.0, 0.15)[k % 3],
            )
    pot = s.part("pot", "pot", paint)
    s.fill(pot, o.polygon((-half, -tall), (half, -tall), (half * 0.7, 0), (-half * 0.7, 0)))
    rim = s.part("pot/rim", "rim", other(rng, paint, 0.4))
    s.fill(rim, o.rounded_rectangle(-half * 1.1, -tall - 1, half * 1.1, -tall + 2.4, 0.8), -0.12)
    return s.drawing({"hand": (0.0, -tall * 0.4)})


_ROOMS = frozenset({"living room", "bedroom", "office"})

KINDS: tuple[Kind, ...] = (
    Kind("box", "boxes", box, (0.34, 0.46), _ROOMS | {"street", "yard", "kitchen"}, "ground", "container", ("store",),
         ("open", "closed")),
    Kind("basket", "baskets", basket, (0.3, 0.4), frozenset({"park", "farm", "yard", "kitchen", "beach"}), "ground",
         "container", ("store", "carry things")),
    Kind("bucket", "buckets", bucket, (0.3, 0.38), frozenset({"beach", "farm", "yard", "bathroom"}), "ground",
         "container", ("store", "carry water")),
    Kind("gift", "gifts", gift, (0.22, 0.34), _ROOMS | {"kitchen"}, "surface", "gift", ("give",), patterns=PATTERNS),
    Kind("vase", "vases", vase, (0.3, 0.42), _ROOMS | {"kitchen"}, "surface", "container", ("hold flowers", "breaks"),
         patterns=PATTERNS),
    Kind("potted plant", "potted plants", potted_plant, (0.4, 0.62), _ROOMS | {"kitchen", "bathroom", "yard"},
         "surface",
         "plant", ("grow",), patterns=PATTERNS),
)  # fmt: skip
