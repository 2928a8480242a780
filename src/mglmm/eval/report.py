"""Reports that people read: the table of scores, how they were measured, and the best, median and worst answers.

`report.md` refers to the pictures in `gallery/`; `report.html` holds everything in one file.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mglmm import grounding, viz
from mglmm.atomic import atomic_file
from mglmm.browse import page
from mglmm.eval.benchmarks import Benchmark
from mglmm.eval.questions import Question
from mglmm.eval.samples import SampleSet
from mglmm.eval.scorers import PROTOCOLS, RATINGS
from mglmm.eval.store import PredictionStore

REPORT_NAME = "report.md"
PAGE_NAME = "report.html"
PICTURES_NAME = "gallery"
_PICTURE = re.compile(r"\d{6,}-\d+\.jpg")
"""Name of a picture in it: sample and turn."""
NUM_WORST, NUM_MEDIAN, NUM_BEST = 8, 4, 4
"""Answers that are shown of each group."""
NUM_PHRASES = 20
"""Phrases that are shown of those which mean no class."""
_CARD_WIDTH_PX = 480
_NUM_BINS = 10


@dataclass(frozen=True)
class Rated:
    """How good the answer to one question is, 0..1."""

    value: float
    sample_index: int
    turn_index: int
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Exhibit:
    """One answer as it is shown. `picture`: truth on the left and answer on the right; None without images."""

    title: str
    question: Question
    truth: str
    answer: str
    picture: Path | None

    @property
    def data_uri(self) -> str:
        """The picture as the text that an HTML page can hold."""
        return page.jpeg_uri(self.picture.read_bytes()) if self.picture else ""


@dataclass(frozen=True)
class Gallery:
    """The chosen answers of one group. `rating`: what they are sorted by; `bins`: how many have 0-10 %, 10-20 %, ..."""

    group: str
    rating: str
    bins: Sequence[int]
    shelves: Mapping[str, Sequence[Exhibit]]


def galleries(
    out: Path, benchmark: Benchmark, samples: SampleSet, predictions: Path, rated: Sequence[Rated]
) -> list[Gallery]:
    """The best, median and worst answers of every group that has any; their pictures are written below `out`."""
    folder = out / PICTURES_NAME
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():  # pictures of an earlier, shorter run
        if _PICTURE.fullmatch(old.name):
            old.unlink()
    with PredictionStore(predictions) as store:
        return [
            Gallery(group, RATINGS[kind], histogram(chosen), exhibits(chosen, samples, store, folder))
            for group, kind in benchmark.scorers.items()
            if (chosen := [r for r in rated if group in r.groups])
        ]


def write_report(out: Path, result: Mapping[str, Any], benchmark: Benchmark, shown: Sequence[Gallery] = ()) -> None:
    """Write `report.md` and `report.html`, with the galleries that are to be shown."""
    lines = [f"# {benchmark.name}", "", benchmark.about, "", *measured(result), "", *tables(result), ""]
    for gallery in shown:
        lines += _gallery_lines(gallery)
    _write(out / REPORT_NAME, "\n".join(lines).rstrip() + "\n")
    part = {"about": benchmark.about, "result": result, "measured": measured(result), "galleries": shown}
    _write_page(out, benchmark.name, {benchmark.name: part})


def write_suite_report(
    out: Path, name: str, benchmarks: Sequence[Benchmark], results: Mapping[str, Mapping[str, Any]]
) -> None:
    """Write `report.md` and `report.html` of several benchmarks, each in its own folder below `out`."""
    lines = [f"# {name}", ""]
    parts = {}
    for benchmark in benchmarks:
        part, result = benchmark.name, results[benchmark.name]
        lines += [f"## [{part}]({part}/{REPORT_NAME})", "", *measured(result), "", *tables(result), ""]
        about = {"about": benchmark.about, "measured": measured(result), "link": f"{part}/{PAGE_NAME}"}
        parts[part] = about | {"result": result, "galleries": []}
    _write(out / REPORT_NAME, "\n".join(lines).rstrip() + "\n")
    _write_page(out, name, parts)


def _write_page(out: Path, title: str, parts: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the self-contained page about some benchmarks."""
    page.write(out / PAGE_NAME, "report.html", title=title, parts=parts, rows=rows, cell=_cell)


def measured(result: Mapping[str, Any]) -> list[str]:
    """Sentences that say how the numbers came about."""
    run = result["run"]
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items() if version)
    lines = [f"- model: {run['model']['name']} (weights {run['model']['weights']})"] if "model" in run else []
    if "predictions" in run:
        lines += [f"- predictions: {run['predictions']}", f"- truth: {', '.join(run['truth'])}"]
    lines += [f"- samples: {', '.join(f'{k} {v}' for k, v in run['samples'].items())}"] if "samples" in run else []
    asked = f"{result['num_questions']} questions about {result['num_samples']} images"
    limit = f", free generation of at most {run['max_new_tokens']} tokens" if "max_new_tokens" in run else ""
    lines += [
        f"- {asked}{limit}",
        f"- places where the markup of an answer could not be parsed: {result['num_invalid']} "
        f"(in {result['num_invalid_answers']} answers)",
        *([f"- text similarity: {result['text_similarity']}"] if result["text_similarity"] else ()),
        *([] if result.get("captions", True) else ["- the texts' own scores (METEOR, CIDEr, ...) were left out"]),
        f"- in parentheses: 95 % confidence interval, bootstrap over images ({result['resamples']} resamples)",
        f"- revision {result['git_revision'] or 'unknown'}; {versions}",
    ]
    for group, part in result["groups"].items():
        lines += [f"- {group}: {failure}" for failure in part["failures"]]
        if unmatched := part.get("unmatched_phrases"):
            shown = ", ".join(f"{phrase} ({n})" for phrase, n in list(unmatched.items())[:NUM_PHRASES])
            lines.append(f"- {group}: {sum(unmatched.values())} phrases mean no class, the most frequent: {shown}")
    return lines


