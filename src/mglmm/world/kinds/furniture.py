"""Furniture: table, desk, chair, stool, armchair, sofa, bed, shelf, cabinet, wardrobe. Lengths in tenths of a metre.

Anchors: "seat" (where somebody sits), "surface" (where things stand) and "top" (what something may lie under).
"""

import numpy as np

from mglmm.world.drawing import PATTERNS, Drawing, Kind, Paint
from mglmm.world.kinds import outlines as o
from mglmm.world.kinds.outlines import XY
from mglmm.world.kinds.sketch import METAL, Sketch, between, chance, color_besides, pick, wood

HOME = frozenset({"living room", "bedroom", "kitchen", "office"})
GLOSS = Paint(None, rgb=(214, 190, 96))
"""Brass of knobs and handles."""


def _legs_paint(rng: np.random.Generator, paint: Paint) -> Paint:
    """What legs are made of: the thing's own paint, wood, metal or another colour."""
    return pick(rng, (paint, wood(rng), METAL, Paint(color_besides(rng, paint.color))))


def _four_legs(s: Sketch, paint: Paint, half: float, start: float, wide: float, back: float) -> None:
    """Adds two front legs at x = -half, half from y = `start` to 0 and, darker, two back legs up to y = -back."""
    for index, x in enumerate((-half * 0.72, half * 0.72)):
        node = s.part(f"leg{index + 3}", "leg", paint)
        s.fill(node, o.rectangle(x - wide * 0.4, start, x + wide * 0.4, -back), -0.38)
    for index, x in enumerate((-half, half)):
        node = s.part(f"leg{index + 1}", "leg", paint)
        s.fill(node, o.polygon((x - wide / 2, start), (x + wide / 2, start), (x + wide * 0.4, 0), (x - wide * 0.4, 0)))


def _grip(s: Sketch, node: str, spot: XY, size: float, paint: Paint, knob: bool) -> None:
    """Adds a round knob or a long handle at `spot` to a drawer."""
    x, y = spot
    if knob:
        s.fill(s.part(f"{node}/knob", "knob", paint), o.ellipse(x, y, size))
    else:
        s.fill(
            s.part(f"{node}/handle", "handle", paint),
            o.rounded_rectangle(x - size * 1.9, y - size * 0.6, x + size * 1.9, y + size * 0.6, size),
        )


def _fittings(rng: np.random.Generator, *taken: str | None) -> Paint:
    """The paint of knobs and handles."""
    return pick(rng, (GLOSS, METAL, Paint(color_besides(rng, *taken)), Paint(color_besides(rng, *taken))))


def _table_top(s: Sketch, half: float, height: float, depth: float, thick: float) -> None:
    """Adds the top of a table: the visible surface and its front edge."""
    top = s.part("top", "top")
    s.fill(
        top,
        o.polygon((-half * 0.9, -height - depth), (half * 0.9, -height - depth), (half, -height), (-half, -height)),
        0.14,
    )
    s.fill(top, o.rectangle(-half, -height, half, -height + thick), -0.14)


