"""Many requests answered together: answers join and leave between two tokens (continuous batching).

The engine outlives what goes wrong with a request: whoever it concerns is told, and the others go on.
"""

import asyncio
import atexit
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Condition, Thread, current_thread

from PIL import Image

from mglmm.answering import Answer, Answering, Conversation, Question, Told
from mglmm.events import Event
from mglmm.images import picture_key
from mglmm.predict import MAX_NEW_TOKENS, Predictor
from mglmm.prediction import ImagePrediction
from mglmm.segmenting import Picture
from mglmm.workers import AtOnce, Background, attempt

MAX_ROWS = 16
"""Answers on their way together; ours: beyond that a token comes noticeably later to each of them."""

MEMORY_BYTES = 2**30
"""What may be kept in mind of pictures that were asked about; ours."""

Listener = Callable[[Event | BaseException], None]
"""Hears the events of one request; the last one is the prediction, or what ended the request without one."""

_log = logging.getLogger(__name__)


class EngineClosedError(RuntimeError):
    """The engine has been closed: it takes no request, or dropped this one."""


class Ticket:
    """One request."""

    def __init__(self, question: Question, on_event: Listener, changed: Condition):
        self._question, self._on_event, self._changed = question, on_event, changed
        self._cancelled = False
        self._answer: Answer | None = None

    @property
    def num_prompt_tokens(self) -> int:
        """Tokens of the prompt, picture included."""
        return len(self._question.ids)

    @property
    def num_tokens(self) -> int:
        """Tokens of the answer so far, markup and the one that ends it included."""
        return len(self._answer.row.answer) if self._answer else 0

    @property
    def met_limit(self) -> bool:
        """Whether the answer has ended because it may have no more tokens."""
        return self._answer is not None and self._answer.row.met_limit

    def cancel(self) -> None:
        """Nobody waits for the answer any more: it leaves at the next token, and no event comes after that."""
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()


def cancel(submitted: "Future[Ticket] | asyncio.Future[Ticket]") -> None:
    """Cancel the request of a submission that is through, if it was taken; to be its `add_done_callback`."""
    if not submitted.cancelled() and submitted.exception() is None:
        submitted.result().cancel()


