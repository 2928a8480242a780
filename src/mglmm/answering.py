"""Answers on their way: pictures and conversations in; text, masks and at last predictions out, one token at a time.

Answers that are on their way together share every pass of the language model and of the mask decoder; what is known of
a picture (what has been read of a conversation about it, what the grounding encoder sees) is not worked out again.

The life of one answer, and whom the engine ends when something fails there:

    prepare -> begin: read, first token -> join -> step: a token -> masks -> tell -> leave
    itself     all that begin together     all     all              itself   all     all

"all" are those on their way. The masks of several that fail are tried again one by one; a listener that fails ends
its own answer.
"""

import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from itertools import islice

import torch

from mglmm import grounding
from mglmm.events import Event, Grounded, Words, groundings
from mglmm.grounding import Parsed
from mglmm.model import MGLMMForConditionalGeneration, MGLMMProcessor
from mglmm.model.conversation import MARKUP, AnswerText
from mglmm.model.decoding import Decoding, Prefix, Row, num_shared
from mglmm.model.processing_mglmm import ADDED_TOKENS, grounded_answer
from mglmm.prediction import ImagePrediction
from mglmm.schema import GroundedText, Segment, UserError
from mglmm.segmenting import Found, Picture, Segmenter
from mglmm.workers import AtOnce

_ROOM_FOR_ANSWER = 16
"""Tokens that an answer must at least have room for; ours: a short grounded phrase takes about ten."""

_TOKENS_OF_TURN, _LETTERS = 6, 32
"""A turn has at least so many tokens (who speaks, a word, the end, twice), a token hardly ever that many letters."""

_ANSWERS_A_BATCH = 4
"""Answers whose masks a worker makes together; ours: more would only let the first of them wait."""

_UNFINISHED = "\ufffd"
"""What stands for a character whose bytes have not all come."""

_log = logging.getLogger(__name__)

