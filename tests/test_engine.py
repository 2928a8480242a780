"""Requests of many threads: each hears its own answer, the same as alone; they are cancelled, finished or dropped."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue
from threading import Event as Signal
from threading import Thread

import pytest
from benchmarks import script
from PIL import Image

from mglmm.engine import Engine, EngineClosedError
from mglmm.events import Event
from mglmm.predict import Predictor, load
from mglmm.prediction import ImagePrediction
from mglmm.schema import UserError
from mglmm.segmenting import Picture
from tests.test_answering import SHORT, check_events
from tests.test_predict import noise, same

INSTRUCTIONS = ["What?", "Segment the red car on the road.", "Hello, you.", "And the dog?", "Say."]


class Listener:
    """Collects the events of a request."""

    def __init__(self) -> None:
        self.events: Queue[Event | BaseException] = Queue()

    def all(self) -> list[Event]:
        """Every event up to the last one, which ends the request."""
        heard: list[Event] = []
        while True:
            event = self.events.get(timeout=180)
            if isinstance(event, BaseException):
                raise event
            heard.append(event)
            if isinstance(event, ImagePrediction):
                assert self.events.empty()
                return heard


@pytest.fixture(scope="module")
def predictor(tiny_model_dir: Path) -> Predictor:
    return load(tiny_model_dir)


@pytest.fixture
def engine(predictor: Predictor) -> Iterator[Engine]:
    engine = Engine(predictor, max_rows=3)
    yield engine
    engine.close(finish=False)


def submit(engine: Engine, image: Image.Image, text: str, limit: int = SHORT) -> Listener:
    listener = Listener()
    engine.submit(image, [(text, None)], max_new_tokens=limit, on_event=listener.events.put)
    return listener


def held(engine: Engine, image: Image.Image, limit: int) -> tuple[Listener, Signal]:
    """A request that has begun; the engine waits in its listener until the signal is set."""
    begun, go_on, listener = Signal(), Signal(), Listener()

    def listen(event: Event | BaseException) -> None:
        listener.events.put(event)
        begun.set()
        go_on.wait(30)

    engine.submit(image, [("What?", None)], max_new_tokens=limit, on_event=listen)
    assert begun.wait(30)
    return listener, go_on


def test_more_requests_than_rows_are_answered_as_alone(engine: Engine, predictor: Predictor) -> None:
    images = [noise(seed, (20 + seed, 30)) for seed in range(3)]
    asked = [(images[number % 3], INSTRUCTIONS[number % 5], 4 + 3 * (number % 7)) for number in range(15)]
    listeners = [submit(engine, *question) for question in asked]
    answers = [check_events(listener.all()) for listener in listeners]
    engine.close()
    for answer, (image, text, limit) in zip(answers, asked, strict=True):
        assert same(answer, predictor.ask(image, text, max_new_tokens=limit))
    assert (engine.num_waiting, engine.num_running) == (0, 0)


def test_what_cannot_be_asked_is_refused_at_once(engine: Engine, picture: Image.Image) -> None:
    with pytest.raises(UserError, match="is empty"):
        submit(engine, picture, " ")
    with pytest.raises(UserError, match="no room"):
        submit(engine, picture, "word " * 600)
    assert not engine._pictures, "nothing is kept of what was refused"


@pytest.mark.parametrize(
    "earlier", [("Say <image>.", "No."), ("What?", "A <image> of <p> it </p> [SEG]."), ("</s>", "")]
)
def test_tokens_of_the_model_in_earlier_turns_are_refused(
    engine: Engine, picture: Image.Image, earlier: tuple[str, str]
) -> None:
    """Else one conversation with a second place for an image would end the answers of all others."""
    with pytest.raises(UserError, match="an earlier turn holds"):
        engine.submit(picture, [earlier, ("And?", None)], on_event=print)


def test_tickets_count_tokens(engine: Engine, picture: Image.Image, predictor: Predictor) -> None:
    listener = Listener()
    ticket = engine.submit(picture, [("What?", None)], max_new_tokens=5, on_event=listener.events.put)
    listener.all()
    assert ticket.num_tokens == 5 and ticket.met_limit
    ticket.cancel()  # too late
    assert ticket.met_limit
    assert ticket.num_prompt_tokens == len(predictor.processor.conversation_ids([("What?", None)])[0])


def test_a_cancelled_request_hears_nothing_more(engine: Engine, picture: Image.Image) -> None:
    begun, heard = Signal(), []

    def listen(event: Event | BaseException) -> None:
        heard.append(event)
        begun.set()
        ticket_known.wait(10)

    ticket_known = Signal()
    ticket = engine.submit(picture, [("What?", None)], max_new_tokens=400, on_event=listen)
    assert begun.wait(30)
    ticket.cancel()
    ticket_known.set()
    submit(engine, picture, "And the dog?").all()
    assert len(heard) == 1
    assert engine.num_running == 0
    assert ticket.num_tokens and not ticket.met_limit


def test_cancelled_requests_that_wait_leave_at_once(predictor: Predictor) -> None:
    """Also while every answer that runs waits for its masks."""
    engine, go_on = Engine(predictor, max_rows=1, memory_bytes=1), Signal()
    masks = engine._answering._segmenter.masks
    engine._answering._segmenter.masks = lambda asked: (go_on.wait(60), masks(asked))[1]  # type: ignore
    try:
        first = Listener()
        running = engine.submit(noise(0, (30, 20)), [("What?", None)], max_new_tokens=5, on_event=first.events.put)
        waiting = [
            engine.submit(noise(seed, (30, 20)), [("What?", None)], max_new_tokens=5, on_event=first.events.put)
            for seed in range(1, 4)
        ]
        until(lambda: running.met_limit)
        time.sleep(0.05)  # the engine waits by now
        for ticket in waiting[:2]:
            ticket.cancel()
        until(lambda: engine.num_waiting == 1)
        until(lambda: not engine._pictures)
        assert engine.num_running == 1
        waiting[2].cancel()
        go_on.set()
        check_events(first.all())
        engine.close()
        assert first.events.empty()
    finally:
        go_on.set()
        engine.close(finish=False)


def test_a_listener_that_fails_is_dropped_and_nobody_else(
    engine: Engine, picture: Image.Image, caplog: pytest.LogCaptureFixture
) -> None:
    told = 0

    def fail(event: Event | BaseException) -> None:
        nonlocal told
        told += 1
        raise OSError("gone")

    before, after = submit(engine, picture, "What?"), Listener()
    engine.submit(picture, [("What?", None)], max_new_tokens=SHORT, on_event=fail)
    engine.submit(picture, [("Say.", None)], max_new_tokens=SHORT, on_event=after.events.put)
    assert check_events(before.all()).segments and check_events(after.all()).segments
    assert told == 1
    assert [record.getMessage() for record in caplog.records] == ["a request's listener failed; the request is dropped"]


def test_a_listener_that_fails_as_the_engine_closes_keeps_the_end_from_nobody(
    predictor: Predictor, picture: Image.Image
) -> None:
    engine, begun = Engine(predictor), Signal()

    def fail(event: Event | BaseException) -> None:
        begun.set()
        assert not isinstance(event, EngineClosedError)

    engine.submit(picture, [("What?", None)], max_new_tokens=400, on_event=fail)
    other = submit(engine, picture, "What?", 400)
    assert begun.wait(30)
    engine.close(finish=False)
    with pytest.raises(EngineClosedError):
        other.all()


def test_an_answer_that_is_whole_no_longer_runs_when_it_is_told(engine: Engine, picture: Image.Image) -> None:
    running: Queue[int] = Queue()

    def listen(event: Event | BaseException) -> None:
        if isinstance(event, ImagePrediction):
            running.put(engine.num_running)

    engine.submit(picture, [("What?", None)], max_new_tokens=5, on_event=listen)
    assert running.get(timeout=180) == 0


def test_a_failing_model_ends_the_requests_on_their_way_but_not_the_engine(
    engine: Engine, predictor: Predictor, picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(predictor.model, "decode_masks", broken)
        with pytest.raises(RuntimeError, match="out of memory"):
            submit(engine, picture, "What?").all()
    assert check_events(submit(engine, picture, "What?").all()).segments


@pytest.mark.parametrize("place", ["_let_in", "_begin", "_pass_on"])
def test_whatever_fails_ends_the_requests_on_their_way_but_not_the_engine(
    engine: Engine, picture: Image.Image, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    first, go_on = held(engine, picture, 400)
    with monkeypatch.context() as patch:
        work = getattr(engine, place)

        def broken(*given: object) -> None:
            patch.undo()
            work(*given)
            raise RuntimeError("the device is lost")

        patch.setattr(engine, place, broken)
        second = submit(engine, picture, "Say.", 400)
        go_on.set()
        for listener in (first, second):
            with pytest.raises(RuntimeError, match="is lost"):
                listener.all()
    assert engine.is_open and engine.num_running == 0
    assert check_events(submit(engine, picture, "What?").all()).segments


def test_a_failure_while_rows_join_ends_all(
    engine: Engine, picture: Image.Image, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the others would go on with some layers of a row that is not there."""
    first, go_on = held(engine, picture, 60)
    last = engine._answering._decoding._cache.layers[-1]
    assert len(engine._answering._decoding._cache.layers) > 1

    def broken(_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(last, "join", broken)
    second = submit(engine, noise(1, (30, 20)), "Say.", 60)
    go_on.set()
    for listener in (first, second):
        with pytest.raises(RuntimeError, match="out of memory"):
            listener.all()
    answer = check_events(submit(engine, picture, "What?").all())
    assert same(answer, predictor.ask(picture, "What?", max_new_tokens=SHORT))


class FalsyError(RuntimeError):
    """An error that is no truth: nothing but `None` means that all went well."""

    def __len__(self) -> int:
        return 0


def test_an_error_is_one_whatever_its_truth_value(
    engine: Engine, picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(engine, "_pass_on", broken_with(FalsyError()))
        with pytest.raises(FalsyError):
            submit(engine, picture, "What?").all()
    assert check_events(submit(engine, picture, "What?").all())


def broken_with(error: Exception) -> Callable[..., None]:
    def _broken(*_: object) -> None:
        raise error

    return _broken


def test_masks_that_fail_end_their_own_answer(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = noise(7, (30, 20))
    masks = engine._answering._segmenter.masks

    def some(asked: list[tuple[Picture, object]]) -> object:
        if any(picture.image is failing for picture, _ in asked):
            raise RuntimeError("out of memory")
        return masks(asked)  # type: ignore[arg-type]

    monkeypatch.setattr(engine._answering._segmenter, "masks", some)
    others = [submit(engine, noise(7, (30, 20)), "What?") for _ in range(2)]
    engine._pictures.clear()  # else it would be the picture of the others
    first = Listener()
    ticket = engine.submit(failing, [("What?", None)], max_new_tokens=400, on_event=first.events.put)
    with pytest.raises(RuntimeError, match="out of memory"):
        first.all()
    assert not ticket.met_limit
    for other in others:
        assert check_events(other.all()).segments


def until(condition: Callable[[], bool]) -> None:
    """Wait until it holds; fails after ten seconds."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_nobody_waits_for_masks_of_somebody_else(
    engine: Engine, picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the masks of an answer take their time another is written, and the first can be cancelled."""
    go_on, masks = Signal(), engine._answering._segmenter.masks

    def slow(asked: list[object]) -> object:
        assert go_on.wait(60)
        return masks(asked)

    monkeypatch.setattr(engine._answering._segmenter, "masks", slow)
    try:
        first = engine.submit(picture, [("What?", None)], max_new_tokens=SHORT, on_event=lambda _: None)
        until(lambda: first.met_limit)
        time.sleep(0.05)  # the engine waits by now
        other = Listener()
        second = engine.submit(picture, [("Say.", None)], max_new_tokens=SHORT, on_event=other.events.put)
        until(lambda: second.met_limit)
        assert engine.num_running == 2
        time.sleep(0.05)
        first.cancel()
        until(lambda: engine.num_running == 1)
    finally:
        go_on.set()
    check_events(other.all())


def test_cancelled_answers_leave_no_memory_behind(engine: Engine, picture: Image.Image) -> None:
    tickets = [
        engine.submit(picture, [(text, None)], max_new_tokens=400, on_event=lambda _: None) for text in INSTRUCTIONS[:3]
    ]
    until(lambda: all(ticket.num_tokens for ticket in tickets))
    for ticket in tickets:
        ticket.cancel()
    until(lambda: engine.num_running == 0)
    until(lambda: engine._answering._decoding.rows == [])
    assert engine._answering._batch is None


def test_a_listener_cannot_close_the_engine(engine: Engine, picture: Image.Image) -> None:
    errors: Queue[RuntimeError] = Queue()

    def listen(event: Event | BaseException) -> None:
        try:
            engine.close()
        except RuntimeError as error:
            errors.put(error)

    engine.submit(picture, [("What?", None)], max_new_tokens=5, on_event=listen)
    assert "another thread" in str(errors.get(timeout=180))
    check_events(submit(engine, picture, "Say.").all())


def test_a_script_may_end_with_answers_on_their_way(tiny_model_dir: Path) -> None:
    """Else a thread within torch would abort it."""
    said = subprocess.run(
        [sys.executable, "-c", _ENDING, str(tiny_model_dir)], timeout=180, capture_output=True, text=True
    )
    assert (said.returncode, said.stdout) == (0, "EngineClosedError\n")
    assert said.stderr.rpartition("loaded\n")[1:] == ("loaded\n", ""), "nothing is complained of"


_ENDING = """
import sys, threading, time
from PIL import Image
from mglmm.engine import Engine
from mglmm.predict import load
from mglmm.prediction import ImagePrediction
from mglmm.segmenting import Segmenter

masks, begun = Segmenter.masks, threading.Event()

def slow(*given):
    begun.set()
    time.sleep(0.3)
    return masks(*given)

def listen(event):
    if isinstance(event, (ImagePrediction, BaseException)):
        print(type(event).__name__)

Segmenter.masks = slow
engine = Engine(load(sys.argv[1]))
print("loaded", file=sys.stderr)
engine.submit(Image.new("RGB", (40, 30)), [("What?", None)], max_new_tokens=400, on_event=listen)
begun.wait(30)
"""
"""A script that ends while masks are made, and more are to come."""


def silent(predictor: Predictor) -> list[int]:
    """Tokens of an answer whose first three give no text, and which then has words and a mask."""
    tokenizer = predictor.processor.tokenizer
    silence = tokenizer.bos_token_id
    return [silence] * 3 + script.answer_of(predictor, 12, 1)


def test_an_answer_that_begins_without_text_is_begun_once(engine: Engine, predictor: Predictor) -> None:
    engine._answering._decoding.markup = script.Script(predictor.model, silent(predictor))
    listeners = [submit(engine, noise(seed, (30, 20)), "What?", 40) for seed in range(5)]
    answers = [check_events(listener.all()) for listener in listeners]
    assert len({answer.answer for answer in answers}) == 1
    assert engine._answering.answers == [] and engine._answering._decoding.rows == []


def test_a_question_that_cannot_be_begun_ends_alone(
    engine: Engine, predictor: Predictor, picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener, go_on = held(engine, picture, 60)
    begin = engine._answering.begin

    def broken(questions: list[object]) -> object:
        if questions:
            raise RuntimeError("this picture cannot be seen")
        return begin([])

    with monkeypatch.context() as patch:
        patch.setattr(engine._answering, "begin", broken)
        other = submit(engine, picture, "Say.")
        go_on.set()
        with pytest.raises(RuntimeError, match="cannot be seen"):
            other.all()
    check_events(listener.all())


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_nobody_waits_for_a_model_that_cannot_begin_afresh(
    predictor: Predictor, picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = Signal()
    engine = Engine(predictor, max_rows=1, on_failure=failed.set)
    assert engine.is_open

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the device is lost")

    monkeypatch.setattr(engine._answering, "step", broken)
    monkeypatch.setattr("mglmm.engine.Answering", broken)
    listeners = [submit(engine, picture, text) for text in INSTRUCTIONS[:3]]
    for listener in listeners:
        with pytest.raises((RuntimeError, EngineClosedError)):
            listener.all()
    with pytest.raises(EngineClosedError):
        submit(engine, picture, "Say.")
    engine.close()
    assert failed.is_set() and not engine.is_open


@pytest.mark.parametrize("finish", [True, False])
def test_closing_finishes_or_drops(predictor: Predictor, picture: Image.Image, finish: bool) -> None:
    failed = Signal()
    engine = Engine(predictor, max_rows=1, on_failure=failed.set)
    listeners = [submit(engine, picture, text, 60) for text in INSTRUCTIONS]
    engine.close(finish=finish)
    if finish:
        for listener in listeners:
            check_events(listener.all())
    else:
        with pytest.raises(EngineClosedError):
            listeners[-1].all()
        assert engine.num_waiting == engine.num_running == 0
    with pytest.raises(EngineClosedError):
        submit(engine, picture, "Say.")
    engine.close()
    assert not engine.is_open and not failed.is_set()


def test_what_is_dropped_stays_so_when_it_is_closed_again(predictor: Predictor, picture: Image.Image) -> None:
    engine = Engine(predictor)
    first, go_on = held(engine, picture, 400)
    closing = [Thread(target=lambda finish=finish: engine.close(finish=finish)) for finish in (False, True)]
    for thread in closing:
        thread.start()
        until(lambda: engine._dropping)
    time.sleep(0.05)
    go_on.set()
    for thread in closing:
        thread.join(30)
    with pytest.raises(EngineClosedError):
        first.all()


@pytest.mark.parametrize("end", ["cancelled", "failed"])
def test_pictures_are_forgotten_however_the_answer_ends(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    engine = Engine(predictor, memory_bytes=1)

    def broken(*_: object) -> None:
        raise RuntimeError("out of memory")

    try:
        if end == "failed":
            monkeypatch.setattr(engine._answering._decoding, "step", broken)
        listener = Listener()
        ticket = engine.submit(noise(1, (30, 20)), [("What?", None)], max_new_tokens=400, on_event=listener.events.put)
        if end == "failed":
            with pytest.raises(RuntimeError):
                listener.all()
        else:
            until(lambda: ticket.num_tokens > 0)
            assert engine._pictures
            ticket.cancel()
        until(lambda: not engine._pictures)
        assert engine.is_open
    finally:
        engine.close(finish=False)


def test_pictures_are_found_by_content_and_forgotten_by_memory(predictor: Predictor) -> None:
    seen: list[int] = []
    encode: Callable[..., object] = predictor.model.encode_grounding
    engine = Engine(predictor, memory_bytes=10**7)
    predictor.model.encode_grounding = lambda pixels: (seen.append(len(pixels)), encode(pixels))[1]  # type: ignore
    try:
        for _ in range(3):
            submit(engine, noise(1, (30, 20)), "What?").all()
        assert seen == [1], "the same picture in other objects"
        submit(engine, noise(2, (20, 30)), "What?").all()
        assert seen == [1, 1]
        engine._memory_bytes = 1
        submit(engine, noise(3, (20, 30)), "What?").all()
        submit(engine, noise(1, (30, 20)), "What?").all()
        assert seen == [1, 1, 1, 1]
    finally:
        del predictor.model.encode_grounding
        engine.close()
