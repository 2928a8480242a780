"""Running a benchmark: ask the model, keep its answers, score them, write the report.

A folder of results holds `run.json` (what was run), `predictions.jsonl` (the answers, one a line), `scores.json`,
`report.md`, `report.html` and `gallery/` (pictures). A run that was interrupted goes on where it stopped when it is
started again.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mglmm.atomic import atomic_file
from mglmm.eval.asking import MAX_NEW_TOKENS, Answerer, batches, generate, processes, tracked
from mglmm.eval.benchmarks import BENCHMARKS, SUITES, Benchmark
from mglmm.eval.captioning import CaptionTools
from mglmm.eval.classes import read_classes
from mglmm.eval.provenance import git_revision, versions, weights_fingerprint
from mglmm.eval.questions import Question, phrases_of
from mglmm.eval.report import Rated, galleries, write_report, write_suite_report
from mglmm.eval.results import NO_SCORE, scores
from mglmm.eval.samples import Inputs, SampleSet
from mglmm.eval.scorers import CAPTIONED, CLASSED, PROTOCOLS, Measures, make_scorer
from mglmm.eval.store import PREDICTIONS_NAME, PredictionStore, claim
from mglmm.eval.text_similarity import load_similarity
from mglmm.schema import Prediction, UserError

SCORES_NAME = "scores.json"
RESAMPLES = 1000
"""Bootstrap resamples behind every confidence interval."""
PREPARED = 16
"""Answers whose phrases are embedded together; ours, a few hundred phrases fill a batch of the encoder."""


def run_benchmark(
    name: str,
    *,
    model: str,
    out: Path,
    inputs: Inputs,
    measures: Measures,
    limit: int | None = None,
    loading: Mapping[str, Any] = MappingProxyType({}),
    batch_size: int = 16,
    max_new_tokens: int = MAX_NEW_TOKENS,
) -> dict[str, Any] | None:
    """The scores of a model on the benchmark or suite `name`, which are also written into `out`.

    Several processes, as `accelerate launch` or torchrun start them, share the asking; the first one scores, and the
    others return None.

    Args:
        model: "default", a folder, or a hub id.
        out: folder of the results; goes on with an interrupted run of the same benchmark, model and samples.
        inputs: which samples.
        loading: arguments of `mglmm.load`; without a device, each process has its own.
        limit: only the first so many questions (of each benchmark of a suite).
        max_new_tokens: limit of an answer.

    Raises:
        UserError: unknown benchmark, missing data, a folder with another run, ...
    """
    benchmarks = [find(part) for part in SUITES.get(name, (name,))]
    samples = {benchmark.name: benchmark.samples(inputs) for benchmark in benchmarks}

    from mglmm.predict import load  # torch: late, so that unknown names and missing files are told at once

    state = processes()
    device = loading.get("device") or (state.device if state.num_processes > 1 else None)
    predictor = load(model, **{**loading, "device": device})
    described = {"name": model, "weights": weights_fingerprint(predictor.model)}
    described |= {name: str(value) for name, value in loading.items() if value is not None and name != "device"}
    results: dict[str, Any] = {}
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
            measures=measures,
        )
    if name not in SUITES or not state.is_main_process:
        return results[benchmarks[0].name]
    write_suite_report(out, name, benchmarks, results)
    combined = {"benchmark": name, "benchmarks": results}
    write_json(out / SCORES_NAME, combined)
    return combined


def measures_of(
    name: str,
    *,
    text_similarity: str = "lexical",
    captions: bool = True,
    no_target_pixels: int = 1,
    classes: Path | None = None,
) -> Measures:
    """What the scores of the benchmark or suite `name` depend on, as far as it has such scores.

    `captions`: score texts against their references, which needs a Java. `classes`: the file of the classes.

    Raises:
        UserError: unknown name, something is not installed, or without `captions` no score would be left.
    """
    kinds = {kind for part in SUITES.get(name, (name,)) for kind in find(part).scorers.values()}
    if not captions and kinds == {"caption"}:
        raise UserError(f"{name}: its only scores are those of the texts; leave out --no-captions")
    tools = CaptionTools() if captions and kinds & CAPTIONED else None
    if not kinds & CLASSED:
        return Measures(load_similarity(text_similarity), tools, no_target_pixels)
    if classes is None:
        raise UserError(f"{name}: needs the list of classes: give its file with --classes")
    return Measures(load_similarity(text_similarity), tools, no_target_pixels, read_classes(classes))


def find(name: str) -> Benchmark:
    """The benchmark called `name`.

    Raises:
        UserError: there is none, or it is a suite; lists the names.
    """
    if name in SUITES:
        raise UserError(f"{name!r} is several benchmarks; give one of them: {', '.join(SUITES[name])}")
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
    measures: Measures,
    resamples: int = RESAMPLES,
) -> dict[str, Any] | None:
    """Ask what is not yet answered in `out`, then score and report; returns what `scores.json` holds.

    Of several processes only the first scores, and the others return None. `model` says which model answers ({"name",
    "weights"}); it must be the same when a run is resumed.
    """
    identity: dict[str, Any] = {
        "benchmark": benchmark.name,
        "model": dict(model),
        "samples": dict(samples.identity),
        "max_new_tokens": max_new_tokens,
    }
    state = processes()
    with state.main_process_first():
        claim(out, identity)
    start = time.monotonic()
    num_generated = generate(
        predictor, benchmark, samples, out, limit=limit, batch_size=batch_size, max_new_tokens=max_new_tokens
    )
    if not state.is_main_process:
        return None
    generation_s = time.monotonic() - start
    timing = {"generation_s": round(generation_s, 2), "num_generated": num_generated}
    timing["num_processes"] = state.num_processes
    return score(
        benchmark, samples, out / PREDICTIONS_NAME, out,
        run=identity, limit=limit, measures=measures, resamples=resamples, timing=timing,
    )  # fmt: skip


def score(
    benchmark: Benchmark,
    samples: SampleSet,
    predictions: Path,
    out: Path,
    *,
    run: Mapping[str, Any],
    measures: Measures,
    limit: int | None = None,
    resamples: int = RESAMPLES,
    timing: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Score answers without the model; writes `scores.json` and the report into `out` and returns the former.

    Raises:
        UserError: a question without an answer, an answer to no question, or a malformed one.
    """
    start = time.monotonic()
    result, rated = scored(benchmark, samples, predictions, measures, limit, resamples)
    result |= {
        "run": dict(run),
        "text_similarity": measures.similarity.name,
        "resamples": resamples,
        "versions": versions(),
        "git_revision": git_revision(),
        "timing": {**(timing or {}), "scoring_s": round(time.monotonic() - start, 2)},
    }
    if CAPTIONED.intersection(benchmark.scorers.values()):
        result["captions"] = measures.captions is not None
    write_json(out / SCORES_NAME, result)
    write_report(out, result, benchmark, galleries(out, benchmark, samples, predictions, rated))
    return result


