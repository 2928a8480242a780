"""Scoring anyone's predictions: our own files, the folders of GLaMM and MGLMM, COCO results."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mglmm.eval.benchmarks import Benchmark
from mglmm.eval.caption_files import caption_pairs
from mglmm.eval.captioning import CaptionTools
from mglmm.eval.classes import CLASSES_NAME
from mglmm.eval.grounded_files import GroundedTruth, truth_pair
from mglmm.eval.panoptic_files import PanopticFiles, PanopticFilesScorer
from mglmm.eval.provenance import git_revision, versions
from mglmm.eval.report import write_report
from mglmm.eval.results import scores
from mglmm.eval.run import RESAMPLES, SCORES_NAME, find, measures_of, score, write_json
from mglmm.eval.samples import Inputs, file_samples
from mglmm.eval.scorers import CaptionScorer, GroundedScorer, Measures, Scorer
from mglmm.eval.store import RUN_NAME
from mglmm.schema import UserError

GROUNDED = ("mgsc", "gcg")
CAPTION = ("caption", "region-caption")
PANOPTIC = ("panoptic",)
"""Benchmarks for which the files of others are read."""


def score_files(
    name: str,
    truth: Sequence[Path],
    predictions: Path,
    out: Path,
    *,
    text_similarity: str = "lexical",
    captions: bool = True,
    no_target_pixels: int = 1,
    classes: Path | None = None,
    resamples: int = RESAMPLES,
    partial: bool = False,
) -> dict[str, Any]:
    """The scores of `predictions` on the benchmark `name`, which are also written into `out` with a report.

    Args:
        truth: a file of samples; of a folder of predictions the two COCO-style truth files, one of them, or their
            folder; of COCO results the annotation file.
        predictions: `predictions.jsonl`, a folder with one JSON file per image, or a COCO results file (`.json`).
        classes: the list of classes; None: beside the file of samples, or of COCO files the categories of the truth.
        partial: of COCO caption results, only the images that are answered, as the official evaluator does.

    Raises:
        UserError: no such benchmark, no such files for it, an option that they do not take, or anything malformed in
            them; one line that names file, item and field.
    """
    benchmark = find(name)
    given = {"--no-captions": not captions, "--partial": partial, "--classes": classes is not None}
    given["--no-target-pixels"] = no_target_pixels != 1
    _check_options(name, predictions, [option for option, is_given in given.items() if is_given])
    _make_folder(out)
    run: dict[str, Any] = {"benchmark": name, "truth": [str(path) for path in truth], "predictions": str(predictions)}
    if predictions.suffix == ".jsonl":
        measures = measures_of(
            name,
            text_similarity=text_similarity,
            captions=captions,
            no_target_pixels=no_target_pixels,
            classes=classes or _only(truth).parent / CLASSES_NAME,
        )
        samples = file_samples(Inputs(data=_only(truth)))
        pictured = (_only(truth).parent / samples.sample(0).image).is_file()
        samples = replace(samples, image=samples.image if pictured else None)
        run |= {"samples": dict(samples.identity), "predictions_sha256": _digest(predictions)}
        return score(benchmark, samples, predictions, out, run=run, measures=measures, resamples=resamples)
    start = time.monotonic()
    scorer: Scorer
    measured_with = None
    if predictions.is_dir() and name in GROUNDED:
        measures = measures_of(name, text_similarity=text_similarity, captions=captions)
        measured_with = measures.similarity.name
        scorer, counts = _grounded(truth, predictions, measures)
    elif predictions.suffix == ".json" and name in CAPTION:
        scorer, counts = _captions(_only(truth), predictions, partial)
        run |= {"partial": partial}
    elif predictions.suffix == ".json" and name in PANOPTIC:
        scorer, counts = _panoptic(_only(truth), predictions)
    else:
        raise UserError(f"{predictions}: {name} is scored from {_accepted(name)}")
    result = {"benchmark": name, **counts, "run": run, "text_similarity": measured_with}
    return _written(out, benchmark, result, scorer, resamples, start)


def _check_options(name: str, predictions: Path, given: Sequence[str]) -> None:
    """Nothing, if such predictions take every option that is given."""
    if predictions.suffix == ".jsonl":
        taken = {"--no-captions", "--no-target-pixels", "--classes"}
    elif name in GROUNDED:
        taken = {"--no-captions"}
    else:
        taken = {"--partial"} if name in CAPTION else set()
    for option in given:
        if option not in taken:
            raise UserError(f"{predictions}: {option} has no effect on the scores of such files; leave it out")


def _make_folder(out: Path) -> None:
    if (out / RUN_NAME).exists():
        raise UserError(f"{out}: holds a run of mglmm eval; give another folder with --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{out}: {error.strerror}") from error


def _written(
    out: Path, benchmark: Benchmark, result: dict[str, Any], scorer: Scorer, resamples: int, start: float
) -> dict[str, Any]:
    """`result` with the scores and where they come from, also written into `out`; `start`: of `time.monotonic`."""
    group = {"num_questions": result["num_questions"]} | scores(scorer, range(len(scorer)), resamples)
    result |= {
        "groups": {"all": group},
        "resamples": resamples,
        "versions": versions(),
        "git_revision": git_revision(),
        "timing": {"scoring_s": round(time.monotonic() - start, 2)},
    }
    write_json(out / SCORES_NAME, result)
    write_report(out, result, benchmark)
    return result


def _grounded(truth: Sequence[Path], folder: Path, measures: Measures) -> tuple[Scorer, dict[str, int]]:
    """The scorer filled from a folder of predictions, and counts of images, and of phrases without mask or reverse."""
    scorer = GroundedScorer(measures)
    files = GroundedTruth(*truth_pair(truth))
    unpaired = []
    for pair in files.pairs(folder):
        scorer.add(pair)
        unpaired.append(abs(len(pair.phrases) - len(pair.predicted)))
    return scorer, {
        "num_samples": len(files.images),
        "num_questions": len(files.captions),
        "num_without_caption": len(files.images) - len(files.captions),
        "num_invalid": sum(unpaired),
        "num_invalid_answers": sum(n > 0 for n in unpaired),
    }


def _captions(truth: Path, results: Path, partial: bool) -> tuple[Scorer, dict[str, int]]:
    """The scorer filled from a COCO results file, and counts of images."""
    scorer = CaptionScorer(CaptionTools())
    pairs, num_images = caption_pairs(truth, results, partial=partial)
    for caption, references in pairs:
        scorer.add(caption, references)
    return scorer, {
        "num_samples": num_images,
        "num_questions": len(pairs),
        "num_unanswered": num_images - len(pairs),
        "num_invalid": 0,
        "num_invalid_answers": 0,
    }


def _panoptic(truth: Path, predictions: Path) -> tuple[Scorer, dict[str, int]]:
    """The scorer filled from COCO files, and counts of images."""
    files = PanopticFiles(truth, predictions)
    scorer = PanopticFilesScorer(files.classes)
    for pair in files.pairs():
        scorer.add(*pair)
    num_images = len(files.images)
    return scorer, {"num_samples": num_images, "num_questions": num_images, "num_invalid": 0, "num_invalid_answers": 0}


def _only(truth: Sequence[Path]) -> Path:
    if len(truth) != 1:
        raise UserError(f"--truth: these predictions take one file, not {len(truth)}")
    return truth[0]


def _accepted(name: str) -> str:
    """In words, the files that `name` is scored from."""
    kinds = ["predictions.jsonl against a file of samples"]
    if name in GROUNDED:
        kinds.append("a folder of IMAGE.json against COCO-style caption and mask truth")
    if name in CAPTION:
        kinds.append("COCO caption results (.json) against COCO captions")
    if name in PANOPTIC:
        kinds.append("COCO results with RLE, or panoptic JSON with its PNG files, against instances or panoptic truth")
    return ", or ".join(kinds)


def _digest(path: Path) -> str:
    """16 hex digits that change with the file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
