"""The command: what it prints and writes, and that every mistake is one line on stderr and exit code 2."""

import io
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mglmm import arguments, cli
from mglmm.cli import main
from mglmm.eval.samples import Inputs
from mglmm.eval.scorers import Measures
from mglmm.schema import Prediction, Sample, UserError, read_jsonl


@pytest.fixture
def photo(tmp_path: Path, picture: Image.Image) -> Path:
    path = tmp_path / "photo.png"
    picture.save(path)
    return path


@pytest.fixture
def tiny(tiny_model_dir: Path) -> list[str]:
    """Options that choose the tiny model."""
    return ["--model", str(tiny_model_dir), "--max-new-tokens", "12"]


def test_a_port_in_use_leaves_no_socket_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, make = [], socket.socket

    def _socket(*given: Any, **options: Any) -> socket.socket:
        opened.append(make(*given, **options))
        return opened[-1]

    with arguments.bind("127.0.0.1", 0) as taken:
        taken.listen()
        monkeypatch.setattr(socket, "socket", _socket)
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=rf"^cannot listen at 127.0.0.1, port {port} \(Address already in use\)"):
            arguments.bind("127.0.0.1", port)
    assert [one.fileno() for one in opened] == [-1]


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What the command says about a mistake."""
    assert main([str(a) for a in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("mglmm: ")
    assert captured.err.count("\n") == 1
    return captured.err


def test_help_needs_no_torch() -> None:
    program = (
        "import sys; from mglmm.cli import main\n"
        "try: main(['ask', '--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'transformers', 'cv2') if m in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "INSTRUCTION" in output
    assert output.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("command", "library", "line"),
    [
        (["train", "recipe.yaml"], "peft", "training needs peft: pip install 'mglmm[train]'"),
        (["serve"], "uvicorn", "the server needs uvicorn: pip install 'mglmm[serve]'"),
    ],
)
def test_a_missing_extra_is_one_line(
    command: list[str], library: str, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(arguments, "find_spec", lambda name: None if name == library else name)
    assert refused(capsys, *command) == f"mglmm: {line}\n"


@pytest.mark.parametrize("command", [[], ["ask"], ["chat"], ["world", "render"], ["train"], ["eval"]])
def test_help_of_every_command(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*command, "--help"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("usage: mglmm")


def test_ask_prints_the_answer(photo: Path, tiny: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", str(photo), "Segment the disc.", *tiny]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].strip()
    assert len(lines) == 4  # the answer and its three masks
    assert "% of the picture, box" in lines[1]


def test_ask_json_alone_on_stdout(photo: Path, tiny: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", str(photo), "Segment the disc.", "--json", "-", *tiny]) == 0
    prediction = Prediction.model_validate_json(capsys.readouterr().out)
    assert prediction.sample_id == "photo.png"
    assert prediction.segments[0].mask.shape == (40, 60)


def test_ask_writes_files(photo: Path, tiny: list[str], tmp_path: Path) -> None:
    json_path, overlay_path = tmp_path / "answer.json", tmp_path / "overlay.jpg"
    assert main(["ask", str(photo), "What?", "--json", str(json_path), "--save", str(overlay_path), *tiny]) == 0
    assert Prediction.model_validate_json(json_path.read_text()).instruction == "What?"
    assert Image.open(overlay_path).size == (660, 440)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["answer.json", "overlay.jpg", "photo.png"]


@pytest.mark.parametrize("mode", ["P", "CMYK", "I;16", "RGBA", "turned"])
def test_ask_about_unusual_pictures(
    mode: str, photo: Path, tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, path = Image.open(photo), tmp_path / "unusual.tiff"
    if mode == "I;16":
        Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257).save(path)
    elif mode == "turned":
        exif = Image.Exif()
        exif[0x0112] = 8
        picture.transpose(Image.Transpose.ROTATE_270).save(path, exif=exif)
    else:
        picture.convert(mode).save(path)
    assert main(["ask", str(path), "Segment the disc.", "--json", "-", *tiny]) == 0
    prediction = Prediction.model_validate_json(capsys.readouterr().out)
    assert prediction.size == (40, 60)
    assert prediction.segments[0].mask.shape == (40, 60)


def test_mistakes_with_the_picture(photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such file" in refused(capsys, "ask", tmp_path / "missing.png", "What?")
    assert "is a folder" in refused(capsys, "ask", tmp_path, "What?")
    (tmp_path / "text.png").write_text("no picture")
    assert "not a picture" in refused(capsys, "ask", tmp_path / "text.png", "What?")
    Image.effect_noise((64, 64), 90).save(tmp_path / "cut.jpg")
    content = (tmp_path / "cut.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(content[: len(content) // 2])
    assert "damaged" in refused(capsys, "ask", tmp_path / "cut.jpg", "What?")
    bitmap = io.BytesIO()
    Image.new("1", (1, 1)).save(bitmap, "BMP")
    header = bitmap.getvalue()
    (tmp_path / "bomb.bmp").write_bytes(header[:18] + (60_000).to_bytes(4, "little") * 2 + header[26:])
    assert "limit" in refused(capsys, "ask", tmp_path / "bomb.bmp", "What?")
    assert "no such file" in refused(capsys, "chat", tmp_path / "missing.png")


def test_mistakes_are_found_before_the_model_is_loaded(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "_predictor", lambda options: pytest.fail("the model was loaded"))
    assert "is empty" in refused(capsys, "ask", photo, "  ")
    assert "does not exist" in refused(capsys, "ask", photo, "What?", "--save", tmp_path / "no" / "x.png")
    assert "is a folder" in refused(capsys, "ask", photo, "What?", "--json", tmp_path)
    assert "ending" in refused(capsys, "ask", photo, "What?", "--save", tmp_path / "x.docx")
    assert "does not exist" in refused(capsys, "ask", photo, "What?", "--json", photo / "x.json")
    assert "whole number above 0" in refused(capsys, "ask", photo, "What?", "--max-new-tokens", "0")


def test_mistakes_with_model_and_device(photo: Path, tiny: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such folder" in refused(capsys, "ask", photo, "What?", "--model", "defualt")
    assert "device gpu7" in refused(capsys, "ask", photo, "What?", *tiny, "--device", "gpu7")
    assert "<image>" in refused(capsys, "ask", photo, "an <image>", *tiny)


def test_mistakes_with_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert "COMMAND" in refused(capsys)
    assert "'draw'" in refused(capsys, "draw")
    assert "IMAGE, INSTRUCTION" in refused(capsys, "ask")
    assert "--colour" in refused(capsys, "ask", "a", "b", "--colour")
    assert "is no range" in refused(capsys, "world", "render", "--seeds", "5:5", "--out", "x")
    assert "world-mgsc" in refused(capsys, "eval", "world-nothing")
    assert "no.yaml" in refused(capsys, "train", "no.yaml")


def test_what_is_no_name_of_a_host() -> None:
    with pytest.raises(UserError, match=r"cannot listen at foo\.\.bar, port 8000 \(this is no name of a host\)"):
        arguments.check_port("foo..bar", 8000)


def test_a_result_is_shown_before_it_is_written(
    photo: Path, tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise UserError(f"{path}: cannot be written (No space left on device)")

    monkeypatch.setattr(cli, "_write_text", full)
    assert main(["ask", str(photo), "What?", "--json", str(tmp_path / "answer.json"), *tiny]) == 2
    captured = capsys.readouterr()
    assert "box" in captured.out
    assert captured.err == f"mglmm: {tmp_path / 'answer.json'}: cannot be written (No space left on device)\n"


@pytest.mark.parametrize(
    ("interrupt", "line"),
    [(KeyboardInterrupt(), "interrupted"), (KeyboardInterrupt("stopped; saved"), "stopped; saved")],
)
def test_interrupt(
    interrupt: BaseException,
    line: str,
    photo: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def press(options: object) -> None:
        raise interrupt

    monkeypatch.setattr(cli, "_predictor", press)
    assert main(["ask", str(photo), "What?"]) == 130
    assert capsys.readouterr().err == f"mglmm: {line}\n"


def test_chat(
    photo: Path, tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    overlay = tmp_path / "overlay.png"
    lines = [
        "/save early.png",
        "Segment the disc.",
        "",
        "/save",
        f"/save {overlay}",
        "an <image>",
        "And now?",
        "/quit",
        "x",
    ]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
    assert main(["chat", str(photo), *tiny]) == 0
    captured = capsys.readouterr()
    assert captured.out.count("box") == 6  # two answers of three masks
    assert [line.split(":")[0] for line in captured.err.splitlines()] == ["mglmm"] * 3
    assert "nothing has been answered yet" in captured.err
    assert overlay.exists()


def test_chat_ends_with_its_input(
    photo: Path, tiny: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("Segment the disc."))
    assert main(["chat", str(photo), *tiny]) == 0
    assert "box" in capsys.readouterr().out


def test_world_render(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["world", "render", "--size", "64", "--out", str(tmp_path / "world")]
    assert main([*arguments, "--seeds", "0:3"]) == 0
    samples = list(read_jsonl(tmp_path / "world" / "samples.jsonl", Sample))
    assert [s.meta["seed"] for s in samples] == [0, 1, 2]
    for sample in samples:
        assert Image.open(tmp_path / "world" / sample.image).size == sample.size[::-1]
    capsys.readouterr()


def test_eval_hands_everything_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, object] = {}
    scores = {"mean_iou": {"value": 0.5, "interval": [0.4, 0.6]}, "recall": {"value": None, "interval": [None, None]}}
    groups = {"all": {"num_questions": 7, "official": scores, "corrected": {}, "failures": []}}

    def fake(name: str, **options: object) -> dict[str, object]:
        given.update(options, name=name)
        return {"benchmark": name, "groups": groups}

    monkeypatch.setattr("mglmm.eval.run.run_benchmark", fake)
    arguments = ["eval", "world-refer", "--seeds", "5:9", "--limit", "3", "--batch-size", "2", "--model", "m"]
    arguments += ["--no-target-pixels", "50", "--max-new-tokens", "9"]
    assert main([*arguments, "--out", str(tmp_path)]) == 0
    measures = given.pop("measures")
    assert isinstance(measures, Measures)
    assert (measures.similarity.name, measures.captions, measures.no_target_pixels) == ("lexical", None, 50)
    assert given == {
        "name": "world-refer",
        "model": "m",
        "out": tmp_path,
        "inputs": Inputs((5, 9)),
        "limit": 3,
        "loading": dict.fromkeys(("device", "dtype", "quantize", "attention", "adapter")) | {"compiled": False},
        "batch_size": 2,
        "max_new_tokens": 9,
    }
    output = capsys.readouterr().out
    assert "mean_iou" in output
    assert "0.500" in output
    assert str(tmp_path / "report.html") in output


def test_train_hands_everything_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[object] = []

    def fake(recipe: Path, overrides: list[str]) -> Path:
        given.extend([recipe, overrides])
        return tmp_path / "model"

    monkeypatch.setattr("mglmm.train.train", fake)
    assert main(["train", "recipe.yaml", "seed=3", "trainer.max_steps=5"]) == 0
    assert given == [Path("recipe.yaml"), ["seed=3", "trainer.max_steps=5"]]
    assert json.dumps(capsys.readouterr().out) == json.dumps(f"{tmp_path / 'model'}\n")
