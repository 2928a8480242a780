"""What the package itself says of masks: phrases from captions, names that fit one thing only, every mask by itself."""

import pytest

from mglmm.annotate.records import Looks, Part, Task
from mglmm.annotate.tags import tagged
from mglmm.annotate.telling import composed, describing, references


def part(
    id: int,
    label: str,
    caption: str = "",
    x: float = 0.4,
    y: float = 0.4,
    color: str | None = None,
    stuff: bool = False,
) -> Part:
    looks = Looks(box_xywh=(x, y, 0.1, 0.1), share=0.05, color=color, texture="smooth", shape="plain", border=0.0)
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
        ("A very long row of adjectives before the desk.", "red"),
    ],
)
def test_words_come_from_the_caption_where_it_begins_with_the_thing(caption: str, expected: str) -> None:
    assert describing(part(1, "desk", caption, color="red")) == expected


def test_a_name_fits_one_thing_only() -> None:
    row = [part(k, "cup", "A cup.", x=0.3 + k / 100) for k in range(3, 16)]
    names = references(
        [
            part(1, "sofa", "A pink sofa.", x=0.1),
            part(2, "sofa", "A sofa.", x=0.8),
            *row,
            part(20, "lamp", "A lamp."),
        ]
    )
    assert names[1] == "the pink sofa"
    assert names[2] == "the sofa on the right"
    assert names[3] == "the first cup from the left"
    assert names[13] == "the 11th cup from the left"
    assert names[20] == "the lamp"
    assert len(set(names.values())) == len(names)


def test_a_picture_is_told_from_left_to_right_behind_its_stuff() -> None:
    task = Task(
        whole=None,
        parts=(
            part(1, "sofa", "A sofa.", x=0.8),
            part(2, "wall", "A wall."),
            part(3, "sofa", "A sofa.", x=0.0),
            part(4, "lamp", "A tall lamp.", x=0.3),
            part(5, "gray area", "A gray area.", y=0.9, stuff=True),
            part(6, "cat", "A cat.", x=0.9),
        ),
    )
    assert tagged(composed(task)) == (
        "The picture shows <2>a wall</2> and <5>a gray area</5>. From left to right, it also shows <3>a sofa</3> on "
        "the left, <4>a tall lamp</4> and <1>another sofa</1> on the right. Further to the right, it shows "
        "<6>a cat</6>."
    )


def test_parts_are_told_downwards_and_in_several_sentences() -> None:
    labels = ("lid", "dial", "trousers", "rim", "knob", "foot", "base")
    parts = tuple(part(k, label, y=k / 10) for k, label in enumerate(labels, 2))
    task = Task(whole=part(1, "boots"), parts=parts[::-1], name="the boots on the left")
    assert tagged(composed(task)) == (
        "These are <1>the boots on the left</1>. You can see <2>a lid</2>, <3>a dial</3>, <4>trousers</4>, "
        "<5>a rim</5>, <6>a knob</6> and <7>a foot</7>. You can also see <8>a base</8>."
    )


def test_a_place_that_tells_nothing_apart_is_left_out() -> None:
    task = Task(whole=None, parts=(part(1, "cup"), part(2, "cup")))
    assert tagged(composed(task)) == "From left to right, the picture shows <1>a cup</1> and <2>another cup</2>."


def test_one_thing_and_nothing_else() -> None:
    assert tagged(composed(Task(whole=None, parts=(part(1, "cat"),)))) == "The picture shows <1>a cat</1>."
    only_stuff = Task(whole=None, parts=(part(1, "sky", stuff=True),))
    assert tagged(composed(only_stuff)) == "The picture shows <1>the sky</1>."
