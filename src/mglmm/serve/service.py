"""From a request that is let in to its answer: key, admission, reading, the engine, limits of time."""

import asyncio
import hmac
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from PIL import Image
from starlette.requests import ClientDisconnect, Request

from mglmm.engine import Engine, EngineClosedError, Ticket, cancel
from mglmm.events import Event, Grounded, Unnamed, Words
from mglmm.schema import UserError
from mglmm.serve import fetch, pictures
from mglmm.serve.errors import ApiError
from mglmm.serve.limits import Limits
from mglmm.serve.observing import LOGGER, Trace
from mglmm.serve.openai import Delta, Limit, Usage
from mglmm.serve.reading import Asked, read
from mglmm.serve.replying import Said, usage

T = TypeVar("T")

_READERS = 2
"""Threads that parse bodies and unpack pictures; ours: more would only hold more memory at once."""
_NUM_DURATIONS = 32
"""Whole answers whose mean duration says when to come again; ours."""

_log = logging.getLogger(LOGGER)


class Service:
    """The chat requests of one server.

    Args:
        engine: answers them.
        model: the name that requests must give.
        api_key: what they must bear; None: nothing.
        resolve: see `fetch.fetch`.
    """

    def __init__(
        self,
        engine: Engine,
        model: str,
        limits: Limits,
        api_key: str | None = None,
        resolve: fetch.Resolve | None = None,
    ) -> None:
        self.engine, self.model, self.limits = engine, model, limits
        self.num_open = 0
        self._api_key, self._resolve = api_key, resolve
        self._pool = ThreadPoolExecutor(_READERS, thread_name_prefix="mglmm-read")
        self._durations: deque[float] = deque(maxlen=_NUM_DURATIONS)

    @property
    def needs_key(self) -> bool:
        """Whether requests must bear a key."""
        return self._api_key is not None

    def check_key(self, request: Request) -> None:
        """Nothing, if the request bears the key.

        Raises:
            ApiError: it does not.
        """
        if self._api_key is None:
            return
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        # compared in constant time: how long it takes tells nothing of how much of it is right; as bytes, since headers
        # are read as Latin-1 whatever they hold
        own = self._api_key.encode("utf-8", "surrogateescape")
        right = hmac.compare_digest(key.strip(" \t").encode("latin-1"), own)
        if scheme.lower() != "bearer" or not right:
            raise ApiError(
                401,
                "the API key is missing or wrong; send it as Authorization: Bearer KEY",
                code="invalid_api_key",
                headers={"WWW-Authenticate": "Bearer"},
            )

    def check_engine(self) -> None:
        """Nothing, if the engine takes requests.

        Raises:
            ApiError: it has ended.
        """
        if not self.engine.is_open:
            raise refusal(EngineClosedError("the engine has ended"))

    def check_model(self, name: str) -> None:
        """Nothing, if this is the model's name.

        Raises:
            ApiError: it is not.
        """
        if name != self.model:
            said = f"model: there is no {name[:100]!r} here; the model is {self.model!r}"
            raise ApiError(404, said, code="model_not_found", param="model")

    @contextmanager
    def admission(self, trace: Trace) -> Iterator[None]:
        """A place for a request while the block lasts, at whose end `trace` tells how its answer ended.

        Raises:
            ApiError: all places are taken.
        """
        most = self.limits.max_running + self.limits.max_waiting
        if self.num_open >= most:
            mean = sum(self._durations) / len(self._durations) if self._durations else 1.0
            wait_s = min(max(1, math.ceil(mean)), math.ceil(self.limits.timeout_s))
            raise ApiError(
                429,
                f"{self.num_open} requests are under way, as many as this server takes; come again later",
                code="server_busy",
                headers={"Retry-After": str(wait_s)},
            )
        self.num_open += 1
        began = time.perf_counter()
        try:
            yield
        finally:
            self.num_open -= 1
            if trace.outcome in ("stop", "tokens"):
                self._durations.append(time.perf_counter() - began)

    async def ask(self, request: Request, trace: Trace) -> "Answer":
        """The answer that has begun to a request, whose body is read here.

        Raises:
            ApiError: the request is refused.
        """
        deadline = asyncio.get_running_loop().time() + self.limits.timeout_s
        try:
            async with asyncio.timeout_at(deadline):
                asked = await self._in_thread(read, await self._body(request), self.limits)
                self.check_model(asked.request.model)
                trace.stream = bool(asked.request.stream)
                image = await self._image(asked)
        except TimeoutError as error:
            said = f"the request was not there within {self.limits.timeout_s:g} s"
            raise ApiError(408, said, code="request_timeout", headers={"Connection": "close"}) from error
        trace.pixels = image.width * image.height
        trace.mark("read")
        answer = Answer(Said(asked, (image.height, image.width)), trace, deadline)
        await answer.begin(self.engine, image, self._pool)
        return answer

    async def _body(self, request: Request) -> bytes:
        """The body, given up as soon as it is known to be too large."""
        most = self.limits.max_body_bytes
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise ApiError(415, "the body must be JSON, and Content-Type say so", code="unsupported_media_type")
        too_large = int(request.headers.get("content-length", 0)) > most
        body = bytearray()
        if not too_large:
            async for piece in request.stream():
                body += piece
                if len(body) > most:
                    too_large = True
                    break
        if too_large:
            said = f"the body is above the limit of {most:,} bytes; send a smaller picture"
            raise ApiError(413, said, code="request_too_large", headers={"Connection": "close"})
        return bytes(body)

    async def _image(self, asked: Asked) -> Image.Image:
        if pictures.is_remote(asked.url):
            content = await fetch.fetch(asked.url, self.limits, asked.url_param, self._resolve)
        else:
            content = await self._in_thread(pictures.content_of, asked.url, self.limits, asked.url_param)
        return await self._in_thread(pictures.decoded, content, self.limits, asked.url_param)

    async def _in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)


