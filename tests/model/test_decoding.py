"""Writing token by token: the markup's automaton; rows that come, go and resume write what they write alone."""

from itertools import pairwise

import pytest
import torch

from mglmm.model import MGLMMForConditionalGeneration, MGLMMProcessor
from mglmm.model.decoding import Decoding, Markup, Prefix, Row, num_shared
from tests.model.test_modeling import picture
from tests.model.tiny import tiny_model, tiny_processor

INSTRUCTIONS = ["Segment the car", "Say", "a man wears a blue hat", "Where is the red car on the road?"]
LIMIT = 24


@pytest.fixture(scope="module")
def processor() -> MGLMMProcessor:
    return tiny_processor()


@pytest.fixture(scope="module")
def model(processor: MGLMMProcessor) -> MGLMMForConditionalGeneration:
    """Of random weights, with a head of its own that says much and opens phrases gladly."""
    model = tiny_model(1)
    torch.manual_seed(7)
    head = model.get_output_embeddings()
    head.weight = torch.nn.Parameter(0.5 * torch.randn_like(head.weight))
    config = model.config
    bias = [[[config.phrase_start_token_id], 4.0], [[config.phrase_end_token_id], 6.0]]
    model.generation_config.sequence_bias = bias
    return model


def start(decoding: Decoding, processor: MGLMMProcessor, *indices: int, limit: int = LIMIT) -> list[Row]:
    """Rows about the pictures and with the instructions of these numbers."""
    images = [picture(index) for index in indices]
    inputs = processor.prompt(images, [[(INSTRUCTIONS[index], None)] for index in indices])
    return decoding.start(**inputs, limits=[limit] * len(indices))


def finish(decoding: Decoding, *rows: Row) -> None:
    while not all(row.ended for row in rows):
        decoding.step()


@pytest.fixture(scope="module")
def alone(model: MGLMMForConditionalGeneration, processor: MGLMMProcessor) -> list[Row]:
    """Each question by itself."""
    rows = []
    for index in range(len(INSTRUCTIONS)):
        decoding = Decoding(model)
        rows += start(decoding, processor, index)
        finish(decoding, rows[-1])
    assert all(row.states for row in rows)
    assert len({tuple(row.answer) for row in rows}) == len(rows)
    return rows


def same(row: Row, other: Row) -> bool:
    """The same tokens; the states to the rounding of batched matrix products (about 1e-6 here)."""
    torch.testing.assert_close(row.states, other.states, atol=1e-4, rtol=1e-3)
    return row.answer == other.answer and row.prompt == other.prompt


def test_rows_that_come_and_go_write_what_they_write_alone(model, processor, alone) -> None:
    decoding = Decoding(model)
    first = start(decoding, processor, 0, 1)
    for _ in range(3):
        decoding.step()
    (third,) = start(decoding, processor, 2)
    for _ in range(2):
        decoding.step()
    first[0].ended = True  # nobody waits for it any more
    (fourth,) = start(decoding, processor, 3)
    finish(decoding, first[1], third, fourth)
    assert same(first[1], alone[1]) and same(third, alone[2]) and same(fourth, alone[3])
    assert first[0].answer == alone[0].answer[: len(first[0].answer)]
    decoding.step()
    assert decoding.rows == []


def test_a_row_resumes_behind_what_was_read(model, processor, alone) -> None:
    """Prompt and answer up to some place, read in another batch, then the rest in company of a row of other length."""
    decoding = Decoding(model)
    rows = start(decoding, processor, 1, 3)
    for _ in range(5):
        decoding.step()
    read = [decoding.prefix(row) for row in rows]
    assert [prefix.ids for prefix in read] == [row.ids for row in rows]
    again = Decoding(model)
    cuts = [len(rows[0].prompt) - 2, len(rows[1].prompt) - 1]
    resumed = again.resume(
        [prefix.cut(length) for prefix, length in zip(read, cuts, strict=True)],
        [row.prompt for row in rows],
        [LIMIT, LIMIT],
    )
    finish(again, *resumed)
    assert same(resumed[0], alone[1]) and same(resumed[1], alone[3])


def test_a_prompt_must_go_on_behind_its_prefix(model, processor) -> None:
    decoding = Decoding(model)
    (row,) = start(decoding, processor, 0)
    prefix = decoding.prefix(row)
    for prompt in (row.prompt, [*row.prompt[:-1], 5, 6], row.prompt[:-3]):
        with pytest.raises(ValueError, match="does not go on behind"):
            decoding.resume([prefix], [prompt], [LIMIT])


def test_prefixes_count_what_they_share_and_hold() -> None:
    layers = [(torch.zeros(1, 2, 3, 4), torch.zeros(1, 2, 3, 4))]
    prefix = Prefix((5, 6, 7), layers, 0)
    assert [num_shared(prefix.ids, ids) for ids in ([], [5], [5, 6, 8], [5, 6, 7, 9])] == [0, 1, 2, 3]
    assert prefix.cut(2).ids == (5, 6) and prefix.cut(2).keys_values[0][0].shape == (1, 2, 2, 4)
    assert prefix.num_bytes == 2 * 24 * 4


