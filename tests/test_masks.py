"""Masks against plain numpy, on random shapes."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_masks

from mglmm import masks

sides = st.integers(1, 9)
mask = hnp.arrays(np.bool_, st.tuples(sides, sides))
pair = st.tuples(sides, sides).flatmap(
    lambda size: st.tuples(
        hnp.arrays(np.bool_, st.tuples(st.integers(1, 4), st.just(size[0]), st.just(size[1]))),
        hnp.arrays(np.bool_, st.tuples(st.integers(1, 4), st.just(size[0]), st.just(size[1]))),
    )
)


@given(mask)
def test_decode_inverts_encode(m: np.ndarray) -> None:
    rle = masks.encode(m)
    masks.validate(rle, m.shape)
    assert masks.decode(rle).dtype == np.bool_
    np.testing.assert_array_equal(masks.decode(rle), m)


@given(pair)
def test_many_at_once_is_one_by_one(stacks: tuple[np.ndarray, np.ndarray]) -> None:
    rles = masks.encode_many(stacks[0])
    assert rles == [masks.encode(m) for m in stacks[0]]
    np.testing.assert_array_equal(masks.decode_many(rles), stacks[0])


def test_hundreds_at_once() -> None:
    stack = np.random.default_rng(0).random((600, 4, 5)) < 0.5
    rles = masks.encode_many(stack)
    np.testing.assert_array_equal(masks.areas(rles), stack.sum((1, 2)))
    np.testing.assert_array_equal(masks.decode_many(rles), stack)
    assert masks.areas([]).shape == (0,)
    assert masks.boxes(rles).shape == (600, 4)
    assert masks.iou_matrix(rles, rles).diagonal().tolist() == [1.0] * 600
    assert masks.area(masks.union(rles)) == 20
    masks.validate_many([rle["counts"] for rle in rles], [(4, 5)] * 600, (4, 5))


@given(pair)
def test_matrices_are_those_of_numpy(stacks: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = stacks
    rles_a, rles_b = masks.encode_many(a), masks.encode_many(b)
    both = (a[:, None] & b[None]).sum((2, 3))
    either = (a[:, None] | b[None]).sum((2, 3))
    area = a.sum((1, 2))
    np.testing.assert_array_equal(masks.intersection_matrix(rles_a, rles_b), both)
    np.testing.assert_allclose(masks.iou_matrix(rles_a, rles_b), both / np.maximum(either, 1))
    np.testing.assert_allclose(masks.containment_matrix(rles_a, rles_b), both / np.maximum(area, 1)[:, None])
    np.testing.assert_array_equal(masks.areas(rles_a), area)


@given(pair)
def test_set_operations_are_those_of_numpy(stacks: tuple[np.ndarray, np.ndarray]) -> None:
    a = stacks[0]
    rles = masks.encode_many(a)
    np.testing.assert_array_equal(masks.decode(masks.union(rles)), a.any(0))
    np.testing.assert_array_equal(masks.decode(masks.intersect(rles)), a.all(0))
    np.testing.assert_array_equal(masks.decode(masks.subtract(rles[0], rles[-1])), a[0] & ~a[-1])


@given(mask)
def test_box_is_the_tightest(m: np.ndarray) -> None:
    ys, xs = np.nonzero(m)
    expected = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) if len(xs) else (0, 0, 0, 0)
    assert masks.box(masks.encode(m)) == expected


@given(mask)
def test_connected_components_split_the_mask(m: np.ndarray) -> None:
    parts = masks.connected_components(m)
    np.testing.assert_array_equal(np.sum(parts, axis=0) if parts else np.zeros(m.shape, int), m.astype(int))
    sizes = [int(p.sum()) for p in parts]
    assert sizes == sorted(sizes, reverse=True)
    for i, part in enumerate(parts):
        grown = np.pad(part, 1)
        around = np.logical_or.reduce([np.roll(grown, (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)])[
            1:-1, 1:-1
        ]
        assert not any((around & other).any() for j, other in enumerate(parts) if j != i)


def test_connected_components_join_around_corners() -> None:
    ring = np.ones((5, 5), bool)
    ring[2, 2] = ring[0, 1] = False
    assert len(masks.connected_components(ring)) == 1
    assert len(masks.connected_components(np.eye(4, dtype=bool))) == 1  # 8-connected
    u_shape = np.array([[1, 0, 1], [1, 0, 1], [1, 1, 1]], bool)
    assert len(masks.connected_components(u_shape)) == 1


@given(mask, st.integers(1, 4))
def test_resize_up_repeats_pixels_and_down_again_is_the_same(m: np.ndarray, factor: int) -> None:
    size = (m.shape[0] * factor, m.shape[1] * factor)
    larger = masks.resize(m, size)
    np.testing.assert_array_equal(larger, m.repeat(factor, 0).repeat(factor, 1))
    np.testing.assert_array_equal(masks.resize(larger, m.shape), m)


def test_resize_down_asks_for_half_of_the_area() -> None:
    m = np.zeros((4, 4), bool)
    m[0, :2] = m[0, 3] = True
    np.testing.assert_array_equal(masks.resize(m, (2, 2)), [[True, False], [False, False]])


def test_polygons_are_united() -> None:
    rle = masks.from_polygons([[0, 0, 4, 0, 4, 3, 0, 3], [6, 0, 8, 0, 8, 2, 6, 2]], (5, 10))
    assert masks.area(rle) == 4 * 3 + 2 * 2
    assert masks.box(rle) == (0, 0, 8, 3)
    with pytest.raises(ValueError, match="at least 3 points"):
        masks.from_polygons([[0, 0, 1, 1]], (5, 5))
    with pytest.raises(ValueError, match="no polygon"):
        masks.from_polygons([], (5, 5))
    for far in (1e9, -6.0, float("nan")):
        with pytest.raises(ValueError, match="far outside an image of 5 x 5"):
            masks.from_polygons([[0, 0, 4, far, 4, 3]], (5, 5))


@given(st.text(max_size=12), st.tuples(sides, sides))
def test_validate_refuses_what_does_not_fill_the_mask(counts: str, size: tuple[int, int]) -> None:
    try:
        masks.validate({"size": list(size), "counts": counts})
    except ValueError:
        return
    assert masks.decode({"size": list(size), "counts": counts}).shape == size


def test_contracts_name_both_sides() -> None:
    small, large = masks.encode(np.ones((2, 3), bool)), masks.encode(np.ones((4, 5), bool))
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(4, 5\)"):
        masks.iou_matrix([small], [large])
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(4, 5\)"):
        masks.validate(small, (4, 5))
    with pytest.raises(ValueError, match="5 pixels of 6"):
        masks.validate({"size": [2, 3], "counts": "5"})
    with pytest.raises(ValueError, match="middle of a run"):
        masks.validate({"size": [2, 3], "counts": "o"})
    with pytest.raises(ValueError, match="none at all"):
        masks.union([])
    with pytest.raises(ValueError, match="uint8"):
        masks.encode(np.ones((2, 2), np.uint8))


@settings(max_examples=20)
@given(st.integers(0, 3), st.integers(0, 3))
def test_empty_lists_give_empty_matrices(a: int, b: int) -> None:
    rle = masks.encode(np.ones((2, 2), bool))
    assert masks.iou_matrix([rle] * a, [rle] * b).shape == (a, b)
    assert masks.boxes([rle] * a).shape == (a, 4)
    assert masks.areas([rle] * a).shape == (a,)


def compressed(runs: list[int]) -> str:
    """The counts of these runs, one after the other, as the COCO API writes them."""
    text = ""
    for k, run in enumerate(runs):
        left, more = run - (runs[k - 2] if k > 2 else 0), True
        while more:
            code, left = left & 31, left >> 5
            more = left != (-1 if code & 16 else 0)
            text += chr(48 + code + 32 * more)
    return text


@given(st.lists(st.sampled_from((0, 0, 0, 1, 15, 16, 700)), min_size=1, max_size=6), st.integers(0, 2))
def test_empty_masks_are_known_by_their_counts(runs: list[int], padding: int) -> None:
    counts = compressed(runs)
    assert masks.is_empty(counts) == (not any(runs[1::2]))
    if counts[-1] in "0123456789:;<=>?":  # a last number of more characters than it needs
        longer = counts[:-1] + chr(ord(counts[-1]) + 32) + "P" * padding + "0"
        assert masks.is_empty(longer) == masks.is_empty(counts)


@given(mask)
def test_masks_without_a_pixel_are_empty(m: np.ndarray) -> None:
    assert masks.is_empty(masks.encode(m)["counts"]) == (not m.any())
    assert masks.is_empty(masks.encode(np.zeros_like(m))["counts"])


some_runs = st.lists(st.integers(0, 40) | st.integers(0, 2**31) | st.integers(-3, 3), max_size=9)


@given(st.lists(some_runs, max_size=7), st.data())
def test_runs_of_many_fill_their_masks_or_not(many: list[list[int]], data: st.DataObject) -> None:
    for runs in many:
        if runs and min(runs) >= 0:
            exact = coco_masks.frPyObjects({"size": [1, sum(runs)], "counts": runs}, 1, sum(runs))
            assert exact["counts"].decode() == compressed(runs)
    sizes = [(1, max(1, sum(runs) + data.draw(st.sampled_from((0, 0, 0, 1))))) for runs in many]
    right = [min(runs, default=-1) >= 0 and sum(runs) == size[1] for runs, size in zip(many, sizes, strict=True)]
    texts = [compressed(runs) for runs in many]
    if all(right):
        masks.validate_many(texts, sizes)
    else:
        wrong = right.index(False)
        with pytest.raises(ValueError, match=f"fill {sum(many[wrong])} pixels of {sizes[wrong][1]},"):
            masks.validate_many(texts, sizes)


def test_runs_whose_sum_leaves_64_bits_fill_nothing() -> None:
    """Every second one is longer than the one before by what seven characters hold; 64 bits of the sum are right."""
    count, total = 1 << 16, (1 << 64) + 100
    step, rest = divmod(total, count * (count + 1) // 2)
    runs = [run for k in range(count + 1) for run in (step * k, 0)]
    runs[-2] += rest
    assert sum(runs) == total
    counts = compressed(runs)
    with pytest.raises(ValueError, match="more than 32 bits"):
        masks.validate({"size": [10, 10], "counts": counts})
    with pytest.raises(ValueError, match="more than 32 bits"):
        masks.validate_many([counts], [(10, 10)])


@given(st.lists(st.one_of(mask, st.text("0123456789PQo`!é", max_size=8)), max_size=6))
def test_many_are_validated_as_each_alone(found: list[np.ndarray | str]) -> None:
    rles: list[masks.CocoRle] = [
        {"size": [3, 4], "counts": one} if isinstance(one, str) else masks.encode(one) for one in found
    ]

    def told(check: Callable[[], object]) -> str | None:
        try:
            check()
        except ValueError as error:
            return str(error)
        return None

    alone = [told(lambda rle=rle: masks.validate(rle)) for rle in rles]  # type: ignore[misc]
    texts = [rle["counts"] for rle in rles]
    sizes = [(rle["size"][0], rle["size"][1]) for rle in rles]
    assert told(lambda: masks.validate_many(texts, sizes)) == next(filter(None, alone), None)
