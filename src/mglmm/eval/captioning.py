"""Scores of captions: BLEU, METEOR, ROUGE-L, CIDEr, and SPICE where its models are installed.

The numbers are those of pycocoevalcap. Its Java programs are started once for all captions that are new
(`CaptionTools`), and METEOR is kept as counts, so that scores can be merged and resampled like every other metric.
The names of the scores end with the tokenizer's.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self
from weakref import WeakSet

import numpy as np

from mglmm.eval import java
from mglmm.eval.tally import Numbers, OfficialFailureError, RowMetric, ratio
from mglmm.schema import UserError

TOKENIZER = "ptb"

APART = "a"
"""A line between every two texts, so that how one is read does not depend on the next. Source: ours."""

METEOR_STAGES = (1.0, 0.6, 0.8, 0.6)
"""Weights of exact, stem, synonym and paraphrase matches.

Source: Denkowski & Lavie, Meteor Universal, 2014; METEOR 1.5, English, task "rank".
"""
METEOR_ALPHA, METEOR_BETA, METEOR_GAMMA, METEOR_DELTA = 0.85, 0.2, 0.6, 0.75
"""Recall's share, fragmentation's power and weight, and the weight of content words. Source: as above."""


Pair = tuple[str, tuple[str, ...]]
"""A caption and its references, tokenized: words joined by spaces."""

PAIR_FIELDS = (
    ("words", "reference_words")
    + tuple(f"{kind}_{n}" for kind in ("correct", "guessed") for n in range(1, 5))
    + ("rouge_l",)
    + tuple(f"meteor_{k}" for k in range(23))
    + ("spice",)
)
"""What is counted of each pair alone."""


class CaptionTools:
    """Tokens and counts of captions. Every different text, and every different pair, is worked on once.

    Metrics that share their tools are prepared together, so that METEOR, which takes seconds to start, starts once.

    Raises:
        UserError: a package is missing; told here, before anything is asked of a model.
    """

    def __init__(self) -> None:
        java.java(), java.jars()
        self._tokens: dict[str, list[str]] = {}
        self._counts: dict[Pair, tuple[float, ...]] = {}
        self._cider: dict[tuple[Pair, ...], np.ndarray] = {}
        self._meteor: java.Meteor | None = None
        self._metrics: WeakSet[Captions] = WeakSet()

    def start(self) -> None:
        """Start METEOR, so that it is ready when the texts are there.

        Raises:
            UserError: Java cannot be started.
        """
        self._meteor = self._meteor or java.Meteor()

    def prepare(self) -> None:
        """Work on the texts of all metrics that have joined."""
        metrics = [metric for metric in self._metrics if metric.items]
        self.tokens([document for m in metrics for document in m.documents()])
        self.counts([pair for m in metrics for pair in m.tokenized()])

    def join(self, metric: "Captions") -> None:
        """Prepare `metric` whenever another one is, as long as it lives."""
        self._metrics.add(metric)

    def tokens(self, documents: Sequence[str]) -> list[list[str]]:
        """For each document its lines, each as words in lower case without punctuation, joined by spaces.

        The marks are taken out after lower-casing, so "-lrb-" stays (C4). Source: pycocoevalcap.
        """
        new = [document for document in dict.fromkeys(documents) if document not in self._tokens]
        for document, lines in zip(new, java.ptb_tokens(new) if new else [], strict=True):
            self._tokens[document] = [_without_marks(line) for line in lines]
        return [self._tokens[document] for document in documents]

    def counts(self, pairs: Sequence[Pair]) -> list[tuple[float, ...]]:
        """What `PAIR_FIELDS` name, of each pair."""
        if new := [pair for pair in dict.fromkeys(pairs) if pair not in self._counts]:
            with ThreadPoolExecutor(1) as pool:
                meteor = pool.submit(self._meteor_counts, new)  # a process of its own, so both go on at once
                overlaps = _overlaps(new)
                parts = zip(overlaps, meteor.result(), _spice(new), strict=True)
            self._counts |= zip(new, ((*overlap, *counts, spice) for overlap, counts, spice in parts), strict=True)
        return [self._counts[pair] for pair in pairs]

    def cider(self, pairs: Sequence[Pair]) -> np.ndarray:
        """float64[N]: CIDEr of each of a set of pairs. There must be a word in some reference."""
        from pycocoevalcap.cider.cider import Cider

        key = tuple(pairs)
        if key not in self._cider:
            references = {k: list(references) for k, (_, references) in enumerate(pairs)}
            captions = {k: [caption] for k, (caption, _) in enumerate(pairs)}
            self._cider[key] = np.asarray(Cider().compute_score(references, captions)[1])
        return self._cider[key]

    def _meteor_counts(self, pairs: Sequence[Pair]) -> list[list[float]]:
        """METEOR's 23 counts of each pair, see `meteor_score`.

        A caption that is a reference has no chunks, also in sums: it is not fragmented. Source: METEOR 1.5.
        """
        meteor, self._meteor = self._meteor or java.Meteor(), None
        texts = ((*references, caption.replace("|||", "").replace("  ", " ")) for caption, references in pairs)
        rows = meteor.statistics([" ||| ".join(("SCORE", *those)) for those in texts])
        for row in rows:
            if row[:2] == row[21:] and row[20] == 1:
                row[20] = 0.0
        return rows


def _without_marks(line: str) -> str:
    from pycocoevalcap.tokenizer.ptbtokenizer import PUNCTUATIONS

    return " ".join(word for word in line.rstrip().split(" ") if word not in PUNCTUATIONS)


def _overlaps(pairs: Sequence[Pair]) -> list[tuple[float, ...]]:
    """The fields of BLEU and ROUGE-L of each pair, in the order of `PAIR_FIELDS`."""
    from pycocoevalcap.bleu.bleu_scorer import BleuScorer
    from pycocoevalcap.rouge.rouge import Rouge

    bleu, rouge = BleuScorer(n=4), Rouge()
    rows: list[tuple[float, ...]] = []
    for caption, references in pairs:
        bleu += (caption, references)
        counts = bleu.ctest[-1]
        shortest = min((abs(length - counts["testlen"]), length) for length in counts["reflen"])[1]
        longest_shared = rouge.calc_score([caption], references)
        rows.append((counts["testlen"], shortest, *counts["correct"], *counts["guess"], longest_shared))
    return rows


def _spice(pairs: Sequence[Pair]) -> list[float]:
    """SPICE of each pair; NaN where it is not installed."""
    return java.spice_scores(pairs) if java.has_spice() else [np.nan] * len(pairs)


def one_line(text: str) -> str:
    """`text` with every run of white space made one space.

    >>> one_line(" a dog\\u2028runs ")
    'a dog runs'
    """
    return " ".join(text.split())


def first_of_each(results: Iterable[tuple[Hashable, str]]) -> dict[Hashable, str]:
    """Image -> the first of its captions; later ones are dropped, as the official region captioning does (C7).

    >>> first_of_each([(7, "a"), (8, "b"), (7, "c")])
    {7: 'a', 8: 'b'}
    """
    kept: dict[Hashable, str] = {}
    for image, caption in results:
        kept.setdefault(image, caption)
    return kept


class Captions(RowMetric):
    """Corrected scores of captions: white space is normalized first, so that no caption can shift another.

    `bleu_1` to `bleu_4` and `meteor` are of the whole set (counts are summed), `rouge_l`, `cider` and `spice` the means
    over captions. The document frequencies of CIDEr are those of the set; resamples keep them. CIDEr of a single item
    is not defined, as every weight is log 1 = 0.

    Source: Papineni et al., 2002 (BLEU); Denkowski & Lavie, 2014 (METEOR 1.5); Lin, 2004 (ROUGE-L); Vedantam et al.,
    2015 (CIDEr-D); Anderson et al., 2016 (SPICE); all as in pycocoevalcap 1.2.
    """

    fields = ("items", *PAIR_FIELDS, "cider")

    def __init__(self, tools: CaptionTools) -> None:
        super().__init__()
        self.tools = tools
        tools.join(self)
        self.items: list[tuple[str, tuple[str, ...]]] = []

    def __len__(self) -> int:
        return len(self.items)

    def update(self, caption: str, references: Sequence[str]) -> None:
        """Add one caption with its references.

        Raises:
            ValueError: there is no reference.
        """
        if not references:
            raise ValueError(f"caption {caption!r} has no reference")
        self.items.append((caption, tuple(references)))
        self.rows.clear()

    def merge(self, other: Self) -> None:
        """Append the items of `other`."""
        self.items.extend(other.items)
        self.rows.clear()

    def subset(self, items: Sequence[int]) -> Self:
        """A metric of these items alone, with document frequencies of its own."""
        part = type(self)(self.tools)
        part.items = [self.items[k] for k in items]
        return part

    def compute(self) -> dict[str, float]:
        """`bleu_1_ptb` .. `bleu_4_ptb`, `meteor_ptb`, `rouge_l_ptb`, `cider_ptb`; `spice_ptb` where it is installed."""
        self.score()
        return super().compute()

    def resample(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """Score name -> float64[B]; `counts` int64[B, N]."""
        self.score()
        return super().resample(counts)

    def per_item(self) -> dict[str, np.ndarray]:
        """Score name -> float64[N], each item on its own (CIDEr with the set's document frequencies)."""
        self.score()
        table = np.array(self.rows, dtype=np.float64).reshape(-1, len(self.fields))
        scores = self.from_sums({name: table[:, k] for k, name in enumerate(self.fields)})
        return {name: np.asarray(values) for name, values in scores.items()}

    def documents(self) -> tuple[str, str]:
        """All captions and, apart, all references, as the tokenizer gets them."""
        texts = [text for _, references in self.items for text in references]
        return self.document([caption for caption, _ in self.items]), self.document(texts)

    def document(self, texts: Sequence[str]) -> str:
        """`texts` on every other line."""
        return "".join(f"{one_line(text)}\n{APART}\n" for text in texts)

    def texts_of(self, lines: Sequence[str]) -> Sequence[str]:
        """The texts among the lines of a document."""
        return lines[:-1:2] if set(lines[1::2]) == {APART} else ()

    def tokenized(self) -> list[Pair]:
        """Tokens of every caption and its references.

        Raises:
            UserError: the tokenizer gave another number of lines than it got.
        """
        sides = [self.texts_of(lines) for lines in self.tools.tokens(self.documents())]
        numbers = (len(self.items), sum(len(references) for _, references in self.items))
        for side, number in zip(sides, numbers, strict=True):
            if len(side) < number:
                raise UserError(f"{java.PTB}: {len(side)} answers to {number} texts; no score of captions is given")
        captions, references = map(iter, sides)
        return [(next(captions), tuple(next(references) for _ in texts)) for _, texts in self.items]

    def score(self) -> None:
        """Fill `rows`, unless they are up to date.

        Raises:
            UserError: Java is missing or fails.
        """
        if len(self.rows) == len(self.items):
            return
        self.tools.prepare()
        pairs = self.tokenized()
        counted = zip(self.tools.counts(pairs), self.cider(pairs), strict=True)
        self.rows = [(1.0, *counts, cider) for counts, cider in counted]

    def cider(self, pairs: Sequence[Pair]) -> np.ndarray:
        """float64[N]: CIDEr of each item; NaN where it is not defined."""
        if len(pairs) < 2 or not _any_reference_has_a_word(pairs):
            return np.full(len(pairs), np.nan)
        return self.tools.cider(pairs)

    def from_sums(self, sums: Mapping[str, Numbers]) -> dict[str, Numbers]:
        """See `compute`."""
        scores = bleu_scores(sums) | {"meteor": meteor_score([np.asarray(sums[f"meteor_{k}"]) for k in range(23)])}
        means = ("rouge_l", "cider", "spice") if java.has_spice() else ("rouge_l", "cider")
        scores |= {name: ratio(sums[name], sums["items"]) for name in means}
        there = np.where(np.asarray(sums["items"]) > 0, 1.0, np.nan)
        return {f"{name}_{TOKENIZER}": value * there for name, value in scores.items()}


class OfficialCaptions(Captions):
    """Scores of captions to the last digit of pycocoevalcap, which hands the texts to the tokenizer as they are.

    Quirks: C2 CIDEr of a single item is 0. C3 a caption with a line separator becomes two lines, and every later
    caption (every later reference) is scored with the text before it.

    Source: pycocoevalcap 1.2, `eval.py`; MGLMM at d2abee8, `eval/region_captioning/evaluate.py`.
    """

    def compute(self) -> dict[str, float]:
        """See `Captions.compute`.

        Raises:
            OfficialFailureError: no reference has a word, which CIDEr does not expect.
            UserError: Java is missing or fails.
        """
        self.score()
        if self.rows and np.isnan(self.rows[0][self.fields.index("cider")]):
            raise OfficialFailureError("ValueError", "no reference has a word")
        return super().compute()

    def document(self, texts: Sequence[str]) -> str:
        """`texts` on a line each, if they hold no other line separator (C3)."""
        return "\n".join(text.replace("\n", " ") for text in texts)

    def texts_of(self, lines: Sequence[str]) -> Sequence[str]:
        """The lines as they are."""
        return lines

    def cider(self, pairs: Sequence[Pair]) -> np.ndarray:
        """float64[N]: CIDEr of each item; NaN where the official evaluator dies."""
        return self.tools.cider(pairs) if _any_reference_has_a_word(pairs) else np.full(len(pairs), np.nan)


def bleu_scores(sums: Mapping[str, Numbers]) -> dict[str, Numbers]:
    """`bleu_1` .. `bleu_4` of summed counts; nothing said scores 0.

    Source: Papineni et al., 2002; the two small numbers are those of pycocoevalcap, `bleu/bleu_scorer.py`.
    """
    small, tiny = 1e-9, 1e-15
    length_ratio = (np.asarray(sums["words"]) + tiny) / (np.asarray(sums["reference_words"]) + small)
    brevity = np.exp(np.minimum(0.0, 1 - 1 / length_ratio))
    scores: dict[str, Numbers] = {}
    product = np.ones_like(brevity)
    for n in range(1, 5):
        product = product * (np.asarray(sums[f"correct_{n}"]) + tiny) / (np.asarray(sums[f"guessed_{n}"]) + small)
        scores[f"bleu_{n}"] = product ** (1 / n) * brevity
    return scores


def meteor_score(counts: Sequence[np.ndarray]) -> np.ndarray:
    """METEOR of 23 (summed) counts, 0..1; without any match 0.

    The counts are the words and the function words of caption and reference (caption, reference, caption, reference),
    then, for each of the four stages, matched content and function words in the same order, then chunks and matched
    words of caption and reference.

    Source: Denkowski & Lavie, Meteor Universal, 2014, section 3.
    """
    words, function = counts[0:2], counts[2:4]
    matched_content = [sum(w * counts[4 + 4 * k + side] for k, w in enumerate(METEOR_STAGES)) for side in (0, 1)]
    matched_function = [sum(w * counts[6 + 4 * k + side] for k, w in enumerate(METEOR_STAGES)) for side in (0, 1)]
    chunks, *matched = counts[20:23]
    share = []
    for side in (0, 1):
        weighted = METEOR_DELTA * matched_content[side] + (1 - METEOR_DELTA) * matched_function[side]
        total = METEOR_DELTA * (words[side] - function[side]) + (1 - METEOR_DELTA) * function[side]
        share.append(np.asarray(ratio(weighted, total)))
    precision, recall = share
    mean = ratio(precision * recall, METEOR_ALPHA * precision + (1 - METEOR_ALPHA) * recall)
    fragmentation = np.asarray(ratio(chunks, (matched[0] + matched[1]) / 2))
    return np.nan_to_num(mean * (1 - METEOR_GAMMA * fragmentation**METEOR_BETA), nan=0.0)


def _any_reference_has_a_word(pairs: Sequence[Pair]) -> bool:
    return any(reference for _, references in pairs for reference in references)
