"""Turns from annotations: they fit the sample, say only what is certain, and are chosen fairly."""

from collections import Counter
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mglmm import grounding
from mglmm.colors import COLORS, UNLIKE
from mglmm.data.tasks import ASKED, MAKERS, USUAL, choose_conversations, turns, without_uscdf
from mglmm.data.view import MAX_ONE_BY_ONE, View
from mglmm.schema import GroundedText, Rle, Sample, Segment, Task, Turn

SIZE = 60
LABELS = ("cat", "car", "person", "trousers", "hair", "window", "thing")


def segment(number: int, label: str, x: int, y: int, width: int, height: int, parent: int | None = None) -> Segment:
    mask = np.zeros((SIZE, SIZE), bool)
    mask[y : y + height, x : x + width] = True
    return Segment(id=number, rle=Rle.from_mask(mask), label=label, parent=parent)


def make(*segments: Segment, exhaustive: tuple[str, ...] = (), **meta: object) -> Sample:
    return Sample(id="a", image="a.jpg", size=(SIZE, SIZE), segments=segments, exhaustive=exhaustive, meta=meta)


@st.composite
def samples(draw: st.DrawFn) -> tuple[Sample, dict[int, str]]:
    count = draw(st.integers(0, 9))
    segments = []
    for k in range(count):
        x, y, w, h = (draw(st.integers(low, high)) for low, high in ((0, 40), (0, 40), (1, 20), (1, 20)))
        parent = draw(st.sampled_from([None, *range(k)]))
        segments.append(segment(k, draw(st.sampled_from(LABELS)), x, y, w, h, parent))
    colors = {k: draw(st.sampled_from(list(COLORS))) for k in range(count) if draw(st.booleans())}
    return make(*segments, exhaustive=draw(st.sampled_from([(), ("cat", "dog", "skis")]))), colors


@settings(max_examples=60, deadline=None)
@given(samples(), st.integers(0, 2**32))
def test_turns_fit_any_sample(drawn: tuple[Sample, dict[int, str]], seed: int) -> None:
    sample, colors = drawn
    made = turns(sample, np.random.default_rng(seed), colors=colors)
    assert made == turns(sample, np.random.default_rng(seed), colors=colors)
    Sample.model_validate({**sample.model_dump(), "turns": [t.model_dump() for t in made]})
    for t in made:
        assert grounding.parse(grounding.render(t.answer), t.answer.segment_ids).text == t.answer
        assert t.instruction.isascii() and t.answer.text.isascii() and "  " not in t.answer.text + t.instruction
        assert not any(c in t.instruction + t.answer.text for c in "{}[]|")


@settings(max_examples=40, deadline=None)
@given(samples(), st.integers(0, 2**32))
def test_absence_is_claimed_only_where_it_is_certain(drawn: tuple[Sample, dict[int, str]], seed: int) -> None:
    sample, colors = drawn
    view = View(sample, colors)
    for t in turns(sample, np.random.default_rng(seed), colors=colors):
        if t.family in ("absent", "absent_label"):
            assert not t.answer.spans
            assert any(view_label in t.instruction for view_label in ("cat", "dog", "skis"))
            assert sample.exhaustive
        if t.family == "near_miss_color":
            cats = view.by_label["cat"]
            wrong = [c for c in COLORS if f"{c} cat" in t.instruction]
            assert wrong and all(i.color and c in UNLIKE[i.color] for c in wrong for i in cats)


@settings(max_examples=60, deadline=None)
@given(samples())
def test_descriptions_mean_one_thing_only(drawn: tuple[Sample, dict[int, str]]) -> None:
    view = View(*drawn)
    said: dict[str, int] = {}
    for item in view.items.values():
        for words in (w for family in view.descriptions(item).values() for w in family):
            assert said.setdefault(words, item.id) == item.id


