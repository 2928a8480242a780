"""Masks that no phrase is tied to, as models of LISA's layout write them, through the server."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from mglmm.engine import Engine
from mglmm.predict import Predictor
from mglmm.serve.openai import Completion
from tests.serve.live import CHAT, Live, serving, user


@pytest.fixture
def answering(sure: Predictor) -> Iterator[Live]:
    with serving(Engine(sure), model="played") as server:
        yield server


def streamed(live: Live, **changes: Any) -> list[dict[str, Any]]:
    """What the chunks add to the answer."""
    body = {"model": "played", "messages": [user()], "stream": True, **changes}
    with live.http.stream("POST", CHAT, json=body) as response:
        events = [line.removeprefix("data: ") for line in response.iter_lines() if line]
    assert events[-1] == "[DONE]"
    return [json.loads(event)["choices"][0]["delta"] for event in events[:-1]]


def test_whole_and_stream_hold_the_mask(answering: Live) -> None:
    body = answering.chat().json()
    Completion.model_validate(body)
    message = body["choices"][0]["message"]
    assert message["content"] == "Sure, it is."
    [phrase] = message["grounding"]["phrases"]
    assert {name: phrase[name] for name in ("index", "text", "start", "end")} == {
        "index": 0,
        "text": "",
        "start": 11,
        "end": 11,
    }
    [mask] = phrase["masks"]
    assert mask["id"] == 1 and mask["area"] > 0
    deltas = streamed(answering)
    assert "".join(delta.get("content", "") for delta in deltas) == "Sure, it is."
    told = [phrase for delta in deltas for phrase in delta.get("grounding", {}).get("phrases", ())]
    assert [(p["text"], p["start"], p["end"], len(p["masks"])) for p in told] == [("", 11, 11, 1)]
    assert "mglmm_masks_total 2.0" in answering.http.get("/metrics").text


def test_markup_and_json(answering: Live) -> None:
    assert answering.chat(markup=True).json()["choices"][0]["message"]["content"] == "Sure, it is [SEG]."
    assert streamed(answering, markup=True)[-2]["content"] == "Sure, it is [SEG]."
    content = answering.chat(response_format={"type": "json_object"}).json()["choices"][0]["message"]["content"]
    said = json.loads(content)
    assert (said["label"], said["caption"]) == ("", "Sure, it is.") and said["confidence"] > 0


def test_the_answer_goes_back_as_it_came(answering: Live, sure: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts: list[Any] = []
    ids_of = sure.processor.conversation_ids

    def _noted(turns: Any, **options: Any) -> Any:
        prompts.append(list(turns))
        return ids_of(turns, **options)

    monkeypatch.setattr(sure.processor, "conversation_ids", _noted)
    answer = answering.chat().json()["choices"][0]["message"]
    assert answering.chat(messages=[user(), answer, user("And where?", None)]).status_code == 200
    assert [said for _, said in prompts[-1]] == ["Sure, it is [SEG].", None]
