import re
import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mglmm.colors import COLORS
from mglmm.data.tasks import choose_conversations, turns
from mglmm.data.vocabulary import SYNONYMS, noun
from mglmm.grounding import parse, render
from mglmm.instructions import number_word
from mglmm.schema import GroundedText, Rle, Sample, Segment, Turn

SIZE = (96, 128)
WHOLES = ("cat", "dog", "car", "chair", "person")
PARTS = {"person": ("hair", "jacket", "trousers", "shoes"), "car": ("window", "wheel")}
ABSENT = ("horse", "boat", "pizza")


def segment(id, label, box, **fields):
    mask = np.zeros(SIZE, dtype=bool)
    left, top, right, bottom = box
    mask[top:bottom, left:right] = True
    return Segment(id=id, rle=Rle.from_mask(mask), label=label, **fields)


def sample(*segments, exhaustive=(), **fields):
    return Sample(id="s", image="s.png", size=SIZE, segments=segments, exhaustive=exhaustive, **fields)


def person(id=0, left=30):
    """A person with four parts (ids `id`..`id` + 4) in 40 columns."""
    right = left + 40
    return (
        segment(id, "person", (left, 5, right, 93)),
        segment(id + 1, "hair", (left + 8, 5, right - 8, 18), parent=id),
        segment(id + 2, "jacket", (left, 25, right, 55), parent=id),
        segment(id + 3, "trousers", (left + 5, 55, right - 5, 82), parent=id),
        segment(id + 4, "shoes", (left + 5, 83, right - 5, 93), parent=id),
    )


def all_turns(record, seeds=30, colors=None):
    """The turns of many seeds, so that what is drawn by chance is seen."""
    return [t for seed in range(seeds) for t in turns(record, np.random.default_rng(seed), colors=colors)]