def test_tasks_can_be_chosen() -> None:
    sample = make(segment(0, "cat", 0, 0, 20, 20))
    made = turns(sample, np.random.default_rng(0), tasks=["gcg", "referring"])
    assert {t.task for t in made} == {"gcg", "referring"}
    with pytest.raises(ValueError, match="unknown tasks"):
        turns(sample, np.random.default_rng(0), tasks=["gcgs"])  # type: ignore[list-item]
    assert set(MAKERS) <= set(get_args(Task))


def test_a_whole_is_told_before_its_parts_and_the_choice_does_not_depend_on_chance() -> None:
    person = segment(0, "person", 10, 5, 30, 50)
    parts = [segment(1, "trousers", 10, 30, 30, 20, 0), segment(2, "hair", 10, 5, 30, 5, 0)]
    sample = make(person, *parts, segment(3, "cat", 45, 45, 10, 10), segment(4, "cat", 58, 58, 1, 1))
    told = set()
    for seed in range(20):
        for t in turns(sample, np.random.default_rng(seed), tasks=["mgsc"], colors={1: "blue"}):
            told.add((t.family, t.answer.segment_ids))
            assert "blue trousers" in t.answer.text
    assert told == {("panoptic", (0, 2, 1, 3)), ("part", (0, 2, 1))}


def test_many_instances_stand_behind_one_group() -> None:
    windows = [segment(k, "window", 10 * k, 5, 6, 6) for k in range(MAX_ONE_BY_ONE + 1)]
    union = Rle.from_mask(np.any([s.mask for s in windows], axis=0))
    group = Segment(id=9, rle=union, label="window")
    sample = make(*windows, group, groups=[9])
    (panoptic,) = turns(sample, np.random.default_rng(0), tasks=["mgsc"])
    assert panoptic.answer.phrases == ("many windows",) and panoptic.answer.segment_ids == (9,)
    bare = [t for t in turns(sample, np.random.default_rng(1), tasks=["semantic"]) if t.family == "bare"]
    assert bare and all(t.answer.segment_ids == (9,) for t in bare)
    few = make(*windows[:3])
    (semantic,) = [t for t in turns(few, np.random.default_rng(1), tasks=["semantic"]) if t.family == "label"]
    assert semantic.answer.segment_ids == (0, 1, 2) and semantic.answer.phrases == ("the windows",)


def test_short_captions_name_a_segment() -> None:
    first, second = segment(0, "cat", 0, 0, 20, 20), segment(1, "cat", 30, 30, 20, 20)
    sample = make(first.model_copy(update={"caption": "A sleepy tabby."}), second)
    view = View(sample, {})
    assert view.descriptions(view.items[0])["caption"] == ["sleepy tabby"]
    assert "caption" not in view.descriptions(view.items[1])


def conversation(task: Task, length: int = 1) -> list[Turn]:
    return [Turn(task=task, instruction="a", answer=GroundedText(text="b"), follows=k > 0) for k in range(length)]


def test_conversations_are_drawn_by_task_without_replacement() -> None:
    held = [conversation("referring") for _ in range(8)] + [conversation("mgsc", 2), conversation("caption")]
    rng = np.random.default_rng(0)
    first: Counter[str] = Counter()
    for _ in range(600):
        drawn = choose_conversations(held, rng, 3, {"mgsc": 2.0, "caption": 0.0})
        first[drawn[0][0].task] += 1
        assert len(drawn) == 3 and sum(c[0].task == "mgsc" for c in drawn) <= 1
        assert all(c[0].task != "caption" for c in drawn)
    assert 0.6 < first["mgsc"] / 600 < 0.73  # 2 of 3, although there are eight times as many of the other task
    assert len(choose_conversations(held, rng, 99, {})) == len(held)
    assert choose_conversations(held[8:9], rng, 1, {})[0] == held[8]


