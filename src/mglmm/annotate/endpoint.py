"""Any OpenAI-compatible endpoint as an annotator: vLLM, `transformers serve`, llama.cpp, a cloud."""

import asyncio
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mglmm.annotate.annotator import (
    AnnotatorDownError,
    DescriptionFaults,
    PictureRefusedError,
    Tally,
    TextFaults,
    Verdict,
    together,
)
from mglmm.annotate.ledger import Answer, BudgetSpentError, Ledger, request_key
from mglmm.annotate.prompts import Prompts
from mglmm.annotate.recipe import EndpointOptions
from mglmm.annotate.records import Description, Node, Scene, Share, Task, View
from mglmm.annotate.tags import Fault
from mglmm.schema import UserError

try:
    from httpx2 import Limits, Response
    from openai import (
        APIConnectionError,
        APIError,
        APIStatusError,
        AsyncOpenAI,
        AuthenticationError,
        DefaultAsyncHttpxClient,
        InternalServerError,
        NotFoundError,
        PermissionDeniedError,
        RateLimitError,
    )
except ModuleNotFoundError as error:
    raise UserError("endpoints need the client of OpenAI: pip install 'mglmm[annotate]'") from error

A = TypeVar("A", bound=BaseModel)

_FENCE = re.compile(r"^\s*```(?:json)?\s*(.*?)\s*```\s*$", re.DOTALL)


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _DescriptionAnswer(_Said):
    label: str
    caption: str
    confidence: Share


class _CaptionAnswer(_Said):
    caption: str


class _VerdictAnswer(_Said):
    right: bool
    reason: str


class _Message(BaseModel):
    content: str | None


class _Choice(BaseModel):
    message: _Message


class _Body(BaseModel):
    """What is read of the body of a response."""

    choices: Annotated[list[_Choice], Field(min_length=1)]
    usage: Any = None


class _NoCompletionError(Exception):
    """The body of a response is no chat completion."""


_OF_THE_REQUEST = frozenset({400, 413, 422})
"""Statuses that are about what one request holds: too long, too large, against the rules of the server."""


