import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mglmm.eval.phrase_classes import Match, PhraseClasses, PhraseMatches, normalized
from mglmm.eval.text_similarity import LexicalSimilarity
from tests.eval import realdata

NAMES = {1: "person", 2: "traffic light", 3: "wall-other-merged", 4: ["building;edifice", "house"], 5: "light"}


def rule(**options):
    return PhraseClasses(NAMES, LexicalSimilarity(), **options)


@pytest.mark.parametrize(
    ("phrase", "class_id", "how"),
    [
        ("A Person", 1, "name"),
        ("persons", 1, "name"),
        ("the traffic-lights", 2, "name"),
        ("wall", 3, "name"),
        ("an edifice", 4, "name"),
        ("houses", 4, "name"),
        ("the tall person", 1, "similarity"),
        ("a red traffic light", 2, "similarity"),
        ("a zebra", None, "unmatched"),
        ("", None, "unmatched"),
    ],
)
def test_the_rule(phrase, class_id, how):
    assert rule().match([phrase]) == [Match(class_id, how)]


def test_the_threshold_is_inclusive():
    phrase = "person sitting over there"  # F1 of 1 and 4 words: 2 / 5
    assert rule(threshold=0.4).match([phrase]) == [Match(1, "similarity")]
    assert rule(threshold=0.41).match([phrase]) == [Match(None, "unmatched")]


def test_equally_like_names_go_to_the_smallest_id():
    two = PhraseClasses({7: "red van", 3: "red bus"}, LexicalSimilarity())
    assert two.match(["the red one"]) == [Match(3, "similarity")]


def test_every_phrase_is_looked_up_once():
    asked = []

    class Counting(LexicalSimilarity):
        def table(self, truth, predicted):
            asked.append(list(truth))
            return super().table(truth, predicted)

    classes = PhraseClasses(NAMES, Counting())
    classes.match(["a zebra", "person", "a zebra"])
    classes.match(["a zebra", "a cow"])
    assert asked == [["a zebra"], ["a cow"]]


@given(st.lists(st.sampled_from(["person", "tall person", "cow", "wall", ""]), min_size=1), st.randoms())
def test_order_changes_nothing(phrases, random):
    moved = random.sample(phrases, len(phrases))
    matches = dict(zip(phrases, rule().match(phrases), strict=True))
    assert rule().match(moved) == [matches[phrase] for phrase in moved]


@given(st.text(max_size=30))
def test_normalizing_again_keeps_a_match(phrase):
    """What names a class still does when it is written in its normalized form."""
    classes = PhraseClasses({1: phrase or "x"}, LexicalSimilarity())
    if classes.names:
        assert classes.by_name[normalized(classes.names[0])] == 1


def test_shares():
    metric = PhraseMatches()
    assert all(math.isnan(value) for value in metric.compute().values())
    phrases = ["person", "tall person", "cow", "cow"]
    metric.update(phrases, rule().match(phrases))
    metric.update([], [])
    assert metric.compute() == {"phrases_by_name": 0.25, "phrases_by_similarity": 0.25, "phrases_unmatched": 0.5}
    assert metric.unmatched == [["cow", "cow"], []] and metric.subset([1]).unmatched == [[]]


def test_every_class_of_coco_is_met_by_its_own_name():
    path = realdata.folder("coco_panoptic") / "panoptic_coco_categories.json"
    names = {c["id"]: c["name"] for c in json.loads(path.read_text())}
    classes = PhraseClasses(names, LexicalSimilarity())
    matches = classes.match([f"the {name}" for name in names.values()])
    assert matches == [Match(class_id, "name") for class_id in names]


def test_no_classes():
    with pytest.raises(ValueError, match="no classes"):
        PhraseClasses({}, LexicalSimilarity())
