"""Images and their records cropped and mirrored together.

The turns and the segments' captions are dropped: they may say "left", "the largest" or "the second".
"""

import re

import numpy as np
from PIL import Image

from mglmm import masks
from mglmm.data.meta import meta_of
from mglmm.schema import Rle, Sample, Segment

MIN_CROP_AREA_PX = 40
"""A segment that a crop leaves fewer pixels of is dropped. Ours, as in `data.photos`."""

_OPPOSITE = {"left": "right", "right": "left", "Left": "Right", "Right": "Left"}
_SIDE = re.compile(r"(?<![A-Za-z])(?:left|right|Left|Right)(?![A-Za-z])")


def mirror(image: Image.Image, sample: Sample) -> tuple[Image.Image, Sample]:
    """Image and record flipped left to right, without turns and captions.

    In labels "left" and "right" change places: in a mirror a left arm is a right one, whoever's left is meant.
    """
    segments = tuple(
        s.model_copy(update={"rle": Rle.from_mask(s.mask[:, ::-1]), "label": _mirrored(s.label), "caption": None})
        for s in sample.segments
    )
    exhaustive = tuple(map(_mirrored, sample.exhaustive))
    flipped = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return flipped, sample.model_copy(update={"segments": segments, "turns": (), "exhaustive": exhaustive})


def _mirrored(label: str) -> str:
    """The label with "left" for "right" and the other way round."""
    return _SIDE.sub(lambda side: _OPPOSITE[side[0]], label)


def random_crop(
    image: Image.Image, sample: Sample, rng: np.random.Generator, min_share: float = 0.35
) -> tuple[Image.Image, Sample]:
    """A random rectangle of an image with the segments that can still be seen, without turns and captions.

    The rectangle covers `min_share`..1 of the area and keeps the aspect ratio to within a factor 4/3. A crop that
    leaves no segment is given up for the whole image, with its captions.
    """
    height, width = sample.size
    scale = np.sqrt(rng.uniform(min_share, 1.0))
    stretch = np.exp(rng.uniform(-0.5, 0.5) * np.log(4 / 3))
    crop_h, crop_w = min(height, round(height * scale * stretch)), min(width, round(width * scale / stretch))
    top, left = int(rng.integers(height - crop_h + 1)), int(rng.integers(width - crop_w + 1))
    cropped = crop_sample(sample, (left, top, left + crop_w, top + crop_h))
    if not cropped.segments:
        return image, sample.model_copy(update={"turns": ()})
    return image.crop((left, top, left + crop_w, top + crop_h)), cropped


def crop_sample(sample: Sample, box: tuple[int, int, int, int]) -> Sample:
    """The record of the part of an image inside `box` (xyxy, pixels, exclusive), without turns and captions.

    A segment with fewer than `MIN_CROP_AREA_PX` pixels left is dropped, and its label is no longer exhaustive: a
    sliver of the thing may still be seen, so its absence is not certain. A part whose whole is gone becomes a whole.
    """
    left, top, right, bottom = box
    size = (bottom - top, right - left)
    if not sample.segments:
        return sample.model_copy(update={"size": size, "turns": ()})
    cut = masks.decode_many([s.rle.to_coco() for s in sample.segments])[:, top:bottom, left:right]
    area = cut.sum(axis=(1, 2))
    kept = {s.id for s, pixels in zip(sample.segments, area, strict=True) if pixels >= MIN_CROP_AREA_PX}
    slivers = {s.label for s, pixels in zip(sample.segments, area, strict=True) if 0 < pixels < MIN_CROP_AREA_PX}
    segments: list[Segment] = []
    for segment, mask in zip(sample.segments, cut, strict=True):
        if segment.id in kept:
            parent = segment.parent if segment.parent in kept else None
            changed = {"rle": Rle.from_mask(mask), "parent": parent, "caption": None}
            segments.append(segment.model_copy(update=changed))
    exhaustive = tuple(label for label in sample.exhaustive if label not in slivers)
    left_over = {"segments": tuple(segments), "exhaustive": exhaustive, "meta": meta_of(sample.meta, kept)}
    return sample.model_copy(update={"size": size, "turns": (), **left_over})
