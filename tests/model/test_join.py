"""`mglmm build`: any language model that sees joined with any SAM, on tiny checkpoints of every family.

The libraries' own models and processors are the oracle: until `[SEG]` is trained, a joined model must say and see what
its two halves do.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForImageTextToText,
    AutoModelForMaskGeneration,
    AutoProcessor,
    BertConfig,
    BertModel,
    EdgeTamVideoConfig,
    EdgeTamVideoModel,
    GenerationConfig,
    Sam2VideoConfig,
    Sam2VideoModel,
    Sam3VideoConfig,
)

from mglmm import grounding
from mglmm.cli import main
from mglmm.data.collate import Collator
from mglmm.model import MGLMMForConditionalGeneration, MGLMMProcessor, sam
from mglmm.model.conversation import IGNORED, MARKUP
from mglmm.model.join import build
from mglmm.predict import Predictor, load
from mglmm.schema import UserError
from tests.model import backbones, whole
from tests.model.test_modeling import item, picture

PAIRS = [
    ("llava", "sam"),
    ("llava_next", "sam_hq"),
    ("llava_onevision", "sam3_tracker"),
    ("qwen2_5_vl", "edgetam"),
    ("qwen3_vl", "sam2"),
    ("internvl", "sam"),
    ("smolvlm", "edgetam"),
    ("idefics3", "sam2"),
]
"""Every family of both sides."""

SAM_PARTS = ("vision_config", "prompt_encoder_config", "mask_decoder_config")

FLOAT32 = {"atol": 1e-5, "rtol": 1e-4}
"""Two orders of the same float32 sums (other batch shapes choose other kernels) differ by about 1e-6 here."""

IMAGES = [(0, (48, 80)), (1, (90, 30)), (2, (64, 64))]
"""Seed and size: wide, high and square, so that tiles and tokens differ in number."""

INSTRUCTIONS = ["Segment the car", "Say", "a man wears a blue hat"]


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny checkpoint of a family."""
    root = tmp_path_factory.mktemp("sources")

    def made(name: str) -> Path:
        return root / name if (root / name).exists() else backbones.save(name, root / name)

    return made


@pytest.fixture(scope="session")
def joined(
    tmp_path_factory: pytest.TempPathFactory, source: Callable[[str], Path]
) -> Callable[[tuple[str, str]], Path]:
    """The folder of a joined pair."""
    root = tmp_path_factory.mktemp("joined")

    def made(pair: tuple[str, str]) -> Path:
        folder = root / "-".join(pair)
        return folder if folder.exists() else build(str(source(pair[0])), str(source(pair[1])), folder)

    return made


@pytest.fixture(params=PAIRS, ids="-".join)
def pair(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param


@pytest.fixture
def predictor(pair: tuple[str, str], joined: Callable[[tuple[str, str]], Path]) -> Predictor:
    return load(joined(pair), device="cpu")


def pictures() -> list[Image.Image]:
    return [picture(seed, size) for seed, size in IMAGES]


def library_inputs(folder: Path, images: list[Image.Image], instructions: list[str]) -> dict[str, torch.Tensor]:
    """What the family's own processor makes of a batch, left-padded."""
    processor = AutoProcessor.from_pretrained(folder)
    processor.tokenizer.padding_side = "left"
    texts = [
        processor.apply_chat_template(
            [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}],
            add_generation_prompt=True,
            tokenize=False,
        )
        for text in instructions
    ]
    return processor(images=[[image] for image in images], text=texts, padding=True, return_tensors="pt")


