"""The layout of a scene: setting, weather, light, which things stand where and how they are bound, and the camera."""

from dataclasses import dataclass

import numpy as np

from mglmm.world.backdrops import INDOOR, OUTDOOR, backdrop
from mglmm.world.cast import Cast, dwellers
from mglmm.world.drawing import Drawing, Kind, Paint
from mglmm.world.graph import TRAIN_SEEDS_END
from mglmm.world.kinds import KINDS
from mglmm.world.kinds.sketch import pick
from mglmm.world.stage import Bond, Placed, Stage
from mglmm.world.stuff import Backdrop

NOVEL_PAIRS: frozenset[tuple[str, str]] = frozenset({
    ("car", "teal"), ("bus", "purple"), ("truck", "pink"), ("bicycle", "green"), ("motorcycle", "yellow"),
    ("scooter", "purple"), ("boat", "orange"), ("airplane", "teal"), ("helicopter", "brown"), ("balloon", "gray"),
    ("kite", "brown"), ("house", "purple"), ("barn", "blue"), ("bird", "green"), ("butterfly", "teal"),
    ("flower", "orange"), ("tractor", "gray"), ("cup", "purple"), ("chair", "pink"), ("sofa", "orange"),
    ("bed", "teal"), ("bottle", "yellow"), ("refrigerator", "brown"), ("phone", "orange"), ("clock", "purple"),
})  # fmt: skip
"""(kind, colour) pairs that no picture of a training seed shows; the benchmark `world-novel` shows one each."""

BOUND_POSES = ("sitting", "riding", "holding")
"""Poses of a person that need a seat or a held thing."""

CLOSE_UP = 0.25
"""Share of pictures in which one thing with parts fills most of the frame."""


@dataclass(frozen=True, slots=True)
class View:
    """What the camera sees: the scene point `center`, `zoom` times nearer than the whole frame, turned by `angle`."""

    center: tuple[float, float]
    zoom: float
    angle: float


@dataclass(frozen=True, slots=True)
class Scene:
    """A laid out scene. The frame is `width * height` = 1 scene units; `placed` in painting order, far things first."""

    setting: str
    weather: str | None
    light: str
    width: float
    height: float
    backdrop: Backdrop
    placed: tuple[Placed, ...]
    bonds: tuple[Bond, ...]
    view: View

    @property
    def indoor(self) -> bool:
        """Whether the setting is a room."""
        return self.setting in INDOOR


