"""The predictor: right types and sizes, batched = one by one, chat = its own history, errors in plain words."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import mglmm
from mglmm import grounding, predict
from mglmm.predict import Predictor, load
from mglmm.schema import Prediction, UserError
from mglmm.world.samples import world_sample

SHORT = 12
"""Tokens: enough for three masked phrases of the tiny model."""


@pytest.fixture(scope="module")
def predictor(tiny_model_dir: Path) -> Predictor:
    return load(tiny_model_dir)


@pytest.fixture
def num_encoded(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures each run of the grounding encoder saw."""
    counts: list[int] = []
    encode = predictor.model.encode_grounding

    def counted(pixels: torch.Tensor) -> object:
        counts.append(len(pixels))
        return encode(pixels)

    monkeypatch.setattr(predictor.model, "encode_grounding", counted)
    return counts


def noise(seed: int, size_wh: tuple[int, int]) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (size_wh[1], size_wh[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def same(a: Prediction, b: Prediction) -> bool:
    """The same but for the last digits of the scores, which batching moves."""
    scores = [(s.score, t.score) for s, t in zip(a.segments, b.segments, strict=True)]
    bare = [
        p.model_copy(update={"segments": tuple(s.model_copy(update={"score": 0}) for s in p.segments)}) for p in (a, b)
    ]
    return bare[0] == bare[1] and all(x == pytest.approx(y, abs=1e-4) for x, y in scores)


def test_answer_and_masks(predictor: Predictor, picture: Image.Image) -> None:
    answer = predictor.ask(picture, "Segment the disc.", max_new_tokens=SHORT)
    assert answer.size == (40, 60)
    assert answer.instruction == "Segment the disc."
    assert answer.num_invalid == 0
    assert len(answer.segments) == 3
    assert [s.id for s in answer.segments] == list(answer.answer.segment_ids)
    assert [s.label for s in answer.segments] == list(answer.answer.phrases)
    for segment in answer.segments:
        assert segment.mask.shape == (40, 60)
        assert segment.score is not None
        assert 0 <= segment.score <= 1


def test_json_leaves_the_picture_out_and_reads_back(predictor: Predictor, picture: Image.Image) -> None:
    answer = predictor.ask(picture, "Segment the disc.", max_new_tokens=SHORT)
    again = Prediction.model_validate_json(answer.to_json())
    assert again.segments == answer.segments
    assert "\n" not in answer.to_json()


def test_files_arrays_and_exif(predictor: Predictor, picture: Image.Image, tmp_path: Path) -> None:
    direct = predictor.ask(picture, "What is it?", max_new_tokens=SHORT)
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    turned = predictor.ask(tmp_path / "turned.png", "What is it?", max_new_tokens=SHORT)
    assert turned.sample_id == "turned.png"
    assert turned.size == (40, 60)
    assert turned.segments == direct.segments
    assert predictor.ask(np.asarray(picture), "What is it?", max_new_tokens=SHORT).segments == direct.segments


def test_a_batch_equals_one_by_one(predictor: Predictor) -> None:
    pictures = [noise(seed, size) for seed, size in enumerate([(60, 40), (30, 90), (64, 64)])]
    questions = [
        (pictures[0], "What?"),
        (pictures[1], "Segment the red car on the road."),
        (pictures[2], "Hello, you."),
    ]
    questions.append((pictures[0], "And the dog?"))
    batch = predictor.ask_many(questions, max_new_tokens=SHORT)
    assert [a.size for a in batch] == [(40, 60), (90, 30), (64, 64), (40, 60)]
    for together, (picture, instruction) in zip(batch, questions, strict=True):
        assert same(together, predictor.ask(picture, instruction, max_new_tokens=SHORT))
    in_parts = predictor.ask_many(questions, batch_size=3, max_new_tokens=SHORT)
    assert all(same(a, b) for a, b in zip(batch, in_parts, strict=True))
    assert predictor.ask_many([]) == []


def test_pictures_that_are_made_when_they_are_asked_for(predictor: Predictor) -> None:
    class Lazy(Sequence[tuple[Image.Image, str]]):
        def __len__(self) -> int:
            return 4

        def __getitem__(self, index: int) -> tuple[Image.Image, str]:  # type: ignore[override]
            if index >= len(self):
                raise IndexError
            return noise(index, (30, 20)), "What?"

    answers = predictor.ask_many(Lazy(), batch_size=2, max_new_tokens=SHORT)
    assert all(
        same(a, predictor.ask(*question, max_new_tokens=SHORT)) for a, question in zip(answers, Lazy(), strict=True)
    )


def test_a_shared_picture_is_encoded_once(predictor: Predictor, num_encoded: list[int]) -> None:
    first, second = noise(0, (20, 20)), noise(1, (20, 20))
    predictor.ask_many([(first, "a"), (second, "b"), (first, "c")], max_new_tokens=SHORT)
    assert num_encoded == [2]


def test_no_mask_no_encoder(predictor: Predictor, picture: Image.Image, num_encoded: list[int]) -> None:
    assert predictor.ask(picture, "a", max_new_tokens=1).segments == ()  # no room for a phrase
    assert num_encoded == []


def test_chat_encodes_once_and_knows_what_was_said(
    predictor: Predictor, picture: Image.Image, num_encoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    conversation_ids = predictor.processor.conversation_ids

    def recorded(turns: list[tuple[str, str | None]], **options: str) -> object:
        asked.append(turns)
        return conversation_ids(turns, **options)

    monkeypatch.setattr(predictor.processor, "conversation_ids", recorded)
    chat = predictor.chat(picture)
    first = chat.ask("Segment the disc.", max_new_tokens=SHORT)
    second = chat.ask("And the ground?", max_new_tokens=SHORT)
    assert same(first, predictor.ask(picture, "Segment the disc.", max_new_tokens=SHORT))
    assert asked[1] == [("Segment the disc.", grounding.render(first.answer)), ("And the ground?", None)]
    assert (first.turn_index, second.turn_index) == (0, 1)
    assert chat.turns == [first, second]
    assert num_encoded == [1, 1]  # the chat, and the single question beside it


def test_a_refused_instruction_leaves_the_chat_as_it_was(predictor: Predictor, picture: Image.Image) -> None:
    chat = predictor.chat(picture)
    with pytest.raises(UserError):
        chat.ask("word " * 600)
    assert chat.turns == []
    assert chat.ask("Hello.", max_new_tokens=SHORT).segments


@pytest.mark.parametrize(
    ("instruction", "message"),
    [
        ("", "is empty"),
        (" \n ", "is empty"),
        ("what \udcff is", "is no Unicode text; give it in UTF-8"),
        ("word " * 600, "no room for an answer"),
        ("an <image> in it", "<image>"),
        ("where is [SEG]?", r"\[SEG\]"),
        ("stop</s>", "</s>"),
    ],
)
def test_refused_instructions(predictor: Predictor, picture: Image.Image, instruction: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        predictor.ask(picture, instruction)


def test_refused_length(predictor: Predictor, picture: Image.Image) -> None:
    with pytest.raises(UserError, match="batch_size is 0"):
        predictor.ask_many([(picture, "What?")], batch_size=0)
    with pytest.raises(UserError, match="max_new_tokens is 0"):
        predictor.ask(picture, "Hello.", max_new_tokens=0)


def test_save(predictor: Predictor, picture: Image.Image, tmp_path: Path) -> None:
    answer = predictor.ask(picture, "Segment the disc.", max_new_tokens=SHORT)
    answer.save(tmp_path / "small.png")
    assert Image.open(tmp_path / "small.png").size == (660, 440)  # enlarged until the labels can be read
    large = predictor.ask(picture.resize((700, 500)), "Segment the disc.", max_new_tokens=SHORT)
    large.save(str(tmp_path / "large.jpg"))
    assert Image.open(tmp_path / "large.jpg").size == (700, 500)
    with pytest.raises(UserError, match="ending"):
        answer.save(tmp_path / "overlay.docx")
    with pytest.raises(UserError, match="cannot be written"):
        answer.save(tmp_path / "missing" / "overlay.png")


def test_load_from_the_package_namespace(tiny_model_dir: Path) -> None:
    assert mglmm.load is predict.load
    with pytest.raises(AttributeError, match="no attribute"):
        _ = mglmm.nothing


def test_a_model_with_channels_last_saves_as_it_was(tiny_model_dir: Path, tmp_path: Path) -> None:
    model = load(tiny_model_dir, device="cpu").model
    strided = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d) and not m.weight.is_contiguous()]
    assert strided
    model.save_pretrained(tmp_path)
    saved, before = load_file(tmp_path / "model.safetensors"), load_file(tiny_model_dir / "model.safetensors")
    assert saved.keys() == before.keys()
    assert all(torch.equal(saved[name], before[name]) for name in before)


def test_load_takes_a_precision(tiny_model_dir: Path, picture: Image.Image) -> None:
    half = load(str(tiny_model_dir), device="cpu", dtype=torch.bfloat16)
    assert half.model.dtype == torch.bfloat16
    assert half.ask(picture, "Segment the disc.", max_new_tokens=SHORT).segments


def refused(name: str | Path, **options: object) -> str:
    with pytest.raises(UserError) as caught:
        load(name, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_unknown_models(tmp_path: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "no such folder" in refused("defualt")
    assert "no such folder" in refused("./some/where")
    assert "no such folder" in refused("nobody/has-this-model")
    assert "no config.json" in refused(tmp_path)
    for file in tiny_model_dir.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    assert "cannot be loaded" in refused(tmp_path)  # no weights
    (tmp_path / "model.safetensors").write_bytes(b"no weights at all")
    assert "cannot be loaded" in refused(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    assert "cannot be loaded" in refused(tmp_path)


def test_unknown_devices(tiny_model_dir: Path) -> None:
    assert "device gpu7" in refused(tiny_model_dir, device="gpu7")
    if not torch.cuda.is_available():
        assert "device cuda" in refused(tiny_model_dir, device="cuda")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_equals_cpu(tiny_model_dir: Path, predictor: Predictor, picture: Image.Image) -> None:
    on_gpu = load(tiny_model_dir, device="cuda", dtype=torch.float32).ask(picture, "Hello.", max_new_tokens=SHORT)
    on_cpu = predictor.ask(picture, "Hello.", max_new_tokens=SHORT)
    assert on_gpu.answer == on_cpu.answer
    for a, b in zip(on_gpu.segments, on_cpu.segments, strict=True):
        assert (a.mask != b.mask).mean() < 0.01  # logits near zero may fall to either side


@pytest.mark.slow
def test_a_compiled_predictor_gives_the_same_answers() -> None:
    plain, compiled = load(), load(compiled=True)
    assert compiled.model.decoder_of_one_token is not compiled.model.lmm.get_decoder()
    questions = [(world_sample(seed, 192)[0], "Describe the picture in detail, with masks.") for seed in range(3)]
    for one, other in zip(plain.ask_many(questions), compiled.ask_many(questions), strict=True):
        assert one.answer == other.answer and one.segments
        pairs = zip(one.segments, other.segments, strict=True)
        assert all((a.mask != b.mask).mean() < 1e-3 for a, b in pairs)  # logits near zero may fall to either side