def test_prompts_and_logits_are_those_of_the_language_model_itself(pair, source, predictor) -> None:
    model, processor = predictor.model, predictor.processor
    ours = processor.prompt(pictures(), [[(text, None)] for text in INSTRUCTIONS])
    theirs = library_inputs(source(pair[0]), pictures(), INSTRUCTIONS)
    for name in theirs.keys() & ours.keys():
        assert torch.equal(ours[name], theirs[name]), name
    assert {"input_ids", "pixel_values", *model.family.image_inputs} <= theirs.keys() & ours.keys()
    plain = AutoModelForImageTextToText.from_pretrained(source(pair[0])).eval()
    with torch.no_grad():
        found, expected = model(**ours).logits, plain(**theirs).logits
    keep, known = ours["attention_mask"].bool(), min(found.shape[-1], expected.shape[-1])
    new = processor.tokenizer.convert_tokens_to_ids(list(MARKUP))
    rows = [i for i in range(known) if i not in new]
    torch.testing.assert_close(found[keep][:, rows], expected[keep][:, rows], **FLOAT32)


def test_masks_are_those_of_the_mask_model_itself(pair, source, predictor) -> None:
    """On a point, with the same images (of SAM 2 and its kin, the first mask: see `join.image_config`)."""
    own = predictor.model.sam
    plain = AutoModelForMaskGeneration.from_pretrained(source(pair[1])).eval()
    if hasattr(plain.mask_decoder, "dynamic_multimask_via_stability"):
        plain.mask_decoder.dynamic_multimask_via_stability = False
    pixels = AutoProcessor.from_pretrained(source(pair[1])).image_processor(pictures()[:2], return_tensors="pt")
    ours = predictor.processor.grounding_pixels(pictures()[:2])
    assert torch.equal(ours, pixels["pixel_values"])
    points = torch.tensor([[[[20.0, 30.0]]], [[[50.0, 10.0]]]])
    labels = torch.ones(2, 1, 1, dtype=torch.int)
    with torch.no_grad():
        expected = plain(pixel_values=ours, input_points=points, input_labels=labels, multimask_output=False)
        sparse, _ = own.prompt_encoder(points, labels, None, None)
        logits, scores = sam.decode(own, sam.encode(own, ours), torch.arange(2), sparse[:, 0], chunk=1)
    torch.testing.assert_close(logits, expected.pred_masks[:, 0, 0], **FLOAT32)
    torch.testing.assert_close(scores, expected.iou_scores[:, 0, 0], **FLOAT32)


def test_only_rows_of_new_tokens_and_the_projector_are_new(pair, source, predictor) -> None:
    """And a new row is the mean of those of the known tokens."""
    weights = predictor.model.state_dict()
    before = {
        f"lmm.{k}": v for k, v in AutoModelForImageTextToText.from_pretrained(source(pair[0])).state_dict().items()
    }
    before |= {
        f"sam.{k}": v for k, v in AutoModelForMaskGeneration.from_pretrained(source(pair[1])).state_dict().items()
    }
    known = len(AutoProcessor.from_pretrained(source(pair[0])).tokenizer)
    new = [name for name in weights if name not in before]
    assert {name.split(".")[0] for name in new} == {"seg_projector"}
    for name, value in weights.items():
        if name not in before:
            continue
        if name.endswith(("embed_tokens.weight", "lm_head.weight")):
            assert torch.equal(value[:known], before[name][:known])
            mean = before[name][:known].mean(0)
            torch.testing.assert_close(value[known : known + 3], mean.expand(3, -1), **FLOAT32)
        else:
            assert torch.equal(value, before[name]), name


def test_a_joined_model_is_a_folder_like_any_other(pair, joined, predictor) -> None:
    folder = joined(pair)
    model = AutoModelForImageTextToText.from_pretrained(folder).eval()
    processor = AutoProcessor.from_pretrained(folder)
    assert isinstance(model, MGLMMForConditionalGeneration) and isinstance(processor, MGLMMProcessor)
    batch, again = Collator(predictor.processor)([item(0, 2)]), Collator(processor)([item(0, 2)])
    assert batch.keys() == again.keys() and all(torch.equal(batch[k], again[k]) for k in batch)
    with torch.no_grad():
        assert torch.equal(model(**batch).loss, predictor.model(**batch).loss)
    assert f"| {pair[0]} |" in (folder / "README.md").read_text()


