"""Binary operators: arithmetic, comparison, sets, and the matching of vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import promql_parser as pp

from wattstat.promql.raw import Mask, Values
from wattstat.promql.syntax import NAME, Labels, PromqlError, Unsupported
from wattstat.promql.vector import Vector, drop_name, groups, merged, only, replaced, without


def _power(base: Values, exponent: Values) -> Values:
    # numpy takes the square root where the exponent is 0.5, and that of -Inf is NaN.
    return np.where(np.isneginf(base) & (exponent == 0.5), np.inf, np.power(base, exponent))


ARITHMETIC: dict[str, Callable[[Values, Values], Values]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": _power,
    "atan2": np.arctan2,
}
NAME_STAYS = "atan2"
"""Arithmetic drops the metric's name; this operator was forgotten in Prometheus 2.42, and its users may rely on it."""

COMPARISON: dict[str, Callable[[Values, Values], Mask]] = {
    "==": np.equal,
    "!=": np.not_equal,
    ">": np.greater,
    "<": np.less,
    ">=": np.greater_equal,
    "<=": np.less_equal,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """How the elements of two vectors find each other."""

    on: bool = False
    labels: tuple[str, ...] = ()
    many: str = ""
    """Which side may have several elements for one of the other: `left`, `right` or neither."""
    include: tuple[str, ...] = ()

    def signature(self, labels: Labels) -> Labels:
        """What elements must have in common."""
        return only(self.labels)(labels) if self.on else without((*self.labels, NAME))(labels)


def matching_of(expr: pp.BinaryExpr) -> Matching:
    """The modifiers of an operator between vectors."""
    modifier = expr.modifier
    if modifier is None:
        return Matching()
    if modifier.fill_values.lhs is not None or modifier.fill_values.rhs is not None:
        raise Unsupported("the modifier `fill`")
    many = {"VectorMatchCardinality.ManyToOne": "left", "VectorMatchCardinality.OneToMany": "right"}
    matching = modifier.matching
    return Matching(
        on=matching is not None and matching.type == pp.LabelModifierType.Include,
        labels=() if matching is None else tuple(matching.labels),
        many=many.get(str(modifier.card), ""),
        include=tuple(modifier.group_labels or ()),
    )


def between_scalars(operator: str, left: Values, right: Values) -> Values:
    """Arithmetic, or a comparison as 1 and 0."""
    if operator in ARITHMETIC:
        return ARITHMETIC[operator](left, right)
    return COMPARISON[operator](left, right).astype(np.float64)


def with_scalar(operator: str, vector: Vector, scalar: Values, *, scalar_first: bool, as_bool: bool) -> Vector:
    """A vector and a scalar. A comparison keeps the vector's elements, whichever side they stand on."""
    sides = (scalar, vector.values) if scalar_first else (vector.values, scalar)
    if operator in ARITHMETIC:
        result = Vector(labels=vector.labels, values=ARITHMETIC[operator](*sides), present=vector.present)
        return result if operator == NAME_STAYS else result.nameless()
    true = COMPARISON[operator](*sides)
    if as_bool:
        return Vector(labels=vector.labels, values=true.astype(np.float64), present=vector.present).nameless()
    return Vector(labels=vector.labels, values=vector.values, present=vector.present & true).pruned()


def between_sets(operator: str, left: Vector, right: Vector, matching: Matching) -> Vector:
    """`and`, `or`, `unless`: which elements stay is decided anew at each step."""
    if operator == "or":
        missing = right.present & ~_partners(right, left, matching)
        return merged(
            Vector(
                labels=[*left.labels, *right.labels],
                values=np.concatenate([left.values, right.values]),
                present=np.concatenate([left.present, missing]),
            )
        ).pruned()
    partners = _partners(left, right, matching)
    stays = partners if operator == "and" else ~partners
    return Vector(labels=left.labels, values=left.values, present=left.present & stays).pruned()


def _partners(vector: Vector, other: Vector, matching: Matching) -> Mask:
    """At which steps each row of `vector` has an element with the same signature in `other`."""
    there = {
        signature: other.present[rows].any(axis=0)
        for signature, rows in groups([matching.signature(labels) for labels in other.labels]).items()
    }
    nowhere = np.zeros(vector.present.shape[1], np.bool_)
    found = [there.get(matching.signature(labels), nowhere) for labels in vector.labels]
    return np.array(found, np.bool_).reshape(vector.present.shape)


def between_vectors(operator: str, left: Vector, right: Vector, matching: Matching, *, as_bool: bool) -> Vector:
    """Arithmetic or comparison between the elements that match."""
    many, one = (right, left) if matching.many == "right" else (left, right)
    both: Mask = np.any(left.present, axis=0) & np.any(right.present, axis=0)
    partner_rows = _unique_rows(one, both, matching)
    pairs = [
        (row, partner) for row, labels in enumerate(many.labels) for partner in partner_rows.get(matching.signature(labels), ())
    ]
    many_rows, one_rows = [row for row, _ in pairs], [partner for _, partner in pairs]
    many_values, one_values = many.values[many_rows], one.values[one_rows]
    present = many.present[many_rows] & one.present[one_rows]
    sides = (one_values, many_values) if matching.many == "right" else (many_values, one_values)
    if operator in ARITHMETIC:
        values = ARITHMETIC[operator](*sides)
    else:
        true = COMPARISON[operator](*sides)
        values = true.astype(np.float64) if as_bool else sides[0]
        present = present if as_bool else present & true
    nameless = as_bool or (operator in ARITHMETIC and operator != NAME_STAYS)
    labels = [_result_labels(many.labels[row], one.labels[partner], matching, nameless=nameless) for row, partner in pairs]
    _refuse_several(labels, [matching.signature(many.labels[row]) for row in many_rows], present, matching)
    return merged(Vector(labels=labels, values=values, present=present)).pruned()


def _unique_rows(one: Vector, both: Mask, matching: Matching) -> dict[Labels, list[int]]:
    """The rows of the side that may have one element a signature at each step. Raises `PromqlError` where it has more."""
    found = groups([matching.signature(labels) for labels in one.labels])
    side = "left" if matching.many == "right" else "right"
    for signature, rows in found.items():
        if len(rows) > 1 and (one.present[rows].sum(axis=0)[both] > 1).any():
            shown = ", ".join(f'{name}="{value}"' for name, value in signature)
            raise PromqlError(
                f"found duplicate series for the match group {{{shown}}} on the {side} hand-side of the operation: "
                f"{_shown(one.labels[rows[0]])} and {_shown(one.labels[rows[1]])}; "
                "many-to-many matching not allowed: matching labels must be unique on one side"
            )
    return found


def _shown(labels: Labels) -> str:
    return "{" + ", ".join(f'{name}="{value}"' for name, value in labels) + "}"


def _refuse_several(labels: Sequence[Labels], signatures: Sequence[Labels], present: Mask, matching: Matching) -> None:
    """Two elements of the many side may not give one result."""
    one_to_one = not matching.many
    keys = signatures if one_to_one else [(*signature, *result) for signature, result in zip(signatures, labels, strict=True)]
    if len(set(keys)) == len(keys):
        return
    for rows in groups(keys).values():
        if len(rows) > 1 and (present[rows].sum(axis=0) > 1).any():
            raise PromqlError(
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
                if one_to_one
                else "multiple matches for labels: grouping labels must ensure unique matches"
            )


def _result_labels(many: Labels, one: Labels, matching: Matching, *, nameless: bool) -> Labels:
    result = drop_name(many) if nameless else many
    if not matching.many:
        return only(matching.labels)(result) if matching.on else without(matching.labels)(result)
    for name in matching.include:
        result = replaced(result, name, dict(one).get(name, ""))
    return result
