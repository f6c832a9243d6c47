"""Slurm's way to write many nodes in one expression: `gpu[01-03,7],login1`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

MOST_NODES = 100_000  # an expression can name billions in a few characters
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")


def expand(expression: str) -> tuple[str, ...]:
    """The names, in the order in which Slurm counts them. Raises `ValueError` for what is no such expression."""
    names = [name for part in _split(expression) if part for name in _names(part)]
    if len(names) > MOST_NODES:
        raise ValueError(f"a node list of more than {MOST_NODES} nodes")
    return tuple(names)


def numbers(ranges: str) -> Iterator[str]:
    """The numbers of `01-03,7` as text, zeros in front kept. Raises `ValueError`."""
    for piece in ranges.split(","):
        first, dash, last = piece.partition("-")
        last = last if dash else first
        if not (first.isdecimal() and last.isdecimal()) or int(last) < int(first) or int(last) - int(first) > MOST_NODES:
            raise ValueError(f"{ranges!r} is no range of numbers")
        yield from (str(number).zfill(len(first)) for number in range(int(first), int(last) + 1))


def _split(expression: str) -> list[str]:
    """Parts between commas that stand outside of brackets."""
    parts, depth = [""], 0
    for character in expression:
        depth += (character == "[") - (character == "]")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    if depth:
        raise ValueError(f"{expression!r} has brackets without their partners")
    return parts


def _names(part: str) -> Iterator[str]:
    pieces = _BRACKETS.split(part)  # plain, ranges, plain, ranges … plain
    choices = [list(numbers(piece)) if position % 2 else [piece] for position, piece in enumerate(pieces)]
    count = 1
    for choice in choices:
        count *= len(choice)
    if count > MOST_NODES:
        raise ValueError(f"a node list of more than {MOST_NODES} nodes")
    return ("".join(chosen) for chosen in itertools.product(*choices))