@pytest.mark.parametrize(
    "raw",
    [
        "Here is <p> the red car </p> [SEG].",
        "<p> a man </p> [SEG] [SEG] and a hat, <p> blue hat </p> [SEG] on it",
        "no cat",
    ],
)
def test_an_answer_survives_the_tokenizer_and_ends_once(predictor, raw) -> None:
    processor = predictor.processor
    ids, labels = processor.conversation_ids([("Segment", raw), ("And now?", raw), ("Say", None)], image_text="")
    end = processor.tokenizer.eos_token_id
    answers, answer = [], []
    for label in labels:
        if label != IGNORED:
            answer.append(label)
        elif answer:
            answers.append(answer)
            answer = []
    assert [processor.decode_answer(answer) for answer in answers] == [raw, raw]
    assert all(answer.index(end) == len(answer) - 1 for answer in answers)
    prompt, _ = processor.conversation_ids([("Segment", None)], image_text="")
    assert ids[: len(prompt)] == prompt and labels[len(prompt)] != IGNORED


def test_the_trained_tokens_are_the_answer_even_if_the_instruction_holds_it(predictor) -> None:
    processor, asked = predictor.processor, [("Are there two or three cars?", "two"), ("A red one?", "a red one")]
    ids, labels = processor.conversation_ids(asked, image_text="")
    trained = [token for token, label in zip(ids, labels, strict=True) if label != IGNORED]
    assert "".join(processor.tokenizer.decode(trained, skip_special_tokens=True).split()) == "twoaredone"


def test_training_reaches_every_part(predictor) -> None:
    model = predictor.model.train()
    output = model(**Collator(predictor.processor)([item(0, 2), item(1, 1)]))
    output.loss.backward()
    assert torch.isfinite(output.loss)
    for part in (
        *(f"lmm.{name}" for name in (model.family.vision_tower, *model.family.projector)),
        "sam.vision_encoder",
    ):
        gradients = [p.grad for p in model.get_submodule(part).parameters() if p.grad is not None]
        assert sum(float(gradient.abs().sum()) for gradient in gradients) > 0, part


def test_rows_that_share_an_image_equal_rows_that_own_it(predictor) -> None:
    model = predictor.model
    shared = model(**Collator(predictor.processor)([item(0, 2), item(1, 1)]))
    alone = []
    for seed, targets in ((0, 2), (1, 1)):
        whole = item(seed, targets)
        for conversation in whole.conversations:
            alone.append(model(**Collator(predictor.processor)([whole._replace(conversations=[conversation])])))
    torch.testing.assert_close(shared.mask_logits, torch.cat([one.mask_logits for one in alone]), **FLOAT32)


def talk(predictor: Predictor) -> None:
    """Make a model of random weights open phrases and close them after one token."""
    token_id = predictor.processor.tokenizer.convert_tokens_to_ids
    bias = [[[token_id(grounding.PHRASE_START)], 5.0], [[token_id(grounding.PHRASE_END)], 10.0]]
    predictor.model.generation_config.sequence_bias = bias


def test_a_batch_answers_as_one_by_one(predictor) -> None:
    """Ids equal; masks to 1e-4: batched matrix products round otherwise, over all layers of both models."""
    talk(predictor)
    model, processor = predictor.model, predictor.processor
    images = pictures()

    def answers(indices: list[int]) -> Any:
        shown = [images[i] for i in indices]
        return whole.answers(
            model,
            **processor.prompt(shown, [[(INSTRUCTIONS[i], None)] for i in indices]),
            grounding=lambda rows: model.encode_grounding(processor.grounding_pixels([shown[row] for row in rows])),
            max_new_tokens=12,
        )

    together = answers([0, 1, 2])
    assert all(len(masks) > 0 for masks in together.mask_logits)
    for row in range(3):
        alone = answers([row])
        length = alone.sequences.shape[1]
        assert together.sequences[row, :length].tolist() == alone.sequences[0].tolist()
        torch.testing.assert_close(together.mask_logits[row], alone.mask_logits[0], atol=1e-4, rtol=1e-3)


