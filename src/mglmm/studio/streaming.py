"""From the engine's events, which come on its thread, to what the page is told, in the order in which it happens."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from fastapi.concurrency import run_in_threadpool
from PIL import Image

from mglmm.engine import Engine, cancel
from mglmm.events import Event, Grounded, Unnamed, Words
from mglmm.prediction import ImagePrediction
from mglmm.schema import Segment, Span
from mglmm.studio.session import Question, placed

Told = dict[str, Any]

WAITING_S = 1.0
"""After so long without an event one is told that says so. Ours: as long as a question of somebody who left is kept."""


async def answers(engine: Engine, image: Image.Image, question: Question, max_new_tokens: int) -> AsyncIterator[Told]:
    """The answer to a question, bit by bit: "words", "grounded" and "unnamed", at last "done".

    "waiting" comes while nothing else does.

    Closing the iterator early stops the answer. Gradio closes it between two events when the client has left.

    Raises:
        UserError: as `Engine.submit`.
    """
    loop = asyncio.get_running_loop()
    events: asyncio.Queue[Event | BaseException] = asyncio.Queue()

    def _pass_on(event: Event | BaseException) -> None:
        loop.call_soon_threadsafe(events.put_nowait, event)

    submitted = asyncio.ensure_future(
        run_in_threadpool(
            engine.submit, image, question.conversation(), max_new_tokens=max_new_tokens, on_event=_pass_on
        )
    )
    try:
        await asyncio.shield(submitted)
        while True:
            try:
                event = await asyncio.wait_for(events.get(), WAITING_S)
            except TimeoutError:
                yield {"kind": "waiting"}
                continue
            if isinstance(event, BaseException):
                raise event
            yield told(event, question)
            if isinstance(event, ImagePrediction):
                return
    finally:
        submitted.add_done_callback(cancel)  # at once, or when a submission that nobody waits for is through


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
    if isinstance(event, Unnamed):
        return {"kind": "unnamed", "place": event.place, "segments": _segments([event.segment], question)}
    return {
        "kind": "done",
        "answer": {"text": event.answer.text, "spans": [_span(s, question) for s in event.answer.spans]},
        "unnamed": [place for _, place in event.unnamed],
        "segments": _segments(event.segments, question),
        "num_invalid": event.num_invalid,
    }


def _span(span: Span, question: Question) -> Told:
    ids = [i - 1 + question.first_segment_id for i in span.segment_ids]
    return {"start": span.start, "end": span.end, "segment_ids": ids}


def _segments(segments: Sequence[Segment], question: Question) -> list[Told]:
    return [segment.model_dump(mode="json") for segment in placed(segments, question)]
