"""Backdrops: what fills a scene behind its things (sky, grass, walls ...), with the zones where things may stand.

Scene coordinates: x to the right, y DOWN, (0, 0) the top left of the frame; the frame `width * height` is 1.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mglmm.world.drawing import COLORS

Rgb = tuple[int, int, int]
MARGIN = 1.5
"""How far outside the frame the regions reach, so that a moved camera never sees their ends."""


@dataclass(frozen=True, slots=True)
class Region:
    """One piece of stuff: polygons float[N, 2] painted in order, then `details` (polygon, rgb) in its own label.

    `color` is the name that text may use, or None. `texture` is a key of `TEXTURES`.
    """

    name: str
    rgb: Rgb
    texture: str
    polygons: tuple[np.ndarray, ...]
    color: str | None = None
    details: tuple[tuple[np.ndarray, Rgb], ...] = ()


@dataclass(frozen=True, slots=True)
class Backdrop:
    """The stuff of a scene from back to front and its zones (y range of feet): "ground", "road", "water", "air",
    "wall" (for "air" and "wall": the range of the thing's middle)."""

    regions: tuple[Region, ...]
    zones: dict[str, tuple[float, float]]


TEXTURES: dict[str, tuple[tuple[str, float], ...]] = {
    "sky": (("cloudy", 0.10), ("smooth", 0.06)),
    "grass": (("blades", 0.22), ("cloudy", 0.14)),
    "leaves": (("blotch", 0.30), ("cloudy", 0.15)),
    "asphalt": (("fine", 0.12), ("cloudy", 0.10)),
    "stone": (("fine", 0.06), ("blotch", 0.08), ("smooth", 0.08)),
    "sand": (("fine", 0.07), ("cloudy", 0.10)),
    "snow": (("smooth", 0.06), ("fine", 0.03), ("cloudy", 0.04)),
    "water": (("ripple", 0.22), ("smooth", 0.10)),
    "hills": (("cloudy", 0.16), ("blotch", 0.08)),
    "field": (("grain", 0.22), ("cloudy", 0.10)),
    "wall": (("smooth", 0.08), ("fine", 0.03)),
    "wood": (("grain", 0.20), ("smooth", 0.08)),
    "cloth": (("fine", 0.12), ("smooth", 0.08)),
}
"""Texture name -> noise tiles with their amplitude."""


SKIES: dict[str, tuple[Rgb, ...]] = {
    "day": ((120, 180, 236), (104, 166, 228), (150, 200, 240), (90, 150, 220)),
    "dusk": ((250, 178, 120), (240, 150, 130), (226, 160, 160), (250, 200, 150)),
    "night": ((36, 44, 92), (28, 34, 70), (50, 50, 100)),
    "gray": ((190, 196, 202), (170, 178, 188), (206, 208, 208), (180, 180, 184)),
}
"""Tones of a clear sky by time of day, and of a covered one."""
STAR = (250, 248, 226)
_TURN = np.linspace(0, 2 * np.pi, 20, endpoint=False)
ROUND = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)
"""The unit circle as polygon."""


def _jitter(rng: np.random.Generator, rgb: Rgb, amount: float = 10.0) -> Rgb:
    """`rgb` moved a little in brightness and in each channel."""
    moved = np.array(rgb) * rng.uniform(0.9, 1.08) + rng.normal(0.0, amount, 3)
    r, g, b = (int(c) for c in np.clip(moved, 0, 255))
    return r, g, b


def _one(rng: np.random.Generator, *choices: Rgb, amount: float = 10.0) -> Rgb:
    """One of the colours, jittered."""
    return _jitter(rng, choices[int(rng.integers(len(choices)))], amount)


