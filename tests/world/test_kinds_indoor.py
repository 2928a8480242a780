"""People and the things of a home: what the stage and the language build upon. (`test_kinds` holds for every kind.)"""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mglmm.world.drawing import Drawing, Kind, Paint
from mglmm.world.kinds import KINDS, person
from mglmm.world.kinds.figure import CHILD, MAN, POSES, WOMAN, pose_body
from mglmm.world.kinds.sketch import Sketch

SITTABLE = ("chair", "stool", "armchair", "sofa", "bed")
LAID = ("table", "desk", "shelf", "cabinet", "stool", "bed")
OPEN_VESSELS = ("basket", "bucket", "sink", "bathtub")
SEEDS = range(40)


def drawn(kind: Kind, pose: str, seed: int) -> Drawing:
    return kind.build(np.random.default_rng(seed), Paint("green"), pose)


def names(drawing: Drawing) -> set[str]:
    return {node.name for node in drawing.nodes.values()}


def paths_by_name(drawing: Drawing, name: str) -> list[str]:
    return [path for path, node in drawing.nodes.items() if node.name == name]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), pose=st.sampled_from(POSES), kind=st.sampled_from(person.KINDS))
def test_every_person_is_whole(seed: int, pose: str, kind: Kind) -> None:
    drawing = drawn(kind, pose, seed)
    assert drawing.nodes[""].paint is None, "people have no colour of their own"
    assert "head" in drawing.nodes
    feet = [path for path in drawing.nodes if path in ("shoe1", "shoe2")]
    assert len(feet) == 2
    assert names(drawing) & {"shirt", "sweater", "jacket", "coat", "dress"}
    assert names(drawing) & {"trousers", "shorts", "skirt", "dress", "coat"}
    for side in "12":
        assert {f"arm{side}", f"hand{side}", f"glove{side}"} & set(drawing.nodes), "bare arm, hand or glove"
    assert {"hand", "hand_left", "head_top", "seat"} <= set(drawing.anchors)
    lowest = max(float(shape.points[:, 1].max()) for shape in drawing.shapes)
    assert lowest == pytest.approx(0.0, abs=0.012)


def test_people_vary() -> None:
    seen: set[str] = set()
    for kind in person.KINDS:
        for seed in SEEDS:
            seen |= names(drawn(kind, kind.poses[seed % len(kind.poses)], seed))
    assert {
        "hair", "beard", "hat", "cap", "helmet", "ribbon", "pompom", "sunglasses", "scarf", "tie", "shirt", "jacket",
        "coat", "sweater", "dress", "pocket", "logo", "belt", "buckle", "trousers", "shorts", "skirt", "leg", "sock",
        "shoe", "boot", "sole", "arm", "hand", "glove", "watch", "wristband", "bag", "strap", "handle", "backpack",
    } <= seen  # fmt: skip


def test_about_four_in_ten_people_wear_a_hat() -> None:
    hats = [
        any(path == "head/hat" for path in drawn(k, k.poses[0], seed).nodes) for k in person.KINDS for seed in SEEDS
    ]
    assert 0.2 < np.mean(hats) < 0.6


def test_the_upper_garment_takes_the_paint() -> None:
    for kind in person.KINDS:
        for seed in SEEDS:
            drawing = kind.build(np.random.default_rng(seed), Paint("purple", "striped"), "standing")
            told = [node.name for node in drawing.nodes.values() if node.paint == Paint("purple", "striped")]
            assert set(told) & {"shirt", "sweater", "jacket", "coat", "dress"}


@pytest.mark.parametrize("proportions", [MAN, WOMAN, CHILD])
def test_poses_put_the_joints_where_they_belong(proportions: object) -> None:
    assert isinstance(proportions, type(MAN))
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        standing, sitting = pose_body(rng, proportions, "standing"), pose_body(rng, proportions, "sitting")
        riding, waving = pose_body(rng, proportions, "riding"), pose_body(rng, proportions, "waving")
        assert sitting.hip[1] > 0.75 * standing.hip[1], "a seat is below the standing hip (y points down)"
        assert waving.arms[1][2][1] < waving.neck[1], "a waving hand is above the shoulder"
        for hand in (riding.arms[0][2], riding.arms[1][2]):
            assert hand[0] > riding.hip[0] + 0.1, "a rider holds the handlebar in front"
        assert riding.view == "side"


@pytest.mark.parametrize("name", SITTABLE)
def test_seats(name: str) -> None:
    for seed in SEEDS:
        x, y = drawn(KINDS[name], "", seed).anchors["seat"]
        assert -1.05 < y < -0.2
        assert abs(x) < 0.9


@pytest.mark.parametrize("name", LAID)
def test_surfaces(name: str) -> None:
    for seed in SEEDS:
        drawing = drawn(KINDS[name], "", seed)
        x, y = drawing.anchors["surface"]
        assert abs(x) < drawing.width / 2
        assert -1.05 < y < -0.15


def test_open_things_hold_things() -> None:
    for name in OPEN_VESSELS:
        assert "inside" in drawn(KINDS[name], "", 0).anchors
    assert "inside" in drawn(KINDS["box"], "open", 0).anchors
    assert "inside" not in drawn(KINDS["box"], "closed", 0).anchors


def test_small_things_have_a_place_for_the_hand() -> None:
    for kind in KINDS.values():
        small = kind.support == "surface" and kind.height[1] < 0.6
        if small and kind.category not in ("furniture", "animal", "plant"):
            for pose in kind.poses:
                assert "hand" in drawn(kind, pose, 1).anchors, kind.name


def test_states_follow_poses() -> None:
    lit, unlit = drawn(KINDS["candle"], "lit", 0), drawn(KINDS["candle"], "unlit", 0)
    assert (lit.nodes[""].state, unlit.nodes[""].state) == ("lit", None)
    assert "flame" in names(lit) - names(unlit)
    assert drawn(KINDS["umbrella"], "open", 0).nodes[""].state == "open"
    assert drawn(KINDS["man"], "sitting", 0).nodes[""].state == "sitting"


def test_parts_of_parts() -> None:
    for name, part in (
        ("wardrobe", "handle"),
        ("phone", "app"),
        ("backpack", "zipper"),
        ("gift", "bow"),
        ("clock", "hand"),
    ):
        deep = [path.count("/") for seed in SEEDS for path in paths_by_name(drawn(KINDS[name], "", seed), part)]
        assert deep and min(deep) >= 1, (name, part)


def test_a_sketch_frames_what_is_drawn_in_any_unit() -> None:
    s = Sketch("thing", Paint("red"))
    s.fill("", [(10, 20), (30, 20), (30, 60), (10, 60)])
    s.part("part", "part", Paint("red"))
    s.part("other", "other", Paint("blue"))
    drawing = s.drawing({"top": (20.0, 20.0)})
    np.testing.assert_allclose(drawing.shapes[0].points, [(-0.25, -1), (0.25, -1), (0.25, 0), (-0.25, 0)])
    assert drawing.width == pytest.approx(0.5)
    assert drawing.anchors["top"] == pytest.approx((0.0, -1.0))
    assert drawing.nodes["part"].paint is None, "the thing's own paint is not told again"
    assert drawing.nodes["other"].paint == Paint("blue")


@pytest.mark.slow
def test_a_drawing_takes_little_time() -> None:
    for kind in KINDS.values():
        start = time.process_time()
        for seed in range(30):
            drawn(kind, kind.poses[0], seed)
        assert (time.process_time() - start) / 30 < 0.003, kind.name
