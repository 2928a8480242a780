"""What a file of samples holds, counted: a page with histograms, and a summary."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from tokenizers import Tokenizer

import mglmm
from mglmm.browse import page
from mglmm.data.records import Records, watched
from mglmm.grounding import render
from mglmm.schema import Sample, UserError

NUM_BARS = 30
"""A histogram has at most so many bars."""
NUM_SHOWN = 40
"""So many of the most frequent labels and words are listed."""

_WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")


@dataclass
class Stats:
    """Counts of what samples hold. A Counter of numbers is a histogram: how often each number occurs."""

    numbers: dict[str, Counter[int]] = field(default_factory=dict)
    """Masks an image, words a phrase and so on."""
    names: dict[str, Counter[str]] = field(default_factory=dict)
    """Tasks, labels, words and so on."""

    def add(self, sample: Sample, tokenizer: Tokenizer) -> None:
        """Count one sample."""
        depths = _depths(sample)
        self._number("masks an image", len(sample.segments))
        self._number("turns an image", len(sample.turns))
        self._number("depth of the mask tree of an image", max(depths.values(), default=0))
        self._number("longer side of an image (pixels)", max(sample.size))
        for segment in sample.segments:
            self._number("mask area (per cent of the image)", round(100 * segment.area / np.prod(sample.size)))
            self._name("labels", segment.label)
            self._name("masks by depth", "whole" if depths[segment.id] == 1 else f"part, depth {depths[segment.id]}")
            if segment.caption:
                self._number("words of a segment's caption", len(_WORD.findall(segment.caption)))
        parts = Counter(s.parent for s in sample.segments if s.parent is not None)
        for segment in sample.segments:
            if segment.parent is None and parts:
                self._number("parts of a whole", parts[segment.id])
        self._turns(sample, tokenizer)
        self._name("sources", sample.source or "(none)")
        self._name("splits", sample.split or "(none)")

    def _turns(self, sample: Sample, tokenizer: Tokenizer) -> None:
        for turn in sample.turns:
            self._name("tasks", turn.task)
            self._name("granularities", turn.granularity or "(none)")
            if turn.family:
                self._name("families", turn.family)
            for phrase, span in zip(turn.answer.phrases, turn.answer.spans, strict=True):
                self._number("words of a phrase", len(_WORD.findall(phrase)))
                self._number("masks of a phrase", len(span.segment_ids))
            self._number("phrases of an answer", len(turn.answer.spans))
            self._number("tokens of an instruction", _num_tokens(turn.instruction, tokenizer))
            self._number("tokens of an answer", _num_tokens(render(turn.answer), tokenizer))
            for text, kind in ((turn.instruction, "instructions"), (turn.answer.text, "answers")):
                for word in _WORD.findall(text.lower()):
                    self._name(f"vocabulary of {kind}", word)
        for conversation in sample.conversations:
            texts = [text for turn in conversation for text in (turn.instruction, render(turn.answer))]
            self._number("tokens of a conversation", sum(_num_tokens(text, tokenizer) for text in texts))

    def _number(self, what: str, value: int) -> None:
        self.numbers.setdefault(what, Counter())[value] += 1

    def _name(self, what: str, value: str) -> None:
        self.names.setdefault(what, Counter())[value] += 1


class Bar(NamedTuple):
    """One bar: what it stands for, how many, and its length relative to the longest (0..1)."""

    name: str
    number: int
    share: float


class Chart(NamedTuple):
    """A histogram or a ranking: its bars, and its figures in words."""

    title: str
    figures: str
    bars: Sequence[Bar]


def write_page(address: str, out: Path, tokenizer: str) -> list[str]:
    """Write the page about a file of samples; returns the lines of a summary.

    Raises:
        UserError: the file or the tokenizer cannot be read, or a record is no sample.
    """
    words, records, stats = load_tokenizer(tokenizer), Records(address), Stats()
    for index in watched(range(len(records)), "counting"):
        stats.add(records[index], words)
    histograms = [histogram(title, counts) for title, counts in stats.numbers.items()]
    rankings = [ranking(title, counts) for title, counts in stats.names.items()]
    page.write(
        out, "stats.html", title=address, count=len(records), histograms=histograms, rankings=rankings, tokens=tokenizer
    )
    return [f"{len(records):,} samples", *(f"{h.title}: {h.figures}" for h in (*histograms, *rankings))]


def histogram(title: str, counts: Counter[int]) -> Chart:
    """At most `NUM_BARS` bars of the same width; mean, median, 95th percentile and maximum."""
    values = np.array(sorted(counts))
    numbers = np.array([counts[value] for value in values.tolist()])
    at = np.cumsum(numbers) / numbers.sum()
    median, high = (int(values[np.searchsorted(at, share)]) for share in (0.5, 0.95))
    mean = float((values * numbers).sum() / numbers.sum())
    figures = f"mean {mean:.4g}, median {median:,}, 95 % up to {high:,}, most {int(values[-1]):,}"
    low = int(values[0])
    width = -(-(int(values[-1]) - low + 1) // NUM_BARS)
    binned: Counter[int] = Counter()
    for value, count in counts.items():
        binned[(value - low) // width] += count
    last = max(binned)
    edges = [(low + k * width, low + (k + 1) * width - 1) for k in range(last + 1)]
    found = [(f"{a}" if a == b else f"{a}-{b}", binned[k]) for k, (a, b) in enumerate(edges)]
    return Chart(title, figures, _bars(found))


def ranking(title: str, counts: Counter[str]) -> Chart:
    """The `NUM_SHOWN` most frequent names."""
    total = f"{counts.total():,} in all, {len(counts):,} different"
    once = sum(count == 1 for count in counts.values())
    figures = total + (f", {once:,} of them once" if once else "")
    return Chart(title, figures, _bars(counts.most_common(NUM_SHOWN)))


def load_tokenizer(name: str) -> Tokenizer:
    """A tokenizer: `default` (that of the model in the package), a `tokenizer.json`, or one on the hub.

    Raises:
        UserError: there is no such tokenizer, or the file is none.
    """
    path = Path(mglmm.__file__).parent / "assets" / "default" / "tokenizer.json" if name == "default" else Path(name)
    try:
        if not path.is_file() and path.suffix != ".json":
            path = Path(hf_hub_download(name, "tokenizer.json"))
        text = path.read_text(encoding="utf-8")
        if "model" not in json.loads(text):
            raise UserError(f"{path}: no tokenizer; give a tokenizer.json, or the id of a model on the hub")
    except (OSError, HfHubHTTPError, HFValidationError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{name}: no tokenizer can be read ({reason}); give 'default' or a tokenizer.json") from error
    return Tokenizer.from_str(text)


def _num_tokens(text: str, tokenizer: Tokenizer) -> int:
    return len(tokenizer.encode(text, add_special_tokens=False).ids)


def _depths(sample: Sample) -> dict[int, int]:
    """Segment id -> how deep it lies in the tree of parts: 1 for a whole."""
    parent = {segment.id: segment.parent for segment in sample.segments}
    return {start: 1 + len(list(_above(start, parent))) for start in parent}


def _above(node: int, parent: dict[int, int | None]) -> Iterator[int]:
    while (up := parent[node]) is not None:
        yield up
        node = up


def _bars(counts: Iterable[tuple[str, int]]) -> list[Bar]:
    found = list(counts)
    longest = max((count for _, count in found), default=1)
    return [Bar(name, count, count / longest) for name, count in found]