class EndpointAnnotator:
    """Asks an endpoint; at most `concurrency` calls are under way, whatever the number of pictures."""

    needs_views, needs_picture = True, False

    def __init__(self, options: EndpointOptions, prompts: Prompts, ledger: Ledger) -> None:
        self.options, self.prompts, self.ledger = options, prompts, ledger
        self.name = options.model
        # local servers want no key, the client wants one
        key = os.environ.get(options.api_key_env, "") or "none"
        # the client's own limits are 1,000 connections, of which 100 are kept open
        limits = Limits(max_connections=options.concurrency, max_keepalive_connections=options.concurrency)
        self.client = AsyncOpenAI(
            base_url=options.base_url,
            api_key=key,
            timeout=options.timeout_s,
            max_retries=options.max_retries,
            http_client=DefaultAsyncHttpxClient(limits=limits),
        )
        self._free = asyncio.Semaphore(options.concurrency)
        self._refused: UserError | None = None

    async def close(self) -> None:
        """Close the connections."""
        await self.client.close()

    async def describe(
        self, scene: Scene, nodes: Sequence[Node], faults: DescriptionFaults, tally: Tally
    ) -> list[Description | Fault]:
        """See `Annotator`."""

        async def _one(node: Node) -> Description | Fault:
            def _description(said: _DescriptionAnswer) -> Description:
                texts = {"label": said.label.strip(), "caption": said.caption.strip()}
                return Description(node=node.id, confidence=said.confidence, by=self.name, **texts)

            prompt = self.prompts.render("describe", box=node.looks.box_xywh, whole=node.parent is not None)
            answer = await self._ask(
                prompt, scene.views[node.id], _DescriptionAnswer, lambda said: faults(_description(said)), tally
            )
            return answer if isinstance(answer, Fault) else _description(answer)

        return await together([_one(node) for node in nodes])

    async def compose(self, scene: Scene, task: Task, faults: TextFaults, tally: Tally) -> str | Fault:
        """See `Annotator`."""
        prompt = self.prompts.render("compose", whole=task.whole, parts=task.parts)
        answer = await self._ask(prompt, None, _CaptionAnswer, lambda said: faults(said.caption), tally)
        return answer if isinstance(answer, Fault) else answer.caption.strip()

    async def verify(self, scene: Scene, descriptions: Sequence[Description], tally: Tally) -> list[Verdict | Fault]:
        """See `Verifier`."""

        async def _one(said: Description) -> Verdict | Fault:
            prompt = self.prompts.render("verify", label=said.label, caption=said.caption)
            answer = await self._ask(prompt, scene.views[said.node], _VerdictAnswer, lambda _: [], tally)
            return answer if isinstance(answer, Fault) else Verdict(answer.right, answer.reason)

        return await together([_one(said) for said in descriptions])

    async def _ask(
        self, prompt: str, view: View | None, form: type[A], faults: Callable[[A], list[Fault]], tally: Tally
    ) -> A | Fault:
        """The answer in its form; tried again while it is none or has faults. The last is given with its faults."""
        messages: list[dict[str, Any]] = [{"role": "user", "content": _content(prompt, view)}]
        parsed: A | Fault = Fault("no_answer", "nothing was asked")
        for _ in range(self.options.max_tries):
            text = await self._complete(messages, form, tally)
            parsed = _parsed(text, form)
            found = [parsed] if isinstance(parsed, Fault) else faults(parsed)
            if not found:
                return parsed
            tally.add(invalid=1)
            again = self.prompts.render("retry", problems=[fault.detail for fault in found])
            messages += [{"role": "assistant", "content": text}, {"role": "user", "content": again}]
        return parsed

    async def _complete(self, messages: list[dict[str, Any]], form: type[BaseModel], tally: Tally) -> str:
        """The text of one answer, from the ledger if it was asked for before."""
        request = self._request(messages, form)
        key = request_key(request)
        answer = self.ledger.known(key)
        if answer is None:
            async with self._free:
                self._check_open()
                answer = await self._call(key, request)
        tally.add(
            calls=1,
            attempts=answer.attempts,
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.completion_tokens,
        )
        return answer.text

    def _request(self, messages: list[dict[str, Any]], form: type[BaseModel]) -> dict[str, Any]:
        options = self.options
        request: dict[str, Any] = {
            "model": options.model,
            "messages": messages,
            "temperature": options.temperature,
            "max_completion_tokens": options.max_completion_tokens,
            **options.extra,
        }
        if options.seed is not None:
            request["seed"] = options.seed
        if options.structured == "json_schema":
            request["response_format"] = {"type": "json_schema", "json_schema": _schema(form)}
        elif options.structured == "json_object":
            request["response_format"] = {"type": "json_object"}
        return request

    async def _call(self, key: str, request: dict[str, Any]) -> Answer:
        """Ask the endpoint; the client sees to pauses and retries.

        Raises:
            UserError: the endpoint refuses what every call holds: key, model, address.
            PictureRefusedError: it refuses what this call holds.
            AnnotatorDownError: it does not answer, or with something that is no answer.
        """
        started = time.perf_counter()
        options = self.options
        try:
            # `chat.completions.create` would go through the whole request once more to find files in it
            raw = await self.client.post("/chat/completions", cast_to=Response, body=request)
            attempts = int(raw.request.headers["x-stainless-retry-count"]) + 1
            answer = _answer_of(raw.text, attempts)
        except (AuthenticationError, PermissionDeniedError, NotFoundError) as error:
            self.ledger.add_failure(options.model, type(error).__name__, 1, time.perf_counter() - started)
            self._refused = UserError(f"{options.base_url}, model {options.model}: {_reason(error)}")
            raise self._refused from error
        except (APIConnectionError, RateLimitError, InternalServerError) as error:
            taken = options.max_retries + 1
            self.ledger.add_failure(options.model, type(error).__name__, taken, time.perf_counter() - started)
            raise AnnotatorDownError(f"{options.base_url}: {_reason(error)}, {taken} times") from error
        except APIError as error:
            self.ledger.add_failure(options.model, type(error).__name__, 1, time.perf_counter() - started)
            about = isinstance(error, APIStatusError) and error.status_code in _OF_THE_REQUEST
            kind = PictureRefusedError if about else AnnotatorDownError
            raise kind(f"{options.base_url}: {_reason(error)}") from error
        except _NoCompletionError as error:
            self.ledger.add_failure(options.model, "no completion", attempts, time.perf_counter() - started)
            raise AnnotatorDownError(f"{options.base_url}: {error}") from error
        usd = 1e-6 * answer.prompt_tokens * options.usd_per_million_prompt
        usd += 1e-6 * answer.completion_tokens * options.usd_per_million_completion
        self.ledger.add(key, options.model, answer, usd, time.perf_counter() - started)
        return answer

    def _check_open(self) -> None:
        """Nothing, if there is reason to ask: calls that waited learn here that others were refused."""
        if self._refused is not None:
            raise self._refused
        if self.options.max_usd is None and self.options.max_calls is None:
            return
        spent = self.ledger.totals()
        if self.options.max_usd is not None and round(spent.usd, 9) >= self.options.max_usd:
            raise BudgetSpentError(f"the budget of ${self.options.max_usd:g} is spent; raise max_usd to go on")
        if self.options.max_calls is not None and spent.answered >= self.options.max_calls:
            raise BudgetSpentError(
                f"the {self.options.max_calls} calls of the budget are made; raise max_calls to go on"
            )


