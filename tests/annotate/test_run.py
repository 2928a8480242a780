"""Runs from beginning to end: what is written, going on after a kill, pictures that cannot be done."""

import contextlib
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mglmm.annotate.embedded import EmbeddedAnnotator
from mglmm.annotate.export import write_evaluation
from mglmm.annotate.recipe import AnnotateRecipe
from mglmm.annotate.records import Finished
from mglmm.annotate.run import Part, run
from mglmm.annotate.stages import Crew
from mglmm.cli import main
from mglmm.data.convert import check, convert
from mglmm.data.records import read, write_parquet
from mglmm.eval.foreign import score_files
from mglmm.schema import GroundedText, Sample, Segment, UserError, read_jsonl, write_jsonl
from mglmm.world.samples import world_sample
from tests.data.records_made import simple

FORMS = ("parquet", "mgsc", "evaluation", "label-studio", "stats", "review")
TIMED = {"summary.json", "summary.html", "records", "ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"}
"""What says when it was made."""


def recipe(**options: Any) -> AnnotateRecipe:
    values = {"embedded": {"model": None}, "workers": 0, "export": {"forms": ()}, **options}
    return AnnotateRecipe.model_validate(values)


def samples(out: Path) -> list[Sample]:
    return list(read_jsonl(out / "samples.jsonl", Sample))


def files(folder: Path) -> dict[str, bytes]:
    """Name -> content of all that does not say when it was made."""
    return {
        # the page of statistics names the file that it is about
        str(path.relative_to(folder)): path.read_bytes().replace(str(folder).encode(), b"FOLDER")
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] not in TIMED
    }


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three pictures, one of them in a folder, and one that is none."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for k, name in enumerate(("a.png", "b.jpg", "more/c.png")):
        pixels = np.full((180, 240, 3), (60, 140, 70), np.uint8)
        pixels[30:120, 30 + 15 * k : 135 + 15 * k] = (205, 40, 40)
        pixels[54:90, 60 + 15 * k : 102 + 15 * k] = (40, 80, 200)
        Image.fromarray(pixels).save(folder / name)
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_bare_pictures_get_trees(photos: Path, tmp_path: Path) -> None:
    """A blue square in a red one on green: found without any model, as a part of its whole."""
    summary = run(str(photos), tmp_path / "out", recipe())
    assert [s.id for s in samples(tmp_path / "out")] == ["a", "b", "more__c"]
    assert summary.finished == 3
    for sample in samples(tmp_path / "out"):
        labels = {s.label: s for s in sample.segments}
        assert "red region" in _labels_above(sample, labels["blue region"])
        caption = labels["blue region"].caption
        assert caption is not None and caption.startswith("A blue region")
        root = sample.turns[0]
        assert root.task == "mgsc" and "a large red region" in root.answer.phrases
        assert set(sample.meta["annotation"]["by"].values()) == {"measured"}
    assert check(str(tmp_path / "out" / "samples.jsonl"), images=True).num_broken == 0


def _labels_above(sample: Sample, segment: Segment) -> list[str]:
    if segment.parent is None:
        return []
    whole = sample.segment(segment.parent)
    return [whole.label, *_labels_above(sample, whole)]


def test_every_form_can_be_read(tmp_path: Path) -> None:
    out = tmp_path / "out"
    summary = run("world:3:6@128", out, recipe(export={"forms": FORMS}, tasks=["referring"]))
    found = samples(out)
    assert summary.finished == 3 == len(found)
    assert list(read(str(out / "parquet"))) == [s.model_copy(update={"image": f"../{s.image}"}) for s in found]
    again = _converted("mgsc", out / "mgsc", "train", tmp_path / "mgsc.jsonl", check_images="false")
    mgsc = [[t for t in s.turns if t.task == "mgsc"] for s in found]
    assert [[t.answer.text for t in s.turns] for s in again] == [[t.answer.text for t in turns] for turns in mgsc]
    assert any(t.task == "referring" for s in found for t in s.turns)
    reviewed = json.loads((out / "label-studio" / "train.json").read_text())
    assert len(reviewed) == 3 and len(reviewed[0]["predictions"][0]["result"]) >= len(found[0].segments)
    for page in ("stats.html", "review.html", "summary.html"):
        assert "</html>" in (out / page).read_text()
    assert found[0].id in (out / "review.html").read_text()


