"""From a seed to a picture with its exact ground truth."""

from dataclasses import dataclass

import cv2
import numpy as np

from mglmm.world.drawing import COLORS, Paint
from mglmm.world.effects import Sun, photograph, sun
from mglmm.world.entities import describe
from mglmm.world.graph import Picture
from mglmm.world.raster import SHIFT, Camera, Patch, compose, members, patch
from mglmm.world.scene import NOVEL_PAIRS, Scene, layout, stream
from mglmm.world.stage import Placed
from mglmm.world.stuff import TEXTURES
from mglmm.world.texture import blob, noise, pattern, ramp, relief

MIN_AREA_SHARE = 0.003
"""A region smaller than this share of the picture is not an entity of its own (it still belongs to its whole)."""
MIN_VISIBLE = 0.25
"""A thing of which less than this share is seen is left out of the scene."""


@dataclass(slots=True)
class Actor:
    """One thing in the picture: its patch, the label of its first shape, its nodes' members (see `raster.members`)."""

    thing: Placed
    patch: Patch
    nodes: dict[str, np.ndarray]
    first: int = 0
    index: int = 0
    """Which of the scene's placed things it is."""


def render(seed: int, size: int = 256, novel: bool = False, min_area_share: float = MIN_AREA_SHARE) -> Picture:
    """The picture of a seed, its longer side `size` pixels; the same on every machine and in every process.

    With `novel` (held-out seeds only) it shows at least one of `scene.NOVEL_PAIRS`. `min_area_share`: smaller parts and
    stuff are no entities of their own.
    """
    for attempt in range(50):
        scene = layout(seed, attempt, novel)
        camera = film(scene, size)
        actors, labels = stage_actors(scene, camera)
        graph, regions = describe(seed, scene, actors, labels, min_area_share)
        things = [e for e in graph.entities if not e.stuff and e.parent is None]
        if things and (not novel or any((e.name, e.color) in NOVEL_PAIRS for e in things)):
            image = paint(scene, camera, actors, labels, stream(seed, 2, attempt))
            return Picture(image, graph, regions)
    raise RuntimeError(f"seed {seed}: no scene with a visible thing in 50 attempts")


def film(scene: Scene, size: int) -> Camera:
    """The camera of a scene for a picture whose longer side is `size` pixels."""
    longer = max(scene.width, scene.height)
    width, height = max(1, round(size * scene.width / longer)), max(1, round(size * scene.height / longer))
    view, scale = scene.view, size / longer * scene.view.zoom
    c, s = np.cos(view.angle) * scale, np.sin(view.angle) * scale
    matrix = np.array([[c, -s], [s, c]])
    return Camera(matrix, np.array([width / 2, height / 2]) - matrix @ np.array(view.center), (height, width))


def stage_actors(scene: Scene, camera: Camera) -> tuple[list[Actor], np.ndarray]:
    """The things that are seen well enough, and the label map int16[H, W] with them: 1.. stuff, then their shapes.

    Leaving a thing out uncovers others, so the map is made again until nobody has to go; with a host go its guests.
    """
    background = _background(scene, camera)
    actors = []
    for index, thing in enumerate(scene.placed):
        found = patch(thing, camera)
        if found is not None:
            actors.append(Actor(thing, found, members(thing.drawing), index=index))
    while True:
        first = len(scene.backdrop.regions) + 1
        for actor in actors:
            actor.first = first
            first += len(actor.thing.drawing.shapes)
        labels = compose([a.patch for a in actors], [a.first for a in actors], background)
        seen = np.bincount(labels.ravel(), minlength=first)
        kept = [a for a in actors if _is_seen(a, seen, labels.size)]
        present = {a.index for a in kept}
        kept = [a for a in kept if a.thing.host is None or a.thing.host in present]
        if len(kept) == len(actors):
            return actors, labels
        actors = kept


