"""Measures the annotation pipeline on the procedural world, where the truth is known.

    python -m benchmarks.annotate truth --images 300 --out out/annotate       exact masks, an annotator that knows
    python -m benchmarks.annotate regions --images 300 --out out/annotate     masks of the region hierarchy
    python -m benchmarks.annotate faults --images 300 --out out/annotate      planted faults: found, and false alarms
    python -m benchmarks.annotate endpoint --images 40 --out out/annotate     own cost beside calls that take 200 ms
    python -m benchmarks.annotate workers --images 40 --out out/annotate      one and two processes, local and Ray

The annotator of the first three is an oracle: it looks up which entity of the world a mask shows. So the figures say
what the pipeline itself gains and loses (masks, tree, composing, rules), not how good a vision-language model is.
Captions are composed by the templates of the package.

Node recall and precision: one-to-one matches with IoU >= 0.5. Label accuracy: of the matched nodes. Phrase-mask F1: all
pairs of a phrase and a mask in the composed captions against wholes, and things with two or more parts with these, of
the truth; a phrase matches a name in singular or plural from a lexical similarity of 0.5 on.
"""

import argparse
import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.annotate_cost import FIRST_SEED, measure_endpoint, measure_workers

from mglmm.annotate.annotator import DescriptionFaults, Tally, TextFaults, Verdict
from mglmm.annotate.embedded import EmbeddedAnnotator, EmbeddedOptions, caption
from mglmm.annotate.recipe import AnnotateRecipe
from mglmm.annotate.records import Description, Finished, Node, Scene, Task
from mglmm.annotate.sources import open_source
from mglmm.annotate.stages import Crew, Prepare, annotate
from mglmm.annotate.tags import Fault
from mglmm.data.vocabulary import noun
from mglmm.eval.grounded import MATCH_IOU, GroundedMasks, assignment, iou_table
from mglmm.eval.structure import MaskTree
from mglmm.eval.text_similarity import LexicalSimilarity
from mglmm.masks import iou_matrix
from mglmm.schema import Sample, Segment
from mglmm.world.samples import world_sample

KINDS = ("wrong_label", "wrong_label_and_caption", "swapped_masks")
NAMES = ("car", "tree", "cup", "lamp", "dog", "chair", "bottle", "book")
"""Labels that are planted where they are wrong."""


class Oracle:
    """Describes a node as the entity of the world that its mask shows; plants faults if it is told to."""

    name, needs_views, needs_picture = "oracle", False, False

    def __init__(self, fault_share: float = 0.0, seed: int = 0) -> None:
        self.fault_share, self.seed = fault_share, seed
        self.truth: dict[str, Sample] = {}
        self.planted: dict[tuple[str, int | None], str] = {}
        """(picture, node) -> kind of the fault; node None is the picture's caption."""
        self.captions: set[tuple[str, int | None]] = set()
        self.planted_captions: dict[tuple[str, int | None], str] = {}
        self._composer = EmbeddedAnnotator(EmbeddedOptions(model=None))

    def shown(self, scene: Scene, node: Node) -> Segment | None:
        """The entity that a node shows: of IoU >= 0.5, else the smallest of those that hold most of it."""
        truth = self._truth(scene.id)
        table = iou_matrix([node.rle.to_coco()], [s.rle.to_coco() for s in truth.segments])[0]
        best = int(table.argmax())
        return truth.segments[best] if table[best] > 0 else None

    async def describe(
        self, scene: Scene, nodes: Sequence[Node], faults: DescriptionFaults, tally: Tally
    ) -> list[Description | Fault]:
        """See `Annotator`; one call a node."""
        tally.add(calls=len(nodes), attempts=len(nodes))
        said: list[Description] = []
        for node in nodes:
            entity = self.shown(scene, node)
            label = entity.label if entity else "background"
            text = caption(label, node.looks, (entity.caption or "") if entity else "")
            said.append(Description(node=node.id, label=label, caption=text, confidence=1.0, by=self.name))
        return list(self._with_faults(scene, nodes, said))

    async def compose(self, scene: Scene, task: Task, faults: TextFaults, tally: Tally) -> str | Fault:
        """See `Annotator`; of the share of faulty captions one mask loses its tag."""
        tally.add(calls=1, attempts=1)
        text = await self._composer.compose(scene, task, faults, tally)
        assert isinstance(text, str)
        self.captions.add((scene.id, task.node))
        rng = self._rng(scene.id, 10_000 + (task.node or 0))
        if rng.random() < self.fault_share:
            gone = str(rng.choice(task.ids))
            self.planted_captions[scene.id, task.node] = "dropped_tag"
            text = _without_tag(text, gone)
        return text

    def _with_faults(self, scene: Scene, nodes: Sequence[Node], said: list[Description]) -> list[Description]:
        rng = self._rng(scene.id, 0)
        labels = {one.label for one in said}
        for k in range(len(said)):
            if rng.random() >= self.fault_share or (scene.id, said[k].node) in self.planted:
                continue
            kind = KINDS[int(rng.integers(len(KINDS)))]
            if kind == "swapped_masks":
                others = [j for j in range(len(said)) if said[j].label != said[k].label and j != k]
                others = [j for j in others if (scene.id, said[j].node) not in self.planted]
                if not others:
                    continue
                j = others[int(rng.integers(len(others)))]
                said[k], said[j] = (
                    said[j].model_copy(update={"node": said[k].node}),
                    said[k].model_copy(update={"node": said[j].node}),
                )
                self.planted[scene.id, said[j].node] = kind
            else:
                wrong = [name for name in NAMES if name not in labels][int(rng.integers(2))]
                text = said[k].caption
                if kind == "wrong_label_and_caption":
                    text = caption(wrong, nodes[k].looks)
                said[k] = said[k].model_copy(update={"label": wrong, "caption": text})
            self.planted[scene.id, said[k].node] = kind
        return said

    def _truth(self, name: str) -> Sample:
        if name not in self.truth:
            self.truth[name] = world_sample(int(name.removeprefix("world-")))[1]
        return self.truth[name]

    def _rng(self, name: str, place: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, int(name.removeprefix("world-")), place])


