"""From proposals to a tree: containment, limits, and a named reason for everything left out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mglmm import masks
from mglmm.annotate.looks import Measured
from mglmm.annotate.records import Node, Proposal, Rejection
from mglmm.annotate.tree import TreeOptions, build_tree
from mglmm.schema import Rle

SIZE = (60, 80)
MEASURED = Measured(Image.new("RGB", (SIZE[1], SIZE[0]), (120, 40, 40)))


def box(x0: int, y0: int, x1: int, y1: int, **values: object) -> Proposal:
    mask = np.zeros(SIZE, bool)
    mask[y0:y1, x0:x1] = True
    return Proposal(rle=Rle.from_mask(mask), origin="test", **values)  # type: ignore[arg-type]


def tree(*proposals: Proposal, **options: object) -> tuple[tuple[Node, ...], tuple[Rejection, ...]]:
    return build_tree(proposals, MEASURED, TreeOptions.model_validate(options))


def edges(nodes: tuple[Node, ...]) -> dict[str, str]:
    """Label -> label of the parent."""
    names: dict[int | None, str] = {None: ""}
    names |= {node.id: node.proposal.label for node in nodes}
    return {names[node.id]: names[node.parent] for node in nodes}


WHOLE, PART, PIECE = (
    box(10, 10, 50, 50, label="whole"),
    box(15, 15, 35, 35, label="part"),
    box(16, 16, 24, 24, label="piece"),
)


def test_parts_below_wholes() -> None:
    other = box(60, 10, 70, 20, label="other")
    nodes, rejections = tree(PIECE, other, WHOLE, PART)
    assert edges(nodes) == {"whole": "", "part": "whole", "piece": "part", "other": ""}
    assert [(n.id, n.depth) for n in nodes] == [(1, 1), (2, 2), (3, 3), (4, 1)]
    assert not rejections


def test_containment_has_a_tolerance() -> None:
    outside = box(45, 20, 55, 30, label="half")  # half of it
    mostly = box(42, 20, 51, 30, label="mostly")  # 8 of 9 columns
    nodes, _ = tree(WHOLE, outside, mostly)
    assert edges(nodes) == {"whole": "", "half": "", "mostly": "whole"}
    nodes, _ = tree(WHOLE, mostly, containment=0.95)
    assert edges(nodes) == {"whole": "", "mostly": ""}


def test_best_of_near_duplicates_is_kept() -> None:
    worse, better = box(10, 10, 50, 50, label="worse", score=0.8), box(10, 10, 50, 49, label="better", score=0.9)
    nodes, rejections = tree(worse, better)
    assert [n.proposal.label for n in nodes] == ["better"]
    assert [(r.rule, r.stage) for r in rejections] == [("near_duplicate", "tree")] and "worse" in rejections[0].detail


@pytest.mark.parametrize(
    ("proposal", "rule"),
    [
        (box(5, 5, 6, 6), "too_small"),
        (box(0, 0, 80, 59), "too_large"),
        (box(5, 5, 30, 30, score=0.5), "low_score"),
        (box(5, 5, 30, 30, stability=0.3), "unstable"),
        (box(0, 0, 1, 40), "border_sliver"),
        (box(10, 59, 70, 60), "border_sliver"),
    ],
)
def test_faults_are_named(proposal: Proposal, rule: str) -> None:
    nodes, rejections = tree(proposal, min_stability=0.5, min_area=0.001, border_sliver=0.02)
    assert not nodes and [r.rule for r in rejections] == [rule]


def test_depth_is_limited_and_no_part_is_lost() -> None:
    nodes, rejections = tree(WHOLE, PART, PIECE, max_depth=2)
    assert edges(nodes) == {"whole": "", "part": "whole", "piece": "whole"} and not rejections
    nodes, _ = tree(WHOLE, PART, PIECE, max_depth=1)
    assert edges(nodes) == {"whole": "", "part": "", "piece": ""}


def test_branching_is_limited_with_all_that_hangs_on_it() -> None:
    small = box(62, 10, 72, 30, label="small"), box(64, 12, 70, 18, label="of small")
    nodes, rejections = tree(WHOLE, *small, max_children=1)
    assert edges(nodes) == {"whole": ""}
    assert [r.rule for r in rejections] == ["too_many_siblings", "whole_left_out"]
    nodes, rejections = tree(WHOLE, PART, PIECE, max_nodes=2)
    assert edges(nodes) == {"whole": "", "part": "whole"} and [r.rule for r in rejections] == ["too_many_nodes"]


def test_stuff_has_no_parts() -> None:
    sky, bird = box(0, 0, 80, 25, label="sky"), box(20, 5, 30, 12, label="bird")
    nodes, _ = tree(sky, bird)
    assert edges(nodes) == {"sky": "", "bird": ""}
    assert [(n.proposal.label, n.stuff) for n in nodes] == [("sky", True), ("bird", False)]


boxes = st.tuples(st.integers(0, 70), st.integers(0, 50), st.integers(1, 40), st.integers(1, 40), st.floats(0, 1))


@given(st.lists(boxes, max_size=14), st.integers(1, 3), st.integers(1, 4), st.randoms())
def test_whatever_comes_a_tree_goes(
    found: list[tuple[int, int, int, int, float]], depth: int, width: int, rng: object
) -> None:
    proposals = [box(x, y, min(x + w, 80), min(y + h, 60), score=round(s, 3)) for x, y, w, h, s in found]
    options = {"max_depth": depth, "max_children": width, "containment": 0.8}
    nodes, rejections = tree(*proposals, **options)
    assert len(nodes) + len(rejections) == len(proposals)
    assert [n.id for n in nodes] == list(range(1, len(nodes) + 1))
    by_id = {n.id: n for n in nodes}
    for node in nodes:
        assert node.depth <= depth
        if node.parent is not None:
            whole = by_id[node.parent]
            assert whole.depth == node.depth - 1 and whole.id < node.id and not whole.stuff
            assert masks.area(whole.rle.to_coco()) > masks.area(node.rle.to_coco())
    for parent in {n.parent for n in nodes}:
        # what the limit of depth moves up may add to a parent's parts, but the limit of width comes after it
        assert sum(n.parent == parent for n in nodes) <= width
    shuffled = list(proposals)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    assert tree(*shuffled, **options) == (nodes, rejections)
