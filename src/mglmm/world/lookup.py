"""An index over one scene graph, and the orders in which text walks through it. Pure functions over entities."""

from collections.abc import Iterable
from functools import cached_property

from mglmm.world.graph import Entity, Relation, SceneGraph

MANY = 3
"""At most this many parts of one name and one whole are told in a caption."""


class Lookup:
    """Quick answers about one `SceneGraph`: entities by id and by name, wholes, parts, relations."""

    def __init__(self, graph: SceneGraph) -> None:
        """Index `graph`; entities keep the order that the graph lists them in."""
        self.graph = graph
        self.height, self.width = graph.size
        self.by_id: dict[int, Entity] = {}
        self.by_name: dict[str, list[Entity]] = {}
        self.parts: dict[int, list[Entity]] = {}
        self.things: list[Entity] = []
        self.stuff: list[Entity] = []
        self._loosely_called: dict[str, list[Entity]] = {}
        for entity in graph.entities:
            self.by_id[entity.id] = entity
            self.by_name.setdefault(entity.name, []).append(entity)
            if entity.stuff:
                self.stuff.append(entity)
            elif entity.parent is None:
                self.things.append(entity)
            else:
                self.parts.setdefault(entity.parent, []).append(entity)

    @cached_property
    def relations_of(self) -> dict[int, list[Relation]]:
        """The relations by the id of their subject, each also told the other way round where words allow it."""
        found: dict[int, list[Relation]] = {}
        for relation in self.graph.relations:
            if relation not in found.setdefault(relation.subject, []):
                found[relation.subject].append(relation)
            if (turned := INVERSE.get(relation.predicate)) is not None:
                inverse = Relation(relation.object, turned, relation.subject)
                if inverse not in found.setdefault(relation.object, []):
                    found[relation.object].append(inverse)
        return found

    def called(self, name: str, loose: bool = False) -> list[Entity]:
        """The entities of this name; loosely also those that people might call so: a duck is a bird."""
        if not loose:
            return self.by_name.get(name, [])
        if name not in self._loosely_called:
            names = dict.fromkeys((name, *ALIKE.get(name, ()), *self._names_by_last_word.get(name, ())))
            self._loosely_called[name] = [e for other in names for e in self.by_name.get(other, ())]
        return self._loosely_called[name]

    @cached_property
    def _names_by_last_word(self) -> dict[str, list[str]]:
        """The names of two words by their last one: a palm tree is a tree."""
        found: dict[str, list[str]] = {}
        for name in self.by_name:
            if " " in name:
                found.setdefault(name.rpartition(" ")[2], []).append(name)
        return found

    def clearly_called(self, name: str) -> list[Entity]:
        """The entities of this name, or none if others might be called so too."""
        group = self.called(name)
        return group if len(group) == len(self.called(name, loose=True)) else []

    def related(self, subject: Entity, predicate: str, object_: Entity) -> bool:
        """True if the graph says so, directly or told the other way round."""
        return Relation(subject.id, predicate, object_.id) in self.relations_of.get(subject.id, ())

    def share(self, entity: Entity) -> float:
        """Visible area as a share (0..1) of the picture."""
        return entity.area / (self.height * self.width)

    def descendants(self, whole: Entity) -> list[Entity]:
        """All parts and parts of parts, each parent before its parts."""
        found = []
        for part in self.parts.get(whole.id, ()):
            found.append(part)
            if part.id in self.parts:
                found.extend(self.descendants(part))
        return found

    def whole(self, entity: Entity) -> Entity:
        """The thing that a part finally belongs to; a thing or stuff itself."""
        while entity.parent is not None:
            entity = self.by_id[entity.parent]
        return entity

    def left_to_right(self, entities: Iterable[Entity]) -> list[Entity]:
        """Reading order: columns from left to right, in a column from top to bottom.

        Centres closer in x than a third of the narrower region are one column: windows above each other stay together.
        """
        columns: list[list[Entity]] = []
        for entity in sorted(entities, key=_x):
            if columns and entity.center[0] - columns[-1][0].center[0] < _column_width(columns[-1][0], entity):
                columns[-1].append(entity)
            else:
                columns.append([entity])
        return [entity for column in columns for entity in sorted(column, key=_y)]

    def top_to_bottom(self, entities: Iterable[Entity]) -> list[Entity]:
        """The order by the centre's y."""
        return sorted(entities, key=_y)

    def told_parts(self, whole: Entity, limit: int) -> list[Entity]:
        """The descendants that a caption of `whole` tells: the `limit` largest, each name at most `MANY` times.

        Of equal parts the leftmost are told (those at least half as large as the largest of them).
        """
        kept: list[Entity] = []
        queue = [whole]
        while queue:
            for group in self.part_groups(queue.pop()).values():
                kept.extend(group)
                queue.extend(part for part in group if part.id in self.parts)
        if len(kept) > limit:
            kept = sorted(kept, key=lambda part: -part.area)[:limit]
        return kept

    def part_groups(self, whole: Entity) -> dict[str, list[Entity]]:
        """The direct parts to tell by name, names in the order of the graph, equal ones in reading order."""
        groups: dict[str, list[Entity]] = {}
        for part in self.parts.get(whole.id, ()):
            groups.setdefault(part.name, []).append(part)
        for name, group in groups.items():
            if len(group) > 1:
                largest = max(part.area for part in group)
                order = self.left_to_right(part for part in group if 2 * part.area >= largest)
                rest = sorted((part for part in group if 2 * part.area < largest), key=lambda part: -part.area)
                groups[name] = self.left_to_right((order + rest)[:MANY])
        return groups


INVERSE = {"in front of": "behind", "behind": "in front of"}
"""Relations that can be told from the object's side."""


ALIKE: dict[str, tuple[str, ...]] = {
    "bird": ("duck", "chicken", "pigeon"),
    "pigeon": ("bird",),
    "boat": ("ship",),
    "ship": ("boat",),
    "house": ("building", "barn", "shop"),
    "building": ("house", "barn", "shop", "lighthouse", "tower"),
    "shop": ("building", "house"),
    "flower": ("plant",),
    "plant": ("flower", "bush", "tree"),
    "hat": ("cap", "helmet"),
    "cap": ("hat",),
    "jacket": ("coat",),
    "coat": ("jacket",),
    "shirt": ("sweater", "jacket"),
    "shoe": ("boot",),
    "bag": ("backpack", "suitcase"),
    "table": ("desk",),
    "desk": ("table",),
    "cup": ("mug", "glass"),
    "glass": ("glasses", "cup"),
    "glasses": ("sunglasses", "glass"),
    "pot": ("pan",),
    "pan": ("pot",),
    "jug": ("teapot",),
    "box": ("gift",),
    "gift": ("box",),
    "cabinet": ("wardrobe",),
    "wardrobe": ("cabinet",),
    "chair": ("armchair", "stool"),
    "sofa": ("armchair",),
    "shelf": ("bookshelf", "bookcase"),
    "lamp": ("street lamp", "street light"),
    "computer": ("laptop",),
    "laptop": ("computer",),
    "road": ("path", "sidewalk"),
    "path": ("road", "sidewalk"),
    "rug": ("carpet",),
    "fence": ("hedge",),
    "grass": ("field",),
    "field": ("grass",),
}
"""Name -> other names of things that some people would call so; no text may hang on the difference."""


def _x(entity: Entity) -> float:
    return entity.center[0]


def _y(entity: Entity) -> float:
    return entity.center[1]


def _column_width(first: Entity, second: Entity) -> float:
    return min(first.box[2] - first.box[0], second.box[2] - second.box[0]) / 3
