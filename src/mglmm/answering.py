"""Answers on their way: pictures and conversations in; text, masks and at last predictions out, one token at a time.

Answers that are on their way together share every pass of the language model and of the mask decoder; what is known of
a picture (what has been read of a conversation about it, what the grounding encoder sees) is not worked out again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from PIL import Image

from mglmm import grounding
from mglmm.model import MGLMMForConditionalGeneration, MGLMMProcessor
from mglmm.model.conversation import AnswerText
from mglmm.model.decoding import Decoding, Prefix, Row, num_shared
from mglmm.model.processing_mglmm import ADDED_TOKENS, grounded_answer
from mglmm.model.sam import GroundingFeatures
from mglmm.prediction import ImagePrediction
from mglmm.schema import GroundedText, Rle, Segment, Span, UserError

_ROOM_FOR_ANSWER = 16
"""Tokens that an answer must at least have room for; ours: a short grounded phrase takes about ten."""

_TOKENS_OF_TURN, _LETTERS = 6, 32
"""A turn has at least so many tokens (who speaks, a word, the end, twice), a token hardly ever that many letters."""

_NUM_PREFIXES = 4
"""Conversations about one picture that are kept in mind; ours."""

_UNFINISHED = "\ufffd"
"""What stands for a character whose bytes have not all come."""

Conversation = Sequence[tuple[str, str | None]]
"""(instruction, answer with markup) of each turn; the last answer is None: it is asked for."""


@dataclass(frozen=True)
class Words:
    """The answer's plain text goes on with this."""

    text: str


@dataclass(frozen=True)
class Grounded:
    """A phrase is closed and its masks are there: `span` of the plain text so far, `segments` in the picture's size."""

    span: Span
    segments: tuple[Segment, ...]


Event = Words | Grounded | ImagePrediction
"""What a streamed answer is made of; the last one is the whole prediction.

The prediction counts: where markup is not constrained and comes out malformed, what was told before may differ from it.
"""