def stream(seed: int, *place: int) -> np.random.Generator:
    """The random numbers of one purpose: independent for each (seed, place)."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, *place))))


class Props:
    """Draws things for one scene: colours, patterns and poses, never a withheld pair unless it is allowed."""

    def __init__(self, rng: np.random.Generator, withhold: bool) -> None:
        """`withhold`: no pair of `NOVEL_PAIRS` may occur."""
        self.rng, self.withhold = rng, withhold
        self.used: dict[str, list[str]] = {}
        self.forced: tuple[str, str] | None = None
        """The next drawing of this kind gets this colour."""

    def build(self, kind: Kind, pose: str | None) -> Drawing:
        """A drawing of `kind` in `pose` (None: any)."""
        while True:
            rng = self.rng
            paint = Paint(self._color(kind), self._pattern(kind))
            drawing = kind.build(rng, paint, pick(rng, free_poses(kind)) if pose is None else pose)
            if not (self.withhold and shows_novel_pair(drawing)):
                return drawing

    def _color(self, kind: Kind) -> str:
        """A colour of the kind, mostly one that no other thing of the kind has yet."""
        if self.forced is not None and self.forced[0] == kind.name:
            color, self.forced = self.forced[1], None
            return color
        used = self.used.setdefault(kind.name, [])
        fresh = [color for color in kind.colors if color not in used]
        color = pick(self.rng, fresh if fresh and self.rng.random() < 0.75 else kind.colors)
        used.append(color)
        return color

    def _pattern(self, kind: Kind) -> str:
        """Plain in two of five cases."""
        others = [pattern for pattern in kind.patterns if pattern != "plain"]
        if not others or ("plain" in kind.patterns and self.rng.random() < 0.4):
            return "plain"
        return pick(self.rng, others)


def free_poses(kind: Kind) -> tuple[str, ...]:
    """The poses that need no other thing to sit on or to hold."""
    return tuple(pose for pose in kind.poses if kind.category != "person" or pose not in BOUND_POSES)


def shows_novel_pair(drawing: Drawing) -> bool:
    """Whether the thing or one of its parts is one of `NOVEL_PAIRS`."""
    return any(
        node.paint is not None and (node.name, node.paint.color) in NOVEL_PAIRS for node in drawing.nodes.values()
    )


def layout(seed: int, attempt: int = 0, novel: bool = False) -> Scene:
    """The scene of a seed. `attempt` gives other scenes of the same shape of frame; `novel` shows a withheld pair.

    Raises:
        ValueError: `novel` for a training seed.
    """
    if novel and seed < TRAIN_SEEDS_END:
        raise ValueError(f"seed {seed} is for training (below {TRAIN_SEEDS_END}): it never shows a withheld pair")
    aspect = frame_aspect(seed)
    width, height = aspect**0.5, aspect**-0.5
    rng = stream(seed, 1, attempt)
    props = Props(rng, seed < TRAIN_SEEDS_END)
    setting, first = _setting(rng, novel)
    weather, light = _conditions(rng, setting)
    back = backdrop(setting, weather, light, rng, width, height)
    stage = Stage(rng, back, width, height, props.build)
    close = bool(rng.random() < CLOSE_UP)
    cast = Cast(rng, stage, setting, 3 if close else int(rng.integers(3, 8)))
    if first is not None:
        props.forced = first
        cast.show(KINDS[first[0]])
    cast.fill()
    view = _close_up(rng, stage) if close else _overview(rng, stage)
    order = sorted(range(len(stage.placed)), key=lambda i: stage.placed[i].layer)
    new = {old: k for k, old in enumerate(order)}
    for thing in stage.placed:
        thing.host = None if thing.host is None else new[thing.host]
    bonds = tuple(Bond(new[b.subject], b.predicate, new[b.object]) for b in stage.bonds)
    return Scene(setting, weather, light, width, height, back, tuple(stage.placed[i] for i in order), bonds, view)


def frame_aspect(seed: int) -> float:
    """Width / height of the picture of a seed, 0.5..2."""
    rng = stream(seed, 0)
    if rng.random() < 0.65:
        return pick(rng, (1.0, 1.0, 4 / 3, 4 / 3, 3 / 2, 3 / 4, 16 / 9, 2 / 3))
    return float(2.0 ** rng.uniform(-1.0, 1.0))


def _setting(rng: np.random.Generator, novel: bool) -> tuple[str, tuple[str, str] | None]:
    """A setting, and the withheld pair it must show."""
    if novel:
        pair = pick(rng, sorted(pair for pair in NOVEL_PAIRS if pair[0] in KINDS))
        return pick(rng, sorted(KINDS[pair[0]].settings & {*OUTDOOR, *INDOOR})), pair
    # A place where many kinds occur comes more often, so that each kind is seen often enough.
    names = OUTDOOR if rng.random() < 0.55 else INDOOR
    weights = np.array([len(dwellers(name)) for name in names], dtype=np.float64)
    return list(names)[int(rng.choice(len(weights), p=weights / weights.sum()))], None


def _conditions(rng: np.random.Generator, setting: str) -> tuple[str | None, str]:
    """Weather (None indoors) and light."""
    if setting in INDOOR:
        return None, "night" if rng.random() < 0.15 else "day"
    light = ("day", "dusk", "night")[int(np.searchsorted((0.72, 0.86), rng.random()))]
    clear = "clear" if light == "night" else "sunny"
    if setting == "snow":
        return pick(rng, (clear, "cloudy", "snowy", "snowy", "foggy")), light
    return pick(rng, (clear, clear, clear, "cloudy", "cloudy", "rainy", "foggy")), light


def _overview(rng: np.random.Generator, stage: Stage) -> View:
    """The whole frame, or so much less of it that the things fill it."""
    width, height = stage.width, stage.height
    boxes = np.array([thing.box() for thing in stage.placed]).reshape(-1, 4)
    x0, y0 = boxes[:, :2].min(axis=0, initial=width)
    x1, y1 = boxes[:, 2:].max(axis=0, initial=0.0)
    fit = min(width / max(x1 - x0, 1e-6), height / max(y1 - y0, 1e-6)) * rng.uniform(0.8, 1.05)
    zoom = float(np.clip(fit, 1.0, 2.0))
    room_x, room_y = (1 - 1 / zoom) * width / 2, (1 - 1 / zoom) * height / 2
    x = np.clip((x0 + x1) / 2 + rng.normal(0, 0.04), width / 2 - room_x, width / 2 + room_x)
    y = np.clip((y0 + y1) / 2 + rng.normal(0, 0.04), height / 2 - room_y, height / 2 + room_y)
    return View((float(x), float(y)), zoom, _tilt(rng))


def _close_up(rng: np.random.Generator, stage: Stage) -> View:
    """One thing fills most of the frame, rather one with many parts."""
    if not stage.placed:
        return _overview(rng, stage)
    parts = np.array([len(thing.drawing.nodes) for thing in stage.placed], dtype=np.float64) ** 1.5
    x0, y0, x1, y1 = stage.placed[int(rng.choice(len(parts), p=parts / parts.sum()))].box()
    fit = min(stage.width / (x1 - x0), stage.height / (y1 - y0))
    zoom = float(np.clip(fit * rng.uniform(0.72, 1.3), 1.0, 5.0))
    shift = rng.uniform(-0.08, 0.08, 2)
    return View(((x0 + x1) / 2 + shift[0] * (x1 - x0), (y0 + y1) / 2 + shift[1] * (y1 - y0)), zoom, _tilt(rng))


def _tilt(rng: np.random.Generator) -> float:
    """The camera's roll in radians, mostly none."""
    return float(rng.normal(0.0, 0.04)) if rng.random() < 0.3 else 0.0
