"""Answers as they come: streamed or not, together or alone, they end in the same prediction."""

import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from benchmarks import script
from PIL import Image

from mglmm import grounding
from mglmm.answering import Answering
from mglmm.events import Event, Grounded, Unnamed, Words
from mglmm.predict import Predictor, load
from mglmm.prediction import ImagePrediction
from mglmm.schema import GroundedText, UserError
from mglmm.segmenting import Picture
from mglmm.workers import Background
from tests.test_predict import noise, same

SHORT = 24


@pytest.fixture(scope="module")
def predictor(tiny_model_dir: Path) -> Predictor:
    return load(tiny_model_dir)


def check_events(events: list[Event]) -> ImagePrediction:
    """The prediction at the end, once everything before it is found in it."""
    *parts, last = events
    assert isinstance(last, ImagePrediction)
    assert "".join(part.text for part in parts if isinstance(part, Words)) == last.answer.text
    told = [part for part in parts if isinstance(part, Grounded)]
    assert [part.span for part in told] == list(last.answer.spans)
    by_id = {segment.id: segment for segment in last.segments}
    for part in told:
        assert part.segments == tuple(by_id[i] for i in part.span.segment_ids)
    said = 0
    for part in parts:
        said += len(part.text) if isinstance(part, Words) else 0
        assert not isinstance(part, Grounded) or part.span.end <= said, "a mask comes with words that are there"
    return last


def test_a_stream_ends_in_the_answer(predictor: Predictor, picture: Image.Image) -> None:
    events = list(predictor.stream(picture, "Segment the disc.", max_new_tokens=SHORT))
    assert same(check_events(events), predictor.ask(picture, "Segment the disc.", max_new_tokens=SHORT))
    kinds = [type(event) for event in events]
    assert kinds.index(Grounded) < len(kinds) - 4, "the first mask does not wait for the whole answer"
    assert kinds.count(Words) > 3


def test_a_stream_refuses_before_its_first_event(predictor: Predictor, picture: Image.Image) -> None:
    with pytest.raises(UserError, match="is empty"):
        predictor.stream(picture, " ")


def test_a_stream_that_is_left_is_forgotten(predictor: Predictor, picture: Image.Image) -> None:
    chat = predictor.chat(picture)
    stream = chat.stream("Segment the disc.", max_new_tokens=SHORT)
    next(stream)
    del stream
    assert chat.turns == []
    answer = check_events(list(chat.stream("Segment the disc.", max_new_tokens=SHORT)))
    assert same(answer, predictor.ask(picture, "Segment the disc.", max_new_tokens=SHORT))
    assert chat.turns == [answer]


def test_a_chat_goes_on_from_turns_said_before(predictor: Predictor, picture: Image.Image) -> None:
    """With and without what the model has read of them: the same answer."""
    chat = predictor.chat(picture)
    first = chat.ask("Segment the disc.", max_new_tokens=SHORT)
    second = chat.ask("And the ground?", max_new_tokens=SHORT)
    again = predictor.chat(picture, [(first.instruction, first.answer)])
    assert same(again.ask("And the ground?", max_new_tokens=SHORT), second)


def test_what_was_read_is_not_read_again(predictor: Predictor, picture: Image.Image) -> None:
    lengths: list[int] = []
    decoder = predictor.model.lmm.get_decoder()
    hook = decoder.register_forward_pre_hook(
        lambda _, __, given: lengths.append(given["inputs_embeds"].shape[1]), with_kwargs=True
    )
    try:
        chat = predictor.chat(picture)
        chat.ask("Segment the disc.", max_new_tokens=SHORT)
        whole = lengths[0]
        lengths.clear()
        chat.ask("And the ground?", max_new_tokens=SHORT)
        history = [(chat.turns[0].instruction, grounding.render(chat.turns[0].answer)), ("And the ground?", None)]
        num_tokens = len(predictor.processor.conversation_ids(history)[0])
        assert lengths[0] <= num_tokens - whole, "the second turn reads no picture"
        lengths.clear()
        predictor.ask_many([(picture, "Segment the disc."), (picture, "What is it?")], max_new_tokens=SHORT)
        assert lengths[0] == whole and lengths[1] < whole, "two questions about one picture read it once"
    finally:
        hook.remove()