@dataclass
class OracleVerifier:
    """A second model that knows which entity a node shows, and is wrong in a share of its answers."""

    oracle: Oracle
    error: float
    name: str = "oracle"
    needs_views: bool = False

    async def verify(self, scene: Scene, descriptions: Sequence[Description], tally: Tally) -> list[Verdict | Fault]:
        """See `Verifier`; one call a description."""
        tally.add(calls=len(descriptions), attempts=len(descriptions))
        nodes = {node.id: node for node in scene.nodes}
        rng = np.random.default_rng([7, int(scene.id.removeprefix("world-"))])
        verdicts: list[Verdict | Fault] = []
        for one in descriptions:
            entity = self.oracle.shown(scene, nodes[one.node])
            right = (entity.label if entity else "background") == one.label
            verdicts.append(Verdict(right != (rng.random() < self.error), "as the oracle sees it"))
        return verdicts


@dataclass
class Scores:
    """Sums over pictures."""

    matched: int = 0
    truth: int = 0
    predicted: int = 0
    right_labels: int = 0
    tree: MaskTree = field(default_factory=MaskTree)
    phrases: GroundedMasks = field(default_factory=GroundedMasks)

    def add(self, sample: Sample, truth: Sample) -> None:
        """Compare a picture's record with the truth."""
        found, true = ([s.rle.to_coco() for s in one.segments] for one in (sample, truth))
        table = iou_matrix(true, found)
        pairs = [(i, j) for i, j in zip(*assignment(table), strict=True) if table[i, j] >= MATCH_IOU]
        self.matched += len(pairs)
        self.truth += len(true)
        self.predicted += len(found)
        self.right_labels += sum(truth.segments[i].label == sample.segments[j].label for i, j in pairs)
        self.tree.update(true, _parents(truth), found, _parents(sample))
        self._add_phrases(sample, truth)

    def _add_phrases(self, sample: Sample, truth: Sample) -> None:
        told = list(truth.children(None))
        for segment in truth.segments:
            if len(parts := truth.children(segment.id)) >= 2:
                told += [segment, *parts]
        phrases, masks = [], []
        for turn in sample.turns:
            for span, phrase in zip(turn.answer.spans, turn.answer.phrases, strict=True):
                phrases += [phrase] * len(span.segment_ids)
                masks += [sample.segment(i).rle.to_coco() for i in span.segment_ids]
        lexical = LexicalSimilarity()
        names = [[s.label for s in told], [noun(s.label).many for s in told]]
        alike = np.maximum(*(lexical.table(side, phrases).reshape(len(told), len(phrases)) for side in names))
        self.phrases.update(iou_table([s.rle.to_coco() for s in told], masks).reshape(alike.shape), alike)

    def compute(self) -> dict[str, float]:
        """Name -> score."""
        tree, phrases = self.tree.compute(), self.phrases.compute()
        return {
            "node_recall": self.matched / max(self.truth, 1),
            "node_precision": self.matched / max(self.predicted, 1),
            "parent_accuracy": tree["parent_accuracy"],
            "tree_f1": tree["tree_f1"],
            "label_accuracy": self.right_labels / max(self.matched, 1),
            "phrase_mask_f1": phrases["mask_f1"],
        }


