"""Devices: television, computer, laptop, phone, clocks, camera, radio, fan, headphones, microwave.

Lengths in centimetres. Anchors: "hand" (where a hand holds it), "surface".
"""

import math

import numpy as np

from mglmm.world.drawing import Drawing, Kind, Paint
from mglmm.world.kinds import outlines as o
from mglmm.world.kinds.sketch import DARK, METAL, Sketch, between, chance, color_besides, pick, wood

GLOW = Paint(None, rgb=(255, 246, 190))
SCREEN_COLORS = ("blue", "teal", "green", "purple", "orange", "red")
BLANK = Paint(None, rgb=(58, 66, 78))


def _screen(s: Sketch, rng: np.random.Generator, node: str, box: tuple[float, float, float, float]) -> None:
    """Fills the screen `node` over the box xyxy: off (dark with a streak) or on, with a landscape or some text."""
    x0, y0, x1, y1 = box
    wide, tall = x1 - x0, y1 - y0
    s.fill(node, o.rectangle(x0, y0, x1, y1))
    look = rng.random()
    if s.paints[node] is BLANK:
        s.fill(
            node,
            o.polygon((x0 + wide * 0.1, y1), (x0 + wide * 0.45, y0), (x0 + wide * 0.6, y0), (x0 + wide * 0.25, y1)),
            0.18,
        )
    elif look < 0.5:
        s.fill(node, o.ellipse(x0 + wide * between(rng, 0.2, 0.8), y0 + tall * 0.3, tall * 0.13), 0.6)
        s.fill(
            node,
            [
                (x0, y1),
                (x0, y0 + tall * 0.7),
                (x0 + wide * 0.3, y0 + tall * 0.45),
                (x0 + wide * 0.6, y0 + tall * 0.75),
                (x1, y0 + tall * 0.5),
                (x1, y1),
            ],
            -0.35,
        )
    else:
        s.fill(node, o.rectangle(x0 + wide * 0.12, y0 + tall * 0.15, x1 - wide * 0.12, y1 - tall * 0.15), 0.8)
        for k in range(3):
            y = y0 + tall * (0.3 + 0.17 * k)
            s.fill(node, o.rectangle(x0 + wide * 0.2, y, x0 + wide * between(rng, 0.45, 0.8), y + tall * 0.07), -0.3)


def _screen_paint(rng: np.random.Generator, taken: str | None, on: float = 0.65) -> Paint:
    """A dark screen, or one that is on and mostly of one colour."""
    return Paint(color_besides(rng, taken, among=SCREEN_COLORS)) if chance(rng, on) else BLANK


