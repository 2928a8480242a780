"""What a figure wears below the head: garments with pockets, belts, logos; shoes. Each function adds to a sketch."""

import math

import numpy as np

from mglmm.world.drawing import Paint
from mglmm.world.kinds import outlines as o
from mglmm.world.kinds.figure import SOLE, Body, Limb, along
from mglmm.world.kinds.outlines import XY
from mglmm.world.kinds.sketch import Sketch, between, chance, color_besides, pick

FAR_SHADE = -0.22
"""Shade of the far limbs of a figure seen from the side."""

ARM, HAND, THIGH, KNEE, ANKLE = 0.030, 0.030, 0.050, 0.038, 0.028
"""Radii of the limbs."""


def cloth(rng: np.random.Generator, *taken: str | None, patterned: float = 0.0) -> Paint:
    """A paint in a colour besides `taken`, with the chance `patterned` of a pattern."""
    pattern = pick(rng, ("striped", "dotted", "checked")) if chance(rng, patterned) else "plain"
    return Paint(color_besides(rng, *taken), pattern)


def _limb_cover(s: Sketch, node: str, limb: Limb, radii: XY, share: float, shade: float) -> None:
    """Adds a sleeve or a trouser leg: the limb's first `share`, with a radius at its start and one at its end."""
    first = min(share * 2, 1.0)
    middle = radii[0] + (radii[1] - radii[0]) * 0.5
    s.fill(node, o.capsule(limb[0], along(limb[0], limb[1], first), radii[0], middle, steps=5), shade)
    if share > 0.5:
        s.fill(node, o.capsule(limb[1], along(limb[1], limb[2], share * 2 - 1), middle, radii[1], steps=5), shade)


def _shade_of(body: Body, which: int) -> float:
    """The shade of limb `which` (0 far, 1 near)."""
    return FAR_SHADE if body.view == "side" and which == 0 else -0.07


# --- legs ---


def legs(s: Sketch, rng: np.random.Generator, body: Body, skin: Paint, bare: bool) -> None:
    """Adds bare legs (nodes "leg", some with a "sock") or nothing, then the shoes; what covers the legs comes later."""
    name = pick(rng, ("shoe", "shoe", "shoe", "boot"))
    shoe = cloth(rng)
    sole = Paint(color_besides(rng, shoe.color, among=("white", "black", "brown", "red"))) if chance(rng, 0.6) else None
    sock = cloth(rng, shoe.color) if bare and name == "shoe" and chance(rng, 0.4) else None
    for which, limb in enumerate(body.legs):
        shade = _shade_of(body, which)
        if bare:
            node = s.part(f"leg{which + 1}", "leg", skin)
            t = body.thick
            s.fill(node, o.capsule(limb[0], limb[1], THIGH * t, KNEE * t, steps=5), shade)
            s.fill(node, o.capsule(limb[1], limb[2], KNEE * t, ANKLE * t, steps=5), shade)
            if sock is not None:
                sleeve = s.part(f"{node}/sock", "sock", sock)
                s.fill(sleeve, o.capsule(along(limb[1], limb[2], 0.55), limb[2], 0.035 * t, 0.031 * t, steps=4), shade)
        _shoe(s, f"shoe{which + 1}", name, shoe, sole, limb, body.toes[which], shade)


def _shoe(
    s: Sketch, path: str, name: str, paint: Paint, sole: Paint | None, limb: Limb, toe: float, shade: float
) -> None:
    """Adds one shoe or boot below the ankle of `limb`, pointing to the side `toe` (-1..1), with a sole if painted."""
    x, y = limb[2]
    node = s.part(path, name, paint)
    side = 1.0 if toe >= 0 else -1.0
    front, back = side * (0.042 + 0.07 * abs(toe)), -side * 0.042
    rise = -0.015
    if name == "boot":
        top = along(limb[2], limb[1], 0.45)
        s.fill(node, o.capsule(top, limb[2], 0.042, 0.040, steps=4), shade)
    low, ball = y + SOLE, x + side * 0.03
    s.fill(node, o.polygon(
        (x + back, y + rise), (ball, y + rise), (x + front * 0.9, y + 0.008), (x + front, y + 0.022), (x + front, low),
        (x + back, low),
    ), shade)  # fmt: skip
    if sole is not None:
        edge = side * 0.006
        s.fill(s.part(f"{path}/sole", "sole", sole), o.rectangle(x + back - edge, low - 0.016, x + front + edge, low))