@lru_cache(maxsize=8)
def _schema(form: type[BaseModel]) -> dict[str, Any]:
    """The schema of an answer, as an endpoint is told it."""
    return {"name": form.__name__.strip("_"), "schema": form.model_json_schema(), "strict": True}


def _content(prompt: str, view: View | None) -> list[dict[str, Any]]:
    pictures = [] if view is None else [view.highlighted, view.crop]
    return [
        {"type": "text", "text": prompt},
        *({"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}} for data in pictures),
    ]


def _answer_of(body: str, attempts: int) -> Answer:
    """The answer in the body of a response; a text that is null counts as empty.

    Raises:
        _NoCompletionError: the body is none of a chat completion.
    """
    try:
        found = _Body.model_validate_json(body)
    except ValidationError as error:
        raise _NoCompletionError(f"the answer is no chat completion: {' '.join(body.split())[:200]!r}") from error
    text = found.choices[0].message.content or ""
    return Answer(text, _tokens(found.usage, "prompt_tokens"), _tokens(found.usage, "completion_tokens"), attempts)


def _tokens(usage: Any, name: str) -> int:
    """A count of tokens; 0 where the server does not tell it."""
    count = usage.get(name) if isinstance(usage, Mapping) else None
    if not isinstance(count, int | float) or isinstance(count, bool):
        return 0
    return int(count) if 0 <= count < 2**53 else 0


def _parsed(text: str, form: type[A]) -> A | Fault:
    """The answer in its form, also from within a fence of Markdown."""
    fenced = _FENCE.match(text)
    try:
        return form.model_validate_json(fenced[1] if fenced else text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return Fault("no_answer", f"{where or 'the answer'}: {first['msg']}")


def _reason(error: APIError) -> str:
    """The status, if there is one, and what the server says."""
    said = error.body.get("message") if isinstance(error.body, Mapping) else None
    text = " ".join(str(said or error.message).split())[:200]
    if not isinstance(error, APIStatusError):
        return text
    # the client's own words for bodies that it can read
    return f"{error.status_code} " + text.removeprefix(f"Error code: {error.status_code}").removeprefix(" - ")
