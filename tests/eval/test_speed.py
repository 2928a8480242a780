"""The speed bar in a smaller setting: masks and phrases of 60 images, without the start of Java."""

import importlib.util
import pickle
from argparse import Namespace
from pathlib import Path

import pytest

from mglmm.eval import run
from mglmm.eval.scorers import make_scorer

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
    assert scoring.compare(tmp_path, options) > 5


def test_memory_grows_by_what_the_scores_need(scoring, tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(run, "make_scorer", lambda *arguments: kept.append(make_scorer(*arguments)) or kept[-1])
    sizes = []
    for num_images in (10, 40):
        kept.clear()
        files = scoring.write_data(tmp_path, num_images, 12, 40, (240, 320))
        scoring.ours(*files, tmp_path / "out", "lexical", captions=False)
        sizes.append(sum(len(pickle.dumps(scorer.metrics)) for scorer in kept))
    per_image = sum(path.stat().st_size for path in files) / num_images
    assert sizes[1] - sizes[0] < 30 * per_image / 2
