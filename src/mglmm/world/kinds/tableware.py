"""What stands on a kitchen table: cup, glass, plate, bowl, bottle, teapot, kettle, pot, pan, jug.

Lengths in centimetres. Anchors: "hand" (where a hand holds it), "inside" (what lies in an open vessel).
"""

import numpy as np

from mglmm.world.drawing import PATTERNS, Drawing, Kind, Paint
from mglmm.world.kinds import outlines as o
from mglmm.world.kinds.clothes import emblem
from mglmm.world.kinds.sketch import DARK, Sketch, between, chance, color_besides, pick, wood

GLASS = Paint(None, rgb=(198, 220, 228))
KITCHEN = frozenset({"kitchen"})
TABLES = frozenset({"kitchen", "living room", "office"})


def _side(rng: np.random.Generator, paint: Paint, own: float = 0.5) -> Paint:
    """The thing's own paint or, with the chance `own`, another colour."""
    return Paint(color_besides(rng, paint.color)) if chance(rng, own) else paint


def cup(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A cup with a handle on the right, mostly with a big logo or a band."""
    s = Sketch("cup", paint)
    half, high = between(rng, 3.6, 4.8), between(rng, 7.5, 10.5)
    taper = between(rng, 0.72, 1.0)
    handle = s.part("handle", "handle", _side(rng, paint))
    s.fill(handle, o.arc(half * 0.92, -high * 0.52, high * 0.24, high * 0.12, -100, 100, 16), -0.12)
    s.fill(
        "",
        o.polygon(
            (-half, -high),
            (half, -high),
            (half * taper, -0.6),
            (half * taper * 0.85, 0),
            (-half * taper * 0.85, 0),
            (-half * taper, -0.6),
        ),
    )
    s.fill("", o.polygon((half * 0.45, -high), (half, -high), (half * taper, -0.4), (half * taper * 0.5, -0.2)), -0.16)
    s.fill("", o.ellipse(0, -high, half, half * 0.22, 24), 0.2)
    drink = Paint(None, rgb=pick(rng, ((92, 56, 30), (176, 108, 40), (236, 228, 214))))
    s.fill("", o.ellipse(0, -high + 0.1, half * 0.82, half * 0.15, 20), 0.0, drink)
    kind = rng.random()
    if kind < 0.6:
        s.fill(
            s.part("logo", "logo", Paint(color_besides(rng, paint.color))), emblem(rng, 0.0, -high * 0.47, high * 0.22)
        )
    elif kind < 0.85:
        s.fill(
            s.part("stripe", "stripe", Paint(color_besides(rng, paint.color))),
            o.rectangle(-half * 0.88, -high * 0.62, half * 0.88, -high * 0.4),
        )
    return s.drawing({"hand": (half + high * 0.2, -high * 0.5)})


def glass(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A glass with a coloured drink in it (the paint), half of them with a straw."""
    s = Sketch("glass", GLASS, told=False)
    half, high = between(rng, 2.8, 3.8), between(rng, 9.0, 13.0)
    taper, level = between(rng, 0.75, 0.95), between(rng, 0.5, 0.85)
    s.fill("", o.polygon((-half, -high), (half, -high), (half * taper, 0), (-half * taper, 0)))
    s.fill("", o.ellipse(0, -high, half, half * 0.2, 20), 0.4)
    if chance(rng, 0.5):
        straw = s.part("straw", "straw", Paint(color_besides(rng, paint.color), "plain"))
        s.fill(straw, o.stroke([(-half * 0.3, -1.5), (half * 0.75, -high - 4.0)], 1.0))
    drink = s.part("drink", "drink", paint)
    width = half * (taper + (1 - taper) * level)
    s.fill(
        drink,
        o.polygon(
            (-width * 0.88, -high * level),
            (width * 0.88, -high * level),
            (half * taper * 0.86, -0.9),
            (-half * taper * 0.86, -0.9),
        ),
    )
    s.fill(drink, o.ellipse(0, -high * level, width * 0.88, half * 0.16, 18), 0.25)
    s.fill(
        "",
        o.polygon(
            (-half * 0.86, -high * 0.95), (-half * 0.66, -high * 0.95), (-half * 0.6, -1.2), (-half * 0.74, -1.2)
        ),
        0.6,
    )
    return s.drawing({"hand": (0.0, -high * 0.45)})


def plate(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A plate seen from half above, its rim in another colour or not, some with food on it."""
    s = Sketch("plate", paint)
    half = between(rng, 11, 14)
    tall = half * between(rng, 0.34, 0.5)
    s.fill("", o.ellipse(0, -tall * 0.92, half, tall, 32), -0.25)
    s.fill(s.part("rim", "rim", _side(rng, paint)), o.ellipse(0, -tall, half, tall, 32))
    s.fill("", o.ellipse(0, -tall, half * 0.74, tall * 0.72, 28))
    s.fill("", o.ellipse(0, -tall * 0.97, half * 0.66, tall * 0.62, 28), 0.12)
    food = pick(rng, ("", "", "egg", "cookies", "sandwich"))
    y = -tall
    if food == "egg":
        node = s.part("egg", "egg", Paint(color_besides(rng, paint.color, among=("white", "yellow"))))
        s.fill(node, o.ellipse(0, y, half * 0.45, tall * 0.4))
        s.fill(s.part("egg/yolk", "yolk", Paint("orange")), o.ellipse(0, y - tall * 0.06, half * 0.2, tall * 0.2))
    elif food == "cookies":
        cookie = Paint(color_besides(rng, paint.color, among=("brown", "orange", "yellow")))
        for k, (x, lift) in enumerate(((-0.27, 0.1), (0.27, 0.08), (0.0, -0.2))):
            node = s.part(f"cookie{k + 1}", "cookie", cookie)
            s.fill(node, o.ellipse(x * half, y + lift * tall, half * 0.25, tall * 0.27, 18))
            for dot in (-0.09, 0.1):
                s.fill(node, o.ellipse((x + dot) * half, y + (lift + dot * 0.6) * tall, half * 0.045, count=8), -0.6)
    elif food == "sandwich":
        bread = Paint(None, rgb=(206, 150, 84))
        node = s.part("sandwich", "sandwich", bread)
        for lift in (0.1, -0.42):
            s.fill(
                node,
                o.rounded_rectangle(
                    -half * 0.42, y + (lift - 0.14) * tall, half * 0.42, y + (lift + 0.16) * tall, half * 0.09
                ),
            )
        s.fill(
            s.part("sandwich/salad", "salad", Paint("green")),
            o.rectangle(-half * 0.46, y - tall * 0.3, half * 0.46, y - tall * 0.13),
        )
        s.fill(
            s.part("sandwich/cheese", "cheese", Paint("yellow")),
            o.rectangle(-half * 0.44, y - tall * 0.13, half * 0.44, y - tall * 0.02),
        )
    return s.drawing({"hand": (half * 0.9, -tall)})


def bowl(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A bowl, mostly with a stripe, empty or full of fruit or soup. Things lie "inside" the empty one."""
    s = Sketch("bowl", paint)
    half, high = between(rng, 7.5, 11), between(rng, 6, 8.5)
    content = pick(rng, ("", "", "fruit", "soup"))
    if content == "fruit":
        for k, (x, lift) in enumerate(((-0.5, 0.1), (0.48, 0.12), (0.0, 0.3))):
            fruit = Paint(color_besides(rng, paint.color, among=("red", "orange", "yellow", "green")))
            node = s.part(f"fruit{k + 1}", "fruit", fruit)
            s.fill(node, o.ellipse(x * half, -high - lift * half, half * 0.36, count=18))
            s.fill(node, o.ellipse(x * half - half * 0.1, -high - lift * half - half * 0.13, half * 0.08, count=8), 0.5)
    s.fill("", o.rectangle(-half * 0.4, -1.2, half * 0.4, 0), -0.3)
    s.fill("", o.segment(0, -high, half, high - 0.6, 0, 180, 24))
    if chance(rng, 0.6):
        stripe = s.part("stripe", "stripe", Paint(color_besides(rng, paint.color)))
        s.fill(
            stripe,
            o.polygon(
                (-half * 0.96, -high * 0.78),
                (half * 0.96, -high * 0.78),
                (half * 0.86, -high * 0.54),
                (-half * 0.86, -high * 0.54),
            ),
        )
    if content != "fruit":
        s.fill("", o.ellipse(0, -high, half, half * 0.16, 28), 0.2)
        s.fill("", o.ellipse(0, -high + 0.1, half * 0.88, half * 0.11, 24), -0.25)
    if content == "soup":
        s.fill(s.part("soup", "soup", Paint(color_besides(rng, paint.color, among=("red", "orange", "yellow", "green",
            "brown")))),
               o.ellipse(0, -high + 0.15, half * 0.86, half * 0.12, 24))  # fmt: skip
    anchors = {"hand": (half * 0.8, -high * 0.5)}
    if content == "":
        anchors["inside"] = (0.0, -high * 0.75)
    return s.drawing(anchors)


def bottle(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A bottle with a cap and a label (with a stripe or a picture on it)."""
    s = Sketch("bottle", paint)
    half, high = between(rng, 3.2, 4.4), between(rng, 19, 26)
    shoulder, neck = high * between(rng, 0.58, 0.7), half * between(rng, 0.32, 0.45)
    right = [(neck, -high), (neck, -shoulder - half * 0.8), (half, -shoulder), (half, -0.8), (half * 0.85, 0)]
    s.fill("", np.array(right + [(-x, y) for x, y in right[::-1]]))
    s.fill(
        "",
        o.polygon((-half * 0.8, -shoulder), (-half * 0.5, -shoulder - 0.6), (-half * 0.5, -1.4), (-half * 0.8, -1.4)),
        0.4,
    )
    cap = s.part("cap", "cap", Paint(color_besides(rng, paint.color)))
    s.fill(cap, o.rounded_rectangle(-neck * 1.3, -high - 1.0, neck * 1.3, -high + 1.8, 0.4))
    label = Paint(color_besides(rng, paint.color, s.paints[cap].color))
    node = s.part("label", "label", label)
    top, low = -shoulder * 0.85, -shoulder * 0.28
    s.fill(node, o.rectangle(-half * 1.01, top, half * 1.01, low))
    other = Paint(color_besides(rng, paint.color, label.color))
    middle = (top + low) / 2
    if chance(rng, 0.5):
        s.fill(
            s.part("label/stripe", "stripe", other), o.rectangle(-half * 1.01, middle - 0.8, half * 1.01, middle + 0.8)
        )
    else:
        s.fill(
            s.part("label/picture", "picture", other), emblem(rng, 0.0, middle, min(half * 0.62, (low - top) * 0.36))
        )
    return s.drawing({"hand": (0.0, -shoulder * 0.9)})


def _pouring(rng: np.random.Generator, paint: Paint, name: str) -> Drawing:
    """A teapot or a kettle: belly, spout to the left, handle, lid with a knob."""
    s = Sketch(name, paint)
    half, high = between(rng, 7.0, 9.0), between(rng, 10, 13)
    other = Paint(color_besides(rng, paint.color))
    tip, root = (-half * 1.6, -high * 0.9), (-half * 0.6, -high * 0.2)
    if name == "teapot":
        handle = s.part("handle", "handle", _side(rng, paint, 0.6))
        s.fill(handle, o.arc(half * 0.85, -high * 0.55, high * 0.3, high * 0.12, -110, 110, 18), -0.1)
        outline = [(0.55, 0.0), (1.0, 0.45), (0.5, 0.97), (-0.5, 0.97), (-1.0, 0.45), (-0.55, 0.0)]
        belly = o.smooth([(u * half, -v * high) for u, v in outline], 6)
    else:
        handle = s.part("handle", "handle", pick(rng, (DARK, other)))
        s.fill(handle, o.arc(0, -high * 0.95, half * 0.72, high * 0.14, 180, 360, 20), -0.1)
        outline = [(1.0, 0.0), (0.92, 0.45), (0.55, 1.0), (-0.55, 1.0), (-0.92, 0.45), (-1.0, 0.0)]
        belly = o.polygon(*((u * half, -v * high) for u, v in outline))
    spout = s.part("spout", "spout", paint)
    upper, lower = (-half * 0.75, -high * 0.62), (-half * 1.15, -high * 0.35)
    s.fill(spout, o.polygon(root, upper, (-half * 1.35, -high * 0.98), tip, lower), -0.18)
    s.fill("", belly)
    s.fill("", o.ellipse(-half * 0.45, -high * 0.6, half * 0.12, high * 0.15, 12), 0.45)
    lid = s.part("lid", "lid", _side(rng, paint, 0.4))
    s.fill(lid, o.segment(0, -high * 0.95, half * 0.55, high * 0.16, 180, 360), -0.08)
    s.fill(
        s.part("lid/knob", "knob", Paint(color_besides(rng, paint.color))),
        o.ellipse(0, -high * 1.16, half * 0.17, count=14),
    )
    if chance(rng, 0.5):
        node = s.part("logo", "logo", Paint(color_besides(rng, paint.color)))
        s.fill(node, emblem(rng, 0.0, -high * 0.45, high * 0.2))
    return s.drawing({"hand": (half * 1.1, -high * 0.55) if name == "teapot" else (0.0, -high * 1.4)})


def teapot(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A round teapot with spout, handle and lid."""
    return _pouring(rng, paint, "teapot")


def kettle(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A kettle with spout, lid and a handle above."""
    return _pouring(rng, paint, "kettle")


def jug(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A jug with a lip, a handle and mostly a band."""
    s = Sketch("jug", paint)
    half, high = between(rng, 5.0, 6.5), between(rng, 15, 20)
    s.fill(
        s.part("handle", "handle", _side(rng, paint)),
        o.arc(half * 0.8, -high * 0.58, high * 0.23, high * 0.09, -100, 100, 16),
        -0.1,
    )
    s.fill("", o.smooth([
        (-half * 0.7, 0), (-half, -high * 0.3), (-half * 0.55, -high * 0.75), (-half * 1.05, -high), (half * 0.6,
        -high * 0.95),
        (half * 0.55, -high * 0.75), (half, -high * 0.3), (half * 0.7, 0),
    ]))  # fmt: skip
    if chance(rng, 0.7):
        band = s.part("stripe", "stripe", Paint(color_besides(rng, paint.color)))
        s.fill(band, o.rectangle(-half * 0.95, -high * 0.42, half * 0.95, -high * 0.24))
    return s.drawing({"hand": (half * 1.2, -high * 0.58)})


def pot(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A cooking pot with two handles and a lid with a knob."""
    s = Sketch("pot", paint)
    half, high = between(rng, 9, 12), between(rng, 9, 14)
    grips = pick(rng, (DARK, wood(rng), Paint(color_besides(rng, paint.color))))
    for k, side in enumerate((-1, 1)):
        x0, x1 = sorted((side * half * 0.9, side * half * 1.32))
        s.fill(
            s.part(f"handle{k + 1}", "handle", grips),
            o.rounded_rectangle(x0, -high * 0.8, x1, -high * 0.6, high * 0.08),
        )
    s.fill("", o.rounded_rectangle(-half, -high, half, 0, 1.6))
    s.fill("", o.rectangle(-half * 0.8, -high * 0.85, -half * 0.62, -high * 0.15), 0.4)
    lid = s.part("lid", "lid", _side(rng, paint, 0.4))
    s.fill(lid, o.segment(0, -high * 0.97, half * 1.03, high * 0.26, 180, 360, 18), 0.1)
    s.fill(s.part("lid/knob", "knob", grips), o.ellipse(0, -high * 1.28, half * 0.16, high * 0.1, 14))
    return s.drawing({"hand": (half * 1.2, -high * 0.7)})


def pan(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A frying pan seen from half above with a long handle, some with a fried egg."""
    s = Sketch("pan", paint)
    half, tall = between(rng, 9, 12), between(rng, 4.5, 6.5)
    s.fill(
        s.part("handle", "handle", pick(rng, (wood(rng), DARK, Paint(color_besides(rng, paint.color))))),
        o.capsule((half * 0.8, -tall * 1.25), (half * 2.1, -tall * 2.0), 1.1, 1.5),
    )
    s.fill("", o.ellipse(0, -tall * 0.85, half, tall * 0.85, 28), -0.25)
    s.fill("", o.ellipse(0, -tall * 1.12, half, tall * 0.85, 28), 0.08)
    s.fill("", o.ellipse(0, -tall * 1.08, half * 0.86, tall * 0.68, 26), -0.4)
    if chance(rng, 0.6):
        egg = s.part("egg", "egg", Paint("white" if paint.color != "white" else "pink"))
        s.fill(
            egg,
            o.smooth(
                [
                    (-half * 0.5, -tall),
                    (-half * 0.2, -tall * 1.5),
                    (half * 0.4, -tall * 1.4),
                    (half * 0.5, -tall * 0.9),
                    (0, -tall * 0.7),
                ]
            ),
        )
        s.fill(
            s.part("egg/yolk", "yolk", Paint("yellow" if paint.color != "yellow" else "orange")),
            o.ellipse(0, -tall * 1.1, half * 0.2, tall * 0.2),
        )
    return s.drawing({"hand": (half * 1.8, -tall * 1.8)})


KINDS: tuple[Kind, ...] = (
    Kind("cup", "cups", cup, (0.1, 0.13), TABLES | {"bedroom"}, "surface", "tableware", ("drink from",),
         patterns=PATTERNS),
    Kind("glass", "glasses", glass, (0.13, 0.18), TABLES, "surface", "tableware", ("drink from", "breaks"),
         colors=("red", "orange", "yellow", "green", "purple", "pink", "brown", "white")),
    Kind("plate", "plates", plate, (0.1, 0.14), KITCHEN | {"living room"}, "surface", "tableware", ("eat from",
         "breaks")),
    Kind("bowl", "bowls", bowl, (0.12, 0.16), KITCHEN | {"living room"}, "surface", "tableware", ("eat from",),
         patterns=PATTERNS),
    Kind("bottle", "bottles", bottle, (0.24, 0.32), TABLES, "surface", "tableware", ("drink from", "pour")),
    Kind("teapot", "teapots", teapot, (0.16, 0.22), KITCHEN | {"living room"}, "surface", "tableware", ("pour",),
         patterns=PATTERNS),
    Kind("kettle", "kettles", kettle, (0.2, 0.26), KITCHEN, "surface", "tableware", ("boil water", "pour")),
    Kind("jug", "jugs", jug, (0.2, 0.28), KITCHEN | {"living room"}, "surface", "tableware", ("pour",),
         patterns=PATTERNS),
    Kind("pot", "pots", pot, (0.18, 0.24), KITCHEN, "surface", "tableware", ("cook", "boil water")),
    Kind("pan", "pans", pan, (0.15, 0.2), KITCHEN, "surface", "tableware", ("cook", "fry")),
)  # fmt: skip
