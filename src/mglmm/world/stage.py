"""The stage: puts drawn things into a scene, with perspective, elbow room and bonds between things.

Scene coordinates as in `stuff`. Perspective is that of a picture book: sizes in metres are compressed, so that a cat
beside a house is still large enough to be seen.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mglmm.world.drawing import Drawing, Kind
from mglmm.world.stuff import Backdrop

HEIGHT_UNIT, HEIGHT_POWER = 0.46, 0.42
"""A thing of 1.6 m that stands near is HEIGHT_UNIT high; height grows with metres to the HEIGHT_POWER. Ours, by eye."""
SMALL_POWER = 0.62
"""A small thing on a large one is (ratio of metres) ** SMALL_POWER times as high as it."""
ROOM = 1.2
"""Things in a room are nearer to the viewer."""
HEAVY = ("furniture", "appliance", "fixture", "building")
"""Categories that stand in the back of a scene."""


@dataclass(slots=True)
class Placed:
    """One thing on the stage. A point p of its frame is seen at `foot + scale * turn(p)`, mirrored first if `flip`.

    `layer` sorts the painting (small = far); `host` is the index of the thing that it is bound to, or None.
    """

    kind: Kind
    drawing: Drawing
    foot: tuple[float, float]
    scale: float
    layer: float
    flip: bool = False
    angle: float = 0.0
    host: int | None = None
    metres: float = 1.0

    def spot(self, point: tuple[float, float]) -> tuple[float, float]:
        """Where a point of the thing's frame is in the scene."""
        x, y = (-point[0] if self.flip else point[0]), point[1]
        c, s = np.cos(self.angle), np.sin(self.angle)
        return self.foot[0] + self.scale * (c * x - s * y), self.foot[1] + self.scale * (s * x + c * y)

    def box(self) -> tuple[float, float, float, float]:
        """Its bounds xyxy in the scene (its turn left aside)."""
        half = self.drawing.width * self.scale / 2
        return self.foot[0] - half, self.foot[1] - self.scale, self.foot[0] + half, self.foot[1]


@dataclass(frozen=True, slots=True)
class Bond:
    """`subject` stands in `predicate` to `object` (indices of placed things), by how they were put on the stage."""

    subject: int
    predicate: str
    object: int


Builder = Callable[[Kind, str | None], Drawing]
"""Draws a thing of a kind in a pose (None: any pose)."""


