"""A sketch pad: collects the nodes and shapes of one thing in any unit, hands out a `Drawing` in the thing's frame."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from mglmm.world.drawing import COLORS, Drawing, Node, Paint, Shape

WOODS = ((150, 104, 62), (122, 82, 48), (176, 132, 84), (96, 62, 38), (196, 158, 108))
"""RGB of wooden parts whose colour is never told."""
METAL = Paint(None, rgb=(176, 180, 186))
DARK = Paint(None, rgb=(44, 44, 48))

Points = np.ndarray | Sequence[tuple[float, float]]
T = TypeVar("T")
Anchors = Mapping[str, tuple[float, float]]


class Sketch:
    """Nodes and shapes under way, y DOWN, in any unit of length; shapes are painted in the order of `fill`."""

    def __init__(self, name: str, paint: Paint, state: str | None = None, told: bool = True) -> None:
        """Starts with the thing itself; `told` False for a thing that has no colour of its own (a person)."""
        self.paints = {"": paint}
        self.nodes = {"": Node(name, paint if told else None, state)}
        self.shapes: list[Shape] = []

    def part(self, path: str, name: str, paint: Paint | None = None, state: str | None = None) -> str:
        """`path`, now a node called `name`, in `paint` or else its parent's; the thing's own paint is not told."""
        parent = self.paints[path.rpartition("/")[0]]
        own = parent if paint is None else paint
        told = own.color is not None and own != self.paints[""]
        self.paints[path] = own
        self.nodes[path] = Node(name, own if told else None, state)
        return path

    def fill(self, node: str, points: Points, shade: float = 0.0, paint: Paint | None = None) -> None:
        """Nothing; adds the closed outline `points` to `node`, in the node's paint unless `paint` says otherwise."""
        look = self.paints[node] if paint is None else paint
        self.shapes.append(Shape(node, np.asarray(points, dtype=np.float64), look, shade))

    def drawing(self, anchors: Anchors | None = None, height: float = 1.0) -> Drawing:
        """The drawing in the thing's frame: `height` high (below one for a low pose), foot on y = 0, centre x = 0."""
        every = np.concatenate([shape.points for shape in self.shapes])
        low, high = every.min(axis=0), every.max(axis=0)
        scale = float(height / (high[1] - low[1]))
        origin = np.array([(low[0] + high[0]) / 2.0, high[1]])
        return self._framed(scale, origin, float(high[0] - low[0]) * scale, anchors)

    def drawing_as_is(self, anchors: Anchors | None = None) -> Drawing:
        """The drawing of a sketch made in the thing's frame already (a sitting person is below height one)."""
        width = 2.0 * max(float(np.abs(shape.points[:, 0]).max()) for shape in self.shapes)
        return self._framed(1.0, np.zeros(2), width, anchors)

    def _framed(self, scale: float, origin: np.ndarray, width: float, anchors: Anchors | None) -> Drawing:
        """The drawing with every point p moved to (p - origin) * scale."""
        shapes = tuple(Shape(s.node, (s.points - origin) * scale, s.paint, s.shade) for s in self.shapes)
        moved = {
            name: (float((x - origin[0]) * scale), float((y - origin[1]) * scale))
            for name, (x, y) in (anchors or {}).items()
        }
        return Drawing(width, dict(self.nodes), shapes, moved)


def chance(rng: np.random.Generator, probability: float) -> bool:
    """True with the given probability."""
    return bool(rng.random() < probability)


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """A uniform number in [low, high)."""
    return low + (high - low) * float(rng.random())


def pick(rng: np.random.Generator, choices: Sequence[T]) -> T:
    """One of `choices`, all equally likely."""
    return choices[int(rng.integers(len(choices)))]


def color_besides(rng: np.random.Generator, *taken: str | None, among: Sequence[str] = tuple(COLORS)) -> str:
    """A colour name out of `among` that is none of `taken`."""
    return pick(rng, [name for name in among if name not in taken])


def wood(rng: np.random.Generator) -> Paint:
    """A wooden look whose colour is never told."""
    return Paint(None, rgb=pick(rng, WOODS))
