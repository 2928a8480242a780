"""Many requests answered together: answers join and leave between two tokens (continuous batching).

Two threads. A worker answers as long as there is somebody to answer; the other waits, lets it work, and settles what
goes wrong there, which comes back in a future: it ends the requests that it concerns and nobody else's.
"""

import hashlib
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Condition, Lock, Thread

from PIL import Image

from mglmm.answering import Answer, Answering, Conversation, Event, Question
from mglmm.predict import MAX_NEW_TOKENS, Predictor
from mglmm.prediction import ImagePrediction
from mglmm.segmenting import Picture

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

    def __init__(self, question: Question, on_event: Listener):
        self._question, self._on_event = question, on_event
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
        row = self._answer.row if self._answer else None
        return row is not None and row.ended and not row.stopped

    def cancel(self) -> None:
        """Nobody waits for the answer any more: it leaves at the next token, and no event comes after that."""
        self._cancelled = True

    def _tell(self, event: Event | BaseException) -> None:
        """Hand an event on, if somebody waits for it."""
        if not self._cancelled:
            self._on_event(event)


class Engine:
    """Answers requests of many threads.

    Args:
        predictor: whose model answers; nobody else may ask it meanwhile.
        max_rows: answers on their way together; further requests wait.
        memory_bytes: how much may be kept in mind of pictures that were asked about (what has been read of them, and
            what the grounding encoder sees), so that the next turn about them need not pay for it again.
    """

    def __init__(self, predictor: Predictor, *, max_rows: int = MAX_ROWS, memory_bytes: int = MEMORY_BYTES):
        self._predictor, self._max_rows, self._memory_bytes = predictor, max_rows, memory_bytes
        # an accelerator does one thing after the other anyway
        on_cpu = predictor.model.device.type == "cpu"
        self._mask_worker = ThreadPoolExecutor(1, thread_name_prefix="mglmm-masks") if on_cpu else None
        self._answering = self._made_answering()
        self._waiting: deque[Ticket] = deque()
        self._running: list[Ticket] = []
        self._untold: deque[tuple[Ticket, Event | BaseException]] = deque()
        self._pictures: OrderedDict[bytes, Picture] = OrderedDict()
        self._changed, self._remembering = Condition(), Lock()
        self._closed = self._dropping = False
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="mglmm-worker")
        self._thread = Thread(target=self._run, name="mglmm-engine", daemon=True)
        self._thread.start()

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
        """A request; returns at once.

        Args:
            image: upright RGB picture.
            conversation: (instruction, answer with markup) of each turn; the last answer is None.
            name: what the prediction calls the picture.
            max_new_tokens: limit of the answer.
            streamed: tell words and phrases as they come; else only the end.
            on_event: called on a thread of the engine, must not block; hears what comes, at last the prediction, or the
                exception that ended it. One that raises is logged and hears no more.

        Raises:
            UserError: the instruction is empty, or the conversation leaves no room for an answer.
            EngineClosedError: the engine has been closed.
        """
        picture = self._picture(image, name)
        question = self._answering.prepare(picture, conversation, max_new_tokens, streamed)
        ticket = Ticket(question, on_event)
        with self._changed:
            if self._closed:
                raise EngineClosedError("the engine is closed")
            self._waiting.append(ticket)
            self._changed.notify_all()
        return ticket

    def close(self, *, finish: bool = True) -> None:
        """Take no more requests; finish those that were taken, or drop them with an `EngineClosedError`."""
        with self._changed:
            self._closed, self._dropping = True, not finish
            self._changed.notify_all()
        self._thread.join()

    def _picture(self, image: Image.Image, name: str) -> Picture:
        """The picture, with what is known of it if it was asked about before."""
        key = hashlib.blake2b(image.tobytes(), salt=f"{image.width}x{image.height}"[:16].encode()).digest()
        with self._remembering:
            known = self._pictures.pop(key, None)
            if known is None or known.name != name:
                known = Picture(image, name)
            self._pictures[key] = known
        return known

    def _forget(self) -> None:
        """The pictures that were asked about longest ago leave until the others fit."""
        with self._remembering:
            num_bytes = sum(picture.num_bytes for picture in self._pictures.values())
            while num_bytes > self._memory_bytes and self._pictures:
                _, picture = self._pictures.popitem(last=False)
                num_bytes -= picture.num_bytes

    def _made_answering(self) -> Answering:
        return Answering(self._predictor.model, self._predictor.processor, True, self._mask_worker)

    def _run(self) -> None:
        """The engine's thread; however it ends, nobody is left waiting."""
        try:
            while self._wait():
                if error := self._worker.submit(self._work).exception():
                    self._settle(error)
        finally:
            with self._changed:
                self._closed = True
                left = [*self._running, *self._waiting]
                self._waiting.clear()
            self._end(left, EngineClosedError("the engine was closed"))
            while error := self._worker.submit(self._tell).exception():
                self._settle(error)
            self._worker.shutdown()
            if self._mask_worker is not None:
                self._mask_worker.shutdown()

    def _wait(self) -> bool:
        """Wait for something to do; False when the engine is closed and all is done or dropped."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._running or self._untold or self._closed)
            return not self._dropping and bool(self._waiting or self._running or self._untold)

    def _settle(self, error: BaseException) -> None:
        """What a failure of the worker asks for: it concerns who was being told, else who was beginning, else all."""
        new = [ticket for ticket in self._running if ticket._answer is None]
        if self._untold:
            _log.error("a request's listener failed; the request is dropped", exc_info=error)
            self._untold.popleft()[0].cancel()
        elif new:
            _log.error("new answers could not be begun", exc_info=error)
            questions = {ticket._question for ticket in new}
            for answer in [answer for answer in self._answering.answers if answer.question in questions]:
                self._answering.drop(answer)
            self._end(new, error)
        else:
            _log.error("the answers on their way failed", exc_info=error)
            self._end(self._running, error)
            afresh = self._worker.submit(self._made_answering)
            if afresh.exception():
                self._closed = self._dropping = True
            else:
                self._answering = afresh.result()

    def _work(self) -> None:
        """Begin what is new, write one token of everything and tell what has come, until nobody is left."""
        self._tell()
        while self._let_in():
            if new := [ticket for ticket in self._running if ticket._answer is None]:
                self._begin(new)
                self._tell()
            self._note(self._answering.step())
            self._tell()

    def _let_in(self) -> bool:
        """Let requests in that wait, and cancelled ones go; whether any are left."""
        with self._changed:
            if self._dropping:
                return False
            for ticket in [ticket for ticket in self._running if ticket._cancelled]:
                if ticket._answer is not None:
                    self._answering.drop(ticket._answer)
                self._running.remove(ticket)
            while self._waiting and len(self._running) < self._max_rows:
                ticket = self._waiting.popleft()
                if not ticket._cancelled:
                    self._running.append(ticket)
            return bool(self._running)

    def _begin(self, new: Iterable[Ticket]) -> None:
        """Give every new request its answer."""
        events = self._answering.begin([ticket._question for ticket in new])
        begun = {a.question: a for a in [*self._answering.answers, *(answer for answer, _ in events)]}
        for ticket in new:
            ticket._answer = begun[ticket._question]
        self._note(events)

    def _note(self, events: Iterable[tuple[Answer, Event]]) -> None:
        """What has come of answers is to be told; those that are whole leave."""
        tickets = {ticket._question: ticket for ticket in self._running}
        for answer, event in events:
            ticket = tickets[answer.question]
            self._untold.append((ticket, event))
            if isinstance(event, ImagePrediction):
                self._running.remove(ticket)
                self._forget()

    def _end(self, tickets: Iterable[Ticket], error: BaseException) -> None:
        """These requests come to nothing, and are to be told so."""
        ended = list(tickets)
        self._running = [ticket for ticket in self._running if ticket not in ended]
        self._untold.extend((ticket, error) for ticket in ended)

    def _tell(self) -> None:
        """Hand on what has not been told yet, each to its own."""
        while self._untold:
            ticket, event = self._untold[0]
            ticket._tell(event)
            self._untold.popleft()
