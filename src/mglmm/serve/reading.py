"""The body of a request -> a question to the model; whatever the model cannot honour is refused by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mglmm import grounding
from mglmm.schema import GroundedText, Span
from mglmm.serve.errors import ApiError
from mglmm.serve.limits import Limits
from mglmm.serve.openai import (
    AssistantMessage,
    ChatRequest,
    ImagePart,
    JsonSchema,
    SystemMessage,
    TextPart,
    UserMessage,
)

Turns = tuple[tuple[str, str | None], ...]
"""(instruction, answer with markup) of each turn; the last answer is None."""

FIELDS = {"label": "string", "caption": "string", "confidence": "number"}
"""What an answer can put into JSON, and the types of JSON Schema."""

_SCHEMA_KEYS = {"type", "properties", "required", "additionalProperties", "title", "description", "$schema"}
"""What a schema may say of the whole object; anything else could forbid what an answer has."""

_MAX_MESSAGE = 300
_ANY_JSON: TypeAdapter[Any] = TypeAdapter(Any)


@dataclass(frozen=True)
class Asked:
    """A request, understood. `url`: of the picture, named `url_param` in refusals."""

    request: ChatRequest
    turns: Turns
    url: str
    url_param: str
    max_new_tokens: int
    fields: tuple[str, ...] | None
    """Of the JSON object that the answer is to be; None: it is text."""


def read(body: bytes, limits: Limits) -> Asked:
    """What a request asks.

    Raises:
        ApiError: it is no JSON, no request, or asks for what the model cannot do.
    """
    try:
        request = ChatRequest.model_validate_json(body)
    except ValidationError as error:
        raise _invalid(error, body) from error
    num_characters = sum(len(text) for message in request.messages for text in (*_texts(message), _plain(message)))
    if num_characters > limits.max_characters:
        raise ApiError(
            400,
            f"messages: {num_characters:,} characters are above the limit of {limits.max_characters:,}",
            code="context_length_exceeded",
            param="messages",
        )
    url, url_param = _picture(request)
    wanted = request.max_completion_tokens or request.max_tokens or limits.max_new_tokens
    return Asked(request, _turns(request), url, url_param, min(wanted, limits.max_new_tokens), _fields(request))


def _invalid(error: ValidationError, body: bytes) -> ApiError:
    """The refusal of a body that is no request, about its deepest mistake: of a choice, that is the one meant."""
    worst = max(error.errors(include_url=False, include_input=False), key=lambda e: len(e["loc"]))
    if worst["type"] == "json_invalid":
        return ApiError(
            400, f"the body is no JSON that can be read: {worst['msg'][:_MAX_MESSAGE]}", code="invalid_json"
        )
    path = _path(worst["loc"], _ANY_JSON.validate_json(body))
    param = ".".join(str(step) for step in path)
    name = path[0] if path else ""
    field = ChatRequest.model_fields.get(name) if isinstance(name, str) else None
    if worst["type"] == "extra_forbidden":
        message, code = "no such parameter; leave it out", "unknown_parameter"
    elif worst["type"] == "missing":
        message, code = "is missing", "missing_required_parameter"
    else:
        about = f"; {field.description}" if field is not None and field.description and len(path) == 1 else ""
        message, code = worst["msg"].removeprefix("Value error, ")[:_MAX_MESSAGE] + about, "invalid_value"
    return ApiError(400, f"{param or 'the body'}: {message}", code=code, param=param or None)


def _path(location: Sequence[str | int], value: Any) -> list[str | int]:
    """The steps of a validation error's location that lead through the body; the others name types of a choice."""
    path: list[str | int] = []
    for number, step in enumerate(location):
        if isinstance(value, Mapping) and (step in value or number == len(location) - 1):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            continue
        path.append(step)
    return path


def _texts(message: SystemMessage | UserMessage | AssistantMessage) -> list[str]:
    if isinstance(message.content, str):
        return [message.content]
    return [part.text for part in message.content if isinstance(part, TextPart)]


def _plain(message: SystemMessage | UserMessage | AssistantMessage) -> str:
    """The plain text that an earlier answer gives beside its content."""
    given = message.grounding if isinstance(message, AssistantMessage) else None
    return (given.text or "") if given is not None else ""


def _picture(request: ChatRequest) -> tuple[str, str]:
    """The address of the conversation's one picture, and its place in the request."""
    found = [
        (part.image_url.url, f"messages.{number}.content.{index}.image_url.url")
        for number, message in enumerate(request.messages)
        if isinstance(message.content, list)
        for index, part in enumerate(message.content)
        if isinstance(part, ImagePart)
    ]
    if not found:
        said = "messages: this model answers about a picture, and there is none; add a part of type image_url"
        raise ApiError(400, said, code="image_missing", param="messages")
    for url, param in found[1:]:
        if url != found[0][0]:
            raise ApiError(
                400,
                f"{param}: this model sees one picture, and this is another; ask about each in a request of its own",
                code="too_many_images",
                param=param,
            )
    return found[0]


