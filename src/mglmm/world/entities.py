"""From a label map to the scene graph: which regions are entities, how they look and how they stand to each other."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from mglmm.masks import CocoRle
from mglmm.world.graph import Entity, Relation, SceneGraph
from mglmm.world.labels import LabelRuns, Region
from mglmm.world.raster import Patch
from mglmm.world.scene import Scene
from mglmm.world.stage import Placed

CLOTHES = frozenset({
    "hat", "cap", "helmet", "hood", "scarf", "headscarf", "shirt", "t-shirt", "blouse", "jacket", "coat", "sweater",
    "vest", "dress", "skirt", "trousers", "shorts", "apron", "shoe", "shoes", "boot", "boots", "sock", "socks",
    "glasses", "sunglasses", "watch", "wristband", "glove", "gloves", "backpack", "bag", "belt", "tie",
})  # fmt: skip
"""Part names that a person wears."""
COVERS = 0.06
"""A thing is in front of another if it hides this share of the other's whole outline. Ours, by eye."""
DIFFERS = 1.5
"""Instances of a kind are small / large if the tallest is this many times as high as the shortest."""
IRREGULAR = {
    "leaf": "leaves", "shelf": "shelves", "knife": "knives", "foot": "feet", "scarf": "scarves", "hoof": "hooves",
    **{name: name for name in (
        "branches", "bristles", "cargo", "foam", "foliage", "fruit", "glasses", "hair", "icing", "leaves", "pages",
        "shorts", "snow", "soup", "sunglasses", "trousers", "water", "wool",
    )},
}  # fmt: skip
"""Plurals of part names that do not follow the rule."""


class Shown(Protocol):
    """What is known of a thing in the picture (see `render.Actor`)."""

    thing: Placed
    patch: Patch
    nodes: dict[str, np.ndarray]
    first: int
    index: int


def plural(name: str) -> str:
    """The plural of a part's name.

    >>> plural("door handle"), plural("leaf"), plural("bus"), plural("berry")
    ('door handles', 'leaves', 'buses', 'berries')
    """
    head, _, last = name.rpartition(" ")
    if last in IRREGULAR:
        last = IRREGULAR[last]
    elif last.endswith(("s", "x", "ch", "sh")):
        last += "es"
    elif last.endswith("y") and last[-2] not in "aeiou":
        last = last[:-1] + "ies"
    else:
        last += "s"
    return f"{head} {last}".strip()


class _Register:
    """The entities under way, with the mask of each."""

    def __init__(self, labels: np.ndarray, num_labels: int, min_area: float) -> None:
        self.runs = LabelRuns(labels, num_labels)
        self.areas, self.min_area = self.runs.areas(), min_area
        self.entities: list[Entity] = []
        self.masks: dict[int, CocoRle] = {}


def describe(
    seed: int, scene: Scene, actors: Sequence[Shown], labels: np.ndarray, min_share: float
) -> tuple[SceneGraph, dict[int, CocoRle]]:
    """The scene graph and the masks by entity id of a label map int16[H, W]."""
    num_labels = 1 + len(scene.backdrop.regions) + sum(len(a.thing.drawing.shapes) for a in actors)
    register = _Register(labels, num_labels, min_share * labels.size)
    _add_stuff(register, scene)
    sizes = _sizes(actors)
    ids: dict[int, int] = {}
    relations: list[Relation] = []
    for depth, actor in enumerate(actors, start=len(scene.backdrop.regions)):
        ids[actor.index] = _add_thing(register, actor, depth, sizes[actor.index], relations)
    seen_bonds = [bond for bond in scene.bonds if bond.subject in ids and bond.object in ids]
    bonds = [Relation(ids[bond.subject], bond.predicate, ids[bond.object]) for bond in seen_bonds]
    relations += bonds
    bound = {frozenset((r.subject, r.object)) for r in bonds}
    relations += [r for r in _occlusions(actors, ids, labels.shape) if frozenset((r.subject, r.object)) not in bound]
    graph = SceneGraph(
        seed,
        (labels.shape[0], labels.shape[1]),
        scene.setting,
        scene.indoor,
        scene.weather,
        scene.light,
        tuple(register.entities),
        tuple(relations),
    )
    return graph, register.masks