def _is_seen(actor: Actor, seen: np.ndarray, pixels: int) -> bool:
    """Whether enough of the thing is visible; `seen` int[labels] counts the pixels of each label."""
    area = seen[actor.first : actor.first + len(actor.thing.drawing.shapes)].sum()
    return bool(area >= MIN_AREA_SHARE * pixels and area >= MIN_VISIBLE * np.count_nonzero(actor.patch.labels))


def _background(scene: Scene, camera: Camera) -> np.ndarray:
    """The label map int16[H, W] of the stuff alone: label k + 1 is the k-th region."""
    labels = np.zeros(camera.size, np.int16)
    for k, region in enumerate(scene.backdrop.regions):
        for polygon in region.polygons:
            cv2.fillPoly(labels, [camera.fixed(polygon)], k + 1, cv2.LINE_8, SHIFT)
    return labels


def paint(
    scene: Scene, camera: Camera, actors: list[Actor], labels: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """The image uint8[H, W, 3] of the staged things; looks are drawn from `rng`."""
    colors = np.zeros((*camera.size, 3), np.uint8)
    for region in scene.backdrop.regions:
        for polygon in region.polygons:
            cv2.fillPoly(colors, [camera.fixed(polygon)], region.rgb, cv2.LINE_AA, SHIFT)
        for polygon, rgb in region.details:
            cv2.fillPoly(colors, [camera.fixed(polygon)], rgb, cv2.LINE_AA, SHIFT)
    shade = _stuff_shade(scene, labels, rng)
    light = sun(rng, scene.weather)
    for actor in actors:
        _cast_shadow(actor, shade, light, scene.indoor)
        _paint_actor(actor, colors, shade, light, rng)
    return photograph(colors, shade, scene.light, scene.weather, rng)


def _stuff_shade(scene: Scene, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Brightness float32[H, W] of the stuff: the texture of the region that owns each pixel."""
    shade = np.ones(labels.shape, np.float32)
    for k, region in enumerate(scene.backdrop.regions):
        own = labels == k + 1
        rows = np.flatnonzero(own.any(axis=1))
        if len(rows):
            band = slice(int(rows[0]), int(rows[-1]) + 1)
            field = np.ones((band.stop - band.start, labels.shape[1]), np.float32)
            for tile, amount in TEXTURES[region.texture]:
                field += noise(tile, (field.shape[0], field.shape[1]), rng) * np.float32(amount * rng.uniform(0.5, 1.3))
            np.copyto(shade[band], field, where=own[band])
    return shade


def _cast_shadow(actor: Actor, shade: np.ndarray, light: Sun, indoor: bool) -> None:
    """Nothing; darkens the ground at the foot of a thing in place."""
    if actor.thing.kind.support in ("air", "wall") or (actor.thing.host is not None):
        return
    height, width = actor.patch.labels.shape
    wide, deep = int(width * 1.15) + 2, max(int(min(height, width) * 0.2), 3)
    x = int(actor.patch.x + width / 2 - wide / 2 - light.direction[0] * 0.25 * width)
    y = int(actor.patch.y + height - 2 - deep * 0.62)
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + wide, shade.shape[1]), min(y + deep, shade.shape[0])
    if x1 > x0 and y1 > y0:
        spot = cv2.resize(blob(), (wide, deep))[y0 - y : y1 - y, x0 - x : x1 - x]
        shade[y0:y1, x0:x1] *= 1 - spot * np.float32(0.25 + 0.25 * light.strength)


def _paint_actor(actor: Actor, colors: np.ndarray, shade: np.ndarray, light: Sun, rng: np.random.Generator) -> None:
    """Nothing; paints one thing into the colours and the brightness of the picture in place."""
    where = actor.patch.window(shade.shape)
    if where is None:
        return
    looks: dict[Paint, np.ndarray] = {}
    for shape, outline in zip(actor.thing.drawing.shapes, actor.patch.outlines, strict=True):
        if shape.paint not in looks:
            looks[shape.paint] = _base_color(shape.paint, rng)
        cv2.fillPoly(colors, [outline], _shaded(looks[shape.paint], shape.shade).tolist(), cv2.LINE_AA, SHIFT)
    local = actor.patch.labels[where[1]]
    _apply_patterns(actor, colors[where[0]], local, looks, rng)
    np.copyto(shade[where[0]], _thing_shade(actor, local, light, rng), where=local > 0)


def _base_color(paint: Paint, rng: np.random.Generator) -> np.ndarray:
    """The RGB float[3] of a paint in this picture: its centre, jittered."""
    if paint.rgb is None and paint.color is None:
        raise ValueError("a paint has neither a colour name nor an rgb")
    center = np.array(paint.rgb if paint.rgb is not None else COLORS[str(paint.color)], dtype=np.float64)
    spread = 5.0 if paint.color in ("white", "gray", "black") else 9.0
    moved = center * rng.uniform(0.92, 1.06) + rng.normal(0.0, spread, 3)
    return np.minimum(np.maximum(moved, 4), 252)


def _shaded(rgb: np.ndarray, shade: float) -> np.ndarray:
    """The colour made darker (shade < 0) or lighter (> 0), at most by half."""
    return rgb * (1 + 0.5 * shade) if shade < 0 else rgb + (255 - rgb) * 0.5 * shade


def _apply_patterns(
    actor: Actor, colors: np.ndarray, local: np.ndarray, looks: dict[Paint, np.ndarray], rng: np.random.Generator
) -> None:
    """Nothing; paints stripes, dots or checks over the shapes that have them, in the thing's own directions."""
    for paint, rgb in looks.items():
        if paint.pattern == "plain":
            continue
        has = np.array([False, *(shape.paint == paint for shape in actor.thing.drawing.shapes)])[local]
        if not has.any():
            continue
        tall = actor.patch.labels.shape[0]
        period = min(max(tall * 0.075, 6.5), 26.0) * rng.uniform(0.9, 1.3)
        if paint.pattern == "dotted":
            period *= 1.15
        turn = actor.thing.angle + (rng.choice((0.0, np.pi / 2, np.pi / 4)) if paint.pattern == "striped" else 0.0)
        x = np.arange(local.shape[1], dtype=np.float32) + np.float32(rng.uniform(0, period))
        y = (np.arange(local.shape[0], dtype=np.float32) + np.float32(rng.uniform(0, period)))[:, None]
        c, s = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        weight = pattern(paint.pattern, x * c + y * s, y * c - x * s, period) * has
        second = _second_color(paint, rgb, rng)
        colors[:] = colors + (second - colors) * weight[..., None]


def _second_color(paint: Paint, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The colour of the pattern on a ground of `rgb`: clearly lighter or darker, so that the ground names the thing."""
    bright = float(rgb @ (0.3, 0.59, 0.11))
    if paint.color in ("white", "yellow", "pink", "gray", "orange") or bright > 150:
        second = rgb * rng.uniform(0.3, 0.5)
    else:
        second = rgb + (255 - rgb) * rng.uniform(0.7, 0.9)
    return second.astype(np.float32)


def _thing_shade(actor: Actor, local: np.ndarray, light: Sun, rng: np.random.Generator) -> np.ndarray:
    """Brightness float32[h, w] of a thing: rounded edges, a gradient across it, and texture."""
    height, width = local.shape
    levels = rng.uniform(0.7, 1.0, len(actor.thing.drawing.shapes) + 1).astype(np.float32)
    levels[0] = 0.0
    rounding = max(1.0, 0.016 * max(height, width))
    shade = 1 + relief(levels[local], light.direction, rounding) * np.float32(0.5 * light.strength)
    across = ramp(width) * np.float32(0.14 * light.direction[0] * light.strength)
    down = ramp(height) * np.float32(rng.uniform(-0.12, -0.02))
    shade += across + down[:, None]
    shade += noise("smooth", (height, width), rng) * np.float32(rng.uniform(0.03, 0.16))
    surface = ("fine", "fine", "blotch", "blotch", "cloudy", "grain")[int(rng.integers(6))]
    shade += noise(surface, (height, width), rng) * np.float32(rng.uniform(0.02, 0.12))
    return np.minimum(np.maximum(shade, 0.35), 1.6)