def scored(
    benchmark: Benchmark,
    samples: SampleSet,
    predictions: Path,
    measures: Measures,
    limit: int | None,
    resamples: int,
) -> tuple[dict[str, Any], list[Rated]]:
    """The scores of every group with counts, and how good every single answer is."""
    scorers = {kind: make_scorer(kind, measures) for kind in set(benchmark.scorers.values())}
    items: dict[str, list[int]] = {group: [] for group in benchmark.scorers}
    images: dict[str, list[int]] = {group: [] for group in benchmark.scorers}
    rated: list[Rated] = []
    answered = set()
    invalid: dict[str, list[int]] = {group: [] for group in ("", *benchmark.scorers)}
    with PredictionStore(predictions) as store:
        for question, prediction in _prepared(benchmark, samples, store, measures, limit):
            answered.add(question.key)
            scorer = scorers[benchmark.scorers[question.groups[0]]]
            invalid[""].append(prediction.num_invalid)
            for group in question.groups:
                items[group].append(len(scorer))
                images[group].append(question.sample_index)
                invalid[group].append(prediction.num_invalid)
            value = scorer.update(question, prediction)
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
    # all parts are there before the first is scored, so that Java reads the texts of all at once
    parts = {group: scorers[kind].subset(items[group]) for group, kind in benchmark.scorers.items()}
    groups = {
        group: {"num_questions": len(images[group])} | counted(invalid[group]) | scores(part, images[group], resamples)
        for group, part in parts.items()
    }
    groups |= {name: mean_of(groups[group] for group in those) for name, those in benchmark.means.items()}
    return {
        "benchmark": benchmark.name,
        "num_samples": len({r.sample_index for r in rated}),
        "num_questions": len(rated),
        **counted(invalid[""]),
        "groups": groups,
    }, rated


def _prepared(
    benchmark: Benchmark, samples: SampleSet, store: PredictionStore, measures: Measures, limit: int | None
) -> Iterator[tuple[Question, Prediction]]:
    """Every question with its answer; the text similarity has seen their phrases, many answers at a time."""
    compared = (CLASSED | {"grounded"}).intersection(benchmark.scorers.values())
    for batch in batches(tracked(benchmark, samples, limit, f"{benchmark.name}: scoring"), PREPARED):
        pairs = [(question, store.get(question)) for question in batch]
        if compared:
            measures.similarity.prepare([phrase for pair in pairs for phrase in phrases_of(*pair)])
        yield from pairs


def counted(invalid: Sequence[int]) -> dict[str, int]:
    """Places where markup could not be parsed, and answers with such a place; `invalid`: the places of each answer."""
    return {"num_invalid": sum(invalid), "num_invalid_answers": sum(n > 0 for n in invalid)}


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


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write `content` atomically (a reader never sees half a file); NaN is refused."""
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    with atomic_file(path) as file:
        file.write(text)