@st.composite
def records(draw):
    """A sample of up to seven things with up to four parts each, and a color name for some segments."""
    segments, colors = [], {}
    for _ in range(draw(st.integers(1, 7))):
        label = draw(st.sampled_from(WHOLES))
        left, top = draw(st.integers(0, 90)), draw(st.integers(0, 60))
        width, height = draw(st.integers(3, 38)), draw(st.integers(3, 36))
        whole = segment(len(segments), label, (left, top, left + width, top + height))
        segments.append(whole)
        for number, part in enumerate(draw(st.lists(st.sampled_from(PARTS.get(label, ("ear",))), max_size=4))):
            y = top + number * height // 4
            box = (left, y, left + width, max(y + height // 4, y + 1))
            segments.append(segment(len(segments), part, box, parent=whole.id))
    for s in segments:
        if draw(st.booleans()):
            colors[s.id] = draw(st.sampled_from(tuple(COLORS)))
    return sample(*segments, exhaustive=(*WHOLES, *ABSENT)), colors


@settings(max_examples=40, deadline=None)
@given(records(), st.integers(0, 2**32 - 1))
def test_turns_are_valid_and_repeat(drawn, seed):
    record, colors = drawn
    made = turns(record, np.random.default_rng(seed), colors=colors)
    assert made == turns(record, np.random.default_rng(seed), colors=colors)
    assert Sample.model_validate({**record.model_dump(), "turns": [t.model_dump() for t in made]}).turns == tuple(made)
    for turn in made:
        assert turn.instruction[0].isupper() and "{" not in turn.instruction + turn.answer.text
        assert turn.answer.text.isascii() and "  " not in turn.answer.text
        assert turn.answer.text.endswith(".")
        assert len(set(turn.answer.segment_ids)) == len(turn.answer.segment_ids)
        assert parse(render(turn.answer), turn.answer.segment_ids).text == turn.answer


@settings(max_examples=40, deadline=None)
@given(records(), st.integers(0, 2**32 - 1))
def test_a_referring_phrase_fits_its_target_alone(drawn, seed):
    record, colors = drawn
    for turn in turns(record, np.random.default_rng(seed), {"referring"}, colors):
        (phrase,), (target,) = turn.answer.phrases, turn.answer.segment_ids
        assert phrase in turn.instruction
        assert [s.id for s in record.segments if fits(phrase, s, record, colors)] == [target], phrase


def fits(phrase, s, record, colors):
    """Whether a person would say that the phrase may mean the segment; written apart from the rules under test."""
    same = [o for o in record.segments if o.label == s.label]
    names = (s.label, *SYNONYMS.get(s.label, ()))
    if not any(re.search(rf"\b{name}\b", phrase) for name in names):
        return False
    color = next((c for c in COLORS if c in phrase.split()), None)
    if color and colors.get(s.id, color) != color:
        return False
    x, y = center(s)
    xs = sorted(center(o)[0] for o in same)
    checks = {
        "leftmost": x == xs[0],
        "rightmost": x == xs[-1],
        "largest": s.area == max(o.area for o in same),
        "smallest": s.area == min(o.area for o in same),
        "on the left": x < SIZE[1] / 2,
        "on the right": x > SIZE[1] / 2,
        "at the top": y < SIZE[0] / 2,
        "at the bottom": y > SIZE[0] / 2,
        "in the middle": abs(x - SIZE[1] / 2) < SIZE[1] / 6,
        "first": x == (xs[0] if phrase.endswith("left") else xs[-1]),
        **{word: len(xs) > k and x == xs[k] for k, word in enumerate(("second", "third", "fourth", "fifth", "sixth"), 1)},
    }
    return all(right for words, right in checks.items() if re.search(rf"\b{words}\b", phrase))


def center(s):
    left, top, right, bottom = s.box
    return (left + right) / 2, (top + bottom) / 2


@settings(max_examples=40, deadline=None)
@given(records(), st.integers(0, 2**32 - 1))
def test_what_is_said_to_be_absent_is_absent(drawn, seed):
    record, colors = drawn
    labels = {s.label for s in record.segments}
    for turn in turns(record, np.random.default_rng(seed), colors=colors):
        denied = re.search(r"\b(?:is|are) no (.*?)(?: in the \w+| here| to \w+| in it)?(?:\.|, but)", turn.answer.text)
        if denied is None:
            continue
        color, _, rest = denied[1].partition(" ")
        label = next(n for n in (*WHOLES, *ABSENT) if (rest if color in COLORS else denied[1]) in (n, noun(n).many))
        assert label in record.exhaustive
        if color in COLORS:
            assert all(colors[s.id] != color for s in record.segments if s.label == label)
        else:
            assert label not in labels


@settings(max_examples=40, deadline=None)
@given(records(), st.integers(0, 2**32 - 1))
def test_counts_are_right(drawn, seed):
    record, _ = drawn
    for turn in turns(record, np.random.default_rng(seed), {"conversation"}):
        if turn.family == "count":
            label = next(n for n in record.exhaustive if noun(n).many in turn.instruction.split("?")[0].split("."))  \
                if False else next(n for n in record.exhaustive if re.search(rf"\b{noun(n).many}\b", turn.instruction))
            count = sum(s.label == label for s in record.segments)
            assert re.search("none|no" if count == 0 else number_word(count), turn.answer.text.lower())


def test_a_dressed_person_supports_every_task():
    made = turns(sample(*person(), exhaustive=("hat", "hair")), np.random.default_rng(0), colors={2: "gray"})
    assert {t.task for t in made} >= {
        "mgsc", "gcg", "caption", "referring", "generalized_referring", "semantic", "conversation",
    }  # fmt: skip


def test_the_fine_grained_caption_tells_the_whole_first_and_then_its_parts_downwards():
    told = {
        t.answer.segment_ids
        for t in all_turns(sample(*person()))
        if t.task == "mgsc" and t.granularity == "part"
    }
    assert told == {(0, 1, 2, 3, 4)}


def test_fine_grained_phrases_tell_the_colors():
    caption = next(
        t.answer for t in turns(sample(*person()), np.random.default_rng(0), {"mgsc"}, {2: "gray", 3: "blue"})
        if t.granularity == "part"
    )  # fmt: skip
    assert caption.phrases == ("the person", "hair", "a gray jacket", "blue trousers", "shoes")


def test_two_people_are_told_apart_in_the_instruction():
    asked = [
        t for t in all_turns(sample(*person(0, 2), *person(5, 80))) if t.task == "mgsc" and t.granularity == "part"
    ]
    assert {t.answer.segment_ids[0] for t in asked} == {0, 5}
    assert all(re.search("left|right|first|second", t.instruction) for t in asked)


def test_the_panoptic_caption_tells_the_large_wholes_once_each():
    record = sample(segment(0, "cat", (0, 0, 40, 40)), segment(1, "cat", (60, 0, 90, 40)), segment(2, "car", (0, 50, 90, 90)))
    for turn in all_turns(record):
        if turn.task == "mgsc":
            assert sorted(turn.answer.segment_ids) == [0, 1, 2]
            assert {"a cat", "another cat", "a car"} == set(turn.answer.phrases)


def test_all_instances_stand_behind_one_phrase_in_reading_order():
    record = sample(segment(0, "cat", (60, 0, 90, 40)), segment(1, "cat", (0, 0, 40, 40)), exhaustive=("cat",))
    found = [t.answer for t in all_turns(record) if t.task == "semantic" and "all" in t.instruction.lower().split()]
    assert found and {(a.phrases, a.segment_ids) for a in found} == {(("the cats",), (1, 0))}


def test_a_union_is_no_instance():
    cats = [segment(k, "cat", (k * 20, 10, k * 20 + 15, 60)) for k in range(5)]
    record = sample(*cats, segment(5, "cat", (0, 10, 95, 60)), exhaustive=("cat",), meta={"groups": [5]})
    counted = [t for t in all_turns(record) if t.family == "count"]
    assert counted and all("five" in t.answer.text.lower() for t in counted)
    assert all(5 not in t.answer.segment_ids for t in all_turns(record) if t.task == "referring")


def test_too_many_instances_to_point_at_are_not_asked_for():
    cats = [segment(k, "cat", (k * 10, 10, k * 10 + 8, 60)) for k in range(9)]
    assert not any(t.task == "semantic" for t in all_turns(sample(*cats), 5))


def test_numbered_instances_go_from_left_to_right():
    record = sample(segment(0, "cat", (60, 0, 90, 40)), segment(1, "cat", (0, 0, 40, 40)))
    found = [t.answer for t in all_turns(record) if t.family == "numbered"]
    assert found
    for answer in found:
        assert (answer.phrases, answer.segment_ids) == (("the first cat", "the second cat"), (1, 0))


def test_without_exhaustive_labels_nothing_is_absent_or_counted():
    made = all_turns(sample(*person()), colors={1: "black", 2: "gray"})
    assert not any(re.search(r"\b(?:is|are) no\b", t.answer.text) for t in made)
    assert not any(t.family == "count" for t in made)


def test_a_dialogue_goes_from_the_whole_to_a_part():
    dialogues = [
        c
        for seed in range(20)
        for c in sample(*person()).model_copy(
            update={"turns": tuple(turns(sample(*person()), np.random.default_rng(seed), {"conversation"}))}
        ).conversations
        if len(c) > 1
    ]  # fmt: skip
    assert dialogues
    for first, *rest in dialogues:
        assert not first.follows and all(t.follows for t in rest)
        assert any(t.granularity == "part" and t.answer.spans for t in rest)


def test_only_the_tasks_asked_for_are_made():
    record = sample(*person(), exhaustive=("hat",))
    assert {t.task for t in turns(record, np.random.default_rng(0), {"gcg", "referring"})} == {"gcg", "referring"}
    with pytest.raises(ValueError, match="unknown tasks"):
        turns(record, np.random.default_rng(0), {"refering"})


def test_a_sample_without_segments_makes_no_false_claims():
    assert turns(sample(), np.random.default_rng(0)) in ([], ())
    for turn in all_turns(sample(exhaustive=("cat",)), 10):
        assert not turn.answer.spans


def test_the_turns_of_a_sample_take_little_time():
    record = sample(*person(), *(segment(k, "cat", (k, 0, k + 8, 30)) for k in range(5, 30)), exhaustive=("cat", "hat"))
    turns(record, np.random.default_rng(0))
    start = time.process_time()
    for seed in range(20):
        turns(record, np.random.default_rng(seed))
    assert (time.process_time() - start) / 20 < 0.02  # a few ms; the bound leaves room for a slow machine


def one(task, text="x"):
    return (Turn(task=task, instruction=text, answer=GroundedText(text="y")),)


def test_each_task_is_drawn_by_its_weight_however_many_conversations_it_has():
    conversations = [one("mgsc"), *(one("referring", str(k)) for k in range(9)), *(one("gcg", str(k)) for k in range(3))]
    rng = np.random.default_rng(0)
    drawn = Counter(
        choose_conversations(conversations, rng, 1, {"mgsc": 2.0, "gcg": 0.5})[0][0].task for _ in range(3000)
    )
    assert drawn["mgsc"] / 3000 == pytest.approx(2 / 3.5, abs=0.03)
    assert drawn["referring"] / 3000 == pytest.approx(1 / 3.5, abs=0.03)
    assert drawn["gcg"] / 3000 == pytest.approx(0.5 / 3.5, abs=0.03)


def test_no_conversation_is_drawn_twice_and_a_weight_of_zero_means_never():
    conversations = [one("mgsc", str(k)) for k in range(3)] + [one("gcg")]
    for seed in range(50):
        drawn = choose_conversations(conversations, np.random.default_rng(seed), 9, {"gcg": 0.0})
        assert sorted(c[0].instruction for c in drawn) == ["0", "1", "2"]


def test_a_dialogue_is_drawn_whole():
    follow = Turn(task="gcg", instruction="and?", answer=GroundedText(text="z"), follows=True)
    conversations = [(*one("conversation"), follow)]
    assert choose_conversations(conversations, np.random.default_rng(0), 2, {"gcg": 0.0}) == [list(conversations[0])]


def test_bad_weights_are_refused():
    with pytest.raises(ValueError, match="negative"):
        choose_conversations([one("mgsc")], np.random.default_rng(0), 1, {"mgsc": -1.0})