class Engine:
    """Answers requests of many threads.

    Args:
        predictor: whose model answers; nobody else may ask it meanwhile.
        max_rows: answers on their way together; further requests wait.
        memory_bytes: how much may be kept in mind of pictures that were asked about (what has been read of them, and
            what the grounding encoder sees), so that the next turn about them need not pay for it again.
        on_failure: called on the engine's thread, as its last act, if it ends because the model cannot go on.
    """

    def __init__(
        self,
        predictor: Predictor,
        *,
        max_rows: int = MAX_ROWS,
        memory_bytes: int = MEMORY_BYTES,
        on_failure: Callable[[], None] | None = None,
    ):
        self._predictor, self._max_rows, self._memory_bytes = predictor, max_rows, memory_bytes
        self._on_failure = on_failure
        # an accelerator does one thing after the other anyway
        self._mask_worker = Background("mglmm-masks") if predictor.model.device.type == "cpu" else None
        self._answering = self._made_answering()
        self._waiting: deque[Ticket] = deque()
        self._running: list[Ticket] = []
        self._pictures: OrderedDict[bytes, Picture] = OrderedDict()
        self._changed = Condition()
        self._closed = self._dropping = False
        self._thread = Thread(target=self._run, name="mglmm-engine", daemon=True)
        self._thread.start()
        atexit.register(self._drop_all)

    @property
    def is_open(self) -> bool:
        """Whether it takes requests: it has not been closed, and its model has not failed for good."""
        return not self._closed

    @property
    def num_waiting(self) -> int:
        """Requests whose answer has not begun."""
        return len(self._waiting)

    @property
    def num_running(self) -> int:
        """Answers on their way."""
        return len(self._running)

    def submit(
        self,
        image: Image.Image,
        conversation: Conversation,
        *,
        name: str = "",
        max_new_tokens: int = MAX_NEW_TOKENS,
        streamed: bool = True,
        on_event: Listener,
    ) -> Ticket:
        """A request, made ready in the caller's thread: its picture is looked at, its text cut into tokens.

        Its answer is not waited for; the first events may come before this returns.

        Args:
            image: upright RGB picture.
            conversation: (instruction, answer with markup) of each turn; the last answer is None.
            name: what the prediction calls the picture.
            max_new_tokens: limit of the answer.
            streamed: tell words and phrases as they come; else only the end.
            on_event: called on the engine's thread, must not block or close it; hears what comes, at last the
                prediction, or the exception that ended it. One that raises is logged and hears no more.

        Raises:
            UserError: the instruction is empty, or the conversation leaves no room for an answer.
            EngineClosedError: the engine has been closed.
        """
        key = picture_key(image)
        picture = self._picture(key, image, name)
        question = self._answering.prepare(picture, conversation, max_new_tokens, streamed)
        ticket = Ticket(question, on_event, self._changed)
        with self._changed:
            if self._closed:
                raise EngineClosedError("the engine is closed")
            self._pictures[key] = picture
            self._pictures.move_to_end(key)
            self._waiting.append(ticket)
            self._changed.notify_all()
        return ticket

    def close(self, *, finish: bool = True) -> None:
        """Take no more requests; finish those that were taken, or drop them with an `EngineClosedError`.

        Raises:
            RuntimeError: called by a listener, whose end this would wait for.
        """
        if current_thread() is self._thread:
            raise RuntimeError("a listener cannot close the engine that calls it; close it from another thread")
        with self._changed:
            self._closed = True
            self._dropping |= not finish
            self._changed.notify_all()
        self._thread.join()
        atexit.unregister(self._drop_all)

    def _drop_all(self) -> None:
        """What the interpreter does at its end, which a thread within torch would not survive."""
        self.close(finish=False)

    def _picture(self, key: bytes, image: Image.Image, name: str) -> Picture:
        """The picture, with what is known of it if it was asked about before."""
        with self._changed:
            known = self._pictures.get(key)
        return known if known is not None and known.name == name else Picture(image, name)

    def _forget(self) -> None:
        """The pictures that were asked about longest ago leave until the others fit."""
        with self._changed:
            num_bytes = sum(picture.num_bytes for picture in self._pictures.values())
            while num_bytes > self._memory_bytes and self._pictures:
                _, picture = self._pictures.popitem(last=False)
                num_bytes -= picture.num_bytes

    def _made_answering(self) -> Answering:
        return Answering(self._predictor.model, self._predictor.processor, True, self._mask_worker)

    def _run(self) -> None:
        """The engine's thread; however it ends, nobody is left waiting."""
        failed = True
        try:
            error = attempt(self._go_on)
            failed = error is not None
            if failed:
                _log.error("the engine cannot go on", exc_info=error)
        finally:
            with self._changed:
                self._closed = True
                left = [*self._running, *self._waiting]
                self._waiting.clear()
            self._end(left, EngineClosedError("the engine was closed"))
            if self._mask_worker is not None:
                self._mask_worker.shutdown(cancel_futures=True)
            if failed and self._on_failure is not None:
                self._on_failure()

    def _go_on(self) -> None:
        """Turn after turn; if one fails, all answers on their way end, and the next ones begin afresh."""
        while self._wait():
            error = attempt(self._turn)
            if error is not None:
                _log.error("the answers on their way failed", exc_info=error)
                self._end(self._running, error)
                self._answering = self._made_answering()
            del error  # and what its traceback holds

    def _turn(self) -> None:
        """Some go, some come, and every answer gets a token."""
        self._let_in()
        if new := [ticket for ticket in self._running if ticket._answer is None]:
            self._begin(new)
        self._pass_on(self._answering.step())

    def _wait(self) -> bool:
        """Wait for something to do; False when the engine is closed and all is done or dropped."""
        if masks := self._answering.awaited:
            masks.add_done_callback(self._wake)
        with self._changed:
            self._changed.wait_for(self._has_work)
            return not self._dropping and bool(self._waiting or self._running)

    def _has_work(self) -> bool:
        """Whether somebody comes or goes, a token can be written, or masks are there."""
        comes = bool(self._waiting) and len(self._running) < self._max_rows
        goes = self._dropping or any(ticket._cancelled for ticket in [*self._running, *self._waiting])
        ends = self._closed and not self._running
        masks = self._answering.awaited
        return comes or goes or ends or (bool(self._running) and (masks is None or masks.done()))

    def _wake(self, _: object) -> None:
        with self._changed:
            self._changed.notify_all()

    def _let_in(self) -> None:
        """Let cancelled requests go, and those in that wait."""
        cancelled = [ticket for ticket in self._running if ticket._cancelled]
        for ticket in cancelled:
            self._running.remove(ticket)
            if ticket._answer is not None:
                self._answering.drop(ticket._answer)
        with self._changed:
            cancelled += [ticket for ticket in self._waiting if ticket._cancelled]
            self._waiting = deque(ticket for ticket in self._waiting if not ticket._cancelled)
            while self._waiting and len(self._running) < self._max_rows:
                self._running.append(self._waiting.popleft())
        if cancelled:
            self._forget()

    def _begin(self, new: Sequence[Ticket]) -> None:
        """Give every new request its answer; if that fails, they end and the others go on, where they still can."""
        questions = [ticket._question for ticket in new]
        begun_now = AtOnce().submit(self._answering.begin, questions)
        error = begun_now.exception()
        if error is not None and not self._answering.is_whole:
            raise error
        if error is not None:
            _log.error("new answers could not be begun", exc_info=error)
            for answer in [answer for answer in self._answering.answers if answer.question in questions]:
                self._answering.drop(answer)
            self._end(new, error)
            return
        events = begun_now.result()
        begun = {a.question: a for a in [*self._answering.answers, *(answer for answer, _ in events)]}
        for ticket in new:
            ticket._answer = begun[ticket._question]
        self._pass_on(events)

    def _pass_on(self, events: Sequence[Told]) -> None:
        """Tell each request what has come of its answer; one that is whole leaves first."""
        tickets = {ticket._question: ticket for ticket in self._running}
        for answer, event in events:
            ticket = tickets[answer.question]
            if isinstance(event, ImagePrediction):
                self._running.remove(ticket)
                self._forget()
                self._tell(ticket, event)
            elif isinstance(event, BaseException):
                _log.error("masks could not be made", exc_info=event)
                self._end([ticket], event)
            else:
                self._tell(ticket, event)

    def _end(self, tickets: Sequence[Ticket], error: BaseException) -> None:
        """These requests come to nothing, and are told so."""
        ended = list(tickets)
        self._running = [ticket for ticket in self._running if ticket not in ended]
        self._forget()
        for ticket in ended:
            self._tell(ticket, error)

    def _tell(self, ticket: Ticket, event: Event | BaseException) -> None:
        """Hand an event on, if somebody waits for it; a listener that fails hears no more."""
        if ticket._cancelled:
            return
        error = attempt(ticket._on_event, event)
        if error is not None:
            _log.error("a request's listener failed; the request is dropped", exc_info=error)
            ticket.cancel()