def _converted(reader: str, root: Path, split: str, out: Path, **options: str) -> list[Sample]:
    convert(reader, root, split, out, options=[f"{key}={value}" for key, value in options.items()])
    return list(read_jsonl(out, Sample))


def test_official_evaluation_files_score_themselves(tmp_path: Path) -> None:
    """The official scorer takes the files, and gives full marks to answers that repeat them."""
    out = tmp_path / "out"
    run("world:3:6@128", out, recipe(export={"forms": ["evaluation"]}))
    answers = tmp_path / "answers"
    answers.mkdir()
    truth = json.loads((out / "evaluation" / "all_mgsc_caption_gt.json").read_text())
    marks = json.loads((out / "evaluation" / "all_mgsc_mask_gt.json").read_text())
    for image, said in zip(truth["images"], truth["annotations"], strict=True):
        rles = [a["segmentation"] for a in marks["annotations"] if a["image_id"] == image["id"]]
        value = {"image_id": image["id"], "caption": said["caption"], "phrases": said["labels"], "pred_masks": rles}
        (answers / f"{image['id']}.json").write_text(json.dumps(value))
        assert len(said["labels"]) == len(rles)
    paths = [out / "evaluation" / f"all_mgsc_{kind}_gt.json" for kind in ("caption", "mask")]
    score_files("mgsc", paths, answers, tmp_path / "score", captions=False, resamples=0)
    scores = (tmp_path / "score" / "scores.json").read_text()
    values = re.findall(r'"(mean_iou|mask_recall_lexical|tree_f1)": \{\s*"value": ([\d.]+)', scores)
    assert {name for name, _ in values} == {"mean_iou", "mask_recall_lexical", "tree_f1"}
    assert {value for _, value in values} == {"1.0"}
    groups = {
        name: json.loads((out / "evaluation" / f"{name}_mgsc_caption_gt.json").read_text())
        for name in ("root", "subtree")
    }
    assert {i["type"] for i in groups["root"]["images"]} == {"root"}
    assert all(i["type"].startswith("subtree: ") for i in groups["subtree"]["images"])
    assert len(groups["root"]["images"]) + len(groups["subtree"]["images"]) == len(truth["images"])


def test_captions_without_tags_keep_their_label(tmp_path: Path) -> None:
    """As `rules.off: [missing_tag]` lets them pass: no tag at all, and none of the whole."""
    whole = simple("a")
    (turn,) = whole.turns
    bare = turn.model_copy(update={"answer": GroundedText(text="The red car has a wheel.")})
    part = turn.model_copy(update={"answer": turn.answer.model_copy(update={"spans": turn.answer.spans[1:]})})
    meta = {"annotation": {"composed": [1, 1]}}
    write_jsonl(tmp_path / "x.jsonl", [whole.model_copy(update={"turns": (bare, part), "meta": meta})])
    write_evaluation(str(tmp_path / "x.jsonl"), tmp_path / "evaluation")
    found = json.loads((tmp_path / "evaluation" / "subtree_mgsc_caption_gt.json").read_text())
    assert [image["type"] for image in found["images"]] == ["subtree: car"] * 2
    assert [said["labels"] for said in found["annotations"]] == [[], ["a wheel"]]


def test_captions_may_lack_tags_where_the_rule_is_off(tmp_path: Path) -> None:
    class Terse(EmbeddedAnnotator):
        async def compose(self, *_: Any) -> str:
            return "Some things are here."

    terse = Terse(recipe().embedded)
    off = recipe(rules={"off": ["missing_tag"]}, export={"forms": ["evaluation", "mgsc"]})
    run("world:3:4@128", tmp_path, off, crew=Crew(terse, terse))
    found = json.loads((tmp_path / "evaluation" / "all_mgsc_caption_gt.json").read_text())
    assert {said["caption"] for said in found["annotations"]} == {"Some things are here."}