def test_what_fails_before_rows_join_leaves_the_others_whole(model, processor, alone, monkeypatch) -> None:
    decoding = Decoding(model)
    (row,) = start(decoding, processor, 1)
    before = list(row.answer)

    def broken(*_: object) -> None:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(decoding, "_write", broken)
        with pytest.raises(RuntimeError, match="out of memory"):
            start(decoding, processor, 0)
    assert decoding.is_whole and decoding.rows == [row] and row.answer == before
    finish(decoding, row)
    assert same(row, alone[1])


def test_what_fails_while_rows_join_or_leave_leaves_none_whole(model, processor, monkeypatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("out of memory")

    for change, asked in (("join", (0,)), ("keep", (0, 1))):
        decoding = Decoding(model)
        rows = start(decoding, processor, *asked)
        rows[-1].ended = change == "keep"
        monkeypatch.setattr(decoding._cache.layers[1], change, broken)
        with pytest.raises(RuntimeError, match="out of memory"):
            start(decoding, processor, 2)
        assert not decoding.is_whole
        rows[0].ended = True
        decoding.drop_ended()
        assert not decoding.is_whole, "for good"


def test_limits_are_kept_row_by_row(model, processor) -> None:
    decoding = Decoding(model, constrain_markup=False)
    images = [picture(0), picture(1)]
    inputs = processor.prompt(images, [[(text, None)] for text in INSTRUCTIONS[:2]])
    rows = decoding.start(**inputs, limits=[2, 9])
    finish(decoding, *rows)
    stops = decoding.markup.stops
    for row, limit in zip(rows, (2, 9), strict=True):
        assert len(row.answer) == limit or row.answer[-1] in stops


def allowed(markup: Markup, *answer: int, num_left: int = 100) -> set[int]:
    """The tokens that may follow an answer's first tokens."""
    state = markup.begin(num_left + len(answer))
    for index, token in enumerate(answer):
        state = markup.follow(state, token, num_left + len(answer) - index - 1)
    return set((markup.scores[state] > -torch.inf).nonzero().flatten().tolist())


def test_what_may_come_next(model, processor) -> None:
    markup = Markup(model, constrained=True)
    everything = set(range(len(markup.scores[0])))
    config = model.config
    begin, end, seg = config.phrase_start_token_id, config.phrase_end_token_id, config.seg_token_id
    word, stops = 40, set(markup.stops)
    assert allowed(markup) == everything - {end, seg}
    assert allowed(markup, word) == everything - {end, seg}
    assert allowed(markup, begin) == everything - {begin, end, seg} - stops
    assert allowed(markup, begin, word) == everything - {begin, seg} - stops
    assert allowed(markup, begin, word, end) == {seg}
    assert allowed(markup, begin, word, end, seg) == everything - {end}
    assert allowed(markup, begin, word, end, seg, word) == everything - {end, seg}
    assert allowed(markup, num_left=3) == everything - {begin, end, seg}
    assert allowed(markup, begin, word, num_left=2) == {end}
    free = Markup(model, constrained=False)
    assert allowed(free, begin, seg) == everything
    without = Markup(model, constrained=False, never=[word, *stops])
    assert allowed(without) == everything - {word}


def test_a_bias_is_added_and_what_is_suppressed_never_comes(processor) -> None:
    model = tiny_model(1)
    model.generation_config.suppress_tokens = [7]
    model.generation_config.sequence_bias = [[[9], 50.0]]
    decoding = Decoding(model, constrain_markup=False)
    (row,) = start(decoding, processor, 0, limit=4)
    finish(decoding, row)
    assert row.answer == [9, 9, 9, 9]
    assert (decoding.markup.scores[:, 7] == -torch.inf).all()
    model.generation_config.sequence_bias = [[[9, 10], 50.0]]
    with pytest.raises(ValueError, match="single tokens"):
        Decoding(model)


def test_a_model_without_phrases_cannot_be_constrained() -> None:
    model = tiny_model(1)
    model.config.phrase_start_token_id = None
    with pytest.raises(ValueError, match="no tokens for phrases"):
        Decoding(model, constrain_markup=True)


@pytest.mark.parametrize("limit", range(1, 12))
def test_no_limit_breaks_the_markup(model, processor, limit) -> None:
    config = model.config
    begin, end, seg = config.phrase_start_token_id, config.phrase_end_token_id, config.seg_token_id
    decoding = Decoding(model, constrain_markup=True)
    rows = start(decoding, processor, 0, 1, 2, limit=limit)
    finish(decoding, *rows)
    for row in rows:
        assert row.answer.count(begin) == row.answer.count(end) <= row.answer.count(seg) == len(row.states)
        assert all(after == seg for token, after in pairwise([*row.answer, None]) if token == end)