def trousers(s: Sketch, rng: np.random.Generator, body: Body, paint: Paint, short: bool) -> None:
    """Adds trousers or shorts, some with a belt (with a buckle)."""
    node = s.part("trousers", "shorts" if short else "trousers", paint)
    wide = between(rng, 1.0, 1.25) * body.thick
    share = between(rng, 0.36, 0.5) if short else 0.96
    radii = (THIGH * 1.08 * wide, THIGH * wide if short else (ANKLE + 0.006) * wide)
    for which, limb in enumerate(body.legs):
        _limb_cover(s, node, limb, radii, share, FAR_SHADE if body.view == "side" and which == 0 else 0.0)
    s.fill(node, body.torso(0.78, 1.12, 0.004))
    if body.view == "front" and body.pose != "sitting":
        x, y = body.hip
        s.fill(
            node,
            o.polygon((x - 0.003, y + 0.02), (x + 0.003, y + 0.02), (x + 0.004, y + 0.12), (x - 0.004, y + 0.12)),
            -0.4,
        )
    if chance(rng, 0.4):
        _belt(s, rng, body, "trousers", 0.86, paint.color)


def _belt(s: Sketch, rng: np.random.Generator, body: Body, owner: str, place: float, taken: str | None) -> None:
    """Adds a belt to the garment `owner` at `place` along the torso, with a buckle when seen from the front."""
    belt = Paint(color_besides(rng, taken))
    node = s.part(f"{owner}/belt", "belt", belt)
    s.fill(node, body.torso(place, place + 0.1, 0.008))
    if body.view == "front":
        x, y = body.on_torso(place + 0.05, 0.0)
        buckle = s.part(
            f"{node}/buckle",
            "buckle",
            Paint(color_besides(rng, belt.color, among=("yellow", "gray", "white", "black"))),
        )
        s.fill(buckle, o.rounded_rectangle(x - 0.026, y - 0.02, x + 0.026, y + 0.02, 0.006, steps=2))


def skirt(s: Sketch, rng: np.random.Generator, body: Body, node: str, start: float) -> None:
    """Adds the skirt of `node` from `start` along the torso down over part of the legs."""
    left, right = (
        body.on_torso(start, -body.half_width(start) - 0.004),
        body.on_torso(start, body.half_width(start) + 0.004),
    )
    share = between(rng, 0.34, 0.72)
    ends = [
        along(limb[1], limb[2], share * 2 - 1) if share > 0.5 else along(limb[0], limb[1], share * 2)
        for limb in body.legs
    ]
    if body.pose == "sitting":
        ends = [along(limb[1], limb[2], between(rng, 0.05, 0.3)) for limb in body.legs]
    flare = between(rng, 0.05, 0.085)
    low = max(end[1] for end in ends) + 0.02
    x0, x1 = min(end[0] for end in ends) - flare, max(end[0] for end in ends) + flare
    hips = body.on_torso(1.0, 0.0)
    wide = body.seat_width + 0.018
    s.fill(node, o.polygon(
        left, right, (hips[0] + wide, hips[1]), (x1, low - 0.01), ((x0 + x1) / 2, low + 0.008), (x0, low - 0.01),
        (hips[0] - wide, hips[1]),
    ))  # fmt: skip
    for place in (0.3, 0.68):
        x = x0 + place * (x1 - x0)
        s.fill(
            node,
            o.polygon(
                (hips[0] + (place - 0.5) * wide, hips[1] + 0.03), (x + 0.008, low - 0.005), (x - 0.008, low - 0.005)
            ),
            -0.18,
        )


# --- upper body ---


def top(s: Sketch, rng: np.random.Generator, body: Body, name: str) -> None:
    """Adds the garment `name` of the upper body but its sleeves: its torso with collar, pocket, logo or belt."""
    node, paint = name, s.paints[name]
    ends = {"coat": 1.55, "jacket": 1.02, "dress": 0.98}
    end = ends.get(name, between(rng, 0.9, 1.1))
    if name == "coat" and body.view == "front" and body.pose == "sitting":
        end = 1.1
    ease = {"coat": 0.014, "jacket": 0.012, "sweater": 0.006}.get(name, 0.0)
    s.fill(node, body.torso(0.0, end, ease, flare=0.03 if name == "coat" else 0.0))
    if name == "dress":
        skirt(s, rng, body, node, 0.55)
    if body.view == "side":
        s.fill(node, body.torso(end - 0.1, end, ease), -0.2)
    elif name in ("jacket", "coat"):
        _open_front(s, rng, body, node, end, paint)
    else:
        _decorate(s, rng, body, node, name, paint)
    if name in ("coat", "dress") and chance(rng, 0.5):
        _belt(s, rng, body, node, 0.58, paint.color)


