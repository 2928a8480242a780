"""Road vehicles with four wheels and more: car, bus, truck, tractor. All side views face right."""

import numpy as np

from mglmm.world.drawing import Drawing, Kind, Paint
from mglmm.world.kinds.materials import GLASS, LAMP, PALE, RUBBER, material, tone
from mglmm.world.kinds.outlines import (
    arc,
    capsule,
    ellipse,
    polygon,
    rectangle,
    rounded,
    rounded_rectangle,
    segment,
    stroke,
)
from mglmm.world.kinds.sketch import DARK, METAL, Sketch


def add_wheel(sketch: Sketch, path: str, x: float, radius: float, hub: Paint = METAL, spokes: int = 5) -> None:
    """Adds a wheel that stands on y = 0 with its hub as a part; `spokes` dark gaps decorate the hub."""
    sketch.part(path, "wheel", RUBBER)
    sketch.fill(path, ellipse(x, -radius, radius, count=24))
    sketch.part(f"{path}/hub", "hub", hub)
    sketch.fill(f"{path}/hub", ellipse(x, -radius, 0.62 * radius))
    for i in range(spokes):
        angle = 2 * np.pi * (i + 0.5) / spokes
        center = (x + 0.4 * radius * np.cos(angle), -radius + 0.4 * radius * np.sin(angle))
        sketch.fill(f"{path}/hub", ellipse(*center, 0.1 * radius, count=8), shade=-0.45)


def _add_pane(sketch: Sketch, path: str, points: np.ndarray) -> None:
    """Adds a glass window with a slanted highlight inside its outline."""
    sketch.part(path, "window", GLASS)
    sketch.fill(path, points)
    low, high = points.min(axis=0), points.max(axis=0)
    across, up = (points[:, 0] - low[0]) / (high[0] - low[0]), (high[1] - points[:, 1]) / (high[1] - low[1])
    glint = points[across < 0.55 + 0.4 * up]
    if 3 <= len(glint) < len(points):
        sketch.fill(path, glint, shade=0.25)


def _add_door(sketch: Sketch, path: str, points: np.ndarray, handle: tuple[float, float], size: float) -> None:
    """Adds a door in its owner's paint, set off by a dark seam, with a handle of length `size` at `handle`."""
    sketch.part(path, "door")
    sketch.fill(path, points, shade=-0.4)
    center = points.mean(axis=0)
    sketch.fill(path, center + (points - center) * 0.95, shade=0.1)
    sketch.part(f"{path}/handle", "handle", METAL)
    x, y = handle
    sketch.fill(f"{path}/handle", rounded_rectangle(x, y - 0.17 * size, x + size, y + 0.17 * size, 0.17 * size))


