"""What a run of the pipeline is: one YAML file, typed; every key has a default."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from mglmm.annotate.check import RuleOptions
from mglmm.annotate.embedded import EmbeddedOptions
from mglmm.annotate.proposals import ProposalOptions
from mglmm.annotate.tree import TreeOptions
from mglmm.annotate.views import ViewOptions
from mglmm.config import Recipe
from mglmm.schema import Task

EMBEDDED = "embedded"

Form = Literal["parquet", "mgsc", "evaluation", "label-studio", "stats", "review"]
FORMS: tuple[Form, ...] = ("parquet", "mgsc", "evaluation", "label-studio", "stats", "review")


def default_recipe() -> Path:
    """The recipe in the package: all defaults."""
    return Path(str(files("mglmm") / "assets" / "annotate" / "default.yaml"))


class ComposeOptions(Recipe):
    """Which nodes get a caption of their own: those with at least `min_children` that were not rejected."""

    min_children: Annotated[int, Field(ge=1)] = 2
    max_children: Annotated[int, Field(ge=1)] = 24
    """Told in one caption; of more the largest."""


class ExportOptions(Recipe):
    """What is written besides `samples.jsonl`."""

    forms: tuple[Form, ...] = FORMS
    split: str = "train"
    review_samples: Annotated[int, Field(ge=1)] = 24
    """Pictures in the review gallery, spread over the run."""
    embed_images: bool = False
    """In Parquet."""


class EndpointOptions(Recipe):
    """An endpoint that speaks the API of OpenAI's chat completions, and what it may cost.

    `api_key_env`: name of the environment variable that holds the key, if there is one. `structured`: how JSON is asked
    for, `none` for servers that know neither form. `extra`: further fields of the body of every request. Prices are per
    million tokens.
    """

    base_url: str
    model: str
    api_key_env: str = "OPENAI_API_KEY"
    temperature: Annotated[float, Field(ge=0)] = 0.0
    seed: int | None = 0
    structured: Literal["json_schema", "json_object", "none"] = "json_schema"
    max_completion_tokens: Annotated[int, Field(gt=0)] = 1024
    """Of one answer: the budget of a call."""
    max_tries: Annotated[int, Field(gt=0)] = 3
    """A call is asked again, with its mistakes, until its answer can be used, so many times in all."""
    concurrency: Annotated[int, Field(gt=0)] = 16
    timeout_s: Annotated[float, Field(gt=0)] = 60.0
    max_retries: Annotated[int, Field(ge=0)] = 5
    """After 429, 5xx and broken connections, with growing pauses, or as long as the server asks for."""
    usd_per_million_prompt: Annotated[float, Field(ge=0)] = 0.0
    usd_per_million_completion: Annotated[float, Field(ge=0)] = 0.0
    max_usd: Annotated[float, Field(gt=0)] | None = None
    max_calls: Annotated[int, Field(gt=0)] | None = None
    """Over all runs into one folder and all endpoints; see `ledger.BudgetSpentError`."""
    extra: dict[str, Any] = Field(default_factory=dict)

    @field_validator("base_url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError(f"{url!r} is no address; write it in full, as in http://localhost:8000/v1")
        return url

    @model_validator(mode="after")
    def _money_has_prices(self) -> "EndpointOptions":
        if self.max_usd is not None and not (self.usd_per_million_prompt or self.usd_per_million_completion):
            raise ValueError("max_usd needs usd_per_million_prompt or usd_per_million_completion")
        return self


class AnnotateRecipe(Recipe):
    """A run of the pipeline.

    `label`, `compose`: "embedded" or the name of one of `endpoints`; `verify`: such a name, or null for none.
    `prompts`: folder of edited prompts. `tasks`: other tasks of which turns are made from the finished tree.
    """

    proposals: ProposalOptions = ProposalOptions()
    tree: TreeOptions = TreeOptions()
    views: ViewOptions = ViewOptions()
    embedded: EmbeddedOptions = EmbeddedOptions()
    endpoints: dict[str, EndpointOptions] = Field(default_factory=dict)
    label: str = EMBEDDED
    compose: str = EMBEDDED
    verify: str | None = None
    prompts: str = ""
    composing: ComposeOptions = ComposeOptions()
    rules: RuleOptions = RuleOptions()
    tasks: tuple[Task, ...] = ()
    export: ExportOptions = ExportOptions()
    seed: int = 0
    workers: Annotated[int, Field(ge=0)] | None = None
    """Processes for what needs no model; 0: none, all in this one; null: as many as there are processors."""
    give_up_after: Annotated[int, Field(ge=1)] = 8
    """So many pictures in a row that an endpoint does not answer, or refuses, stop the run."""

    @model_validator(mode="after")
    def _endpoints_exist(self) -> "AnnotateRecipe":
        for key, name in (("label", self.label), ("compose", self.compose), ("verify", self.verify)):
            free = name is None or (name == EMBEDDED and key != "verify")
            if not free and name not in self.endpoints:
                known = ", ".join(self.endpoints) or "none"
                raise ValueError(f"{key}: there is no endpoint {name!r}; endpoints: {known}")
        return self

    def identity(self) -> dict[str, Any]:
        """What decides the results: all but how they are computed, paid for and exported."""
        free = {"base_url", "api_key_env", "concurrency", "timeout_s", "max_retries", "max_usd", "max_calls"}
        prices = {"usd_per_million_prompt", "usd_per_million_completion"}
        left_out: dict[str, Any] = {
            "workers": True,
            "give_up_after": True,
            "export": {"forms", "review_samples", "embed_images"},
            "endpoints": {"__all__": free | prices},
            "embedded": {"device"},
            "proposals": {"sam": {"device", "points_per_batch"}},
        }
        values: dict[str, Any] = json.loads(self.model_dump_json(exclude=left_out))
        return values
