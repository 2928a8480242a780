"""Asking a model: a picture and an instruction in, an answer whose phrases are tied to masks out."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from PIL import Image

from mglmm import grounding
from mglmm.answering import Answering, Conversation, Question
from mglmm.events import Event, Grounded, Unnamed, Words
from mglmm.images import ImageSource, load_image
from mglmm.model import MGLMMForConditionalGeneration, MGLMMProcessor
from mglmm.model.errors import first_line
from mglmm.model.loading import Loading, load_model
from mglmm.prediction import ImagePrediction
from mglmm.schema import GroundedText, UserError
from mglmm.segmenting import Picture

__all__ = ["Chat", "Event", "Grounded", "ImagePrediction", "Predictor", "Unnamed", "Words", "load"]

MAX_NEW_TOKENS = 512
"""Limit of an answer. Source: the published MGSC evaluation (docs/papers.md)."""


def load(
    name_or_path: str | Path = "default",
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    *,
    quantize: str | None = None,
    attention: str | None = None,
    adapter: str | Path | None = None,
    compiled: bool = False,
) -> "Predictor":
    """A predictor over the model in the package ("default"), in a folder, or with a hub id ("owner/name").

    Args:
        device: e.g. "cpu", "cuda:0" or "mps"; None: the accelerator if there is one, else the CPU; "auto": the layers
            of the language model that do not fit on it go to the next, the CPU, or stay on the disk.
        dtype: of the weights, e.g. "bfloat16"; None: float32 on the CPU, bfloat16 elsewhere.
        quantize: "bnb-8bit", "bnb-4bit", "torchao-8bit" or "torchao-4bit"; what makes the masks stays in `dtype`.
        attention: transformers' name of how attention is computed, e.g. "sdpa", "eager" or "flash_attention_2".
        adapter: folder of LoRA weights that training has saved; merged, unless the model is quantised.
        compiled: have torch compile the writing of tokens, which takes a minute or so now and saves time with every
            token; for many questions. On a CPU it needs a C++ compiler.

    Raises:
        UserError: there is no such model, device or adapter, the folder does not hold a whole model, or what is asked
            for needs a library or a device that is not here.
    """
    predictor = Predictor(*load_model(name_or_path, Loading(device, dtype, quantize, attention, adapter, compiled)))
    if compiled:
        from torch._dynamo.exc import BackendCompilerFailed  # takes a second

        try:
            predictor.warm_up()
        except BackendCompilerFailed as error:
            reason = first_line(error.inner_exception)
            raise UserError(f"torch cannot compile here ({reason}); on a CPU it needs a C++ compiler") from error
    return predictor


class Predictor:
    """Answers instructions about pictures, greedily; the one way to use a model."""

    def __init__(self, model: MGLMMForConditionalGeneration, processor: MGLMMProcessor):
        self.model = model.eval()
        self.processor = processor

    def warm_up(self) -> None:
        """Ask one question, then two together, about nothing: what is compiled when it is first used, is now."""
        nothing = Image.new("RGB", (32, 32))
        for number in (1, 2):
            self.ask_many([(nothing, "What is this?")] * number, max_new_tokens=4)

    def ask(self, image: ImageSource, instruction: str, *, max_new_tokens: int = MAX_NEW_TOKENS) -> ImagePrediction:
        """The answer to one instruction about one picture, masks in the size of the upright picture.

        Raises:
            UserError: the picture cannot be used (see `load_image`), or the instruction is empty or too long.
        """
        return self.ask_many([(image, instruction)], max_new_tokens=max_new_tokens)[0]

    def ask_many(
        self,
        questions: Sequence[tuple[ImageSource, str]],
        *,
        batch_size: int | None = None,
        max_new_tokens: int = MAX_NEW_TOKENS,
    ) -> list[ImagePrediction]:
        """The answers to (picture, instruction) pairs, the same as one by one; `batch_size` at a time (None: all).

        An answer that ends makes room for the next one at once. A picture that stands in several pairs is read and seen
        once, if they are on their way together, and encoded for masks once.

        Raises:
            UserError: as `ask`, or `batch_size` is below 1.
        """
        if batch_size is not None and batch_size < 1:
            raise UserError(f"batch_size is {batch_size}; it must be at least 1")
        questions = list(questions)
        answering = Answering(self.model, self.processor)
        predictions: dict[Question, ImagePrediction] = {}
        asked: list[Question] = []
        pictures = _Pictures(questions)
        while len(predictions) < len(questions):
            room = (batch_size or len(questions)) - len(answering.answers)
            new = [
                answering.prepare(pictures.take(source), [(instruction, None)], max_new_tokens)
                for source, instruction in questions[len(asked) : len(asked) + room]
            ]
            asked += new
            for answer, event in answering.begin(new) + answering.step():
                if isinstance(event, BaseException):
                    raise event
                if isinstance(event, ImagePrediction):
                    predictions[answer.question] = event
        return [predictions[question] for question in asked]

    def stream(self, image: ImageSource, instruction: str, *, max_new_tokens: int = MAX_NEW_TOKENS) -> Iterator[Event]:
        """The answer as it comes: its words, each closed phrase with its masks, at last the whole prediction.

        A model whose markup is not constrained may write `[SEG]` without a phrase: its mask comes as `Unnamed`.

        Raises:
            UserError: as `ask`.
        """
        return self.chat(image).stream(instruction, max_new_tokens=max_new_tokens)

    def chat(self, image: ImageSource, turns: Sequence[tuple[str, GroundedText]] = ()) -> "Chat":
        """A conversation about one picture, going on behind `turns` (instruction, answer) that were said before."""
        return Chat(self, Picture(load_image(image), _name(image)), turns)


class Chat:
    """A conversation about one picture: every answer knows the turns before it.

    What has been read before is not read again, and the grounding encoder sees the picture once, when the first mask is
    needed. `turns` are the answers of this chat.
    """

    def __init__(self, predictor: Predictor, picture: Picture, turns: Sequence[tuple[str, GroundedText]] = ()):
        self.image = picture.image
        self.turns: list[ImagePrediction] = []
        self._predictor, self._picture = predictor, picture
        self._history: list[tuple[str, str | None]] = [(said, grounding.render(answer)) for said, answer in turns]

    def ask(self, instruction: str, *, max_new_tokens: int = MAX_NEW_TOKENS) -> ImagePrediction:
        """The next answer; instruction and answer become part of the conversation.

        Raises:
            UserError: the instruction is empty, or the conversation has become too long; it stays as it was.
        """
        return _last(self._answer(instruction, max_new_tokens, streamed=False))

    def stream(self, instruction: str, *, max_new_tokens: int = MAX_NEW_TOKENS) -> Iterator[Event]:
        """The next answer as it comes (see `Predictor.stream`); one that is not heard to its end is forgotten.

        Raises:
            UserError: as `ask`, before the first event.
        """
        return self._answer(instruction, max_new_tokens, streamed=True)

    def _answer(self, instruction: str, max_new_tokens: int, streamed: bool) -> Iterator[Event]:
        answering = Answering(self._predictor.model, self._predictor.processor, remember=True)
        conversation: Conversation = [*self._history, (instruction, None)]
        question = answering.prepare(self._picture, conversation, max_new_tokens, streamed)
        return self._events(answering, question)

    def _events(self, answering: Answering, question: Question) -> Iterator[Event]:
        events = answering.begin([question])
        while True:
            for _, event in events:
                if isinstance(event, BaseException):
                    raise event
                if isinstance(event, ImagePrediction):
                    self.turns.append(event)
                    self._history.append((event.instruction, event.marked))
                    yield event
                    return
                yield event
            events = answering.step()


class _Pictures:
    """The pictures of many questions: each is read when it is first needed and forgotten after its last question."""

    def __init__(self, questions: Sequence[tuple[ImageSource, str]]):
        self._num_left: dict[object, int] = {}
        for source, _ in questions:
            self._num_left[_identity(source)] = self._num_left.get(_identity(source), 0) + 1
        self._read: dict[object, Picture] = {}

    def take(self, source: ImageSource) -> Picture:
        """The picture of the next question."""
        key = _identity(source)
        picture = self._read.pop(key, None) or Picture(load_image(source), _name(source))
        self._num_left[key] -= 1
        if self._num_left[key]:
            self._read[key] = picture
        return picture


def _last(events: Iterator[Event]) -> ImagePrediction:
    """The prediction at the end."""
    *_, last = events
    if not isinstance(last, ImagePrediction):
        raise TypeError("an answer ends with its prediction")
    return last


def _identity(source: ImageSource) -> object:
    """What makes two sources the same picture: the same path, or the same object."""
    return source if isinstance(source, str | Path) else id(source)


def _name(source: ImageSource) -> str:
    """The file's name; empty for pictures that have none."""
    return Path(source).name if isinstance(source, str | Path) else ""
