"""Models read from documents, with every refusal explained: where, what, what was expected, what to do."""

from __future__ import annotations

import difflib
import re
import types
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from wattstat.document import Document, Loc, Problem, dotted

AnyModel = TypeVar("AnyModel", bound=BaseModel)

SECRET_KEYS = frozenset({"password", "passwd", "passphrase", "secret", "token", "api_key", "apikey", "bearer_token"})

_EXPECTED = {
    "missing": "a value",
    "string_type": "text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "path_type": "a path",
    "tuple_type": "a list: [a, b] or lines that begin with a dash",
    "list_type": "a list: [a, b] or lines that begin with a dash",
    "dict_type": "`name: value` lines",
    "model_type": "`name: value` lines",
    "model_attributes_type": "`name: value` lines",
}
_BOUNDS = {
    "greater_than": "more than",
    "greater_than_equal": "at least",
    "less_than": "less than",
    "less_than_equal": "at most",
}


def model_of(
    kind: type[AnyModel], document: Document, *, schema: type[BaseModel] | None = None
) -> tuple[AnyModel | None, list[Problem]]:
    """Read `kind` from a document: the model, or None and why not. `schema` knows more names, where the file has more."""
    problems = list(document.problems)
    try:
        model = kind.model_validate(document.data)
    except ValidationError as err:
        details = err.errors(include_url=False, include_context=True)
        return None, [*problems, *(_explained(schema or kind, document, detail) for detail in details)]
    return (None if any(not problem.warning for problem in problems) else model), problems


def resolve_paths(model: AnyModel, base: Path) -> AnyModel:
    """The same model with relative paths made absolute, seen from `base`."""
    changes = {name: new for name, value in model if (new := _resolved(value, base)) is not value}
    return model.model_copy(update=changes) if changes else model


