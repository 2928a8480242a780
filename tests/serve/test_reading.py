"""What a request asks, and how everything that the model cannot honour is refused by name."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mglmm.serve.errors import ApiError
from mglmm.serve.limits import Limits
from mglmm.serve.openai import ChatRequest
from mglmm.serve.reading import Asked, read
from tests.serve.live import PICTURE, request, user

GROUNDED = {
    "role": "assistant",
    "content": "Here is a cat.",
    "grounding": {
        "size": [4, 6],
        "phrases": [{"index": 0, "text": "a cat", "start": 8, "end": 13, "masks": [{"id": 1, "rle": {}}, {"id": 2}]}],
    },
}
UNNAMED = {"index": 0, "text": "", "start": 11, "end": 11, "masks": [{"id": 1}]}
MARKED = "Here is <p> a cat </p> [SEG] [SEG]."


SCHEMA = "response_format.json_schema.schema"
IMAGE_PART = {"type": "image_url", "image_url": "x"}


def asked(**changes: Any) -> Asked:
    return read(json.dumps(request(**changes)).encode(), Limits())


def refusal(**changes: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        asked(**changes)
    assert caught.value.status == 400 and caught.value.body.error.type == "invalid_request_error"
    return caught.value


def schema(**properties: Any) -> dict[str, Any]:
    value = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": value, "strict": True}}


def test_turns() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        user("What is here?"),
        {"role": "user", "content": "Segment it."},
        GROUNDED,
        {"role": "user", "content": [{"type": "text", "text": "And "}, {"type": "text", "text": "this?"}]},
    ]
    found = asked(messages=messages)
    assert found.turns == (("Be brief.\nWhat is here?\nSegment it.", MARKED), ("And \nthis?", None))
    assert (found.url, found.url_param) == (PICTURE, "messages.1.content.1.image_url.url")


@pytest.mark.parametrize(
    "answer",
    [
        GROUNDED,
        {"role": "assistant", "content": MARKED},
        {
            "role": "assistant",
            "content": '{"label": "cat"}',
            "grounding": {**GROUNDED["grounding"], "text": "Here is a cat."},
        },  # type: ignore[dict-item]
        {**GROUNDED, "refusal": None, "tool_calls": [], "annotations": None, "audio": None, "function_call": None},
    ],
)
def test_earlier_answers_keep_their_masks(answer: dict[str, Any]) -> None:
    assert asked(messages=[user(), answer, user()]).turns[0][1] == MARKED


@pytest.mark.parametrize(
    "answer",
    [
        {"content": "Sure, it is.", "grounding": {"phrases": [UNNAMED]}},
        {"content": "{}", "grounding": {"text": "Sure, it is.", "phrases": [UNNAMED]}},
        {"content": "Sure, it is [SEG]."},
    ],
)
def test_earlier_answers_keep_masks_without_a_phrase(answer: dict[str, Any]) -> None:
    found = asked(messages=[user(), {"role": "assistant", **answer}, user("Where?")])
    assert found.turns[0][1] == "Sure, it is [SEG]."


def test_a_mask_behind_the_end_of_the_text_is_refused() -> None:
    answer = {"role": "assistant", "content": "Sure.", "grounding": {"phrases": [UNNAMED]}}
    error = refusal(messages=[user(), answer, user("Where?")]).body.error
    assert error.param == "messages.1.grounding" and "character 11 is not in the text of 5" in error.message


def test_earlier_answers_without_grounding_are_words() -> None:
    assert asked(messages=[user(), {"role": "assistant", "content": "A cat."}, user()]).turns[0][1] == "A cat."


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": 0},
        {"temperature": 0.0, "top_p": 1, "n": 1, "frequency_penalty": 0, "presence_penalty": 0.0},
        {
            "seed": 4,
            "max_tokens": 10**400,
            "user": "me",
            "metadata": {"a": "b"},
            "parallel_tool_calls": True,
            "store": False,
        },
        {"tools": [], "tool_choice": "none", "stop": None, "logprobs": False, "top_logprobs": 0, "logit_bias": {}},
        {"response_format": {"type": "text"}, "modalities": ["text"], "service_tier": "auto"},
        {"stream": True, "stream_options": {"include_usage": True, "include_obfuscation": False}},
        {"messages": [user(), {"role": "assistant", "content": "A cat."}, user()]},
    ],
)
def test_what_asks_for_nothing_is_taken(changes: dict[str, Any]) -> None:
    assert asked(**changes).fields is None


@pytest.mark.parametrize(
    ("changes", "param", "said"),
    [
        ({"temperature": 0.7}, "temperature", "always the most probable"),
        ({"temperature": "0"}, "temperature", "number"),
        ({"top_p": 0.9}, "top_p", "always the most probable"),
        ({"n": 2}, "n", "one answer"),
        ({"n": True}, "n", "integer"),
        ({"logprobs": True}, "logprobs", "not told"),
        ({"stop": ["."]}, "stop", "not known"),
        ({"stop": "."}, "stop", "not known"),
        ({"tools": [{"type": "function"}]}, "tools", "no tools"),
        ({"tool_choice": "required"}, "tool_choice", "no tools"),
        ({"logit_bias": {"5": 1}}, "logit_bias", "most probable"),
        ({"modalities": ["text", "audio"]}, "modalities", "text"),
        ({"store": True}, "store", "stores nothing"),
        ({"max_tokens": 0}, "max_tokens", "greater than or equal to 1"),
        ({"temprature": 0}, "temprature", "no such parameter"),
        ({"messages": []}, "messages", "at least 1"),
        ({"messages": [user(url=None)]}, "messages", "about a picture"),
        ({"messages": [user(), user(url="data:")]}, "messages.1.content.1.image_url.url", "one picture"),
        ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "1"}]}, "messages.0", "role"),
        ({"messages": [{"role": "user"}]}, "messages.0.content", "missing"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages.0.content.0", "input_audio"),
        ({"messages": [{"role": "user", "content": [IMAGE_PART]}]}, "messages.0.content.0.image_url", "object"),
        ({"messages": [{"role": "assistant", "content": "x"}, user()]}, "messages.0", "take turns"),
        ({"messages": [user(), {"role": "system", "content": "x"}, user()]}, "messages.1", "take turns"),
        ({"messages": [user(), GROUNDED, GROUNDED, user()]}, "messages.1", "take turns"),
        ({"messages": [user(), GROUNDED]}, "messages", "the user's"),
        ({"messages": [user(), {"role": "assistant", "content": "<p> a"}, user()]}, "messages.1.content", "malformed"),
        ({"messages": [user(), {**GROUNDED, "content": "short"}, user()]}, "messages.1.grounding", "leaves the text"),
        ({"messages": [user("x" * 40_000)]}, "messages", "characters"),
        ({"markup": True, "response_format": {"type": "json_object"}}, "markup", "either"),
        ({"response_format": {"type": "grammar"}}, "response_format", "grammar"),
        ({"response_format": schema(right={"type": "boolean"})}, SCHEMA, "label (string)"),
        ({"response_format": schema(label={"type": "number"})}, SCHEMA, "label (string)"),
        ({"response_format": schema(label={"type": "string", "enum": ["cat"]})}, SCHEMA, "label"),
        ({"response_format": schema(confidence={"type": "number", "minimum": 0.5})}, SCHEMA, "fills"),
        ({"response_format": schema()}, SCHEMA, "fills"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(changes: dict[str, Any], param: str, said: str) -> None:
    error = refusal(**changes).body.error
    assert error.param == param
    assert said in error.message and error.message.startswith(param)
    assert len(error.message) < 500


def test_json_fields() -> None:
    assert asked(response_format={"type": "json_object"}).fields == ("label", "caption", "confidence")
    form = schema(
        caption={"type": "string", "title": "Caption"}, confidence={"type": "number", "minimum": 0, "maximum": 1}
    )
    assert asked(response_format=form).fields == ("caption", "confidence")


def test_plain_text_beside_the_content_counts() -> None:
    """What stands in `grounding.text` is said to the model as well."""
    grounding = {**GROUNDED["grounding"], "text": "Here is a cat." + "!" * 60}  # type: ignore[dict-item]
    body = json.dumps(request(messages=[user("What?"), {**GROUNDED, "grounding": grounding}, user("And?")])).encode()
    assert read(body, Limits(max_characters=110)).turns[0][1] is not None
    with pytest.raises(ApiError) as caught:
        read(body, Limits(max_characters=60))
    assert caught.value.code == "context_length_exceeded"


@pytest.mark.parametrize(
    "more",
    [{"minProperties": 9}, {"not": {}}, {"allOf": [{"properties": {"label": {"enum": ["cat"]}}}]}, {"$ref": "#/x"}],
)
def test_what_a_schema_says_of_the_whole_object(more: dict[str, Any]) -> None:
    form = schema(label={"type": "string"})
    form["json_schema"]["schema"] |= {"title": "Found", "description": "x", "$schema": "https://json-schema.org/x"}
    assert asked(response_format=form).fields == ("label",)
    form["json_schema"]["schema"] |= more
    assert refusal(response_format=form).body.error.param == SCHEMA


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe", b"null", b"[]", b'"x"', b'{"model": NaN}', b"\x00"],
)
def test_bodies_that_are_no_request(body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        read(body, Limits())
    assert caught.value.status == 400


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(list(ChatRequest.model_fields)), json_values, max_size=5))
def test_any_json_is_read_or_refused(changes: dict[str, Any]) -> None:
    try:
        read(json.dumps({**request(), **changes}).encode(), Limits())
    except ApiError as error:
        assert error.status == 400 and error.body.error.message
