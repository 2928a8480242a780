"""The engine's events -> a reply, whole or in chunks: the same parts in both."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mglmm import grounding
from mglmm.events import Grounded, Unnamed, Words, groundings
from mglmm.prediction import ImagePrediction
from mglmm.schema import GroundedText, Segment, Span
from mglmm.serve.openai import (
    Choice,
    Chunk,
    ChunkChoice,
    Completion,
    Delta,
    Grounding,
    Limit,
    Mask,
    Phrase,
    Reply,
    Usage,
)
from mglmm.serve.reading import Asked

_ARTICLE = re.compile(r"^(?:the|an?)\s+", re.IGNORECASE)


@dataclass
class Said:
    """What has come of an answer so far. `size`: (height, width) of the upright picture."""

    asked: Asked
    size: tuple[int, int]
    text: str = ""
    phrases: list[Phrase] = field(default_factory=list)

    @property
    def is_plain(self) -> bool:
        """Whether `content` is the plain text, so that it can be sent as it comes."""
        return self.asked.fields is None and not self.asked.request.markup

    def take(self, event: Words | Grounded | Unnamed) -> Delta:
        """Take in an event; what is new by it for the client."""
        if isinstance(event, Words):
            self.text += event.text
            return Delta(content=event.text) if self.is_plain else Delta(grounding=Grounding(text=event.text))
        phrase = _phrase(len(self.phrases), event, self.text)
        self.phrases.append(phrase)
        return Delta(grounding=Grounding(phrases=(phrase,)))

    def take_whole(self, prediction: ImagePrediction) -> None:
        """Take in an answer of which nothing has come before."""
        self.text = prediction.answer.text
        for event in groundings(prediction.answer, prediction.unnamed, prediction.segments):
            self.take(event)

    @property
    def content(self) -> str:
        """The answer in the form that was asked for."""
        if self.asked.fields is not None:
            values = {"label": self._label(), "caption": self.text.strip(), "confidence": self._confidence()}
            return json.dumps({name: values[name] for name in self.asked.fields}, ensure_ascii=False)
        return self._marked() if self.asked.request.markup else self.text

    @property
    def grounding(self) -> Grounding:
        """All that the answer points at."""
        return Grounding(size=self.size, text=None if self.is_plain else self.text, phrases=tuple(self.phrases))

    @property
    def num_masks(self) -> int:
        """All masks."""
        return sum(len(phrase.masks) for phrase in self.phrases)

    def _marked(self) -> str:
        named = [(p.start, p.end, tuple(mask.id for mask in p.masks)) for p in self.phrases if p.text]
        spans = tuple(Span(start=start, end=end, segment_ids=ids) for start, end, ids in named)
        places = [p.end for p in self.phrases if not p.text]
        return grounding.render(GroundedText(text=self.text, spans=spans), places)

    def _main(self) -> tuple[Phrase, Mask] | None:
        """The phrase with the largest mask, and that mask; one without a phrase only if there is no other."""
        pairs = [(phrase, mask) for phrase in self.phrases for mask in phrase.masks]
        return max(pairs, key=lambda pair: (bool(pair[0].text), pair[1].area), default=None)

    def _label(self) -> str:
        main = self._main()
        return _ARTICLE.sub("", main[0].text.strip()).lower() if main else ""

    def _confidence(self) -> float:
        main = self._main()
        return round(main[1].score or 0.0, 4) if main else 0.0


@dataclass(frozen=True)
class Frame:
    """What all parts of one reply have in common."""

    id: str
    created: int
    model: str

    def completion(self, said: Said, limit: Limit | None, usage: Usage) -> Completion:
        """The whole reply."""
        message = Reply(content=said.content, grounding=said.grounding)
        choice = Choice(message=message, finish_reason="length" if limit else "stop", limit=limit)
        return Completion(id=self.id, created=self.created, model=self.model, choices=(choice,), usage=usage)

    def chunk(self, delta: Delta) -> Chunk:
        """A piece of the reply."""
        return self._chunk((ChunkChoice(delta=delta),))

    def opening(self, said: Said) -> Chunk:
        """The first piece of the reply."""
        return self.chunk(Delta(role="assistant", content="", grounding=Grounding(size=said.size)))

    def closing(self, said: Said, limit: Limit | None, usage: Usage) -> Iterator[Chunk]:
        """The last pieces: content that is only whole at the end, why it ended, the number of tokens if asked for."""
        if not said.is_plain:
            yield self.chunk(Delta(content=said.content))
        yield self._chunk((ChunkChoice(delta=Delta(), finish_reason="length" if limit else "stop", limit=limit),))
        if said.asked.request.wants_usage:
            yield self._chunk((), usage)

    def _chunk(self, choices: Sequence[ChunkChoice], usage: Usage | None = None) -> Chunk:
        return Chunk(id=self.id, created=self.created, model=self.model, choices=tuple(choices), usage=usage)


def usage(num_prompt: int, num_answer: int) -> Usage:
    """The number of tokens."""
    return Usage(prompt_tokens=num_prompt, completion_tokens=num_answer, total_tokens=num_prompt + num_answer)


def _phrase(index: int, event: Grounded | Unnamed, text: str) -> Phrase:
    if isinstance(event, Unnamed):
        return Phrase(index=index, text="", start=event.place, end=event.place, masks=(_mask(event.segment),))
    span = event.span
    masks = tuple(_mask(segment) for segment in event.segments)
    return Phrase(index=index, text=text[span.start : span.end], start=span.start, end=span.end, masks=masks)


def _mask(segment: Segment) -> Mask:
    return Mask(id=segment.id, score=segment.score, box=segment.box, area=segment.area, rle=segment.rle)