def _open_front(s: Sketch, rng: np.random.Generator, body: Body, node: str, end: float, paint: Paint) -> None:
    """Adds to a jacket or coat: the shirt that shows between its halves (some with a tie), buttons, pockets."""
    if body.view == "front":
        opening = min(end - 0.05, pick(rng, (0.55, 0.75, 0.98)))
        inner = cloth(rng, paint.color)
        shirt = s.part("shirt", "shirt", inner)
        s.fill(
            shirt,
            [
                body.on_torso(0.0, -0.045),
                body.on_torso(0.0, 0.045),
                body.on_torso(opening, 0.028),
                body.on_torso(opening, -0.028),
            ],
        )
        if chance(rng, 0.4):
            _tie(s, rng, body, inner.color, opening)
        for side in (-1, 1):
            lapel = [
                body.on_torso(0.0, side * 0.045),
                body.on_torso(0.1, side * 0.085),
                body.on_torso(0.45, side * 0.036),
            ]
            s.fill(node, lapel, -0.25)
        for at in np.arange(opening + 0.08, end - 0.06, 0.16):
            s.fill(node, o.ellipse(*body.on_torso(float(at), 0.012), 0.009, count=8), -0.55)
    if chance(rng, 0.75):
        color = cloth(rng, paint.color) if chance(rng, 0.6) else paint
        for index, side in enumerate((-1, 1)):
            x, y = body.on_torso(0.8, side * body.half_width(0.8) * 0.58)
            pocket(s, f"{node}/pocket{index + 1}", color, x, y, 0.036)


def pocket(s: Sketch, path: str, paint: Paint, x: float, y: float, half: float) -> None:
    """Adds a patch pocket of half width `half` around (x, y) with a darker flap."""
    node = s.part(path, "pocket", paint)
    s.fill(
        node,
        o.polygon(
            (x - half, y - half),
            (x + half, y - half),
            (x + half, y + half * 0.6),
            (x, y + half * 1.1),
            (x - half, y + half * 0.6),
        ),
        -0.06,
    )
    s.fill(node, o.rectangle(x - half, y - half, x + half, y - half * 0.5), -0.3)


def _tie(s: Sketch, rng: np.random.Generator, body: Body, taken: str | None, end: float) -> None:
    """Adds a tie from the collar down to `end` along the torso."""
    node = s.part("tie", "tie", cloth(rng, taken, patterned=0.3))
    end = min(end, 0.85)
    s.fill(
        node,
        [
            body.on_torso(0.02, -0.018),
            body.on_torso(0.02, 0.018),
            body.on_torso(end - 0.08, 0.027),
            body.on_torso(end, 0.0),
            body.on_torso(end - 0.08, -0.027),
        ],
    )


def _decorate(s: Sketch, rng: np.random.Generator, body: Body, node: str, name: str, paint: Paint) -> None:
    """Adds the collar and one of: a pocket on the chest, a big logo, a tie, buttons, nothing."""
    if body.view == "back":
        return
    collar = pick(rng, (0.08, 0.12, 0.17))
    s.fill(node, [body.on_torso(0.0, -0.05), body.on_torso(0.0, 0.05), body.on_torso(collar, 0.0)], -0.35)
    extra = rng.random()
    if extra < 0.34:
        x, y = body.on_torso(0.34, 0.44 * body.shoulder)
        pocket(s, f"{node}/pocket", cloth(rng, paint.color) if chance(rng, 0.7) else paint, x, y, 0.036)
    elif extra < 0.68:
        x, y = body.on_torso(0.38, 0.0)
        s.fill(
            s.part(f"{node}/logo", "logo", Paint(color_besides(rng, paint.color))),
            emblem(rng, x, y, between(rng, 0.042, 0.06)),
        )
    elif extra < 0.8 and name == "shirt":
        _tie(s, rng, body, paint.color, 0.8)
    else:
        for at in (0.25, 0.42, 0.59, 0.76):
            s.fill(node, o.ellipse(*body.on_torso(at, 0.0), 0.009, count=8), -0.5)