def _box(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    """A rectangle as polygon."""
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


class Canvas:
    """The backdrop under way: helpers that add regions from the back to the front."""

    def __init__(self, rng: np.random.Generator, width: float, height: float, weather: str | None, light: str) -> None:
        """`width`, `height` of the frame in scene units."""
        self.rng, self.width, self.height, self.weather, self.light = rng, width, height, weather, light
        self.regions: list[Region] = []
        self.left, self.right, self.bottom = -MARGIN, width + MARGIN, height + MARGIN

    def add(self, name: str, rgb: Rgb, texture: str, *polygons: np.ndarray, color: str | None = None,
            details: tuple[tuple[np.ndarray, Rgb], ...] = ()) -> None:
        """Nothing; puts one region in front of those before it."""
        self.regions.append(Region(name, rgb, texture, polygons, color, details))

    def line(self, y: float, waves: float = 0.0, tilt: float = 0.0) -> np.ndarray:
        """A line across the scene at height `y` (share of the frame's height), `waves` high and tilted: float[N, 2]."""
        x = np.linspace(self.left, self.right, 49 if waves else 2)
        ys = np.full_like(x, y * self.height) + tilt * (x - self.width / 2)
        for k in (1, 2, 4):
            phase, pace = self.rng.uniform(0, 2 * np.pi), self.rng.uniform(0.7, 1.3)
            ys += waves * self.height / k * np.sin(2.2 * k * pace * x + phase)
        return np.stack([x, ys], axis=1)

    def below(self, line: np.ndarray) -> np.ndarray:
        """The polygon of all below a line."""
        return np.concatenate([line, [[self.right, self.bottom], [self.left, self.bottom]]])

    def sky(self) -> None:
        """Nothing; adds the sky behind everything, with what shows the weather and the time of day."""
        tones = SKIES["gray"] if self.weather not in ("sunny", "clear") else SKIES[self.light]
        details = (*self._lights(), *self._clouds())
        self.add("sky", _one(self.rng, *tones), "sky", _box(self.left, -MARGIN, self.right, self.bottom), details=details)

    def _lights(self) -> tuple[tuple[np.ndarray, Rgb], ...]:
        """The sun, or the moon with stars, where the sky is clear; they belong to the sky."""
        rng = self.rng
        if self.weather == "sunny" and rng.random() < 0.5:
            x, y = rng.uniform(0.05, 0.95) * self.width, rng.uniform(0.04, 0.22) * self.height
            radius = rng.uniform(0.035, 0.07)
            glow = (255, 236, 170) if self.light == "day" else (255, 196, 120)
            return ((ROUND * radius + (x, y), glow),)
        if self.weather == "clear":
            x, y = rng.uniform(0.05, 0.95) * self.width, rng.uniform(0.05, 0.2) * self.height
            stars = [(ROUND[::5] * rng.uniform(0.003, 0.007) + rng.uniform((0, 0), (self.width, 0.4 * self.height)), STAR)
                     for _ in range(int(rng.integers(6, 20)))]
            return (*stars, (ROUND * rng.uniform(0.03, 0.06) + (x, y), STAR))
        return ()

    def _clouds(self) -> tuple[tuple[np.ndarray, Rgb], ...]:
        """Clouds, few under a clear sky and many otherwise; they belong to the sky."""
        rng, puffs = self.rng, []
        clear = self.weather in ("sunny", "clear")
        for _ in range(int(rng.integers(0, 3) if clear else rng.integers(2, 7))):
            x, y = rng.uniform(0, self.width), rng.uniform(0.03, 0.3) * self.height
            scale = rng.uniform(0.04, 0.09) * (1.0 if clear else 1.5)
            tone = int(rng.integers(228, 252)) if clear else int(rng.integers(150, 225))
            tone = tone // 3 if self.light == "night" else tone
            for _ in range(3):
                offset = rng.normal(0, 1, 2) * (1.1, 0.2) * scale
                puffs.append((ROUND * (1.5 * scale, 0.5 * scale) + (x, y) + offset, (tone, tone, tone + 3)))
        return tuple(puffs)

    def far(self, horizon: float) -> None:
        """Nothing; perhaps adds hills or a hedge that rise from the horizon."""
        kind = self.rng.random()
        if kind < 0.4:
            rgb = _one(self.rng, (96, 138, 90), (110, 130, 140), (130, 150, 120), (84, 118, 104), (140, 130, 110))
            line = self.line(horizon - self.rng.uniform(0.05, 0.14), waves=0.05)
            self.add("hills", rgb, "hills", self.below(line))
        elif kind < 0.6:
            rgb = _one(self.rng, (48, 92, 44), (62, 104, 52), (40, 80, 50))
            line = self.line(horizon - self.rng.uniform(0.06, 0.12), waves=0.008)
            self.add("hedge", rgb, "leaves", self.below(line))

    def grass(self, y: float, waves: float = 0.004) -> None:
        """Nothing; adds grass from `y` (share of the height) downwards."""
        rgb = _one(self.rng, (98, 150, 62), (120, 160, 70), (80, 136, 66), (140, 158, 84), (104, 142, 84))
        self.add("grass", rgb, "grass", self.below(self.line(y, waves)))

    def low_wall(self, foot: float) -> None:
        """Nothing; adds a low garden wall of bricks whose foot is at `foot` (share of the height)."""
        rng = self.rng
        rgb = _one(rng, (170, 96, 74), (176, 170, 160), (200, 190, 170), (140, 120, 104))
        dark = (int(rgb[0] * 0.78), int(rgb[1] * 0.78), int(rgb[2] * 0.78))
        y, course = foot * self.height, rng.uniform(0.02, 0.032)
        top = y - course * int(rng.integers(3, 7))
        joints = [_box(self.left, row - 0.004, self.right, row) for row in np.arange(y, top - 0.001, -course)]
        for k, row in enumerate(np.arange(y, top + course / 2, -course)):
            offset = course * 1.2 * (k % 2)
            joints += [_box(x, row - course, x + 0.004, row) for x in np.arange(offset - 0.3, self.width + 0.3, course * 2.4)]
        self.add("wall", rgb, "stone", _box(self.left, top, self.right, y), details=tuple((joint, dark) for joint in joints))

    def path(self, far: float) -> None:
        """Nothing; adds a winding path that narrows towards `far` (share of the height)."""
        rng = self.rng
        t = np.linspace(0, 1, 14)
        y = far * self.height + (self.height * 1.6 - far * self.height) * t**1.3
        sway = rng.uniform(-0.25, 0.25) * np.sin(t * rng.uniform(2.0, 5.0))
        x = rng.uniform(0.25, 0.75) * self.width + sway + rng.uniform(-0.3, 0.3) * t
        half = 0.02 + rng.uniform(0.14, 0.22) * t
        outline = np.concatenate([np.stack([x - half, y], 1), np.stack([x + half, y], 1)[::-1]])
        self.add("path", _one(rng, (196, 176, 140), (170, 150, 120), (186, 182, 174)), "sand", outline)

    def backdrop(self, **zones: tuple[float, float]) -> Backdrop:
        """The finished backdrop; `zones` as shares of the frame's height."""
        scaled = {name: (a * self.height, b * self.height) for name, (a, b) in zones.items()}
        return Backdrop(tuple(self.regions), scaled)


def _street(c: Canvas) -> Backdrop:
    rng = c.rng
    horizon = rng.uniform(0.36, 0.5)
    c.sky()
    c.far(horizon)
    if rng.random() < 0.5:
        c.grass(horizon)
    walk, road = horizon + rng.uniform(0.04, 0.1), horizon + rng.uniform(0.17, 0.26)
    road_end = rng.uniform(0.86, 1.15)
    c.add("sidewalk", _one(rng, (178, 174, 168), (160, 160, 164), (190, 180, 164)), "stone", c.below(c.line(walk)),
          details=_slabs(c, walk, road))
    gray = int(rng.integers(70, 118))
    c.add("road", _jitter(rng, (gray, gray, gray + 3), 3), "asphalt", c.below(c.line(road)),
          details=_dashes(c, (road + min(road_end, 1.0)) / 2 - 0.02))
    if road_end < 1.0:
        c.add("sidewalk", _one(rng, (178, 174, 168), (160, 160, 164)), "stone", c.below(c.line(road_end)))
    return c.backdrop(ground=(walk + 0.05, 0.97), road=(road + 0.08, min(road_end, 0.97)), air=(0.08, horizon - 0.1))


def _slabs(c: Canvas, top: float, bottom: float) -> tuple[tuple[np.ndarray, Rgb], ...]:
    """The dark joints of paving slabs between two heights (shares)."""
    step, slant = c.rng.uniform(0.14, 0.24), c.rng.uniform(-0.06, 0.06)
    y0, y1 = top * c.height, bottom * c.height
    joints = [np.array([(x, y0), (x + 0.004, y0), (x + 0.006 + slant, y1), (x + slant, y1)])
              for x in np.arange(-0.3, c.width + 0.3, step)]
    joints.append(_box(c.left, y1 - 0.012, c.right, y1))
    return tuple((joint, (120, 118, 116)) for joint in joints)


def _dashes(c: Canvas, y: float) -> tuple[tuple[np.ndarray, Rgb], ...]:
    """The broken middle line of a road at height `y` (share)."""
    rgb = (226, 224, 214) if c.rng.random() < 0.7 else (220, 190, 70)
    step, slant = c.rng.uniform(0.25, 0.4), c.rng.uniform(-0.03, 0.03)
    y0, y1 = y * c.height, (y + 0.03) * c.height
    return tuple((np.array([(x, y0), (x + step * 0.5, y0), (x + slant + step * 0.5, y1), (x + slant, y1)]), rgb)
                 for x in np.arange(-0.5, c.width + 0.5, step) + c.rng.uniform(0, step))


def _park(c: Canvas) -> Backdrop:
    rng = c.rng
    horizon = rng.uniform(0.3, 0.48)
    c.sky()
    c.far(horizon)
    zones = {"ground": (horizon + 0.12, 0.97), "air": (0.08, horizon - 0.06)}
    if rng.random() < 0.25:
        c.add("water", _one(rng, (90, 140, 176), (80, 130, 150)), "water", c.below(c.line(horizon)))
        edge = horizon + rng.uniform(0.1, 0.18)
        zones["water"] = (horizon + 0.06, edge)
        zones["ground"] = (edge + 0.08, 0.97)
        c.grass(edge, waves=0.012)
    else:
        c.grass(horizon)
    if rng.random() < 0.55:
        c.path(zones["ground"][0] - 0.06)
    if rng.random() < 0.3:
        c.low_wall(zones["ground"][0] - 0.02)
    return c.backdrop(**zones)


def _beach(c: Canvas) -> Backdrop:
    rng = c.rng
    horizon = rng.uniform(0.26, 0.42)
    shore = horizon + rng.uniform(0.16, 0.3)
    c.sky()
    if rng.random() < 0.3:
        c.far(horizon)
    c.add("water", _one(rng, (52, 128, 176), (70, 150, 180), (60, 140, 150)), "water", c.below(c.line(horizon)))
    sand = _one(rng, (224, 200, 150), (210, 186, 140), (232, 214, 172))
    c.add("sand", sand, "sand", c.below(c.line(shore, waves=0.012, tilt=rng.uniform(-0.12, 0.12))))
    return c.backdrop(ground=(shore + 0.12, 0.97), water=(horizon + 0.07, shore), air=(0.08, horizon - 0.05))


def _farm(c: Canvas) -> Backdrop:
    rng = c.rng
    horizon = rng.uniform(0.3, 0.46)
    c.sky()
    c.far(horizon)
    if rng.random() < 0.7:
        rgb = _one(rng, (206, 176, 84), (180, 150, 80), (150, 168, 80), (134, 104, 70))
        c.add("field", rgb, "field", c.below(c.line(horizon, waves=0.008)), details=_furrows(c, horizon, rgb))
        near = horizon + rng.uniform(0.1, 0.24)
    else:
        near = horizon
    c.grass(near, waves=0.01)
    if rng.random() < 0.6:
        c.low_wall(near + 0.03)
    if rng.random() < 0.35:
        c.path(near + 0.06)
    return c.backdrop(ground=(near + 0.1, 0.97), air=(0.08, horizon - 0.06))


def _furrows(c: Canvas, horizon: float, rgb: Rgb) -> tuple[tuple[np.ndarray, Rgb], ...]:
    """Dark rows of a field that run towards the horizon."""
    dark = (int(rgb[0] * 0.8), int(rgb[1] * 0.8), int(rgb[2] * 0.78))
    vanish, y0, y1 = c.rng.uniform(0.2, 0.8) * c.width, (horizon + 0.015) * c.height, c.height
    return tuple(
        (np.array([(vanish + d * 0.12, y0), (vanish + d * 0.12 + 0.004, y0), (vanish + d + 0.03, y1),
                   (vanish + d, y1)]), dark)
        for d in np.arange(-2.0, 2.0, 0.14))


def _lake(c: Canvas) -> Backdrop:
    rng = c.rng
    horizon = rng.uniform(0.26, 0.42)
    shore = rng.uniform(0.7, 0.84)
    c.sky()
    rgb = _one(rng, (88, 124, 86), (104, 124, 138), (120, 140, 112))
    c.add("hills", rgb, "hills", c.below(c.line(horizon - rng.uniform(0.04, 0.12), waves=0.04)))
    c.add("water", _one(rng, (70, 120, 160), (60, 116, 140), (96, 144, 170)), "water", c.below(c.line(horizon)))
    if rng.random() < 0.6:
        c.grass(shore, waves=0.02)
    else:
        c.add("sand", _one(rng, (210, 190, 146), (190, 174, 140)), "sand", c.below(c.line(shore, waves=0.015)))
    return c.backdrop(ground=(shore + 0.08, 0.98), water=(horizon + 0.12, shore - 0.04), air=(0.07, horizon - 0.04))


def _snow(c: Canvas) -> Backdrop:
    rng = c.rng
    horizon = rng.uniform(0.34, 0.5)
    c.sky()
    c.far(horizon)
    rgb = _one(rng, (238, 242, 248), (226, 234, 244), (244, 244, 244), amount=3)
    c.add("snow", rgb, "snow", c.below(c.line(horizon, waves=0.035, tilt=rng.uniform(-0.25, 0.25))))
    if rng.random() < 0.25:
        c.low_wall(horizon + 0.12)
    return c.backdrop(ground=(horizon + 0.16, 0.97), air=(0.08, horizon - 0.12))


def _yard(c: Canvas) -> Backdrop:
    rng = c.rng
    horizon = rng.uniform(0.34, 0.48)
    c.sky()
    if rng.random() < 0.5:
        rgb = _one(rng, (48, 92, 44), (62, 104, 52), (40, 80, 50))
        c.add("hedge", rgb, "leaves", c.below(c.line(horizon - rng.uniform(0.1, 0.2), waves=0.006)))
    c.grass(horizon)
    if rng.random() < 0.75:
        c.low_wall(horizon + rng.uniform(0.02, 0.06))
    if rng.random() < 0.4:
        c.path(horizon + 0.08)
    return c.backdrop(ground=(horizon + 0.12, 0.97), air=(0.07, horizon - 0.12))


WALLS = ("white", "gray", "yellow", "blue", "green", "teal", "pink", "orange", "brown", "purple", "red")
ROOM_TONES: tuple[Rgb, ...] = ((214, 204, 188), (200, 190, 170), (186, 192, 186), (222, 214, 204))


def _room(c: Canvas, floors: tuple[str, ...], rug: float, curtain: float) -> Backdrop:
    """A room with a wall and a floor; `rug` and `curtain` are the probabilities of having one."""
    rng = c.rng
    edge = rng.uniform(0.56, 0.74)
    color, rgb = _wall_color(rng)
    details = _wallpaper(c, rgb, edge)
    c.add("wall", rgb, "wall", _box(c.left, -MARGIN, c.right, c.bottom), color=color, details=details)
    floor = floors[int(rng.integers(len(floors)))]
    if floor == "wood":
        tone = _one(rng, (166, 118, 74), (140, 96, 60), (196, 156, 108), (110, 76, 52))
        c.add("floor", tone, "wood", c.below(c.line(edge)), details=_boards(c, edge, tone))
    elif floor == "tiles":
        tone = _one(rng, (200, 200, 196), (180, 186, 190), (210, 196, 172), (150, 156, 160))
        c.add("floor", tone, "stone", c.below(c.line(edge)), details=_tiles(c, edge, tone))
    else:
        tone = _one(rng, (170, 160, 150), (150, 140, 146), (140, 150, 160), (176, 160, 130))
        c.add("floor", tone, "cloth", c.below(c.line(edge)))
    if rng.random() < curtain:
        _curtain(c, edge)
    if rng.random() < rug:
        _rug(c, edge)
    return c.backdrop(ground=(edge + 0.06, 0.98), wall=(edge * 0.22, edge * 0.62))


def _wall_color(rng: np.random.Generator) -> tuple[str | None, Rgb]:
    """A wall's named colour with its RGB, or a pale tone without a name."""
    if rng.random() < 0.4:
        return None, _one(rng, *ROOM_TONES)
    name = WALLS[int(rng.integers(len(WALLS)))]
    light = np.array(COLORS[name]) * 0.88 + 255 * 0.12
    return name, _jitter(rng, (int(light[0]), int(light[1]), int(light[2])), 6)


def _wallpaper(c: Canvas, rgb: Rgb, edge: float) -> tuple[tuple[np.ndarray, Rgb], ...]:
    """Nothing, faint stripes, or a tiled or boarded lower part, and a skirting board."""
    factor = c.rng.uniform(0.88, 0.95)
    soft = (int(rgb[0] * factor), int(rgb[1] * factor), int(rgb[2] * factor))
    style, marks = c.rng.random(), []
    if style < 0.3:
        step = c.rng.uniform(0.07, 0.16)
        marks = [_box(x, -MARGIN, x + step / 2, c.height) for x in np.arange(-1.0, c.width + 1.0, step)]
    elif style < 0.5:
        step = c.rng.uniform(0.09, 0.14)
        marks = [_box(x, -MARGIN, x + 0.006, c.height) for x in np.arange(-1.0, c.width + 1.0, step)]
        marks += [_box(c.left, y, c.right, y + 0.006) for y in np.arange(-0.5, c.height, step)]
    y = edge * c.height
    board = (_box(c.left, y - 0.035, c.right, c.bottom), _one(c.rng, (236, 232, 226), (120, 90, 64), rgb))
    return (*((mark, soft) for mark in marks), board)


def _boards(c: Canvas, edge: float, rgb: Rgb) -> tuple[tuple[np.ndarray, Rgb], ...]:
    """The joints of floor boards that run towards the viewer."""
    dark = (int(rgb[0] * 0.78), int(rgb[1] * 0.76), int(rgb[2] * 0.74))
    y0, y1, mid = edge * c.height, c.height * 1.3, c.width / 2
    spread = c.rng.uniform(1.5, 2.4)
    return tuple((np.array([(mid + d, y0), (mid + d + 0.004, y0), (mid + d * spread + 0.009, y1),
                            (mid + d * spread, y1)]), dark)
                 for d in np.arange(-1.6, 1.6, c.rng.uniform(0.1, 0.16)))


def _tiles(c: Canvas, edge: float, rgb: Rgb) -> tuple[tuple[np.ndarray, Rgb], ...]:
    """The joints of floor tiles in perspective."""
    dark = (int(rgb[0] * 0.82), int(rgb[1] * 0.82), int(rgb[2] * 0.82))
    rows = edge * c.height + (c.height * 1.4 - edge * c.height) * np.linspace(0, 1, 8) ** 1.7
    across = tuple((_box(c.left, y, c.right, y + 0.004 + 0.004 * k / 8), dark) for k, y in enumerate(rows))
    return (*_boards(c, edge, (rgb[0], rgb[1], rgb[2])), *across)


def _curtain(c: Canvas, edge: float) -> None:
    """Nothing; hangs a curtain at one side of the wall."""
    rng = c.rng
    name = WALLS[int(rng.integers(len(WALLS)))]
    rgb = _jitter(rng, COLORS[name], 8)
    wide = rng.uniform(0.16, 0.28)
    x = 0.0 if rng.random() < 0.5 else c.width - wide
    foot = edge * c.height * rng.uniform(0.8, 1.04)
    folds = np.arange(x, x + wide, 0.045)
    dark = (int(rgb[0] * 0.82), int(rgb[1] * 0.82), int(rgb[2] * 0.82))
    hem = np.stack([np.linspace(x + wide, x, 13), foot + 0.012 * np.sin(np.arange(13) * 1.7)], axis=1)
    outline = np.concatenate([[(x, -MARGIN), (x + wide, -MARGIN)], hem])
    details = tuple((_box(f, -MARGIN, f + 0.016, foot - 0.012), dark) for f in folds)
    c.add("curtain", rgb, "cloth", outline, color=name, details=details)


def _rug(c: Canvas, edge: float) -> None:
    """Nothing; lays a rug on the floor, round or four-cornered, with a border."""
    rng = c.rng
    name = WALLS[int(rng.integers(len(WALLS)))]
    rgb = _jitter(rng, COLORS[name], 8)
    border = _one(rng, (236, 228, 210), (70, 60, 60), (int(rgb[0] * 0.6), int(rgb[1] * 0.6), int(rgb[2] * 0.6)))
    x, y = rng.uniform(0.3, 0.7) * c.width, (edge + (1 - edge) * rng.uniform(0.45, 0.75)) * c.height
    half, deep = rng.uniform(0.28, 0.45), rng.uniform(0.08, 0.13)
    if rng.random() < 0.4:
        angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        unit = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    else:
        unit = np.array([(-0.8, -1), (0.8, -1), (1, 1), (-1, 1)])
    shape = unit * (half, deep)
    c.add("rug", rgb, "cloth", shape + (x, y), color=name,
          details=((shape * 0.9 + (x, y), border), (shape * 0.82 + (x, y), rgb)))


OUTDOOR: dict[str, Callable[[Canvas], Backdrop]] = {
    "street": _street,
    "park": _park,
    "beach": _beach,
    "farm": _farm,
    "lake": _lake,
    "snow": _snow,
    "yard": _yard,
}
INDOOR: dict[str, tuple[tuple[str, ...], float, float]] = {
    # setting: (floors, probability of a rug, probability of a curtain)
    "kitchen": (("tiles", "wood"), 0.15, 0.2),
    "living room": (("wood", "carpet"), 0.6, 0.45),
    "bedroom": (("wood", "carpet"), 0.5, 0.45),
    "office": (("carpet", "wood"), 0.25, 0.2),
    "bathroom": (("tiles",), 0.35, 0.3),
}
SETTINGS = (*OUTDOOR, *INDOOR)


def backdrop(setting: str, weather: str | None, light: str, rng: np.random.Generator, width: float,
             height: float) -> Backdrop:
    """The stuff and the zones of a setting (a key of `OUTDOOR` or `INDOOR`) for a frame of this size."""
    canvas = Canvas(rng, width, height, weather, light)
    if setting in OUTDOOR:
        return OUTDOOR[setting](canvas)
    return _room(canvas, *INDOOR[setting])
