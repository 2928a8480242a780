"""Small things: book, backpack, bag, suitcase, umbrella, hat. Lengths in centimetres.

Anchors: "hand" (where a hand holds it).
"""

import numpy as np

from mglmm.world.drawing import PATTERNS, Drawing, Kind, Paint
from mglmm.world.kinds import outlines as o
from mglmm.world.kinds.clothes import emblem
from mglmm.world.kinds.sketch import DARK, METAL, Sketch, between, chance, color_besides, pick, wood

PAGES = Paint(None, rgb=(246, 240, 222))


def other(rng: np.random.Generator, paint: Paint, own: float = 1.0, patterned: float = 0.0) -> Paint:
    """Another colour than the paint's or, with the chance 1 - `own`, the paint itself."""
    if not chance(rng, own):
        return paint
    pattern = pick(rng, PATTERNS) if chance(rng, patterned) else "plain"
    return Paint(color_besides(rng, paint.color), pattern)


def _add_open_pages(s: Sketch, half: float) -> None:
    """Adds the two pages of an open book with their lines of text; `half`: half the width of the closed book."""
    for k, side in enumerate((-1, 1)):
        node = s.part(f"page{k + 1}", "page", PAGES)
        s.fill(
            node,
            o.polygon(
                (0, -11),
                (side * half, -14),
                (side * half * 1.95, -13),
                (side * half * 2.1, -1.8),
                (side * half, -2.8),
                (0, -0.8),
            ),
            0.0 if k else -0.08,
        )
        for row in range(4):
            y = -11.2 + row * 2.3
            s.fill(
                node,
                o.polygon(
                    (side * half * 0.35, y),
                    (side * half * 1.7, y - 0.6),
                    (side * half * 1.72, y + 0.3),
                    (side * half * 0.35, y + 0.9),
                ),
                -0.5,
            )


