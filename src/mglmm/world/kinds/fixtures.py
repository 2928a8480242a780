"""What is part of a room: refrigerator, stove, washing machine, sink, bathtub, toilet, window, painting ..."""

import numpy as np

from mglmm.world.drawing import PATTERNS, Drawing, Kind, Paint
from mglmm.world.kinds import outlines as o
from mglmm.world.kinds.sketch import DARK, METAL, Sketch, between, chance, color_besides, pick, wood

GLASS = Paint(None, rgb=(190, 212, 226))
SKY = Paint(None, rgb=(150, 200, 236))
WATER = Paint(None, rgb=(120, 186, 222))
LIT = Paint(None, rgb=(252, 196, 92))


def refrigerator(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A refrigerator with two doors, one above the other, with handles; some with notes on the door."""
    s = Sketch("refrigerator", paint)
    half, high = between(rng, 3.0, 3.6), between(rng, 15, 19)
    split = -high * pick(rng, (0.32, 0.64, 0.7))
    s.fill("", o.rounded_rectangle(-half, -high, half, -0.5, 0.5), -0.3)
    for x in (-half * 0.8, half * 0.8):
        s.fill("", o.rectangle(x - 0.4, -0.6, x + 0.4, 0), -0.6)
    side = pick(rng, (-1, 1))
    fittings = pick(rng, (METAL, DARK, Paint(color_besides(rng, paint.color))))
    for k, (top, low) in enumerate(((-high + 0.15, split - 0.12), (split + 0.12, -0.9))):
        node = s.part(f"door{k + 1}", "door")
        s.fill(node, o.rounded_rectangle(-half + 0.15, top, half - 0.15, low, 0.4), 0.06)
        middle, grip = (top + low) / 2, side * (half - 0.85)
        s.fill(
            s.part(f"{node}/handle", "handle", fittings),
            o.rounded_rectangle(grip - 0.25, middle - 1.5, grip + 0.25, middle + 1.5, 0.25),
        )
    if chance(rng, 0.6):
        top, low = (-high, split) if -high - split < split else (split, -1.0)
        for k in range(int(rng.integers(1, 4))):
            x, y = -side * between(rng, 0.2, 1.4), top + 1.5 + k * (low - top - 3.0) / 3
            note = Paint(color_besides(rng, paint.color))
            s.fill(
                s.part(f"{'door1' if top == -high else 'door2'}/note{k + 1}", "note", note),
                o.rotate(o.rectangle(x - 0.75, y - 0.7, x + 0.75, y + 0.8), between(rng, -12, 12), (x, y)),
            )
    return s.drawing({"top": (0.0, -high)})


def stove(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A stove: an oven door with a window and a handle, knobs, a dark top."""
    lit = chance(rng, 0.4)
    s = Sketch("stove", paint, state="lit" if lit else None)
    half, high = between(rng, 3.2, 4.0), between(rng, 8.2, 9.0)
    s.fill("", o.rectangle(-half, -high, half, 0))
    s.fill("", o.rectangle(-half, -0.7, half, 0), -0.45)
    top = s.part("top", "top", DARK)
    s.fill(top, o.polygon((-half * 0.9, -high - 1.0), (half * 0.9, -high - 1.0), (half, -high), (-half, -high)))
    for x in (-half * 0.45, half * 0.45):
        s.fill(top, o.ellipse(x, -high - 0.45, half * 0.3, 0.27), 0.4)
    knobs = Paint(color_besides(rng, paint.color)) if chance(rng, 0.7) else METAL
    count = int(rng.integers(3, 6))
    for k in range(count):
        x = (k - (count - 1) / 2) * half * 1.7 / count
        s.fill(s.part(f"knob{k + 1}", "knob", knobs), o.ellipse(x, -high + 0.85, 0.46))
    door = s.part("door", "door")
    s.fill(door, o.rounded_rectangle(-half + 0.4, -high + 1.7, half - 0.4, -0.9, 0.3), -0.14)
    s.fill(
        s.part("door/handle", "handle", METAL),
        o.rounded_rectangle(-half + 0.9, -high + 2.1, half - 0.9, -high + 2.7, 0.3),
    )
    s.fill(
        s.part("door/window", "window", LIT if lit else DARK),
        o.rounded_rectangle(-half + 1.1, -high + 3.3, half - 1.1, -1.9, 0.4),
    )
    s.fill("door/window", o.rectangle(-half + 1.2, -high * 0.42, half - 1.2, -high * 0.42 + 0.2), 0.35)
    return s.drawing({"surface": (0.0, -high - 0.45), "top": (0.0, -high - 0.4)})


def washing_machine(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A washing machine with a round door, a drawer, a knob and buttons."""
    s = Sketch("washing machine", paint)
    half, high = between(rng, 3.0, 3.4), between(rng, 8.0, 8.8)
    s.fill("", o.rounded_rectangle(-half, -high, half, 0, 0.4))
    s.fill("", o.rectangle(-half, -high + 1.8, half, -high + 1.95), -0.35)
    s.fill("", o.rectangle(-half, -0.7, half, -0.55), -0.35)
    other = Paint(color_besides(rng, paint.color))
    drawer = s.part("drawer", "drawer", other if chance(rng, 0.5) else paint)
    s.fill(drawer, o.rounded_rectangle(-half + 0.3, -high + 0.35, -half + 2.4, -high + 1.5, 0.2), -0.1)
    s.fill(s.part("knob", "knob", other), o.ellipse(half - 1.0, -high + 0.95, 0.6))
    s.fill("knob", o.rectangle(half - 1.08, -high + 0.45, half - 0.92, -high + 0.95), -0.5)
    y = -high / 2 + 0.7
    door = s.part("door", "door", Paint(color_besides(rng, paint.color, among=("gray", "white", "black", "blue"))))
    s.fill(door, o.ellipse(0, y, 2.2, count=28))
    glass = s.part("door/window", "window", Paint(None, rgb=(70, 88, 106)))
    s.fill(glass, o.ellipse(0, y, 1.6, count=24))
    s.fill(glass, o.segment(0, y, 1.6, 1.6, 20, 160), 0.0, WATER)
    s.fill(glass, o.ellipse(-0.5, y - 0.7, 0.4, 0.25), 0.5)
    return s.drawing({"surface": (0.0, -high + 0.05), "top": (0.0, -high)})


def sink(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A sink on a cabinet with doors, or on a foot, with a tap."""
    s = Sketch("sink", paint)
    half, high = between(rng, 3.5, 5.0), 8.0
    tap = s.part("tap", "tap", METAL if chance(rng, 0.6) else Paint(color_besides(rng, paint.color)))
    s.fill(tap, o.rectangle(-0.3, -high - 2.6, 0.3, -high))
    s.fill(tap, o.arc(0.85, -high - 2.5, 0.9, 0.6, 180, 360))
    s.fill(tap, o.rectangle(1.45, -high - 2.6, 2.05, -high - 1.9))
    s.fill(tap, o.rounded_rectangle(-1.3, -high - 1.3, 1.3, -high - 0.8, 0.3), -0.2)
    if chance(rng, 0.5):
        front = pick(rng, (wood(rng), Paint(color_besides(rng, paint.color))))
        base = s.part("cabinet", "cabinet", front)
        s.fill(base, o.rectangle(-half * 0.92, -high + 1.6, half * 0.92, 0), -0.2)
        for k, x in enumerate((-half * 0.46, half * 0.46)):
            door = s.part(f"cabinet/door{k + 1}", "door", front)
            s.fill(door, o.rectangle(x - half * 0.42, -high + 2.0, x + half * 0.42, -0.5), 0.1)
            grip = x + (half * 0.3 if k == 0 else -half * 0.3)
            s.fill(s.part(f"{door}/knob", "knob", METAL), o.ellipse(grip, -high * 0.45, 0.38))
    else:
        s.fill(s.part("foot", "foot"), o.polygon((-0.9, -high + 2), (0.9, -high + 2), (1.5, 0), (-1.5, 0)), -0.16)
    s.fill("", o.polygon((-half, -high), (half, -high), (half * 0.82, -high + 2.2), (-half * 0.82, -high + 2.2)), -0.04)
    s.fill("", o.ellipse(0, -high, half, 0.65, 28), 0.2)
    s.fill("", o.ellipse(0, -high + 0.05, half * 0.82, 0.42, 24), -0.3)
    return s.drawing({"inside": (0.0, -high + 0.6)})


def bathtub(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A bathtub on feet with a tap; some are full of water with foam."""
    s = Sketch("bathtub", paint)
    half, high = between(rng, 7.0, 9.0), between(rng, 5.2, 6.2)
    full = chance(rng, 0.5)
    metal = pick(rng, (METAL, Paint(color_besides(rng, paint.color, among=("yellow", "black", "brown")))))
    for k, x in enumerate((-half * 0.62, half * 0.62)):
        s.fill(
            s.part(f"foot{k + 1}", "foot", metal),
            o.polygon((x - 0.9, -1.4), (x + 0.9, -1.4), (x + 0.6, 0), (x - 0.6, 0)),
        )
    tap = s.part("tap", "tap", metal)
    s.fill(tap, o.rectangle(half * 0.72, -high - 2.4, half * 0.72 + 0.6, -high))
    s.fill(tap, o.rectangle(half * 0.72 - 1.4, -high - 2.4, half * 0.72 + 0.6, -high - 1.8))
    s.fill(tap, o.rectangle(half * 0.72 - 1.4, -high - 2.4, half * 0.72 - 0.9, -high - 1.2))
    if full:
        node = s.part("foam", "foam", Paint(None, rgb=(240, 246, 250)))
        for x in np.linspace(-half * 0.75, half * 0.5, 7):
            s.fill(
                node,
                o.ellipse(float(x), -high - 0.2, between(rng, 0.9, 1.5), between(rng, 0.6, 1.3), 14),
                between(rng, -0.1, 0.1),
            )
    s.fill("", o.smooth([
        (-half * 0.97, -high), (half * 0.97, -high), (half * 0.9, -2.6), (half * 0.65, -0.9), (-half * 0.65, -0.9),
        (-half * 0.9, -2.6),
    ]))  # fmt: skip
    s.fill("", o.rounded_rectangle(-half, -high - 0.1, half, -high + 0.8, 0.45), 0.2)
    return s.drawing({"inside": (-half * 0.3, -high + 1.2)})


def toilet(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A toilet from the side: tank with a button, bowl, lid up or down."""
    opened = chance(rng, 0.4)
    s = Sketch("toilet", paint, state="open" if opened else "closed")
    tank = s.part("tank", "tank")
    s.fill(tank, o.rounded_rectangle(-3.4, -8.4, -1.3, -3.8, 0.3), -0.05)
    s.fill(tank, o.rounded_rectangle(-3.6, -8.8, -1.1, -8.0, 0.2), 0.1)
    s.fill(s.part("tank/button", "button", METAL), o.rounded_rectangle(-2.8, -9.3, -1.8, -8.75, 0.2))
    s.fill(
        "", o.smooth([(-2.8, -4.2), (3.2, -4.2), (2.9, -2.6), (0.9, -1.4), (1.3, 0), (-2.2, 0), (-2.4, -2.0)]), -0.08
    )
    lid = s.part("lid", "lid", Paint(color_besides(rng, paint.color)) if chance(rng, 0.6) else paint)
    s.fill(lid, o.rotate(o.rounded_rectangle(-1.3, -5.1, 3.5, -4.2, 0.4), -78 if opened else 0, (-1.0, -4.5)), 0.1)
    if opened:
        s.fill("", o.rounded_rectangle(-1.2, -4.6, 3.4, -4.0, 0.3), 0.12)
    return s.drawing({"seat": (1.2, -4.6)})


def window(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A window in a wall: a frame in the paint, panes with sky, some with two curtains, some open."""
    s = Sketch("window", paint)
    half, high, bar = between(rng, 4.0, 7.0), between(rng, 8.0, 11.0), 0.65
    s.fill("", o.rectangle(-half, -high, half, 0))
    columns, rows = int(rng.integers(1, 4)), int(rng.integers(1, 3))
    wide, tall = (2 * half - bar) / columns, (high - 1.2 - bar) / rows
    for k in range(columns * rows):
        x, y = -half + bar + (k % columns) * wide, -high + bar + (k // columns) * tall
        pane = s.part(f"pane{k + 1}", "pane", SKY)
        s.fill(pane, o.rectangle(x, y, x + wide - bar, y + tall - bar))
        s.fill(
            pane, o.polygon((x, y + tall * 0.6), (x + wide * 0.6, y), (x + wide * 0.8, y), (x, y + tall * 0.8)), 0.35
        )
    s.fill("", o.rectangle(-half - 0.7, -1.0, half + 0.7, 0), -0.12)
    if chance(rng, 0.5):
        cloth = Paint(color_besides(rng, paint.color), pick(rng, PATTERNS))
        for k, side in enumerate((-1, 1)):
            node = s.part(f"curtain{k + 1}", "curtain", cloth)
            edge = side * (half + 0.8)
            inner = side * half * between(rng, 0.3, 0.65)
            s.fill(
                node,
                o.smooth(
                    [
                        (edge, -high - 0.6),
                        (inner, -high - 0.6),
                        (inner * 1.15, -high * 0.5),
                        (inner * 1.3, 0.6),
                        (edge, 0.6),
                    ]
                ),
            )
            for share in (0.35, 0.7):
                x = edge + (inner - edge) * share
                s.fill(
                    node,
                    o.polygon((x, -high - 0.3), (x + 0.35, -high - 0.3), (x * 1.03 + 0.2, 0.3), (x * 1.03, 0.3)),
                    -0.25,
                )
        rod = s.part("rod", "rod", wood(rng))
        s.fill(rod, o.rounded_rectangle(-half - 1.4, -high - 1.1, half + 1.4, -high - 0.5, 0.3))
    return s.drawing()


def mirror(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A mirror in a frame of the paint, round or square, with bright streaks."""
    s = Sketch("mirror", paint)
    half, high = between(rng, 3.0, 4.5), between(rng, 6.0, 9.0)
    glass = s.part("glass", "glass", GLASS)
    if chance(rng, 0.5):
        s.fill("", o.ellipse(0, -high / 2, half, high / 2, 32))
        s.fill(glass, o.ellipse(0, -high / 2, half - 0.9, high / 2 - 0.9, 32))
    else:
        s.fill("", o.rounded_rectangle(-half, -high, half, 0, 0.6))
        s.fill(glass, o.rounded_rectangle(-half + 0.8, -high + 0.8, half - 0.8, -0.8, 0.3))
    for shift in (-0.8, 0.5):
        streak = [
            (-half * 0.45 + shift, -high * 0.36),
            (half * 0.15 + shift, -high * 0.66),
            (half * 0.3 + shift, -high * 0.66),
            (-half * 0.3 + shift, -high * 0.36),
        ]
        s.fill(glass, streak, 0.6)
    return s.drawing()


def painting(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A painting in a thick frame of the paint: a sun over hills, a house, a tree, or coloured fields."""
    s = Sketch("painting", paint)
    half, high = between(rng, 3.5, 6.0), between(rng, 5.5, 8.5)
    s.fill("", o.rectangle(-half, -high, half, 0))
    s.fill("", o.polygon((-half, 0), (half, 0), (half - 0.9, -0.9), (-half + 0.9, -0.9)), -0.25)
    canvas = s.part(
        "canvas", "canvas", Paint(color_besides(rng, paint.color, among=("white", "blue", "pink", "yellow", "teal")))
    )
    ground = s.paints[canvas].color
    x, y = half - 0.9, high - 0.9
    s.fill(canvas, o.rectangle(-x, -y, x, -0.9))
    first = Paint(color_besides(rng, paint.color, ground))
    second = Paint(color_besides(rng, paint.color, ground, first.color))
    subject = int(rng.integers(3))
    if subject == 0:
        s.fill(s.part("canvas/sun", "sun", first), o.ellipse(x * between(rng, -0.5, 0.5), -y * 0.74, min(x, y) * 0.22))
        s.fill(
            s.part("canvas/hill", "hill", second),
            [
                (-x, -0.9),
                (-x, -y * 0.4),
                (-x * 0.3, -y * 0.62),
                (x * 0.2, -y * 0.35),
                (x * 0.6, -y * 0.5),
                (x, -y * 0.3),
                (x, -0.9),
            ],
        )
    elif subject == 1:
        house = s.part("canvas/house", "house", first)
        wide = min(x, y) * 0.5
        s.fill(house, o.rectangle(-wide, -y * 0.5, wide, -0.9))
        s.fill(
            s.part(f"{house}/roof", "roof", second),
            o.polygon((-wide * 1.25, -y * 0.5), (wide * 1.25, -y * 0.5), (0, -y * 0.86)),
        )
    else:
        bloom = s.part("canvas/flower", "flower", first)
        s.fill(bloom, o.rectangle(-0.2, -y * 0.5, 0.2, -0.9), paint=Paint(None, rgb=(60, 120, 60)))
        radius = min(x, y) * 0.2
        for turn in range(6):
            petal = o.ellipse(0, -y * 0.62 - radius, radius * 0.62, radius * 0.85, 12)
            s.fill(bloom, o.rotate(petal, 60.0 * turn, (0, -y * 0.62)))
        s.fill(s.part(f"{bloom}/center", "center", second), o.ellipse(0, -y * 0.62, radius * 0.7))
    return s.drawing()


def towel(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A towel that hangs on a rail, mostly with a border."""
    s = Sketch("towel", paint)
    half, long = between(rng, 1.8, 2.8), between(rng, 5.0, 7.5)
    s.fill(s.part("rail", "rail", METAL), o.rounded_rectangle(-half - 1.0, -long - 0.2, half + 1.0, -long + 0.25, 0.2))
    s.fill(
        "",
        o.smooth(
            [
                (-half, -long - 0.3),
                (half, -long - 0.3),
                (half * 1.02, -long / 2),
                (half, 0),
                (0, -0.15),
                (-half, 0),
                (-half * 1.02, -long / 2),
            ]
        ),
    )
    s.fill("", o.rectangle(half * 0.2, -long + 0.2, half * 0.3, -0.2), -0.2)
    if chance(rng, 0.7):
        s.fill(s.part("border", "border", Paint(color_besides(rng, paint.color))), o.rectangle(-half, -1.6, half, -0.9))
    return s.drawing()


_KITCHEN, _BATH = frozenset({"kitchen"}), frozenset({"bathroom"})
_WALLS = frozenset({"living room", "bedroom", "office", "kitchen"})

KINDS: tuple[Kind, ...] = (
    Kind("refrigerator", "refrigerators", refrigerator, (1.6, 1.9), _KITCHEN, "ground", "appliance",
         ("keep food cold",)),
    Kind("stove", "stoves", stove, (0.85, 1.0), _KITCHEN, "ground", "appliance", ("cook", "bake", "boil water", "hot")),
    Kind("washing machine", "washing machines", washing_machine, (0.8, 0.95), frozenset({"bathroom", "kitchen"}),
         "ground",
         "appliance", ("wash clothes",)),
    Kind("sink", "sinks", sink, (0.95, 1.1), frozenset({"kitchen", "bathroom"}), "ground", "fixture", ("wash",)),
    Kind("bathtub", "bathtubs", bathtub, (0.7, 0.9), _BATH, "ground", "fixture", ("wash", "take a bath")),
    Kind("toilet", "toilets", toilet, (0.75, 0.9), _BATH, "ground", "fixture", ("flush",)),
    Kind("window", "windows", window, (1.0, 1.4), _WALLS, "wall", "fixture", ("let light in",)),
    Kind("mirror", "mirrors", mirror, (0.7, 1.1), frozenset({"bathroom", "bedroom", "living room"}), "wall",
         "decoration",
         ("see oneself",)),
    Kind("painting", "paintings", painting, (0.6, 1.0), _WALLS, "wall", "decoration", ("decorate",)),
    Kind("towel", "towels", towel, (0.6, 0.9), frozenset({"bathroom", "kitchen"}), "wall", "textile", ("dry",),
         patterns=PATTERNS),
)  # fmt: skip