def rows(part: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any] | None, Mapping[str, Any] | None]]:
    """(name, official, corrected) of every score of a group; None where a protocol does not have it."""
    names = dict.fromkeys(name for protocol in PROTOCOLS for name in part[protocol])
    return [(name, part["official"].get(name), part["corrected"].get(name)) for name in names]


def tables(result: Mapping[str, Any]) -> list[str]:
    """A Markdown table: one row per group and score, one column per protocol."""
    lines = ["| group | questions | score | official | corrected |", "|---|---:|---|---:|---:|"]
    for group, part in result["groups"].items():
        for name, official, corrected in rows(part):
            cells = f"{_cell(official)} | {_cell(corrected)}"
            lines.append(f"| {group} | {part['num_questions']} | {name} | {cells} |")
    return lines


def print_scores(result: Mapping[str, Any], console: Console) -> None:
    """Print the scores of a benchmark, or of each benchmark of a suite, as a table."""
    for part in result.get("benchmarks", {result["benchmark"]: result}).values():
        table = Table("group", "questions", "score", *PROTOCOLS, title=part["benchmark"])
        for group, scores in part["groups"].items():
            for name, *found in rows(scores):
                # without the interval, for which a terminal has no room
                table.add_row(group, str(scores["num_questions"]), name, *(_cell(s).split(" ")[0] for s in found))
        console.print(table)


def choose(rated: Sequence[Rated]) -> dict[str, list[Rated]]:
    """The worst answers (none that is perfect), the best, and those around the median; nothing twice."""
    ordered = sorted(rated, key=lambda r: (r.value, r.sample_index, r.turn_index))
    worst = [r for r in ordered if r.value < 1][:NUM_WORST]
    best = ordered[len(worst) :][-NUM_BEST:][::-1]
    middle = ordered[max(0, (len(ordered) - NUM_MEDIAN) // 2) :][:NUM_MEDIAN]
    return {"worst": worst, "median": [r for r in middle if r not in worst and r not in best], "best": best}


def histogram(rated: Sequence[Rated]) -> list[int]:
    """How many answers lie in each tenth of 0..1, the last one with its upper end."""
    places = [min(int(r.value * _NUM_BINS), _NUM_BINS - 1) for r in rated]
    return [places.count(k) for k in range(_NUM_BINS)]


def exhibits(
    rated: Sequence[Rated], samples: SampleSet, store: PredictionStore, folder: Path
) -> dict[str, list[Exhibit]]:
    """The chosen answers by shelf; their pictures are written into `folder`."""
    chosen = choose(rated)
    return {shelf: [_exhibit(r, samples, store, folder) for r in part] for shelf, part in chosen.items()}


def _cell(score: Mapping[str, Any] | None) -> str:
    if score is None:
        return ""
    if score["value"] is None:
        return "-"
    low, high = score["interval"]
    return f"{score['value']:.3f}" + (f" ({low:.3f}-{high:.3f})" if low is not None else "")


def _exhibit(entry: Rated, samples: SampleSet, store: PredictionStore, folder: Path) -> Exhibit:
    question = Question(entry.sample_index, samples.sample(entry.sample_index), entry.turn_index, entry.groups)
    truth, prediction = question.truth(), store.get(question)
    picture = None
    if samples.image is not None:
        picture = folder / f"{entry.sample_index:06d}-{entry.turn_index}.jpg"
        if not picture.exists():
            image = samples.image(entry.sample_index)
            cards = [viz.answer_card(image, side, width=_CARD_WIDTH_PX) for side in (truth, prediction)]
            viz.side_by_side(cards).save(picture, quality=85)
    title = f"{entry.value:.3f}: {question.sample.id}, turn {entry.turn_index}"
    return Exhibit(title, question, grounding.render(truth.answer), grounding.render(prediction.answer), picture)


def _gallery_lines(gallery: Gallery) -> list[str]:
    lines = []
    for shelf, shown in gallery.shelves.items():
        lines += [f"## {shelf.capitalize()} answers: {gallery.group} (by {gallery.rating})", ""] if shown else []
        for exhibit in shown:
            lines += [
                f"### {exhibit.title}",
                "",
                f"- asked: {exhibit.question.turn.instruction}",
                f"- truth: `{exhibit.truth}`",
                f"- answer: `{exhibit.answer}`",
                "",
            ]
            if exhibit.picture:
                lines += [f"![truth left, answer right]({PICTURES_NAME}/{exhibit.picture.name})", ""]
    return lines


def _write(path: Path, text: str) -> None:
    with atomic_file(path) as file:
        file.write(text)
