"""Buildings: house, apartment building, barn, shop, lighthouse; all seen from the front."""

import numpy as np

from mglmm.world.drawing import Drawing, Kind, Paint
from mglmm.world.kinds.materials import GLASS, LAMP, PALE, material, tone
from mglmm.world.kinds.outlines import ellipse, pie, polygon, rectangle, rounded, rounded_rectangle, stroke
from mglmm.world.kinds.sketch import DARK, METAL, Sketch

BRASS = material(206, 170, 70)
ROOFS = ("red", "brown", "gray", "black", "orange", "teal")


def _add_window(sketch: Sketch, path: str, x: float, y: float, width: float, height: float, lit: bool = False) -> None:
    """Adds a window with a pale frame and a cross bar; (x, y) is the middle of its sill; `lit` from inside."""
    sketch.part(path, "window", LAMP if lit else GLASS, "lit" if lit else None)
    rim = 0.09 * width
    sketch.fill(path, rectangle(x - width / 2 - rim, y - height - rim, x + width / 2 + rim, y + rim), paint=PALE)
    sketch.fill(path, rectangle(x - width / 2, y - height, x + width / 2, y))
    sketch.fill(
        path,
        polygon((x - width / 2, y - height), (x + 0.1 * width, y - height), (x - width / 2, y - 0.2 * height)),
        0.3,
    )
    sketch.fill(path, rectangle(x - 0.04 * width, y - height, x + 0.04 * width, y), paint=PALE)
    sketch.fill(path, rectangle(x - width / 2, y - 0.54 * height, x + width / 2, y - 0.46 * height), paint=PALE)


def _add_door(
    sketch: Sketch, rng: np.random.Generator, paint: Paint, x: float, width: float, height: float, glazed: bool
) -> None:
    """Adds a door on the ground around `x` with a knob and, if `glazed`, a pane."""
    door = sketch.part(
        "door", "door", tone(rng, "brown", "red", "blue", "green", "white", "yellow", "black", besides=paint)
    )
    sketch.fill(door, rectangle(x - 0.58 * width, -1.06 * height, x + 0.58 * width, 0.0), paint=PALE)
    sketch.fill(door, rectangle(x - width / 2, -height, x + width / 2, 0.0))
    if glazed:
        sketch.part("door/window", "window", GLASS)
        sketch.fill(
            "door/window", rounded_rectangle(x - 0.3 * width, -0.9 * height, x + 0.3 * width, -0.56 * height, 0.1)
        )
    else:
        for top in (-0.9, -0.44):
            sketch.fill(
                door, rectangle(x - 0.34 * width, top * height, x + 0.2 * width, (top + 0.34) * height), shade=-0.18
            )
    sketch.part("door/knob", "knob", BRASS)
    sketch.fill("door/knob", ellipse(x + 0.34 * width, -0.45 * height, 0.12 * width, count=12))


def _add_bricks(sketch: Sketch, rng: np.random.Generator, half: float, wall: float) -> None:
    """Draws a few lines of bricks or boards on the walls from -half to half up to `wall`."""
    for _ in range(int(rng.integers(0, 9))):
        x, y = rng.uniform(-half + 0.1, half - 0.5), -rng.uniform(0.15, wall - 0.15)
        sketch.fill("walls", rectangle(x, y, x + 0.36, y + 0.07), shade=-0.15)


