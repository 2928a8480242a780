"""What a figure carries: a shoulder bag, a handbag, a backpack. Each function adds to a sketch."""

import numpy as np

from mglmm.world.drawing import Paint
from mglmm.world.kinds import outlines as o
from mglmm.world.kinds.clothes import cloth, pocket
from mglmm.world.kinds.figure import Body
from mglmm.world.kinds.sketch import Sketch, between, chance, color_besides


def shoulder_bag(s: Sketch, rng: np.random.Generator, body: Body, taken: str | None) -> None:
    """Adds a bag at the hip that hangs on a strap across the torso, with a flap and a buckle."""
    paint = cloth(rng, taken)
    node = s.part("bag", "bag", paint)
    hang = body.half_width(0.95) * 0.85
    x, y = body.on_torso(1.05, hang)
    strap = Paint(color_besides(rng, taken, paint.color)) if chance(rng, 0.5) else paint
    band = o.stroke([body.on_torso(0.04, -0.6 * body.shoulder), body.on_torso(0.95, hang)], 0.03)
    s.fill(s.part("bag/strap", "strap", strap), band, -0.2)
    s.fill(node, o.rounded_rectangle(x - 0.068, y - 0.052, x + 0.068, y + 0.062, 0.018, steps=3))
    s.fill(node, o.rounded_rectangle(x - 0.068, y - 0.052, x + 0.068, y + 0.008, 0.018, steps=3), -0.2)
    buckle = s.part(
        "bag/buckle", "buckle", Paint(color_besides(rng, paint.color, among=("yellow", "gray", "white", "black")))
    )
    s.fill(buckle, o.rounded_rectangle(x - 0.018, y - 0.012, x + 0.018, y + 0.026, 0.005, steps=2))


def hand_bag(s: Sketch, rng: np.random.Generator, body: Body, taken: str | None) -> None:
    """Adds a bag that hangs from the left hand by its handle, some with a pocket."""
    x, y = body.arms[0][2]
    paint = cloth(rng, taken)
    handle = Paint(color_besides(rng, paint.color)) if chance(rng, 0.5) else paint
    node = s.part("bag", "bag", paint)
    s.fill(s.part("bag/handle", "handle", handle), o.arc(x, y + 0.055, 0.045, 0.018, 180, 360, count=12), -0.15)
    wide, tall = between(rng, 0.06, 0.085), between(rng, 0.09, 0.13)
    s.fill(
        node,
        o.polygon(
            (x - wide * 0.85, y + 0.05),
            (x + wide * 0.85, y + 0.05),
            (x + wide, y + 0.05 + tall),
            (x - wide, y + 0.05 + tall),
        ),
    )
    if chance(rng, 0.5):
        pocket(s, "bag/pocket", cloth(rng, paint.color), x, y + 0.055 + tall * 0.5, 0.036)


def backpack_behind(s: Sketch, rng: np.random.Generator, body: Body, taken: str | None) -> None:
    """Adds the node of a backpack and what of it is seen behind the torso from the front or from the side."""
    paint = cloth(rng, taken)
    node = s.part("backpack", "backpack", paint)
    if body.view == "front":
        s.fill(node, body.torso(0.12, 0.9, 0.05), -0.2)
    elif body.view == "side":
        back = -body.shoulder
        outline = (
            (0.08, back * 0.3),
            (0.06, back - 0.07),
            (0.3, back - 0.12),
            (0.78, back - 0.12),
            (0.86, back - 0.05),
        )
        s.fill(node, o.smooth([body.on_torso(*place) for place in (*outline, (0.84, 0.0))], 3))
        outer = s.part("backpack/pocket", "pocket", cloth(rng, taken, paint.color))
        corners = ((0.42, back - 0.05), (0.42, back - 0.125), (0.76, back - 0.125), (0.76, back - 0.05))
        s.fill(outer, [body.on_torso(*place) for place in corners])


def backpack_before(s: Sketch, rng: np.random.Generator, body: Body, taken: str | None) -> None:
    """Adds what of a backpack lies over the torso: all of it seen from the back, else its straps."""
    paint = s.paints["backpack"]
    if body.view == "back":
        s.fill("backpack", body.torso(0.1, 0.88, -0.012))
        s.fill("backpack", body.torso(0.1, 0.32, -0.012), -0.22)
        outer = s.part("backpack/pocket", "pocket", cloth(rng, taken, paint.color))
        s.fill(outer, body.torso(0.48, 0.82, -0.03))
        return
    strap = Paint(color_besides(rng, taken, paint.color)) if chance(rng, 0.5) else paint
    for index, side in enumerate((-1, 1) if body.view == "front" else (0,)):
        across = side * 0.62 * body.shoulder
        node = s.part(f"backpack/strap{index + 1}", "strap", strap)
        places = ((0.02, across), (0.4, across * 1.08), (0.72, across * 1.3))
        s.fill(node, o.stroke([body.on_torso(*place) for place in places], 0.03), -0.15)