def test_generation_equals_a_full_forward_pass(predictor) -> None:
    """With the cache as without: each token is the best one, and each `[SEG]` has the same prompt."""
    model, processor = predictor.model, predictor.processor
    talk(predictor)
    inputs = processor.prompt(pictures()[:1], [[(INSTRUCTIONS[0], None)]])
    output = whole.answers(
        model,
        **inputs,
        grounding=lambda rows: model.encode_grounding(processor.grounding_pixels(pictures()[:1])),
        max_new_tokens=12,
    )
    inputs["input_ids"] = torch.cat([inputs["input_ids"], output.sequences], 1)
    del inputs["attention_mask"]
    kept: list[torch.Tensor] = []
    hook = model.get_output_embeddings().register_forward_pre_hook(lambda _, given: kept.append(given[0]))
    with torch.no_grad():
        model(**inputs)
        hook.remove()
        positions = (inputs["input_ids"][0] == model.config.seg_token_id).nonzero().flatten()
        expected = model.seg_projector(kept[0][0, positions - 1])
    assert len(expected) > 0
    torch.testing.assert_close(output.prompts[0], expected, **FLOAT32)


def test_the_command_asks_a_joined_model(pair, joined, tmp_path, picture, capsys) -> None:
    picture.save(tmp_path / "a.png")
    options = ["--model", str(joined(pair)), "--device", "cpu", "--max-new-tokens", "4", "--json", "-"]
    assert main(["ask", str(tmp_path / "a.png"), "Segment the car", *options]) == 0
    assert json.loads(capsys.readouterr().out)["instruction"] == "Segment the car"


def test_seed_and_type_are_as_asked(source, tmp_path) -> None:
    one, same, other = (tmp_path / name for name in ("one", "same", "other"))
    lmm, mask = str(source("llava")), str(source("sam"))
    build(lmm, mask, one, seed=1)
    build(lmm, mask, same, seed=1)
    build(lmm, mask, other, dtype="bfloat16", seed=2)
    first, again, another = (load_file(folder / "model.safetensors") for folder in (one, same, other))
    key = "seg_projector.0.weight"
    assert torch.equal(first[key], again[key]) and not torch.equal(first[key], another[key].float())
    assert {value.dtype for value in another.values()} == {torch.bfloat16}
    assert load(other, device="cpu").model.dtype == torch.float32


def test_answers_are_greedy_whatever_the_source_does(source, tmp_path) -> None:
    lmm = shutil.copytree(source("qwen2_5_vl"), tmp_path / "lmm")
    tokenizer = AutoProcessor.from_pretrained(lmm).tokenizer
    ends = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    GenerationConfig(do_sample=True, temperature=0.1, repetition_penalty=1.05, eos_token_id=ends).save_pretrained(lmm)
    answering = load(build(str(lmm), str(source("sam")), tmp_path / "out"), device="cpu").model.generation_config
    assert answering.eos_token_id == ends and not answering.do_sample
    assert answering.temperature is answering.repetition_penalty is None
    assert answering.suppress_tokens == tokenizer.convert_tokens_to_ids(["<|image_pad|>"])


