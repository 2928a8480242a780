"""What a run has made and what it took: `summary.json`, a page beside the paper's figures, and lines to print."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from mglmm.annotate.ledger import Totals
from mglmm.annotate.records import Finished
from mglmm.annotate.stages import META
from mglmm.atomic import atomic_file
from mglmm.browse import page
from mglmm.phrasing import counted

PAPER = {"pictures": "10,000", "conversations": "30,000", "masks": "more than 300,000"}
"""MGSCData. Source: arXiv 2409.13407, section on the data; the data were never released."""


@dataclass
class Summary:
    """Counts over all finished pictures of a folder, in this and earlier runs. Seconds are summed over pictures."""

    pictures: int = 0
    finished: int = 0
    quarantined: int = 0
    proposals: int = 0
    masks: int = 0
    masks_with_parent: int = 0
    conversations: int = 0
    panoptic: int = 0
    fine_grained: int = 0
    words_of_captions: int = 0
    rejections: Counter[str] = field(default_factory=Counter)
    labelled_by: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    invalid_answers: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: Counter[str] = field(default_factory=Counter)
    wall_seconds: float = 0.0
    """Of this run alone, as `finished_now`."""
    finished_now: int = 0
    ledger: Totals = Totals()
    outcomes: dict[str, int] = field(default_factory=dict)

    @property
    def unfinished(self) -> int:
        """Pictures that are neither finished nor in quarantine."""
        return self.pictures - self.finished - self.quarantined

    def add(self, done: Finished) -> None:
        """Count a finished picture."""
        sample = done.sample
        self.finished += 1
        self.proposals += done.num_proposals
        self.masks += len(sample.segments)
        self.masks_with_parent += sum(s.parent is not None for s in sample.segments)
        self.conversations += len(sample.conversations)
        self.panoptic += sum(t.task == "mgsc" and t.granularity == "panoptic" for t in sample.turns)
        self.fine_grained += sum(t.task == "mgsc" and t.granularity == "part" for t in sample.turns)
        self.words_of_captions += sum(len((s.caption or "").split()) for s in sample.segments)
        self.rejections.update(f"{r.stage}: {r.rule}" for r in done.rejections)
        self.labelled_by.update(sample.meta[META]["by"].values())
        self.calls += done.usage.calls
        self.invalid_answers += done.usage.invalid
        self.prompt_tokens += done.usage.prompt_tokens
        self.completion_tokens += done.usage.completion_tokens
        self.seconds.update(done.times["seconds"])


def write_summary(summary: Summary, out: Path) -> None:
    """Write `summary.json` and the page `summary.html`."""
    values = {**vars(summary), "unfinished": summary.unfinished, "ledger": summary.ledger._asdict()}
    values["rejections"] = dict(sorted(summary.rejections.items()))
    with atomic_file(out / "summary.json") as file:
        json.dump(values, file, indent=1)
        file.write("\n")
    rejections = sorted(summary.rejections.items(), key=lambda item: (-item[1], item[0]))
    rows = [(name, f"{getattr(summary, _FIELDS[name]):,}", PAPER[name]) for name in PAPER]
    page.write(
        out / "summary.html",
        "summary.html",
        title="Summary",
        rows=rows,
        lines=lines(summary),
        rejections=rejections,
        labelled=summary.labelled_by.most_common(),
        per_picture=[(name, value / max(summary.finished, 1)) for name, value in sorted(summary.seconds.items())],
    )


def lines(summary: Summary) -> list[str]:
    """The summary in a few lines."""
    count = max(summary.finished, 1)
    found = [
        f"pictures: {summary.finished:,} of {summary.pictures:,} finished, {summary.quarantined:,} in quarantine, "
        f"{summary.unfinished:,} not done yet",
        f"masks: {summary.masks:,} kept of {summary.proposals:,} proposed, {summary.masks / count:.1f} a picture, "
        f"{summary.masks_with_parent:,} of them parts",
        f"conversations: {summary.conversations:,}, {summary.conversations / count:.1f} a picture "
        f"({summary.panoptic:,} panoptic, {summary.fine_grained:,} fine-grained captions)",
        f"left out: {sum(summary.rejections.values()):,} (rejections.jsonl says why)",
    ]
    if summary.ledger.attempts:
        paid = summary.ledger
        ends = ", ".join(f"{name} {number:,}" for name, number in summary.outcomes.items())
        found.append(
            f"calls: {paid.answered:,} answered, {paid.attempts:,} requests ({ends}), {paid.prompt_tokens:,} + "
            f"{paid.completion_tokens:,} tokens, ${paid.usd:.2f}; {summary.calls / count:.1f} calls a picture"
        )
    if summary.finished_now:
        rate = summary.finished_now / max(summary.wall_seconds, 1e-9)
        found.append(
            f"this run: {counted(summary.finished_now, 'picture')} in {summary.wall_seconds:.1f} s, {rate:.2f} a second"
        )
    return found


_FIELDS = {"pictures": "finished", "conversations": "conversations", "masks": "masks"}
