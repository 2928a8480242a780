"""Running a benchmark: ask the model, keep its answers, score them, write the report.

A folder of results holds `run.json` (what was run), `predictions.jsonl` (the answers, one a line), `scores.json`,
`report.md` and `worst/` (pictures). A run that was interrupted goes on where it stopped when it is started again.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from mglmm.eval.benchmarks import BENCHMARKS, SUITES, Benchmark, Inputs, SampleSet
from mglmm.eval.provenance import git_revision, versions, weights_fingerprint
from mglmm.eval.report import Rated, write_report, write_suite_report
from mglmm.eval.scorers import NO_SCORE, PROTOCOLS, Question, make_scorer, scores
from mglmm.eval.store import PREDICTIONS_NAME, PredictionStore, PredictionWriter, claim
from mglmm.eval.text_similarity import TextSimilarity, load_similarity
from mglmm.schema import Prediction, UserError

SCORES_NAME = "scores.json"
MAX_NEW_TOKENS = 512
"""Limit of an answer. Source: the published MGSC evaluation."""
RESAMPLES = 1000
"""Bootstrap resamples behind every confidence interval."""


class Answerer(Protocol):
    """What is evaluated; `mglmm.predict.Predictor` is one."""

    def ask_many(self, questions: Sequence[tuple[Image.Image, str]], *, max_new_tokens: int) -> Sequence[Prediction]:
        """One answer to each (image, instruction), in order; `sample_id` and `turn_index` are filled in here."""
        ...


def run_benchmark(
    name: str,
    *,
    model: str,
    out: Path,
    seeds: tuple[int, int] | None = None,
    data: Path | None = None,
    limit: int | None = None,
    device: str | None = None,
    batch_size: int = 16,
    max_new_tokens: int = MAX_NEW_TOKENS,
    text_similarity: str = "lexical",
) -> dict[str, Any]:
    """The scores of a model on the benchmark or suite `name`, which are also written into `out`.

    Args:
        model: "default", a folder, or a hub id.
        out: folder of the results; goes on with an interrupted run of the same benchmark, model and samples.
        seeds: [first, end) for benchmarks of the world; None: 500 held-out ones.
        data: folder of the data set, for benchmarks of photographs.
        limit: only the first so many questions (of each benchmark of a suite).
        max_new_tokens: limit of an answer.

    Raises:
        UserError: unknown benchmark, missing data, a folder with another run, ...
    """
    benchmarks = [find(part) for part in SUITES.get(name, (name,))]
    similarity = load_similarity(text_similarity)
    inputs = Inputs(seeds, data)
    samples = {benchmark.name: benchmark.samples(inputs) for benchmark in benchmarks}

    from mglmm.predict import load  # torch: late, so that unknown names and missing files are told at once

    predictor = load(model, device=device)
    described = {"name": model, "weights": weights_fingerprint(predictor.model)}
    results = {}
    for benchmark in benchmarks:
        folder = out / benchmark.name if name in SUITES else out
        results[benchmark.name] = evaluate(
            predictor,
            benchmark,
            samples[benchmark.name],
            folder,
            model=described,
            limit=limit,
            batch_size=batch_size,
            max_new_tokens=max_new_tokens,
            similarity=similarity,
        )
    if name not in SUITES:
        return results[name]
    write_suite_report(out, name, results)
    combined = {"benchmark": name, "benchmarks": results}
    write_json(out / SCORES_NAME, combined)
    return combined


def find(name: str) -> Benchmark:
    """The benchmark called `name`.

    Raises:
        UserError: there is none; lists the names.
    """
    if name not in BENCHMARKS:
        raise UserError(f"benchmark {name!r} does not exist; choose one of {', '.join([*BENCHMARKS, *SUITES])}")
    return BENCHMARKS[name]


def evaluate(
    predictor: Answerer,
    benchmark: Benchmark,
    samples: SampleSet,
    out: Path,
    *,
    model: Mapping[str, str],
    limit: int | None = None,
    batch_size: int = 16,
    max_new_tokens: int = MAX_NEW_TOKENS,
    similarity: TextSimilarity,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """Ask what is not yet answered in `out`, then score and report; returns what `scores.json` holds.

    `model` says which model answers ({"name", "weights"}); it must be the same when a run is resumed.
    """
    identity: dict[str, Any] = {
        "benchmark": benchmark.name,
        "model": dict(model),
        "samples": dict(samples.identity),
        "max_new_tokens": max_new_tokens,
    }
    claim(out, identity)
    start = time.monotonic()
    num_generated = generate(
        predictor, benchmark, samples, out / PREDICTIONS_NAME,
        limit=limit, batch_size=batch_size, max_new_tokens=max_new_tokens,
    )  # fmt: skip
    generation_s = time.monotonic() - start
    timing = {"generation_s": round(generation_s, 2), "num_generated": num_generated}
    return score(
        benchmark, samples, out / PREDICTIONS_NAME, out,
        run=identity, limit=limit, similarity=similarity, resamples=resamples, timing=timing,
    )  # fmt: skip


def generate(
    predictor: Answerer,
    benchmark: Benchmark,
    samples: SampleSet,
    path: Path,
    *,
    limit: int | None = None,
    batch_size: int = 16,
    max_new_tokens: int = MAX_NEW_TOKENS,
) -> int:
    """Append an answer to `path` for every question that has none there; returns how many."""
    with PredictionWriter(path) as writer, PredictionStore(path) as store:
        waiting: list[tuple[Image.Image, Question]] = []
        num_generated = 0
        for image, question in tracked(benchmark, samples, limit, f"{benchmark.name}: asking"):
            if question.key not in store:
                waiting.append((image, question))
            if len(waiting) == batch_size:
                writer.write(answers(predictor, waiting, max_new_tokens))
                num_generated += len(waiting)
                waiting = []
        if waiting:
            writer.write(answers(predictor, waiting, max_new_tokens))
    return num_generated + len(waiting)


def answers(
    predictor: Answerer, asked: Sequence[tuple[Image.Image, Question]], max_new_tokens: int
) -> list[Prediction]:
    """The model's answers to some questions, marked with what they answer.

    Raises:
        ValueError: the model gave another number of answers.
    """
    questions = [(image, question.turn.instruction) for image, question in asked]
    given = predictor.ask_many(questions, max_new_tokens=max_new_tokens)
    if len(given) != len(asked):
        raise ValueError(f"the model gave {len(given)} answers to {len(asked)} questions")
    return [
        prediction.model_copy(update={"sample_id": question.sample.id, "turn_index": question.turn_index})
        for prediction, (_, question) in zip(given, asked, strict=True)
    ]


def score(
    benchmark: Benchmark,
    samples: SampleSet,
    predictions: Path,
    out: Path,
    *,
    run: Mapping[str, Any],
    similarity: TextSimilarity,
    limit: int | None = None,
    resamples: int = RESAMPLES,
    timing: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Score answers without the model; writes `scores.json` and the report into `out` and returns the former.

    Raises:
        UserError: a question without an answer, an answer to no question, or a malformed one.
    """
    start = time.monotonic()
    result, rated = scored(benchmark, samples, predictions, similarity, limit, resamples)
    result |= {
        "run": dict(run),
        "text_similarity": similarity.name,
        "resamples": resamples,
        "versions": versions(),
        "git_revision": git_revision(),
        "timing": {**(timing or {}), "scoring_s": round(time.monotonic() - start, 2)},
    }
    write_json(out / SCORES_NAME, result)
    write_report(out, result, benchmark, samples, predictions, rated)
    return result


