"""Makes what the README shows: `pictures` (of answers) and `results` (the table, from the scores of `mglmm eval`).

python tools/readme.py pictures
python tools/readme.py results out/eval/world-all/scores.json ...
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import mglmm
from mglmm.viz import answer_card, side_by_side

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "examples" / "images" / "street.jpg"
QUESTIONS = (
    "Describe the whole picture in detail, with masks.",
    "Describe the orange scooter in detail, with masks.",
)
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
SHOWN = ("mean_iou", "cumulative_iou", "ap50", "mask_recall", "no_target_accuracy", "target_accuracy")
"""Scores in the table, by the beginning of their name; the rest stands in the reports."""


def pictures() -> None:
    """Write docs/images/answer.jpg: one picture asked at two granularities."""
    model = mglmm.load("default")
    cards = [answer_card(answer.image, answer) for answer in model.ask_many([(PICTURE, q) for q in QUESTIONS])]
    path = ROOT / "docs" / "images" / "answer.jpg"
    side_by_side(cards).save(path, quality=88)
    print(path)


def results(paths: list[Path]) -> None:
    """Put the scores of `mglmm eval` between the README's two markers."""
    lines = ["| benchmark | group | questions | score | value (95 % interval) |", "|---|---|---:|---|---:|"]
    for path in paths:
        scores = json.loads(path.read_text(encoding="utf-8"))
        for part in scores.get("benchmarks", {scores["benchmark"]: scores}).values():
            lines += rows(part)
    readme = ROOT / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    readme.write_text(before + "\n".join([BEGIN, *lines, END]) + after, encoding="utf-8")


def rows(scores: dict[str, Any]) -> list[str]:
    """The rows of one benchmark: the corrected values of the scores that are shown."""
    lines = []
    for group, part in scores["groups"].items():
        for name, score in part["corrected"].items():
            if score["value"] is not None and name.startswith(SHOWN):
                low, high = score["interval"]
                interval = f" ({low:.3f}-{high:.3f})" if low is not None else ""
                lines.append(
                    f"| {scores['benchmark']} | {group} | {part['num_questions']} | {name} | "
                    f"{score['value']:.3f}{interval} |"
                )
    return lines


def main() -> int:
    """Run one of the two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["pictures", "results"])
    parser.add_argument("scores", nargs="*", type=Path)
    options = parser.parse_args()
    if options.what == "pictures":
        pictures()
    elif not options.scores:
        parser.error("results needs the scores.json of one or more runs of mglmm eval")
    else:
        results(options.scores)
    return 0


if __name__ == "__main__":
    sys.exit(main())
