"""Panoptic and semantic scores against panopticapi, MGLMM's evaluator and the scores that others have published."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mglmm import masks
from mglmm.eval.panoptic import (
    ClassSegment,
    OfficialPanopticQuality,
    OfficialSemanticPanoptic,
    PanopticQuality,
    SemanticIoU,
    stuff_united,
    without_overlaps,
)
from mglmm.eval.tally import OfficialFailureError, intervals
from tests.eval import realdata
from tests.eval.golden import cases
from tests.eval.strategies import SIZE, rles

TOLERANCE = 1e-9
THINGS = {1: True, 2: True, 3: False}
BLANK = masks.encode(np.zeros(SIZE, dtype=bool))


def close(value):
    return pytest.approx(value, rel=0, abs=TOLERANCE)


@pytest.mark.parametrize(("case", "expected"), cases("panoptic_coco"))
def test_panopticapi(case, expected):
    things = {c["id"]: bool(c["isthing"]) for c in case["categories"]}
    metric, corrected = OfficialPanopticQuality(things), PanopticQuality(things)
    one_crowd = True
    for image in case["images"]:
        truth = [
            ClassSegment(s["category_id"], s["rle"], crowd=bool(s["iscrowd"]), area=s["area"])
            for s in image["gt_segments"]
        ]
        predicted = [ClassSegment(s["category_id"], s["rle"]) for s in image["pred_segments"]]
        metric.update(truth, predicted)
        corrected.update(truth, predicted)
        crowds = [segment.class_id for segment in truth if segment.crowd]
        one_crowd &= len(set(crowds)) == len(crowds)
    found = metric.compute()
    # the corrected numbers are the same unless there are several crowds of a class, which may then excuse more
    assert not one_crowd or corrected.compute() == found
    assert corrected.compute()["rq"] >= found["rq"]
    for part, suffix in {"All": "", "Things": "_things", "Stuff": "_stuff"}.items():
        for name in ("pq", "sq", "rq"):
            assert found[name + suffix] == close(expected[part][name])
    per_class = {str(class_id): values for class_id, values in metric.per_class().items()}
    assert {c: per_class[c] for c in expected["per_class"]} == {
        c: {name: close(value) for name, value in values.items()} for c, values in expected["per_class"].items()
    }


@pytest.mark.parametrize(("case", "expected"), cases("panoptic_mglmm"))
def test_mglmm(case, expected):
    metric = OfficialSemanticPanoptic(case["num_classes"])
    for image in case["images"]:
        truth = [ClassSegment(s["category_id"], s["rle"]) for s in image["gt"]]
        metric.update(truth, [ClassSegment(s["category_id"], s["segmentation"]) for s in image["pred"]], image["size"])
    if "raises" in expected:
        with pytest.raises(OfficialFailureError) as failure:
            metric.compute()
        assert failure.value.official_type == expected["raises"]
        return
    wanted = {name: close(expected["All"][name]) for name in ("pq", "sq", "rq")}
    assert metric.compute() == wanted | {"mean_iou": close(expected["mIoU"])}


CLASS_COLORS = {(0, 0, 255): 1, (255, 0, 0): 2, (0, 255, 0): 3, (255, 0, 255): 4, (0, 255, 255): 5, (255, 255, 0): 6}
"""Person, bear, tree, bird, sky, cat: the colors of deeplab2's class images; black is no class."""
TEAM = dict.fromkeys((47, 97, 133, 150, 174, 215, 244, 255), 1) | {198: 2}
"""Instance -> class of the truth images."""
PAIRS = {
    "team": ("team_gt_instance.png", TEAM),
    "bird": ("bird_gt.png", {92: 5, 176: 3, 255: 4}),
    "cat": ("cat_gt.png", {255: 6}),
}


@pytest.mark.parametrize(
    ("names", "published"),
    [
        (("team",), {"pq": 0.62156284, "sq": 0.64664984, "rq": 0.9666667}),
        (("bird", "cat", "team"), {"pq": 0.76855499, "sq": 0.7769174, "rq": 0.98888892}),
    ],
)
def test_published_panoptic_quality(names, published):
    """The pairs of deeplab2's own test, whose numbers are float32: 1e-6."""
    folder = realdata.folder("pq_oracle") / "evaluation" / "testdata"
    classes = {k: True for name in names for k in PAIRS[name][1].values()}
    metric = PanopticQuality(classes)
    for name in names:
        truth_file, class_of = PAIRS[name]
        truth = np.array(Image.open(folder / truth_file).convert("L"))
        instances = np.array(Image.open(folder / f"{name}_pred_instance.png").convert("L"))
        colors = np.array(Image.open(folder / f"{name}_pred_class.png").convert("RGB"))
        predicted = [
            ClassSegment(k, masks.encode((colors == color).all(axis=-1) & (instances == n)))
            for color, k in CLASS_COLORS.items()
            for n in np.unique(instances[(colors == color).all(axis=-1)])
        ]
        metric.update([ClassSegment(k, masks.encode(truth == n)) for n, k in class_of.items()], predicted)
    assert {name: metric.compute()[name] for name in published} == pytest.approx(published, abs=1e-6)