class Answer:
    """One answer on its way; `said` is what has come of it, `limit` the limit that ended it, if one did."""

    def __init__(self, said: Said, trace: Trace, deadline: float) -> None:
        self.said = said
        self.limit: Limit | None = None
        self._trace, self._deadline = trace, deadline
        self._arrived: deque[Event | BaseException] = deque()
        self._news = asyncio.Event()
        self._ticket: Ticket | None = None

    async def begin(self, engine: Engine, image: Image.Image, pool: ThreadPoolExecutor) -> None:
        """Nothing, once the engine has taken the request.

        Raises:
            ApiError: it does not take it.
        """
        loop = asyncio.get_running_loop()
        asked = self.said.asked

        def _tell(event: Event | BaseException) -> None:
            self._arrived.append(event)
            if isinstance(event, Words | Grounded | Unnamed):
                self._trace.mark("first_word" if isinstance(event, Words) else "first_mask")
            loop.call_soon_threadsafe(self._news.set)

        def _submit() -> Ticket:
            streamed, most = bool(asked.request.stream), asked.max_new_tokens
            return engine.submit(image, asked.turns, max_new_tokens=most, streamed=streamed, on_event=_tell)

        submitted = pool.submit(_submit)
        try:
            self._ticket = await asyncio.wrap_future(submitted)
        except asyncio.CancelledError:
            # the client has gone, but the engine may be taking the request at this moment
            submitted.add_done_callback(cancel)
            raise
        except (UserError, EngineClosedError) as error:
            raise refusal(error) from error

    async def next(self) -> Delta | None:
        """What comes next; None at the end, `said` and `limit` are then whole.

        Raises:
            ApiError: nothing came within the time, or the answer failed.
        """
        try:
            event = await self._event()
        except TimeoutError as error:
            self._trace.outcome = "time"
            self.close()
            if not self.said.text:
                raise ApiError(504, "the answer did not come in time; try later", code="timeout") from error
            self._end("time")
            return None
        if isinstance(event, Words | Grounded | Unnamed):
            return self.said.take(event)
        if isinstance(event, BaseException):
            self._trace.outcome = "failed"
            raise refusal(event) from event
        if not self.said.asked.request.stream:
            self.said.take_whole(event)
        self._end("tokens" if self._ticket is not None and self._ticket.met_limit else None)
        return None

    async def _event(self) -> Event | BaseException:
        """The next event; TimeoutError if the time is over and no more has arrived."""
        while not self._arrived:
            self._news.clear()
            try:
                async with asyncio.timeout_at(self._deadline):
                    await self._news.wait()
            except TimeoutError:
                if not self._arrived:
                    raise
        return self._arrived.popleft()

    async def rest(self) -> None:
        """Nothing, once the answer has ended; raises as `next`."""
        while await self.next() is not None:
            pass

    @property
    def usage(self) -> Usage:
        """Tokens so far."""
        ticket = self._ticket
        return usage(0, 0) if ticket is None else usage(ticket.num_prompt_tokens, ticket.num_tokens)

    def close(self) -> None:
        """Nothing; an answer that has not ended is dropped."""
        trace, tokens = self._trace, self.usage
        trace.prompt_tokens, trace.completion_tokens = tokens.prompt_tokens, tokens.completion_tokens
        trace.masks, trace.outcome = self.said.num_masks, trace.outcome or "gone"
        if self._ticket is not None:
            self._ticket.cancel()

    def _end(self, limit: Limit | None) -> None:
        self.limit = limit
        self._trace.mark("whole")
        self._trace.outcome = limit or "stop"


def refusal(error: BaseException) -> ApiError:
    """How a failure is told to the client; what is not its mistake is logged."""
    if isinstance(error, UserError):
        return ApiError(400, str(error), code="invalid_request", param="messages")
    if isinstance(error, EngineClosedError):
        return ApiError(503, "the server is shutting down", code="shutting_down", headers={"Retry-After": "10"})
    _log.error("an answer failed", exc_info=error)
    return ApiError(500, "the server failed to answer this request", code="internal_error")


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is dropped if the client goes away before it is there.

    The body must have been read: after it the only message that comes is that the client has gone.

    Raises:
        ClientDisconnect: it has gone.
    """
    task, gone = asyncio.create_task(work), asyncio.create_task(_gone(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        for each in (task, gone):
            each.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
