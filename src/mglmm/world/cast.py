"""Who is in a scene: groups of things that make for something to talk about (a rider, a set table, several cars)."""

from collections.abc import Callable

import numpy as np

from mglmm.world.drawing import Kind
from mglmm.world.kinds import KINDS
from mglmm.world.kinds.sketch import pick
from mglmm.world.stage import HEAVY, Stage

PERCHING = ("pigeon", "cat", "chicken")
"""Kinds that are found on top of cars, tables and houses."""
ROOFS = ("table", "desk", "parasol")
"""Kinds besides trees with room below."""
VESSELS: dict[str, tuple[str, ...]] = {
    "bathtub": ("dog", "cat", "child", "duck"),
    "sink": ("tableware",),
    "trash can": ("bottle", "banana", "umbrella", "toy car"),
    "bowl": ("fruit",),
    "box": ("cat", "dog", "ball", "teddy bear", "book", "robot"),
    "basket": ("fruit", "cat", "bread", "rabbit", "bottle"),
    "vase": ("flower",),
    "bucket": ("flower", "ball", "toy car"),
}
"""Kinds that hold other things, and the names and categories of these."""
UNHANDY = ("furniture", "animal", "appliance", "lamp", "plant", "container")
"""Categories that nobody holds in one hand."""


def dwellers(setting: str) -> list[Kind]:
    """The kinds that occur in a setting."""
    return [kind for kind in KINDS.values() if setting in kind.settings]


def holdable(kind: Kind) -> bool:
    """Whether a person can hold it in one hand."""
    if kind.support != "surface" or kind.height[1] >= 0.6 or kind.category in UNHANDY:
        return False
    return kind.category != "device" or kind.height[1] < 0.4


def content(vessel: Kind) -> list[Kind]:
    """What may be inside a vessel."""
    return [kind for kind in KINDS.values() if {kind.name, kind.category} & set(VESSELS[vessel.name])]


class Cast:
    """Chooses the things of a scene in small groups, each of which makes for something to talk about."""

    def __init__(self, rng: np.random.Generator, stage: Stage, setting: str, wanted: int) -> None:
        """`wanted` is the number of things at which no further group is called."""
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
            (self._set_table, 3.4 if self.stage.indoor else 0.5), (self._filled, 1.0),
            (self._shelter, 0.8), (self._perched, 0.6),
        )  # fmt: skip
        weights = np.array([weight for _, weight in groups])
        for _ in range(10):
            if len(self.stage.placed) >= self.wanted or not self.alone:
                return
            groups[int(self.rng.choice(len(groups), p=weights / weights.sum()))][0]()

    def show(self, kind: Kind) -> None:
        """Nothing; puts one thing of a kind on the stage, small ones on furniture."""
        if kind.support != "surface":
            self.stage.stand(kind, factor=1.15)
            return
        host = self._host(lambda host: host.category in HEAVY, "surface")
        if host is not None:
            self.stage.serve([kind], host)

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
            self.stage.bind(
                pick(self.rng, self.people), host, "seat", "riding", grip="seat", pose="riding", front=not afloat
            )

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
            kinds = [pick(self.rng, self.small) for _ in range(int(self.rng.integers(2, 6)))]
            if self.rng.random() < 0.3:
                kinds = kinds[:1] * len(kinds)
            for index in self.stage.serve(kinds, host):
                thing = self.stage.placed[index]
                if thing.kind.name in VESSELS and "inside" in thing.drawing.anchors and self.rng.random() < 0.6:
                    self._fill(index)

    def _perched(self) -> None:
        """A small animal on top of something."""
        host = self._host(lambda kind: kind.category in (*HEAVY, "vehicle") and kind.support == "ground", "top")
        guests = [kind for kind in self.kinds if kind.name in PERCHING]
        if host is not None and guests:
            self.stage.bind(pick(self.rng, guests), host, "top", "on", true_scale=False)

    def _filled(self) -> None:
        """A bathtub, bowl or can with something in it."""
        host = self._host(lambda kind: kind.name in VESSELS, "inside", "open")
        if host is not None:
            self._fill(host)

    def _fill(self, vessel: int) -> None:
        """Something inside a vessel that is on the stage."""
        kind = pick(self.rng, content(self.stage.placed[vessel].kind))
        self.stage.bind(kind, vessel, "inside", "inside", front=False, true_scale=False, widest=0.9)

    def _shelter(self) -> None:
        """Something small under a tree or a table."""
        host = self._host(lambda kind: kind.name.endswith("tree") or kind.name in ROOFS, "top")
        guests = [
            kind
            for kind in self.kinds
            if kind.height[1] < 0.9
            and kind.support == "ground"
            and (kind.category not in HEAVY or kind.name == "stool")
        ]
        if host is not None and guests:
            self.stage.under(pick(self.rng, guests), host)