@pytest.mark.parametrize(
    "config_class, model_class, name",
    [(Sam2VideoConfig, Sam2VideoModel, "sam2"), (EdgeTamVideoConfig, EdgeTamVideoModel, "edgetam")],
)
def test_a_video_model_gives_its_image_model(config_class, model_class, name, source, tmp_path) -> None:
    """The published SAM 2 and EdgeTAM are video models; what follows a thing through time is left out."""
    image = AutoModelForMaskGeneration.from_pretrained(source(name))
    parts = {
        key: image.config.to_dict()[key] for key in ("vision_config", "prompt_encoder_config", "mask_decoder_config")
    }
    video = model_class(
        config_class(
            **parts,
            image_size=64,
            memory_attention_hidden_size=32,
            memory_attention_feed_forward_hidden_size=32,
            memory_attention_num_attention_heads=1,
            memory_attention_num_layers=1,
            memory_encoder_hidden_size=32,
            memory_encoder_output_channels=32,
            memory_fuser_embed_dim=32,
            memory_fuser_intermediate_dim=32,
            mask_downsampler_embed_dim=32,
            memory_attention_rope_feat_sizes=[4, 4],
        )
    )
    video.save_pretrained(tmp_path / "video")
    AutoProcessor.from_pretrained(source(name)).save_pretrained(tmp_path / "video")
    model = load(build(str(source("llava")), str(tmp_path / "video"), tmp_path / "out"), device="cpu").model
    assert model.config.sam_config.model_type == name
    assert not [key for key in model.state_dict() if "memory_attention" in key]
    inside = video.state_dict()
    assert all(torch.equal(value, inside[key]) for key, value in model.sam.state_dict().items())


def test_the_tracker_is_taken_out_of_sam_3(source, tmp_path) -> None:
    """The published SAM 3 is a video model: a detector and a tracker that share an encoder."""
    folder = shutil.copytree(source("sam3_tracker"), tmp_path / "sam3")
    image = AutoModelForMaskGeneration.from_pretrained(folder)
    parts = {name: image.config.to_dict()[name] for name in SAM_PARTS}
    for name in SAM_PARTS[1:]:
        parts[name]["model_type"] = parts[name]["model_type"].replace("tracker", "tracker_video")
    Sam3VideoConfig(tracker_config={"model_type": "sam3_tracker_video", "image_size": 56, **parts}).save_pretrained(
        folder
    )

    places = {"vision_encoder.neck.": "tracker_neck.", "vision_encoder.": "detector_model.vision_encoder."}
    weights = {"detector_model.dot_product_scoring.x": torch.zeros(3)}
    for name, value in image.state_dict().items():
        ours = next((prefix for prefix in places if name.startswith(prefix)), "")
        weights[places.get(ours, "tracker_model.") + name.removeprefix(ours)] = value.clone()
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    model = load(build(str(source("llava")), str(folder), tmp_path / "out"), device="cpu").model
    assert model.config.sam_config.model_type == "sam3_tracker"
    expected = image.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in model.sam.state_dict().items())


def bert(folder: Path) -> Path:
    BertModel(
        BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    ).save_pretrained(folder)
    return folder


def changed(folder: Path, copy: Path, change: Callable[[Path], None]) -> Path:
    """A copy of a checkpoint after `change`."""
    shutil.copytree(folder, copy)
    change(copy)
    return copy


def without(*names: str) -> Callable[[Path], None]:
    return lambda folder: [(folder / name).unlink() for name in names] and None