def table(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A table with four legs or a round one with one leg, some with a tablecloth."""
    s = Sketch("table", paint)
    half, height, depth = between(rng, 5.0, 8.5), 7.0, between(rng, 0.7, 1.3)
    legs = _legs_paint(rng, paint)
    round_top = chance(rng, 0.3)
    if round_top:
        half = between(rng, 4.0, 6.0)
        leg = s.part("leg1", "leg", legs)
        s.fill(leg, o.rectangle(-0.5, -height, 0.5, -0.3))
        s.fill(leg, o.polygon((-0.5, -1.4), (0.5, -1.4), (half * 0.5, 0), (-half * 0.5, 0)), -0.15)
        top = s.part("top", "top")
        s.fill(top, o.ellipse(0, -height - depth / 2 + 0.5, half, depth * 0.62, 28), -0.2)
        s.fill(top, o.ellipse(0, -height - depth / 2, half, depth * 0.62, 28), 0.14)
    else:
        _four_legs(s, legs, half * 0.92, -height, between(rng, 0.7, 1.1), 0.5)
        _table_top(s, half, height, depth, between(rng, 0.6, 0.9))
    if chance(rng, 0.35):
        cloth = Paint(color_besides(rng, paint.color, legs.color), pick(rng, PATTERNS))
        node = s.part("tablecloth", "tablecloth", cloth)
        drop, wide = between(rng, 1.0, 2.4), half * between(rng, 0.6, 0.95)
        if round_top:
            wide = half * 0.98
        s.fill(
            node,
            o.polygon(
                (-wide * 0.88, -height - depth), (wide * 0.88, -height - depth), (wide, -height), (-wide, -height)
            ),
            0.12,
        )
        s.fill(
            node,
            o.polygon(
                (-wide, -height),
                (wide, -height),
                (wide, -height + drop),
                (0, -height + drop * 1.12),
                (-wide, -height + drop),
            ),
            -0.1,
        )
    top_y = -height - depth * 0.45
    ends = {"surface_left": (-half * 0.7, top_y), "surface_right": (half * 0.7, top_y)}
    return s.drawing({"surface": (0.0, top_y), "top": (0.0, -height), **ends})


def desk(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A desk with drawers on one side and a leg on the other."""
    s = Sketch("desk", paint)
    half, height, depth = between(rng, 6.0, 8.0), 7.2, between(rng, 0.7, 1.1)
    side = pick(rng, (-1, 1))
    leg = s.part("leg1", "leg", _legs_paint(rng, paint))
    outer, inner = sorted((-side * half * 0.95, -side * half * 0.8))
    s.fill(leg, o.rectangle(outer, -height, inner, 0))
    x0, x1 = sorted((side * half * 0.25, side * half * 0.95))
    s.fill("", o.rectangle(x0, -height, x1, -0.2), -0.2)
    _drawers(s, rng, (x0 + 0.25, -height + 1.0, x1 - 0.25, -0.5), int(rng.integers(2, 4)), 1, paint)
    _table_top(s, half, height, depth, 0.8)
    top_y = -height - depth * 0.45
    return s.drawing({"surface": (0.0, top_y), "top": (-side * half * 0.3, -height)})


def _drawers(
    s: Sketch, rng: np.random.Generator, box: tuple[float, float, float, float], rows: int, columns: int, paint: Paint
) -> None:
    """Adds a grid of drawers, each with a knob or handle, that fills the box xyxy."""
    x0, y0, x1, y1 = box
    front = Paint(color_besides(rng, paint.color)) if chance(rng, 0.4) else paint
    fittings = _fittings(rng, paint.color, front.color)
    knob = chance(rng, 0.5)
    wide, tall = (x1 - x0) / columns, (y1 - y0) / rows
    for k in range(rows * columns):
        left, top = x0 + (k % columns) * wide, y0 + (k // columns) * tall
        node = s.part(f"drawer{k + 1}", "drawer", front)
        s.fill(node, o.rectangle(left + 0.12, top + 0.12, left + wide - 0.12, top + tall - 0.12), 0.1)
        size = min(0.42, tall * 0.22)
        _grip(s, node, (left + wide / 2, top + tall / 2), size, fittings, knob)


def chair(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A chair seen from the front: back with slats, seat, some with a cushion, four legs."""
    s = Sketch("chair", paint)
    half, seat_y = between(rng, 2.2, 2.7), -4.5
    legs = _legs_paint(rng, paint)
    back = s.part("back", "back")
    high = between(rng, 8.6, 10.5)
    style = int(rng.integers(3))
    if style == 0:
        s.fill(back, o.rounded_rectangle(-half, -high, half, seat_y, 0.8))
        s.fill(back, o.rounded_rectangle(-half * 0.7, -high + 0.8, half * 0.7, seat_y - 1.0, 0.6), -0.15)
    else:
        for x in (-half * 0.9, half * 0.9):
            s.fill(back, o.rectangle(x - 0.3, -high, x + 0.3, seat_y))
        s.fill(back, o.rounded_rectangle(-half, -high, half, -high + 1.5, 0.4), 0.08)
        if style == 1:
            s.fill(back, o.rectangle(-half, -7.3, half, -6.5), -0.05)
        else:
            for x in (-half * 0.4, half * 0.15, half * 0.6):
                s.fill(back, o.rectangle(x - 0.25, -high + 1, x + 0.1, seat_y), -0.1)
    _four_legs(s, legs, half * 0.9, seat_y, 0.65, 0.45)
    seat = s.part("seat", "seat")
    s.fill(
        seat,
        o.polygon(
            (-half * 0.9, seat_y - 1.0), (half * 0.9, seat_y - 1.0), (half * 1.08, seat_y), (-half * 1.08, seat_y)
        ),
        0.15,
    )
    s.fill(seat, o.rectangle(-half * 1.08, seat_y, half * 1.08, seat_y + 0.6), -0.12)
    if chance(rng, 0.4):
        cushion = Paint(color_besides(rng, paint.color), pick(rng, PATTERNS))
        s.fill(
            s.part("cushion", "cushion", cushion),
            o.rounded_rectangle(-half * 0.92, seat_y - 1.25, half * 0.92, seat_y - 0.05, 0.5),
        )
    return s.drawing({"seat": (0.0, seat_y - 0.5)})


def stool(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A round stool with three or four legs and a bar between them."""
    s = Sketch("stool", paint)
    half = between(rng, 1.7, 2.3)
    height = between(rng, 4.5, 6.5)
    legs = _legs_paint(rng, paint)
    for k, x in enumerate((-0.3, 0.3, -0.85, 0.85)):
        node = s.part(f"leg{k + 1}", "leg", legs)
        s.fill(
            node, o.stroke([(x * half, -height), (x * half * 1.25, -0.3 if k < 2 else 0)], 0.42), -0.3 if k < 2 else 0.0
        )
    s.fill("leg3", o.rectangle(-half * 0.98, -height * 0.4, half * 0.98, -height * 0.4 + 0.35), -0.12)
    seat = s.part("seat", "seat")
    s.fill(seat, o.rounded_rectangle(-half, -height - 0.3, half, -height + 0.7, 0.5), -0.15)
    s.fill(seat, o.ellipse(0, -height - 0.35, half, 0.5), 0.12)
    return s.drawing({"seat": (0.0, -height - 0.35), "surface": (0.0, -height - 0.3)})


def sofa(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A sofa with back, seat, two armrests, feet and up to three cushions of their own."""
    return _couch(rng, paint, "sofa", between(rng, 8.0, 10.5), 2 if chance(rng, 0.6) else 3, int(rng.integers(0, 4)))


def armchair(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """An armchair with back, seat, two armrests, feet and perhaps a cushion."""
    return _couch(rng, paint, "armchair", between(rng, 4.0, 4.8), 1, int(rng.integers(0, 2)))


def _couch(rng: np.random.Generator, paint: Paint, name: str, half: float, seats: int, cushions: int) -> Drawing:
    """A padded seat of half width `half` with `seats` seat pads and `cushions` loose cushions."""
    s = Sketch(name, paint)
    high = between(rng, 7.2, 9.0) * (1.15 if seats == 1 else 1.0)
    feet = pick(rng, (wood(rng), METAL, Paint(color_besides(rng, paint.color))))
    for k, x in enumerate((-half * 0.88, half * 0.88)):
        s.fill(s.part(f"leg{k + 1}", "leg", feet), o.rectangle(x - 0.45, -1.3, x + 0.45, 0))
    back = s.part("back", "back")
    s.fill(back, o.rounded_rectangle(-half * 0.94, -high, half * 0.94, -2.5, 1.2), -0.08)
    inner = half - 1.5
    wide = 2 * inner / seats
    for k in range(seats):
        s.fill(
            back,
            o.rounded_rectangle(-inner + k * wide + 0.1, -high + 0.5, -inner + (k + 1) * wide - 0.1, -3.5, 0.8),
            0.05,
        )
    seat = s.part("seat", "seat")
    s.fill(seat, o.rectangle(-inner - 0.3, -3.4, inner + 0.3, -0.9), -0.25)
    for k in range(seats):
        s.fill(
            seat, o.rounded_rectangle(-inner + k * wide + 0.06, -4.3, -inner + (k + 1) * wide - 0.06, -2.6, 0.5), 0.14
        )
    first = Paint(color_besides(rng, paint.color), pick(rng, PATTERNS))
    places = rng.permutation(3)
    for k in range(cushions):
        color = first if chance(rng, 0.5) else Paint(color_besides(rng, paint.color), pick(rng, PATTERNS))
        x = (places[k] - 1) * (inner - 1.4) if seats > 1 else 0.0
        square = o.rounded_rectangle(x - 1.4, -6.6, x + 1.4, -4.0, 0.5)
        s.fill(s.part(f"cushion{k + 1}", "cushion", color), o.rotate(square, between(rng, -18, 18), (x, -5.3)))
    for k, side in enumerate((-1, 1)):
        x0, x1 = sorted((side * inner, side * half))
        node = s.part(f"armrest{k + 1}", "armrest")
        s.fill(node, o.rounded_rectangle(x0, -6.0, x1, -0.9, 0.75), -0.12)
        s.fill(node, o.rounded_rectangle(x0, -6.0, x1, -4.8, 0.6), 0.08)
    return s.drawing({"seat": (between(rng, -0.5, 0.5) * (seats - 1) * wide / 2, -3.9)})


def bed(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A bed from the side: frame with headboard and legs, mattress, blanket, pillow. The blanket takes a pattern."""
    s = Sketch("bed", paint)
    long, height = between(rng, 14, 17), between(rng, 4.8, 5.6)
    half = long / 2
    board = s.part("headboard", "headboard")
    s.fill(board, o.rounded_rectangle(-half, -between(rng, 8.5, 11.0), -half + 1.2, -1.0, 0.5), -0.08)
    for k, x in enumerate((-half + 0.6, half - 0.6)):
        s.fill(s.part(f"leg{k + 1}", "leg"), o.rectangle(x - 0.5, -2.0, x + 0.5, 0), -0.2)
    s.fill("", o.rectangle(-half + 0.3, -3.1, half, -1.3))
    s.fill("", o.rounded_rectangle(half - 1.0, -height - 1.0, half, -1.0, 0.4), -0.08)
    sheet = Paint(color_besides(rng, paint.color, among=("white", "yellow", "pink", "gray")))
    s.fill(s.part("mattress", "mattress", sheet), o.rounded_rectangle(-half + 1.0, -height, half - 0.8, -2.8, 0.6))
    pillow = Paint(color_besides(rng, paint.color, sheet.color), pick(rng, PATTERNS))
    s.fill(
        s.part("pillow", "pillow", pillow),
        o.smooth(
            [
                (-half + 1.3, -height + 0.1),
                (-half + 1.6, -height - 1.7),
                (-half + 4.6, -height - 1.5),
                (-half + 5.4, -height + 0.1),
            ]
        ),
    )
    blanket = Paint(color_besides(rng, paint.color, sheet.color, pillow.color), pick(rng, PATTERNS))
    start = -half + between(rng, 5.6, 9.0)
    s.fill(s.part("blanket", "blanket", blanket), o.polygon(
        (start, -height - 0.6), (half - 2, -height - 0.7), (half - 0.7, -height - 0.2), (half - 0.7, -1.9),
        (start + 0.3, -1.7),
        (start - 0.5, -height + 0.2),
    ))  # fmt: skip
    s.fill(
        "blanket",
        o.polygon(
            (start, -height - 0.6),
            (start + 1.5, -height - 0.65),
            (start + 1.6, -1.7),
            (start + 0.3, -1.7),
            (start - 0.5, -height + 0.2),
        ),
        0.3,
    )
    return s.drawing({"surface": (half * 0.35, -height - 0.5), "seat": (half * 0.3, -height - 0.3), "top": (0.0, -1.3)})


def shelf(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A shelf: two sides, a back and three to five boards; things stand on the boards."""
    s = Sketch("shelf", paint)
    half, high = between(rng, 3.5, 6.0), between(rng, 12, 18)
    boards = int(rng.integers(3, 6))
    if chance(rng, 0.6):
        s.fill("", o.rectangle(-half, -high, half, -0.4), -0.45)
    for x in (-half, half):
        s.fill("", o.rectangle(x - 0.35, -high - 0.4, x + 0.35, 0), -0.1)
    board = Paint(color_besides(rng, paint.color)) if chance(rng, 0.35) else paint
    anchors = {}
    for k in range(boards):
        y = -0.8 - k * (high - 0.8) / (boards - 1)
        s.fill(s.part(f"board{k + 1}", "board", board), o.rectangle(-half, y - 0.35, half, y + 0.35), 0.12)
        anchors[f"surface_{k + 1}"] = (0.0, y - 0.3)
    anchors["surface"] = anchors[f"surface_{int(rng.integers(2, boards))}"]
    return s.drawing(anchors)


def cabinet(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A cabinet full of drawers with knobs or handles, on short legs; things stand on it."""
    s = Sketch("cabinet", paint)
    half, high = between(rng, 4.0, 7.0), between(rng, 7.5, 10.5)
    for k, x in enumerate((-half * 0.85, half * 0.85)):
        s.fill(s.part(f"leg{k + 1}", "leg", wood(rng)), o.rectangle(x - 0.4, -1.0, x + 0.4, 0))
    s.fill("", o.rectangle(-half, -high, half, -0.8), -0.15)
    _drawers(s, rng, (-half + 0.3, -high + 0.6, half - 0.3, -1.1), int(rng.integers(2, 5)), 1 + (half > 5), paint)
    s.fill(
        "",
        o.polygon((-half * 0.96, -high - 0.7), (half * 0.96, -high - 0.7), (half * 1.05, -high), (-half * 1.05, -high)),
        0.16,
    )
    s.fill("", o.rectangle(-half * 1.05, -high, half * 1.05, -high + 0.45))
    return s.drawing({"surface": (0.0, -high - 0.35), "top": (0.0, -high - 0.35)})


def wardrobe(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A wardrobe with two or three doors, each with a handle, some with a mirror, and a drawer at the foot."""
    s = Sketch("wardrobe", paint)
    doors = int(rng.integers(2, 4))
    half, high = 2.6 * doors, between(rng, 17, 20)
    s.fill("", o.rectangle(-half, -high, half, 0), -0.12)
    s.fill("", o.rectangle(-half * 1.05, -high - 0.7, half * 1.05, -high + 0.3), 0.05)
    drawer = chance(rng, 0.5)
    low = -4.0 if drawer else -0.8
    front = Paint(color_besides(rng, paint.color)) if chance(rng, 0.4) else paint
    fittings = _fittings(rng, paint.color, front.color)
    mirror = int(rng.integers(doors)) if chance(rng, 0.35) else -1
    wide = (2 * half - 0.6) / doors
    for k in range(doors):
        x = -half + 0.3 + k * wide
        node = s.part(f"door{k + 1}", "door", front)
        s.fill(node, o.rectangle(x + 0.15, -high + 0.7, x + wide - 0.15, low), 0.08)
        if k == mirror:
            glass = s.part(f"{node}/mirror", "mirror", Paint(None, rgb=(196, 214, 224)))
            s.fill(glass, o.rectangle(x + 0.9, -high + 2.0, x + wide - 0.9, low - 2.0))
            s.fill(
                glass,
                o.polygon(
                    (x + 1.2, -high + 7),
                    (x + wide - 1.2, -high + 3),
                    (x + wide - 1.2, -high + 4.5),
                    (x + 1.2, -high + 8.5),
                ),
                0.5,
            )
        else:
            s.fill(node, o.rectangle(x + 0.8, -high + 1.5, x + wide - 0.8, low - 0.8), -0.08)
        grip = x + (wide - 0.6 if k % 2 == 0 else 0.6)
        s.fill(
            s.part(f"{node}/handle", "handle", fittings),
            o.rounded_rectangle(grip - 0.3, -high * 0.6, grip + 0.3, -high * 0.6 + 3.0, 0.3),
        )
    if drawer:
        _drawers(s, rng, (-half + 0.3, -3.9, half - 0.3, -0.5), 1, 2, paint)
    return s.drawing({"top": (0.0, -high - 0.7)})


KINDS: tuple[Kind, ...] = (
    Kind("table", "tables", table, (0.72, 0.85), HOME | {"yard"}, "ground", "furniture", ("eat at", "put things on")),
    Kind("desk", "desks", desk, (0.74, 0.84), frozenset({"office", "bedroom", "living room"}), "ground", "furniture",
         ("work at", "put things on", "store")),
    Kind("chair", "chairs", chair, (0.88, 1.05), HOME | {"yard"}, "ground", "furniture", ("sit",)),
    Kind("stool", "stools", stool, (0.5, 0.7), frozenset({"kitchen", "office", "bathroom"}), "ground", "furniture",
         ("sit",)),
    Kind("armchair", "armchairs", armchair, (0.9, 1.05), frozenset({"living room", "bedroom", "office"}), "ground",
         "furniture", ("sit", "rest"), patterns=PATTERNS),
    Kind("sofa", "sofas", sofa, (0.8, 0.95), frozenset({"living room", "office"}), "ground", "furniture",
         ("sit", "rest"), patterns=PATTERNS),
    Kind("bed", "beds", bed, (0.85, 1.05), frozenset({"bedroom"}), "ground", "furniture", ("sleep", "rest")),
    Kind("shelf", "shelves", shelf, (1.3, 1.9), HOME, "ground", "furniture", ("store", "put things on")),
    Kind("cabinet", "cabinets", cabinet, (0.8, 1.1), HOME | {"bathroom"}, "ground", "furniture",
         ("store", "put things on")),
    Kind("wardrobe", "wardrobes", wardrobe, (1.8, 2.1), frozenset({"bedroom"}), "ground", "furniture",
         ("store", "keep clothes")),
)  # fmt: skip
