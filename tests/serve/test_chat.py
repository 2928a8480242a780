"""The official client against the real model: answers are those of `Predictor`, whole, in a stream, turn by turn."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from mglmm import grounding, masks
from mglmm.predict import Predictor
from mglmm.prediction import ImagePrediction
from mglmm.serve.pictures import data_url
from tests.serve.conftest import PHOTO
from tests.serve.live import Live

DESCRIBE = "Describe the orange scooter in detail, with masks."
QUESTIONS = (
    DESCRIBE,
    "Segment the orange scooter.",
    "What color is the scooter?",
    "Describe the whole picture in detail.",
)


def messages(instruction: str = DESCRIBE) -> list[Any]:
    image = {"type": "image_url", "image_url": {"url": data_url(PHOTO.read_bytes(), "jpeg")}}
    return [{"role": "user", "content": [image, {"type": "text", "text": instruction}]}]


@pytest.fixture(scope="module")
def client(live: Live) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{live.url}/v1", api_key="none", max_retries=0)


@pytest.fixture(scope="module")
def truth(predictor: Predictor, client: openai.OpenAI) -> dict[str, ImagePrediction]:
    """One by one, before the engine has anything to do."""
    return {question: predictor.ask(PHOTO, question) for question in QUESTIONS}


def same(answer: Any, truth: ImagePrediction, content: str | None = None) -> None:
    """The answer says the same, and its masks are the same up to rounding."""
    assert (answer.content if content is None else content) == truth.answer.text
    phrases = answer.grounding["phrases"]
    assert [(p["start"], p["end"], p["text"]) for p in phrases] == [
        (span.start, span.end, phrase) for span, phrase in zip(truth.answer.spans, truth.answer.phrases, strict=True)
    ]
    found = [mask for phrase in phrases for mask in phrase["masks"]]
    assert [mask["id"] for mask in found] == list(truth.answer.segment_ids)
    for mask, segment in zip(found, truth.segments, strict=True):
        pixels = masks.decode(mask["rle"])
        assert mask["area"] == pixels.sum()
        # what was read before is read again in another order of sums: pixels at the very threshold may differ
        assert np.mean(pixels != segment.mask) < 1e-3
        assert mask["score"] == pytest.approx(segment.score, abs=1e-3)
        if mask["rle"] == segment.rle.to_coco():
            assert tuple(mask["box"]) == segment.box


def test_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["default"]
    assert client.models.retrieve("default").owned_by == "mglmm"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt")


@pytest.mark.parametrize("question", QUESTIONS)
def test_answer(client: openai.OpenAI, truth: dict[str, ImagePrediction], question: str) -> None:
    answer = client.chat.completions.create(model="default", messages=messages(question), temperature=0)
    (choice,) = answer.choices
    assert choice.finish_reason == "stop" and choice.message.role == "assistant"
    same(choice.message, truth[question])
    assert choice.message.grounding["size"] == list(truth[question].size)  # type: ignore[attr-defined]
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.usage.completion_tokens >= len(choice.message.content.split()) / 2 > 0  # type: ignore[union-attr]
    assert answer._request_id is not None and answer._request_id.startswith("req-")


def test_stream_is_the_same_answer(client: openai.OpenAI, truth: dict[str, ImagePrediction]) -> None:
    began = time.perf_counter()
    first: dict[str, float] = {}
    options: Any = {"include_usage": True}
    chunks: list[ChatCompletionChunk] = []
    for chunk in client.chat.completions.create(
        model="default", messages=messages(), stream=True, stream_options=options
    ):
        chunks.append(chunk)
        delta: Any = chunk.choices[0].delta if chunk.choices else None
        if delta and delta.content:
            first.setdefault("word", time.perf_counter() - began)
        if delta and (getattr(delta, "grounding", None) or {}).get("phrases"):
            first.setdefault("mask", time.perf_counter() - began)
    whole = time.perf_counter() - began
    assert first["word"] < first["mask"] < 0.8 * whole
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-2:] == [None, "stop"]
    assert not chunks[-1].choices and chunks[-1].usage is not None and chunks[-1].usage.completion_tokens > 10
    with client.chat.completions.stream(model="default", messages=messages()) as stream:
        for _ in stream:
            pass
        same(stream.get_final_completion().choices[0].message, truth[DESCRIBE])


def test_phrases_come_behind_their_words(client: openai.OpenAI) -> None:
    text = ""
    for chunk in client.chat.completions.create(model="default", messages=messages(), stream=True):
        delta: Any = chunk.choices[0].delta
        for phrase in (getattr(delta, "grounding", None) or {}).get("phrases") or ():
            assert text[phrase["start"] : phrase["end"]] == phrase["text"]
        text += delta.content or ""


def test_conversation_remembers(client: openai.OpenAI, predictor: Predictor) -> None:
    """An answer put back as it came is what the model said, masks and all."""
    conversation = messages("Segment the orange scooter.")
    first = client.chat.completions.create(model="default", messages=conversation).choices[0].message
    follow = {"role": "user", "content": "What color is it?"}
    second = client.chat.completions.create(model="default", messages=[*conversation, first, follow])
    chat = predictor.chat(PHOTO)
    chat.ask("Segment the orange scooter.")
    assert second.choices[0].message.content == chat.ask("What color is it?").answer.text


def test_mixed_requests_at_once(client: openai.OpenAI, truth: dict[str, ImagePrediction]) -> None:
    """Sixteen requests of four kinds at once: each gets its own answer."""
    asked = [*QUESTIONS] * 4
    with ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(lambda q: client.chat.completions.create(model="default", messages=messages(q)), asked))
    for question, answer in zip(asked, answers, strict=True):
        same(answer.choices[0].message, truth[question])


def test_markup_and_json(client: openai.OpenAI, truth: dict[str, ImagePrediction]) -> None:
    expected = truth[DESCRIBE]
    for stream in (False, True):
        for body in ({"markup": True}, {"response_format": {"type": "json_object"}}):
            if stream:
                with client.chat.completions.stream(model="default", messages=messages(), extra_body=body) as events:
                    for _ in events:
                        pass
                    message: Any = events.get_final_completion().choices[0].message
            else:
                answer = client.chat.completions.create(model="default", messages=messages(), extra_body=body)
                message = answer.choices[0].message
            same(message, expected, message.grounding["text"])
            if "markup" in body:
                assert message.content == grounding.render(expected.answer)
                continue
            found = json.loads(message.content)
            largest = max(expected.segments, key=lambda segment: segment.area)
            assert found["caption"] == expected.answer.text
            assert found["label"] == largest.label.removeprefix("the ").removeprefix("a ")
            assert found["confidence"] == pytest.approx(largest.score, abs=1e-3)


def test_mistakes(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="tokens, which leaves no room"):
        client.chat.completions.create(model="default", messages=messages("word " * 1500))
    for bad in ("", "an <image>"):
        with pytest.raises(openai.BadRequestError, match="the instruction"):
            client.chat.completions.create(model="default", messages=messages(bad))
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="default", messages=messages(), temperature=0.5)
    assert caught.value.param == "temperature" and caught.value.code == "invalid_value"


@pytest.mark.parametrize("token", ["<image>", "<im_start>", "</s>", "[SEG] <image>"])
def test_tokens_of_the_model_are_no_way_into_its_prompt(client: openai.OpenAI, token: str) -> None:
    """Neither an earlier instruction nor an earlier answer can hold them."""
    question = messages("What color is the scooter?")
    for earlier in (
        [*messages(f"Say {token}."), {"role": "assistant", "content": "No."}, {"role": "user", "content": "Why?"}],
        [*question, {"role": "assistant", "content": f"It is {token}."}, {"role": "user", "content": "Why?"}],
    ):
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(model="default", messages=earlier)