def measure(crew: Crew, oracle: Oracle, images: int, proposals: str, first: int = FIRST_SEED) -> dict[str, Any]:
    """Scores of a run over pictures of the world, without any file but their pictures."""
    options = {"kind": proposals, "labels": "ignore"}
    recipe = AnnotateRecipe.model_validate({"proposals": options, "embedded": {"model": None}})
    scores, rules, usage = Scores(), Counter[str](), Counter[str]()
    finished: list[Finished] = []
    start = time.perf_counter()
    source = open_source(f"world:{first}:{first + images}", Path(measure_folder()))
    prepare = Prepare(source, recipe, views=False, picture=False)
    for index in range(images):
        done = asyncio.run(annotate(prepare(index), crew, recipe, {}))
        rules.update(f"{r.stage}: {r.rule}" for r in done.rejections)
        usage.update(calls=done.usage.calls, masks=len(done.sample.segments), proposals=done.num_proposals)
        finished.append(done)
    seconds = time.perf_counter() - start
    for done in finished:
        scores.add(done.sample, oracle._truth(done.sample.id))
    per_picture = {name: round(value / images, 2) for name, value in usage.items()}
    shares = {rule: round(count / usage["proposals"], 4) for rule, count in sorted(rules.items())}
    return {
        "images": images,
        **{name: round(value, 4) for name, value in scores.compute().items()},
        "rejected per proposal": shares,
        "per picture": per_picture,
        "pictures a second, one core": round(images / seconds, 2),
        "finished": finished,
    }


def measure_folder() -> str:
    """Where pictures of the world are written."""
    return str(Path("out") / "annotate-world")


def measure_faults(images: int, share: float, error: float | None) -> dict[str, Any]:
    """Recall of planted faults and false alarms; `error`: of the second model, None: there is none."""
    oracle = Oracle(share)
    crew = Crew(oracle, oracle, None if error is None else OracleVerifier(oracle, error))
    done = measure(crew, oracle, images, "given")
    rejected: set[tuple[str, int | None]] = set()
    captions: set[tuple[str, int | None]] = set()
    nodes: set[tuple[str, int | None]] = set()
    for one in done["finished"]:
        kept = {(one.sample.id, s.id) for s in one.sample.segments}
        out = {(one.sample.id, r.node) for r in one.rejections if r.stage in ("label", "verify")}
        nodes |= kept | out
        rejected |= out
        captions |= {(one.sample.id, r.node) for r in one.rejections if r.stage == "compose"}
    planted, planted_captions = set(oracle.planted), set(oracle.planted_captions)
    by_kind = {
        kind: round(np.mean([key in rejected for key, k in oracle.planted.items() if k == kind]).item(), 4)
        for kind in KINDS
    }
    by_kind["dropped_tag"] = round(len(planted_captions & captions) / max(len(planted_captions), 1), 4)
    found = len(planted & rejected) + len(planted_captions & captions)
    alarms = len(rejected - planted) + len(captions - planted_captions)
    clean = len(nodes - planted) + len(oracle.captions - planted_captions)
    return {
        "second model errs": error,
        "planted": len(planted) + len(planted_captions),
        "recall": round(found / (len(planted) + len(planted_captions)), 4),
        "false alarms": round(alarms / clean, 4),
        "recall by kind": by_kind,
    }


def main() -> None:
    """Measure what is asked for, print it and write it to `--out`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("truth", "regions", "faults", "endpoint", "workers"))
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--faults", type=float, default=0.1, help="share of planted faults")
    parser.add_argument("--out", type=Path, default=Path("out/annotate"))
    options = parser.parse_args()
    if options.what == "endpoint":
        found: Any = measure_endpoint(options.images, options.out)
    elif options.what == "workers":
        found = measure_workers(options.images, options.out)
    elif options.what == "faults":
        found = [measure_faults(options.images, options.faults, error) for error in (None, 0.0, 0.02, 0.05)]
    else:
        oracle = Oracle()
        kind = "given" if options.what == "truth" else "regions"
        found = measure(Crew(oracle, oracle), oracle, options.images, kind)
        del found["finished"]
    print(json.dumps(found, indent=1))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"{options.what}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _parents(sample: Sample) -> list[int | None]:
    places = {segment.id: k for k, segment in enumerate(sample.segments)}
    return [None if s.parent is None else places[s.parent] for s in sample.segments]


def _without_tag(text: str, gone: str) -> str:
    """The caption in which a mask is told, but not marked any more."""

    def _fewer(tag: re.Match[str]) -> str:
        left = [n for n in tag[2].split(",") if n != gone]
        return f"<{tag[1]}{','.join(left)}>" if left else ""

    return re.sub(r"<(/?)([\d,]+)>", _fewer, text)


if __name__ == "__main__":
    main()