def house(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A house: walls in the main paint, roof with chimney, door with knob, windows with shutters."""
    sketch = Sketch("house", paint)
    floors = 2 if pose == "tall" else 1
    half, wall, gable = rng.uniform(2.2, 3.0), 2.5 * floors, rng.uniform(1.5, 2.1)
    roof = tone(rng, *ROOFS, besides=paint)
    sketch.part("roof", "roof", roof)
    side = float(rng.choice([-1.0, 1.0]))
    sketch.part("roof/chimney", "chimney", tone(rng, "brown", "gray", "white", "red", besides=roof))
    x = side * 0.5 * half
    sketch.fill("roof/chimney", rectangle(x - 0.32, -wall - gable - 0.15, x + 0.32, -wall - 0.2))
    sketch.fill("roof/chimney", rectangle(x - 0.42, -wall - gable - 0.3, x + 0.42, -wall - gable - 0.05), shade=-0.25)
    sketch.part("walls", "wall")
    sketch.fill("walls", rectangle(-half, -wall - 0.1, half, 0.0))
    _add_bricks(sketch, rng, half, wall)
    ridge = rng.uniform(0.0, 0.55) * half
    sketch.fill(
        "roof", polygon((-half - 0.4, -wall), (-ridge, -wall - gable), (ridge, -wall - gable), (half + 0.4, -wall))
    )
    sketch.fill("roof", rectangle(-half - 0.4, -wall - 0.06, half + 0.4, -wall + 0.1), shade=-0.35)
    if rng.random() < 0.35:
        sketch.part("roof/window", "window", GLASS)
        sketch.fill("roof/window", ellipse(0.0, -wall - 0.45 * gable, 0.42, count=18), paint=PALE)
        sketch.fill("roof/window", ellipse(0.0, -wall - 0.45 * gable, 0.34, count=18))
    door_x = float(rng.choice([-0.5, 0.0, 0.5])) * half
    _add_door(sketch, rng, paint, door_x, 1.05, 1.85, bool(rng.random() < 0.4))
    spots = [(x * half, -0.75) for x in (-0.58, 0.0, 0.58) if abs(x * half - door_x) > 1.1]
    spots += [(x * half, -3.2) for x in (-0.58, 0.0, 0.58)] if floors == 2 else []
    shutters = tone(rng, "green", "blue", "brown", "red", "white", besides=paint) if rng.random() < 0.6 else None
    for number, (x, y) in enumerate(spots, 1):
        width = 0.64 if shutters is not None else 0.85
        _add_window(sketch, f"window{number}", x, y, width, 1.0, lit=bool(rng.random() < 0.12))
        for leaf, turn in enumerate((-1, 1), 1):
            if shutters is not None:
                node = sketch.part(f"window{number}/shutter{leaf}", "shutter", shutters)
                a, b = sorted((x + turn * 0.38, x + turn * 0.66))
                sketch.fill(node, rectangle(a, y - 1.06, b, y + 0.06))
                for line in (-0.75, -0.5, -0.25):
                    sketch.fill(node, rectangle(a + 0.05, y + line - 0.04, b - 0.05, y + line + 0.04), shade=-0.3)
    return sketch.drawing({"top": (0.0, -wall - gable), "inside": (door_x, 0.0)})


def building(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """An apartment building: high walls in the main paint, flat roof, rows of windows, a door, sometimes balconies."""
    sketch = Sketch("building", paint)
    columns, floors = int(rng.integers(2, 4)), int(rng.integers(3, 5))
    half, wall = 1.25 * columns, 2.4 * floors + 0.8
    sketch.part("walls", "wall")
    sketch.fill("walls", rectangle(-half, -wall, half, 0.0))
    sketch.part("roof", "roof", tone(rng, *ROOFS, besides=paint))
    sketch.fill("roof", rounded_rectangle(-half - 0.25, -wall - 0.75, half + 0.25, -wall + 0.05, 0.08))
    for floor in range(1, floors):
        sketch.fill("walls", rectangle(-half, -2.4 * floor - 0.5, half, -2.4 * floor - 0.38), shade=-0.2)
    door_column = int(rng.integers(columns))
    rail = tone(rng, "black", "white", "gray", "green", besides=paint) if rng.random() < 0.4 else None
    number = 0
    for floor in range(floors):
        for column in range(columns):
            x, y = -half + 1.25 + 2.5 * column, -2.4 * floor - 0.95
            if floor == 0 and column == door_column:
                _add_door(sketch, rng, paint, x, 1.5, 2.2, True)
                continue
            number += 1
            _add_window(sketch, f"window{number}", x, y, 1.3, 1.25, lit=bool(rng.random() < 0.15))
            if rail is not None and floor and column == door_column:
                node = sketch.part(f"balcony{floor}", "balcony", rail)
                sketch.fill(node, rectangle(x - 1.0, y - 0.55, x + 1.0, y + 0.3))
                for bar in np.linspace(x - 0.85, x + 0.7, 6):
                    sketch.fill(node, rectangle(bar, y - 0.42, bar + 0.12, y + 0.18), shade=-0.35)
    return sketch.drawing({"top": (0.0, -wall - 0.75)})


def barn(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A barn: boarded walls in the main paint, broken roof, a large door (open or closed), a window under the roof."""
    sketch = Sketch("barn", paint)
    half, wall, top = rng.uniform(2.6, 3.4), rng.uniform(2.4, 3.0), rng.uniform(4.8, 5.6)
    knee = (0.72 * half, -wall - 0.62 * (top - wall))
    sketch.part("walls", "wall")
    sketch.fill(
        "walls",
        polygon(
            (-half, 0.0),
            (-half, -wall),
            (-knee[0], knee[1]),
            (0.0, -top),
            (knee[0], knee[1]),
            (half, -wall),
            (half, 0.0),
        ),
    )
    for x in np.linspace(-half, half, 9)[1:-1]:
        sketch.fill("walls", rectangle(x - 0.03, -wall - 0.2, x + 0.03, 0.0), shade=-0.2)
    sketch.part("roof", "roof", tone(rng, "gray", "black", "brown", "white", besides=paint))
    sketch.fill("roof", _barn_roof(half, wall, top, knee))
    open_ = bool(rng.random() < 0.4)
    trim = tone(rng, "white", "brown", "black", besides=paint)
    wide, high = 0.42 * half, 0.82 * wall
    if open_:
        sketch.fill("walls", rectangle(-wide, -high, wide, 0.0), paint=DARK)
    for number, side in enumerate((-1, 1), 1):
        node = sketch.part(f"door{number}", "door", trim, "open" if open_ else "closed")
        a, b = sorted((side * wide, side * 1.75 * wide)) if open_ else sorted((0.02 * side, side * wide))
        sketch.fill(node, rectangle(a, -high, b, 0.0))
        sketch.fill(node, rectangle(a + 0.1, -high + 0.1, b - 0.1, -0.1), paint=paint, shade=-0.1)
        sketch.fill(node, stroke([(a + 0.05, -high + 0.12), (b - 0.05, -0.12)], 0.16))
        sketch.fill(node, stroke([(a + 0.05, -0.12), (b - 0.05, -high + 0.12)], 0.16))
    _add_window(sketch, "window", 0.0, -wall - 0.25, 0.85, 0.85)
    return sketch.drawing({"inside": (0.0, 0.0), "top": (0.0, -top)})


def _barn_roof(half: float, wall: float, top: float, knee: tuple[float, float]) -> np.ndarray:
    """The band of a broken roof over walls of half width `half`, bent at `knee`, its ridge at `top`."""
    edge = np.array(
        [
            (-half - 0.35, -wall + 0.2),
            (-knee[0] - 0.1, knee[1] - 0.15),
            (0.0, -top - 0.2),
            (knee[0] + 0.1, knee[1] - 0.15),
            (half + 0.35, -wall + 0.2),
        ]
    )
    inner = np.array(
        [
            (half + 0.0, -wall + 0.3),
            (knee[0] - 0.2, knee[1] + 0.25),
            (0.0, -top + 0.3),
            (-knee[0] + 0.2, knee[1] + 0.25),
            (-half, -wall + 0.3),
        ]
    )
    return np.concatenate([edge, inner])


def shop(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A shop: walls in the main paint, a sign, a striped awning, a display window with goods, a glazed door."""
    sketch = Sketch("shop", paint)
    half, top = rng.uniform(2.3, 2.9), rng.uniform(3.5, 4.1)
    sketch.part("walls", "wall")
    sketch.fill("walls", rectangle(-half, -top, half, 0.0))
    sketch.fill("walls", rectangle(-half - 0.12, -top - 0.14, half + 0.12, -top + 0.1), shade=-0.3)
    side = float(rng.choice([-1.0, 1.0]))
    _add_door(sketch, rng, paint, side * (half - 0.85), 1.1, 2.1, True)
    middle, wide = -side * 0.75, half - 1.2
    sketch.part("display", "window", GLASS)
    sketch.fill("display", rectangle(middle - wide - 0.1, -2.15, middle + wide + 0.1, -0.5), paint=PALE)
    sketch.fill("display", rectangle(middle - wide, -2.05, middle + wide, -0.6))
    for x in np.linspace(middle - 0.7 * wide, middle + 0.7 * wide, 3):
        ware = tone(rng, "red", "yellow", "orange", "purple", "green", "pink")
        size = rng.uniform(0.16, 0.28)
        outline = (
            ellipse(x, -0.62 - size, size, count=14)
            if rng.random() < 0.5
            else rectangle(x - size, -0.62 - 2 * size, x + size, -0.62)
        )
        sketch.fill("display", outline, paint=ware)
    cloth = tone(rng, "red", "green", "blue", "orange", "pink", "teal", besides=paint)
    sketch.part("awning", "awning", Paint(cloth.color, "striped" if rng.random() < 0.6 else "plain"))
    sketch.fill("awning", polygon((-half + 0.05, -2.75), (half - 0.05, -2.75), (half + 0.3, -2.2), (-half - 0.3, -2.2)))
    count = 8
    width = (2 * half + 0.6) / count
    for i in range(count):
        sketch.fill("awning", pie(-half - 0.3 + (i + 0.5) * width, -2.22, width / 2, 0.24, 0, 180, 8), shade=-0.15)
    board = tone(rng, "white", "yellow", "black", "blue", "red", besides=paint)
    sketch.part("sign", "sign", board)
    sketch.fill("sign", rounded_rectangle(-0.7 * half, -top + 0.2, 0.7 * half, -2.86, 0.1))
    middle_y, ink = (-top + 0.2 - 2.86) / 2, PALE if board.color in ("black", "blue", "red") else DARK
    for x in np.linspace(-0.5 * half, 0.4 * half, 6):
        sketch.fill("sign", rectangle(x, middle_y - rng.uniform(0.1, 0.2), x + 0.18, middle_y + 0.15), paint=ink)
    return sketch.drawing({"inside": (side * (half - 0.85), 0.0)})


def lighthouse(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A lighthouse: tapering tower in the main paint with bands, windows, door, gallery, lamp room and roof."""
    sketch = Sketch("lighthouse", paint)
    foot, head, high = rng.uniform(1.1, 1.4), rng.uniform(0.7, 0.85), rng.uniform(6.0, 7.5)

    def half(y: float) -> float:
        """Half the tower's width at the height `y` above ground."""
        return foot + (head - foot) * y / high

    tower = sketch.part("tower", "tower")
    sketch.fill(tower, polygon((-foot, 0.0), (-head, -high), (head, -high), (foot, 0.0)))
    band = tone(rng, "white", "red", "black", "blue", besides=paint)
    for number, low in enumerate(np.linspace(0.3, 0.78, int(rng.integers(1, 3))) * high, 1):
        node = sketch.part(f"tower/band{number}", "band", band)
        up = low + 0.16 * high
        sketch.fill(node, polygon((-half(low), -low), (-half(up), -up), (half(up), -up), (half(low), -low)))
    for number, y in enumerate((0.36, 0.62), 1):
        sketch.part(f"window{number}", "window", GLASS)
        sketch.fill(f"window{number}", rounded_rectangle(-0.3, -y * high - 0.8, 0.3, -y * high, 0.28))
        sketch.fill(
            f"window{number}", rounded_rectangle(-0.2, -y * high - 0.68, 0.2, -y * high - 0.1, 0.2), shade=-0.35
        )
    _add_door(sketch, rng, paint, 0.0, 0.8, 1.4, False)
    sketch.part("lamp", "lamp", LAMP, "lit" if rng.random() < 0.5 else None)
    sketch.fill("lamp", rectangle(-0.6, -high - 1.35, 0.6, -high))
    for x in (-0.58, -0.2, 0.12, 0.5):
        sketch.fill("lamp", rectangle(x, -high - 1.35, x + 0.08, -high), paint=METAL, shade=-0.4)
    sketch.part("gallery", "balcony", tone(rng, "black", "gray", "red", besides=paint))
    sketch.fill(
        "gallery",
        rounded(
            [
                (-head - 0.4, -high - 0.45),
                (head + 0.4, -high - 0.45),
                (head + 0.2, -high + 0.1),
                (-head - 0.2, -high + 0.1),
            ],
            0.08,
        ),
    )
    sketch.part("roof", "roof", tone(rng, "red", "black", "gray", "teal", besides=paint))
    sketch.fill("roof", polygon((-0.85, -high - 1.3), (0.0, -high - 2.2), (0.85, -high - 1.3)))
    return sketch.drawing({"top": (0.0, -high - 2.2)})


_WALLS = ("white", "yellow", "red", "blue", "gray", "brown", "orange", "pink", "teal", "green", "purple")
KINDS: tuple[Kind, ...] = (
    Kind(
        "house",
        "houses",
        house,
        (4.5, 7.0),
        frozenset({"street", "farm", "yard", "lake", "snow", "park"}),
        "ground",
        "building",
        ("shelter", "people live in it", "has rooms", "keeps out rain"),
        ("low", "tall"),
        _WALLS,
    ),
    Kind(
        "building",
        "buildings",
        building,
        (8.0, 12.0),
        frozenset({"street"}),
        "ground",
        "building",
        ("shelter", "people live in it", "has rooms", "keeps out rain", "is tall"),
        colors=_WALLS,
    ),
    Kind(
        "barn",
        "barns",
        barn,
        (5.5, 7.5),
        frozenset({"farm"}),
        "ground",
        "building",
        ("shelter", "shelter for animals", "stores hay", "keeps out rain"),
        colors=("red", "brown", "white", "green", "gray", "blue", "orange", "yellow"),
    ),
    Kind(
        "shop",
        "shops",
        shop,
        (3.8, 5.0),
        frozenset({"street"}),
        "ground",
        "building",
        ("sells things", "people buy things there", "keeps out rain"),
        colors=_WALLS,
    ),
    Kind(
        "lighthouse",
        "lighthouses",
        lighthouse,
        (8.0, 12.0),
        frozenset({"beach", "lake"}),
        "ground",
        "building",
        ("light at night", "guides ships", "is tall"),
        colors=("white", "red", "blue", "black", "yellow", "orange", "green"),
    ),
)
"""The buildings of the world."""
