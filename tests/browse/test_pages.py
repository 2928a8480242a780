"""The pages about files of samples say what is in them."""

from collections import Counter
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from mglmm.browse.show import pieces, tree
from mglmm.browse.stats import histogram, ranking
from mglmm.cli import main
from tests.data.records_made import simple, write


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    """Splits at spaces and punctuation."""
    made = Tokenizer(WordLevel({"?": 0}, unk_token="?"))
    made.pre_tokenizer = Whitespace()
    made.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


def test_stats(tmp_path: Path, tokenizer: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = simple("<two>", "images/two.png").model_copy(update={"segments": (), "turns": ()})
    path = write(tmp_path, simple("one"), bare)
    page = tmp_path / "stats.html"
    assert main(["data", "stats", str(path), "--out", str(page), "--tokenizer", str(tokenizer)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "2 samples"
    assert "masks an image: mean 1, median 0, 95 % up to 2, most 2" in said
    assert "depth of the mask tree of an image: mean 1, median 0, 95 % up to 2, most 2" in said
    assert "words of a phrase: mean 2.5, median 2, 95 % up to 3, most 3" in said
    assert "tokens of an instruction: mean 4, median 4, 95 % up to 4, most 4" in said
    assert "labels: 2 in all, 2 different, 2 of them once" in said
    assert "<h3>masks an image</h3>" in page.read_text()


def test_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, simple("one"), simple("<two>", "images/two.png"), simple("three"))
    page = tmp_path / "show.html"
    assert main(["data", "show", str(path), "--out", str(page), "--limit", "2"]) == 0
    text = page.read_text()
    assert "&lt;two&gt;" in text and "<two>" not in text and "three" not in text
    assert text.count("data:image/jpeg") == 4
    assert text.count(">The red car</mark>") == 2
    assert main(["data", "show", str(path), "--out", str(page), "--id", "three", "--task", "mgsc"]) == 0
    assert "three" in page.read_text()
    shown = set()
    for seed in ("1", "2", "3"):
        assert main(["data", "show", str(path), "--out", str(page), "--limit", "1", "--seed", seed]) == 0
        shown.add(page.read_text())
    assert len(shown) > 1
    assert main(["data", "show", str(path), "--out", str(page), "--task", "gcg"]) == 2
    assert "no sample is as asked for" in capsys.readouterr().err


def test_a_tokenizer_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, simple("one"))
    (tmp_path / "t.json").write_text("{}")
    for name in ("t.json", "none.json"):
        arguments = ["data", "stats", str(path), "--out", str(tmp_path / "x.html"), "--tokenizer", str(tmp_path / name)]
        assert main(arguments) == 2
        assert name in capsys.readouterr().err


def test_phrases_and_masks_share_their_color() -> None:
    sample = simple("one")
    shown = pieces(sample.turns[0].answer)
    assert [p.text for p in shown] == ["The red car", " has ", "a wheel", "."]
    (car,) = tree(sample)
    assert [node.segment.label for node in car.children] == ["wheel"]
    assert [car.color, car.children[0].color] == [shown[0].color, shown[2].color]


def test_histograms_count_everything_once() -> None:
    counts = Counter({0: 5, 7: 1, 100: 2})
    made = histogram("x", counts)
    assert sum(bar.number for bar in made.bars) == 8
    assert made.bars[0].name == "0-3" and made.bars[-1].number == 2
    assert made.figures == "mean 25.88, median 0, 95 % up to 100, most 100"
    assert ranking("x", Counter("aab")).bars[0][:2] == ("a", 2)
