"""Toys and music: ball, teddy bear, toy car, robot, blocks, guitar, drum, trumpet. Lengths in centimetres.

Anchors: "hand" (where a hand holds it).
"""

import numpy as np

from mglmm.world.drawing import PATTERNS, Drawing, Kind, Paint
from mglmm.world.kinds import outlines as o
from mglmm.world.kinds.clothes import emblem
from mglmm.world.kinds.sketch import DARK, METAL, Sketch, between, chance, color_besides, pick, wood


def ball(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A ball: plain or patterned with a shine, or with a band, or with fields of a second colour, or with a logo."""
    s = Sketch("ball", paint)
    r = 11.0
    s.fill("", o.ellipse(0, -r, r, count=32))
    style = int(rng.integers(4)) if paint.pattern == "plain" else 0
    second = Paint(color_besides(rng, paint.color))
    if style == 1:
        band = o.polygon((-r * 0.97, -r * 1.24), (r * 0.97, -r * 1.24), (r * 0.97, -r * 0.76), (-r * 0.97, -r * 0.76))
        s.fill(s.part("stripe", "stripe", second), o.rotate(band, between(rng, -40, 40), (0, -r)))
    elif style == 2:
        turn = between(rng, 0, 60)
        for k in range(3):
            s.fill(s.part(f"patch{k + 1}", "patch", second), o.pie(0, -r, r, r, turn + 120 * k, turn + 120 * k + 60))
    elif style == 3:
        s.fill(s.part("logo", "logo", second), emblem(rng, 0.0, -r, r * 0.5))
    else:
        s.fill("", o.segment(0, -r, r, r, 20, 120, 16), -0.2)
    s.fill("", o.ellipse(-r * 0.4, -r * 1.45, r * 0.2, r * 0.14, 12), 0.6)
    return s.drawing({"hand": (0.0, -r * 0.4)})


def teddy_bear(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A sitting teddy bear: head with ears and snout, belly, arms, legs, some with a bow tie or a scarf."""
    s = Sketch("teddy bear", paint)
    fur = Paint(color_besides(rng, paint.color, among=("white", "yellow", "pink", "brown", "orange", "gray")))
    for k, side in enumerate((-1, 1)):
        s.fill(s.part(f"leg{k + 1}", "leg"), o.capsule((side * 6, -5), (side * 12, -4.6), 4.6), -0.12)
        s.fill(f"leg{k + 1}", o.ellipse(side * 13, -4.6, 2.6, 3.0, 14), 0.0, fur)
    s.fill("", o.ellipse(0, -11, 9.0, 10.5, 28))
    s.fill(s.part("belly", "belly", fur), o.ellipse(0, -10, 5.8, 7.0, 22))
    for k, side in enumerate((-1, 1)):
        s.fill(
            s.part(f"arm{k + 1}", "arm"), o.capsule((side * 7, -17), (side * 13, -10 - between(rng, 0, 9)), 3.4), -0.1
        )
    head = s.part("head", "head")
    for k, side in enumerate((-1, 1)):
        ear = s.part(f"head/ear{k + 1}", "ear")
        s.fill(ear, o.ellipse(side * 6.6, -34.5, 3.8, count=18), -0.1)
        s.fill(ear, o.ellipse(side * 6.6, -34.2, 2.1, count=14), 0.0, fur)
    s.fill(head, o.ellipse(0, -27.5, 9.2, 8.4, 28))
    snout = s.part("head/snout", "snout", fur)
    s.fill(snout, o.ellipse(0, -24.8, 4.2, 3.3, 18))
    s.fill(snout, o.ellipse(0, -26.2, 1.5, 1.1, 12), paint=DARK)
    for x in (-3.6, 3.6):
        s.fill(head, o.ellipse(x, -29.4, 1.15, count=10), paint=DARK)
    if chance(rng, 0.6):
        cloth = Paint(color_besides(rng, paint.color, fur.color), pick(rng, PATTERNS))
        if chance(rng, 0.5):
            bow = s.part("bow", "bow", cloth)
            for side in (-1, 1):
                s.fill(bow, o.polygon((0, -19), (side * 6, -22), (side * 6, -16)))
            s.fill(bow, o.ellipse(0, -19, 1.6, count=12), -0.25)
        else:
            scarf = s.part("scarf", "scarf", cloth)
            s.fill(scarf, o.rectangle(2.5, -19, 6.0, -9), -0.15)
            s.fill(scarf, o.rounded_rectangle(-8, -21.2, 8, -17, 2))
    return s.drawing({"hand": (0.0, -8.0)})


def toy_car(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A toy car with a cabin, one window, two big wheels with hubs."""
    s = Sketch("toy car", paint)
    cabin = s.part("cabin", "cabin", Paint(color_besides(rng, paint.color)) if chance(rng, 0.5) else paint)
    s.fill(cabin, o.polygon((-7, -9), (-5, -14.5), (4, -14.5), (7, -9)), 0.08)
    s.fill(
        s.part("cabin/window", "window", Paint(None, rgb=(186, 214, 230))),
        o.polygon((-5.2, -9.2), (-3.9, -13.2), (3.2, -13.2), (5.2, -9.2)),
    )
    s.fill("", o.rounded_rectangle(-13, -9.5, 13, -3, 2.2))
    s.fill(
        s.part("headlight", "headlight", Paint("yellow" if paint.color != "yellow" else "white")),
        o.ellipse(12, -7.0, 1.3, 1.6, 12),
    )
    hub = Paint(color_besides(rng, paint.color, "black"))
    for k, x in enumerate((-7.2, 7.2)):
        wheel = s.part(f"wheel{k + 1}", "wheel", DARK)
        s.fill(wheel, o.ellipse(x, -3.6, 3.7, count=22))
        s.fill(s.part(f"wheel{k + 1}/hub", "hub", hub), o.ellipse(x, -3.6, 1.9, count=16))
    return s.drawing({"hand": (0.0, -7.0)})


def robot(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A toy robot: head with eyes and antenna, body with buttons, arms with claws, feet."""
    s = Sketch("robot", paint)
    other = Paint(color_besides(rng, paint.color))
    lights = Paint(color_besides(rng, paint.color, other.color))
    for k, side in enumerate((-1, 1)):
        s.fill(s.part(f"leg{k + 1}", "leg", METAL), o.rectangle(side * 4 - 1.6, -9, side * 4 + 1.6, -2))
        s.fill(
            s.part(f"foot{k + 1}", "foot", other), o.rounded_rectangle(side * 4.4 - 3.4, -3.4, side * 4.4 + 3.4, 0, 1.2)
        )
        node = s.part(f"arm{k + 1}", "arm", METAL)
        low = -12.0 if chance(rng, 0.6) else -25.0
        s.fill(node, o.stroke([(side * 7, -20), (side * 12, low)], 2.6))
        s.fill(node, o.ellipse(side * 12, low, 2.5, count=14), -0.15)
    s.fill(s.part("body", "body"), o.rounded_rectangle(-8, -23, 8, -8, 1.5))
    panel = s.part("body/panel", "panel", other)
    s.fill(panel, o.rectangle(-5.4, -20.5, 5.4, -12))
    for k, x in enumerate((-3.2, 0.0, 3.2)):
        s.fill(s.part(f"body/panel/button{k + 1}", "button", lights), o.ellipse(x, -16.2, 1.3, count=12))
    head = s.part("head", "head")
    s.fill(head, o.rectangle(-1.8, -25, 1.8, -22), -0.3)
    antenna = s.part("head/antenna", "antenna", lights)
    s.fill(antenna, o.rectangle(-0.5, -38, 0.5, -34), paint=METAL)
    s.fill(antenna, o.ellipse(0, -39, 1.6, count=14))
    s.fill(head, o.rounded_rectangle(-6.6, -35, 6.6, -24.5, 1.5), 0.06)
    for k, x in enumerate((-3.0, 3.0)):
        eye = s.part(f"head/eye{k + 1}", "eye", lights)
        s.fill(eye, o.ellipse(x, -31, 1.9, count=16))
        s.fill(eye, o.ellipse(x, -31, 0.8, count=10), paint=DARK)
    s.fill(head, o.rectangle(-3.6, -27.6, 3.6, -26.4), -0.6)
    return s.drawing({"hand": (0.0, -14.0)})


def blocks(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A tower of three toy blocks in different colours, the lowest (or widest) in the paint."""
    s = Sketch("toy tower", METAL, told=False)
    colors: list[str | None] = [paint.color]
    low = 0.0
    for k in range(3):
        color = paint if k == 0 else Paint(color_besides(rng, *colors))
        colors.append(color.color)
        half, tall, shift = between(rng, 5.0, 8.0) - k * 0.9, between(rng, 6.5, 9.0), between(rng, -1.3, 1.3)
        node = s.part(f"block{k + 1}", "block", color)
        if k == 2 and chance(rng, 0.5):
            s.fill(node, o.polygon((shift - half, low), (shift + half, low), (shift, low - tall)))
        else:
            s.fill(node, o.rectangle(shift - half, low - tall, shift + half, low))
            s.fill(node, o.rectangle(shift + half * 0.6, low - tall, shift + half, low), -0.2)
        low -= tall
    return s.drawing({"hand": (0.0, -3.0)})


def guitar(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """An upright guitar: body with a hole, neck, head with pegs."""
    s = Sketch("guitar", paint)
    s.fill("", o.smooth([
        (0, 0), (-16, -4), (-19, -16), (-12, -27), (-13.5, -37), (-6, -44), (0, -43), (6, -44), (13.5, -37), (12,
        -27), (19, -16),
        (16, -4),
    ], 5))  # fmt: skip
    neck = s.part("neck", "neck", pick(rng, (wood(rng), DARK)))
    hole = s.part("hole", "hole", DARK)
    s.fill(hole, o.ellipse(0, -28, 5.6, count=22))
    s.fill("", o.rectangle(-7, -13, 7, -10), -0.45)
    s.fill(neck, o.rectangle(-2.6, -82, 2.6, -33))
    head = s.part("neck/head", "head", Paint(color_besides(rng, paint.color)) if chance(rng, 0.5) else paint)
    s.fill(head, o.polygon((-2.6, -81), (2.6, -81), (4.8, -95), (-4.8, -95)))
    for y in (-92, -88, -84):
        for side in (-1, 1):
            s.fill(head, o.ellipse(side * 5.6, y, 1.3, count=8), paint=METAL)
    for x in (-1.2, 0.0, 1.2):
        s.fill(neck, o.rectangle(x - 0.2, -82, x + 0.2, -33), 0.65)
    if chance(rng, 0.6):
        guard = s.part("pick guard", "plate", Paint(color_besides(rng, paint.color)))
        s.fill(guard, o.smooth([(5.8, -30), (11, -24), (10, -15), (5.5, -19)]))
    return s.drawing({"hand": (0.0, -60.0)})


def drum(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A drum with two rims, a pale skin, cords, and two sticks on top."""
    s = Sketch("drum", paint)
    half, tall = between(rng, 13, 16), between(rng, 15, 21)
    rim = Paint(color_besides(rng, paint.color))
    s.fill("", o.rectangle(-half, -tall, half, -2))
    cord = Paint(color_besides(rng, paint.color, among=("white", "yellow", "black")))
    for k in range(4):
        x = -half + k * half / 2
        s.fill("", o.stroke([(x, -tall + 2), (x + half / 4, -3)], 0.9), paint=Paint(None, rgb=(240, 236, 220)))
        s.fill(
            "", o.stroke([(x + half / 4, -3), (x + half / 2, -tall + 2)], 0.9), paint=Paint(None, rgb=(240, 236, 220))
        )
    s.fill(s.part("rim1", "rim", rim), o.rounded_rectangle(-half * 1.05, -4.2, half * 1.05, 0, 1.5))
    s.fill(s.part("rim2", "rim", rim), o.ellipse(0, -tall, half * 1.05, half * 0.3, 28))
    s.fill(
        s.part("skin", "skin", Paint(None, rgb=(244, 234, 212))),
        o.ellipse(0, -tall - 0.7, half * 0.93, half * 0.22, 26),
    )
    for k, side in enumerate((-1, 1)):
        stick = s.part(f"stick{k + 1}", "stick", cord)
        s.fill(stick, o.stroke([(side * 2, -tall - 1), (side * half * 1.2, -tall - 8)], 1.5))
        s.fill(stick, o.ellipse(side * 2, -tall - 1, 1.5, count=12))
    return s.drawing({"hand": (0.0, -tall * 0.4)})


def trumpet(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A trumpet that points to the right: tube, bell, three buttons, mouthpiece."""
    s = Sketch("trumpet", paint)
    s.fill("", o.arc(-2, -7, 5.0, 1.8, 90, 270, 14))
    s.fill("", o.arc(10, -7, 5.0, 1.8, -90, 90, 14))
    s.fill("", o.rectangle(-2, -2.9, 10, -1.1))
    other = Paint(color_besides(rng, paint.color))
    for k, x in enumerate((1.0, 4.4, 7.8)):
        s.fill("", o.rectangle(x - 1.3, -13, x + 1.3, -1.2), -0.12)
        s.fill(s.part(f"button{k + 1}", "button", other), o.rounded_rectangle(x - 1.5, -15.2, x + 1.5, -12.8, 0.6))
    s.fill("", o.rectangle(-20, -12.9, 14, -11.1))
    bell = s.part("bell", "bell")
    s.fill(
        bell, o.polygon((10, -13.2), (17, -14), (22, -16), (26, -20), (26, -4), (22, -8), (17, -10), (10, -10.8)), 0.1
    )
    s.fill(bell, o.ellipse(26, -12, 1.7, 8.0, 20), -0.3)
    s.fill(s.part("mouthpiece", "mouthpiece", METAL), o.polygon((-23, -14), (-19, -13), (-19, -11), (-23, -10)))
    return s.drawing({"hand": (4.0, -7.0)})


_PLAY = frozenset({"living room", "bedroom"})

KINDS: tuple[Kind, ...] = (
    Kind("ball", "balls", ball, (0.2, 0.26), _PLAY | {"park", "beach", "yard"}, "ground", "toy", ("play", "kick"),
         patterns=PATTERNS),
    Kind("teddy bear", "teddy bears", teddy_bear, (0.36, 0.5), _PLAY, "surface", "toy", ("play", "hug"),
         colors=("brown", "white", "pink", "yellow", "gray", "blue", "purple", "orange", "black")),
    Kind("toy car", "toy cars", toy_car, (0.16, 0.2), _PLAY | {"yard"}, "surface", "toy", ("play",)),
    Kind("robot", "robots", robot, (0.38, 0.52), _PLAY, "surface", "toy", ("play",)),
    Kind("toy tower", "toy towers", blocks, (0.26, 0.34), _PLAY, "surface", "toy", ("play",)),
    Kind("guitar", "guitars", guitar, (0.9, 1.05), _PLAY, "ground", "instrument", ("make music",)),
    Kind("drum", "drums", drum, (0.3, 0.42), _PLAY, "ground", "instrument", ("make music",), patterns=PATTERNS),
    Kind("trumpet", "trumpets", trumpet, (0.18, 0.22), _PLAY, "surface", "instrument", ("make music",),
         colors=("yellow", "orange", "gray", "red", "blue", "brown")),
)  # fmt: skip
