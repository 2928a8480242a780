"""The annotator in the package: names that come with masks, the default model, measured attributes in plain words."""

import asyncio
import base64
import io
import re
from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING, Annotated

import cv2
import numpy as np
from PIL import Image
from pydantic import Field

from mglmm import masks
from mglmm.annotate.annotator import DescriptionFaults, Tally, TextFaults
from mglmm.annotate.looks import place, size_word
from mglmm.annotate.records import Description, Looks, Node, Scene, Task
from mglmm.annotate.tags import Fault, tagged
from mglmm.annotate.telling import adjectives, composed, introduced
from mglmm.colors import COLORS
from mglmm.config import Recipe
from mglmm.data.vocabulary import noun
from mglmm.instructions import with_article
from mglmm.phrasing import capitalized

if TYPE_CHECKING:
    from mglmm.predict import ImagePrediction, Predictor

PANOPTIC = "Describe the whole picture in detail, with masks."
FINE_GRAINED = "Describe the {label} in detail, with masks."
SIZES = frozenset({"large", "small", "big", "tall", "tiny", "little", "long", "another", "second"})

_SURFACE = {"smooth": "smooth", "fine": "finely textured", "coarse": "coarsely textured"}
_SHAPE = {"round": " round", "long": " long", "plain": ""}


class EmbeddedOptions(Recipe):
    """The annotator in the package. `model`: see `mglmm ask --model`; null: no model, measured attributes alone.

    A mask gets the name of a phrase of the model whose mask is like it: IoU of at least `min_iou`, predicted quality of
    at least `min_score`. The model is asked about the picture and about `max_wholes` named wholes with parts.
    """

    model: str | None = "default"
    device: str | None = None
    min_iou: Annotated[float, Field(ge=0, le=1)] = 0.6
    min_score: Annotated[float, Field(ge=0, le=1)] = 0.7
    max_wholes: Annotated[int, Field(ge=0)] = 2


def embedded_name(options: EmbeddedOptions) -> str:
    """What the provenance calls the annotator."""
    return f"embedded ({options.model or 'no model'})"


class EmbeddedAnnotator:
    """See the module. What it says carries who says it: "given", "model:NAME" or "measured"."""

    needs_views = False

    def __init__(self, options: EmbeddedOptions, predictor: "Predictor | None" = None) -> None:
        """`predictor`: the model, if it is loaded already; else it is when it is first needed."""
        self.options = options
        self.name = embedded_name(options)
        self.needs_picture = options.model is not None
        self._predictor, self._lock = predictor, Lock()

    async def describe(
        self, scene: Scene, nodes: Sequence[Node], faults: DescriptionFaults, tally: Tally
    ) -> list[Description | Fault]:
        """See `Annotator`; the model runs in a thread, one picture at a time."""
        named: dict[int, tuple[str, float]] = {}
        if self.options.model is not None and not all(node.proposal.label for node in nodes):
            named = await asyncio.to_thread(self._named, scene)
        return [self._description(node, named.get(node.id)) for node in nodes]

    async def compose(self, scene: Scene, task: Task, faults: TextFaults, tally: Tally) -> str | Fault:
        """See `Annotator`: what their captions begin with, in a row."""
        return tagged(composed(task))

    def _description(self, node: Node, named: tuple[str, float] | None) -> Description:
        given, looks = node.proposal, node.looks
        if given.label:
            by, label, confidence = "given", given.label, given.score if given.score is not None else 1.0
        elif named is not None:
            by, (label, confidence) = f"model:{self.options.model}", named
        else:
            by, label, confidence = "measured", measured_label(node), 1.0
        return Description(
            node=node.id, label=label, caption=caption(label, looks, given.caption), confidence=confidence, by=by
        )

    def _named(self, scene: Scene) -> dict[int, tuple[str, float]]:
        """Node id -> the model's name for it and how alike the masks are, for those that it seems to know."""
        image = Image.open(io.BytesIO(base64.b64decode(scene.picture))).convert("RGB")
        size_wh = image.size
        shapes = {node.id: _small(node, size_wh) for node in scene.nodes}
        named: dict[int, tuple[str, float]] = {}
        with self._lock:
            predictor = self._loaded()
            self._match(predictor.ask(image, PANOPTIC), shapes, named)
            wholes = [n for n in scene.nodes if n.id in named and n.parent is None and scene.children(n.id)]
            for whole in wholes[: self.options.max_wholes]:
                parts = {n.id: shapes[n.id] for n in scene.nodes if n.id not in named and n.parent == whole.id}
                asked = FINE_GRAINED.format(label=named[whole.id][0])
                self._match(predictor.ask(image, asked), parts, named)
        return named

    def _match(
        self, answer: "ImagePrediction", shapes: dict[int, np.ndarray], named: dict[int, tuple[str, float]]
    ) -> None:
        """Add a name for each node that a mask of the answer is like."""
        for segment in answer.segments:
            label = _head(segment.label)
            if not label or segment.score is None or segment.score < self.options.min_score:
                continue
            mask = segment.mask
            for node, shape in shapes.items():
                union = np.count_nonzero(shape | mask)
                iou = float(np.count_nonzero(shape & mask) / union) if union else 0.0
                if iou >= self.options.min_iou and iou > named.get(node, ("", 0.0))[1]:
                    named[node] = (label, round(iou, 4))

    def _loaded(self) -> "Predictor":
        if self._predictor is None:
            from transformers.utils import logging

            from mglmm.predict import load

            # the terminal is for the run's own progress
            logging.set_verbosity_error()
            logging.disable_progress_bar()
            self._predictor = load(self.options.model or "default", self.options.device)
        return self._predictor