def test_answers_that_join_and_are_dropped(predictor: Predictor) -> None:
    """The events of each are its own, whoever comes and goes beside it."""
    answering = Answering(predictor.model, predictor.processor)
    pictures = [Picture(noise(seed, (30 + seed, 20))) for seed in range(4)]
    asked = ["What?", "Segment the red car on the road.", "Hello, you.", "And the dog?"]
    questions = [
        answering.prepare(picture, [(text, None)], SHORT, streamed=seed != 2)
        for seed, (picture, text) in enumerate(zip(pictures, asked, strict=True))
    ]
    events = answering.begin(questions[:2])
    events += answering.step() + answering.step()
    dropped = next(answer for answer in answering.answers if answer.question is questions[0])
    answering.drop(dropped)
    events += answering.begin(questions[2:])
    while answering.answers:
        events += answering.step()
    assert not any(isinstance(e, ImagePrediction) for a, e in events if a.question is questions[0])
    for seed in (1, 2, 3):
        own = [event for answer, event in events if answer.question is questions[seed]]
        alone = predictor.ask(pictures[seed].image, asked[seed], max_new_tokens=SHORT)
        assert same(check_events(own) if seed != 2 else own[-1], alone)
    assert len([1 for answer, _ in events if answer.question is questions[2]]) == 1, "not streamed: only the prediction"


class Later(Executor):
    """Does what it is given when it is told to."""

    def __init__(self) -> None:
        self.given: list[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]] = []

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.given.append((future, work, args))
        return future

    def do(self) -> None:
        for future, work, args in self.given:
            future.set_result(work(*args))
        self.given.clear()


def test_words_do_not_wait_for_masks_that_a_worker_makes(predictor: Predictor, picture: Image.Image) -> None:
    later = Later()
    answering = Answering(predictor.model, predictor.processor, mask_worker=later)
    questions = [answering.prepare(Picture(picture), [("What?", None)], SHORT, streamed) for streamed in (True, False)]
    events = answering.begin(questions)
    while not later.given:
        events += answering.step()
    for _ in range(3):
        events += answering.step()
    assert all(isinstance(event, Words) for _, event in events), "no mask has been made"
    assert len(later.given) == 1, "one batch at a time"
    later.do()
    assert any(isinstance(event, Grounded) for _, event in answering.step())
    events = []
    while answering.answers:
        later.do()
        events += answering.step()
    alone = predictor.ask(picture, "What?", max_new_tokens=SHORT)
    whole = [event for _, event in events if isinstance(event, ImagePrediction)]
    assert len(whole) == 2 and all(same(prediction, alone) for prediction in whole)


def test_a_worker_makes_first_what_somebody_waits_for(predictor: Predictor, picture: Image.Image) -> None:
    """Of answers that are not streamed masks are made before their end too, but not before those of streams."""
    later = Later()
    answering = Answering(predictor.model, predictor.processor, mask_worker=later)
    conversation = [("What?", None)]
    asked = [answering.prepare(Picture(picture), conversation, SHORT, streamed=number > 4) for number in range(7)]
    answering.begin(asked)
    while not later.given:
        answering.step()
    ((_, _, (wanted,)),) = later.given
    pictures = [picture for picture, _ in wanted]
    assert pictures == [asked[number].picture for number in (5, 6, 0, 1)]
    answering.drop(next(answer for answer in answering.answers if answer.question is asked[5]))
    events = []
    while answering.answers:
        later.do()
        events += answering.step()
    whole = {answer.question for answer, event in events if isinstance(event, ImagePrediction)}
    assert whole == {question for question in asked if question is not asked[5]}


