"""The stages of the pipeline, each a function from records to records: the same for every engine."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from PIL import Image

from mglmm import masks
from mglmm.annotate.annotator import Annotator, Tally, Verdict, Verifier, together
from mglmm.annotate.check import caption_faults, description_faults, repeated
from mglmm.annotate.looks import SIDE_PX, Measured
from mglmm.annotate.proposals import propose
from mglmm.annotate.recipe import AnnotateRecipe
from mglmm.annotate.records import Composed, Description, Finished, Node, Part, Rejection, Scene, Task
from mglmm.annotate.sources import Source
from mglmm.annotate.tags import Fault
from mglmm.annotate.telling import references
from mglmm.annotate.tree import build_tree
from mglmm.annotate.views import Viewer, jpeg
from mglmm.data.readers.coco_captions import wording
from mglmm.data.tasks import turns
from mglmm.instructions import instruction
from mglmm.schema import Sample, Segment, Turn

META = "annotation"
"""Key of `Sample.meta`: the provenance."""

COMPOSED = "composed"
"""Key of the provenance: which node each turn of the task "mgsc" is about; None: the picture."""


@dataclass(frozen=True)
class Crew:
    """Who does the stages that need a model."""

    label: Annotator
    compose: Annotator
    verify: Verifier | None = None

    @property
    def needs_views(self) -> bool:
        """Whether a scene must hold views of its nodes."""
        return self.label.needs_views or (self.verify is not None and self.verify.needs_views)

    @property
    def needs_picture(self) -> bool:
        """Whether a scene must hold the picture."""
        return self.label.needs_picture


@dataclass(frozen=True)
class Prepare:
    """The stages `proposals` and `tree` (and views) of the pictures of a source; can be sent to other processes."""

    source: Source
    recipe: AnnotateRecipe
    views: bool
    picture: bool

    def __call__(self, index: int) -> Scene:
        """The scene of picture `index`.

        Raises:
            UserError: the picture or its masks cannot be read.
        """
        start = time.perf_counter()
        image, address, sample = self.source.load(index)
        loaded = time.perf_counter()
        found = propose(image, address, sample, self.recipe.proposals)
        proposed = time.perf_counter()
        nodes, rejections = build_tree(found, Measured(image), self.recipe.tree)
        built = time.perf_counter()
        pixels = np.asarray(image)
        viewer = Viewer(pixels, self.recipe.views) if self.views else None
        views = {node.id: viewer.view(_mask(node)) for node in nodes} if viewer else {}
        picture = jpeg(np.asarray(_shrunk(image)), 95) if self.picture else ""
        seconds = {"load": loaded - start, "proposals": proposed - loaded, "tree": built - proposed}
        return Scene(
            id=self.source.ids[index],
            address=address,
            size=(image.height, image.width),
            nodes=nodes,
            rejections=rejections,
            num_proposals=len(found),
            origin=found[0].origin if found else "none",
            views=views,
            picture=picture,
            seconds={**seconds, "views": time.perf_counter() - built},
        )


async def annotate(scene: Scene, crew: Crew, recipe: AnnotateRecipe, provenance: dict[str, Any]) -> Finished:
    """The stages `label`, `verify`, `compose` and `check` of a scene, and its record.

    Raises:
        AnnotatorDownError: an annotator does not answer.
        UserError: an endpoint refuses all calls, or the budget is spent.
    """
    tally, rejections, seconds = Tally(), list(scene.rejections), dict(scene.seconds)
    begun = datetime.now(UTC)
    start = time.perf_counter()
    said = await _label(scene, crew, recipe, tally, rejections)
    seconds["label"] = time.perf_counter() - start
    if crew.verify is not None and said:
        start = time.perf_counter()
        said = await _verify(scene, crew.verify, said, recipe, tally, rejections)
        seconds["verify"] = time.perf_counter() - start
    start = time.perf_counter()
    parents = kept_parents(scene.nodes, said)
    todo, nameless = tasks(scene, said, parents, recipe)
    rejections += nameless
    made = await together([_compose(scene, task, crew, recipe, tally) for task in todo])
    composed = [caption for caption, _ in made if caption is not None]
    rejections += [rejection for _, found in made for rejection in found]
    seconds["compose"] = time.perf_counter() - start
    sample = to_sample(scene, said, parents, composed, recipe, provenance)
    times = {"begun": begun.isoformat(timespec="milliseconds"), "seconds": {k: round(v, 4) for k, v in seconds.items()}}
    return Finished(
        sample=sample,
        rejections=tuple(rejections),
        num_proposals=scene.num_proposals,
        usage=tally.usage,
        times=times,
    )


async def _label(
    scene: Scene, crew: Crew, recipe: AnnotateRecipe, tally: Tally, rejections: list[Rejection]
) -> dict[int, Description]:
    """Descriptions of the nodes, by node, that break no rule."""
    nodes = {node.id: node for node in scene.nodes}

    def _faults(one: Description) -> list[Fault]:
        return description_faults(one, nodes[one.node].looks, recipe.rules, bool(scene.children(one.node)))

    answers = await crew.label.describe(scene, scene.nodes, _faults, tally)
    faults = {
        node.id: [answer] if isinstance(answer, Fault) else _faults(answer)
        for node, answer in zip(scene.nodes, answers, strict=True)
    }
    good = [a for a in answers if isinstance(a, Description) and not faults[a.node]]
    for node, found in repeated(good, nodes, recipe.rules).items():
        faults[node] += found
    for node, found in faults.items():
        rejections += [Rejection(rule=f.rule, stage="label", node=node, detail=f.detail) for f in found]
    return {one.node: one for one in good if not faults[one.node]}


async def _verify(
    scene: Scene,
    verifier: Verifier,
    said: dict[int, Description],
    recipe: AnnotateRecipe,
    tally: Tally,
    rejections: list[Rejection],
) -> dict[int, Description]:
    """The descriptions that the second model agrees with; without a usable answer it does not."""
    verdicts = await verifier.verify(scene, list(said.values()), tally)
    kept = {}
    for one, verdict in zip(said.values(), verdicts, strict=True):
        if (isinstance(verdict, Verdict) and verdict.right) or "second_model_disagrees" in recipe.rules.off:
            kept[one.node] = one
        else:
            reason = verdict.reason if isinstance(verdict, Verdict) else verdict.detail
            rejections.append(Rejection(rule="second_model_disagrees", stage="verify", node=one.node, detail=reason))
    return kept


async def _compose(
    scene: Scene, task: Task, crew: Crew, recipe: AnnotateRecipe, tally: Tally
) -> tuple[Composed | None, list[Rejection]]:
    """The caption of a task if it breaks no rule, and the rules that it breaks."""
    answer = await crew.compose.compose(scene, task, lambda text: caption_faults(text, task, recipe.rules)[1], tally)
    if isinstance(answer, Fault):
        faults = [answer]
    else:
        text, faults = caption_faults(answer, task, recipe.rules)
        if not faults:
            return Composed(node=task.node, text=text, name=task.name), []
    return None, [Rejection(rule=f.rule, stage="compose", node=task.node, detail=f.detail) for f in faults]


def kept_parents(nodes: Sequence[Node], said: dict[int, Description]) -> dict[int, int | None]:
    """Node -> the nearest node above it that is kept, for the kept ones."""
    above = {node.id: node.parent for node in nodes}
    parents = {}
    for node in said:
        up = above[node]
        while up is not None and up not in said:
            up = above[up]
        parents[node] = up
    return parents


def tasks(
    scene: Scene, said: dict[int, Description], parents: dict[int, int | None], recipe: AnnotateRecipe
) -> tuple[list[Task], list[Rejection]]:
    """What is composed: the picture, and every node with enough children that can be asked about; in their order.

    Left out, with the rule that says so, is what no name tells from its like.
    """
    parts = {
        node.id: Part(
            id=node.id,
            label=said[node.id].label,
            caption=said[node.id].caption,
            looks=node.looks,
            stuff=node.stuff,
        )
        for node in scene.nodes
        if node.id in said
    }
    names = references(tuple(parts.values()))
    found, nameless = [], []
    for whole in (None, *parts):
        below = sorted((p for p in parts.values() if parents[p.id] == whole), key=lambda p: (-p.looks.share, p.id))
        least = 1 if whole is None else recipe.composing.min_children
        if len(below) >= least:
            chosen = tuple(below[: recipe.composing.max_children])
            if whole is None:
                found.append(Task(whole=None, parts=chosen))
            elif whole in names:
                found.append(Task(whole=parts[whole], parts=chosen, name=names[whole]))
            else:
                detail = f"several things answer to {parts[whole].label!r}"
                nameless.append(Rejection(rule="no_name_of_its_own", stage="compose", node=whole, detail=detail))
    return found, nameless


def to_sample(
    scene: Scene,
    said: dict[int, Description],
    parents: dict[int, int | None],
    composed: Sequence[Composed],
    recipe: AnnotateRecipe,
    provenance: dict[str, Any],
) -> Sample:
    """The record of a picture: the kept nodes as segments, the captions as turns of the task "mgsc"."""
    nodes = [node for node in scene.nodes if node.id in said]
    segments = tuple(
        Segment(
            id=node.id,
            rle=node.rle,
            label=said[node.id].label,
            caption=said[node.id].caption,
            parent=parents[node.id],
            score=node.proposal.score,
        )
        for node in nodes
    )
    rng = np.random.default_rng([recipe.seed, int(wording(scene.id).integers(2**32))])
    made = tuple(_turn(caption, rng) for caption in composed)
    meta = {
        **provenance,
        "proposals": scene.origin,
        "by": {str(one.node): one.by for one in said.values()},
        "confidence": {str(one.node): round(one.confidence, 4) for one in said.values()},
        "stuff": [node.id for node in nodes if node.stuff],
        COMPOSED: [caption.node for caption in composed],
    }
    sample = Sample(
        id=scene.id,
        image=scene.address,
        size=scene.size,
        segments=segments,
        turns=made,
        source="mglmm-annotate",
        split=recipe.export.split,
        meta={META: meta},
    )
    others = [task for task in recipe.tasks if task != "mgsc"]
    colors = {node.id: node.looks.color for node in nodes if node.looks.color is not None}
    return sample.model_copy(update={"turns": (*made, *turns(sample, rng, others, colors))}) if others else sample


def _turn(caption: Composed, rng: np.random.Generator) -> Turn:
    if caption.node is None:
        asked = instruction("panoptic_segcap", rng)
        return Turn(task="mgsc", instruction=asked, answer=caption.text, granularity="panoptic", family="panoptic")
    asked = instruction("fine_grained_segcap", rng, object=caption.name)
    return Turn(task="mgsc", instruction=asked, answer=caption.text, granularity="part", family="part")


def _mask(node: Node) -> np.ndarray:
    return masks.decode(node.rle.to_coco())


def _shrunk(image: Image.Image) -> Image.Image:
    small = image.copy()
    small.thumbnail((SIDE_PX, SIDE_PX))
    return small
