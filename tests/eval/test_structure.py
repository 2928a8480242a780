import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mglmm import masks
from mglmm.eval.structure import Hallucination, MaskTree, parents_of
from mglmm.eval.text_similarity import LexicalSimilarity
from tests.eval.strategies import PHRASES, SIZE, rles

BLANK = masks.encode(np.zeros(SIZE, dtype=bool))
SIMILARITY = LexicalSimilarity()


@st.composite
def trees(draw, min_size=0, max_size=5):
    """(masks, parents): every mask after the first may be a part of an earlier one."""
    rle = draw(st.lists(rles(), min_size=min_size, max_size=max_size))
    return rle, [draw(st.sampled_from([None, *range(k)])) for k in range(len(rle))]


def moved(tree, order):
    """The tree with its masks in another order."""
    rle, parents = tree
    place = {old: new for new, old in enumerate(order)} | {None: None}
    return [rle[k] for k in order], [place[parents[k]] for k in order]


def tree_scores(pairs):
    metric = MaskTree()
    for truth, predicted in pairs:
        metric.update(*truth, *predicted)
    return metric.compute()


@given(st.lists(st.tuples(trees(), trees()), min_size=1, max_size=3), st.randoms())
def test_no_order_changes_a_tree(pairs, random):
    shuffled = [
        tuple(moved(tree, random.sample(range(len(tree[0])), len(tree[0]))) for tree in pair)
        for pair in random.sample(pairs, len(pairs))
    ]
    np.testing.assert_equal(tree_scores(shuffled), tree_scores(pairs))


@given(st.lists(trees(min_size=1), min_size=1, max_size=3))
def test_perfect_tree_is_one_and_empty_is_zero(truths):
    assert set(tree_scores([(t, t) for t in truths]).values()) == {1.0}
    assert set(tree_scores([(t, ([], [])) for t in truths]).values()) == {0.0}


@example(
    truth=([{"size": [6, 7], "counts": counts} for counts in ("01Y1", "01Y1", "?150?")], [None, None, None]),
    predicted=([{"size": [6, 7], "counts": counts} for counts in ("01Y1", "e01d0", "e01d0")], [None, None, 0]),
)
@given(trees(min_size=1), trees())
def test_a_false_mask_never_helps_a_tree(truth, predicted):
    before = tree_scores([(truth, predicted)])
    after = tree_scores([(truth, ([*predicted[0], BLANK], [*predicted[1], None]))])
    assert all(after[name] <= before[name] for name in before)


@given(st.lists(st.tuples(trees(), trees()), min_size=1, max_size=5), st.integers(0, 5))
def test_merging_shares_gives_the_whole(pairs, cut):
    first, second = MaskTree(), MaskTree()
    for k, (truth, predicted) in enumerate(pairs):
        (first if k < cut else second).update(*truth, *predicted)
    first.merge(second)
    np.testing.assert_equal(first.compute(), tree_scores(pairs))


def row(*columns):
    mask = np.zeros((1, 12), dtype=bool)
    mask[:, list(columns)] = True
    return masks.encode(mask)


PERSON, HEAD, EAR, DOG = row(*range(8)), row(0, 1, 2), row(0), row(9, 10)


def test_tree_by_hand():
    metric = MaskTree()
    truth = [PERSON, HEAD, EAR, DOG], [None, 0, 1, None]
    # the ear hangs on the person instead of the head, the dog is a part, and something is made up
    image = metric.update(*truth, [PERSON, HEAD, EAR, DOG, row(11)], [None, 0, 0, 0, None])
    found = metric.compute()
    assert found == {"parent_accuracy": 2 / 4, "tree_precision": 2 / 5, "tree_recall": 2 / 4, "tree_f1": 4 / 9}
    assert image == found["tree_f1"]


def test_parents_by_containment():
    assert parents_of([EAR, HEAD, PERSON, DOG]) == [1, 2, None, None]
    assert parents_of([HEAD, HEAD]) == [None, None]
    assert parents_of([]) == []


def test_bad_trees_are_refused():
    with pytest.raises(ValueError, match="1 masks and 0 parents"):
        MaskTree().update([HEAD], [], [], [])
    with pytest.raises(ValueError, match="mask 0 form a cycle"):
        MaskTree().update([HEAD, EAR], [1, 0], [], [])


names = st.lists(PHRASES, max_size=4)


@given(st.lists(st.tuples(names, names), min_size=1, max_size=4), st.randoms())
def test_no_order_changes_hallucination(pairs, random):
    one, other = Hallucination(), Hallucination()
    for there, phrases in pairs:
        one.update(SIMILARITY.table(there, phrases))
    for there, phrases in random.sample(pairs, len(pairs)):
        table = SIMILARITY.table(random.sample(there, len(there)), random.sample(phrases, len(phrases)))
        other.update(table)
    np.testing.assert_equal(other.compute(), one.compute())


@given(names, names)
def test_hallucination_is_bounded_by_truth_and_grows_with_what_is_made_up(there, phrases):
    def rate(said):
        metric = Hallucination()
        metric.update(SIMILARITY.table(there, said))
        return metric.compute()["hallucination_rate"]

    assert rate(there) == rate([]) == 0.0
    assert rate([*phrases, "a unicorn"]) >= rate(phrases)


def test_hallucination_by_hand():
    metric = Hallucination()
    assert metric.update(SIMILARITY.table(["a red car", "the sky"], ["the car", "a dog", "sky", "tree"])) == 0.5
    assert metric.update(SIMILARITY.table(["a tree"], ["a tree"])) == 0.0
    assert metric.update(np.zeros((0, 2)), judged=np.array([True, False])) == 1.0
    assert metric.update(np.zeros((3, 0))) == 0.0
    assert metric.compute() == {"hallucination_rate": 3 / 6, "hallucinated_images": 2 / 4}


def test_nothing_to_divide_by_is_nan():
    for metric in (MaskTree(), Hallucination()):
        assert all(math.isnan(value) for value in metric.compute().values())