def _turns(request: ChatRequest) -> Turns:
    """The conversation. System messages stand before the first instruction; user messages in a row are one."""
    messages = list(enumerate(request.messages))
    start = next((n for n, message in messages if not isinstance(message, SystemMessage)), len(messages))
    system = [text for _, message in messages[:start] for text in _texts(message)]
    turns: list[tuple[str, str | None]] = []
    for role, group in groupby(messages[start:], key=lambda entry: entry[1].role):
        members = list(group)
        number = members[0][0]
        if role == "user":
            instruction = "\n".join([*system, *(text for _, message in members for text in _texts(message))])
            turns.append((instruction.strip(), None))
            system = []
            continue
        if role != "assistant" or len(members) > 1 or not turns:
            raise _out_of_turn(number, "behind it" if role == "assistant" else "at the beginning")
        message = members[0][1]
        assert isinstance(message, AssistantMessage)
        turns[-1] = (turns[-1][0], _marked(message, f"messages.{number}"))
    if not turns or turns[-1][1] is not None:
        raise ApiError(400, "messages: the last one must be the user's", code="invalid_value", param="messages")
    return tuple(turns)


def _out_of_turn(number: int, place: str) -> ApiError:
    param = f"messages.{number}"
    said = f"{param}: user and assistant take turns, the user first; this message stands {place}"
    return ApiError(400, said, code="invalid_value", param=param)


def _marked(message: AssistantMessage, param: str) -> str:
    """An earlier answer with markup, from its grounding or from the markup that it holds."""
    content = "".join(_texts(message))
    given = message.grounding
    if given is None or not given.phrases:
        parsed = grounding.parse(content)
        # a model may have written [SEG] without a phrase
        if num_malformed := parsed.num_invalid - len(parsed.unnamed):
            said = f"{param}.content: {num_malformed} places of markup are malformed"
            raise ApiError(400, said, code="invalid_value", param=f"{param}.content")
        return grounding.render(parsed.text, [place for _, place in parsed.unnamed])
    try:
        # which masks they are does not matter, only how many
        spans = tuple(
            Span(start=phrase.start, end=phrase.end, segment_ids=tuple(range(len(phrase.masks))))
            for phrase in given.phrases
            if phrase.start != phrase.end
        )
        places = [phrase.end for phrase in given.phrases if phrase.start == phrase.end for _ in phrase.masks]
        return grounding.render(GroundedText(text=given.text or content, spans=spans), places)
    except ValueError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ") if isinstance(error, ValidationError) else error
        said = f"{param}.grounding: {str(reason)[:_MAX_MESSAGE]}"
        raise ApiError(400, said, code="invalid_value", param=f"{param}.grounding") from error


def _fields(request: ChatRequest) -> tuple[str, ...] | None:
    """The fields of the JSON object that is asked for; None: text is."""
    form = request.response_format
    if form is None or form.type == "text":
        return None
    if request.markup:
        raise ApiError(400, "markup: an answer is either JSON or markup", code="invalid_value", param="markup")
    if not isinstance(form, JsonSchema):
        return tuple(FIELDS)
    schema, param = form.json_schema.schema_, "response_format.json_schema.schema"
    properties = schema.get("properties")
    required = schema.get("required", [])
    known = isinstance(properties, Mapping) and all(_fits(name, value) for name, value in properties.items())
    if (
        set(schema) - _SCHEMA_KEYS
        or schema.get("type") != "object"
        or not known
        or not properties
        or not isinstance(required, list)
    ):
        raise _unfillable(param)
    if not all(isinstance(name, str) and name in properties for name in required):
        raise _unfillable(param)
    return tuple(properties)


def _fits(name: str, schema: Any) -> bool:
    """Whether every value that an answer can have for the field is one of its schema."""
    free = {"type", "title", "description", "minimum", "maximum"}
    if (
        name not in FIELDS
        or not isinstance(schema, Mapping)
        or schema.get("type") != FIELDS[name]
        or set(schema) - free
    ):
        return False
    lowest, highest = schema.get("minimum", 0), schema.get("maximum", 1)
    return isinstance(lowest, int | float) and isinstance(highest, int | float) and lowest <= 0 and highest >= 1


def _unfillable(param: str) -> ApiError:
    fields = ", ".join(f"{name} ({kind})" for name, kind in FIELDS.items())
    said = f"{param}: this model cannot be made to answer in any form; of an object it fills {fields}, nothing else"
    return ApiError(400, said, code="invalid_value", param=param)
