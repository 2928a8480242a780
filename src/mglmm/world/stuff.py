"""Backdrops: what fills a scene behind its things (sky, grass, walls ...), with the zones where things may stand.

Scene coordinates: x to the right, y DOWN, (0, 0) the top left of the frame; the frame `width * height` is 1.
"""

from dataclasses import dataclass

import numpy as np

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


def jitter(rng: np.random.Generator, rgb: Rgb, amount: float = 10.0) -> Rgb:
    """`rgb` moved a little in brightness and in each channel."""
    moved = np.array(rgb) * rng.uniform(0.9, 1.08) + rng.normal(0.0, amount, 3)
    r, g, b = (int(c) for c in np.clip(moved, 0, 255))
    return r, g, b


def one_of(rng: np.random.Generator, *choices: Rgb, amount: float = 10.0) -> Rgb:
    """One of the colours, jittered."""
    return jitter(rng, choices[int(rng.integers(len(choices)))], amount)


def box(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    """A rectangle as polygon."""
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


class Canvas:
    """The backdrop under way: helpers that add regions from the back to the front."""

    def __init__(self, rng: np.random.Generator, width: float, height: float, weather: str | None, light: str) -> None:
        """`width`, `height` of the frame in scene units."""
        self.rng, self.width, self.height, self.weather, self.light = rng, width, height, weather, light
        self.regions: list[Region] = []
        self.left, self.right, self.bottom = -MARGIN, width + MARGIN, height + MARGIN

    def add(
        self,
        name: str,
        rgb: Rgb,
        texture: str,
        *polygons: np.ndarray,
        color: str | None = None,
        details: tuple[tuple[np.ndarray, Rgb], ...] = (),
    ) -> None:
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
        self.add(
            "sky", one_of(self.rng, *tones), "sky", box(self.left, -MARGIN, self.right, self.bottom), details=details
        )

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
            stars = [
                (ROUND[::5] * rng.uniform(0.003, 0.007) + rng.uniform((0, 0), (self.width, 0.4 * self.height)), STAR)
                for _ in range(int(rng.integers(6, 20)))
            ]
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
            rgb = one_of(self.rng, (96, 138, 90), (110, 130, 140), (130, 150, 120), (84, 118, 104), (140, 130, 110))
            line = self.line(horizon - self.rng.uniform(0.05, 0.14), waves=0.05)
            self.add("hills", rgb, "hills", self.below(line))
        elif kind < 0.6:
            rgb = one_of(self.rng, (48, 92, 44), (62, 104, 52), (40, 80, 50))
            line = self.line(horizon - self.rng.uniform(0.06, 0.12), waves=0.008)
            self.add("hedge", rgb, "leaves", self.below(line))

    def grass(self, y: float, waves: float = 0.004) -> None:
        """Nothing; adds grass from `y` (share of the height) downwards."""
        rgb = one_of(self.rng, (98, 150, 62), (120, 160, 70), (80, 136, 66), (140, 158, 84), (104, 142, 84))
        self.add("grass", rgb, "grass", self.below(self.line(y, waves)))

    def low_wall(self, foot: float) -> None:
        """Nothing; adds a low garden wall of bricks whose foot is at `foot` (share of the height)."""
        rng = self.rng
        rgb = one_of(rng, (170, 96, 74), (176, 170, 160), (200, 190, 170), (140, 120, 104))
        dark = (int(rgb[0] * 0.78), int(rgb[1] * 0.78), int(rgb[2] * 0.78))
        y, course = foot * self.height, rng.uniform(0.02, 0.032)
        top = y - course * int(rng.integers(3, 7))
        joints = [box(self.left, row - 0.004, self.right, row) for row in np.arange(y, top - 0.001, -course)]
        for k, row in enumerate(np.arange(y, top + course / 2, -course)):
            offset = course * 1.2 * (k % 2)
            joints += [
                box(x, row - course, x + 0.004, row) for x in np.arange(offset - 0.3, self.width + 0.3, course * 2.4)
            ]
        self.add(
            "wall", rgb, "stone", box(self.left, top, self.right, y), details=tuple((joint, dark) for joint in joints)
        )

    def path(self, far: float) -> None:
        """Nothing; adds a winding path that narrows towards `far` (share of the height)."""
        rng = self.rng
        t = np.linspace(0, 1, 14)
        y = far * self.height + (self.height * 1.6 - far * self.height) * t**1.3
        sway = rng.uniform(-0.25, 0.25) * np.sin(t * rng.uniform(2.0, 5.0))
        x = rng.uniform(0.25, 0.75) * self.width + sway + rng.uniform(-0.3, 0.3) * t
        half = 0.02 + rng.uniform(0.14, 0.22) * t
        outline = np.concatenate([np.stack([x - half, y], 1), np.stack([x + half, y], 1)[::-1]])
        self.add("path", one_of(rng, (196, 176, 140), (170, 150, 120), (186, 182, 174)), "sand", outline)

    def backdrop(self, **zones: tuple[float, float]) -> Backdrop:
        """The finished backdrop; `zones` as shares of the frame's height."""
        scaled = {name: (a * self.height, b * self.height) for name, (a, b) in zones.items()}
        return Backdrop(tuple(self.regions), scaled)