def test_conversations_that_cannot_be_drawn_are_refused() -> None:
    held = [conversation("caption")]
    with pytest.raises(ValueError, match="caption.*positive weight"):
        choose_conversations(held, np.random.default_rng(0), 1, {"caption": 0.0})
    with pytest.raises(ValueError, match="negative"):
        choose_conversations(held, np.random.default_rng(0), 1, {"gcg": -1.0})


def test_everything_is_named_label_by_label_when_it_is_asked_for() -> None:
    sample = make(
        segment(0, "cat", 0, 0, 10, 10),
        segment(1, "cat", 30, 0, 10, 10),
        segment(2, "car", 0, 20, 50, 30),
        segment(3, "window", 5, 25, 5, 5, parent=2),
    )
    (everything,) = turns(sample, np.random.default_rng(0), tasks=["panoptic"])
    assert everything.answer.phrases == ("the car", "the cats")
    assert everything.answer.segment_ids == (2, 0, 1)
    assert not [t for t in turns(sample, np.random.default_rng(0)) if t.task == "panoptic"]
    many = make(*(segment(k, f"thing{k}", k, 0, 5, 5) for k in range(13)))
    assert turns(many, np.random.default_rng(0), tasks=["panoptic"]) == []
    assert USUAL | {"panoptic"} == set(MAKERS)


@settings(max_examples=40, deadline=None)
@given(samples(), st.integers(0, 2**32))
def test_without_the_unified_format_masks_follow_a_fixed_reply(drawn: tuple[Sample, dict[int, str]], seed: int) -> None:
    sample, colors = drawn
    for t in turns(sample, np.random.default_rng(seed), tasks=list(MAKERS), colors=colors):
        bare = without_uscdf(t)
        assert (bare.instruction, bare.task, bare.follows) == (t.instruction, t.task, t.follows)
        if t.task not in ASKED:
            assert bare == t
            continue
        assert bare.answer.segment_ids == tuple(dict.fromkeys(t.answer.segment_ids))
        assert bare.answer.text == ("It is here." if t.answer.spans else "It is not here.")
        Sample.model_validate(
            {**sample.model_dump(), "turns": [bare.model_copy(update={"follows": False}).model_dump()]}
        )


def test_labels_are_spoken_as_people_say_them() -> None:
    sample = make(
        segment(0, "wall-other-merged", 0, 0, 60, 20),
        segment(1, "baby_buggy", 0, 30, 20, 20),
        segment(2, "bow_(weapon)", 30, 30, 9, 9),
        segment(3, "bow_(ribbon)", 45, 30, 9, 9),
        exhaustive=("baby_buggy", "wall-other-merged", "wall-brick", "tree-merged", "bow_(knot)", "polar_bear"),
    )
    view = View(sample, {})
    assert set(view.by_label) == {"wall", "baby buggy", "bow"}
    assert view.absent == ["polar bear"]
    made = turns(sample, np.random.default_rng(0))
    assert not [t for t in made if any(c in t.instruction + t.answer.text for c in "_(") or "-other" in t.answer.text]


def test_labels_without_marks_are_left_alone() -> None:
    sample = make(segment(0, "t-shirt", 0, 0, 20, 20), exhaustive=("cat",))
    assert View(sample, {}).sample is sample


def test_what_nobody_told_apart_is_not_counted() -> None:
    cats = [segment(0, "cat", 0, 0, 20, 20), segment(1, "cat", 30, 30, 20, 20)]
    counted = make(*cats, segment(2, "tree", 0, 40, 20, 20), exhaustive=("cat", "tree"))
    crowded = make(*counted.segments, exhaustive=("cat", "tree"), crowd_ids=[1], stuff_ids=[2])
    for sample, expected in ((counted, {"count", "numbered"}), (crowded, set[str]())):
        made = [t for seed in range(8) for t in turns(sample, np.random.default_rng(seed))]
        assert {t.family for t in made} & {"count", "numbered"} == expected
        alone = {i for t in made if t.task == "referring" for i in t.answer.segment_ids}
        assert alone == ({0, 1, 2} if expected else {2})
