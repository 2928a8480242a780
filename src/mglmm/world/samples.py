"""From a seed to a training or test record: the picture of the world with its segments and turns."""

from PIL import Image

from mglmm.schema import Rle, Sample, Segment
from mglmm.world.graph import TRAIN_SEEDS_END, Entity, Picture
from mglmm.world.kinds import KINDS
from mglmm.world.language import turns
from mglmm.world.render import MIN_AREA_SHARE, render
from mglmm.world.scene import stream

ALSO_PARTS = frozenset({
    "backpack", "bag", "basket", "bed", "box", "cabinet", "candle", "flower", "glass", "hat", "house", "lamp", "mirror",
    "plate", "pot", "sign", "window",
})  # fmt: skip
"""Kinds of things whose name is that of a part as well: a part too small to be a segment may be there unseen."""


def world_sample(
    seed: int, size: int = 256, novel: bool = False, min_area_share: float = MIN_AREA_SHARE
) -> tuple[Image.Image, Sample]:
    """The picture of a seed (longer side `size` pixels, RGB) and its record, the same on every machine.

    With `novel` (held-out seeds only) it shows at least one of `scene.NOVEL_PAIRS`. `min_area_share`: see `render`.
    """
    picture = render(seed, size, novel, min_area_share)
    return Image.fromarray(picture.image), record(picture, novel)


def record(picture: Picture, novel: bool = False) -> Sample:
    """The record of a rendered picture, with all its turns; `exhaustive` are kinds of things, never parts or stuff."""
    graph = picture.graph
    name = f"world-{graph.seed}" + ("-novel" if novel else "")
    segments = tuple(
        Segment(id=e.id, rle=Rle.model_validate(picture.masks[e.id]), label=e.name, caption=phrase(e), parent=e.parent)
        for e in graph.entities
    )
    return Sample(
        id=name,
        image=f"images/{name}.png",
        size=graph.size,
        segments=segments,
        turns=tuple(turns(graph, stream(graph.seed, 3))),
        source="world",
        split="train" if graph.seed < TRAIN_SEEDS_END else "test",
        exhaustive=tuple(name for name in KINDS if name not in ALSO_PARTS),
        meta={"seed": graph.seed, "setting": graph.setting, "weather": graph.weather, "light": graph.light},
    )


def phrase(entity: Entity) -> str:
    """A short phrase for an entity: size, colour, pattern, name.

    >>> from mglmm.world.graph import Entity
    >>> phrase(Entity(1, "car", "cars", False, None, "red", "striped", "large", None, "vehicle", (), 9, (0, 0, 3, 3),
    ...               (1.5, 1.5), 1.0, 1))
    'large red striped car'
    """
    pattern = None if entity.pattern == "plain" else entity.pattern
    return " ".join(word for word in (entity.size, entity.color, pattern, entity.name) if word)
