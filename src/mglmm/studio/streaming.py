"""From the engine's events, which come on its thread, to what the page is told, in the order in which it happens."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from fastapi.concurrency import run_in_threadpool
from PIL import Image

from mglmm.engine import Engine
from mglmm.predict import Event, Grounded, ImagePrediction, Words
from mglmm.schema import Segment, Span
from mglmm.studio.session import Question, placed

Told = dict[str, Any]


async def answers(engine: Engine, image: Image.Image, question: Question, max_new_tokens: int) -> AsyncIterator[Told]:
    """The answer to a question, bit by bit: "words" and "grounded", at last "done".

    Closing the iterator early stops the answer.

    Raises:
        UserError: as `Engine.submit`.
    """
    loop = asyncio.get_running_loop()
    events: asyncio.Queue[Event | Exception] = asyncio.Queue()

    def _pass_on(event: Event | Exception) -> None:
        loop.call_soon_threadsafe(events.put_nowait, event)

    ticket = await run_in_threadpool(
        engine.submit, image, question.conversation(), max_new_tokens=max_new_tokens, on_event=_pass_on
    )
    try:
        while True:
            event = await events.get()
            if isinstance(event, Exception):
                raise event
            yield told(event, question)
            if isinstance(event, ImagePrediction):
                return
    finally:
        ticket.cancel()


def told(event: Event, question: Question) -> Told:
    """An event as JSON, its segments with the ids that they have in the session."""
    if isinstance(event, Words):
        return {"kind": "words", "text": event.text}
    if isinstance(event, Grounded):
        return {
            "kind": "grounded",
            "span": _span(event.span, question),
            "segments": _segments(event.segments, question),
        }
    return {
        "kind": "done",
        "answer": {"text": event.answer.text, "spans": [_span(s, question) for s in event.answer.spans]},
        "segments": _segments(event.segments, question),
        "num_invalid": event.num_invalid,
    }


def _span(span: Span, question: Question) -> Told:
    ids = [i - 1 + question.first_segment_id for i in span.segment_ids]
    return {"start": span.start, "end": span.end, "segment_ids": ids}


def _segments(segments: Sequence[Segment], question: Question) -> list[Told]:
    return [segment.model_dump(mode="json") for segment in placed(segments, question)]
