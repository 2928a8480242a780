"""Between people's types and tensors: images, turns and masks in; predictions' texts and masks out."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import interpolate
from transformers import AutoProcessor, BatchFeature, ProcessorMixin

from mglmm import grounding, masks
from mglmm.model import lmm_processor as own
from mglmm.model.configuration_mglmm import MGLMMConfig
from mglmm.model.conversation import Conversation, decode_answer
from mglmm.schema import Turn

ADDED_TOKENS = (
    "<im_start>",
    "<im_end>",
    "<bbox>",
    "<point>",
    grounding.SEG,
    grounding.PHRASE_START,
    grounding.PHRASE_END,
)
"""In the published order, so that ids agree with converted checkpoints (arXiv 2409.13407 and its code)."""

_MASK_PIXELS = 2**24
"""Pixels of the masks that are brought to an image's size at once (or one mask, if it has more); ours: 64 MiB of
logits, and up to as much again for the square frame."""

POINTS = 256
"""Points of an image whose words `MGLMMProcessor.point_targets` tells. Ours."""


class MGLMMProcessor(ProcessorMixin):
    """Tokenizer with chat template, the LMM's image processor and SAM's.

    Args:
        image_processor: makes `pixel_values` for the vision tower.
        tokenizer: holds `ADDED_TOKENS`, an image token and the chat template.
        grounding_image_processor: makes `grounding_pixel_values` for the grounding encoder.
        image_seq_length: number of placeholder tokens an image takes in the text, if the LMM has no processor.
        lmm_processor: class and settings of the LMM's own processor (`lmm_processor.settings_of`), which then says what
            an image becomes and which tokens stand for it.
        mask_label_size: side of the square frame in which training compares masks, in pixels.
        mask_threshold: the logit above which a pixel belongs to a mask (SAM's name; SAM has 0). A decoder that is not
            yet sure finds more of what it means with a lower one.
        image_token: the placeholder's text.
        image_backend: what resamples images, `pil` or `torchvision`; None: transformers' choice. The two round
            differently, so a model should see what it was trained on.
    """

    def __init__(
        self,
        image_processor: Any,
        tokenizer: Any,
        grounding_image_processor: Any,
        image_seq_length: int = 576,
        mask_label_size: int = 256,
        mask_threshold: float = 0.0,
        image_token: str = "<image>",
        image_backend: str | None = None,
        chat_template: str | dict[str, str] | None = None,
        lmm_processor: dict[str, Any] | None = None,
        **kwargs: Any,
    ):
        self.image_seq_length = image_seq_length
        self.mask_label_size = mask_label_size
        self.mask_threshold = mask_threshold
        self.image_token = image_token
        self.image_backend = image_backend
        self.grounding_image_processor = grounding_image_processor
        self.lmm_processor = lmm_processor
        self._lmm_processor = lmm_processor and own.restore(lmm_processor, image_processor, tokenizer)
        super().__init__(image_processor, tokenizer, grounding_image_processor, chat_template=chat_template, **kwargs)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> "MGLMMProcessor":
        """The processor saved in a folder (or on the hub), its image processors on the backend it was saved for."""
        saved, _ = cls.get_processor_dict(pretrained_model_name_or_path, **kwargs)
        if saved.get("image_backend"):
            kwargs.setdefault("backend", saved["image_backend"])
        processor = super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)
        if saved.get("image_backend") == "pil":  # transformers hands `backend` to the first image processor alone
            name = saved["grounding_image_processor"]["image_processor_type"]
            pil = cls.get_possibly_dynamic_module(f"{name}Pil")
            processor.grounding_image_processor = pil(**saved["grounding_image_processor"])
        return processor

    def __call__(self, images: Any = None, text: Any = None, **kwargs: Any) -> BatchFeature:
        """Inputs of the language model alone, as its own processor makes them: what transformers' pipelines call."""
        if self._lmm_processor:
            return self._lmm_processor(images=images, text=text, **kwargs)
        return super().__call__(images=images, text=text, **kwargs)

    def replace_image_token(self, image_inputs: dict[str, Any], image_idx: int, **kwargs: Any) -> str:
        """The text that stands for an image in `__call__`."""
        return self.image_token * self.image_seq_length

    def look(self, image: Image.Image) -> tuple[dict[str, torch.Tensor], str]:
        """What the vision tower sees of one image (the first axis of each tensor is that of images or of their tiles),
        and the text that stands for it in a conversation."""
        if self._lmm_processor:
            return own.look(self._lmm_processor, image)
        pixels = self.image_processor([image], return_tensors="pt")["pixel_values"]
        return {"pixel_values": pixels}, self.image_token * self.image_seq_length

    def join(self, images: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        """What the vision tower sees of several images that were looked at one by one."""
        return own.join(images)

    def pixels(self, images: Sequence[Image.Image]) -> dict[str, torch.Tensor]:
        """What the vision tower sees: `pixel_values` and what the LMM wants beside them."""
        return own.join([self.look(image)[0] for image in images])

    def grounding_pixels(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """float[B, 3, S, S] for the grounding encoder."""
        return self.grounding_image_processor(list(images), return_tensors="pt")["pixel_values"]

    def conversation_ids(
        self, turns: Sequence[tuple[str, str | None]], with_image: bool = True, image_text: str | None = None
    ) -> tuple[list[int], list[int]]:
        """Token ids and labels of one conversation about one image (see `Conversation`).

        Args:
            turns: (instruction, rendered answer) pairs; only the last answer may be None: the ids then end where the
                model goes on.
            with_image: put the image's placeholders before the first instruction.
            image_text: the placeholders (see `look`); None: `image_seq_length` of them.

        Returns:
            ids, labels: the same length; labels are `IGNORED` outside the answers (each with its end token).

        Raises:
            ValueError: the chat template rewrites earlier turns, so that nothing can be tokenised turn by turn.
        """
        text = self.image_token * self.image_seq_length if image_text is None else image_text
        image = (self.image_token, text) if with_image else None
        conversation = Conversation(self.tokenizer, self.chat_template, image)
        for instruction, answer in turns:
            conversation.ask(instruction)
            if answer is None:
                break
            conversation.answer(answer)
        return conversation.ids, conversation.labels

    def example(
        self,
        image: Image.Image,
        conversations: Sequence[Sequence[Turn]],
        segment_masks: Mapping[int, masks.CocoRle],
        with_image: bool = True,
        with_grounding: bool = True,
    ) -> dict[str, Any]:
        """One training example: an image with several conversations, whose encoders run once.

        Args:
            image: upright RGB.
            conversations: each a list of turns that follow one another.
            segment_masks: RLE by segment id, in the image's size.
            with_image: False leaves the language model blind, so that `[SEG]` can only speak of the words before it.
            with_grounding: False leaves out what the grounding encoder sees.

        Returns:
            input_ids, labels: a list of int lists, one per conversation; mask_labels: bool[M, h, w] in order of the
            `[SEG]`; grounding_pixel_values float[3, S, S]; image_inputs, what `look` makes of the image, unless blind.
        """
        inputs, text = self.look(image) if with_image else (None, None)
        rows = [
            self.conversation_ids([(t.instruction, grounding.render(t.answer)) for t in turns], with_image, text)
            for turns in conversations
        ]
        wanted = [i for turns in conversations for t in turns for i in t.answer.segment_ids]
        unique = sorted(set(wanted))
        in_frame = self.mask_targets([segment_masks[i] for i in unique])
        example = {
            "input_ids": [ids for ids, _ in rows],
            "labels": [labels for _, labels in rows],
            "mask_labels": in_frame[[unique.index(i) for i in wanted]],
        }
        if with_grounding:
            example["grounding_pixel_values"] = self.grounding_pixels([image])[0]
        if inputs is not None:
            example["image_inputs"] = inputs
        return example

    def word_targets(self, phrases: Sequence[str], rles: Sequence[masks.CocoRle]) -> tuple[torch.Tensor, torch.Tensor]:
        """The words that each image token should stand for, given what lies at its place.

        A segment speaks the words of its phrase, each with the square root of the share of the token's square that it
        covers (ours: so that what is small is heard beside what is large).

        Args:
            phrases: one per segment, such as "red striped bag".
            rles: their masks.

        Returns:
            int[2, K] image token and word; float[K] its probability. Those of one image token sum to 1; a token whose
            square no segment touches has none.

        Raises:
            ValueError: the image tokens are no grid over the whole image.
        """
        if not self.sees_square:
            raise ValueError("word targets need an image processor that stretches the image over a square of tokens")
        side = math.isqrt(self.image_seq_length)
        if not rles:
            return torch.zeros(2, 0, dtype=torch.long), torch.zeros(0)
        full = torch.from_numpy(masks.decode_many(list(rles)).astype(np.float32))[:, None]
        covered = interpolate(full, (side, side), mode="area")[:, 0].flatten(1).sqrt()
        shares = self._word_shares(phrases, covered)
        index = shares.nonzero().T
        return index, shares[index[0], index[1]]

    def point_targets(
        self, phrases: Sequence[str], rles: Sequence[masks.CocoRle], size: tuple[int, int], seed: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Random points of an image, and the words of what lies there.

        Half of the points lie anywhere, the other half each in a segment drawn at random, so that small segments are
        heard as often as large ones. All segments at a point speak alike, each the words of its phrase.

        Args:
            phrases: one per segment, such as "red striped bag".
            rles: their masks.
            size: of the image, (height, width) in pixels.
            seed: of the draw.

        Returns:
            float[`POINTS`, 2] x and y in -1..1 over the grounding frame; int[2, K] point and word; float[K] the word's
            probability. Those of one point sum to 1; a point that lies in no segment has none.
        """
        rng = np.random.default_rng(seed)
        places = np.stack([rng.integers(edge, size=POINTS) for edge in size])
        if not rles:
            return self._in_frame(places, size), torch.zeros(2, 0, dtype=torch.long), torch.zeros(0)
        full = masks.decode_many(list(rles)).astype(bool)
        inside = [np.argwhere(mask) for mask in full]
        for point, segment in enumerate(rng.integers(len(rles), size=POINTS // 2)):
            if len(inside[segment]):
                places[:, point] = inside[segment][rng.integers(len(inside[segment]))]
        there = torch.from_numpy(full[:, places[0], places[1]])
        shares = self._word_shares(phrases, there.float())
        index = shares.nonzero().T
        return self._in_frame(places, size), index, shares[index[0], index[1]]

    def _in_frame(self, places: np.ndarray, size: tuple[int, int]) -> torch.Tensor:
        """float[P, 2]: x and y in -1..1 over the grounding frame, of the middles of the pixels int[2, P] (row,
        column)."""
        shares = [(places[axis] + 0.5) / size[axis] * self.frame_size(size)[axis] / self.frame_side for axis in (1, 0)]
        return torch.from_numpy(2 * np.stack(shares, 1) - 1).float()

    def _word_shares(self, phrases: Sequence[str], cover: torch.Tensor) -> torch.Tensor:
        """float[N, V]: the probability of each word at N places, 0 where nothing lies; `cover` float[S, N]: how much of
        a place each segment covers."""
        shares = torch.zeros(cover.shape[1], len(self.tokenizer))
        for phrase, covered in zip(phrases, cover, strict=True):
            words = self.tokenizer(" " + phrase, add_special_tokens=False)["input_ids"]
            for word in words:
                shares[:, word] += covered / len(words)
        return shares / shares.sum(1, keepdim=True).clamp(min=1e-6)

    def mask_targets(self, rles: Sequence[masks.CocoRle]) -> torch.Tensor:
        """bool[N, h, w]: the masks in the frame of the grounding image, at `mask_label_size`."""
        side = self.mask_label_size
        if not rles:
            return torch.zeros(0, side, side, dtype=torch.bool)
        full = torch.from_numpy(masks.decode_many(list(rles)).astype(np.float32))[:, None]
        height, width = (
            max(round(side * edge / self.frame_side), 1) for edge in self.frame_size((full.shape[-2], full.shape[-1]))
        )
        framed = interpolate(full, (height, width), mode="area")[:, 0] >= 0.5
        target = torch.zeros(len(rles), side, side, dtype=torch.bool)
        target[:, :height, :width] = framed
        return target

    @property
    def sees_square(self) -> bool:
        """Whether the image tokens are a square grid over the whole image, as `word_targets` needs it."""
        is_grid = math.isqrt(self.image_seq_length) ** 2 == self.image_seq_length
        return is_grid and not self._lmm_processor and not self.image_processor.to_dict().get("do_center_crop")

    @property
    def frame_side(self) -> int:
        """Side S of the square that the grounding encoder sees, in pixels."""
        size = self.grounding_image_processor.size
        return size["longest_edge"] if "longest_edge" in size else size["height"]

    def frame_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Where an image of `size` (height, width) ends inside the S x S frame: SAM scales its longer side to S and
        pads below and on the right; SAM 2 and EdgeTAM stretch the image over the whole frame."""
        side = self.frame_side
        if "longest_edge" not in self.grounding_image_processor.size:
            return side, side
        scale = side / max(size)
        return int(size[0] * scale + 0.5), int(size[1] * scale + 0.5)

    def prompt(
        self, images: Sequence[Image.Image], conversations: Sequence[Sequence[tuple[str, str | None]]]
    ) -> BatchFeature:
        """Left-padded prompts, one conversation per image: input_ids, attention_mask int[R, T], what the vision tower
        sees, row_image_index int[R] (each row its own image)."""
        seen = [self.look(image) for image in images]
        rows = [
            self.conversation_ids(turns, image_text=text)[0]
            for turns, (_, text) in zip(conversations, seen, strict=True)
        ]
        return self.batch(rows, [inputs for inputs, _ in seen])

    def batch(self, rows: Sequence[Sequence[int]], seen: Sequence[dict[str, torch.Tensor]]) -> BatchFeature:
        """`prompt` from token ids, and from what `look` made of the image of each row."""
        longest = max(len(row) for row in rows)
        pad = self.tokenizer.pad_token_id
        return BatchFeature(
            {
                "input_ids": torch.tensor([[pad] * (longest - len(row)) + list(row) for row in rows]),
                "attention_mask": torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows]),
                "row_image_index": torch.arange(len(rows)),
                **own.join(seen),
            }
        )

    def decode_answer(self, ids: Sequence[int]) -> str:
        """The raw answer, spaced as `grounding.render` writes it (see `conversation.decode_answer`)."""
        return decode_answer(self.tokenizer, ids)

    def resize_masks(self, mask_logits: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        """float[M, H, W]: logits float[M, h, w] of the S x S frame brought back to the image's `size` (height, width).

        Source: SAM's post-processing (arXiv 2304.02643, its code): to S x S, crop, to the original size, bilinear; that
        of SAM 2 (arXiv 2408.00714, its code), whose frame the image fills: at once to the original size.
        """
        if len(mask_logits) == 0:
            return mask_logits.new_zeros(0, *size)
        logits = mask_logits[:, None].float()
        if "longest_edge" in self.grounding_image_processor.size:
            height, width = self.frame_size(size)
            logits = interpolate(logits, (self.frame_side,) * 2, mode="bilinear", align_corners=False)
            logits = logits[..., :height, :width]
        return interpolate(logits, size, mode="bilinear", align_corners=False)[:, 0]

    def masks(self, mask_logits: torch.Tensor, size: tuple[int, int]) -> Iterator[np.ndarray]:
        """The masks bool[H, W] of logits float[M, h, w] in an image's `size`, a few of them at a time in memory."""
        num_pixels = max(size[0] * size[1], self.frame_side**2)
        for part in mask_logits.split(max(_MASK_PIXELS // num_pixels, 1)):
            yield from (self.resize_masks(part, size) > self.mask_threshold).cpu().numpy()

    def scores(self, iou_scores: torch.Tensor) -> list[float]:
        """The estimated IoU of each mask, 0..1."""
        return iou_scores.float().clamp(0, 1).tolist()


def grounded_answer(raw: str) -> grounding.Parsed:
    """The answer, its k-th `[SEG]` owning segment id k + 1."""
    return grounding.parse(raw, range(1, raw.count(grounding.SEG) + 1))


AutoProcessor.register(MGLMMConfig, MGLMMProcessor)