def test_a_failing_beginning_keeps_the_end_from_nobody(
    predictor: Predictor, picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One answer waits for its masks, which come as two others about a new picture begin, the second of which fails."""
    later = Later()
    answering = Answering(predictor.model, predictor.processor, mask_worker=later)
    first = answering.prepare(Picture(picture), [("What?", None)], 60)
    other = answering.prepare(Picture(picture), [("And the dog?", None)], 400)
    answering.begin([first, other])
    answer = next(answer for answer in answering.answers if answer.question is first)
    while not answer.row.ended:
        answering.step()
    later.do()
    answering.step()  # the next batch is of all that is left
    assert answer.prediction is None and later.given
    later.do()
    new = Picture(noise(1, (30, 20)))
    asked = [answering.prepare(new, [(text, None)], SHORT) for text in ("What?", "Say.")]

    def broken(questions: list[object], prefixes: object) -> list[object]:
        if questions:
            raise RuntimeError("out of memory")
        return []

    with monkeypatch.context() as patch:
        patch.setattr(answering, "_resume", broken)
        with pytest.raises(RuntimeError, match="out of memory"):
            answering.begin(asked)
    for begun in [begun for begun in answering.answers if begun.question in asked]:
        answering.drop(begun)
    assert [a for a, event in answering.step() if isinstance(event, ImagePrediction)] == [answer]


@pytest.mark.parametrize("remember", [True, False])
def test_an_answer_of_one_token_beside_one_that_goes_on(
    predictor: Predictor, picture: Image.Image, remember: bool
) -> None:
    answering = Answering(predictor.model, predictor.processor, remember)
    known = Picture(picture)
    first = answering.prepare(known, [("What?", None)], SHORT)
    answering.begin([first])
    asked = [answering.prepare(Picture(noise(1, (30, 20))), [("Say.", None)], 1)]
    asked += [answering.prepare(known, [("And the dog?", None)], limit) for limit in (SHORT, 1)]
    events = answering.begin(asked)
    assert {a.question for a, event in events if isinstance(event, ImagePrediction)} == {asked[0], asked[2]}
    while answering.answers:
        events += answering.step()
    whole = {a.question: event for a, event in events if isinstance(event, ImagePrediction)}
    for question in (first, *asked):
        text = question.conversation[0][0]
        alone = predictor.ask(question.picture.image, text, max_new_tokens=question.limit)
        assert same(whole[question], alone)


def test_masks_that_fail_end_the_answers_that_they_are_of(predictor: Predictor, picture: Image.Image) -> None:
    later = Later()
    answering = Answering(predictor.model, predictor.processor, mask_worker=later)
    failing = answering.prepare(Picture(picture), [("What?", None)], SHORT)
    answering.begin([failing])
    while not later.given:
        answering.step()
    later.given.pop()[0].set_exception(RuntimeError("out of memory"))
    other = answering.prepare(Picture(picture), [("Say.", None)], SHORT)
    events = answering.begin([other])
    assert not [event for _, event in events if isinstance(event, BaseException)]
    events += answering.step()
    assert [a.question for a, event in events if isinstance(event, BaseException)] == [failing]
    while answering.answers:
        later.do()
        events += answering.step()
    assert not [event for a, event in events if a.question is failing and isinstance(event, ImagePrediction)]
    assert same(events[-1][1], predictor.ask(picture, "Say.", max_new_tokens=SHORT))


def failing_masks(answering: Answering, fails: Callable[[list[Picture]], bool]) -> list[list[Picture]]:
    """The pictures of every batch of masks that is asked for from now on; batches for which `fails` holds fail."""
    asked: list[list[Picture]] = []
    masks = answering._segmenter.masks

    def _masks(wanted: list[tuple[Picture, Any]]) -> object:
        asked.append([picture for picture, _ in wanted])
        if fails(asked[-1]):
            raise RuntimeError("out of memory")
        return masks(wanted)

    answering._segmenter.masks = _masks  # type: ignore[method-assign, assignment]
    return asked


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("beside", [False, True])
def test_of_a_batch_of_masks_that_fails_only_those_end_that_fail_alone(
    predictor: Predictor, picture: Image.Image, streamed: bool, beside: bool
) -> None:
    worker = Background("masks") if beside else None
    answering = Answering(predictor.model, predictor.processor, mask_worker=worker)
    conversation = [("What?", None)]
    questions = [answering.prepare(Picture(picture), conversation, SHORT, streamed) for _ in range(3)]
    failing = questions[1]
    asked = failing_masks(answering, lambda pictures: failing.picture in pictures)
    events = answering.begin(questions)
    while answering.answers:
        events += answering.step()
    alone = predictor.ask(picture, "What?", max_new_tokens=SHORT)
    whole = {answer.question: event for answer, event in events if isinstance(event, ImagePrediction)}
    assert set(whole) == {questions[0], questions[2]} and all(same(answer, alone) for answer in whole.values())
    assert [answer.question for answer, event in events if isinstance(event, BaseException)] == [failing]
    pictures = [question.picture for question in questions]
    assert asked[0] == pictures, "together at first"
    assert asked[1:4] == [[picture] for picture in pictures], "then one by one"
    assert not streamed or beside or [pictures[0], pictures[2]] in asked[4:], "then together again"
    if worker is not None:
        worker.shutdown()


def test_many_answers_fail_for_masks_only_if_they_fail_alone(
    predictor: Predictor, picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is too little memory for all of them; an error that stays is raised."""
    decode, most = predictor.model.decode_masks, 10_000

    def little(features: object, index: torch.Tensor, prompts: torch.Tensor) -> object:
        if len(index.unique()) > most:
            raise RuntimeError("out of memory")
        return decode(features, index, prompts)

    monkeypatch.setattr(predictor.model, "decode_masks", little)
    questions = [(noise(seed, (30, 20)), "What?") for seed in range(3)]
    together = predictor.ask_many(questions, max_new_tokens=SHORT)
    most = 1
    assert all(map(same, predictor.ask_many(questions, max_new_tokens=SHORT), together))
    most = 0
    with pytest.raises(RuntimeError, match="out of memory"):
        predictor.ask_many(questions, max_new_tokens=SHORT)


def test_nothing_stays_of_answers_that_are_dropped(predictor: Predictor, picture: Image.Image) -> None:
    later = Later()
    answering = Answering(predictor.model, predictor.processor, mask_worker=later)
    answering.begin([answering.prepare(Picture(picture), [(text, None)], SHORT) for text in ("What?", "Say.")])
    while not later.given:
        answering.step()
    for answer in answering.answers:
        answering.drop(answer)
    assert answering._decoding.rows == [] and answering._decoding._mask.numel() == 0
    assert answering._batch is None and later.given[0][0].cancelled()


def test_what_is_printed_of_answers_holds_no_prompt(predictor: Predictor, picture: Image.Image) -> None:
    answering = Answering(predictor.model, predictor.processor, remember=True)
    question = answering.prepare(Picture(picture), [("What?", None)], SHORT)
    answering.begin([question])
    answer = answering.answers[0]
    prefix = answering._decoding.prefix(answer.row)
    for each in (question, answer, answer.row, prefix):
        assert ", ".join(map(str, question.ids[:3])) not in repr(each) and "What?" not in repr(each)


def test_a_picture_keeps_few_conversations(predictor: Predictor, picture: Image.Image) -> None:
    answering = Answering(predictor.model, predictor.processor, remember=True)
    seen = Picture(picture)
    for number in range(6):
        answering.begin([answering.prepare(seen, [(f"What is {number}?", None)], 4)])
        while answering.answers:
            answering.step()
    assert len(seen.prefixes) == 4
    assert seen.num_bytes > sum(prefix.num_bytes for prefix in seen.prefixes)
    longest = seen.prefixes[-1]
    seen.remember(longest)
    assert seen.prefixes.count(longest) == 1, "what goes on from another takes its place"


def test_streams_of_any_tokens_add_up(predictor: Predictor, picture: Image.Image) -> None:
    """Random answers within the markup, blank phrases and half characters among them."""
    tokenizer = predictor.processor.tokenizer
    config = predictor.model.config
    start, end, seg = config.phrase_start_token_id, config.phrase_end_token_id, config.seg_token_id
    plain = [i for i in range(len(tokenizer)) if i not in tokenizer.all_special_ids and i not in (start, end, seg)]
    blank = tokenizer(" ", add_special_tokens=False)["input_ids"]
    random = Random(5)
    for _ in range(60):
        ids: list[int] = []
        while len(ids) < 30:
            inside = blank * random.randint(1, 2) if random.random() < 0.3 else random.choices(plain, k=2)
            ids += random.choices([*plain, *blank * 20], k=random.randint(0, 3))
            ids += [start, *inside, end, *[seg] * random.randint(1, 2)]
        way = script.scripted(predictor, [*ids, tokenizer.eos_token_id])
        events = way.begin([way.prepare(Picture(picture), [("Say.", None)], 60, streamed=True)])
        while way.answers:
            events += way.step()
        check_events([event for _, event in events])


def test_a_long_history_is_refused_at_a_glance(predictor: Predictor, picture: Image.Image) -> None:
    said = GroundedText(text="Yes.")
    for history in ([("Is it?", said)] * 5_000, [("word " * 2_000_000, said)]):
        begin = time.perf_counter()
        with pytest.raises(UserError, match="too long"):
            predictor.chat(picture, history).ask("And now?")
        assert time.perf_counter() - begin < 2


def test_raw_text_comes_token_by_token(predictor: Predictor) -> None:
    """Whatever the tokens are: the text of the first ones only grows, but for the space at its end."""
    from mglmm.model.conversation import AnswerText, decode_answer

    tokenizer = predictor.processor.tokenizer
    generator = torch.Generator().manual_seed(3)
    for _ in range(50):
        ids = torch.randint(0, len(tokenizer), (40,), generator=generator).tolist()
        text, before = AnswerText(tokenizer), ""
        for count, token in enumerate(ids, start=1):
            text.add(token)
            assert text.raw == decode_answer(tokenizer, ids[:count])
            assert text.raw.startswith(before.rstrip("\ufffd")) or grounding.SEG in text.raw
            before = text.raw


def test_a_mask_without_a_phrase_is_told_and_stays_in_the_chat(sure: Predictor, picture: Image.Image) -> None:
    """The next turn's prompt holds the `[SEG]`, so that the model knows what it has pointed at."""
    prompts: list[list[tuple[str, str | None]]] = []
    ids_of = sure.processor.conversation_ids

    def _noted(turns: list[tuple[str, str | None]], **options: Any) -> Any:
        prompts.append(list(turns))
        return ids_of(turns, **options)

    sure.processor.conversation_ids = _noted
    chat = sure.chat(picture)
    *parts, first = chat.stream("Segment the disc.")
    assert isinstance(first, ImagePrediction)
    assert (first.answer.text, first.answer.spans, first.num_invalid) == ("Sure, it is.", (), 1)
    [mask] = [part for part in parts if isinstance(part, Unnamed)]
    assert (mask.place, mask.segment) == (11, first.segments[0])
    assert first.segments[0].label == "" and first.segments[0].area > 0
    second = chat.ask("And where?")
    assert prompts[-1] == [("Segment the disc.", "Sure, it is [SEG]."), ("And where?", None)]
    assert len(second.segments) == 1