def test_published_scene_parsing():
    """SceneParse150's evaluator prints mean IoU 0.1000 and pixel accuracy 100 % for its own sample."""
    folder = realdata.folder("ade20k_150") / "sampleData"
    metric = SemanticIoU(range(1, 151))
    for path in sorted((folder / "annotations").glob("*.png")):
        maps = [np.array(Image.open(folder / kind / path.name)) for kind in ("annotations", "predictions")]
        truth, predicted = ([ClassSegment(int(k), masks.encode(m == k)) for k in np.unique(m[m > 0])] for m in maps)
        metric.update(truth, predicted, maps[0].shape)
    assert len(metric) > 0
    found = metric.compute()
    assert (round(found["mean_iou_all_classes"], 4), found["pixel_accuracy"], found["mean_iou"]) == (0.1, 1.0, 1.0)


@st.composite
def pictures(draw, min_size=0):
    """Segments of one image that do not overlap; several of a thing class, one of a stuff class."""
    drawn = draw(st.lists(st.tuples(st.sampled_from(list(THINGS)), rles()), min_size=min_size, max_size=4))
    scores = draw(st.lists(st.sampled_from([0.25, 0.5, None]), min_size=len(drawn), max_size=len(drawn)))
    segments = [ClassSegment(k, rle, score) for (k, rle), score in zip(drawn, scores, strict=True)]
    return [s for s in without_overlaps(stuff_united(segments, THINGS)) if masks.area(s.rle)]


def both(pairs):
    """All corrected scores of images."""
    panoptic, semantic = PanopticQuality(THINGS), SemanticIoU(THINGS)
    for truth, predicted in pairs:
        panoptic.update(truth, predicted)
        semantic.update(truth, predicted, SIZE)
    return panoptic.compute() | semantic.compute()


@given(st.lists(st.tuples(pictures(), pictures()), min_size=1, max_size=4), st.randoms())
def test_no_order_matters(pairs, random):
    moved = [
        (random.sample(truth, len(truth)), random.sample(predicted, len(predicted)))
        for truth, predicted in random.sample(pairs, len(pairs))
    ]
    np.testing.assert_equal(both(moved), both(pairs))


@given(st.lists(pictures(min_size=1), min_size=1, max_size=4))
def test_perfect_is_one_and_empty_is_zero(truths):
    perfect, empty = both([(t, t) for t in truths]), both([(t, []) for t in truths])
    kinds = {THINGS[segment.class_id] for truth in truths for segment in truth}
    for name in perfect.keys() - {"mean_iou_all_classes"}:
        if {"_things": True, "_stuff": False}.get(name[2:]) in {None, *kinds}:
            assert (perfect[name], empty[name]) == (1.0, 0.0), name
        else:
            assert math.isnan(perfect[name]) and math.isnan(empty[name])


@given(st.lists(st.tuples(pictures(min_size=1), pictures()), min_size=1, max_size=3), st.sampled_from(list(THINGS)))
def test_a_false_mask_never_helps(pairs, class_id):
    (truth, predicted), *others = pairs
    worse = [(truth, [*predicted, ClassSegment(class_id, BLANK)]), *others]
    before, after = both(pairs), both(worse)
    assert after["pq"] <= before["pq"] and after["rq"] <= before["rq"]


@given(st.lists(st.tuples(pictures(), pictures()), min_size=1, max_size=5), st.integers(0, 5))
def test_merging_shares_gives_the_whole(pairs, cut):
    for make in (lambda: PanopticQuality(THINGS), lambda: SemanticIoU(THINGS), lambda: OfficialSemanticPanoptic(4)):
        size = () if isinstance(make(), PanopticQuality) else (SIZE,)
        whole, first, second = make(), make(), make()
        for k, (truth, predicted) in enumerate(pairs):
            whole.update(truth, predicted, *size)
            (first if k < cut else second).update(truth, predicted, *size)
        first.merge(second)
        np.testing.assert_equal(first.sums(), whole.sums())
        np.testing.assert_equal(intervals(first, range(len(pairs)), 20), intervals(whole, range(len(pairs)), 20))