def emblem(rng: np.random.Generator, x: float, y: float, radius: float) -> np.ndarray:
    """The outline of a logo around (x, y): a disc, a square, a triangle, a star or a heart."""
    shape = int(rng.integers(5))
    if shape == 0:
        return o.ellipse(x, y, radius)
    if shape == 1:
        return o.rectangle(x - radius * 0.85, y - radius * 0.85, x + radius * 0.85, y + radius * 0.85)
    if shape == 2:
        return o.polygon((x, y - radius), (x + radius, y + radius * 0.8), (x - radius, y + radius * 0.8))
    if shape == 3:
        turns = [math.pi * (i / 5 - 0.5) for i in range(10)]
        return np.array(
            [
                (x + math.cos(t) * r, y + math.sin(t) * r)
                for i, t in enumerate(turns)
                for r in [radius * (1.1 if i % 2 == 0 else 0.5)]
            ]
        )
    heart = ((0, -0.45), (0.5, -0.95), (1.0, -0.45), (0.6, 0.35), (0, 1.0), (-0.6, 0.35), (-1.0, -0.45), (-0.5, -0.95))
    return np.array([(x + u * radius, y + v * radius) for u, v in heart])


def arm(
    s: Sketch,
    rng: np.random.Generator,
    body: Body,
    which: int,
    sleeve: float,
    garment: str,
    skin: Paint,
    glove: Paint | None,
) -> None:
    """Adds an arm: bare from the sleeve on ("arm"), or a "hand" or "glove" below a long sleeve; then the sleeve."""
    limb = body.arms[which]
    shade = _shade_of(body, which)
    t = body.thick
    if sleeve < 0.9:
        node = s.part(f"arm{which + 1}", "arm", skin)
        s.fill(node, o.capsule(limb[0], limb[1], ARM * t, ARM * 0.92 * t, steps=5), shade)
        s.fill(node, o.capsule(limb[1], limb[2], ARM * 0.92 * t, ARM * 0.75 * t, steps=5), shade)
        if which == 1 and chance(rng, 0.45):
            _wrist(s, rng, node, limb)
    elif glove is not None:
        node = s.part(f"glove{which + 1}", "glove", glove)
    else:
        node = s.part(f"hand{which + 1}", "hand", skin)
    s.fill(
        node, o.ellipse(*along(limb[1], limb[2], 1.04), HAND * (1.15 if glove is not None else 1.0), count=10), shade
    )
    if sleeve > 0:
        wide = t * (1.35 if garment in ("coat", "jacket", "sweater") else 1.2)
        _limb_cover(
            s, garment, limb, (ARM * 1.15 * wide, ARM * wide), sleeve, FAR_SHADE if shade == FAR_SHADE else -0.16
        )


def _wrist(s: Sketch, rng: np.random.Generator, node: str, limb: Limb) -> None:
    """Adds a watch (with a round face) or a wristband to the arm `node`."""
    watch = chance(rng, 0.5)
    band = Paint(color_besides(rng, "brown", "orange", "pink"))
    path = s.part(f"{node}/wrist", "watch" if watch else "wristband", band)
    a, b = along(limb[1], limb[2], 0.68), along(limb[1], limb[2], 0.88)
    s.fill(path, o.stroke([a, b], 0.062))
    if watch:
        x, y = along(a, b, 0.5)
        s.fill(path, o.ellipse(x, y, 0.024, count=10), 0.3)
        s.fill(path, o.ellipse(x, y, 0.013, count=8), 0.0, Paint(None, rgb=(235, 236, 238)))


def scarf(s: Sketch, rng: np.random.Generator, body: Body, taken: str | None) -> None:
    """Adds a scarf round the neck with one end hanging down."""
    node = s.part("scarf", "scarf", cloth(rng, taken, patterned=0.35))
    a, b = body.on_torso(0.03, -0.055), body.on_torso(0.03, 0.055)
    side = pick(rng, (-1, 1)) * 0.035 if body.view != "side" else 0.02
    s.fill(node, o.stroke([body.on_torso(0.05, side), body.on_torso(0.5, side * 1.2)], 0.058), -0.12)
    s.fill(node, o.capsule(a, b, 0.036, steps=5))