Conversation = Sequence[tuple[str, str | None]]
"""(instruction, answer with markup) of each turn; the last answer is None: it is asked for."""


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked about a picture, made ready by `Answering.prepare`.

    ids: the prompt's tokens; limit: tokens that the answer may have; inputs: what the vision tower sees, None where the
    picture has been read before.
    """

    picture: Picture
    conversation: Conversation = field(repr=False)
    ids: list[int] = field(repr=False)
    inputs: dict[str, torch.Tensor] | None = field(repr=False)
    limit: int
    streamed: bool


@dataclass(eq=False, repr=False)
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
    num_told: int = 0
    """Phrases, and masks without one, that have been told in events."""
    suspect: bool = False
    """Whether masks of several answers have failed, this one among them; its next are made alone."""

    def read(self) -> None:
        """Take in the tokens that are new."""
        for token in self.row.answer[self.num_read :]:
            self.text.add(token)
        self.num_read = len(self.row.answer)

    def tell(self, parsed: Parsed) -> Iterable[Event]:
        """What is new of the answer so far: words, phrases that have their masks, and masks without a phrase."""
        text = parsed.text.text if self.row.ended else _settled(parsed.text)
        if text.startswith(self.said) and text != self.said:
            yield Words(text[len(self.said) :])
            self.said = text
        for event in islice(groundings(parsed.text, parsed.unnamed, self.segments), self.num_told, None):
            # its last character may not all have come
            if (event.span.end if isinstance(event, Grounded) else event.place) > len(self.said):
                return
            yield event
            self.num_told += 1


Told = tuple[Answer, Event | BaseException]
"""What there is to tell of an answer; an exception ends it: its masks could not be made."""


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
        mask_worker: makes the masks, of one batch after the other, while the answers go on; None: they wait for them.

    Masks that cannot be made are an event of their answer, with worker and without; whatever else fails is raised.
    """

    def __init__(
        self,
        model: MGLMMForConditionalGeneration,
        processor: MGLMMProcessor,
        remember: bool = False,
        mask_worker: Executor | None = None,
    ):
        self.answers: list[Answer] = []
        self._model, self._processor, self._remember = model, processor, remember
        special = {processor.image_token, *ADDED_TOKENS, *processor.tokenizer.all_special_tokens}
        self._forbidden = sorted(special)
        tokens = processor.tokenizer.get_vocab()
        # an answer that held one could not be gone on from (`_check_texts`)
        self._decoding = Decoding(model, never=[tokens[text] for text in special - {*MARKUP} if text in tokens])
        self._segmenter = Segmenter(model, processor)
        self._masks_beside, self._mask_worker = mask_worker is not None, mask_worker or AtOnce()
        self._batch: tuple[list[Answer], Future[list[list[Found]]]] | None = None
        self._max_length = model.config.get_text_config().max_position_embeddings

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
    def begin(self, questions: Sequence[Question]) -> list[Told]:
        """New answers join, each with its first token; what there is to tell of them, and of nobody else.

        If it fails, those of them that have joined must be dropped; the others go on, unless `is_whole` is now False.
        """
        events: list[Told] = []
        waiting = list(questions)
        while waiting:
            known = {index: prefix for index, q in enumerate(waiting) if (prefix := self._read_before(q)) is not None}
            unknown = {id(q.picture): index for index, q in reversed(list(enumerate(waiting))) if index not in known}
            fresh = [waiting[index] for index in sorted(unknown.values())]
            begun = self._start(fresh) + self._resume([waiting[index] for index in known], list(known.values()))
            events += self._told(begun)
            waiting = [q for index, q in enumerate(waiting) if index not in known and q not in fresh]
        self._leave()
        return events

    @torch.inference_mode()
    def step(self) -> list[Told]:
        """Every answer goes on by one token and takes the masks that have been made; what there is to tell.

        Those that are whole leave, and those whose masks could not be made.
        """
        writing = [answer for answer in self.answers if not answer.row.ended]
        self._decoding.step()
        self._take_in(writing)
        events = self._make_masks()
        events += self._told(self.answers)
        self._leave()
        return events

    @property
    def is_whole(self) -> bool:
        """False where something failed that leaves no answer able to go on; see `Decoding`."""
        return self._decoding.is_whole

    @property
    def awaited(self) -> Future[list[list[Found]]] | None:
        """The masks on their way, if all answers are written, so that `step` can do nothing before these are there."""
        written = all(answer.row.ended for answer in self.answers)
        return self._batch[1] if self._batch is not None and written else None

    def _leave(self) -> None:
        """Answers that are whole leave; what was kept to write them has left before."""
        self.answers = [answer for answer in self.answers if answer.prediction is None]
        self._decoding.drop_ended()

    @torch.inference_mode()
    def drop(self, answer: Answer) -> None:
        """An answer that nobody waits for any more leaves, with what was kept to write it."""
        answer.row.ended = True
        self.answers = [other for other in self.answers if other is not answer]
        self._decoding.drop_ended()
        if self._batch is not None and not any(other in self.answers for other in self._batch[0]):
            self._batch[1].cancel()
            self._batch = None

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
        self._take_in(new)
        return new

    def _take_in(self, written: Sequence[Answer]) -> None:
        """What these answers have got is read, and kept in mind where they end, before their rows may leave."""
        for answer in written:
            answer.read()
            if answer.row.ended and self._remember:
                answer.question.picture.remember(self._decoding.prefix(answer.row))

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

    def _told(self, answers: Sequence[Answer]) -> list[Told]:
        """What there is to tell of these answers, once; those that are whole get their prediction."""
        events: list[Told] = []
        for answer in [answer for answer in answers if answer.prediction is None]:
            if answer.question.streamed:
                events += [(answer, event) for event in answer.tell(grounded_answer(answer.text.raw))]
            if answer.row.ended and len(answer.segments) == len(answer.row.states):
                answer.prediction = self._prediction(answer)
                events.append((answer, answer.prediction))
        return events

    def _make_masks(self) -> list[Told]:
        """Take the masks that have been made, and have those made that are wanted by now; whom they failed.

        One batch is on its way at a time: what becomes wanted meanwhile goes together into the next.
        """
        failed: list[Told] = []
        while True:
            if self._batch is None:
                if not (answers := self._wanting()):
                    return failed
                asked = [(answer.question.picture, answer.row.states[len(answer.segments) :]) for answer in answers]
                self._batch = answers, self._mask_worker.submit(self._segmenter.masks, asked)
            if not self._batch[1].done():
                return failed
            failed += self._take(*self._batch)

    def _take(self, answers: Sequence[Answer], made: Future[list[list[Found]]]) -> list[Told]:
        """Take the masks of a batch that is done, or note that they are to be tried one by one; who ends at that."""
        self._batch = None
        error = made.exception()
        if error is None:
            self._add(answers, made.result())
            return []
        if len(answers) > 1:
            _log.warning("the masks of %d answers failed together and are tried one by one: %s", len(answers), error)
            for answer in answers:
                answer.suspect = True
            return []
        failed: list[Told] = [(answer, error) for answer in answers if answer in self.answers]
        for answer, _ in failed:
            self.drop(answer)
        return failed

    def _wanting(self) -> list[Answer]:
        """The answers for which masks are to be made now."""
        new = [answer for answer in self.answers if len(answer.row.states) > len(answer.segments)]
        urgent = [a for a in new if a.row.ended or (a.question.streamed and not self._in_phrase(a.row))]
        if self._masks_beside:
            others = [a for a in new if a not in urgent and not self._in_phrase(a.row)]
            urgent = [*urgent, *others][:_ANSWERS_A_BATCH]
        return [answer for answer in urgent if answer.suspect][:1] or urgent

    def _in_phrase(self, row: Row) -> bool:
        """Whether further `[SEG]` may belong to the last phrase."""
        return row.answer[-1] in (self._model.config.seg_token_id, self._model.config.phrase_end_token_id)

    def _add(self, answers: Sequence[Answer], made: Sequence[Sequence[Found]]) -> None:
        """Masks that have been made become segments of their answers."""
        for answer, found in zip(answers, made, strict=True):
            answer.suspect = False
            text = grounded_answer(answer.text.raw).text
            phrases = {i: p for s, p in zip(text.spans, text.phrases, strict=True) for i in s.segment_ids}
            for number, (rle, score) in enumerate(found, start=len(answer.segments) + 1):
                answer.segments.append(Segment(id=number, rle=rle, label=phrases.get(number, ""), score=score))

    def _prediction(self, answer: Answer) -> ImagePrediction:
        """The whole of an answer that has ended."""
        raw, question = answer.text.raw, answer.question
        if raw.count(grounding.SEG) != len(answer.segments):
            raise ValueError(
                f"{raw.count(grounding.SEG)} {grounding.SEG} in the answer but {len(answer.segments)} masks"
            )
        parsed = grounded_answer(raw)
        return ImagePrediction(
            sample_id=question.picture.name,
            turn_index=len(question.conversation) - 1,
            size=(question.picture.image.height, question.picture.image.width),
            instruction=question.conversation[-1][0],
            answer=parsed.text,
            segments=tuple(answer.segments),
            num_invalid=parsed.num_invalid,
            image=question.picture.image,
            unnamed=parsed.unnamed,
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
        if any("\ud800" <= letter <= "\udfff" for letter in instruction):
            raise UserError("the instruction is no Unicode text; give it in UTF-8")
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
