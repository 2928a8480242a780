"""What goes over the wire: OpenAI's chat completions, as far as this model can honour them, and the grounding.

A parameter that asks for what the model cannot do has a type that allows only the value that asks for nothing; its
description says why, in the schema and in the refusal. Source of the names: OpenAI's API reference, chat completions.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mglmm.schema import Rle

Zero = Annotated[float, Field(ge=0, le=0)]
One = Annotated[float, Field(ge=1, le=1)]
Nothing = Annotated[list[Any], Field(max_length=0)]
NoMap = Annotated[dict[str, Any], Field(max_length=0)]

_GREEDY = "an answer is always the most probable one; leave it out or give"
_NO_TOOLS = "this model calls no tools"
_NO_PROBABILITIES = "probabilities of tokens are not told"


class Received(BaseModel):
    """Base of what clients send: an unknown field, or a value of another type, is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Sent(BaseModel):
    """Base of what the server sends."""

    model_config = ConfigDict(frozen=True)


# -- the grounding ----------------------------------------------------------------------------------------------------


class Mask(Sent):
    """A mask in the size of the upright picture.

    `box` is xyxy in pixels, right and bottom exclusive; `score` its predicted quality, 0..1; `rle` COCO's compressed
    run-length encoding; `area` its pixels.
    """

    id: int
    score: float | None = None
    box: tuple[float, float, float, float]
    area: int
    rle: Rle


class Phrase(Sent):
    """Characters `[start, end)` of the plain text, and what they mean in the picture.

    Where no phrase is tied to a mask, `text` is empty and `start` and `end` are where the word before it ends.
    """

    index: int
    text: str
    start: int
    end: int
    masks: tuple[Mask, ...]


class Grounding(Sent):
    """What an answer points at. `size` is (height, width) of the upright picture.

    The offsets of phrases count the characters (code points) of the plain text: `content`, or, where that is markup or
    JSON, `text`. In a stream each phrase comes once, when its masks are there, and `size` with the first chunk.
    """

    size: tuple[int, int] | None = None
    text: str | None = None
    phrases: tuple[Phrase, ...] | None = None


class GivenMask(BaseModel):
    """A mask of an earlier answer; only that it is there matters."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class GivenPhrase(BaseModel):
    """A phrase of an earlier answer, or masks without one (`start` is `end`)."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=0)]
    masks: Annotated[list[GivenMask], Field(min_length=1, max_length=1024)]


class GivenGrounding(BaseModel):
    """The grounding of an earlier answer, as the server sent it; of it the model needs which phrases have masks."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    text: str | None = None
    phrases: Annotated[list[GivenPhrase], Field(max_length=1024)] | None = None


# -- requests ---------------------------------------------------------------------------------------------------------


class ImageUrl(Received):
    """Where a picture is: in the address itself, or at a host that the operator allows."""

    url: Annotated[str, Field(json_schema_extra={"format": "picture"})]
    """`data:image/png;base64,...` (or jpeg, webp, gif), or `https://...`."""
    detail: Literal["auto", "low", "high", "original"] | None = None
    """Has no effect: the model sees every picture at its own size."""


class TextPart(Received):
    """A piece of text."""

    type: Literal["text"]
    text: str


class ImagePart(Received):
    """A picture."""

    type: Literal["image_url"]
    image_url: ImageUrl


class SystemMessage(Received):
    """What stands before the first instruction, as in chat templates that know no system."""

    role: Literal["system", "developer"]
    content: str | Annotated[list[TextPart], Field(min_length=1)]
    name: str | None = None


class UserMessage(Received):
    """An instruction, and the picture."""

    role: Literal["user"]
    content: str | Annotated[list[Annotated[TextPart | ImagePart, Field(discriminator="type")]], Field(min_length=1)]
    name: str | None = None


class AssistantMessage(Received):
    """An earlier answer as the server sent it; without `grounding` or markup the model does not know its masks."""

    role: Literal["assistant"]
    content: str | Annotated[list[TextPart], Field(min_length=1)]
    name: str | None = None
    grounding: GivenGrounding | None = None
    refusal: None = None
    audio: None = None
    function_call: None = None
    tool_calls: Nothing | None = Field(None, description=_NO_TOOLS)
    annotations: Nothing | None = None


class TextFormat(Received):
    """The plain text."""

    type: Literal["text"]


class JsonObject(Received):
    """A JSON object with `label`, `caption` and `confidence`; see `JsonSchema`."""

    type: Literal["json_object"]


class Schema(Received):
    """A JSON Schema of an object with some of `label`, `caption` (strings) and `confidence` (a number)."""

    name: Annotated[str, Field(max_length=256)]
    schema_: dict[str, Any] = Field(alias="schema")
    description: str | None = None
    strict: bool | None = None


class JsonSchema(Received):
    """A JSON object whose fields an answer can fill: `caption` is the plain text, `label` the phrase with the largest
    mask without its article, `confidence` that mask's score."""

    type: Literal["json_schema"]
    json_schema: Schema