def _add_stuff(register: _Register, scene: Scene) -> None:
    """Nothing; adds one entity for each kind of stuff: all its regions together."""
    regions = scene.backdrop.regions
    for depth, name in enumerate(dict.fromkeys(region.name for region in regions)):
        members = np.zeros(register.runs.num_labels, bool)
        members[[k + 1 for k, region in enumerate(regions) if region.name == name]] = True
        if register.areas[members].sum() < register.min_area:
            continue
        found = register.runs.region(members)
        color = next(region.color for region in regions if region.name == name)
        _add(
            register,
            found,
            name=name,
            plural=name,
            stuff=True,
            parent=None,
            color=color,
            pattern="plain",
            size=None,
            state=None,
            category="stuff",
            uses=(),
            visible=1.0,
            depth=depth,
        )


def _add(register: _Register, found: Region, **rest: object) -> int:
    """The id of a new entity with the measures of `found`."""
    number = len(register.entities) + 1
    register.entities.append(Entity(id=number, area=found.area, box=found.box, center=found.center, **rest))  # type: ignore[arg-type]
    register.masks[number] = found.rle
    return number


def _add_thing(register: _Register, actor: Shown, depth: int, size: str | None, relations: list[Relation]) -> int:
    """The id of a thing that was added with all its parts that are large enough."""
    kind, num_shapes = actor.thing.kind, len(actor.thing.drawing.shapes)
    alone = np.bincount(actor.patch.labels.ravel(), minlength=num_shapes + 1)[1:]
    seen = register.areas[actor.first : actor.first + num_shapes]
    runs = register.runs.of(actor.first, num_shapes)
    ids: dict[str, int] = {}
    unlisted: set[str] = set()
    for path in sorted(actor.nodes, key=lambda path: path.count("/") + bool(path)):
        node, members = actor.thing.drawing.nodes[path], actor.nodes[path]
        if (area := int(seen @ members)) < register.min_area:
            unlisted |= {node.name} if area else set()
            continue
        paint = node.paint
        ids[path] = _add(
            register, runs.region(members), name=node.name if path else kind.name,
            plural=plural(node.name) if path else kind.plural, stuff=False,
            parent=ids[path.rpartition("/")[0]] if path else None, color=paint.color if paint else None,
            pattern=paint.pattern if paint else "plain", size=None if path else size, state=node.state,
            category=_category(path, node.name, kind.category), uses=() if path else kind.uses,
            visible=min(1.0, area / max(int(alone @ members), 1)), depth=depth)  # fmt: skip
        if path and kind.category == "person" and node.name in CLOTHES:
            relations.append(Relation(ids[""], "wearing", ids[path]))
    place = ids[""] - 1
    register.entities[place] = replace(register.entities[place], unlisted=frozenset(unlisted))
    return ids[""]


def _category(path: str, name: str, whole: str) -> str:
    """The hypernym of a node: the kind's for the thing itself, "clothing" or "part" for its parts."""
    if not path:
        return whole
    return "clothing" if name in CLOTHES else "part"


def _sizes(actors: Sequence[Shown]) -> dict[int, str | None]:
    """ "small" or "large" by index of the placed thing, where instances of a kind clearly differ in height."""
    found: dict[int, str | None] = {}
    for actor in actors:
        scales = [a.thing.scale for a in actors if a.thing.kind.name == actor.thing.kind.name]
        low, high, own = min(scales), max(scales), actor.thing.scale
        middle = (low * high) ** 0.5
        clear = high / low > DIFFERS
        found[actor.index] = None
        if clear and not middle / 1.2 <= own <= 1.2 * middle:
            found[actor.index] = "large" if own > middle else "small"
    return found


def _occlusions(actors: Sequence[Shown], ids: dict[int, int], size: tuple[int, ...]) -> list[Relation]:
    """In front of / behind for every two things of which one really hides a piece of the other."""
    relations = []
    for k, near in enumerate(actors):
        for far in actors[:k]:
            a, b = near.patch, far.patch
            x0, y0 = max(a.x, b.x, 0), max(a.y, b.y, 0)
            x1 = min(a.x + a.labels.shape[1], b.x + b.labels.shape[1], size[1])
            y1 = min(a.y + a.labels.shape[0], b.y + b.labels.shape[0], size[0])
            if x1 <= x0 or y1 <= y0:
                continue
            hides = a.labels[y0 - a.y : y1 - a.y, x0 - a.x : x1 - a.x].astype(bool)
            under = b.labels[y0 - b.y : y1 - b.y, x0 - b.x : x1 - b.x].astype(bool)
            if np.count_nonzero(hides & under) >= COVERS * np.count_nonzero(b.labels):
                relations.append(Relation(ids[near.index], "in front of", ids[far.index]))
                relations.append(Relation(ids[far.index], "behind", ids[near.index]))
    return relations
