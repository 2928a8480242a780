"""Run recipes: one YAML file on a typed, frozen model that refuses unknown keys."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from mglmm.schema import UserError


class Recipe(BaseModel):
    """Base of all recipes and of their sections: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


R = TypeVar("R", bound=Recipe)


def load_recipe(path: str | Path, cls: type[R], overrides: Sequence[str] = ()) -> R:
    """The recipe in a YAML file as a `cls`, after overrides of the form "key=value" or "section.key=value".

    An override's value is read as YAML: numbers, true / false, null and lists mean the same as in the file.

    Raises:
        UserError: the file cannot be read or is not a YAML mapping, an override is no "key=value", or a key or value
            does not fit `cls`; an unknown key is answered with the valid ones.
    """
    values = _read_mapping(Path(path))
    for override in overrides:
        _apply(values, override)
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        # an unknown key is often what makes another one missing
        first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        where = ".".join(str(part) for part in first["loc"])
        origin = _origin(path, overrides, where)
        if first["type"] == "extra_forbidden":
            valid = ", ".join(_valid_keys(cls, first["loc"][:-1]))
            raise UserError(
                f"{_origin(path, overrides, where)}: unknown key {where!r}; valid keys are: {valid}"
            ) from error
        message = first["msg"].removeprefix("Value error, ")
        raise UserError(f"{origin}: {where or 'recipe'}: {message}") from error


def _origin(path: str | Path, overrides: Sequence[str], where: str) -> str:
    """What is to be blamed for a value: the last override that gives it, else the file; for the whole recipe all."""
    if not where:
        return f"{path}{' with ' if overrides else ''}{' '.join(overrides)}"
    given = (override for override in reversed(overrides) if f"{where}.".startswith(f"{override.partition('=')[0]}."))
    found = next(given, None)
    return str(path) if found is None else f"override {found!r}"


class _Loader(yaml.SafeLoader):
    """Safe YAML that refuses a key given twice (plain YAML would silently keep the last), and knows `1e-4` as a number.

    PyYAML follows YAML 1.1, where a float needs a dot and the sign of its exponent; by YAML 1.2 it needs neither.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping, or an error that points to the second key."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                problem = f"the key {key.value!r} stands twice"
                raise yaml.constructor.ConstructorError(problem=problem, problem_mark=key.start_mark)
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else "")
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?([0-9]+\.?|[0-9]*\.[0-9]+)[eE][-+]?[0-9]+$"), list("-+.0123456789")
)


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UserError(f"{path}: {reason}") from error
    try:
        values = yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UserError(f"{path}{line}: {error.problem}") from error
    except (yaml.YAMLError, ValueError) as error:  # the latter of dates and numbers that cannot be, as 2024-13-45
        raise UserError(f"{path}: {' '.join(str(error).split())}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UserError(f"{path}: a recipe is a mapping of keys to values, not a {type(values).__name__}")
    return values


def _apply(values: dict[str, Any], override: str) -> None:
    """Set the key that an override names, in place."""
    key, equals, text = override.partition("=")
    if not equals or not all(key.split(".")):
        raise UserError(f"override {override!r}: write it as key=value or section.key=value")
    try:
        value = yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"override {override!r}: the value is not valid YAML") from error
    *sections, last = key.split(".")
    for section in sections:
        inner = values.setdefault(section, {})
        if inner is None:
            inner = values[section] = {}
        if isinstance(inner, list):
            raise UserError(f"override {override!r}: {section!r} is a list; give it whole, as in {section}=[...]")
        if not isinstance(inner, dict):
            raise UserError(f"override {override!r}: {section!r} is a single value, not a section")
        values = inner
    values[last] = value


def _valid_keys(cls: type[BaseModel], place: Sequence[int | str]) -> list[str]:
    """The keys that are known at this place of the recipe: field names, positions in lists, tags of unions."""
    models = [cls]
    for step in place:
        inner = [m for model in models if step in model.model_fields for m in _models_in(model.model_fields[step])]
        tagged = [m for m in models if any(step in get_args(f.annotation) for f in m.model_fields.values())]
        models = inner or tagged or models
    return sorted({key for model in models for key in model.model_fields})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The record types that a field or annotation names, also inside `list[...]`, `X | None` and the like."""
    if isinstance(annotation, FieldInfo):
        annotation = annotation.annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]
