"""From samples to the batch that the model's forward takes."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from PIL import Image

from mglmm.data.features import FeatureStore, picture_key
from mglmm.masks import CocoRle
from mglmm.schema import Sample, Turn

FEATURES = "grounding_features."
"""How the names of features in a batch begin."""

IGNORED = -100
"""Label of tokens that carry no loss (torch's cross_entropy default)."""


class TrainItem(NamedTuple):
    """An image, its sample, and the conversations about it that this step trains on."""

    image: Image.Image
    sample: Sample
    conversations: Sequence[Sequence[Turn]]


class ExampleMaker(Protocol):
    """What the collator needs of a processor (see `MGLMMProcessor.example`)."""

    tokenizer: Any

    def example(
        self, image: Any, conversations: Any, segment_masks: Any, with_image: bool, with_grounding: bool
    ) -> dict[str, Any]:
        """One training example."""
        ...

    def pixels(self, images: Any) -> dict[str, torch.Tensor]:
        """What the language model sees of the images."""
        ...

    def join(self, images: Any) -> dict[str, torch.Tensor]:
        """What the language model sees of several images, of what it sees of each."""
        ...

    def grounding_pixels(self, images: Any) -> torch.Tensor:
        """What the grounding encoder sees of the images."""
        ...

    def word_targets(self, phrases: Any, rles: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """The words of each image token."""
        ...

    def point_targets(
        self, phrases: Any, rles: Any, size: tuple[int, int], seed: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Points of the grounding frame, and the words of each."""
        ...


class Row(NamedTuple):
    """One row of a batch: token ids, labels, position of each token in its conversation, and which conversation of
    the row it belongs to (0: the beginning that all of them share)."""

    ids: list[int]
    labels: list[int]
    positions: list[int]
    conversation: list[int]


def pack(ids: Sequence[Sequence[int]], labels: Sequence[Sequence[int]]) -> Row:
    """Several conversations about one image in one row, behind the beginning that they share (the image's tokens).

    The shared beginning stops before any token that is trained, and leaves each conversation at least one token that
    is not: so the token before a trained one always belongs to the same conversation.
    """
    shared = min(next((i for i, label in enumerate(row) if label != IGNORED), len(row)) for row in labels) - 1
    while any(row[:shared] != ids[0][:shared] for row in ids):
        shared -= 1
    row = Row(list(ids[0][:shared]), list(labels[0][:shared]), list(range(shared)), [0] * shared)
    for number, (one, its_labels) in enumerate(zip(ids, labels, strict=True), start=1):
        row.ids.extend(one[shared:])
        row.labels.extend(its_labels[shared:])
        row.positions.extend(range(shared, len(one)))
        row.conversation.extend([number] * (len(one) - shared))
    return row


def visibility(conversation: torch.Tensor) -> torch.Tensor:
    """bool[R, 1, T, T], true where token t may look at token u: u is not later, and of the same conversation or shared.

    Args:
        conversation: int[R, T], 0 for shared tokens, -1 for padding (which sees itself alone, to keep softmax finite).
    """
    length = conversation.shape[1]
    seen = (conversation[:, None, :] == 0) | (conversation[:, :, None] == conversation[:, None, :])
    seen &= (conversation[:, None, :] >= 0) & torch.ones(length, length, dtype=torch.bool).tril()
    return (seen | torch.eye(length, dtype=torch.bool))[:, None]


@dataclass(frozen=True)
class Collator:
    """Makes batches, B images with R rows and M trained `[SEG]` in all:

    input_ids, labels, attention_mask: int[R, T], right-padded; row_image_index: int[R];
    pixel_values: float[B, 3, h, w], or what else the language model's family sees (absent if `with_image` is False);
    grounding_pixel_values: float[B', 3, S, S];
    mask_labels: bool[M, h', w'], in order of rows and text.

    With `packed` all conversations about an image share one row (R = B) and its image tokens: position_ids int[R, T]
    and a bool[R, 1, T, T] attention mask keep them apart. It needs a language model that takes both (LLaVA's kin do).

    With `grounded_share` below 1 only the first images of the batch, that share of B, come with their grounding pixels
    and masks, one of them at least; the others train the text alone, at a fraction of the cost. With 0 all do.

    With `words` there are also word_index int[3, K] and word_share float[K]: what each image token should stand for.
    With `points` points float[B', P, 2], point_index and point_share: the same for points of the grounding frame.
    Items without conversations give a batch of pixels and these alone.

    With `features` what the grounding encoder makes of the images is taken from there. Then the batch has, instead of
    their pixels, `grounding_keys` uint8[B', `KEY_BYTES`], `grounding_known` bool[B'], float16 tensors named
    `FEATURES` + name of those that are known, and the pixels of the others (absent if there is none).
    """

    processor: ExampleMaker
    with_image: bool = True
    packed: bool = False
    grounded_share: float = 1.0
    words: bool = False
    points: bool = False
    features: FeatureStore | None = None

    def __call__(self, items: Sequence[TrainItem]) -> dict[str, torch.Tensor]:
        """The batch of these items."""
        num_grounded = max(1, round(self.grounded_share * len(items))) if self.grounded_share else 0
        words = self._words(items) if self.words else {}
        words |= self._points(items[:num_grounded]) if self.points else {}
        if not any(item.conversations for item in items):
            return self._pixels(items, num_grounded) | words
        examples = [
            self.processor.example(
                item.image,
                item.conversations,
                {s.id: s.rle.to_coco() for s in item.sample.segments},
                with_image=self.with_image,
                with_grounding=False,
            )
            for item in items
        ]
        if self.packed:
            rows = [(i, pack(e["input_ids"], e["labels"])) for i, e in enumerate(examples)]
        else:
            rows = [
                (i, Row(ids, labels, list(range(len(ids))), [1] * len(ids)))
                for i, e in enumerate(examples)
                for ids, labels in zip(e["input_ids"], e["labels"], strict=True)
            ]
        batch = {
            "input_ids": _padded([row.ids for _, row in rows], self.processor.tokenizer.pad_token_id),
            "labels": _padded([row.labels for _, row in rows], IGNORED),
            "row_image_index": torch.tensor([i for i, _ in rows]),
        }
        if num_grounded:
            batch |= self._grounding([item.image for item in items[:num_grounded]])
            batch["mask_labels"] = torch.cat([e["mask_labels"] for e in examples[:num_grounded]])
        conversation = _padded([row.conversation for _, row in rows], -1)
        if self.packed:
            batch["position_ids"] = _padded([row.positions for _, row in rows], 0)
            batch["attention_mask"] = visibility(conversation)
        else:
            batch["attention_mask"] = (conversation >= 0).long()
        if self.with_image:
            batch |= self.processor.join([e["image_inputs"] for e in examples])
        return batch | words

    def _pixels(self, items: Sequence[TrainItem], num_grounded: int) -> dict[str, torch.Tensor]:
        """The pixels that the losses without text need."""
        images = [item.image for item in items]
        pixels = self.processor.pixels(images) if self.words else {}
        return pixels | self._grounding(images[:num_grounded]) if self.points else pixels

    def _grounding(self, images: Sequence[Image.Image]) -> dict[str, torch.Tensor]:
        """What the grounding encoder sees of these images, or what it has made of them."""
        if self.features is None:
            return {"grounding_pixel_values": self.processor.grounding_pixels(images)}
        keys = [picture_key(image) for image in images]
        found = [self.features.load(key) for key in keys]
        known = [tensors for tensors in found if tensors is not None]
        batch = {
            "grounding_keys": torch.tensor([list(key) for key in keys], dtype=torch.uint8),
            "grounding_known": torch.tensor([tensors is not None for tensors in found]),
        }
        for name in known[0] if known else ():
            batch[FEATURES + name] = torch.stack([tensors[name] for tensors in known])
        unknown = [image for image, tensors in zip(images, found, strict=True) if tensors is None]
        return batch | ({"grounding_pixel_values": self.processor.grounding_pixels(unknown)} if unknown else {})

    def _words(self, items: Sequence[TrainItem]) -> dict[str, torch.Tensor]:
        """word_index and word_share of all images."""
        targets = [self.processor.word_targets(*_told(item.sample)) for item in items]
        return {
            "word_index": _numbered([index for index, _ in targets]),
            "word_share": torch.cat([share for _, share in targets]),
        }

    def _points(self, items: Sequence[TrainItem]) -> dict[str, torch.Tensor]:
        """points, point_index and point_share of all images; an image's points are always the same."""
        targets = [
            self.processor.point_targets(*_told(item.sample), item.sample.size, zlib.crc32(item.sample.id.encode()))
            for item in items
        ]
        return {
            "points": torch.stack([points for points, _, _ in targets]),
            "point_index": _numbered([index for _, index, _ in targets]),
            "point_share": torch.cat([share for _, _, share in targets]),
        }


def _told(sample: Sample) -> tuple[list[str], list[CocoRle]]:
    """What is said of each segment, and its mask."""
    return [s.caption or s.label for s in sample.segments], [s.rle.to_coco() for s in sample.segments]


def _numbered(indices: Sequence[torch.Tensor]) -> torch.Tensor:
    """int[3, K]: int[2, K] of each image behind the image's number."""
    return torch.cat([torch.cat([torch.full((1, i.shape[1]), n), i]) for n, i in enumerate(indices)], 1)


def _padded(rows: Sequence[Sequence[int]], value: int) -> torch.Tensor:
    """int[R, T]: the rows, filled up on the right."""
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=value)
