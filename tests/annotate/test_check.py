"""Every rule finds its fault and leaves good texts alone; tags are read whatever they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mglmm.annotate.check import RuleOptions, caption_faults, description_faults, repeated
from mglmm.annotate.records import Description, Looks, Node, Part, Proposal, Task
from mglmm.annotate.tags import Fault, parse, tagged
from mglmm.annotate.telling import composed
from mglmm.grounding import render
from mglmm.phrasing import Mention
from mglmm.schema import GroundedText, Rle, UserError

RULES = RuleOptions()


def looks(x: float = 0.4, y: float = 0.4, color: str | None = "red", share: float = 0.04) -> Looks:
    return Looks(box_xywh=(x, y, 0.2, 0.2), share=share, color=color, texture="fine", shape="plain", border=0.0)


def said(label: str, caption: str, node: int = 1, confidence: float = 0.9) -> Description:
    return Description(node=node, label=label, caption=caption, confidence=confidence, by="test")


GOOD = (
    ("car", "A red car with its doors open is parked in the middle of the street."),
    ("wheels", "One of the wheels of a bicycle, with thin spokes."),
    ("box", "A wooden box whose lid has a red ribbon."),
    ("face mask", "A pale face mask lies on the table. It is folded."),
    ("person", "A person in a blue coat, seen from behind, holds a red umbrella."),
    ("child", "Three children play with a ball."),
)


@pytest.mark.parametrize(("label", "caption"), GOOD)
def test_good_descriptions_pass(label: str, caption: str) -> None:
    assert description_faults(said(label, caption), looks(), RULES) == []


@pytest.mark.parametrize(
    ("label", "caption", "rule"),
    [
        ("", "A red car in the street.", "label_missing"),
        ("a very old and rusty little car", "A very old car.", "label_too_long"),
        ("car", "A big red truck on a road.", "label_not_in_caption"),
        ("car", "A car.", "caption_too_short"),
        ("car", "A car " + "and a car " * 60, "caption_too_long"),
        ("car", "The car is red. It is parked here. It is parked here.", "caption_repeats_itself"),
        ("car", "A blue car on a road.", "contradictory_color"),
        ("green car", "A car on a road.", "contradictory_color"),
        ("car", "The highlighted car is old.", "speaks_of_markup"),
        ("car", "The car inside the bounding box is old.", "speaks_of_markup"),
        ("car", "A car with a thin red outline around it.", "speaks_of_markup"),
        ("car", "A car at [0.25, 0.5, 0.1, 0.2].", "speaks_of_markup"),
        ("man", "A man named Peter stands here.", "personal"),
        ("sign", "A sign that says call 0171 5556677.", "personal"),
        ("sign", "A sign with write@example.com on it.", "personal"),
        ("car", "A car whose license plate reads B 123.", "personal"),
        ("statue", "A nude statue of stone.", "unsafe"),
    ],
)
def test_faults_are_found(label: str, caption: str, rule: str) -> None:
    faults = description_faults(said(label, caption), looks(), RULES)
    assert rule in {fault.rule for fault in faults}
    off = RuleOptions.model_validate({"off": [rule]})
    assert rule not in {fault.rule for fault in description_faults(said(label, caption), looks(), off)}


def test_place_is_checked_against_the_mask() -> None:
    text = said("car", "A red car on the left of a road.")
    assert [f.rule for f in description_faults(text, looks(x=0.79), RULES)] == ["contradictory_place"]
    assert description_faults(text, looks(x=0.02), RULES) == []
    assert description_faults(text, looks(x=0.4), RULES) == []  # left of the middle, perhaps


def test_color_of_a_thing_with_parts_is_not_held_against_it() -> None:
    text = said("car", "A blue car on a road.")
    assert description_faults(text, looks(), RULES, has_parts=True) == []


def test_confidence() -> None:
    rules = RuleOptions(min_confidence=0.5)
    assert [f.rule for f in description_faults(said("car", "A red car here.", confidence=0.4), looks(), rules)] == [
        "low_confidence"
    ]


def node(number: int, parent: int | None = None) -> Node:
    rle = Rle(size=(1, 2), counts="020")
    return Node(
        id=number,
        rle=rle,
        parent=parent,
        depth=1,
        stuff=False,
        looks=looks(),
        proposal=Proposal(rle=rle, origin="test"),
    )


def test_captions_of_others() -> None:
    nodes = {1: node(1), 2: node(2), 3: node(3, parent=1)}
    alike = "A red thing with a rim."
    windows = [said("window", alike, 1), said("window", alike, 2)]
    assert repeated(windows, nodes, RULES) == {}
    mixed = [said("window", alike, 1), said("door", alike, 2)]
    assert {k: [f.rule for f in v] for k, v in repeated(mixed, nodes, RULES).items()} == {
        1: ["caption_of_another"],
        2: ["caption_of_another"],
    }
    inside = [said("window", alike, 1), said("window", alike, 3)]
    assert set(repeated(inside, nodes, RULES)) == {3}


TASK = Task(
    whole=None,
    parts=tuple(
        Part(id=k, label=label, caption=f"A {label}.", looks=looks())
        for k, label in ((3, "car"), (4, "wheel"), (5, "wheel"))
    ),
)


def test_good_caption_is_grounded() -> None:
    answer, faults = caption_faults("Here is <3>a red car</3> with <4,5>two wheels</4,5>.", TASK, RULES)
    assert faults == []
    assert answer.text == "Here is a red car with two wheels."
    assert [(p, s.segment_ids) for p, s in zip(answer.phrases, answer.spans, strict=True)] == [
        ("a red car", (3,)),
        ("two wheels", (4, 5)),
    ]


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("Here is <3>a red car</3> with <4>a wheel</4>.", {"missing_tag"}),
        ("Here is <3>a car</3> with <4,5>wheels</4,5>, <3>the car</3>.", {"duplicate_tag"}),
        ("Here is <3>a car</3> with <4,5>wheels</4,5> and <9>a car</9>.", {"unknown_tag"}),
        ("Here is <3>a car</3> with <4,5>wheels.", {"broken_tag", "missing_tag"}),
        ("Here is <3>a car with <4,5>wheels</4,5></3>.", {"broken_tag", "missing_tag"}),
        ("Here is <3>a car</3> with <4,5> </4,5>.", {"empty_phrase", "missing_tag"}),
        ("Here is <3>a wheel</3> with <4,5>wheels</4,5>.", {"label_not_in_phrase"}),
        ("<3>Car</3><4,5>wheels</4,5>", {"caption_too_short"}),
        ("The highlighted <3>car</3> has <4,5>wheels</4,5>.", {"speaks_of_markup"}),
    ],
)
def test_faults_of_captions(text: str, rules: set[str]) -> None:
    _, faults = caption_faults(text, TASK, RULES)
    assert {fault.rule for fault in faults} == rules


@pytest.mark.parametrize("tag", ["[SEG]", "[ seg ]", "< p >", "</p>"])
def test_no_record_holds_the_markup(tag: str) -> None:
    """What the markup of answers looks like is refused, whatever is switched off: `render` could not write it."""
    rules = RuleOptions(off=("speaks_of_markup",))
    answer, faults = caption_faults(f"Here is <3>a {tag} car</3> with <4,5>wheels</4,5>.", TASK, rules)
    assert [fault.rule for fault in faults] == ["holds_a_tag"]
    assert [f.rule for f in description_faults(said("car", f"A red {tag} car."), looks(), rules)] == ["holds_a_tag"]
    with pytest.raises(ValueError, match="no markup"):
        render(answer)
    with pytest.raises(ValueError, match="holds_a_tag"):
        RuleOptions.model_validate({"off": ["holds_a_tag"]})


def test_long_numbers_are_no_tags() -> None:
    text = f"<{'1' * 5000}>a car</{'1' * 5000}>"
    assert parse(text, ()) == (GroundedText(text=text), [])


@given(st.text(alphabet="ab <>/,1234 .", max_size=60))
def test_any_text_can_be_parsed(text: str) -> None:
    answer, faults = parse(text, {1, 2})
    assert all(k in (1, 2) for k in answer.segment_ids)
    told = set(answer.segment_ids)
    assert {f"mask {k} is not told" for k in {1, 2} - told} == {f.detail for f in faults if f.rule == "missing_tag"}


phrases = st.text(alphabet="abc ", min_size=1, max_size=8).filter(str.strip)


@given(st.lists(st.tuples(phrases, st.lists(st.integers(1, 9), min_size=1, max_size=3, unique=True)), max_size=4))
def test_tags_come_back(mentions: list[tuple[str, list[int]]]) -> None:
    pieces = [piece for phrase, ids in mentions for piece in (Mention(phrase, tuple(ids)), ", ")]
    ids = {k for _, numbers in mentions for k in numbers}
    answer, faults = parse(tagged(pieces), ids)
    assert [(p, list(s.segment_ids)) for p, s in zip(answer.phrases, answer.spans, strict=True)] == mentions
    assert {f.rule for f in faults} <= {"duplicate_tag"}


names = st.sampled_from(["car", "wheel", "trousers", "gray region", "sky", "person", "red region", "dining table"])
some_looks = st.builds(
    looks, st.floats(0, 0.8), st.floats(0, 0.8), st.sampled_from([None, "red", "gray"]), st.floats(0.001, 0.5)
)
parts = st.lists(st.tuples(names, some_looks), min_size=1, max_size=12)


@given(parts, st.booleans())
def test_templates_compose_what_the_rules_accept(found: list[tuple[str, Looks]], has_whole: bool) -> None:
    made = [Part(id=k, label=label, caption="", looks=seen) for k, (label, seen) in enumerate(found, start=1)]
    task = (
        Task(whole=made[0], parts=tuple(made[1:]), name=f"the {made[0].label}")
        if has_whole and len(made) > 1
        else Task(whole=None, parts=tuple(made))
    )
    _, faults = caption_faults(tagged(composed(task)), task, RULES)
    assert faults == []


def test_own_list_of_unsafe_words(tmp_path: pytest.TempPathFactory) -> None:
    path = tmp_path / "words.txt"  # type: ignore[operator]
    path.write_text("# mine\nspokes\n")
    rules = RuleOptions(unsafe_words=str(path))
    faults = description_faults(said(*GOOD[1]), looks(), rules)
    assert faults == [Fault("unsafe", "says 'spokes'")]
    with pytest.raises(UserError, match="rules.unsafe_words: nowhere"):
        description_faults(said(*GOOD[1]), looks(), RuleOptions(unsafe_words="nowhere"))