def car(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A car: body, windows, doors with handles, wheels with hubs, lights; from the side or from the front."""
    return _car_front(rng, paint) if pose == "front" else _car_side(rng, paint)


def _car_side(rng: np.random.Generator, paint: Paint) -> Drawing:
    """A car from the side; the trunk, hood and roof vary between a sedan, a hatchback and a high car."""
    sketch = Sketch("car", paint)
    length, top = rng.uniform(3.9, 4.7), rng.uniform(1.42, 1.75)
    radius, belt = rng.uniform(0.34, 0.4), 0.58 * top
    trunk, hood = rng.choice([0.08, 0.35, 0.75]), rng.uniform(0.95, 1.25)
    rear, front = trunk, length - hood
    lean_rear, lean_front = rng.uniform(0.15, 0.5), rng.uniform(0.45, 0.7)
    body = [
        (0.05, -0.26),
        (0.0, -0.62),
        (0.06, -belt),
        (rear, -belt - 0.03),
        (rear + lean_rear, -top),
        (front - lean_front, -top),
        (front, -belt),
        (length - 0.12, -belt + 0.12),
        (length, -0.55),
        (length - 0.03, -0.26),
    ]
    sketch.fill("", rounded(body, 0.16))
    sketch.fill("", rectangle(0.06, -0.36, length - 0.06, -0.27), shade=-0.35)
    back_x, front_x = 0.19 * length, 0.81 * length
    pillar = (rear + front) / 2 - 0.05
    sill = -belt - 0.04
    roof = -top + 0.12
    left = [(rear + 0.14, sill), (rear + lean_rear + 0.08, roof), (pillar - 0.05, roof), (pillar - 0.05, sill)]
    right = [(pillar + 0.05, sill), (pillar + 0.05, roof), (front - lean_front - 0.06, roof), (front - 0.2, sill)]
    _add_pane(sketch, "window1", rounded(left, 0.07))
    _add_pane(sketch, "window2", rounded(right, 0.07))
    _add_side_doors(sketch, rear, pillar, front, sill, back_x)
    _add_side_lights(sketch, rng, paint, length, belt)
    hub = METAL if rng.random() < 0.7 else material(92, 96, 104)
    spokes = int(rng.integers(4, 8))
    for path, x in (("wheel1", back_x), ("wheel2", front_x)):
        sketch.fill("", segment(x, -radius, radius * 1.22, radius * 1.22, 180, 360), paint=DARK)
        add_wheel(sketch, path, x, radius, hub, spokes)
    return sketch.drawing({"seat": (pillar, -0.5 * top), "top": ((rear + front) / 2, -top)})


def _add_side_doors(sketch: Sketch, rear: float, pillar: float, front: float, sill: float, back_x: float) -> None:
    """Adds both doors of a car from the side around its `pillar`; the rear one clears the wheel at `back_x`."""
    door_end, foot = front - 0.12, -0.3
    _add_door(
        sketch,
        "door1",
        rounded(
            [
                (pillar - 0.02, sill + 0.05),
                (pillar - 0.02, foot),
                (back_x + 0.5, foot),
                (back_x + 0.12, -0.7),
                (rear + 0.25, sill + 0.05),
            ],
            0.06,
        ),
        (pillar - 0.42, sill + 0.17),
        0.3,
    )
    _add_door(
        sketch,
        "door2",
        rounded([(pillar + 0.02, sill + 0.05), (door_end, sill + 0.05), (door_end, foot), (pillar + 0.02, foot)], 0.06),
        (pillar + 0.08, sill + 0.17),
        0.3,
    )


def _add_side_lights(sketch: Sketch, rng: np.random.Generator, paint: Paint, length: float, belt: float) -> None:
    """Adds the headlight and the tail light of a car from the side, below its `belt` line."""
    sketch.part("light1", "headlight", LAMP)
    sketch.fill(
        "light1",
        rounded(
            [
                (length - 0.38, -belt + 0.14),
                (length - 0.1, -belt + 0.18),
                (length - 0.03, -0.6),
                (length - 0.26, -0.62),
            ],
            0.05,
        ),
    )
    sketch.part("light2", "tail light", tone(rng, "red", "orange", besides=paint))
    sketch.fill("light2", rounded_rectangle(0.01, -belt + 0.06, 0.24, -0.58, 0.05))


def _car_front(rng: np.random.Generator, paint: Paint) -> Drawing:
    """A car from the front: windshield, headlights, grille, plate, mirrors and two wheels."""
    sketch = Sketch("car", paint)
    half, top = rng.uniform(0.86, 0.98), rng.uniform(1.42, 1.75)
    belt, hood = 0.6 * top, 0.52 * top
    for path, side in (("wheel1", -1), ("wheel2", 1)):
        sketch.part(path, "wheel", RUBBER)
        sketch.fill(path, rounded_rectangle(side * (half - 0.14) - 0.14, -0.5, side * (half - 0.14) + 0.14, 0.0, 0.08))
    roof = 0.72 * half
    body = [
        (-half, -0.2),
        (-half, -hood),
        (-0.93 * half, -belt),
        (-roof, -top),
        (roof, -top),
        (0.93 * half, -belt),
        (half, -hood),
        (half, -0.2),
    ]
    sketch.fill("", rounded(body, 0.2))
    _add_pane(
        sketch,
        "windshield",
        rounded(
            [
                (-0.82 * half, -belt - 0.02),
                (-roof + 0.08, -top + 0.1),
                (roof - 0.08, -top + 0.1),
                (0.82 * half, -belt - 0.02),
            ],
            0.1,
        ),
    )
    sketch.fill("", rounded_rectangle(-0.9 * half, -0.34, 0.9 * half, -0.22, 0.05), shade=-0.35)
    _add_grille(sketch, half, hood)
    wide = rng.random() < 0.5
    for number, side in (("1", -1), ("2", 1)):
        sketch.part(f"headlight{number}", "headlight", LAMP)
        center = (side * 0.69 * half, -hood + 0.2)
        lamp = ellipse(*center, 0.19, 0.11) if wide else ellipse(*center, 0.14)
        sketch.fill(f"headlight{number}", lamp)
        sketch.fill(f"headlight{number}", ellipse(*center, 0.07, count=10), shade=0.5)
        sketch.part(f"mirror{number}", "mirror")
        inner, outer = sorted((side * 0.98 * half, side * (half + 0.22)))
        sketch.fill(f"mirror{number}", rounded_rectangle(inner, -belt - 0.14, outer, -belt + 0.02, 0.05), shade=-0.2)
    return sketch.drawing({"top": (0.0, -top)})


def _add_grille(sketch: Sketch, half: float, hood: float) -> None:
    """Adds the grille with its bars and the license plate of a car from the front."""
    sketch.part("grille", "grille", DARK)
    sketch.fill("grille", rounded_rectangle(-0.42 * half, -hood + 0.12, 0.42 * half, -0.5, 0.06))
    for y in np.linspace(-hood + 0.19, -0.56, 3):
        sketch.fill("grille", rectangle(-0.38 * half, y - 0.015, 0.38 * half, y + 0.015), shade=0.35)
    sketch.part("plate", "license plate", PALE)
    sketch.fill("plate", rounded_rectangle(-0.26, -0.48, 0.26, -0.34, 0.03))
    sketch.fill("plate", rectangle(-0.2, -0.435, 0.2, -0.385), paint=DARK)


def bus(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A bus from the side: a row of windows, two doors with glass, wheels with hubs, headlight; perhaps two decks."""
    sketch = Sketch("bus", paint)
    double = pose == "double"
    length, top, radius = rng.uniform(6.6, 8.6), (4.2 if double else 2.9), 0.58
    sketch.fill("", rounded_rectangle(0, -top, length, -0.32, 0.28))
    sketch.fill("", rectangle(0.05, -0.5, length - 0.05, -0.36), shade=-0.35)
    if rng.random() < 0.6:
        sketch.part("stripe", "stripe", tone(rng, "white", "yellow", "black", "red", besides=paint))
        sketch.fill("stripe", rectangle(0.0, -1.36, length, -1.12))
    doors = (length - 1.45, 0.42 * length)
    for number, x in enumerate(doors, 1):
        path = sketch.part(f"door{number}", "door", tone(rng, "gray", "black", "white", besides=paint))
        sketch.fill(path, rectangle(x, -2.5, x + 1.05, -0.42))
        for pane, left in enumerate((x + 0.08, x + 0.56), 1):
            sketch.part(f"{path}/window{pane}", "window", GLASS)
            sketch.fill(f"{path}/window{pane}", rounded_rectangle(left, -2.38, left + 0.41, -0.75, 0.05))
    spans = [(0.2, doors[1] - 0.1), (doors[1] + 1.15, doors[0] - 0.1)]
    rows = [(-1.5, left, right) for left, right in spans] + ([(-2.92, 0.2, length - 0.2)] if double else [])
    panes = [
        (y, x0 + i * (x1 - x0) / n, (x1 - x0) / n)
        for y, x0, x1 in rows
        for n in [round((x1 - x0) / 1.15)]
        for i in range(n)
    ]
    for number, (y, x, width) in enumerate(panes, 1):
        _add_pane(sketch, f"window{number}", rounded_rectangle(x + 0.06, y - 0.98, x + width - 0.06, y, 0.08))
    sketch.part("headlight", "headlight", LAMP)
    sketch.fill("headlight", rounded_rectangle(length - 0.3, -0.92, length, -0.55, 0.1))
    hub = METAL if rng.random() < 0.6 else material(96, 98, 104)
    for path, x in (("wheel1", 0.22 * length), ("wheel2", 0.75 * length)):
        sketch.fill("", segment(x, -radius, radius * 1.18, radius * 1.18, 180, 360), paint=DARK)
        add_wheel(sketch, path, x, radius, hub, 6)
    return sketch.drawing({"seat": (0.6 * length, -1.2), "top": (length / 2, -top)})


def truck(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A truck from the side: cab in the main paint (window, door with handle), a box or an open bed with cargo."""
    sketch = Sketch("truck", paint)
    length, radius = rng.uniform(5.6, 7.2), 0.5
    cab, cab_top, box_top = rng.uniform(1.7, 2.1), rng.uniform(2.3, 2.7), rng.uniform(2.7, 3.3)
    split = length - cab
    sketch.fill("", rectangle(0.1, -0.72, length - 0.2, -0.5), paint=DARK)
    if pose == "open":
        load = sketch.part("cargo", "cargo", tone(rng, "brown", "yellow", "gray", "green", besides=paint))
        bumps = [(0.3, -1.2), (0.2 * split, -1.9), (0.45 * split, -2.15), (0.7 * split, -1.95), (split - 0.3, -1.2)]
        sketch.fill(load, rounded(bumps, 0.5))
        bed, bed_top = "bed", 1.45
    else:
        bed, bed_top = "box", box_top
    sketch.part(bed, bed, paint if rng.random() < 0.5 else tone(rng, "white", "gray", besides=paint))
    sketch.fill(bed, rounded_rectangle(0.0, -bed_top, split - 0.1, -0.7, 0.06))
    for x in np.linspace(0, split - 0.1, 6)[1:-1]:
        sketch.fill(bed, rectangle(x - 0.03, -bed_top + 0.1, x + 0.03, -0.8), shade=-0.2)
    nose = rng.uniform(0.1, 0.6)
    body = [
        (split, -0.42),
        (split, -cab_top),
        (length - nose - 0.35, -cab_top),
        (length - nose, -1.45),
        (length, -1.35),
        (length, -0.42),
    ]
    sketch.fill("", rounded(body, 0.16))
    edge = length - nose
    pane = [(split + 0.4, -1.5), (split + 0.4, -cab_top + 0.2), (edge - 0.42, -cab_top + 0.2), (edge - 0.1, -1.5)]
    _add_pane(sketch, "window", rounded(pane, 0.08))
    door = rounded([(split + 0.35, -1.42), (split + 0.35, -0.5), (edge - 0.12, -0.5), (edge - 0.12, -1.42)], 0.06)
    _add_door(sketch, "door", door, (split + 0.45, -1.22), 0.36)
    sketch.part("headlight", "headlight", LAMP)
    sketch.fill("headlight", rounded_rectangle(length - 0.28, -0.98, length, -0.64, 0.08))
    for number, x in enumerate((0.16 * length, 0.16 * length + 2.15 * radius, length - 0.85), 1):
        add_wheel(sketch, f"wheel{number}", x, radius, METAL, 6)
    return sketch.drawing({"seat": (split + 0.8, -1.2), "top": (split / 2, -bed_top)})


def tractor(rng: np.random.Generator, paint: Paint, pose: str) -> Drawing:
    """A tractor from the side: a huge rear wheel, a small front wheel, cab with window and roof, hood, exhaust pipe."""
    sketch = Sketch("tractor", paint)
    big, small = rng.uniform(0.85, 0.98), rng.uniform(0.45, 0.55)
    front = rng.uniform(2.6, 2.95)
    pipe = sketch.part("pipe", "exhaust pipe", material(70, 70, 74))
    sketch.fill(pipe, rounded_rectangle(front - 0.62, -2.35, front - 0.42, -1.4, 0.05))
    sketch.fill("", rounded([(0.7, -0.6), (0.7, -1.5), (front + 0.35, -1.45), (front + 0.45, -0.62)], 0.16))
    sketch.part("grille", "grille", DARK)
    sketch.fill("grille", rounded_rectangle(front + 0.1, -1.3, front + 0.38, -0.75, 0.05))
    cab = sketch.part("cab", "cab")
    sketch.fill(cab, polygon((0.45, -1.2), (0.5, -2.5), (1.6, -2.5), (1.85, -1.2)), shade=-0.15)
    _add_pane(sketch, "cab/window", rounded([(0.62, -1.35), (0.66, -2.4), (1.5, -2.4), (1.68, -1.35)], 0.06))
    sketch.part("roof", "roof", tone(rng, "white", "black", "gray", besides=paint))
    sketch.fill("roof", rounded_rectangle(0.32, -2.72, 1.78, -2.46, 0.1))
    sketch.part("headlight", "headlight", LAMP)
    sketch.fill("headlight", ellipse(front + 0.28, -1.36, 0.16, 0.13, 12))
    rim = tone(rng, "yellow", "white", "red", besides=paint)
    sketch.fill("", stroke(arc(0.85, -big, big + 0.1, 0.01, 200, 330, 8)[:8], 0.16), shade=-0.2)
    for path, x, radius in (("wheel1", 0.85, big), ("wheel2", front, small)):
        sketch.part(path, "wheel", RUBBER)
        for angle in np.arange(0, 360, 30):
            direction = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
            root, tip = (np.array([x, -radius]) + direction * radius * reach for reach in (0.7, 0.97))
            sketch.fill(path, capsule((root[0], root[1]), (tip[0], tip[1]), 0.09 * radius, steps=3))
        sketch.fill(path, ellipse(x, -radius, 0.92 * radius, count=24))
        sketch.part(f"{path}/hub", "hub", rim)
        sketch.fill(f"{path}/hub", ellipse(x, -radius, 0.55 * radius))
        sketch.fill(f"{path}/hub", ellipse(x, -radius, 0.18 * radius, count=10), shade=-0.4)
    return sketch.drawing({"seat": (1.1, -1.5), "top": (1.05, -2.72)})


KINDS: tuple[Kind, ...] = (
    Kind(
        "car",
        "cars",
        car,
        (1.4, 1.8),
        frozenset({"street", "yard", "farm", "snow", "beach"}),
        "ground",
        "vehicle",
        ("transport", "carries people", "drives on roads", "needs fuel", "can be dangerous"),
        ("side", "front"),
    ),
    Kind(
        "bus",
        "buses",
        bus,
        (2.8, 4.2),
        frozenset({"street", "snow"}),
        "ground",
        "vehicle",
        ("transport", "carries people", "carries many people", "drives on roads", "needs fuel", "can be dangerous"),
        ("single", "double"),
    ),
    Kind(
        "truck",
        "trucks",
        truck,
        (2.6, 3.4),
        frozenset({"street", "farm", "snow"}),
        "ground",
        "vehicle",
        ("transport", "carries goods", "drives on roads", "needs fuel", "can be dangerous"),
        ("box", "open"),
    ),
    Kind(
        "tractor",
        "tractors",
        tractor,
        (2.4, 3.0),
        frozenset({"farm", "snow"}),
        "ground",
        "vehicle",
        ("farm work", "pulls loads", "needs fuel", "can be dangerous"),
        colors=("red", "green", "blue", "orange", "yellow", "gray"),
    ),
)
"""The road vehicles of the world."""