def measured_label(node: Node) -> str:
    """A name for a mask that nothing is known of but its looks: "gray region", "smooth area" for stuff."""
    kind = "area" if node.stuff else "region"
    if node.looks.color is not None:
        return f"{node.looks.color} {kind}"
    return f"{'smooth' if node.looks.texture == 'smooth' else 'textured'} {kind}"


def caption(label: str, looks: Looks, given: str = "") -> str:
    """Two plain sentences of what is known and measured; `given`: a caption that came with the mask.

    >>> looks = Looks(box_xywh=(0.0, 0.1, 0.4, 0.2), share=0.08, color="red", texture="fine", shape="plain", border=0.0)
    >>> caption("car", looks)
    'A red car at the top left. It covers 8 % of the picture; its surface is finely textured.'
    """
    word = noun(label)
    if given.rstrip().endswith((".", "!", "?")):
        first = given.strip()
    else:
        size = f"{size_word(looks)}{_SHAPE[looks.shape]}"
        thing = _article(given, label) if label in given else introduced(label, adjectives(label, looks, size))
        first = f"{capitalized(thing)} {place(looks)}."
    it, verb = ("They cover", "their surface is") if word.pair else ("It covers", "its surface is")
    share = f"{100 * looks.share:.2g}" if looks.share >= 0.005 else "less than 1"
    return f"{first} {it} {share} % of the picture; {verb} {_SURFACE[looks.texture]}."


def _article(text: str, label: str) -> str:
    """A phrase that came with a mask, as it is told first."""
    words, named = text.split(), label.split()
    if words[0].lower() in ("a", "an", "the"):
        return text
    if words[-len(named) :] == named:
        return introduced(label, " ".join(words[: -len(named)]))
    return text if noun(label).mass or noun(label).pair else with_article(text)


def _head(phrase: str) -> str:
    """The noun of a model's phrase: "the large red car" -> "car"; what follows the noun is left out."""
    phrase = re.split(r"\b(?:with|in|on|at|of|behind|under|beside|next|inside)\b", phrase.lower())[0]
    words = [w for w in re.findall(r"[a-z-]+", phrase) if w not in ("a", "an", "the", "and")]
    return " ".join(w for w in words if w not in COLORS and w not in SIZES)


def _small(node: Node, size_wh: tuple[int, int]) -> np.ndarray:
    """bool[h, w]: the node's mask in another size."""
    mask = masks.decode(node.rle.to_coco()).astype(np.uint8)
    return cv2.resize(mask, size_wh, interpolation=cv2.INTER_NEAREST).astype(bool)