def with_json(name: str, change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        values = json.loads((folder / name).read_text())
        change(values)
        (folder / name).write_text(json.dumps(values))

    return apply


def with_weights(change: Callable[[dict[str, torch.Tensor]], None]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        change(weights)
        save_file(weights, folder / "model.safetensors", {"format": "pt"})

    return apply


def cut(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])


def larger(values: dict[str, Any]) -> None:
    values["patch_size"] = 28


HEAD = "language_model.lm_head.weight"
"""LLaVA's head in files."""

BAD_LMMS: dict[str, tuple[Callable[[Path], None], str]] = {
    "no configuration": (without("config.json"), "holds no config.json"),
    "configuration that is none": (lambda f: (f / "config.json").write_text("[1"), "cannot be read"),
    "no processor": (without("processor_config.json"), "cannot be read|no processor"),
    "no tokenizer": (without("tokenizer.json", "tokenizer_config.json"), "cannot be read|no processor"),
    "no chat template": (without("chat_template.jinja"), "no chat template"),
    "no weights": (without("model.safetensors"), "cannot be read"),
    "half a file": (cut, "cannot be read"),
    "a weight missing": (
        with_weights(lambda w: w.pop(HEAD)),
        "1 weights are missing, such as lm_head.weight",
    ),
    "a weight of another shape": (
        with_weights(lambda w: w.update({HEAD: w[HEAD][:, :5].contiguous()})),
        "lm_head.weight has the shape",
    ),
    "tokens that are not the features": (
        with_json("processor_config.json", larger),
        "puts 4 tokens into the text for a picture of which the vision tower makes 16 features",
    ),
}


@pytest.mark.parametrize("case", BAD_LMMS)
def test_a_wrong_language_model_is_refused(case, source, tmp_path, capsys) -> None:
    change, message = BAD_LMMS[case]
    lmm = changed(source("llava"), tmp_path / "lmm", change)
    assert refused(["--lmm", str(lmm), "--sam", str(source("sam"))], tmp_path, capsys, message)


BAD_SAMS: dict[str, tuple[Callable[[Path], None], str]] = {
    "no image processor": (without("processor_config.json"), "cannot be read"),
    "another size": (
        with_json("processor_config.json", lambda v: v["image_processor"].update(size={"longest_edge": 128})),
        "makes 128 pixels, its mask model sees 64",
    ),
    "a weight missing": (with_weights(lambda w: w.pop("mask_decoder.iou_token.weight")), "1 weights are missing"),
}


@pytest.mark.parametrize("case", BAD_SAMS)
def test_a_wrong_mask_model_is_refused(case, source, tmp_path, capsys) -> None:
    change, message = BAD_SAMS[case]
    mask = changed(source("sam"), tmp_path / "sam", change)
    assert refused(["--lmm", str(source("llava")), "--sam", str(mask)], tmp_path, capsys, message)


def refused(arguments: list[str], folder: Path, capsys: pytest.CaptureFixture[str], message: str) -> bool:
    """One line that matches `message`, exit code 2, nothing left behind."""
    capsys.readouterr()
    assert main(["build", *arguments, str(folder / "out")]) == 2
    said = capsys.readouterr().err.strip()
    assert len(said.splitlines()) == 1
    assert not list(folder.glob("out*"))
    return bool(np.any([part in said for part in message.split("|")])) or pytest.fail(said)


def test_models_of_other_kinds_are_refused_by_name(source, tmp_path, capsys) -> None:
    other, lmm, mask = str(bert(tmp_path / "bert")), str(source("llava")), str(source("sam"))
    assert refused(["--lmm", other, "--sam", mask], tmp_path, capsys, "model type 'bert': no language model known")
    assert refused(["--lmm", lmm, "--sam", lmm], tmp_path, capsys, "model type 'llava': no mask model known")
    assert refused(["--lmm", lmm, "--sam", str(tmp_path / "nowhere")], tmp_path, capsys, "no such folder")
    (tmp_path / "file").write_text("x")
    assert refused(["--lmm", str(tmp_path / "file"), "--sam", mask], tmp_path, capsys, "no such folder")


def test_a_missing_package_is_named(source, tmp_path, capsys, monkeypatch) -> None:
    smolvlm = str(source("smolvlm"))
    monkeypatch.setattr("transformers.models.smolvlm.processing_smolvlm.num2words", None)
    assert refused(["--lmm", smolvlm, "--sam", str(source("sam"))], tmp_path, capsys, "pip install num2words")


def test_a_folder_that_is_there_is_kept(source, tmp_path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    with pytest.raises(UserError, match="is there already"):
        build(str(source("llava")), str(source("sam")), tmp_path / "out")
    assert (tmp_path / "out" / "mine").read_text() == "x"
