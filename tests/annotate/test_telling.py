"""What the package itself says of masks: phrases from captions, names that fit one thing only, every mask by itself."""

import pytest

from mglmm.annotate.check import RuleOptions, caption_faults
from mglmm.annotate.embedded import caption
from mglmm.annotate.records import Looks, Part, Task
from mglmm.annotate.tags import tagged
from mglmm.annotate.telling import composed, describing, references


def part(
    id: int,
    label: str,
    caption: str = "",
    *,
    x: float = 0.4,
    y: float = 0.4,
    size: float = 0.1,
    share: float = 0.05,
    color: str | None = None,
    stuff: bool = False,
) -> Part:
    box = (x, y, size, size)
    looks = Looks(box_xywh=box, share=share, color=color, texture="smooth", shape="plain", border=0.0)
    return Part(id=id, label=label, caption=caption, looks=looks, stuff=stuff)


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("A purple checked desk on the left. It covers 5 % of the picture.", "purple checked"),
        ("The old wooden desk.", "old wooden"),
        ("Desk", ""),
        ("A gray desk lamp stands there.", "red"),
        ("A man at a desk.", "red"),
        ("This picture shows a large desk.", "red"),
        ("", "red"),
        ("A man riding red desk.", "red"),
        ("Man riding red desk.", "red"),
        ("Two wooden desks.", "red"),
        ("Another wooden desk.", "red"),
        ("Her wooden desk.", "red"),
        ("A standing desk.", "standing"),
        ("An Art Nouveau desk.", "Art Nouveau"),
        ("A very long row of adjectives before the desk.", "red"),
    ],
)
def test_words_come_from_the_caption_where_it_begins_with_the_thing(caption: str, expected: str) -> None:
    assert describing(part(1, "desk", caption, color="red")) == expected


def test_a_name_fits_one_thing_only() -> None:
    cups = [part(k, "cup", "A cup.", x=(k - 3) / 16) for k in range(3, 15)]
    names = references(
        [
            part(1, "sofa", "A pink sofa.", x=0.1),
            part(2, "sofa", "A sofa.", x=0.8),
            *cups,
            part(20, "lamp", "A lamp."),
            part(21, "lamp shade", "A lamp shade."),
        ]
    )
    assert names[1] == "the pink sofa"
    assert names[2] == "the sofa on the right"
    assert names[3] == "the first cup from the left"
    assert names[13] == "the 11th cup from the left"
    assert names[20] == "the lamp"
    assert len(set(names.values())) == len(names)


def test_like_things_are_counted_downwards_where_they_stand_above_one_another() -> None:
    drawers = [part(k, "drawer", y=0.1 * k) for k in (1, 2, 3)]
    assert references(drawers)[2] == "the second drawer from the top"


def test_on_the_left_is_no_name_where_another_is_at_the_top_left() -> None:
    names = references([part(1, "bird", x=0.0), part(2, "bird", x=0.02, y=0.0)])
    assert names == {1: "the second bird from the top", 2: "the bird at the top left"}


def test_what_nothing_tells_from_its_like_has_no_name() -> None:
    assert references([part(1, "cup"), part(2, "cup", x=0.41)]) == {}


@pytest.mark.parametrize(
    ("label", "given", "expected"),
    [
        ("bag", "brown handbag", "a brown handbag"),
        ("hair", "hair of a dog", "hair of a dog"),
        ("trousers", "blue trousers", "blue trousers"),
        ("sky", "sky", "the sky"),
        ("car", "A red car", "A red car"),
    ],
)
def test_a_phrase_that_came_with_a_mask(label: str, given: str, expected: str) -> None:
    assert caption(label, part(1, label).looks, given).startswith(f"{expected[0].upper()}{expected[1:]} in the middle.")


def test_two_dozen_alike_are_no_repetition() -> None:
    parts = tuple(part(k, "apple", "An apple.") for k in range(2, 26))
    for task in (Task(whole=None, parts=parts), Task(whole=part(1, "basket"), parts=parts, name="the basket")):
        assert caption_faults(tagged(composed(task)), task, RuleOptions())[1] == []


def test_a_whole_has_a_name() -> None:
    with pytest.raises(ValueError, match="a whole has a name"):
        Task(whole=part(1, "basket"), parts=())


def test_a_picture_is_told_from_left_to_right_behind_its_stuff() -> None:
    task = Task(
        whole=None,
        parts=(
            part(1, "sofa", "A sofa.", x=0.8),
            part(2, "wall", "A wall."),
            part(3, "sofa", "A sofa.", x=0.0),
            part(4, "lamp", "A tall lamp.", x=0.3),
            part(5, "gray area", "A gray area.", y=0.9, stuff=True),
            part(6, "cat", "A cat.", x=0.9, y=0.0),
        ),
    )
    assert tagged(composed(task)) == (
        "The picture shows <2>a wall</2> and <5>a gray area</5>. From left to right, it also shows <3>a sofa</3> on "
        "the left, <4>a tall lamp</4> in the middle and <1>another sofa</1> on the right. Further to the right, it "
        "shows <6>a cat</6> at the top right."
    )


def test_large_parts_are_told_first_and_alike_ones_together_with_their_place_in_the_whole() -> None:
    whole = part(1, "lamp", x=0.6, y=0.6, size=0.4)
    parts = (
        part(2, "knob", x=0.8, y=0.8, share=0.01),
        part(3, "shade", x=0.75, y=0.6, share=0.04),
        part(4, "cord", x=0.9, y=0.8, share=0.02),
        part(5, "pole", x=0.75, y=0.75, share=0.03),
        part(6, "knob", x=0.6, y=0.8, share=0.03),
    )
    assert tagged(composed(Task(whole=whole, parts=parts, name="the lamp at the bottom right"))) == (
        "This is <1>the lamp at the bottom right</1>. You can see <3>a shade</3> at the top, <5>a pole</5> in the "
        "middle, <6>a knob</6> on the left and <2>another knob</2> in the middle. You can also see <4>a cord</4> on "
        "the right."
    )


def test_one_thing_and_nothing_else() -> None:
    assert (
        tagged(composed(Task(whole=None, parts=(part(1, "cat"),)))) == "The picture shows <1>a cat</1> in the middle."
    )
    only_stuff = Task(whole=None, parts=(part(1, "sky", stuff=True),))
    assert tagged(composed(only_stuff)) == "The picture shows <1>the sky</1>."
    boots = Task(whole=part(1, "boots"), parts=(part(2, "lace"),), name="the boots")
    assert tagged(composed(boots)) == "These are <1>the boots</1>. You can see <2>a lace</2> in the middle."