def television(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A television on a low stand with drawers or boards; its screen is dark or shows something."""
    s = Sketch("television", paint)
    half, tall = between(rng, 45, 62), between(rng, 52, 66)
    low = between(rng, 22, 34)
    shelf = pick(rng, (wood(rng), Paint(color_besides(rng, paint.color))))
    stand = s.part("stand", "stand", shelf)
    s.fill(stand, o.rectangle(-half * 1.05, -low, half * 1.05, -4), -0.15)
    for x in (-half * 0.95, half * 0.95):
        s.fill(stand, o.rectangle(x - 3, -5, x + 3, 0), -0.4)
    for k, x in enumerate((-half * 0.52, half * 0.52)):
        drawer = s.part(f"stand/drawer{k + 1}", "drawer", shelf)
        s.fill(drawer, o.rectangle(x - half * 0.46, -low + 3, x + half * 0.46, -7), 0.12)
        s.fill(s.part(f"{drawer}/knob", "knob", METAL), o.ellipse(x, -low / 2 - 2, 3.2))
    s.fill("", o.rectangle(-half * 0.3, -low - 5, half * 0.3, -low), -0.2)
    s.fill("", o.rounded_rectangle(-half, -low - tall - 4, half, -low - 3, 2))
    screen = s.part("screen", "screen", _screen_paint(rng, paint.color))
    edge = between(rng, 4, 7)
    _screen(s, rng, screen, (-half + edge, -low - tall - 4 + edge, half - edge, -low - 3 - edge * 1.3))
    s.fill("", o.ellipse(half - edge * 1.8, -low - 3 - edge * 0.6, edge * 0.28, count=8), 0.7)
    return s.drawing({"top": (0.0, -low - tall - 4)})


def computer(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A computer: a monitor with a screen on a foot, and a keyboard in front."""
    s = Sketch("computer", paint)
    half, tall = between(rng, 22, 28), between(rng, 28, 34)
    s.fill("", o.rectangle(-3, -16, 3, -7), -0.25)
    s.fill("", o.ellipse(0, -7.5, half * 0.45, 2.4), -0.15)
    s.fill("", o.rounded_rectangle(-half, -14 - tall, half, -13, 1.5))
    _screen(
        s,
        rng,
        s.part("screen", "screen", _screen_paint(rng, paint.color, 0.8)),
        (-half + 2.5, -11.5 - tall, half - 2.5, -17),
    )
    _keyboard(s, rng, paint, half * 0.85, -6.0, 0.0)
    return s.drawing({"surface": (half, 0.0)})


def _keyboard(s: Sketch, rng: np.random.Generator, paint: Paint, half: float, top: float, low: float) -> None:
    """Adds a keyboard seen at a slant between y = `top` and `low`, with rows of keys."""
    base = Paint(color_besides(rng, paint.color, among=("white", "gray", "black"))) if chance(rng, 0.7) else paint
    node = s.part("keyboard", "keyboard", base)
    s.fill(node, o.polygon((-half * 0.9, top), (half * 0.9, top), (half, low), (-half, low)))
    tall = (low - top) / 3
    for row in range(3):
        y = top + tall * (row + 0.2)
        wide = half * (0.86 + 0.04 * row)
        for k in range(8):
            x = -wide + k * wide / 4
            s.fill(
                node,
                o.rectangle(x + wide * 0.03, y, x + wide * 0.22, y + tall * 0.62),
                -0.4 if base.color != "black" else 0.4,
            )


def laptop(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """An open laptop: screen in a frame, keyboard and touchpad in front; or one from behind, with a logo."""
    s = Sketch("laptop", paint, state="open")
    half, tall = between(rng, 16, 19), between(rng, 20, 24)
    if chance(rng, 0.25):
        s.fill("", o.polygon((-half, 0), (half, 0), (half * 0.97, -1.6), (-half * 0.97, -1.6)), -0.3)
        lid = s.part("lid", "lid")
        s.fill(lid, o.rounded_rectangle(-half * 0.97, -tall, half * 0.97, -1.2, 1.2))
        logo = s.part("lid/logo", "logo", Paint(color_besides(rng, paint.color)))
        s.fill(logo, o.ellipse(0, -tall / 2, tall * 0.15))
        return s.drawing({"hand": (0.0, -tall * 0.1)})
    s.fill("", o.rounded_rectangle(-half * 0.92, -tall - 7, half * 0.92, -6.5, 1.0), -0.12)
    _screen(
        s,
        rng,
        s.part("screen", "screen", _screen_paint(rng, paint.color, 0.85)),
        (-half * 0.92 + 1.6, -tall - 5.4, half * 0.92 - 1.6, -8.2),
    )
    s.fill("", o.polygon((-half * 0.92, -7), (half * 0.92, -7), (half * 1.08, -1), (-half * 1.08, -1)), 0.12)
    s.fill("", o.rectangle(-half * 1.08, -1, half * 1.08, 0), -0.25)
    _keyboard(s, rng, paint, half * 0.88, -6.5, -3.0)
    s.fill("", o.polygon((-4, -2.6), (4, -2.6), (4.3, -1.3), (-4.3, -1.3)), -0.25)
    return s.drawing({"hand": (0.0, -2.0)})


def phone(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A phone in an upright case of the paint: a screen with a grid of coloured apps, a round button."""
    s = Sketch("phone", paint)
    half, tall = between(rng, 3.6, 4.2), between(rng, 14, 16.5)
    s.fill("", o.rounded_rectangle(-half, -tall, half, 0, 1.1))
    screen = s.part(
        "screen", "screen", Paint(color_besides(rng, paint.color, among=(*SCREEN_COLORS, "white", "black")))
    )
    x, top, low = half - 0.55, -tall + 1.3, -2.4
    s.fill(screen, o.rectangle(-x, top, x, low))
    s.fill("", o.rounded_rectangle(-0.9, -tall + 0.5, 0.9, -tall + 0.85, 0.2), -0.6)
    s.fill(s.part("button", "button", Paint(color_besides(rng, paint.color))), o.ellipse(0, -1.25, 0.78))
    size = x * 0.42
    for k in range(int(rng.integers(3, 7))):
        cx, cy = (k % 2 * 2 - 1) * x * 0.5, top + (k // 2 + 0.6) * size * 2.5
        app = Paint(color_besides(rng, s.paints[screen].color))
        s.fill(
            s.part(f"screen/app{k + 1}", "app", app),
            o.rounded_rectangle(cx - size * 0.85, cy - size * 0.85, cx + size * 0.85, cy + size * 0.85, 0.4),
        )
    return s.drawing({"hand": (0.0, -tall * 0.35)})


def _clock_face(s: Sketch, rng: np.random.Generator, paint: Paint, y: float, radius: float) -> None:
    """Adds a clock face with marks and two hands around (0, y)."""
    face = Paint(color_besides(rng, paint.color, among=("white", "yellow", "black", "teal", "pink")))
    node = s.part("face", "face", face)
    s.fill(node, o.ellipse(0, y, radius, count=30))
    for k in range(12):
        turn = math.radians(30 * k)
        s.fill(
            node,
            o.ellipse(
                math.sin(turn) * radius * 0.84,
                y - math.cos(turn) * radius * 0.84,
                radius * (0.09 if k % 3 == 0 else 0.05),
                count=8,
            ),
            0.7 if face.color == "black" else -0.7,
        )
    ink = Paint(color_besides(rng, face.color, among=("black", "red", "blue", "white")))
    hour, minute = between(rng, 0, 360), between(rng, 0, 360)
    for k, (angle, length, thick) in enumerate(((hour, 0.5, 0.17), (minute, 0.76, 0.12))):
        hand = o.rotate(
            o.rectangle(-radius * thick / 2, y - radius * length, radius * thick / 2, y + radius * 0.12), angle, (0, y)
        )
        s.fill(s.part(f"face/hand{k + 1}", "hand", ink), hand)
    s.fill(node, o.ellipse(0, y, radius * 0.09, count=10), -0.3)


def clock(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A wall clock: a thick ring or square case of the paint round its face."""
    s = Sketch("clock", paint)
    if chance(rng, 0.7):
        s.fill("", o.ellipse(0, -15, 15, count=36))
        s.fill("", o.ellipse(0, -15, 13, count=32), 0.15)
    else:
        s.fill("", o.rounded_rectangle(-14, -30, 14, 0, 4))
    _clock_face(s, rng, paint, -15, between(rng, 10.2, 11.6))
    return s.drawing()


def alarm_clock(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """An alarm clock with two bells on top and two feet."""
    s = Sketch("alarm clock", paint)
    metal = Paint(color_besides(rng, paint.color))
    for k, side in enumerate((-1, 1)):
        s.fill(s.part(f"foot{k + 1}", "foot", metal), o.capsule((side * 3.0, -2.5), (side * 4.2, -0.7), 0.75))
        bell = o.segment(0, 0, 3.2, 2.9, 180, 360)
        s.fill(s.part(f"bell{k + 1}", "bell", metal), o.translate(o.rotate(bell, side * 32), side * 3.7, -13.2))
    s.fill("", o.rectangle(-0.5, -16.6, 0.5, -12), -0.4)
    s.fill("", o.ellipse(0, -7.6, 6.6, count=30))
    _clock_face(s, rng, paint, -7.6, 5.0)
    return s.drawing({"hand": (0.0, -3.0)})


def camera(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A camera: a body with a band, a round lens, a flash, a button."""
    s = Sketch("camera", paint)
    half, tall = between(rng, 6.0, 7.5), between(rng, 8.0, 9.5)
    s.fill(
        s.part("button", "button", Paint(color_besides(rng, paint.color))),
        o.rounded_rectangle(-half * 0.8, -tall - 0.9, -half * 0.35, -tall + 0.5, 0.3),
    )
    s.fill(
        "",
        o.polygon(
            (-half * 0.25, -tall - 1.6),
            (half * 0.35, -tall - 1.6),
            (half * 0.5, -tall + 0.1),
            (-half * 0.4, -tall + 0.1),
        ),
        -0.12,
    )
    s.fill("", o.rounded_rectangle(-half, -tall, half, 0, 0.9))
    band = s.part("band", "stripe", pick(rng, (DARK, Paint(color_besides(rng, paint.color)))))
    s.fill(band, o.rectangle(-half, -tall * 0.72, half, -tall * 0.22))
    s.fill(
        s.part("flash", "flash", GLOW), o.rounded_rectangle(half * 0.5, -tall * 0.95, half * 0.88, -tall * 0.77, 0.2)
    )
    lens = s.part("lens", "lens", Paint(color_besides(rng, paint.color, among=("black", "gray", "blue", "white"))))
    s.fill(lens, o.ellipse(0, -tall * 0.47, tall * 0.38, count=24))
    s.fill(lens, o.ellipse(0, -tall * 0.47, tall * 0.25, count=20), -0.1, Paint(None, rgb=(50, 70, 110)))
    s.fill(lens, o.ellipse(-tall * 0.09, -tall * 0.56, tall * 0.07, count=10), 0.8)
    return s.drawing({"hand": (0.0, -tall * 0.1)})


def radio(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A radio: a box with a round speaker, a knob, a scale, an antenna and a handle."""
    s = Sketch("radio", paint)
    half, tall = between(rng, 12, 15), between(rng, 13, 17)
    other = Paint(color_besides(rng, paint.color))
    s.fill(s.part("antenna", "antenna", METAL), o.stroke([(half * 0.7, -tall + 1), (half * 1.1, -tall - 11)], 0.9))
    handle = s.part("handle", "handle", other)
    s.fill(handle, o.rectangle(-half * 0.7, -tall - 3.4, half * 0.4, -tall - 2.1))
    for x in (-half * 0.7, half * 0.3):
        s.fill(handle, o.rectangle(x, -tall - 3, x + 1.3, -tall + 0.5), -0.15)
    s.fill("", o.rounded_rectangle(-half, -tall, half, 0, 1.6))
    speaker = s.part("speaker", "speaker", pick(rng, (DARK, Paint(color_besides(rng, paint.color)))))
    s.fill(speaker, o.ellipse(-half * 0.45, -tall * 0.5, tall * 0.33, count=24))
    for share in (0.75, 0.45):
        s.fill(
            speaker, o.ellipse(-half * 0.45, -tall * 0.5, tall * 0.33 * share, count=18), 0.25 if share > 0.5 else -0.3
        )
    s.fill("", o.rectangle(half * 0.1, -tall * 0.82, half * 0.88, -tall * 0.56), 0.0, Paint(None, rgb=(240, 232, 200)))
    s.fill("", o.rectangle(half * 0.5, -tall * 0.82, half * 0.55, -tall * 0.56), 0.0, Paint(None, rgb=(190, 50, 40)))
    for k, x in enumerate((0.28, 0.7)):
        s.fill(s.part(f"knob{k + 1}", "knob", other), o.ellipse(half * x, -tall * 0.28, tall * 0.13, count=16))
    return s.drawing({"hand": (-half * 0.15, -tall - 2.7)})


def fan(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A fan on a foot: four blades in a round ring."""
    s = Sketch("fan", paint)
    high, radius = between(rng, 26, 40), between(rng, 14, 17)
    s.fill(s.part("base", "base"), o.rounded_rectangle(-radius * 0.7, -3, radius * 0.7, 0, 1.5), -0.15)
    s.fill(s.part("pole", "pole"), o.rectangle(-1.6, -high, 1.6, -2), -0.1)
    s.fill("", o.ellipse(0, -high, radius, count=30))
    s.fill("", o.ellipse(0, -high, radius * 0.88, count=30), 0.55)
    blade = Paint(color_besides(rng, paint.color))
    turn = between(rng, 0, 90)
    for k in range(4):
        petal = o.smooth(
            [
                (0, -high),
                (radius * 0.4, -high - radius * 0.35),
                (radius * 0.2, -high - radius * 0.82),
                (-radius * 0.25, -high - radius * 0.5),
            ]
        )
        s.fill(s.part(f"blade{k + 1}", "blade", blade), o.rotate(petal, turn + 90 * k, (0, -high)))
    s.fill("", o.ellipse(0, -high, radius * 0.17, count=14), -0.2)
    return s.drawing({"hand": (0.0, -high * 0.4)})


def headphones(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """Headphones: a bow of the paint over two pads."""
    s = Sketch("headphones", paint)
    radius = between(rng, 8, 9.5)
    s.fill("", o.arc(0, -radius * 1.05, radius, 2.0, 170, 370, 24))
    pads = Paint(color_besides(rng, paint.color))
    for k, side in enumerate((-1, 1)):
        x = side * radius
        s.fill(s.part(f"pad{k + 1}", "pad", pads), o.ellipse(x - side * 1.6, -4.2, 2.6, 4.2))
        s.fill("", o.ellipse(x + side * 0.3, -4.4, 1.9, 3.3), -0.12)
    return s.drawing({"hand": (0.0, -radius * 2)})


def microwave(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A microwave: a door with a window, a row of buttons and a clock display."""
    s = Sketch("microwave", paint)
    half, tall = between(rng, 23, 27), between(rng, 26, 31)
    s.fill("", o.rounded_rectangle(-half, -tall, half, -1, 1.5))
    for x in (-half * 0.8, half * 0.8):
        s.fill("", o.rectangle(x - 2, -1.5, x + 2, 0), -0.6)
    door = s.part("door", "door")
    s.fill(door, o.rounded_rectangle(-half + 1.5, -tall + 2, half * 0.42, -3, 1), -0.14)
    glass = s.part("door/window", "window", DARK)
    s.fill(glass, o.rounded_rectangle(-half + 5, -tall + 5.5, half * 0.24, -6.5, 1.5))
    s.fill(glass, o.polygon((-half + 9, -7), (-half + 17, -tall + 6), (-half + 21, -tall + 6), (-half + 13, -7)), 0.2)
    s.fill(s.part("door/handle", "handle", METAL), o.rounded_rectangle(half * 0.3, -tall + 5, half * 0.38, -6, 0.8))
    s.fill("", o.rectangle(half * 0.52, -tall + 3, half * 0.9, -tall + 7.5), 0.0, Paint(None, rgb=(40, 70, 50)))
    keys = Paint(color_besides(rng, paint.color))
    for k in range(4):
        x, y = half * (0.61 + 0.2 * (k % 2)), -tall * 0.5 + (k // 2) * tall * 0.2
        s.fill(s.part(f"button{k + 1}", "button", keys), o.ellipse(x, y, 2.1, count=14))
    return s.drawing({"surface": (0.0, -tall), "hand": (0.0, -2.0)})


_DESKS = frozenset({"office", "living room", "bedroom"})

KINDS: tuple[Kind, ...] = (
    Kind("television", "televisions", television, (0.95, 1.2), frozenset({"living room", "bedroom"}), "ground",
         "device",
         ("watch films",), colors=("black", "gray", "white", "red", "blue", "brown", "orange", "teal")),
    Kind("computer", "computers", computer, (0.45, 0.62), frozenset({"office", "bedroom"}), "surface", "device",
         ("write", "work"), colors=("black", "gray", "white", "blue", "red", "pink", "purple")),
    Kind("laptop", "laptops", laptop, (0.28, 0.36), _DESKS | {"kitchen"}, "surface", "device", ("write", "work")),
    Kind("phone", "phones", phone, (0.16, 0.2), _DESKS | {"kitchen", "street", "park"}, "surface", "device",
         ("call someone", "take photos")),
    Kind("clock", "clocks", clock, (0.4, 0.55), _DESKS | {"kitchen"}, "wall", "device", ("tell the time",)),
    Kind("alarm clock", "alarm clocks", alarm_clock, (0.16, 0.2), frozenset({"bedroom", "office"}), "surface", "device",
         ("tell the time", "wake someone")),
    Kind("camera", "cameras", camera, (0.12, 0.16), _DESKS | {"street", "beach", "park"}, "surface", "device",
         ("take photos",)),
    Kind("radio", "radios", radio, (0.22, 0.3), _DESKS | {"kitchen", "beach"}, "surface", "device",
         ("listen to music",)),
    Kind("fan", "fans", fan, (0.4, 0.62), _DESKS, "surface", "device", ("cool a room",)),
    Kind("headphones", "headphones", headphones, (0.18, 0.22), _DESKS, "surface", "device", ("listen to music",)),
    Kind("microwave", "microwaves", microwave, (0.3, 0.36), frozenset({"kitchen"}), "surface", "appliance",
         ("heat food",)),
)  # fmt: skip
