"""The markup: what is rendered is read back, and nothing that a model writes can make parsing fail."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mglmm.grounding import PHRASE_END, PHRASE_START, SEG, parse, render, strip
from mglmm.schema import GroundedText, Span

words = st.text(alphabet="ab .,<>/[]\n é", max_size=8)
phrase = st.text(alphabet="abc '<é ", min_size=1, max_size=8).filter(lambda p: p.strip())
ids = st.lists(st.integers(0, 99), min_size=1, max_size=3)


@st.composite
def grounded_texts(draw: st.DrawFn) -> GroundedText:
    text, spans = draw(words), []
    for _ in range(draw(st.integers(0, 4))):
        start = len(text)
        text += draw(phrase)
        spans.append(Span(start=start, end=len(text), segment_ids=tuple(draw(ids))))
        text += draw(words)
    return GroundedText(text=text, spans=tuple(spans))


tags = st.sampled_from(
    [SEG, PHRASE_START, PHRASE_END, "< p >", "</ p>", "[ SEG ]", "[SE", "<", "a", "the cat", " ", "\n"]
)


@given(grounded_texts())
def test_parse_inverts_render(grounded: GroundedText) -> None:
    parsed = parse(render(grounded), grounded.segment_ids)
    assert parsed.text == grounded
    assert parsed.num_invalid == 0
    assert parsed.seg_spans == [i for i, s in enumerate(grounded.spans) for _ in s.segment_ids]
    assert strip(render(grounded)) == grounded.text


@given(st.one_of(st.text(), st.lists(tags, max_size=14).map("".join)))
def test_any_string_is_parsed(marked: str) -> None:
    parsed = parse(marked)
    assert len(parsed.seg_spans) == marked.count(SEG)
    rendered = render(parsed.text)  # nothing is left in the text that reads as a tag
    assert parse(rendered, parsed.text.segment_ids).text == parsed.text
    owned = [k for k, span in enumerate(parsed.seg_spans) if span is not None]
    assert list(parsed.text.segment_ids) == owned


@given(grounded_texts(), st.lists(st.integers(0, 40), max_size=4))
def test_segs_without_a_phrase_keep_their_places(grounded: GroundedText, places: list[int]) -> None:
    places = sorted(len(grounded.text[:place].rstrip()) for place in places)
    parsed = parse(render(grounded, places))
    assert (parsed.text.text, [(s.start, s.end) for s in parsed.text.spans]) == (
        grounded.text,
        [(s.start, s.end) for s in grounded.spans],
    )
    assert [place for _, place in parsed.unnamed] == places
    assert parsed.num_invalid == len(places)


@given(st.lists(tags, max_size=14).map("".join))
def test_every_seg_is_somewhere(marked: str) -> None:
    parsed = parse(marked)
    assert [k for k, _ in parsed.unnamed] == [k for k, span in enumerate(parsed.seg_spans) if span is None]
    again = parse(render(parsed.text, [place for _, place in parsed.unnamed]))
    assert (again.text.text, again.text.phrases) == (parsed.text.text, parsed.text.phrases)
    assert [place for _, place in again.unnamed] == sorted(place for _, place in parsed.unnamed)


@pytest.mark.parametrize(
    ("marked", "places"),
    [
        ("Sure, it is [SEG].", [11]),
        ("[SEG] A cat [SEG]", [0, 5]),
        ("[SEG] [SEG]", [0, 0]),
        ("It is <p> the [SEG] cat </p> [SEG] here", [9]),
        ("It is <p> the cat [SEG]", [13]),
    ],
)
def test_places_of_segs_without_a_phrase(marked: str, places: list[int]) -> None:
    parsed = parse(marked)
    assert [place for _, place in parsed.unnamed] == places
    if "<p>" not in marked or "</p>" in marked:
        assert render(parsed.text, places).strip() == marked


def test_a_place_outside_the_text_is_refused() -> None:
    with pytest.raises(ValueError, match="character 4 is not in the text of 3 characters"):
        render(GroundedText(text="cat"), [4])


@pytest.mark.parametrize(
    ("marked", "text", "num_invalid", "phrases"),
    [
        ("It is <p> a cat </p> [SEG].", "It is a cat.", 0, ["a cat"]),
        ("<p>a cat</p>[SEG][SEG]", "a cat", 0, ["a cat"]),
        ("<p> a cat </p>\n[SEG] [SEG] sits", "a cat sits", 0, ["a cat"]),
        ("I see <p> a cat", "I see a cat", 1, []),
        ("I see a cat </p>.", "I see a cat.", 1, []),
        ("I see <p> a cat </p>.", "I see a cat.", 1, []),
        ("I see a cat [SEG].", "I see a cat.", 1, []),
        ("[SEG] A cat.", "A cat.", 1, []),
        ("A <p> big <p> cat </p> [SEG].", "A big cat.", 1, ["cat"]),
        ("A <p> </p> [SEG] cat.", "A cat.", 1, []),
        ("A <p> cat </p> [SEG] [ SEG ].", "A cat.", 1, ["cat"]),
        ("A < p > cat < / p >.", "A cat.", 2, []),
        ("A <P> cat </P> [seg].", "A cat.", 3, []),
        ("A <p> cat </p> and [SEG].", "A cat and.", 2, []),
        ("", "", 0, []),
    ],
)
def test_malformed_places_are_counted_and_cleaned(marked: str, text: str, num_invalid: int, phrases: list[str]) -> None:
    parsed = parse(marked)
    assert parsed.text.text == text
    assert parsed.num_invalid == num_invalid
    assert list(parsed.text.phrases) == phrases


def test_segments_go_to_tags_in_reading_order() -> None:
    parsed = parse("[SEG] <p> a </p> [SEG] [SEG] <p> b </p> [SEG]", [7, 5, 3, 1])
    assert [s.segment_ids for s in parsed.text.spans] == [(5, 3), (1,)]
    assert parsed.seg_spans == [None, 0, 0, 1]


def test_a_wrong_number_of_segments_is_refused() -> None:
    with pytest.raises(ValueError, match=r"holds 1 \[SEG\], but there are 2"):
        parse("<p> a </p> [SEG]", [1, 2])


def test_text_that_holds_markup_is_not_rendered() -> None:
    with pytest.raises(ValueError, match="character 2"):
        render(GroundedText(text="a <p> b"))
    with pytest.raises(ValueError, match="blank"):
        render(GroundedText(text="a  b", spans=(Span(start=1, end=2, segment_ids=(1,)),)))