def field_models(kind: type[BaseModel], loc: Loc) -> type[BaseModel] | None:
    """The model whose fields are named at `loc` inside `kind`; None where names are free."""
    annotation: Any = kind
    for part in loc:
        annotation = _step(annotation, part)
    found = _bare(annotation)
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def is_structured(kind: type[BaseModel], loc: Loc) -> bool:
    """Whether the setting at `loc` is a group, a list or a mapping rather than a single value."""
    annotation: Any = kind
    for part in loc:
        annotation = _step(annotation, part)
    bare = _bare(annotation)
    return (isinstance(bare, type) and issubclass(bare, BaseModel)) or get_origin(bare) in {tuple, list, dict}


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant. `r3` is not meant by `r1`: names that differ in their numbers are others."""
    letters, numbers = _parts(name)
    possible = [each for each in known if _parts(each)[0] != letters or _parts(each)[1] == numbers]
    spellings = (name.lower(), name.lower().replace("-", "_"))
    return next((match for text in spellings for match in difflib.get_close_matches(text, possible, n=1, cutoff=0.6)), None)


def _parts(name: str) -> tuple[list[str], list[int]]:
    """`r01-a` as its letters and its numbers."""
    pieces = re.split(r"(\d+)", name.lower())
    return pieces[0::2], [int(piece) for piece in pieces[1::2]]


def alternatives(names: Sequence[str]) -> str:
    """`a, b or c`, shortened when there are many."""
    shown = list(names[:12]) + (["…"] if len(names) > 12 else [])
    return " or ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _explained(kind: type[BaseModel], document: Document, detail: Mapping[str, Any]) -> Problem:
    loc: Loc = tuple(part for part in detail["loc"] if part != "[key]")
    place, setting, sort = document.place(loc), dotted(loc, document.data), str(detail["type"])
    if sort == "extra_forbidden":
        return _unknown_key(kind, document, loc)
    context = detail.get("ctx", {})
    if sort == "missing":
        return Problem(place=place, setting=setting, what="is missing", expected="a value", advice=f"add a line `{loc[-1]}: …`")
    if sort in {"literal_error", "enum"}:
        return Problem(place=place, setting=setting, what=f"is {_shown(loc, detail)}", expected=str(context["expected"]))
    if sort in _BOUNDS:
        bound = next(value for key, value in context.items() if key in {"gt", "ge", "lt", "le"})
        return Problem(place=place, setting=setting, what=f"is {_shown(loc, detail)}", expected=f"{_BOUNDS[sort]} {bound:g}")
    if sort == "value_error":
        what, _, rest = str(context["error"]).partition("; expected ")
        expected, _, advice = rest.partition("; ")
        return Problem(place=place, setting=setting, what=what, expected=expected, advice=advice)
    advice = ""
    if sort == "string_type" and not isinstance(detail["input"], dict | list | types.NoneType):
        advice = "write it in quotes: without them YAML reads a number, a date, or yes/no"
    expected = _EXPECTED.get(sort, str(detail["msg"]))
    return Problem(place=place, setting=setting, what=f"is {_shown(loc, detail)}", expected=expected, advice=advice)


def _unknown_key(kind: type[BaseModel], document: Document, loc: Loc) -> Problem:
    name = str(loc[-1])
    place, setting = document.place(loc), dotted(loc, document.data)
    model = field_models(kind, loc[:-1])
    known = sorted(model.model_fields) if model else []
    if name.lower() in SECRET_KEYS:
        fitting = [f"{name}_file", f"{name}_env"]
        allowed = [option for option in fitting if option in known] or ["password_file", "password_env"]
        return Problem(
            place=place,
            setting=setting,
            what="a secret never stands in the file, which gets copied, mailed and committed",
            expected=alternatives(allowed),
            advice="put it into a file that only Wattstat's user may read, or into an environment variable, and name that",
        )
    meant = nearest(name, known)
    advice = f"did you mean `{meant}`?" if meant else "remove the line"
    return Problem(place=place, setting=setting, what="no such setting", expected=alternatives(known), advice=advice)


def _shown(loc: Loc, detail: Mapping[str, Any]) -> str:
    """The refused value, unless it could be a secret."""
    value = detail["input"]
    if value is None:
        return "empty"
    if isinstance(value, dict):
        return "a group of settings"
    if isinstance(value, list):
        return "a list"
    if loc[:1] == ("credentials",) or any(str(part).lower() in SECRET_KEYS for part in loc):
        return "not usable"
    text = str(value)
    return repr(text if len(text) <= 60 else text[:57] + "…") if isinstance(value, str) else text.lower()


def _resolved(value: Any, base: Path) -> Any:
    if isinstance(value, Path):
        return value if value.is_absolute() else base / value.expanduser()
    if isinstance(value, BaseModel):
        return resolve_paths(value, base)
    if isinstance(value, tuple) and any(isinstance(item, Path | BaseModel) for item in value):
        return tuple(_resolved(item, base) for item in value)
    if isinstance(value, dict):
        return {key: _resolved(item, base) for key, item in value.items()}
    return value


def _bare(annotation: Any) -> Any:
    """An annotation without Annotated and without `| None`."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in {Union, types.UnionType}:
        rest = [option for option in get_args(annotation) if option is not types.NoneType]
        return _bare(rest[0]) if len(rest) == 1 else annotation
    return annotation


def _step(annotation: Any, part: str | int) -> Any:
    """The annotation of what `part` names inside."""
    bare = _bare(annotation)
    if isinstance(bare, type) and issubclass(bare, BaseModel):
        info = bare.model_fields.get(str(part))
        return info.annotation if info else None
    arguments = get_args(bare)
    if get_origin(bare) in {tuple, list}:
        return arguments[0]
    return arguments[1] if get_origin(bare) is dict else None


def collect(*groups: Iterable[Problem]) -> list[Problem]:
    """Problems in the order of their lines; what is said many times of one line (a pattern's) is said once."""
    first: dict[tuple[object, ...], Problem] = {}
    more: Counter[tuple[object, ...]] = Counter()
    for problem in chain.from_iterable(groups):
        texts: tuple[str, ...] = (problem.what, problem.expected, problem.advice)
        if problem.place.line is not None:  # the names that one pattern makes differ in their numbers
            texts = tuple(re.sub(r"\d+", "#", text) for text in texts)
        key = (problem.place, *texts)
        earlier = first.setdefault(key, problem)
        if earlier is not problem and (earlier.setting, earlier.what) != (problem.setting, problem.what):
            more[key] += 1
    told = (
        replace(problem, setting=f"{problem.setting} and {more[key]} more") if more[key] else problem
        for key, problem in first.items()
    )
    return sorted(told, key=lambda problem: (problem.place.source, problem.place.line or 0, problem.place.column or 0))
