"""The review gallery: pictures with their trees, captions and conversations, and what was left out and why."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from mglmm.annotate.records import Rejection
from mglmm.annotate.stages import META
from mglmm.annotate.store import Store
from mglmm.browse import page
from mglmm.browse.show import Shown, shown
from mglmm.data.records import Records


class Reviewed(NamedTuple):
    """A sample as the page has it, who said what, and what was left out."""

    shown: Shown
    by: dict[str, int]
    rejections: tuple[Rejection, ...]


def write_review(store: Store, samples: str, out: Path, limit: int, rejections: Counter[str]) -> None:
    """Write the page about at most `limit` pictures, spread evenly over the run.

    `rejections`: "stage: rule" -> how many in all.
    """
    records = Records(samples)
    step = max(1, -(-len(records) // limit))
    reviewed = []
    for index in range(0, len(records), step):
        image, sample = records.load(index)
        finished = store.finished(sample.id)
        by = Counter(sample.meta[META]["by"].values())
        reviewed.append(
            Reviewed(shown(image, sample), dict(sorted(by.items())), finished.rejections if finished else ())
        )
    counts = [(name.split(": "), number) for name, number in sorted(rejections.items())]
    page.write(out, "review.html", title="Review", samples=reviewed, counts=counts, total=len(records))
