"""Masks of pictures: from the hidden states that predict `[SEG]` to masks in the pictures' sizes, many at once."""

from collections.abc import Sequence

import torch
from PIL import Image

from mglmm.model import MGLMMForConditionalGeneration, MGLMMProcessor
from mglmm.model.decoding import Prefix, num_shared
from mglmm.model.sam import GroundingFeatures
from mglmm.schema import Rle

_NUM_PREFIXES = 4
"""Conversations about one picture that are kept in mind; ours."""

Found = tuple[Rle, float]
"""A mask and its estimated IoU, 0..1."""


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


class Segmenter:
    """Makes the masks of one model."""

    def __init__(self, model: MGLMMForConditionalGeneration, processor: MGLMMProcessor):
        self._model, self._processor = model, processor

    @torch.inference_mode()
    def masks(self, asked: Sequence[tuple[Picture, Sequence[torch.Tensor]]]) -> list[list[Found]]:
        """The masks that hidden states float[D] stand for, of each picture in its size; they are decoded together.

        A picture that the grounding encoder has not seen is encoded, and keeps its features.
        """
        pictures = list({id(picture): picture for picture, _ in asked}.values())
        self._encode(pictures)
        features = GroundingFeatures.join([picture.features for picture in pictures if picture.features is not None])
        counts = [len(states) for _, states in asked]
        device = self._model.device
        index = torch.tensor([pictures.index(picture) for picture, _ in asked], device=device)
        prompts = self._model.seg_projector(torch.stack([state for _, states in asked for state in states]))
        logits, scores = self._model.decode_masks(
            features, index.repeat_interleave(torch.tensor(counts, device=device)), prompts
        )
        found = []
        for (picture, _), of_picture, sure in zip(asked, logits.split(counts), scores.split(counts), strict=True):
            masks = self._processor.masks(of_picture, (picture.image.height, picture.image.width))
            rles = [Rle.from_mask(mask) for mask in masks]
            found.append(list(zip(rles, self._processor.scores(sure), strict=True)))
        return found

    def _encode(self, pictures: Sequence[Picture]) -> None:
        """The grounding encoder sees those of the pictures that it has not seen yet, together."""
        unseen = [picture for picture in pictures if picture.features is None]
        if not unseen:
            return
        pixels = self._processor.grounding_pixels([picture.image for picture in unseen])
        features = self._model.encode_grounding(pixels.to(self._model.device))
        for index, picture in enumerate(unseen):
            picture.features = features.select(torch.tensor([index], device=self._model.device))
