"""A report that people read: the table of scores, how they were measured, and pictures of the worst answers."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mglmm import grounding, viz
from mglmm.eval.benchmarks import Benchmark, SampleSet
from mglmm.eval.scorers import PROTOCOLS, Question
from mglmm.eval.store import PredictionStore

REPORT_NAME = "report.md"
PICTURES_NAME = "worst"
NUM_WORST = 10
_CARD_WIDTH_PX = 480


@dataclass(frozen=True)
class Rated:
    """How good the answer to one question is, 0..1."""

    value: float
    sample_index: int
    turn_index: int
    groups: tuple[str, ...]


def write_report(
    out: Path,
    result: Mapping[str, Any],
    benchmark: Benchmark,
    samples: SampleSet,
    predictions: Path,
    rated: Sequence[Rated],
) -> None:
    """Write `report.md` and the pictures of the worst answers of every group into `out`."""
    lines = [f"# {benchmark.name}", "", benchmark.about, "", *measured(result), "", *tables(result), ""]
    folder = out / PICTURES_NAME
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.jpg"):  # pictures of an earlier, shorter run
        old.unlink()
    with PredictionStore(predictions) as store:
        for group in benchmark.scorers:
            worst = sorted((r for r in rated if group in r.groups and r.value < 1), key=lambda r: r.value)[:NUM_WORST]
            lines += [f"## Worst answers: {group}", ""] if worst else []
            for entry in worst:
                lines += _exhibit(entry, samples, store, folder)
    (out / REPORT_NAME).write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


def write_suite_report(out: Path, name: str, results: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the `report.md` of several benchmarks, each in its own folder below `out`."""
    lines = [f"# {name}", ""]
    for part, result in results.items():
        lines += [f"## [{part}]({part}/{REPORT_NAME})", "", *measured(result), "", *tables(result), ""]
    (out / REPORT_NAME).write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


def measured(result: Mapping[str, Any]) -> list[str]:
    """Lines that say how the numbers came about."""
    model = result["run"]["model"]
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items() if version)
    lines = [
        f"- model: {model['name']} (weights {model['weights']})",
        f"- samples: {', '.join(f'{k} {v}' for k, v in result['run']['samples'].items())}",
        f"- {result['num_questions']} questions about {result['num_samples']} images, free generation"
        f" of at most {result['run']['max_new_tokens']} tokens",
        f"- places where the markup of an answer could not be parsed: {result['num_invalid']} "
        f"(in {result['num_invalid_answers']} answers)",
        f"- text similarity: {result['text_similarity']}",
        f"- in parentheses: 95 % confidence interval, bootstrap over images ({result['resamples']} resamples)",
        f"- revision {result['git_revision'] or 'unknown'}; {versions}",
    ]
    return lines + [f"- {group}: {failure}" for group, part in result["groups"].items() for failure in part["failures"]]


def tables(result: Mapping[str, Any]) -> list[str]:
    """A Markdown table: one row per group and score, one column per protocol."""
    lines = ["| group | questions | score | official | corrected |", "|---|---:|---|---:|---:|"]
    for group, part in result["groups"].items():
        names = dict.fromkeys(name for protocol in PROTOCOLS for name in part[protocol])
        for name in names:
            cells = [_cell(part[protocol].get(name)) for protocol in PROTOCOLS]
            lines.append(f"| {group} | {part['num_questions']} | {name} | {cells[0]} | {cells[1]} |")
    return lines


def _cell(score: Mapping[str, Any] | None) -> str:
    if score is None:
        return ""
    if score["value"] is None:
        return "-"
    low, high = score["interval"]
    return f"{score['value']:.3f}" + (f" ({low:.3f}-{high:.3f})" if low is not None else "")


def _exhibit(entry: Rated, samples: SampleSet, store: PredictionStore, folder: Path) -> list[str]:
    """Lines about one answer; its picture, truth on the left and answer on the right, is written into `folder`."""
    image, sample = samples.load(entry.sample_index)
    question = Question(entry.sample_index, sample, entry.turn_index, entry.groups)
    truth, prediction = question.truth(), store.get(question)
    name = re.sub(r"[^A-Za-z0-9-]+", "_", f"{sample.id}-{entry.turn_index}") + ".jpg"
    if not (folder / name).exists():
        cards = [viz.answer_card(image, side, width=_CARD_WIDTH_PX) for side in (truth, prediction)]
        viz.side_by_side(cards).save(folder / name, quality=85)
    return [
        f"### {entry.value:.3f}: {sample.id}, turn {entry.turn_index}",
        "",
        f"- asked: {question.turn.instruction}",
        f"- truth: `{grounding.render(truth.answer)}`",
        f"- answer: `{grounding.render(prediction.answer)}`",
        "",
        f"![truth left, answer right]({PICTURES_NAME}/{name})",
        "",
    ]
