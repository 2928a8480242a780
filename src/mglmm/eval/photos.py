"""The photographs' benchmark: what is asked about each real photo, and what of it is not scored.

One phrase at a time ("segment the hair"), the answer being all that carries the label; and, for the one labelled person
of a photo of a dressed person, a description of the person with what is worn.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mglmm import masks
from mglmm.data import captions
from mglmm.data.photos import PhotoFolder, measured_colors, photos_root
from mglmm.data.view import View
from mglmm.data.vocabulary import noun
from mglmm.eval.questions import IGNORE_KEY
from mglmm.instructions import instruction
from mglmm.schema import GroundedText, Sample, Segment, Span, Turn

DESCRIPTION = "person described"
"""Group of the descriptions of a person."""

_PHRASE = "phrase: "
"""What the family of a turn begins with that asks for a label, which follows."""


@dataclass(frozen=True)
class Asked:
    """What is asked about the photos of one set. `ignored`: class ids of pixels that nobody labelled.

    Source of the ids: `classes.json` of the set.
    """

    labels: tuple[str, ...]
    ignored: tuple[int, ...] = ()
    described: bool = False


SETS: Mapping[str, Asked] = {
    "ccp": Asked(("person", "hair", "trousers", "shoes", "dress"), described=True),
    "facade": Asked(("building facade", "window"), ignored=(0,)),
    "cats": Asked(("cat",)),
}
LABELS = tuple(label for asked in SETS.values() for label in asked.labels)


class PhotoQuestions:
    """The photos of one split of all `SETS` with the turns that are asked about them, read when they are asked for.

    Raises:
        UserError: no folder of photos, or a set is missing in it.
    """

    def __init__(self, root: Path | None, split: str) -> None:
        folders = [PhotoFolder(photos_root(root), name, split) for name in SETS]
        self.places = [(folder, name) for folder in folders for name in folder.names]

    def __len__(self) -> int:
        """The number of photos."""
        return len(self.places)

    def load(self, index: int) -> tuple[Image.Image, Sample]:
        """Photo `index` in mode RGB and its record; `meta["ignore"]` is the RLE of the pixels that do not count."""
        folder, name = self.places[index]
        asked = SETS[folder.name]
        image, sample = folder.image(name), folder.sample(name)
        meta = dict(sample.meta)
        if asked.ignored:
            meta[IGNORE_KEY] = masks.encode(np.isin(folder.ids(name), asked.ignored))
        return image, sample.model_copy(update={"turns": tuple(turns(image, sample, asked)), "meta": meta})


def photo_groups(turn: Turn) -> tuple[str, ...]:
    """Phrases: all together, and the one label; descriptions of persons apart. Turns of other samples are not asked."""
    family = turn.family or ""
    if family == DESCRIPTION:
        return (family,)
    label = family.removeprefix(_PHRASE)
    return ("all", label) if family.startswith(_PHRASE) and label in LABELS else ()


def turns(image: Image.Image, sample: Sample, asked: Asked) -> list[Turn]:
    """A phrase for each label of the set that is in the photo, and the description of the person."""
    single = [s for s in sample.segments if s.id not in sample.meta["groups"]]
    by_label = {label: [s for s in single if s.label == label] for label in asked.labels}
    made = [phrase_turn(sample.id, label, segments) for label, segments in by_label.items() if segments]
    if asked.described and len(by_label["person"]) == 1:
        view, rng = View(sample, measured_colors(image, sample)), wording(sample.id, DESCRIPTION)
        caption = captions.fine_grained(view, view.items[by_label["person"][0].id], rng)
        if caption is not None:
            words = instruction("fine_grained_segcap", rng, object="the person")
            turn = Turn(task="mgsc", instruction=words, answer=caption, granularity="part", family=DESCRIPTION)
            made.append(turn)
    return made


def phrase_turn(sample_id: str, label: str, segments: Sequence[Segment]) -> Turn:
    """The request for everything that is called `label`, by one phrase in the number that is right."""
    rng, word = wording(sample_id, label), noun(label)
    if len(segments) == 1:
        phrase = f"the {word.one}"
        words = instruction("referring", rng, phrase=phrase)
    else:
        phrase = f"the {word.many}"
        words = instruction("semantic", rng, label=word.many)
    span = Span(start=0, end=len(phrase), segment_ids=tuple(s.id for s in segments))
    answer = GroundedText(text=f"{phrase}.", spans=(span,))
    return Turn(task="semantic", instruction=words, answer=answer, granularity="object", family=_PHRASE + label)


def wording(sample_id: str, what: str) -> np.random.Generator:
    """The generator that words one question: the same on every machine and in every run."""
    return np.random.default_rng(zlib.crc32(f"{sample_id} {what}".encode()))