def book(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A book that stands (cover with a title and a picture, spine, pages) or lies open."""
    s = Sketch("book", paint, state="open" if pose == "open" else None)
    half, tall = between(rng, 8, 10.5), between(rng, 22, 27)
    if pose == "open":
        s.fill("", o.polygon((-half * 2.1, -12), (half * 2.1, -12), (half * 2.3, 0), (-half * 2.3, 0)))
        _add_open_pages(s, half)
        return s.drawing({"hand": (0.0, -2.0)})
    s.fill(
        s.part("page", "page", PAGES),
        o.polygon((half - 0.5, -tall + 0.8), (half + 2.6, -tall + 0.2), (half + 2.6, -1.2), (half - 0.5, -0.6)),
        -0.06,
    )
    s.fill("", o.rectangle(-half, -tall, half, 0))
    s.fill(s.part("spine", "spine", other(rng, paint, 0.5)), o.rectangle(-half, -tall, -half + 3.2, 0), -0.22)
    label = s.part("label", "label", other(rng, paint))
    s.fill(label, o.rectangle(-half * 0.45, -tall * 0.9, half * 0.85, -tall * 0.68))
    for share in (0.84, 0.77):
        s.fill(
            label,
            o.rectangle(-half * 0.3, -tall * share, half * 0.65, -tall * (share - 0.03)),
            -0.6 if s.paints[label].color != "black" else 0.6,
        )
    if chance(rng, 0.75):
        picture = s.part("picture", "picture", Paint(color_besides(rng, paint.color, s.paints[label].color)))
        s.fill(picture, emblem(rng, half * 0.2, -tall * 0.34, half * 0.55))
    return s.drawing({"hand": (0.0, -tall * 0.3)})


def backpack(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A backpack: straps at the sides, a handle, a lid, a pocket with a zipper."""
    s = Sketch("backpack", paint)
    half, tall = between(rng, 14, 18), between(rng, 36, 44)
    strap = other(rng, paint, 0.5)
    for k, side in enumerate((-1, 1)):
        node = s.part(f"strap{k + 1}", "strap", strap)
        s.fill(
            node,
            o.stroke(
                o.path(
                    [
                        (side * half * 0.7, -tall * 0.85),
                        (side * half * 1.28, -tall * 0.55),
                        (side * half * 0.95, -tall * 0.1),
                    ]
                ),
                4.2,
            ),
            -0.15,
        )
    s.fill(s.part("handle", "handle", strap), o.arc(0, -tall, 5.0, 2.4, 180, 360))
    s.fill("", o.rounded_rectangle(-half, -tall, half, 0, half * 0.55))
    s.fill("", o.segment(0, -tall * 0.62, half, tall * 0.4, 180, 360, 20), -0.14)
    pocket = s.part("pocket", "pocket", other(rng, paint, 0.65, 0.3))
    s.fill(pocket, o.rounded_rectangle(-half * 0.72, -tall * 0.48, half * 0.72, -tall * 0.06, half * 0.25), -0.08)
    zipper = s.part("pocket/zipper", "zipper", pick(rng, (Paint("yellow"), Paint("white"), Paint("black"), METAL)))
    s.fill(zipper, o.rectangle(-half * 0.6, -tall * 0.41, half * 0.6, -tall * 0.36))
    s.fill(zipper, o.rectangle(half * 0.42, -tall * 0.38, half * 0.55, -tall * 0.26))
    if chance(rng, 0.5):
        s.fill(s.part("logo", "logo", other(rng, paint)), emblem(rng, 0.0, -tall * 0.68, half * 0.3))
    return s.drawing({"hand": (0.0, -tall - 4)})


def bag(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A bag with a handle: a handbag with a flap and a buckle, or a shopping bag with a logo."""
    s = Sketch("bag", paint)
    half, tall = between(rng, 14, 19), between(rng, 22, 34)
    handle = s.part("handle", "handle", other(rng, paint, 0.5))
    s.fill(handle, o.arc(0, -tall + 1, half * 0.52, 3.0, 180, 360, 18), -0.15)
    if tall < 28:
        s.fill("", o.polygon((-half * 0.85, -tall), (half * 0.85, -tall), (half, 0), (-half, 0)))
        flap = s.part("flap", "flap", other(rng, paint, 0.4))
        s.fill(
            flap,
            o.polygon(
                (-half * 0.86, -tall),
                (half * 0.86, -tall),
                (half * 0.92, -tall * 0.6),
                (half * 0.35, -tall * 0.42),
                (-half * 0.35, -tall * 0.42),
                (-half * 0.92, -tall * 0.6),
            ),
            -0.16,
        )
        buckle = s.part(
            "buckle",
            "buckle",
            Paint(color_besides(rng, paint.color, s.paints[flap].color, among=("yellow", "gray", "white", "black"))),
        )
        s.fill(buckle, o.rounded_rectangle(-half * 0.16, -tall * 0.55, half * 0.16, -tall * 0.32, 1.0))
    else:
        s.fill("", o.polygon((-half, -tall), (half, -tall), (half * 0.9, 0), (-half * 0.9, 0)))
        s.fill("", o.polygon((half * 0.6, -tall), (half, -tall), (half * 0.9, 0), (half * 0.55, 0)), -0.2)
        s.fill(s.part("logo", "logo", other(rng, paint)), emblem(rng, -half * 0.15, -tall * 0.48, half * 0.45))
    return s.drawing({"hand": (0.0, -tall - half * 0.5)})


def suitcase(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A suitcase with a handle, two wheels, grooves or belts, some with stickers."""
    s = Sketch("suitcase", paint)
    half, tall = between(rng, 19, 25), between(rng, 48, 60)
    handle = s.part("handle", "handle", pick(rng, (METAL, DARK, other(rng, paint))))
    for x in (-half * 0.38, half * 0.38):
        s.fill(handle, o.rectangle(x - 1.2, -tall - 15, x + 1.2, -tall + 1))
    s.fill(handle, o.rounded_rectangle(-half * 0.48, -tall - 18, half * 0.48, -tall - 13.5, 2))
    for k, x in enumerate((-half * 0.68, half * 0.68)):
        wheel = s.part(f"wheel{k + 1}", "wheel", DARK)
        s.fill(wheel, o.ellipse(x, -3.2, 3.4))
        s.fill(wheel, o.ellipse(x, -3.2, 1.4, count=10), 0.6)
    s.fill("", o.rounded_rectangle(-half, -tall, half, -4, 5))
    if chance(rng, 0.5):
        belt = other(rng, paint)
        for k, x in enumerate((-half * 0.5, half * 0.5)):
            s.fill(s.part(f"belt{k + 1}", "belt", belt), o.rectangle(x - 2.6, -tall, x + 2.6, -4))
    else:
        for x in (-0.6, -0.2, 0.2, 0.6):
            s.fill("", o.rounded_rectangle(x * half - 1.3, -tall + 5, x * half + 1.3, -9, 1.2), -0.2)
        if chance(rng, 0.6):
            s.fill(s.part("sticker", "sticker", other(rng, paint)), emblem(rng, 0.0, -tall * 0.55, half * 0.42))
    return s.drawing({"hand": (0.0, -tall - 16)})


def umbrella(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """An umbrella, open (canopy of six fields) or closed, with a crook handle."""
    s = Sketch("umbrella", paint, state=pose)
    handle = s.part("handle", "handle", pick(rng, (wood(rng), DARK, other(rng, paint))))
    hook = o.arc(6.0, -7, 6.0, 3.2, 0, 180, 14)
    if pose == "closed":
        s.fill(handle, o.rectangle(-1.6, -40, 1.6, -7))
        s.fill(handle, hook)
        s.fill("", o.polygon((-1, -92), (1, -92), (8.5, -36), (4, -31), (0, -35), (-4, -31), (-8.5, -36)))
        s.fill("", o.polygon((0, -90), (4.2, -34), (0, -36)), -0.2)
        s.fill(s.part("band", "ribbon", other(rng, paint)), o.polygon((-6.6, -54), (6.6, -54), (7.4, -48), (-7.4, -48)))
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
    second = other(rng, paint, 0.35)
    for k, (a, b) in enumerate(((-0.67, -0.3), (0.3, 0.67))):
        wedge = [
            (0, top),
            (half * b * 0.75, top + 12),
            (half * b, low - 3),
            (half * a, low - 3),
            (half * a * 0.75, top + 12),
        ]
        if second is paint:
            s.fill(canopy, wedge, -0.16)
        else:
            s.fill(s.part(f"canopy/stripe{k + 1}", "stripe", second), wedge)
    return s.drawing({"hand": (0.0, -15.0)})


def hat(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A hat with a brim and a ribbon, some with a feather or a flower."""
    s = Sketch("hat", paint)
    half, tall = between(rng, 9, 11), between(rng, 9, 16)
    ribbon = other(rng, paint)
    if chance(rng, 0.35):
        feather = s.part("feather", "feather", Paint(color_besides(rng, paint.color, ribbon.color)))
        s.fill(
            feather,
            o.smooth(
                [(half * 0.7, -3), (half * 1.3, -tall * 0.9), (half * 1.2, -tall * 1.35), (half * 0.75, -tall * 0.8)]
            ),
        )
    s.fill(
        "",
        o.polygon(
            (-half, -2),
            (-half * 0.88, -tall * 0.9),
            (-half * 0.5, -tall),
            (0, -tall * 0.93),
            (half * 0.5, -tall),
            (half * 0.88, -tall * 0.9),
            (half, -2),
        ),
    )
    s.fill(
        s.part("ribbon", "ribbon", ribbon),
        o.polygon((-half, -2), (-half * 0.95, -2 - tall * 0.28), (half * 0.95, -2 - tall * 0.28), (half, -2)),
    )
    s.fill(s.part("brim", "brim"), o.ellipse(0, -1.9, half * between(rng, 1.6, 2.1), 1.9, 28), -0.1)
    return s.drawing({"hand": (half * 1.4, -1.9)})


_ROOMS = frozenset({"living room", "bedroom", "office"})
_TRIPS = frozenset({"street", "park", "beach", "lake"})

KINDS: tuple[Kind, ...] = (
    Kind("book", "books", book, (0.22, 0.28), _ROOMS | {"park"}, "surface", "reading", ("read",), ("standing", "open")),
    Kind("backpack", "backpacks", backpack, (0.42, 0.52), _TRIPS | {"bedroom", "snow"}, "ground", "bag",
         ("carry things",), patterns=PATTERNS),
    Kind("bag", "bags", bag, (0.34, 0.44), _TRIPS | {"kitchen", "living room"}, "surface", "bag", ("carry things",),
         patterns=PATTERNS),
    Kind("suitcase", "suitcases", suitcase, (0.6, 0.75), frozenset({"street", "bedroom", "living room"}), "ground",
         "bag",
         ("carry things", "travel")),
    Kind("umbrella", "umbrellas", umbrella, (0.54, 0.59), _TRIPS | {"yard"}, "surface", "tool", ("keep rain off",),
         ("open", "closed"), patterns=PATTERNS),
    Kind("hat", "hats", hat, (0.14, 0.2), _ROOMS | {"beach", "park"}, "surface", "clothing", ("wear", "keep sun off")),
)  # fmt: skip
