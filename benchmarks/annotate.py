"""Measures the annotation pipeline on the procedural world, where the truth is known.

    python benchmarks/annotate.py truth --images 300 --out out/annotate       exact masks, an annotator that knows
    python benchmarks/annotate.py regions --images 300 --out out/annotate     masks of the region hierarchy
    python benchmarks/annotate.py faults --images 300 --out out/annotate      planted faults: found, and false alarms
    python benchmarks/annotate.py endpoint --images 40 --out out/annotate     own cost beside calls that take 200 ms
    python benchmarks/annotate.py workers --images 40 --out out/annotate      one and two processes, local and Ray

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
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mglmm.annotate.annotator import DescriptionFaults, Tally, TextFaults, Verdict
from mglmm.annotate.embedded import EmbeddedAnnotator, EmbeddedOptions, caption
from mglmm.annotate.engine import Processes
from mglmm.annotate.recipe import AnnotateRecipe
from mglmm.annotate.records import Description, Finished, Node, Scene, Task
from mglmm.annotate.run import run
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

ROOT = Path(__file__).resolve().parents[1]
CALL_S, CONCURRENCY = 0.2, 16
FIRST_SEED = 2**30 + 30_000
"""Held-out pictures that nobody chose."""
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


def measure_endpoint(images: int, out: Path) -> dict[str, Any]:
    """What a run takes beyond its calls, against an endpoint that takes `CALL_S` for every one.

    The own share is what of the wall time is left beside the ideal schedule of the calls: their time at the endpoint
    (from when a request is there until it is answered), divided by the concurrency. Everything counts: to start, to
    prepare pictures, to ask, to wait for the last calls, to export.

    A loop that does nothing but send as many requests of the same size is measured too, half of it before and half of
    it after the run: what the run takes beyond that is what the pipeline adds to its calls on this very machine.
    """
    port = 18_765
    command = [sys.executable, "-m", "tests.annotate.server", str(port), str(CALL_S)]
    endpoint = subprocess.Popen(command, cwd=ROOT)
    try:
        _wait_for(port)
        url = f"http://127.0.0.1:{port}/v1"
        options = {"base_url": url, "model": "slow", "concurrency": CONCURRENCY}
        values = {"endpoints": {"slow": options}, "label": "slow", "compose": "slow", "export": {"forms": []}}
        recipe = AnnotateRecipe.model_validate(values)
        shutil.rmtree(out / "endpoint", ignore_errors=True)
        run(f"world:{FIRST_SEED}:{FIRST_SEED + 10}", out / "endpoint" / "warm", recipe)
        known = _served(url)
        size, half = round(known["bytes"] / known["calls"]), 13 * images
        bare = asyncio.run(_bare_loop(port, size, half))
        before, start, cpu = _served(url), time.perf_counter(), time.process_time()
        summary = run(f"world:{FIRST_SEED}:{FIRST_SEED + images}", out / "endpoint" / "run", recipe)
        seconds, asking = time.perf_counter() - start, time.process_time() - cpu
        busy = _served(url)["seconds"] - before["seconds"]
        bare += asyncio.run(_bare_loop(port, size, half))
    finally:
        endpoint.terminate()
        endpoint.wait()
    ideal = busy / CONCURRENCY
    loop = bare / (2 * half) * summary.calls
    return {
        "images": images,
        "calls": summary.calls,
        "bytes a call": size,
        "seconds": round(seconds, 2),
        "seconds of a call at the endpoint": round(busy / summary.calls, 4),
        "seconds of the calls alone": round(ideal, 2),
        "own share of the wall time": round(1 - ideal / seconds, 4),
        "seconds of a loop that only asks": round(loop, 2),
        "share beyond that loop": round(1 - loop / seconds, 4),
        "CPU seconds of the process that asks": round(asking, 2),
        "the same, ms a call": round(1000 * asking / summary.calls, 2),
        "load of the machine": os.getloadavg()[0],
    }


async def _bare_loop(port: int, size: int, calls: int) -> float:
    """Seconds for so many calls of `size` bytes, `CONCURRENCY` at once, over plain sockets."""
    body = json.dumps({"model": "bare", "messages": [{"role": "user", "content": [{"text": "x" * size}]}]}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    left = iter(range(calls))

    async def _one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in left:
            writer.write(head + body)
            headers = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"Content-Length: (\d+)", headers)
            assert length is not None
            await reader.readexactly(int(length[1]))
        writer.close()

    start = time.perf_counter()
    await asyncio.gather(*(_one() for _ in range(CONCURRENCY)))
    return time.perf_counter() - start


def _served(url: str) -> dict[str, float]:
    """Calls, bytes and seconds that the endpoint of the tests has had so far."""
    with urllib.request.urlopen(url) as answer:
        served: dict[str, float] = json.load(answer)
    return served


def measure_workers(images: int, out: Path) -> dict[str, Any]:
    """Pictures a second of the region hierarchy with one and two processes, without the time to start them."""
    found: dict[str, Any] = {"load of the machine": os.getloadavg()[0]}
    values = {"proposals": {"kind": "regions"}, "embedded": {"model": None}}
    prepare = Prepare(
        open_source(f"world:{FIRST_SEED}:{FIRST_SEED + images}@512", out / "workers"),
        AnnotateRecipe.model_validate(values),
        views=True,
        picture=False,
    )
    for engine in ("local", "ray"):
        seconds = {count: asyncio.run(_timed(engine, prepare, count, images)) for count in (1, 2)}
        found[engine] = {f"{count} processes": round(images / s, 2) for count, s in seconds.items()}
        found[engine]["times one process"] = round(seconds[1] / seconds[2], 2)
    return found


async def _timed(engine: str, prepare: Prepare, count: int, images: int) -> float:
    """Seconds for all scenes, after as many as there are processes."""
    from mglmm.annotate.engine_ray import RayTasks

    workers = Processes(prepare, count) if engine == "local" else RayTasks(prepare, count)
    try:
        await asyncio.gather(*(workers.submit(k) for k in range(2 * count)))
        start = time.perf_counter()
        await asyncio.gather(*(workers.submit(k) for k in range(images)))
        return time.perf_counter() - start
    finally:
        workers.close()


def _wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as there:
            if there.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"nothing answers on port {port}")


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
