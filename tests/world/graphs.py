"""Scene graphs for tests that need no picture: a street by hand, and random ones from the drawings of the catalogue."""

from dataclasses import replace

import numpy as np

from mglmm.world.backdrops import INDOOR, SETTINGS
from mglmm.world.drawing import Paint
from mglmm.world.entities import CLOTHES, plural
from mglmm.world.graph import Entity, Relation, SceneGraph
from mglmm.world.kinds import KINDS


def entity(id: int, name: str, x: float, y: float, area: int, **other: object) -> Entity:
    """One entity around (x, y) with a square box; `other` replaces the defaults."""
    half = area**0.5 / 2
    values: dict = {
        "id": id, "name": name, "plural": name + "s", "stuff": False, "parent": None, "color": None,
        "pattern": "plain", "size": None, "state": None, "category": "thing", "uses": (), "area": area,
        "box": (x - half, y - half, x + half, y + half), "center": (x, y), "visible": 1.0, "depth": id,
    }  # fmt: skip
    return Entity(**{**values, **other})


def street() -> SceneGraph:
    """A street: two cars (one striped), a woman riding a bicycle, a house with a row of windows, three stuffs."""
    things = [
        entity(1, "sky", 128, 40, 20000, stuff=True, color="blue", category="stuff"),
        entity(2, "road", 128, 220, 15000, stuff=True, color="gray", category="stuff"),
        entity(3, "car", 40, 180, 3000, color="red", size="large", category="vehicle", uses=("transport",)),
        entity(4, "wheel", 30, 190, 200, parent=3), entity(5, "hub", 30, 190, 60, parent=4, color="gray"),
        entity(6, "wheel", 55, 190, 200, parent=3), entity(7, "hub", 55, 190, 60, parent=6, color="gray"),
        entity(8, "door", 42, 180, 400, parent=3), entity(9, "handle", 45, 178, 20, parent=8),
        entity(10, "car", 200, 180, 2000, color="blue", pattern="striped", category="vehicle", uses=("transport",)),
        entity(11, "wheel", 190, 190, 150, parent=10), entity(12, "wheel", 212, 190, 150, parent=10),
        entity(13, "bicycle", 120, 190, 900, color="green", category="vehicle", uses=("transport",)),
        entity(14, "woman", 120, 160, 1500, category="person", plural="women"),
        entity(15, "hat", 120, 130, 120, parent=14, color="red", category="clothing"),
        entity(16, "trousers", 120, 170, 300, parent=14, color="black", plural="trousers", category="clothing"),
        entity(17, "house", 80, 100, 6000, color="white", category="building"),
        *(entity(18 + i, "window", 60 + 20 * (i % 3), 80 + 30 * (i // 3), 160, parent=17) for i in range(5)),
    ]  # fmt: skip
    relations = (Relation(14, "riding", 13), Relation(3, "in front of", 17), Relation(14, "wearing", 15))
    return SceneGraph(1, (256, 256), "street", False, "sunny", "day", tuple(things), relations)


STUFF = {
    "street": ("sky", "road", "sidewalk"), "beach": ("sky", "water", "sand"), "lake": ("sky", "water", "grass"),
    "farm": ("sky", "hills", "field", "grass"), "snow": ("sky", "snow"), "yard": ("sky", "grass", "fence"),
    "park": ("sky", "grass", "path"),
}  # fmt: skip


def catalogue(seed: int) -> SceneGraph:
    """A random graph: two to six things of the catalogue with all parts of their drawings, and relations."""
    rng = np.random.default_rng(seed)
    setting = SETTINGS[rng.integers(len(SETTINGS))]
    indoor = setting in INDOOR
    found = [
        entity(k, name, 128, 60 + 60 * k, 12000, stuff=True, plural=name, category="stuff")
        for k, name in enumerate(STUFF.get(setting, ("wall", "floor", "rug", "curtain")), start=1)
    ]
    kinds = [kind for kind in KINDS.values() if setting in kind.settings]
    wholes: list[Entity] = []
    for _ in range(int(rng.integers(2, 6)) if kinds else 0):
        again = wholes and rng.random() < 0.35
        kind = KINDS[wholes[-1].name] if again else kinds[rng.integers(len(kinds))]
        x, y, area = (float(v) for v in (rng.uniform(20, 236), rng.uniform(90, 230), rng.uniform(600, 9000)))
        pose = str(rng.choice(kind.poses))
        paint = Paint(str(rng.choice(kind.colors)), str(rng.choice(kind.patterns)))
        drawing = kind.build(rng, paint, pose)
        ids: dict[str, int] = {}
        for path, node in sorted(drawing.nodes.items(), key=lambda item: item[0].count("/") + bool(item[0])):
            ids[path] = len(found) + 1
            depth = path.count("/") + bool(path)
            dx, dy = rng.uniform(-20, 20, 2) * bool(path)
            made = entity(
                ids[path], node.name if path else kind.name, x + dx, y + dy, int(area * 0.3**depth) + 1,
                parent=ids[path.rpartition("/")[0]] if path else None, state=node.state,
                plural=plural(node.name) if path else kind.plural, color=node.paint.color if node.paint else None,
                pattern=node.paint.pattern if node.paint else "plain", depth=len(found), uses=() if path else kind.uses,
                category=kind.category if not path else "clothing" if node.name in CLOTHES else "part",
            )  # fmt: skip
            found.append(made)
            if not path:
                wholes.append(made)
    predicates = ("riding", "holding", "on", "under", "inside", "in front of")
    relations = [
        Relation(a.id, str(rng.choice(predicates)), b.id)
        for a, b in zip(wholes, wholes[1:], strict=False)
        if rng.random() < 0.5
    ]
    weather = None if indoor else str(rng.choice(("sunny", "rainy", "cloudy")))
    light = str(rng.choice(("day", "dusk", "night")))
    return SceneGraph(seed, (256, 256), setting, indoor, weather, light, tuple(found), tuple(relations))


def recolored(graph: SceneGraph, name: str, color: str) -> SceneGraph:
    """The graph with everything of this name in another color."""
    entities = tuple(replace(e, color=color) if e.name == name else e for e in graph.entities)
    return replace(graph, entities=entities)