class Picture:
    """An upright RGB picture, and what one model has worked out about it.

    text: what stands for it in a conversation; None: not looked at yet.
    prefixes: what has been read of conversations about it, the latest last.
    features: what the grounding encoder sees.
    """

    def __init__(self, image: Image.Image, name: str = ""):
        self.image, self.name = image, name
        self.text: str | None = None
        self.prefixes: list[Prefix] = []
        self.features: GroundingFeatures | None = None

    @property
    def num_bytes(self) -> int:
        """Memory of the picture and of what is known of it."""
        known = sum(prefix.num_bytes for prefix in self.prefixes)
        return 3 * self.image.width * self.image.height + known + (self.features.num_bytes if self.features else 0)

    def remember(self, prefix: Prefix) -> None:
        """Keep what has been read in mind, in place of what it goes on from."""
        others = [old for old in self.prefixes if num_shared(prefix.ids, old.ids) < len(old.ids)]
        self.prefixes = [*others, prefix][-_NUM_PREFIXES:]


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked about a picture, made ready by `Answering.prepare`.

    ids: the prompt's tokens; limit: tokens that the answer may have; inputs: what the vision tower sees, None where the
    picture has been read before.
    """

    picture: Picture
    conversation: Conversation
    ids: list[int]
    inputs: dict[str, torch.Tensor] | None
    limit: int
    streamed: bool


@dataclass(eq=False)
class Answer:
    """One answer on its way; `prediction` is there at its end."""

    question: Question
    row: Row
    text: AnswerText
    segments: list[Segment] = field(default_factory=list)
    prediction: ImagePrediction | None = None
    num_read: int = 0
    """Tokens that `text` knows."""
    said: str = ""
    """Plain text that has been told in events."""
    num_spans: int = 0
    """Phrases that have been told in events."""

    def read(self) -> None:
        """Take in the tokens that are new."""
        for token in self.row.answer[self.num_read :]:
            self.text.add(token)
        self.num_read = len(self.row.answer)

    def tell(self, answer: GroundedText, phrases: bool) -> Iterable[Event]:
        """What is new of the answer so far: words, and with `phrases` what has been closed and has its masks."""
        text = answer.text if self.row.ended else _settled(answer)
        if text.startswith(self.said) and text != self.said:
            yield Words(text[len(self.said) :])
            self.said = text
        if phrases:
            for span in answer.spans[self.num_spans :]:
                if span.end > len(self.said):  # its last character has not all come
                    return
                yield Grounded(span, tuple(self.segments[i - 1] for i in span.segment_ids))
                self.num_spans += 1


def _settled(answer: GroundedText) -> str:
    """What stays as it is, whatever comes: without characters whose bytes have not all come, and without the space at
    the end, which goes if a phrase of nothing else follows."""
    text = answer.text.rstrip(_UNFINISHED)
    told = max((span.end for span in answer.spans), default=0)
    return text[: max(len(text.rstrip()), told)]


class Answering:
    """The answers that are on their way together.

    Args:
        model: in evaluation mode.
        processor: the model's.
        remember: keep in mind what has been read when an answer ends, for the next turn about its picture.
    """

    def __init__(self, model: MGLMMForConditionalGeneration, processor: MGLMMProcessor, remember: bool = False):
        self.answers: list[Answer] = []
        self._model, self._processor, self._remember = model, processor, remember
        self._decoding = Decoding(model)
        self._max_length = model.config.get_text_config().max_position_embeddings
        self._forbidden = sorted({processor.image_token, *ADDED_TOKENS, *processor.tokenizer.all_special_tokens})

    def prepare(
        self, picture: Picture, conversation: Conversation, max_new_tokens: int, streamed: bool = False
    ) -> Question:
        """What can be done before the answer begins, in any thread.

        Raises:
            UserError: the last instruction is empty, any turn holds a token of its own meaning, or there is no room.
        """
        self._check_length(conversation)
        self._check_texts(conversation)
        inputs = None
        if not picture.prefixes or picture.text is None:
            inputs, picture.text = self._processor.look(picture.image)
        ids = self._processor.conversation_ids(conversation, image_text=picture.text)[0]
        return Question(picture, conversation, ids, inputs, self._room(len(ids), max_new_tokens), streamed)

    @torch.inference_mode()
    def begin(self, questions: Sequence[Question]) -> list[tuple[Answer, Event]]:
        """New answers join, each with its first token; what there is to tell of them."""
        events: list[tuple[Answer, Event]] = []
        waiting = list(questions)
        while waiting:
            known = {index: prefix for index, q in enumerate(waiting) if (prefix := self._read_before(q)) is not None}
            unknown = {id(q.picture): index for index, q in reversed(list(enumerate(waiting))) if index not in known}
            fresh = [waiting[index] for index in unknown.values()]
            begun = self._start(fresh) + self._resume([waiting[index] for index in known], list(known.values()))
            events += self._tell(begun)
            waiting = [q for index, q in enumerate(waiting) if index not in known and q not in fresh]
        self._leave()
        return events

    @torch.inference_mode()
    def step(self) -> list[tuple[Answer, Event]]:
        """Every answer goes on by one token; what there is to tell. Those that end leave."""
        self._leave()
        self._decoding.step()
        events = self._tell(self.answers)
        self._leave()
        return events

    def _leave(self) -> None:
        """Answers that have ended leave, and so does what was kept to write them."""
        self.answers = [answer for answer in self.answers if not answer.row.ended]
        self._decoding.drop_ended()

    def drop(self, answer: Answer) -> None:
        """An answer that nobody waits for any more leaves."""
        answer.row.ended = True
        self.answers = [other for other in self.answers if other is not answer]

    def encode(self, pictures: Sequence[Picture]) -> None:
        """The grounding encoder sees those of the pictures that it has not seen yet, together."""
        unseen = list({id(p): p for p in pictures if p.features is None}.values())
        if not unseen:
            return
        pixels = self._processor.grounding_pixels([picture.image for picture in unseen])
        features = self._model.encode_grounding(pixels.to(self._model.device))
        for index, picture in enumerate(unseen):
            picture.features = features.select(torch.tensor([index], device=self._model.device))

    def _start(self, questions: Sequence[Question]) -> list[Answer]:
        """Answers to questions about pictures of which nothing has been read."""
        if not questions:
            return []
        seen = [q.inputs or self._processor.look(q.picture.image)[0] for q in questions]
        batch = self._processor.batch([q.ids for q in questions], seen)
        inputs = batch.to(self._model.device, dtype=self._model.dtype)
        return self._joined(questions, self._decoding.start(**inputs, limits=[q.limit for q in questions]))

    def _resume(self, questions: Sequence[Question], prefixes: Sequence[Prefix]) -> list[Answer]:
        """Answers to questions whose beginnings have been read."""
        if not questions:
            return []
        rows = self._decoding.resume(prefixes, [q.ids for q in questions], [q.limit for q in questions])
        return self._joined(questions, rows)

    def _joined(self, questions: Sequence[Question], rows: Sequence[Row]) -> list[Answer]:
        tokenizer = self._processor.tokenizer
        new = [Answer(q, row, AnswerText(tokenizer)) for q, row in zip(questions, rows, strict=True)]
        self.answers = [*self.answers, *new]
        return new

    def _read_before(self, question: Question) -> Prefix | None:
        """The longest beginning of the prompt that has been read, picture and all; None: the picture has not."""
        ids, picture = question.ids, question.picture
        image_end = len(ids) - ids[::-1].index(self._model.config.lmm_config.image_token_id)
        rows = {id(row) for row in self._decoding.rows}
        running = [a.row for a in self.answers if a.question.picture is picture and id(a.row) in rows]
        read: list[Prefix | Row] = [*picture.prefixes, *running]
        shared = [num_shared(known.ids, ids) for known in read]
        usable = min(max(shared, default=0), len(ids) - 1)  # one token at least is read anew, to go on from
        if usable < image_end:
            return None
        longest = read[shared.index(max(shared))]
        return (self._decoding.prefix(longest) if isinstance(longest, Row) else longest).cut(usable)

    def _tell(self, answers: Sequence[Answer]) -> list[tuple[Answer, Event]]:
        """What is new of these answers, once their masks are made; predictions of those that have ended."""
        for answer in answers:
            answer.read()
        closed = [a for a in answers if a.row.ended or (a.question.streamed and not self._in_phrase(a.row))]
        self._make_masks(closed)
        events: list[tuple[Answer, Event]] = []
        for answer in answers:
            if answer.row.ended and self._remember:
                answer.question.picture.remember(self._decoding.prefix(answer.row))
            if answer.question.streamed:
                text, _ = grounded_answer(answer.text.raw)
                events += [(answer, event) for event in answer.tell(text, answer in closed)]
            if answer.row.ended:
                answer.prediction = self._prediction(answer)
                events.append((answer, answer.prediction))
        return events

    def _in_phrase(self, row: Row) -> bool:
        """Whether further `[SEG]` may belong to the last phrase."""
        return row.answer[-1] in (self._model.config.seg_token_id, self._model.config.phrase_end_token_id)

    def _make_masks(self, answers: Sequence[Answer]) -> None:
        """The segments of every `[SEG]` of these answers that has none yet; the masks are decoded together."""
        todo = [(answer, new) for answer in answers if (new := answer.row.states[len(answer.segments) :])]
        if not todo:
            return
        pictures = [answer.question.picture for answer, _ in todo]
        self.encode(pictures)
        order = list({id(picture): picture for picture in pictures}.values())
        features = GroundingFeatures.join([picture.features for picture in order if picture.features is not None])
        counts = [len(new) for _, new in todo]
        index = torch.tensor([order.index(picture) for picture in pictures], device=self._model.device)
        prompts = self._model.seg_projector(torch.stack([state for _, new in todo for state in new]))
        logits, scores = self._model.decode_masks(
            features, index.repeat_interleave(torch.tensor(counts, device=index.device)), prompts
        )
        for (answer, _), of_answer, sure in zip(todo, logits.split(counts), scores.split(counts), strict=True):
            image = answer.question.picture.image
            masks = self._processor.masks(of_answer, (image.height, image.width))
            text, _ = grounded_answer(answer.text.raw)
            phrases = {i: p for s, p in zip(text.spans, text.phrases, strict=True) for i in s.segment_ids}
            for mask, score in zip(masks, self._processor.scores(sure), strict=True):
                number = len(answer.segments) + 1
                segment = Segment(id=number, rle=Rle.from_mask(mask), label=phrases.get(number, ""), score=score)
                answer.segments.append(segment)

    def _prediction(self, answer: Answer) -> ImagePrediction:
        """The whole of an answer that has ended."""
        raw, question = answer.text.raw, answer.question
        if raw.count(grounding.SEG) != len(answer.segments):
            raise ValueError(
                f"{raw.count(grounding.SEG)} {grounding.SEG} in the answer but {len(answer.segments)} masks"
            )
        text, num_invalid = grounded_answer(raw)
        return ImagePrediction(
            sample_id=question.picture.name,
            turn_index=len(question.conversation) - 1,
            size=(question.picture.image.height, question.picture.image.width),
            instruction=question.conversation[-1][0],
            answer=text,
            segments=tuple(answer.segments),
            num_invalid=num_invalid,
            image=question.picture.image,
        )

    def _check_length(self, conversation: Conversation) -> None:
        """Nothing, unless a glance tells that there is no room; a long history takes time to be cut into tokens."""
        num_letters = sum(len(instruction) + len(answer or "") for instruction, answer in conversation)
        if len(conversation) * _TOKENS_OF_TURN > self._max_length or num_letters > _LETTERS * self._max_length:
            raise UserError(
                f"the conversation of {len(conversation)} turns and {num_letters} letters is too long for the model's "
                f"{self._max_length} tokens; ask something shorter or begin a new chat"
            )

    def _check_texts(self, conversation: Conversation) -> None:
        *earlier, (instruction, _) = conversation
        if not instruction.strip():
            raise UserError("the instruction is empty; say what to describe, segment or answer")
        before = " ".join(text for said, answer in earlier for text in (said, grounding.strip(answer or "")))
        for token in self._forbidden:
            where = "the instruction" if token in instruction else "an earlier turn" if token in before else ""
            if where:
                raise UserError(f"{where} holds {token}, which has a meaning of its own to the model; leave it out")

    def _room(self, num_prompt_tokens: int, max_new_tokens: int) -> int:
        """How many tokens the answer may have."""
        if max_new_tokens < 1:
            raise UserError(f"max_new_tokens is {max_new_tokens}; it must be at least 1")
        left = self._max_length - num_prompt_tokens
        if left < _ROOM_FOR_ANSWER:
            raise UserError(
                f"picture and conversation take {num_prompt_tokens} of the model's {self._max_length} tokens, which "
                "leaves no room for an answer; ask something shorter or begin a new chat"
            )
        return min(max_new_tokens, left)
