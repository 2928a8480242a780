"""The layout of a scene: setting, weather, light, which things stand where and how they are bound, and the camera."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from mglmm.world.drawing import Drawing, Kind, Paint
from mglmm.world.graph import TRAIN_SEEDS_END
from mglmm.world.kinds import KINDS
from mglmm.world.stage import HEAVY, Bond, Placed, Stage
from mglmm.world.stuff import INDOOR, OUTDOOR, Backdrop, backdrop

T = TypeVar("T")

NOVEL_PAIRS: frozenset[tuple[str, str]] = frozenset({
    ("car", "teal"), ("bus", "purple"), ("truck", "pink"), ("bicycle", "green"), ("motorcycle", "yellow"),
    ("scooter", "purple"), ("boat", "orange"), ("airplane", "teal"), ("helicopter", "brown"), ("balloon", "gray"),
    ("kite", "brown"), ("house", "purple"), ("barn", "blue"), ("bird", "green"), ("butterfly", "teal"),
    ("flower", "orange"), ("tractor", "gray"), ("cup", "purple"), ("chair", "pink"), ("sofa", "orange"), ("bed", "teal"),
    ("bottle", "yellow"), ("refrigerator", "brown"), ("phone", "orange"), ("clock", "purple"),
})  # fmt: skip
"""(kind, colour) pairs that no picture of a training seed ever shows; the benchmark `world-novel` shows one a picture."""

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


def pick(rng: np.random.Generator, choices: Sequence[T]) -> T:
    """One of `choices`, all equally likely."""
    return choices[int(rng.integers(len(choices)))]


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
        """Plain in half of the cases."""
        others = [pattern for pattern in kind.patterns if pattern != "plain"]
        if not others or ("plain" in kind.patterns and self.rng.random() < 0.5):
            return "plain"
        return pick(self.rng, others)


def free_poses(kind: Kind) -> tuple[str, ...]:
    """The poses that need no other thing to sit on or to hold."""
    return tuple(pose for pose in kind.poses if kind.category != "person" or pose not in BOUND_POSES)


def shows_novel_pair(drawing: Drawing) -> bool:
    """Whether the thing or one of its parts is one of `NOVEL_PAIRS`."""
    return any(node.paint is not None and (node.name, node.paint.color) in NOVEL_PAIRS for node in drawing.nodes.values())


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
    if first is not None:
        props.forced = first
        stage.stand(KINDS[first[0]], factor=1.15)
    _Cast(rng, stage, setting, 2 if close else int(rng.integers(2, 7))).fill()
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
    outdoor = rng.random() < 0.6
    names = [name for name in (OUTDOOR if outdoor else INDOOR) if len(dwellers(name)) >= 3]
    return pick(rng, names or [name for name in OUTDOOR if dwellers(name)]), None


def dwellers(setting: str) -> list[Kind]:
    """The kinds that occur in a setting."""
    return [kind for kind in KINDS.values() if setting in kind.settings]


def _conditions(rng: np.random.Generator, setting: str) -> tuple[str | None, str]:
    """Weather (None indoors) and light."""
    if setting in INDOOR:
        return None, "night" if rng.random() < 0.15 else "day"
    light = ("day", "dusk", "night")[int(np.searchsorted((0.72, 0.86), rng.random()))]
    clear = "clear" if light == "night" else "sunny"
    if setting == "snow":
        return pick(rng, (clear, "cloudy", "snowy", "snowy", "foggy")), light
    return pick(rng, (clear, clear, clear, "cloudy", "cloudy", "rainy", "foggy")), light


class _Cast:
    """Chooses the things of a scene in small groups, each of which makes for something to talk about."""

    def __init__(self, rng: np.random.Generator, stage: Stage, setting: str, wanted: int) -> None:
        self.rng, self.stage, self.wanted = rng, stage, wanted
        self.kinds = dwellers(setting)
        self.alone = [kind for kind in self.kinds if self._stands_alone(kind)]
        self.small = [kind for kind in self.kinds if kind.support == "surface"]
        self.people = [kind for kind in KINDS.values() if kind.category == "person"]
        self.crowd = 0.5 if rng.random() < 0.35 else 0.22

    def _stands_alone(self, kind: Kind) -> bool:
        """Whether the setting has a place for it; small things belong on furniture or in hands."""
        return kind.support == "ground" or kind.support in self.stage.zones

    def fill(self) -> None:
        """Nothing; puts groups on the stage until there are enough things (or no room is left)."""
        groups: tuple[tuple[Callable[[], None], float], ...] = (
            (self._single, 2.0), (self._several, 2.2), (self._rider, 1.6), (self._sitter, 0.8), (self._holder, 1.2),
            (self._set_table, 3.0 if self.stage.indoor else 0.5), (self._filled, 0.8), (self._shelter, 0.8), (self._perched, 0.6),
        )  # fmt: skip
        weights = np.array([weight for _, weight in groups])
        for _ in range(10):
            if len(self.stage.placed) >= self.wanted or not self.alone:
                return
            groups[int(self.rng.choice(len(groups), p=weights / weights.sum()))][0]()

    def _single(self) -> None:
        self.stage.stand(pick(self.rng, self.alone), crowd=self.crowd)

    def _several(self) -> None:
        """Two to four of a kind, often of clearly different size."""
        kind = pick(self.rng, self.alone)
        if kind.category in ("appliance", "fixture") and self.rng.random() < 0.7:
            return
        sizes = (0.62, 1.1, 0.66, 1.15) if self.rng.random() < 0.4 else (1.0, 1.0, 1.0, 1.0)
        for k in range(int(self.rng.integers(2, 5))):
            self.stage.stand(kind, factor=sizes[k] * 0.92, crowd=self.crowd)

    def _host(self, fits: Callable[[Kind], bool], anchor: str, pose: str | None = None) -> int | None:
        """A new thing of a kind that `fits`, if its drawing has the anchor."""
        hosts = [kind for kind in self.alone if fits(kind)]
        if not hosts:
            return None
        kind = pick(self.rng, hosts)
        index = self.stage.stand(kind, pose=pose if pose in kind.poses else None, crowd=self.crowd)
        if index is None or anchor not in self.stage.placed[index].drawing.anchors:
            return None
        return index

    def _rider(self) -> None:
        """Somebody on a bicycle, on a horse, in a boat."""
        host = self._host(lambda kind: "riding" in kind.uses or kind.name == "boat", "seat", "rowing")
        if host is not None and self.people:
            afloat = self.stage.placed[host].kind.support == "water"
            self.stage.bind(pick(self.rng, self.people), host, "seat", "riding", grip="seat", pose="riding",
                            front=not afloat)

    def _sitter(self) -> None:
        """Somebody on a chair, a bench, a swing."""
        host = self._host(lambda kind: kind.category in ("furniture", "toy"), "seat")
        if host is not None and self.people:
            self.stage.bind(pick(self.rng, self.people), host, "seat", "on", grip="seat", pose="sitting")

    def _holder(self) -> None:
        """Somebody with a thing in the hand."""
        held = [kind for kind in KINDS.values() if holdable(kind)]
        host = self._host(lambda kind: kind.category == "person", "hand", "holding")
        if host is not None and held:
            kind = pick(self.rng, [k for k in held if k in self.kinds] or held)
            self.stage.bind(kind, host, "hand", "holding", grip="hand", at_least=0.15)

    def _set_table(self) -> None:
        """A table, shelf or counter with things on it."""
        host = self._host(lambda kind: kind.category in HEAVY, "surface")
        if host is not None and self.small:
            kinds = [pick(self.rng, self.small) for _ in range(int(self.rng.integers(1, 5)))]
            if self.rng.random() < 0.3:
                kinds = kinds[:1] * len(kinds)
            self.stage.serve(kinds, host)

    def _perched(self) -> None:
        """A small animal on top of something."""
        host = self._host(lambda kind: kind.category in (*HEAVY, "vehicle") and kind.support == "ground", "top")
        guests = [kind for kind in self.kinds if kind.name in PERCHING]
        if host is not None and guests:
            self.stage.bind(pick(self.rng, guests), host, "top", "on", true_scale=False)

    def _filled(self) -> None:
        """A bathtub, bowl or can with something in it."""
        host = self._host(lambda kind: kind.name in VESSELS, "inside")
        content = [kind for kind in self.kinds if kind.height[1] < 0.6 and kind.support in ("ground", "surface")]
        if host is not None and content:
            self.stage.bind(pick(self.rng, content), host, "inside", "inside", front=False, true_scale=False)

    def _shelter(self) -> None:
        """Something small under a tree or a table."""
        host = self._host(lambda kind: kind.name.endswith("tree") or kind.name in ROOFS, "top")
        guests = [kind for kind in self.kinds if kind.height[1] < 0.9 and kind.support == "ground"
                  and (kind.category not in HEAVY or kind.name == "stool")]
        if host is not None and guests:
            self.stage.under(pick(self.rng, guests), host)


PERCHING = ("pigeon", "cat", "chicken")
"""Kinds that are found on top of cars, tables and houses."""
ROOFS = ("table", "desk", "parasol")
"""Kinds besides trees with room below."""
VESSELS = ("bathtub", "sink", "trash can", "bowl", "box", "basket", "vase", "bucket")
"""Kinds that hold other things."""


def holdable(kind: Kind) -> bool:
    """Whether a person can hold it in one hand."""
    return kind.height[1] < 0.4 and kind.support == "surface" and kind.category not in ("furniture", "animal", "appliance")


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
    """One thing fills most of the frame: one with many parts, if there is one."""
    rich = [thing for thing in stage.placed if len(thing.drawing.nodes) > 2] or stage.placed
    if not rich:
        return _overview(rng, stage)
    x0, y0, x1, y1 = pick(rng, rich).box()
    fit = min(stage.width / (x1 - x0), stage.height / (y1 - y0))
    zoom = float(np.clip(fit * rng.uniform(0.72, 1.3), 1.0, 5.0))
    shift = rng.uniform(-0.08, 0.08, 2)
    return View(((x0 + x1) / 2 + shift[0] * (x1 - x0), (y0 + y1) / 2 + shift[1] * (y1 - y0)), zoom, _tilt(rng))


def _tilt(rng: np.random.Generator) -> float:
    """The camera's roll in radians, mostly none."""
    return float(rng.normal(0.0, 0.04)) if rng.random() < 0.3 else 0.0
