"""JSON schemas of draft 3 as devices publish them: what of a document breaks one, and documents that keep one."""

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

Schema = dict[str, Any]
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}
NUMBERS = st.one_of(st.integers(-(2**31), 2**40), st.sampled_from([0, 1, 2**63 - 1]))


def violations(schema: Any, value: Any, where: str = "$") -> Iterator[str]:
    """What breaks the schema. Members that it does not know are none of its business."""
    several = alternatives(schema)
    if len(several) > 1:
        if all(any(True for _ in violations(each, value, where)) for each in several):
            yield f"{where}: {value!r} is none of {len(several)} alternatives"
        return
    kind = several[0].get("type", "any")
    if kind != "any" and (not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")):
        yield f"{where}: {value!r} is no {kind}"
        return
    if value not in several[0].get("enum", [value]):
        yield f"{where}: {value!r} is none of {several[0]['enum']}"
    if isinstance(value, dict):
        for name, inner in several[0].get("properties", {}).items():
            if name in value:
                yield from violations(inner, value[name], f"{where}.{name}")
    if isinstance(value, list) and "items" in several[0]:
        for position, each in enumerate(value):
            yield from violations(several[0]["items"], each, f"{where}[{position}]")


SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": st.one_of(st.text(max_size=12), NUMBERS.map(str)),
    "integer": NUMBERS,
    "number": st.one_of(NUMBERS, st.floats(allow_nan=False, allow_infinity=False)),
    "boolean": st.booleans(),
    "null": st.none(),
    "any": st.one_of(st.none(), NUMBERS, st.floats(), st.text(max_size=12), st.just([{}])),
}


def documents(schema: Any) -> st.SearchStrategy[Any]:
    """Documents that keep a schema; any member of an object may be missing."""
    several = alternatives(schema)
    if len(several) > 1:
        return st.one_of(*map(documents, several))
    only = several[0]
    if "enum" in only:
        return st.sampled_from(only["enum"])
    kind = only.get("type", "any")
    if kind == "object":
        members = {name: documents(inner) for name, inner in only.get("properties", {}).items()}
        return st.fixed_dictionaries({}, optional=members)
    if kind == "array":
        return st.lists(documents(only["items"]), max_size=4) if "items" in only else st.just([])
    return SCALARS[kind]


def alternatives(schema: Any) -> list[Schema]:
    """The schemas of which a value must keep one: `type` may be a list of names and of schemas."""
    if isinstance(schema, str):
        return [{"type": schema}]
    kinds = schema.get("type", "any")
    if not isinstance(kinds, list):
        return [schema]
    return [kind if isinstance(kind, dict) else {**schema, "type": kind} for kind in kinds]