@given(st.lists(st.tuples(st.sampled_from(list(THINGS)), rles()), max_size=5), st.randoms())
def test_overlaps_are_resolved_without_regard_to_order(drawn, random):
    segments = [ClassSegment(k, rle) for k, rle in drawn]
    visible = without_overlaps(segments)
    moved = random.sample(range(len(segments)), len(segments))
    again = without_overlaps([segments[k] for k in moved])
    key = lambda s: (s.class_id, s.rle["counts"])  # noqa: E731
    assert sorted(map(key, again)) == sorted(map(key, visible))
    if visible:
        total = np.sum([masks.decode(s.rle) for s in visible], axis=0)
        np.testing.assert_array_equal(total, masks.decode(masks.union([s.rle for s in segments])))


def row(*columns):
    mask = np.zeros((1, 10), dtype=bool)
    mask[:, list(columns)] = True
    return masks.encode(mask)


def test_the_higher_score_lies_on_top_then_the_smaller():
    low, high, small = (
        ClassSegment(1, row(0, 1, 2), 0.5),
        ClassSegment(2, row(2, 3, 4), 0.9),
        ClassSegment(3, row(0), 0.5),
    )
    assert [s.rle for s in without_overlaps([low, high, small])] == [row(1), row(2, 3, 4), row(0)]


def test_stuff_is_one_segment():
    sky = [ClassSegment(3, row(0), 0.5), ClassSegment(3, row(5), 0.9)]
    assert stuff_united([*sky, ClassSegment(1, row(1))], THINGS) == [
        ClassSegment(1, row(1)),
        ClassSegment(3, row(0, 5), 0.9),
    ]


def test_panoptic_by_hand():
    metric = PanopticQuality(THINGS)
    truth = [ClassSegment(1, row(0, 1, 2)), ClassSegment(1, row(4, 5)), ClassSegment(3, row(6))]
    # 2 / 3 of the first; half of the second is not enough; class 2 is false; pixel 9 is not labelled
    predicted = [ClassSegment(1, row(0, 1)), ClassSegment(1, row(4)), ClassSegment(2, row(6)), ClassSegment(2, row(9))]
    image = metric.update(truth, predicted)
    found = metric.compute()
    assert found["pq"] == image == pytest.approx((2 / 3 / 2 + 0 + 0) / 3)
    assert (found["pq_things"], found["pq_stuff"]) == (pytest.approx((1 / 3 + 0) / 2), 0.0)
    assert metric.per_class()[1] == pytest.approx({"pq": 1 / 3, "sq": 2 / 3, "rq": 1 / 2})


def test_several_crowds():
    """P1: panopticapi forgets the first crowd of a class, so what lies on it is a false prediction."""
    truth = [ClassSegment(1, row(0, 1), crowd=True), ClassSegment(1, row(4, 5), crowd=True), ClassSegment(3, row(7))]
    predicted = [ClassSegment(1, row(0, 1)), ClassSegment(3, row(7))]
    corrected, official = PanopticQuality(THINGS), OfficialPanopticQuality(THINGS)
    corrected.update(truth, predicted)
    official.update(truth, predicted)
    assert (corrected.compute()["pq"], official.compute()["pq"]) == (1.0, 0.5)


def test_semantic_by_hand():
    metric = SemanticIoU(THINGS)
    truth = [ClassSegment(1, row(0, 1, 2)), ClassSegment(3, row(3, 4))]
    # pixel 2 is of the wrong class, pixel 4 is forgotten, pixel 9 is not labelled
    metric.update(truth, [ClassSegment(1, row(0, 1, 9)), ClassSegment(3, row(2, 3))], (1, 10))
    found = metric.compute()
    assert found["mean_iou"] == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert found["mean_iou_all_classes"] == pytest.approx((2 / 3 + 1 / 3) / 3)
    assert found["pixel_accuracy"] == pytest.approx(3 / 5)


def test_official_failures():
    for metric in (OfficialPanopticQuality(THINGS), OfficialSemanticPanoptic(3)):
        with pytest.raises(OfficialFailureError, match="ZeroDivisionError"):
            metric.compute()
    with pytest.raises(ValueError, match="predicted segments overlap"):
        PanopticQuality(THINGS).update([], [ClassSegment(1, row(0)), ClassSegment(2, row(0))])
    with pytest.raises(ValueError, match="no classes"):
        SemanticIoU([])
    with pytest.raises(KeyError, match="9"):
        PanopticQuality(THINGS).update([ClassSegment(9, row(0))], [])