def scored(
    benchmark: Benchmark,
    samples: SampleSet,
    predictions: Path,
    similarity: TextSimilarity,
    limit: int | None,
    resamples: int,
) -> tuple[dict[str, Any], list[Rated]]:
    """The scores of every group with counts, and how good every single answer is."""
    scorers = {group: make_scorer(kind, similarity) for group, kind in benchmark.scorers.items()}
    images: dict[str, list[int]] = {group: [] for group in scorers}
    rated: list[Rated] = []
    answered = set()
    invalid: list[int] = []
    with PredictionStore(predictions) as store:
        for _, question in tracked(benchmark, samples, limit, f"{benchmark.name}: scoring"):
            prediction = store.get(question)
            answered.add(question.key)
            invalid.append(prediction.num_invalid)
            value = [scorers[group].update(question, prediction) for group in question.groups][0]
            for group in question.groups:
                images[group].append(question.sample_index)
            rated.append(Rated(value, question.sample_index, question.turn_index, question.groups))
        # with a limit the file may hold a longer run's answers
        if limit is None and (unknown := sorted(store.keys() - answered)):
            sample_id, turn_index = unknown[0]
            raise UserError(
                f"{predictions}: {len(unknown)} predictions answer no question of {benchmark.name}, the first: "
                f"sample {sample_id}, turn {turn_index}"
            )
    if not rated:
        raise UserError(f"{benchmark.name}: these samples hold no question of the benchmark")
    groups = {
        group: {"num_questions": len(images[group])} | scores(scorer, images[group], resamples)
        for group, scorer in scorers.items()
    }
    groups |= {name: mean_of(groups[group] for group in parts) for name, parts in benchmark.means.items()}
    return {
        "benchmark": benchmark.name,
        "num_samples": len({r.sample_index for r in rated}),
        "num_questions": len(rated),
        "num_invalid": sum(invalid),
        "num_invalid_answers": sum(n > 0 for n in invalid),
        "groups": groups,
    }, rated


def mean_of(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The plain mean of every score over some groups, without interval; None where one of them has none."""
    chosen = list(parts)
    mean: dict[str, Any] = {"num_questions": sum(part["num_questions"] for part in chosen), "failures": []}
    for protocol in PROTOCOLS:
        values = {
            name: [part[protocol].get(name, NO_SCORE)["value"] for part in chosen] for name in chosen[0][protocol]
        }
        mean[protocol] = {
            name: {"value": None if None in found else sum(found) / len(found), "interval": [None, None]}
            for name, found in values.items()
        }
    return mean


def tracked(
    benchmark: Benchmark, samples: SampleSet, limit: int | None, title: str
) -> Iterator[tuple[Image.Image, Question]]:
    """The benchmark's questions, with a progress bar over the samples on stderr."""
    columns = [TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()]
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=samples.length)
        for image, question in benchmark.questions(samples, limit):
            yield image, question
            progress.update(task, completed=question.sample_index + 1)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write `content` atomically (a reader never sees half a file); NaN is refused."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    partial.replace(path)