def test_same_run_same_bytes_and_nothing_done_twice(tmp_path: Path) -> None:
    for name in ("one", "two"):
        run("world:3:6@128", tmp_path / name, recipe(export={"forms": FORMS}))
    assert files(tmp_path / "one") == files(tmp_path / "two")
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "one" / "records").rglob("*.json")}
    summary = run("world:3:6@128", tmp_path / "one", recipe(export={"forms": FORMS}))
    assert summary.finished_now == 0 and summary.finished == 3
    assert times == {p: p.stat().st_mtime_ns for p in (tmp_path / "one" / "records").rglob("*.json")}


def test_processes_give_what_one_gives(tmp_path: Path) -> None:
    run("world:3:6@128", tmp_path / "one", recipe())
    run("world:3:6@128", tmp_path / "two", recipe(workers=2))
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_another_recipe_needs_another_folder(tmp_path: Path) -> None:
    run("world:3:4@128", tmp_path, recipe())
    with pytest.raises(UserError, match=r"recipe.tree.max_depth = 4, this one has 2; choose another --out"):
        run("world:3:4@128", tmp_path, recipe(tree={"max_depth": 2}))
    run("world:3:4@128", tmp_path, recipe(workers=1, give_up_after=3))  # how it is computed makes no difference


def test_parts_share_a_list(tmp_path: Path) -> None:
    for number in range(2):
        run("world:3:8@128", tmp_path / str(number), recipe(), part=Part(number, 2))
    assert [[s.id for s in samples(tmp_path / str(k))] for k in range(2)] == [
        ["world-3", "world-5", "world-7"],
        ["world-4", "world-6"],
    ]


def test_smaller_share_shrinks_nothing(tmp_path: Path) -> None:
    """What is done stays in all results, and what is not done anew is no more and no less."""
    options = recipe(export={"forms": ("mgsc", "review")})
    run("world:3:7@128", tmp_path, options, limit=3)
    whole = files(tmp_path)
    assert run("world:3:7@128", tmp_path, options, limit=1).pictures == 3
    assert files(tmp_path) == whole
    summary = run("world:3:7@128", tmp_path, options, part=Part(3, 4))
    assert (summary.pictures, summary.finished_now) == (4, 1)
    assert [s.id for s in samples(tmp_path)] == [f"world-{seed}" for seed in range(3, 7)]


def test_files_of_an_earlier_export_go(tmp_path: Path) -> None:
    options = recipe(export={"forms": ("mgsc",)})
    run("world:3:4@128", tmp_path, options)
    stale = tmp_path / "mgsc" / "annotations" / "stale.json"
    stale.write_text("{}")
    run("world:3:4@128", tmp_path, options)
    assert not stale.exists() and list((tmp_path / "mgsc" / "annotations").glob("*.json"))


def test_part_without_pictures_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no picture is in part 5/8, there are 2 in all"):
        run("world:3:5@128", tmp_path / "out", recipe(), part=Part(5, 8))
    assert not (tmp_path / "out").exists()