class Stage:
    """A scene under way. The methods return the index of the placed thing, or None if there was no room for it."""

    def __init__(
        self, rng: np.random.Generator, backdrop: Backdrop, width: float, height: float, build: Builder
    ) -> None:
        """`width`, `height` of the frame; `build` makes the drawings."""
        self.rng, self.zones, self.width, self.height, self.build = rng, backdrop.zones, width, height, build
        self.placed: list[Placed] = []
        self.bonds: list[Bond] = []
        self.indoor = "wall" in backdrop.zones

    def stand(self, kind: Kind, factor: float = 1.0, pose: str | None = None, crowd: float = 0.25) -> int | None:
        """A thing on its own in its zone, `factor` times its usual size; at most `crowd` of it or others is hidden."""
        zone = self._zone(kind)
        if zone is None:
            return None
        drawing, metres = self.build(kind, pose), self.rng.uniform(*kind.height)
        best, best_hidden = None, crowd
        for _ in range(10):
            candidate = self._candidate(kind, drawing, metres, zone, factor)
            hidden = self._hidden(candidate)
            if hidden <= best_hidden:
                best, best_hidden = candidate, hidden
                if hidden < 0.08 or self.rng.random() < 0.4:
                    break
        return None if best is None else self._place(best)

    def bind(
        self,
        kind: Kind,
        host: int,
        anchor: str,
        predicate: str,
        *,
        grip: str = "",
        pose: str | None = None,
        front: bool = True,
        at_least: float = 0.0,
        widest: float = np.inf,
        true_scale: bool = True,
    ) -> int:
        """A thing that is painted just in front of (or behind) `host`, one of its anchors on one of the host's.

        `grip` is the thing's anchor ("" or one that it lacks: its foot). It is at least `at_least` host heights high;
        and at most `widest` host widths wide; with `true_scale` sizes in metres are kept, else they are compressed as
        for things that stand apart.
        """
        base = self.placed[host]
        drawing, metres = self.build(kind, pose), self.rng.uniform(*kind.height)
        share = metres / base.metres if true_scale else (metres / base.metres) ** SMALL_POWER
        share = min(max(share, at_least), widest * base.drawing.width / drawing.width)
        thing = self._beside(base, kind, drawing, metres, share, front)
        thing.host = host
        self._meet(thing, grip, base.spot(base.drawing.anchors[anchor]))
        index = self._place(thing)
        self.bonds.append(Bond(host, predicate, index) if predicate == "holding" else Bond(index, predicate, host))
        return index

    def serve(self, kinds: Sequence[Kind], host: int) -> list[int]:
        """Small things side by side on the surfaces of `host`: those of `kinds` for which there is room."""
        base = self.placed[host]
        boards = [point for name, point in base.drawing.anchors.items() if name.startswith("surface")]
        room = {
            k: 0.84 * base.drawing.width / (1 + sum(abs(b[1] - a[1]) < 0.02 for b in boards if b is not a))
            for k, a in enumerate(boards)
        }
        start = {k: -width / 2 for k, width in room.items()}
        served: list[int] = []
        for kind in kinds:
            k = int(self.rng.integers(len(boards)))
            drawing, metres = self.build(kind, None), self.rng.uniform(*kind.height)
            share = (metres / base.metres) ** SMALL_POWER * self.rng.uniform(0.95, 1.25)
            wide = drawing.width * share * 1.1
            free = room[k] / 2 - start[k] - wide
            if free < 0:
                continue
            x = start[k] + self.rng.uniform(0, 0.5) * free
            start[k] = x + wide
            thing = self._beside(base, kind, drawing, metres, share, True)
            thing.host = host
            spot = base.spot((boards[k][0] + x + wide / 2, boards[k][1] + self.rng.uniform(-0.01, 0.01)))
            self._meet(thing, "", spot)
            served.append(self._place(thing))
            self.bonds.append(Bond(served[-1], "on", host))
        return served

    def _beside(self, base: Placed, kind: Kind, drawing: Drawing, metres: float, share: float, front: bool) -> Placed:
        """A thing next to `base` in the painting order and `share` times as large, not yet in its place."""
        step = (1e-4 if base.host is None else 1e-6) * (1 + self.rng.random())
        layer = base.layer + (step if front else -step)
        return Placed(kind, drawing, (0.0, 0.0), base.scale * share, layer, base.flip, base.angle, None, metres)

    @staticmethod
    def _meet(thing: Placed, grip: str, spot: tuple[float, float]) -> None:
        """Nothing; moves the thing so that its anchor `grip` (or its foot) is at a point of the scene."""
        x, y = thing.spot(thing.drawing.anchors.get(grip, (0.0, 0.0)))
        thing.foot = (thing.foot[0] + spot[0] - x, thing.foot[1] + spot[1] - y)

    def under(self, kind: Kind, host: int) -> int | None:
        """A thing on the ground under a table or a tree."""
        base = self.placed[host]
        drawing, metres = self.build(kind, None), self.rng.uniform(*kind.height)
        scale = min(base.scale * (metres / base.metres) ** SMALL_POWER, base.scale * 0.5)
        room = base.drawing.width * base.scale * 0.5 - drawing.width * scale * 0.5
        if room < 0:
            return None
        x = base.foot[0] + self.rng.uniform(-0.6, 0.6) * room
        foot, layer = (x, base.foot[1] + 0.004), base.foot[1] + 0.002
        index = self._place(Placed(kind, drawing, foot, scale, layer, self._flip(), 0.0, None, metres))
        self.bonds.append(Bond(index, "under", host))
        return index

    def _place(self, thing: Placed) -> int:
        self.placed.append(thing)
        return len(self.placed) - 1

    def _flip(self) -> bool:
        return bool(self.rng.random() < 0.5)

    def _zone(self, kind: Kind) -> tuple[float, float] | None:
        """The y range of a kind's feet (of its middle for things on walls or in the air)."""
        if kind.support == "ground":
            near, far = self.zones["ground"][1], self.zones["ground"][0]
            if kind.category == "vehicle" and kind.height[1] > 1.2 and "road" in self.zones:
                return self.zones["road"]
            back = kind.height[0] > 2.2 or kind.category in HEAVY
            return (far, far + 0.45 * (near - far)) if back else (far + 0.2 * (near - far), near)
        return self.zones.get(kind.support)

    def _candidate(
        self, kind: Kind, drawing: Drawing, metres: float, zone: tuple[float, float], factor: float
    ) -> Placed:
        """The thing at a random place of its zone."""
        y = self.rng.uniform(*zone)
        hangs = kind.support in ("air", "wall")
        far, near = self.zones["ground"]
        depth = 0.85 if hangs else 0.62 + 0.48 * min(max((y - far) / (near - far), -0.3), 1.0)
        scale = HEIGHT_UNIT * (metres / 1.6) ** HEIGHT_POWER * depth * factor * self.rng.uniform(0.9, 1.2)
        scale *= ROOM if self.indoor else 1.0
        scale = min(scale, 0.72 * self.width / drawing.width, 0.85 * self.height)
        if hangs:
            scale = min(scale, 0.42 * self.height)
            y = max(y + scale / 2, 0.02 * self.height + scale)
        else:
            scale = min(scale, max(y, 0.3 * self.height))
        half = min(drawing.width * scale / 2, 0.5 * self.width)
        x = self.rng.uniform(0.7 * half, self.width - 0.7 * half)
        layer = {"air": -1.0, "wall": -1.0, "water": -0.5}.get(kind.support, 0.0) + y
        tilt = self.rng.normal(0.0, 0.03) if kind.support == "ground" and zone[0] > far else 0.0
        return Placed(kind, drawing, (x, y), scale, layer, self._flip(), tilt, None, metres)

    def _hidden(self, thing: Placed) -> float:
        """The largest share 0..1 of a box, its own or another's, that would be hidden if `thing` stood there."""
        a, worst = thing.box(), 0.0
        for other in self.placed:
            b = other.box()
            width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
            if width > 0 and height > 0:
                behind = b if thing.layer > other.layer else a
                worst = max(worst, width * height / ((behind[2] - behind[0]) * (behind[3] - behind[1])))
        return worst
