"""Every kind of thing, in every pose, for many seeds: its drawing keeps the promises of `mglmm.world.drawing`."""

import cv2
import numpy as np
import pytest

from mglmm.world.drawing import COLORS, PATTERNS, Drawing, Kind, Paint
from mglmm.world.kinds import KINDS

SEEDS = range(8)
SETTINGS = {
    "street", "park", "beach", "farm", "lake", "snow", "yard",
    "kitchen", "living room", "bedroom", "office", "bathroom",
}  # fmt: skip
SUPPORTS = {"ground", "surface", "wall", "air", "water"}
CASES = [pytest.param(kind, pose, id=f"{kind.name}-{pose}") for kind in KINDS.values() for pose in kind.poses]
PIXELS = 320


def drawn(kind: Kind, pose: str, seed: int) -> tuple[Drawing, Paint]:
    """The drawing of a kind for a seed, and the paint it was asked for."""
    rng = np.random.default_rng([seed, 77])
    paint = Paint(str(rng.choice(kind.colors)), str(rng.choice(kind.patterns)))
    return kind.build(rng, paint, pose), paint


def shape_map(drawing: Drawing) -> np.ndarray:
    """The index of the front shape at each pixel, int32[H, W], -1 where there is none."""
    scale = PIXELS / max(drawing.width, 1.0)
    size = (int(scale) + 3, int(scale * drawing.width) + 3)
    image = np.full(size, -1, dtype=np.int32)
    for index, shape in enumerate(drawing.shapes):
        points = shape.points * scale + np.array([size[1] / 2, size[0] - 2])
        cv2.fillPoly(image, [np.round(points * 16).astype(np.int32)], index, shift=4)
    return image


def crosses_itself(points: np.ndarray) -> bool:
    """Whether two edges of the closed polygon cross properly (touching is allowed)."""
    a, b = points, np.roll(points, -1, axis=0)

    def side(p: np.ndarray, q: np.ndarray, r: np.ndarray) -> np.ndarray:
        area = (q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1]) - (q[..., 1] - p[..., 1]) * (r[..., 0] - p[..., 0])
        return np.where(np.abs(area) < 1e-7, 0.0, np.sign(area))

    first, second = (a[:, None], b[:, None]), (a[None], b[None])
    apart = side(*first, second[0]) * side(*first, second[1]) < 0
    return bool((apart & apart.T).any())


def test_there_are_enough_kinds() -> None:
    assert len(KINDS) >= 24
    with_parts = [kind for kind in KINDS.values() if len(drawn(kind, kind.poses[0], 0)[0].nodes) > 1]
    nested = [k for k in with_parts if any("/" in path for path in drawn(k, k.poses[0], 0)[0].nodes)]
    assert len(with_parts) >= 14
    assert len(nested) >= 8


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_description(kind: Kind) -> None:
    assert KINDS[kind.name] is kind
    assert kind.plural
    assert 0 < kind.height[0] <= kind.height[1]
    assert kind.settings
    assert kind.settings <= SETTINGS
    assert kind.support in SUPPORTS
    assert kind.category
    assert kind.uses
    assert kind.colors
    assert set(kind.colors) <= set(COLORS)
    assert set(kind.patterns) <= set(PATTERNS)
    assert len(set(kind.poses)) == len(kind.poses)


@pytest.mark.parametrize(("kind", "pose"), CASES)
def test_shapes_are_polygons_in_the_frame(kind: Kind, pose: str) -> None:
    for seed in SEEDS:
        drawing, _ = drawn(kind, pose, seed)
        assert drawing.shapes
        for shape in drawing.shapes:
            points = shape.points
            assert points.ndim == 2
            assert points.shape[0] >= 3
            assert points.shape[1] == 2
            assert np.isfinite(points).all()
            assert -1 <= shape.shade <= 1
            assert not crosses_itself(points), (shape.node, seed)
        every = np.concatenate([shape.points for shape in drawing.shapes])
        assert every[:, 1].min() >= -1.2, "only a raised hand or a hat rises above the height"
        assert every[:, 1].max() <= 0.01
        assert np.abs(every[:, 0]).max() <= drawing.width / 2 + 1e-6
        assert every[:, 1].min() < -0.2, "a thing fills its frame, but for low poses"
        for x, y in drawing.anchors.values():
            assert abs(x) <= drawing.width / 2 + 0.1
            assert -1.1 <= y <= 0.1


@pytest.mark.parametrize(("kind", "pose"), CASES)
def test_nodes_own_shapes_and_paints(kind: Kind, pose: str) -> None:
    for seed in SEEDS:
        drawing, paint = drawn(kind, pose, seed)
        assert drawing.nodes[""].name == kind.name
        assert drawing.nodes[""].paint is None or drawing.nodes[""].paint == paint or not drawing.nodes[""].paint.color
        owners = {shape.node for shape in drawing.shapes}
        assert owners <= set(drawing.nodes)
        for path, node in drawing.nodes.items():
            assert any(owner == path or owner.startswith(f"{path}/") or not path for owner in owners), path
            assert path.rpartition("/")[0] in drawing.nodes
            assert node.name == node.name.strip().lower()
            assert not any(letter.isdigit() for letter in node.name)
            if path and node.paint is not None and node.paint.color is not None:
                assert node.paint != drawing.nodes[""].paint, f"{path} repeats the paint of its thing"
                assert node.paint.color in COLORS
        for shape in drawing.shapes:
            assert (shape.paint.color is None) == (shape.paint.rgb is not None)
            assert shape.paint.pattern in PATTERNS


@pytest.mark.parametrize(("kind", "pose"), CASES)
def test_parts_are_seen_in_their_color(kind: Kind, pose: str) -> None:
    seen: dict[tuple[str, int], bool] = {}
    for seed in SEEDS:
        drawing, _ = drawn(kind, pose, seed)
        front = shape_map(drawing)
        counts = np.bincount(front[front >= 0], minlength=len(drawing.shapes))
        for path, node in drawing.nodes.items():
            inside = "" if not path else f"{path}/"
            within = [i for i, s in enumerate(drawing.shapes) if s.node == path or s.node.startswith(inside)]
            seen[path, seed] = bool(counts[within].sum() >= 0.001 * counts.sum())
            if path and node.paint is not None and node.paint.color is not None:
                own = [i for i, shape in enumerate(drawing.shapes) if shape.node == path]
                told = [i for i in own if drawing.shapes[i].paint.color == node.paint.color]
                assert counts[told].sum() >= 0.4 * counts[own].sum(), (path, seed)
    hidden = [key for key, is_seen in seen.items() if not is_seen]
    # A coat may hide the belt, the body the far hand.
    assert len(hidden) <= (0.15 * len(seen) if kind.category == "person" else 0), hidden


@pytest.mark.parametrize(("kind", "pose"), CASES)
def test_same_seed_same_drawing(kind: Kind, pose: str) -> None:
    first, second = drawn(kind, pose, 3)[0], drawn(kind, pose, 3)[0]
    assert first.nodes == second.nodes
    assert first.anchors == second.anchors
    for a, b in zip(first.shapes, second.shapes, strict=True):
        assert (a.node, a.paint, a.shade) == (b.node, b.paint, b.shade)
        np.testing.assert_array_equal(a.points, b.points)


@pytest.mark.parametrize("kind", [k for k in KINDS.values() if "riding" in k.uses], ids=lambda kind: kind.name)
def test_what_is_ridden_has_a_seat(kind: Kind) -> None:
    for pose in kind.poses:
        assert "seat" in drawn(kind, pose, 0)[0].anchors
