"""The scene graph: what is in a rendered picture, for `language` to speak about. Pure data, numpy only."""

from dataclasses import dataclass

import numpy as np

from mglmm.masks import CocoRle

TRAIN_SEEDS_END = 2**30
"""Seeds below are for training, seeds from here on are held out."""


@dataclass(frozen=True, slots=True)
class Entity:
    """One nameable region: a thing, a part (`parent` set) or stuff (`stuff`). Its `id` is the segment's id.

    All measures are of the *visible* region, in pixels of the final picture: `area` count, `box` xyxy (right and bottom
    exclusive), `center` (x, y) centroid. `size` is "small" / "large" when it is clearly so for its kind within the
    scene, else None. `visible` is the share (0..1) of its full outline that is seen (frame and occluders hide the
    rest). `depth`: paint order, larger is nearer to the viewer. `unlisted`: of a thing, names of parts that can be seen
    but are too small to be entities, so that the parts of that name cannot be counted.
    """

    id: int
    name: str
    plural: str
    stuff: bool
    parent: int | None
    color: str | None
    pattern: str
    size: str | None
    state: str | None
    category: str
    uses: tuple[str, ...]
    area: int
    box: tuple[float, float, float, float]
    center: tuple[float, float]
    visible: float
    depth: int
    unlisted: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Relation:
    """`subject` stands in `predicate` to `object`; predicates: wearing, holding, riding, on, under, inside,
    in front of, behind. (Left of / right of follow from the centres.)"""

    subject: int
    predicate: str
    object: int


@dataclass(frozen=True, slots=True)
class SceneGraph:
    """All that is visible in one picture. `size` is (height, width); `setting` e.g. "street", "kitchen";
    `weather` e.g. "sunny", "rainy", None indoors; `light` e.g. "day", "dusk", "night"."""

    seed: int
    size: tuple[int, int]
    setting: str
    indoor: bool
    weather: str | None
    light: str
    entities: tuple[Entity, ...]
    relations: tuple[Relation, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A rendered scene: `image` uint8[H, W, 3] RGB, the graph, and the visible mask of every entity by id.

    The mask of a thing is the union of its own shapes and all its parts; stuff and things never overlap.
    """

    image: np.ndarray
    graph: SceneGraph
    masks: dict[int, CocoRle]