def test_goes_on_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begun with a relative --out, gone on with from elsewhere, and moved: the pictures are found."""
    (tmp_path / "one" / "deeper").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "one")
    run("world:3:5@128", Path("out"), recipe(), limit=1)
    monkeypatch.chdir(tmp_path / "one" / "deeper")
    run("world:3:5@128", Path("../out"), recipe())
    assert [s.image for s in samples(Path("../out"))] == ["images/world-3.png", "images/world-4.png"]
    (tmp_path / "one" / "out").rename(tmp_path / "moved")
    run("world:3:5@128", tmp_path / "moved", recipe())
    assert check(str(tmp_path / "moved" / "samples.jsonl"), images=True).num_broken == 0


def test_slash_at_the_end_makes_no_other_run(photos: Path, tmp_path: Path) -> None:
    run(str(photos), tmp_path / "out", recipe(), limit=1)
    assert run(f"{photos}/", tmp_path / "out", recipe(), limit=1).finished_now == 0


@pytest.mark.parametrize("text", ["{", "[]", "\udcff"])
def test_damaged_run_file_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text, errors="surrogateescape")
    with pytest.raises(UserError, match=r"run\.json: is damaged .*remove it .* choose another --out"):
        run("world:3:4@128", tmp_path, recipe())


def test_embedded_images_of_like_ids_are_kept_apart(tmp_path: Path) -> None:
    found = []
    for name, color in (("a/b", "red"), ("a__b", "blue")):
        picture = io.BytesIO()
        Image.new("RGB", (32, 32), color).save(picture, "PNG")
        sample = Sample(id=name, image=f"{name}.png", size=(32, 32), source="test")
        found.append((sample, picture.getvalue()))
    write_parquet(found, 2, str(tmp_path / "in"), "train")
    run(str(tmp_path / "in"), tmp_path / "out", recipe())
    colors = [Image.open(tmp_path / "out" / s.image).getpixel((5, 5)) for s in samples(tmp_path / "out")]
    assert colors == [(255, 0, 0), (0, 0, 255)]


def test_prompts_are_written_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["annotate", "world:3:4", "--write-prompts", str(tmp_path / "prompts")]) == 2
    assert capsys.readouterr().err.count("\n") == 1 and not (tmp_path / "prompts").exists()


@pytest.mark.parametrize("form", ["", "review"])
def test_pages_that_are_there_are_named(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = ["--set", "embedded.model=null", "--set", f"export.forms=[{form}]"]
    assert main(["annotate", "world:3:4@128", "--out", str(tmp_path), *settings]) == 0
    said = capsys.readouterr().out
    assert "summary.html" in said and ("review.html" in said) == bool(form)


def test_times_and_provenance_are_kept(tmp_path: Path) -> None:
    run("world:3:4@128", tmp_path, recipe(seed=5))
    (path,) = (tmp_path / "records").rglob("*.json")
    finished = Finished.model_validate_json(path.read_text())
    assert set(finished.times["seconds"]) >= {"load", "proposals", "tree", "label", "compose"}
    provenance = samples(tmp_path)[0].meta["annotation"]
    assert provenance["seed"] == 5 and provenance["proposals"] == "given" and provenance["mglmm"]
    assert set(provenance["by"].values()) == {"given"}


def test_poisoned_picture_goes_to_quarantine(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (photos / "b.jpg").write_bytes(b"no picture at all")
    out = tmp_path / "out"
    arguments = ["annotate", str(photos), "--out", str(out), "--set", "embedded.model=null", "--set", "export.forms=[]"]
    assert main(arguments) == 0
    assert "1 picture in quarantine" in capsys.readouterr().err
    (line,) = (out / "quarantine.jsonl").read_text().splitlines()
    said = json.loads(line)
    assert (said["id"], said["stage"]) == ("b", "prepare") and "not a picture" in said["reason"]
    assert [s.id for s in samples(out)] == ["a", "more__c"]
    # mended, it stays out until asked for
    Image.new("RGB", (40, 40), (200, 30, 30)).save(photos / "b.jpg")
    assert main(arguments) == 0 and len(samples(out)) == 2
    assert main([*arguments, "--retry"]) == 0 and len(samples(out)) == 3


def test_process_that_dies_costs_one_picture(photos: Path, tmp_path: Path) -> None:
    """A picture that kills the process that works on it is found among those under way, and alone left out."""
    script = tmp_path / "deadly.py"
    script.write_text(
        "import os, sys\n"
        "from pathlib import Path\n"
        "from mglmm.annotate import sources\n"
        "from mglmm.annotate.recipe import AnnotateRecipe\n"
        "from mglmm.annotate.run import run\n"
        "class Deadly(sources.Pictures):\n"
        "    def load(self, index):\n"
        "        if self.ids[index] == 'b':\n"
        "            os._exit(9)\n"
        "        return super().load(index)\n"
        "sources.Pictures = Deadly\n"
        "if __name__ == '__main__':\n"
        "    options = {'embedded': {'model': None}, 'workers': 1, 'export': {'forms': ()}}\n"
        "    recipe = AnnotateRecipe.model_validate(options)\n"
        "    run(sys.argv[1], Path(sys.argv[2]), recipe)\n"
    )
    subprocess.run([sys.executable, script, photos, tmp_path / "out"], check=True, timeout=120)
    assert [s.id for s in samples(tmp_path / "out")] == ["a", "more__c"]
    assert "died" in (tmp_path / "out" / "quarantine.jsonl").read_text()


@pytest.mark.parametrize(
    ("images", "options", "said"),
    [
        ("nowhere", [], "nowhere: no such picture, folder, or file of samples"),
        ("world:5:5", [], "no seeds"),
        ("empty", [], "the folder holds no picture"),
        ("world:3:4", ["label=vlm"], "there is no endpoint 'vlm'"),
        ("world:3:4", ["tre.max_depth=3"], "unknown key 'tre'.*valid keys are: compose"),
        ("world:3:4", ["proposals.kind=label-map"], "proposals.label_maps"),
        ("world:3:4", ["prompts=nowhere"], "prompts: nowhere: no such folder"),
        ("world:3:4@7", [], "pictures of 7 pixels; give at least 8"),
        ("world:3:4", ["rules.unsafe_words=nowhere"], "rules.unsafe_words: nowhere: cannot be read"),
        (
            "world:3:4",
            ["endpoints.v={base_url: 'localhost:8000/v1', model: m}"],
            "base_url.* write it in full, as in http",
        ),
    ],
)
def test_mistakes_are_one_line(
    images: str, options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    settings = [text for option in options for text in ("--set", option)]
    assert main(["annotate", images, "--out", "out", *settings]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(said, error), error


@pytest.mark.parametrize(
    ("text", "said"),
    [("{{ nobody }}", "no value 'nobody'; there are box, whole"), ("{% if", "is no template"), (b"\xff", "be read")],
)
def test_unusable_prompts_are_told_before_the_first_picture(tmp_path: Path, text: str | bytes, said: str) -> None:
    (tmp_path / "describe.md").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=rf"describe\.md: .*{said}"):
        run("world:3:4@128", tmp_path / "out", recipe(prompts=str(tmp_path)))
    assert not (tmp_path / "out").exists()


def test_pictures_that_all_fail_alike_end_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They stay in quarantine: the next run goes on behind them, and `retry` does them too."""
    monkeypatch.setattr("mglmm.annotate.stages.propose", lambda *_: 1 / 0)
    with pytest.raises(UserError, match=r"ZeroDivisionError: .*3 pictures in a row .*give_up_after.*; 0 of 9 pictures"):
        run("world:3:12@128", tmp_path, recipe(give_up_after=3))
    assert (tmp_path / "quarantine.jsonl").read_text().count("ZeroDivisionError") == 3
    monkeypatch.undo()
    assert run("world:3:12@128", tmp_path, recipe(give_up_after=3)).finished == 6
    assert run("world:3:12@128", tmp_path, recipe(give_up_after=3), retry=True).finished == 9


