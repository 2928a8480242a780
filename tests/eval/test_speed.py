"""The bars of speed and memory in a smaller setting: masks and phrases, without the start of Java."""

import importlib.util
import tracemalloc
from argparse import Namespace
from pathlib import Path

import pytest

from mglmm.eval import run

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "scoring.py"


@pytest.fixture(scope="module")
def scoring():
    pytest.importorskip("pycocoevalcap")
    spec = importlib.util.spec_from_file_location("scoring", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_ours_is_fast_and_gives_the_same_scores(scoring, tmp_path):
    options = Namespace(images=60, masks=12, words=40, size=(480, 640), similarity="lexical", captions=False)
    # a whole run asks for 20; few images leave more to the start, and shared machines stall
    ratios = (scoring.compare(tmp_path, options) for _ in range(3))
    assert any(ratio > 5 for ratio in ratios)


def test_memory_does_not_grow_with_the_answers(scoring, tmp_path, monkeypatch):
    files = {n: scoring.write_data(tmp_path, n, 6, 24, (120, 160)) for n in (8, 40, 160)}

    def peak(num_images):
        tracemalloc.start()
        scoring.ours(*files[num_images], tmp_path / "out", "lexical", captions=False)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(8)  # modules and caches
    growth = peak(160) - peak(40)
    monkeypatch.setattr(run, "PREPARED", 1000)  # all samples and answers at once
    growth_if_all_are_kept = peak(160) - peak(40)
    assert growth < growth_if_all_are_kept / 4