class StreamOptions(Received):
    """What a stream holds beside the answer."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None
    """Has no effect: nothing is added to hide lengths."""


class ChatRequest(Received):
    """A request for the next answer of a conversation about one picture."""

    model: str
    messages: Annotated[
        list[Annotated[SystemMessage | UserMessage | AssistantMessage, Field(discriminator="role")]],
        Field(min_length=1, max_length=256),
    ]
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    response_format: Annotated[TextFormat | JsonObject | JsonSchema, Field(discriminator="type")] | None = None
    markup: bool | None = Field(None, description="Extension: `content` is the markup `<p> a cat </p> [SEG]`.")

    temperature: Zero | None = Field(None, description=f"{_GREEDY} 0")
    top_p: One | None = Field(None, description=f"{_GREEDY} 1")
    n: Annotated[int, Field(ge=1, le=1)] | None = Field(None, description="there is one answer; leave it out or give 1")
    frequency_penalty: Zero | None = Field(None, description=f"{_GREEDY} 0")
    presence_penalty: Zero | None = Field(None, description=f"{_GREEDY} 0")
    logit_bias: NoMap | None = Field(None, description=f"{_GREEDY} nothing in it")
    logprobs: Literal[False] | None = Field(None, description=_NO_PROBABILITIES)
    top_logprobs: Annotated[int, Field(ge=0, le=0)] | None = Field(None, description=_NO_PROBABILITIES)
    stop: Nothing | None = Field(None, description="an answer ends by itself; stop sequences are not known")
    tools: Nothing | None = Field(None, description=_NO_TOOLS)
    tool_choice: Literal["none", "auto"] | None = Field(None, description=_NO_TOOLS)
    functions: Nothing | None = Field(None, description=_NO_TOOLS)
    function_call: Literal["none", "auto"] | None = Field(None, description=_NO_TOOLS)
    modalities: Annotated[list[Literal["text"]], Field(max_length=1)] | None = Field(
        None, description="answers are text with masks"
    )
    audio: None = Field(None, description="answers are text with masks")
    web_search_options: None = Field(None, description="the server looks up nothing")
    store: Literal[False] | None = Field(None, description="the server stores nothing")

    parallel_tool_calls: bool | None = Field(None, description="Has no effect: there are no tools.")
    seed: int | None = Field(None, description="Has no effect: nothing is left to chance.")
    user: str | None = Field(None, description="Has no effect.")
    safety_identifier: str | None = Field(None, description="Has no effect.")
    prompt_cache_key: str | None = Field(None, description="Has no effect: recent pictures are remembered anyway.")
    metadata: dict[str, str] | None = Field(None, description="Has no effect: nothing is stored.")
    service_tier: Literal["auto", "default"] | None = Field(None, description="there is one tier")

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with the number of tokens."""
        return bool(self.stream_options and self.stream_options.include_usage)


# -- replies ----------------------------------------------------------------------------------------------------------

FinishReason = Literal["stop", "length"]
Limit = Literal["tokens", "time"]


class Usage(Sent):
    """Tokens of the prompt (picture included) and of the answer (markup included)."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Reply(Sent):
    """A whole answer."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None
    grounding: Grounding


class Choice(Sent):
    """The answer and why it ended; `limit` (an extension) says which limit was met, if one was."""

    index: Literal[0] = 0
    message: Reply
    finish_reason: FinishReason
    limit: Limit | None = None
    logprobs: None = None


class Completion(Sent):
    """The body of a reply."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: tuple[Choice]
    usage: Usage


class Delta(Sent):
    """What has come since the chunk before."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    grounding: Grounding | None = None


class ChunkChoice(Sent):
    """A piece of the answer; the last says why it ended."""

    index: Literal[0] = 0
    delta: Delta
    finish_reason: FinishReason | None = None
    limit: Limit | None = None


class Chunk(Sent):
    """One event of a stream."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: tuple[ChunkChoice, ...]
    usage: Usage | None = None


class Model(Sent):
    """The model that answers."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "mglmm"


class Models(Sent):
    """All models: one."""

    object: Literal["list"] = "list"
    data: tuple[Model, ...]


class Health(Sent):
    """That the server answers."""

    status: Literal["ok"] = "ok"
