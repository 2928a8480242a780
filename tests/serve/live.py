"""A server over real HTTP in a thread of the test's process, with an engine that the test plays."""

import asyncio
import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import numpy as np
from PIL import Image

from mglmm.answering import Conversation
from mglmm.arguments import bind
from mglmm.engine import Engine, Listener
from mglmm.events import Event, Grounded, Words
from mglmm.prediction import ImagePrediction
from mglmm.schema import GroundedText, Rle, Segment, Span
from mglmm.serve.app import create_app
from mglmm.serve.limits import Limits
from mglmm.serve.pictures import data_url
from mglmm.serve.run import uvicorn_server
from mglmm.serve.service import Service

MODEL = "played"
CHAT = "/v1/chat/completions"


def png(width: int = 6, height: int = 4, color: str = "red") -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (width, height), color).save(content, "PNG")
    return content.getvalue()


PICTURE = data_url(png())


def user(text: str = "Segment the cat.", url: str | None = PICTURE) -> dict[str, Any]:
    image = [] if url is None else [{"type": "image_url", "image_url": {"url": url}}]
    return {"role": "user", "content": [{"type": "text", "text": text}, *image]}


def request(**changes: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [user()], **changes}


@dataclass
class PlayedTicket:
    """A request at the played engine; the test says what comes of it."""

    image: Image.Image
    conversation: Conversation
    max_new_tokens: int
    streamed: bool
    on_event: Listener
    cancelled: threading.Event = field(default_factory=threading.Event)
    num_prompt_tokens: int = 7
    num_tokens: int = 0
    met_limit: bool = False

    def cancel(self) -> None:
        self.cancelled.set()

    def tell(self, *events: Event | BaseException) -> None:
        """What comes of it; only who streams hears more than the end."""
        for event in events:
            self.num_tokens += isinstance(event, Words)
            if self.streamed or not isinstance(event, Words | Grounded):
                self.on_event(event)

    def segment(self, number: int = 1) -> Segment:
        mask = np.zeros((self.image.height, self.image.width), bool)
        mask[:2, :3] = True
        return Segment(id=number, rle=Rle.from_mask(mask), label="a cat", score=0.75)

    def answer(self) -> list[Event]:
        """ "Here is a cat." with one mask."""
        span, segment = Span(start=8, end=13, segment_ids=(1,)), self.segment()
        whole = ImagePrediction(
            sample_id="",
            size=(self.image.height, self.image.width),
            instruction=self.conversation[-1][0],
            answer=GroundedText(text="Here is a cat.", spans=(span,)),
            segments=(segment,),
            image=self.image,
        )
        return [Words("Here is "), Words("a cat"), Grounded(span, (segment,)), Words("."), whole]


class PlayedEngine:
    """Holds the requests that come. `at_once`: each is answered when it comes."""

    def __init__(self, at_once: bool = True) -> None:
        self.at_once = at_once
        self.tickets: list[PlayedTicket] = []
        self.closed = False

    @property
    def is_open(self) -> bool:
        return not self.closed

    @property
    def num_waiting(self) -> int:
        return 0

    @property
    def num_running(self) -> int:
        return sum(not ticket.cancelled.is_set() for ticket in self.tickets)

    def submit(
        self,
        image: Image.Image,
        conversation: Conversation,
        *,
        max_new_tokens: int,
        streamed: bool,
        on_event: Listener,
    ) -> PlayedTicket:
        ticket = PlayedTicket(image, conversation, max_new_tokens, streamed, on_event)
        self.tickets.append(ticket)
        if self.at_once:
            ticket.tell(*ticket.answer())
        return ticket

    def close(self, *, finish: bool = True) -> None:
        self.closed = True

    def wait_for(self, count: int) -> list[PlayedTicket]:
        """The tickets, once there are so many."""
        until(lambda: len(self.tickets) >= count)
        return self.tickets


def until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Wait for it; an assertion fails if it does not come."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "what was waited for did not come"
        time.sleep(0.005)


@dataclass(frozen=True)
class Live:
    """A running server."""

    service: Service
    url: str
    http: httpx2.Client

    def chat(self, **changes: Any) -> httpx2.Response:
        return self.http.post(CHAT, json=request(**changes))


@contextmanager
def serving(
    engine: Engine | PlayedEngine, limits: Limits | None = None, model: str = MODEL, **options: Any
) -> Iterator[Live]:
    """The server while the block lasts."""
    service = Service(engine, model, limits or Limits(), **options)
    server = uvicorn_server(create_app(service), service.limits)
    with bind("127.0.0.1", 0) as bound:
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([bound])), daemon=True)
        thread.start()
        until(lambda: server.started)
        try:
            with httpx2.Client(base_url=url, timeout=20) as http:
                yield Live(service, url, http)
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()
