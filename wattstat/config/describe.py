"""What the settings are, read off the models: for the samples that `wattstat init` writes and for the reference."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import AwareDatetime, BaseModel
from pydantic.fields import FieldInfo

from wattstat.document import Loc
from wattstat.values import KINDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting or group. `default` is plain data (None where there is none); `inside` is the model of a group's members.

    `many` says how a group repeats: `list`, `dict` (by name), or empty for a group that stands once.
    """

    loc: Loc
    kind: str
    required: bool
    default: Any
    text: str
    example: Any
    inside: type[BaseModel] | None
    many: Literal["", "list", "dict"]


def members(model: type[BaseModel], loc: Loc = ()) -> Iterator[Setting]:
    """The members of a model."""
    return (_setting((*loc, name), info) for name, info in model.model_fields.items())


def settings(model: type[BaseModel], loc: Loc = ()) -> Iterator[Setting]:
    """The members of a model and of the groups in it, groups before what is in them."""
    for setting in members(model, loc):
        yield setting
        if setting.inside is not None:
            inner: Loc = {"": setting.loc, "list": (*setting.loc, "[]"), "dict": (*setting.loc, "NAME")}[setting.many]
            yield from settings(setting.inside, inner)


def summary(model: type[BaseModel]) -> str:
    """A model's own documentation, as one paragraph."""
    return " ".join(inspect.cleandoc(model.__doc__ or "").split())


def plain(value: Any) -> Any:
    """A default as YAML would have it."""
    if isinstance(value, BaseModel):
        return {name: plain(inner) for name, inner in value}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _setting(loc: Loc, info: FieldInfo) -> Setting:
    annotation: Any = info.annotation
    core = _without_none(annotation)
    many: Literal["", "list", "dict"] = ""
    inside = core
    if get_origin(core) is dict:
        many, inside = "dict", get_args(core)[1]
    elif get_origin(core) is tuple:
        many, inside = "list", get_args(core)[0]
    is_group = isinstance(inside, type) and issubclass(inside, BaseModel)
    required = info.is_required()
    return Setting(
        loc=loc,
        kind="group" if is_group and not many else _kind(core, list(info.metadata)),
        required=required,
        default=None if required else plain(info.get_default(call_default_factory=True)),
        text=" ".join((info.description or "").split()),
        example=info.examples[0] if info.examples else None,
        inside=inside if is_group else None,
        many=many if is_group else "",
    )


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in {Union, types.UnionType}:
        rest = [option for option in get_args(annotation) if option is not types.NoneType]
        return rest[0] if len(rest) == 1 else annotation
    return annotation


def _kind(annotation: Any, metadata: list[Any]) -> str:
    """The type in words, bounds included."""
    while get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        metadata = [*metadata, *more]
    if named := [word for item, word in KINDS.items() if item in metadata]:
        return named[0]
    arguments = get_args(annotation)
    match get_origin(annotation):
        case None:
            is_entry = isinstance(annotation, type) and issubclass(annotation, BaseModel)
            return "entry" if is_entry else ", ".join([_WORDS[annotation], *_bounds(metadata)])
        case origin if origin is Literal:
            return " or ".join(f"`{option}`" for option in arguments)
        case origin if origin is tuple:
            return f"list of {_kind(arguments[0], [])}"
        case origin if origin is dict:
            return "entries by name"
        case _:
            return " or ".join(_kind(option, []) for option in arguments)


def _bounds(metadata: list[Any]) -> Iterator[str]:
    for item in metadata:
        if isinstance(item, FieldInfo):
            yield from _bounds(list(item.metadata))
        elif isinstance(item, annotated_types.Gt):
            yield f"more than {item.gt}"
        elif isinstance(item, annotated_types.Ge):
            yield f"at least {item.ge}"
        elif isinstance(item, annotated_types.Le):
            yield f"at most {item.le}"


_WORDS: dict[Any, str] = {
    str: "text",
    bool: "true or false",
    int: "whole number",
    float: "number",
    Path: "path",
    AwareDatetime: "time with its offset from UTC",
}  # a new kind is named here
