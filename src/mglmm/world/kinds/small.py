"""Small things: book, bags, umbrella, box, basket, bucket, gift, hat, vase, potted plant, candle, scissors, pencil, broom.

Lengths in centimetres. Anchors: "hand" (where a hand holds it), "inside" (of an open vessel), "surface".
"""

import numpy as np

from mglmm.world.drawing import PATTERNS, Drawing, Kind, Paint
from mglmm.world.kinds import outlines as o
from mglmm.world.kinds.clothes import emblem
from mglmm.world.kinds.sketch import DARK, METAL, Sketch, between, chance, color_besides, pick, wood

PAGES = Paint(None, rgb=(246, 240, 222))
LEAF = Paint(None, rgb=(58, 132, 62))
STRAW = Paint(None, rgb=(200, 160, 96))


def _other(rng: np.random.Generator, paint: Paint, own: float = 1.0, patterned: float = 0.0) -> Paint:
    """Another colour than the paint's or, with the chance 1 - `own`, the paint itself."""
    if not chance(rng, own):
        return paint
    pattern = pick(rng, PATTERNS) if chance(rng, patterned) else "plain"
    return Paint(color_besides(rng, paint.color), pattern)


def book(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A book that stands (cover with a title and a picture, spine, pages) or lies open."""
    s = Sketch("book", paint, state="open" if pose == "open" else None)
    half, tall = between(rng, 8, 10.5), between(rng, 22, 27)
    if pose == "open":
        s.fill("", o.polygon((-half * 2.1, -12), (half * 2.1, -12), (half * 2.3, 0), (-half * 2.3, 0)))
        for k, side in enumerate((-1, 1)):
            node = s.part(f"page{k + 1}", "page", PAGES)
            s.fill(node, o.polygon((0, -11), (side * half, -14), (side * half * 1.95, -13), (side * half * 2.1, -1.8), (side * half, -2.8), (0, -0.8)), 0.0 if k else -0.08)
            for row in range(4):
                y = -11.2 + row * 2.3
                s.fill(node, o.polygon((side * half * 0.35, y), (side * half * 1.7, y - 0.6), (side * half * 1.72, y + 0.3), (side * half * 0.35, y + 0.9)), -0.5)
        return s.drawing({"hand": (0.0, -2.0)})
    s.fill(s.part("pages", "pages", PAGES), o.polygon((half - 0.5, -tall + 0.8), (half + 2.6, -tall + 0.2), (half + 2.6, -1.2), (half - 0.5, -0.6)), -0.06)
    s.fill("", o.rectangle(-half, -tall, half, 0))
    s.fill(s.part("spine", "spine", _other(rng, paint, 0.5)), o.rectangle(-half, -tall, -half + 3.2, 0), -0.22)
    label = s.part("label", "label", _other(rng, paint))
    s.fill(label, o.rectangle(-half * 0.45, -tall * 0.9, half * 0.85, -tall * 0.68))
    for row in (0.84, 0.77):
        s.fill(label, o.rectangle(-half * 0.3, -tall * row, half * 0.65, -tall * (row - 0.03)), -0.6 if s.paints[label].color != "black" else 0.6)
    if chance(rng, 0.75):
        picture = s.part("picture", "picture", Paint(color_besides(rng, paint.color, s.paints[label].color)))
        s.fill(picture, emblem(rng, half * 0.2, -tall * 0.34, half * 0.55))
    return s.drawing({"hand": (0.0, -tall * 0.3)})


def backpack(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A backpack: straps at the sides, a handle, a lid, a pocket with a zipper."""
    s = Sketch("backpack", paint)
    half, tall = between(rng, 14, 18), between(rng, 36, 44)
    strap = _other(rng, paint, 0.5)
    for k, side in enumerate((-1, 1)):
        node = s.part(f"strap{k + 1}", "strap", strap)
        s.fill(node, o.stroke(o.path([(side * half * 0.7, -tall * 0.85), (side * half * 1.28, -tall * 0.55), (side * half * 0.95, -tall * 0.1)]), 4.2), -0.15)
    s.fill(s.part("handle", "handle", strap), o.arc(0, -tall, 5.0, 2.4, 180, 360))
    s.fill("", o.rounded_rectangle(-half, -tall, half, 0, half * 0.55))
    s.fill("", o.segment(0, -tall * 0.62, half, tall * 0.4, 180, 360, 20), -0.14)
    pocket = s.part("pocket", "pocket", _other(rng, paint, 0.65, 0.3))
    s.fill(pocket, o.rounded_rectangle(-half * 0.72, -tall * 0.48, half * 0.72, -tall * 0.06, half * 0.25), -0.08)
    zipper = s.part("pocket/zipper", "zipper", pick(rng, (Paint("yellow"), Paint("white"), Paint("black"), METAL)))
    s.fill(zipper, o.rectangle(-half * 0.6, -tall * 0.41, half * 0.6, -tall * 0.36))
    s.fill(zipper, o.rectangle(half * 0.42, -tall * 0.38, half * 0.55, -tall * 0.26))
    if chance(rng, 0.5):
        s.fill(s.part("logo", "logo", _other(rng, paint)), emblem(rng, 0.0, -tall * 0.68, half * 0.3))
    return s.drawing({"hand": (0.0, -tall - 4)})


def bag(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A bag with a handle: a handbag with a flap and a buckle, or a shopping bag with a logo."""
    s = Sketch("bag", paint)
    half, tall = between(rng, 14, 19), between(rng, 22, 34)
    handle = s.part("handle", "handle", _other(rng, paint, 0.5))
    s.fill(handle, o.arc(0, -tall + 1, half * 0.52, 3.0, 180, 360, 18), -0.15)
    if tall < 28:
        s.fill("", o.polygon((-half * 0.85, -tall), (half * 0.85, -tall), (half, 0), (-half, 0)))
        flap = s.part("flap", "flap", _other(rng, paint, 0.4))
        s.fill(flap, o.polygon((-half * 0.86, -tall), (half * 0.86, -tall), (half * 0.92, -tall * 0.6), (half * 0.35, -tall * 0.42), (-half * 0.35, -tall * 0.42), (-half * 0.92, -tall * 0.6)), -0.16)
        buckle = s.part("buckle", "buckle", Paint(color_besides(rng, paint.color, s.paints[flap].color, among=("yellow", "gray", "white", "black"))))
        s.fill(buckle, o.rounded_rectangle(-half * 0.16, -tall * 0.55, half * 0.16, -tall * 0.32, 1.0))
    else:
        s.fill("", o.polygon((-half, -tall), (half, -tall), (half * 0.9, 0), (-half * 0.9, 0)))
        s.fill("", o.polygon((half * 0.6, -tall), (half, -tall), (half * 0.9, 0), (half * 0.55, 0)), -0.2)
        s.fill(s.part("logo", "logo", _other(rng, paint)), emblem(rng, -half * 0.15, -tall * 0.48, half * 0.45))
    return s.drawing({"hand": (0.0, -tall - half * 0.5)})


def suitcase(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A suitcase with a handle, two wheels, grooves or belts, some with stickers."""
    s = Sketch("suitcase", paint)
    half, tall = between(rng, 19, 25), between(rng, 48, 60)
    handle = s.part("handle", "handle", pick(rng, (METAL, DARK, _other(rng, paint))))
    for x in (-half * 0.38, half * 0.38):
        s.fill(handle, o.rectangle(x - 1.2, -tall - 15, x + 1.2, -tall + 1))
    s.fill(handle, o.rounded_rectangle(-half * 0.48, -tall - 18, half * 0.48, -tall - 13.5, 2))
    for k, x in enumerate((-half * 0.68, half * 0.68)):
        wheel = s.part(f"wheel{k + 1}", "wheel", DARK)
        s.fill(wheel, o.ellipse(x, -3.2, 3.4))
        s.fill(wheel, o.ellipse(x, -3.2, 1.4, count=10), 0.6)
    s.fill("", o.rounded_rectangle(-half, -tall, half, -4, 5))
    if chance(rng, 0.5):
        belt = _other(rng, paint)
        for k, x in enumerate((-half * 0.5, half * 0.5)):
            s.fill(s.part(f"belt{k + 1}", "belt", belt), o.rectangle(x - 2.6, -tall, x + 2.6, -4))
    else:
        for x in (-0.6, -0.2, 0.2, 0.6):
            s.fill("", o.rounded_rectangle(x * half - 1.3, -tall + 5, x * half + 1.3, -9, 1.2), -0.2)
        if chance(rng, 0.6):
            s.fill(s.part("sticker", "sticker", _other(rng, paint)), emblem(rng, 0.0, -tall * 0.55, half * 0.42))
    return s.drawing({"hand": (0.0, -tall - 16)})


def umbrella(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """An umbrella, open (canopy of six fields) or closed, with a crook handle."""
    s = Sketch("umbrella", paint, state=pose)
    handle = s.part("handle", "handle", pick(rng, (wood(rng), DARK, _other(rng, paint))))
    hook = o.arc(6.0, -7, 6.0, 3.2, 0, 180, 14)
    if pose == "closed":
        s.fill(handle, o.rectangle(-1.6, -40, 1.6, -7))
        s.fill(handle, hook)
        s.fill("", o.polygon((-1, -92), (1, -92), (8.5, -36), (4, -31), (0, -35), (-4, -31), (-8.5, -36)))
        s.fill("", o.polygon((0, -90), (4.2, -34), (0, -36)), -0.2)
        s.fill(s.part("band", "ribbon", _other(rng, paint)), o.polygon((-6.6, -54), (6.6, -54), (7.4, -48), (-7.4, -48)))
        s.fill("", o.rectangle(-0.8, -97, 0.8, -91), paint=METAL)
        return s.drawing({"hand": (0.0, -20.0)})
    s.fill(s.part("pole", "pole", METAL), o.rectangle(-1.1, -95, 1.1, -7))
    s.fill(handle, o.rectangle(-1.7, -20, 1.7, -7))
    s.fill(handle, hook)
    half, top, low = between(rng, 46, 56), -92.0, -55.0
    s.fill("", o.rectangle(-0.9, -98, 0.9, -91), paint=METAL)
    canopy = s.part("canopy", "canopy")
    dome = [(float(x), float(y)) for x, y in o.segment(0, low, half, low - top, 180, 360, 18)]
    scallops = [(half * x, low + y) for x, y in ((0.67, -4), (0.34, 1.5), (0.0, -4), (-0.34, 1.5), (-0.67, -4))]
    s.fill(canopy, dome + scallops)
    second = _other(rng, paint, 0.35)
    for k, (a, b) in enumerate(((-0.67, -0.3), (0.3, 0.67))):
        wedge = [(0, top), (half * b * 0.75, top + 12), (half * b, low - 3), (half * a, low - 3), (half * a * 0.75, top + 12)]
        if second is paint:
            s.fill(canopy, wedge, -0.16)
        else:
            s.fill(s.part(f"canopy/stripe{k + 1}", "stripe", second), wedge)
    return s.drawing({"hand": (0.0, -15.0)})


def box(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A box, closed (lid, tape, label) or open (flaps to the sides; things look out of it)."""
    s = Sketch("box", paint, state=pose)
    half, tall = between(rng, 16, 26), between(rng, 22, 32)
    if pose == "open":
        for k, side in enumerate((-1, 1)):
            flap = s.part(f"flap{k + 1}", "flap")
            s.fill(flap, o.polygon((side * half, -tall), (side * half * 0.98, -tall + 2), (side * half * 1.4, -tall - 5), (side * half * 1.36, -tall - 8)), 0.15)
    s.fill("", o.rectangle(-half, -tall, half, 0))
    s.fill("", o.rectangle(half * 0.72, -tall, half, 0), -0.18)
    if pose == "closed":
        lid = s.part("lid", "lid", _other(rng, paint, 0.4))
        s.fill(lid, o.rectangle(-half * 1.07, -tall - 2, half * 1.07, -tall + tall * 0.22), 0.06)
    label = s.part("label", "label", _other(rng, paint))
    if chance(rng, 0.5):
        s.fill(label, o.rectangle(-half * 0.5, -tall * 0.62, half * 0.35, -tall * 0.22))
        for row in (0.5, 0.4):
            s.fill(label, o.rectangle(-half * 0.4, -tall * row, half * 0.2, -tall * row + tall * 0.045), -0.5 if s.paints[label].color != "black" else 0.5)
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
    s.fill(s.part("handle", "handle", _other(rng, paint, 0.5)), o.arc(0, -tall, half * 0.82, 2.8, 180, 360, 24), -0.1)
    s.fill("", o.polygon((-half, -tall), (half, -tall), (half * 0.78, 0), (-half * 0.78, 0)))
    for row in range(3):
        for k in range(6):
            x = (-0.75 + 0.3 * k + (0.15 if row % 2 else 0.0)) * half
            y = -tall * (0.2 + 0.25 * row)
            if abs(x) < half * 0.75:
                s.fill("", o.rounded_rectangle(x - half * 0.11, y - tall * 0.09, x + half * 0.11, y + tall * 0.05, 1.2, 2), -0.25)
    s.fill(s.part("rim", "rim", _other(rng, paint, 0.5)), o.rounded_rectangle(-half * 1.05, -tall - 1.8, half * 1.05, -tall + 2, 1.8), 0.08)
    return s.drawing({"hand": (0.0, -tall - half * 0.8), "inside": (0.0, -tall * 0.8)})


def bucket(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A bucket with a wire handle and a stripe or a logo; things look out of it."""
    s = Sketch("bucket", paint)
    half, tall = between(rng, 12, 15), between(rng, 22, 28)
    s.fill(s.part("handle", "handle", METAL), o.arc(0, -tall, half * 0.95, 1.8, 180, 360, 24))
    s.fill("", o.polygon((-half, -tall), (half, -tall), (half * 0.74, 0), (-half * 0.74, 0)))
    s.fill("", o.polygon((half * 0.5, -tall), (half, -tall), (half * 0.74, 0), (half * 0.4, 0)), -0.18)
    if chance(rng, 0.5):
        s.fill(s.part("stripe", "stripe", _other(rng, paint)), o.polygon((-half * 0.94, -tall * 0.72), (half * 0.94, -tall * 0.72), (half * 0.87, -tall * 0.48), (-half * 0.87, -tall * 0.48)))
    else:
        s.fill(s.part("logo", "logo", _other(rng, paint)), emblem(rng, -half * 0.1, -tall * 0.5, half * 0.4))
    s.fill("", o.rounded_rectangle(-half * 1.06, -tall - 1.2, half * 1.06, -tall + 1.4, 1.2), 0.12)
    return s.drawing({"hand": (0.0, -tall - half * 0.95), "inside": (0.0, -tall * 0.8)})


def gift(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A gift: a wrapped box with a ribbon and a big bow."""
    s = Sketch("gift", paint)
    half, tall = between(rng, 11, 17), between(rng, 15, 26)
    s.fill("", o.rectangle(-half, -tall, half, 0))
    s.fill("", o.rectangle(-half * 1.06, -tall, half * 1.06, -tall * 0.78), -0.12)
    ribbon = s.part("ribbon", "ribbon", _other(rng, paint))
    wide = half * between(rng, 0.14, 0.2)
    s.fill(ribbon, o.rectangle(-wide, -tall, wide, 0))
    if chance(rng, 0.6):
        s.fill(ribbon, o.rectangle(-half, -tall * 0.45, half, -tall * 0.45 + wide * 2))
    bow = s.part("ribbon/bow", "bow", _other(rng, paint, 1.0) if chance(rng, 0.3) else s.paints[ribbon])
    for side in (-1, 1):
        s.fill(bow, o.smooth([(0, -tall), (side * half * 0.35, -tall - half * 0.55), (side * half * 0.75, -tall - half * 0.4), (side * half * 0.6, -tall - 0.5)]))
        s.fill(bow, o.ellipse(side * half * 0.42, -tall - half * 0.27, half * 0.13, half * 0.1, 10), -0.35)
    s.fill(bow, o.ellipse(0, -tall - half * 0.12, half * 0.17, count=12), -0.12)
    return s.drawing({"hand": (0.0, -tall * 0.25)})


def hat(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A hat with a brim and a ribbon, some with a feather or a flower."""
    s = Sketch("hat", paint)
    half, tall = between(rng, 9, 11), between(rng, 9, 16)
    ribbon = _other(rng, paint)
    if chance(rng, 0.35):
        feather = s.part("feather", "feather", Paint(color_besides(rng, paint.color, ribbon.color)))
        s.fill(feather, o.smooth([(half * 0.7, -3), (half * 1.3, -tall * 0.9), (half * 1.2, -tall * 1.35), (half * 0.75, -tall * 0.8)]))
    s.fill("", o.polygon((-half, -2), (-half * 0.88, -tall * 0.9), (-half * 0.5, -tall), (0, -tall * 0.93), (half * 0.5, -tall), (half * 0.88, -tall * 0.9), (half, -2)))
    s.fill(s.part("ribbon", "ribbon", ribbon), o.polygon((-half, -2), (-half * 0.95, -2 - tall * 0.28), (half * 0.95, -2 - tall * 0.28), (half, -2)))
    s.fill(s.part("brim", "brim"), o.ellipse(0, -1.9, half * between(rng, 1.6, 2.1), 1.9, 28), -0.1)
    return s.drawing({"hand": (half * 1.4, -1.9)})


def _bloom(s: Sketch, rng: np.random.Generator, path: str, x: float, y: float, low: float, paint: Paint) -> None:
    """Adds a flower at (x, y) with petals, a center and a stem down to (0, `low`)."""
    node = s.part(path, "flower", paint)
    s.fill(node, o.stroke([(x, y), (x * 0.25, low)], 1.0), paint=LEAF)
    radius = between(rng, 2.6, 3.4)
    petals = int(rng.integers(5, 8))
    for k in range(petals):
        s.fill(node, o.rotate(o.ellipse(x, y - radius, radius * 0.62, radius * 0.85, 10), 360 * k / petals, (x, y)))
    s.fill(s.part(f"{path}/center", "center", Paint(color_besides(rng, paint.color, among=("yellow", "orange", "brown", "white")))), o.ellipse(x, y, radius * 0.62, count=12))


def vase(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A vase with a band, mostly with one to three flowers in it."""
    s = Sketch("vase", paint)
    half, tall = between(rng, 6, 8.5), between(rng, 18, 26)
    if chance(rng, 0.8):
        color = _other(rng, paint)
        places = {1: (0.0,), 2: (-5.0, 4.5), 3: (-7.5, 0.0, 7.5)}[int(rng.integers(1, 4))]
        for k, x in enumerate(places):
            one = color if chance(rng, 0.6) else _other(rng, paint)
            _bloom(s, rng, f"flower{k + 1}", x, -tall - between(rng, 8, 12), -tall + 2, one)
    neck = half * between(rng, 0.45, 0.7)
    outline = [(neck * 1.25, -tall), (neck, -tall * 0.82), (half, -tall * 0.45), (half * 0.7, -1), (half * 0.6, 0)]
    s.fill("", o.smooth(outline + [(-x, y) for x, y in outline[::-1]]))
    s.fill("", o.ellipse(-half * 0.45, -tall * 0.48, half * 0.14, tall * 0.14, 12), 0.45)
    if chance(rng, 0.6):
        s.fill(s.part("stripe", "stripe", _other(rng, paint)), o.polygon((-half * 0.97, -tall * 0.42), (half * 0.97, -tall * 0.42), (half * 0.86, -tall * 0.24), (-half * 0.86, -tall * 0.24)))
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
        s.fill(s.part("flower", "flower", Paint(pick(rng, ("pink", "red", "yellow", "white")))), o.ellipse(0, -tall - high - 4.5, 3.0, 2.4, 14))
    else:
        count = int(rng.integers(5, 9))
        for k in range(count):
            turn = -70 + 140 * k / (count - 1) + between(rng, -8, 8)
            long = between(rng, 16, 26)
            blade = o.smooth([(0, 0), (-3.4, -long * 0.55), (0, -long), (3.4, -long * 0.55)])
            s.fill(s.part(f"leaf{k + 1}", "leaf", LEAF), o.translate(o.rotate(blade, turn), turn * 0.04, -tall + 1), (-0.2, 0.0, 0.15)[k % 3])
    pot = s.part("pot", "pot", paint)
    s.fill(pot, o.polygon((-half, -tall), (half, -tall), (half * 0.7, 0), (-half * 0.7, 0)))
    rim = s.part("pot/rim", "rim", _other(rng, paint, 0.4))
    s.fill(rim, o.rounded_rectangle(-half * 1.1, -tall - 1, half * 1.1, -tall + 2.4, 0.8), -0.12)
    return s.drawing({"hand": (0.0, -tall * 0.4)})


def candle(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A candle in a holder, lit (with a flame) or not."""
    s = Sketch("candle", paint, state="lit" if pose == "lit" else None)
    half, tall = between(rng, 2.2, 3.4), between(rng, 13, 19)
    holder = s.part("holder", "holder", pick(rng, (METAL, _other(rng, paint))))
    s.fill(holder, o.ellipse(0, -1.4, half * 2.4, 1.4), -0.1)
    s.fill(holder, o.rounded_rectangle(-half * 1.3, -4, half * 1.3, -1.4, 0.8))
    s.fill(holder, o.arc(half * 2.3, -2.6, 1.5, 0.8, 0, 360, 16), -0.15)
    s.fill("", o.rounded_rectangle(-half, -tall, half, -3.2, 0.6))
    s.fill("", o.polygon((-half, -tall), (half, -tall), (half, -tall + 2), (half * 0.5, -tall + 4.5), (half * 0.1, -tall + 1.6), (-half * 0.5, -tall + 3), (-half, -tall + 1.5)), 0.3)
    s.fill("", o.rectangle(-0.3, -tall - 1.8, 0.3, -tall), paint=DARK)
    if pose == "lit":
        flame = s.part("flame", "flame", Paint("orange" if paint.color != "orange" else "yellow"))
        s.fill(flame, o.smooth([(0, -tall - 1), (-1.9, -tall - 3), (0, -tall - 8), (1.9, -tall - 3)]))
        s.fill(flame, o.smooth([(0, -tall - 1.2), (-0.9, -tall - 2.6), (0, -tall - 5), (0.9, -tall - 2.6)]), 0.6)
    return s.drawing({"hand": (0.0, -2.5)})


def scissors(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """Open scissors, points up: two blades, two ring handles in the paint."""
    s = Sketch("scissors", METAL, told=False)
    spread = between(rng, 10, 22)
    for k, side in enumerate((-1, 1)):
        turn, pivot = side * spread, (0.0, -9.0)
        blade = o.polygon((-1.0, -8.0), (1.0, -8.0), (1.2, -12.0), (side * -0.6, -20.0), (-1.2, -12.0))
        s.fill(s.part(f"blade{k + 1}", "blade"), o.rotate(blade, turn, pivot), -0.15 * k)
        ring = s.part(f"handle{k + 1}", "handle", paint)
        s.fill(ring, o.rotate(o.rectangle(-0.9, -9.0, 0.9, -5.5), turn, pivot))
        s.fill(ring, o.rotate(o.arc(-side * -0.4, -3.4, 2.3, 1.4, 0, 360, 22), turn, pivot))
    s.fill("", o.ellipse(0, -9, 0.7, count=10), -0.5)
    return s.drawing({"hand": (0.0, -4.0)})


def pencil(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A thick pencil with its point up: tip, wood, eraser."""
    s = Sketch("pencil", paint)
    s.fill("", o.rectangle(-1.3, -15, 1.3, -2.6))
    s.fill("", o.rectangle(0.5, -15, 1.3, -2.6), -0.25)
    tip = s.part("tip", "tip", Paint(None, rgb=(226, 190, 140)))
    s.fill(tip, o.polygon((-1.3, -15), (1.3, -15), (0, -19.5)))
    s.fill(tip, o.polygon((-0.5, -17.7), (0.5, -17.7), (0, -19.5)), paint=DARK)
    s.fill("", o.rectangle(-1.4, -3.2, 1.4, -2.2), paint=METAL)
    s.fill(s.part("eraser", "eraser", _other(rng, paint)), o.rounded_rectangle(-1.3, -2.3, 1.3, 0, 0.6))
    return s.drawing({"hand": (0.0, -6.0)})


def broom(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A broom: a long stick, a head in the paint and bristles."""
    s = Sketch("broom", paint)
    stick = s.part("stick", "stick", pick(rng, (wood(rng), _other(rng, paint))))
    s.fill(stick, o.rectangle(-2.0, -120, 2.0, -30))
    half = between(rng, 15, 20)
    bristles = s.part("bristles", "bristles", pick(rng, (STRAW, _other(rng, paint))))
    s.fill(bristles, o.polygon((-half, -20), (half, -20), (half * 1.2, 0), (-half * 1.2, 0)))
    for x in (-0.6, -0.2, 0.2, 0.6):
        s.fill(bristles, o.polygon((x * half - 0.8, -20), (x * half + 0.8, -20), (x * half * 1.2 + 0.8, 0), (x * half * 1.2 - 0.8, 0)), -0.25)
    s.fill("", o.polygon((-3.5, -34), (3.5, -34), (half * 1.02, -26), (half * 1.02, -17), (-half * 1.02, -17), (-half * 1.02, -26)))
    return s.drawing({"hand": (0.0, -70.0)})


_ROOMS = frozenset({"living room", "bedroom", "office"})
_TRIPS = frozenset({"street", "park", "beach", "lake"})

KINDS: tuple[Kind, ...] = (
    Kind("book", "books", book, (0.22, 0.28), _ROOMS | {"park"}, "surface", "reading", ("read",), ("standing", "open")),
    Kind("backpack", "backpacks", backpack, (0.42, 0.52), _TRIPS | {"bedroom", "snow"}, "ground", "bag",
         ("carry things",), patterns=PATTERNS),
    Kind("bag", "bags", bag, (0.34, 0.44), _TRIPS | {"kitchen", "living room"}, "surface", "bag", ("carry things",),
         patterns=PATTERNS),
    Kind("suitcase", "suitcases", suitcase, (0.6, 0.75), frozenset({"street", "bedroom", "living room"}), "ground", "bag",
         ("carry things", "travel")),
    Kind("umbrella", "umbrellas", umbrella, (0.54, 0.59), _TRIPS | {"yard"}, "surface", "tool", ("keep rain off",),
         ("open", "closed"), patterns=PATTERNS),
    Kind("box", "boxes", box, (0.34, 0.46), _ROOMS | {"street", "yard", "kitchen"}, "ground", "container", ("store",),
         ("open", "closed")),
    Kind("basket", "baskets", basket, (0.3, 0.4), frozenset({"park", "farm", "yard", "kitchen", "beach"}), "ground",
         "container", ("store", "carry things")),
    Kind("bucket", "buckets", bucket, (0.3, 0.38), frozenset({"beach", "farm", "yard", "bathroom"}), "ground",
         "container", ("store", "carry water")),
    Kind("gift", "gifts", gift, (0.22, 0.34), _ROOMS | {"kitchen"}, "surface", "gift", ("give",), patterns=PATTERNS),
    Kind("hat", "hats", hat, (0.14, 0.2), _ROOMS | {"beach", "park"}, "surface", "clothing", ("wear", "keep sun off")),
    Kind("vase", "vases", vase, (0.3, 0.42), _ROOMS | {"kitchen"}, "surface", "container", ("hold flowers", "breaks"),
         patterns=PATTERNS),
    Kind("potted plant", "potted plants", potted_plant, (0.4, 0.62), _ROOMS | {"kitchen", "bathroom", "yard"}, "surface",
         "plant", ("grow",), patterns=PATTERNS),
    Kind("candle", "candles", candle, (0.18, 0.25), _ROOMS | {"bathroom"}, "surface", "lamp", ("light a room", "burns"),
         ("lit", "unlit")),
    Kind("scissors", "scissors", scissors, (0.18, 0.22), frozenset({"office", "kitchen"}), "surface", "tool", ("cut",)),
    Kind("pencil", "pencils", pencil, (0.18, 0.22), frozenset({"office"}), "surface", "tool", ("write",)),
    Kind("broom", "brooms", broom, (1.2, 1.4), frozenset({"kitchen", "yard", "bathroom", "farm"}), "ground", "tool",
         ("clean the floor",)),
)  # fmt: skip