def test_broken_pictures_fail_alike_though_each_names_its_file(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / f"{number}.jpg").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"[3-9] pictures in a row .*give_up_after"):
        run(str(tmp_path), tmp_path / "out", recipe(give_up_after=3))


def test_script_without_a_guard_is_told(tmp_path: Path) -> None:
    """Its processes begin by running the script again: one line, and no picture is lost to quarantine."""
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from mglmm.annotate.recipe import AnnotateRecipe\n"
        "from mglmm.annotate.run import run\n"
        "options = {'embedded': {'model': None}, 'workers': 1, 'export': {'forms': ()}}\n"
        "run('world:3:5@128', Path('out'), AnnotateRecipe.model_validate(options))\n"
    )
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (
        done.returncode == 1 and "UserError: the processes that work on the pictures die as they start" in done.stderr
    )
    assert not (tmp_path / "out" / "quarantine").exists()


def test_pictures_of_like_names_are_kept_apart(tmp_path: Path) -> None:
    """Ids and files that end alike: every form has a name for each."""
    found = []
    for folder, seed in (("train", 3), ("val", 4)):
        image, sample = world_sample(seed, 128)
        (tmp_path / folder).mkdir()
        image.save(tmp_path / folder / "1.png")
        found.append(sample.model_copy(update={"id": f"set/{folder}/1", "image": f"{folder}/1.png"}))
    write_jsonl(tmp_path / "in.jsonl", found)
    out = tmp_path / "out"
    run(str(tmp_path / "in.jsonl"), out, recipe(export={"forms": FORMS}))
    assert (out / "mgsc" / "train.txt").read_text().split() == ["set%2Ftrain%2F1.json", "set%2Fval%2F1.json"]
    nodes = [json.loads(path.read_text())[0] for path in sorted((out / "mgsc" / "annotations").iterdir())]
    assert [node["file_name"] for node in nodes] == ["train/1.png", "val/1.png"]
    truth = json.loads((out / "evaluation" / "all_mgsc_caption_gt.json").read_text())
    names = [image["id"] for image in truth["images"]]
    assert len(set(names)) == len(names) == sum(len(s.turns) for s in samples(out))


