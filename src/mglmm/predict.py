"""Asking a model: a picture and an instruction in, an answer whose phrases are tied to masks out."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from PIL import Image
from pydantic import ConfigDict, Field

from mglmm import grounding, viz
from mglmm.images import ImageSource, load_image
from mglmm.model import GroundedOutput, MGLMMForConditionalGeneration, MGLMMProcessor
from mglmm.model.loading import Loading, load_model
from mglmm.model.processing_mglmm import ADDED_TOKENS, grounded_answer
from mglmm.model.sam import GroundingFeatures
from mglmm.schema import Prediction, Rle, Segment, UserError

MAX_NEW_TOKENS = 512
"""Limit of an answer. Source: the published MGSC evaluation (docs/papers.md)."""

_ROOM_FOR_ANSWER = 16
"""Tokens that an answer must at least have room for; ours: a short grounded phrase takes about ten."""

_LEGIBLE_SIDE_PX = 640
"""Saved overlays of smaller pictures are enlarged so that their labels can be read."""

Conversation = Sequence[tuple[str, str | None]]
"""(instruction, answer with markup) of each turn; the last answer is None: it is asked for."""


class ImagePrediction(Prediction):
    """A prediction that also holds the upright picture (mode RGB); `to_json` leaves the picture out."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    image: Image.Image = Field(exclude=True, repr=False)

    def overlay(self, *, labels: bool = True) -> Image.Image:
        """The picture with the masks; enlarged by a whole factor if its longer side is below 640 pixels."""
        scale = max(1, -(-_LEGIBLE_SIDE_PX // max(self.image.size)))
        return viz.overlay(self.image, self.segments, self.answer, labels=labels, scale=scale)

    def save(self, path: str | Path) -> None:
        """Write `overlay()` to a picture file, in the format that its ending names.

        Raises:
            UserError: the ending is no picture format, or the file cannot be written.
        """
        try:
            self.overlay().save(path)
        except OSError as error:
            raise UserError(f"{path}: cannot be written ({error.strerror or error})") from error
        except ValueError as error:
            raise UserError(f"{path}: no picture format has this ending; use .png or .jpg") from error


def load(
    name_or_path: str | Path = "default",
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    *,
    quantize: str | None = None,
    attention: str | None = None,
    adapter: str | Path | None = None,
) -> "Predictor":
    """A predictor over the model in the package ("default"), in a folder, or with a hub id ("owner/name").

    Args:
        device: e.g. "cpu", "cuda:0" or "mps"; None: the accelerator if there is one, else the CPU; "auto": the layers
            of the language model that do not fit on it go to the next, the CPU, or stay on the disk.
        dtype: of the weights, e.g. "bfloat16"; None: float32 on the CPU, bfloat16 elsewhere.
        quantize: "bnb-8bit", "bnb-4bit", "torchao-8bit" or "torchao-4bit"; what makes the masks stays in `dtype`.
        attention: transformers' name of how attention is computed, e.g. "sdpa", "eager" or "flash_attention_2".
        adapter: folder of LoRA weights that training has saved; merged, unless the model is quantised.

    Raises:
        UserError: there is no such model, device or adapter, the folder does not hold a whole model, or what is asked
            for needs a library or a device that is not here.
    """
    return Predictor(*load_model(name_or_path, Loading(device, dtype, quantize, attention, adapter)))


class Predictor:
    """Answers instructions about pictures; the one way to use a model."""

    def __init__(self, model: MGLMMForConditionalGeneration, processor: MGLMMProcessor):
        self.model = model.eval()
        self.processor = processor
        self.max_length = model.config.get_text_config().max_position_embeddings
        """Tokens of picture, conversation and answer together."""

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

        A picture that stands in several pairs of a batch is read and encoded for masks once.

        Raises:
            UserError: as `ask`, or `batch_size` is below 1.
        """
        if batch_size is not None and batch_size < 1:
            raise UserError(f"batch_size is {batch_size}; it must be at least 1")
        size = batch_size or max(len(questions), 1)
        answers: list[ImagePrediction] = []
        for start in range(0, len(questions), size):
            part = questions[start : start + size]
            sources = {_identity(source): source for source, _ in part}
            loaded = {key: load_image(source) for key, source in sources.items()}
            images = [loaded[_identity(source)] for source, _ in part]
            names = [_name(source) for source, _ in part]
            conversations = [[(instruction, None)] for _, instruction in part]
            encode = self._encoder_of(images)
            answers += self.answer(images, conversations, encode, names, max_new_tokens=max_new_tokens)
        return answers

    def chat(self, image: ImageSource) -> "Chat":
        """A conversation about one picture."""
        return Chat(self, load_image(image), _name(image))

    @torch.inference_mode()
    def answer(
        self,
        images: Sequence[Image.Image],
        conversations: Sequence[Conversation],
        encode: Callable[[list[int]], GroundingFeatures],
        names: Sequence[str],
        *,
        max_new_tokens: int = MAX_NEW_TOKENS,
    ) -> list[ImagePrediction]:
        """The next answer of each conversation, all generated together.

        Args:
            images: one upright RGB picture for each conversation.
            encode: sorted indices of conversations -> features of their pictures in that order; called at most once.
            names: what `sample_id` says, one for each conversation.
        """
        for conversation in conversations:
            self._check_instruction(conversation[-1][0])
        inputs = self.processor.prompt(images, conversations).to(self.model.device, dtype=self.model.dtype)
        room = self._room(inputs["input_ids"].shape[1], max_new_tokens)
        output = self.model.generate_grounded(**inputs, grounding=encode, max_new_tokens=room)
        return [
            self._prediction(output, row, image, name, conversation)
            for row, (image, name, conversation) in enumerate(zip(images, names, conversations, strict=True))
        ]

    def encode(self, images: Sequence[Image.Image]) -> GroundingFeatures:
        """What the grounding encoder sees in upright RGB pictures, in their order."""
        with torch.inference_mode():
            return self.model.encode_grounding(self.processor.grounding_pixels(images).to(self.model.device))

    def _encoder_of(self, images: Sequence[Image.Image]) -> Callable[[list[int]], GroundingFeatures]:
        def _encode(rows: list[int]) -> GroundingFeatures:
            unique = {id(images[row]): images[row] for row in rows}
            order = {key: index for index, key in enumerate(unique)}
            index = torch.tensor([order[id(images[row])] for row in rows], device=self.model.device)
            return self.encode(list(unique.values())).select(index)

        return _encode

    def _check_instruction(self, instruction: str) -> None:
        if not instruction.strip():
            raise UserError("the instruction is empty; say what to describe, segment or answer")
        tokens = {self.processor.image_token, *ADDED_TOKENS, *self.processor.tokenizer.all_special_tokens}
        for token in sorted(tokens):
            if token in instruction:
                raise UserError(
                    f"the instruction holds {token}, which has a meaning of its own to the model; leave it out"
                )

    def _room(self, num_prompt_tokens: int, max_new_tokens: int) -> int:
        """How many tokens the answer may have."""
        if max_new_tokens < 1:
            raise UserError(f"max_new_tokens is {max_new_tokens}; it must be at least 1")
        left = self.max_length - num_prompt_tokens
        if left < _ROOM_FOR_ANSWER:
            raise UserError(
                f"picture and conversation take {num_prompt_tokens} of the model's {self.max_length} tokens, which "
                "leaves no room for an answer; ask something shorter or begin a new chat"
            )
        return min(max_new_tokens, left)

    def _prediction(
        self, output: GroundedOutput, row: int, image: Image.Image, name: str, conversation: Conversation
    ) -> ImagePrediction:
        """The answer of one row; its masks alone are at full size at a time."""
        alone = GroundedOutput(
            output.sequences[row : row + 1],
            output.mask_logits[row : row + 1],
            output.iou_scores[row : row + 1],
            output.prompts[row : row + 1],
        )
        size = (image.height, image.width)
        raw, masks, scores = self.processor.post_process(alone, [size])[0]
        if raw.count(grounding.SEG) != len(masks):
            raise ValueError(f"{raw.count(grounding.SEG)} {grounding.SEG} in the answer but {len(masks)} masks")
        answer, num_invalid = grounded_answer(raw)
        phrases = {i: p for s, p in zip(answer.spans, answer.phrases, strict=True) for i in s.segment_ids}
        segments = tuple(
            Segment(id=k, rle=Rle.from_mask(mask), label=phrases.get(k, ""), score=score)
            for k, (mask, score) in enumerate(zip(masks, scores, strict=True), start=1)
        )
        return ImagePrediction(
            sample_id=name,
            turn_index=len(conversation) - 1,
            size=size,
            instruction=conversation[-1][0],
            answer=answer,
            segments=segments,
            num_invalid=num_invalid,
            image=image,
        )


class Chat:
    """A conversation about one picture: every answer knows the turns before it.

    The grounding encoder sees the picture once, when the first mask is needed.
    """

    def __init__(self, predictor: Predictor, image: Image.Image, name: str = ""):
        self.image = image
        self.turns: list[ImagePrediction] = []
        self._predictor = predictor
        self._name = name
        self._features: GroundingFeatures | None = None

    def ask(self, instruction: str, *, max_new_tokens: int = MAX_NEW_TOKENS) -> ImagePrediction:
        """The next answer; instruction and answer become part of the conversation.

        Raises:
            UserError: the instruction is empty, or the conversation has become too long; it stays as it was.
        """
        history: list[tuple[str, str | None]] = [(t.instruction, grounding.render(t.answer)) for t in self.turns]
        prediction = self._predictor.answer(
            [self.image], [[*history, (instruction, None)]], self._encode, [self._name], max_new_tokens=max_new_tokens
        )[0]
        self.turns.append(prediction)
        return prediction

    def _encode(self, rows: list[int]) -> GroundingFeatures:
        if self._features is None:
            self._features = self._predictor.encode([self.image])
        return self._features


def _identity(source: ImageSource) -> object:
    """What makes two sources the same picture: the same path, or the same object."""
    return source if isinstance(source, str | Path) else id(source)


def _name(source: ImageSource) -> str:
    """The file's name; empty for pictures that have none."""
    return Path(source).name if isinstance(source, str | Path) else ""