def test_kills_leave_no_trace(tmp_path: Path) -> None:
    _kill_and_compare(tmp_path, num_pictures=6, num_kills=1)


@pytest.mark.slow
def test_many_kills_leave_no_trace(tmp_path: Path) -> None:
    _kill_and_compare(tmp_path, num_pictures=60, num_kills=20)


def _kill_and_compare(folder: Path, num_pictures: int, num_kills: int) -> None:
    """Kill a run at random moments, all its processes at once; what comes out equals an undisturbed run's."""
    images = f"world:40:{40 + num_pictures}@192"
    settings = ["embedded.model=null", "workers=1", "export.forms=[mgsc, evaluation, parquet]", "tree.max_depth=3"]
    options = [text for value in settings for text in ("--set", value)]

    def command(out: str) -> list[str]:
        return [sys.executable, "-m", "mglmm.cli", "annotate", images, "--out", str(folder / out), *options]

    start = time.monotonic()
    subprocess.run(command("calm"), check=True, capture_output=True)
    whole = time.monotonic() - start
    rng = random.Random(0)
    progress = []
    for _ in range(num_kills):
        process = subprocess.Popen(
            command("rough"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        # the first third of the time goes into starting Python
        time.sleep(rng.uniform(0.3, 1.0) * whole)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        progress.append(len(list((folder / "rough" / "records").rglob("*.json"))))
    assert progress == sorted(progress)
    subprocess.run(command("rough"), check=True, capture_output=True)
    assert files(folder / "rough") == files(folder / "calm")
    names = [s.id for s in samples(folder / "rough")]
    assert len(set(names)) == len(names) == num_pictures


def test_ray_gives_what_one_process_gives(photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    (photos / "b.jpg").write_bytes(b"no picture at all")
    run(str(photos), tmp_path / "one", recipe())
    run(str(photos), tmp_path / "two", recipe(workers=1), engine="ray")
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert "not a picture" in (tmp_path / "two" / "quarantine.jsonl").read_text()


def test_interrupted_in_one_line(tmp_path: Path) -> None:
    """Ctrl-C reaches all processes of the terminal at once."""
    command = [sys.executable, "-m", "mglmm.cli", "annotate", "world:0:5000@128", "--out", str(tmp_path / "out")]
    options = ["--set", "embedded.model=null", "--set", "workers=1"]
    process = subprocess.Popen(
        command + options, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True
    )
    while not list((tmp_path / "out" / "records").rglob("*.json")):
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "mglmm: interrupted\n")


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="processes are found in /proc")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_no_process_outlives_the_one_that_was_ended(tmp_path: Path, number: int, code: int) -> None:
    command = [sys.executable, "-m", "mglmm.cli", "annotate", "world:0:5000@128", "--out", str(tmp_path / "out")]
    options = ["--set", "embedded.model=null", "--set", "workers=2"]
    process = subprocess.Popen(
        command + options, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
    )
    while not list((tmp_path / "out" / "records").rglob("*.json")):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    assert process.wait(timeout=60) == code
    deadline = time.monotonic() + 20
    while _group_lives(process.pid):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _group_lives(group: int) -> bool:
    """Whether a process of the group runs; one that has ended and waits for its parent does not."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[2]) == group and fields[0] != "Z":
                return True
    return False
