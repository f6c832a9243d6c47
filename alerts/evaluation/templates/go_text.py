"""Values as Go prints them: `%v`, and printf."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

_VERB = re.compile(r"%(?P<flags>[-+# 0]*)(?P<width>\d+)?(?:\.(?P<precision>\d*))?(?P<verb>.)?", re.DOTALL)


def kind_of(value: Any) -> str:
    """Go's name of a value's type."""
    for kinds, name in ((bool, "bool"), (int, "int"), (float, "float64"), (str, "string"), (Mapping, "map[string]string")):
        if isinstance(value, kinds):
            return name
    return "<nil>" if value is None else "template.queryResult" if isinstance(value, Sequence) else "*template.sample"


def plain(value: Any) -> str:
    """A value as `{{ value }}` prints it."""
    if value is None:
        return "<no value>"
    if isinstance(value, Mapping):
        return "map[" + " ".join(f"{key}:{plain(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return float_text(value, "g", None)
    if isinstance(value, list | tuple):
        return "[" + " ".join(plain(each) for each in value) + "]"
    return str(value)


def float_text(value: float, verb: str, precision: int | None) -> str:
    """A number in one of Go's formats e, f, g (upper case as well); without a precision as short as it stays the same."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    if precision is not None:
        return f"{value:.{precision}{verb}}"
    mantissa, _, power = f"{value!r}".partition("e")
    digits, point = _digits(mantissa, int(power or 0))
    exponent = point - 1 if digits != "0" else 0
    sign = "-" if math.copysign(1, value) < 0 else ""
    low = verb.lower()
    if low == "e" or (low == "g" and not -4 <= exponent < 6):
        text = digits[0] + ("." + digits[1:] if len(digits) > 1 else "") + f"e{exponent:+03d}"
        return sign + (text.upper() if verb.isupper() else text)
    if point <= 0:
        return sign + "0." + "0" * -point + digits if digits != "0" else sign + "0"
    return sign + digits[:point].ljust(point, "0") + ("." + digits[point:] if len(digits) > point else "")


def _digits(mantissa: str, power: int) -> tuple[str, int]:
    """The significant digits, and how many of them stand before the point."""
    whole, _, part = mantissa.lstrip("-").partition(".")
    point = len(whole) + power
    digits = whole + part
    stripped = digits.lstrip("0")
    point -= len(digits) - len(stripped)
    return (stripped.rstrip("0") or "0"), point


def printf(template: str, arguments: Sequence[Any]) -> str:
    """Go's `fmt.Sprintf`: what does not fit is said in the text, as Go says it."""
    rest = list(arguments)

    def write(found: re.Match[str]) -> str:
        verb = found["verb"]
        if verb == "%":
            return "%"
        if verb is None:
            return "%!(NOVERB)"
        if not rest:
            return f"%!{verb}(MISSING)"
        return _formatted(rest.pop(0), found)

    text = _VERB.sub(write, template)
    if rest:
        extra = ", ".join(f"{kind_of(each)}={plain(each)}" if each is not None else "<nil>" for each in rest)
        return f"{text}%!(EXTRA {extra})"
    return text


def _formatted(value: Any, found: re.Match[str]) -> str:
    verb, flags = found["verb"], found["flags"]
    precision = None if found["precision"] is None else int(found["precision"] or 0)
    text = _verb(value, verb, precision, flags)
    if text is None:
        shown = "<nil>" if value is None else f"{kind_of(value)}={plain(value)}"
        return f"%!{verb}({shown})"
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and "+" in flags and not text.startswith(("-", "+")):
        text = "+" + text
    elif number and " " in flags and not text.startswith(("-", "+")):
        text = " " + text
    width = int(found["width"] or 0)
    if "-" in flags:
        return text.ljust(width)
    if "0" in flags and number and math.isfinite(value):
        sign = text[: 1 if text[:1] in {"+", "-", " "} else 0]
        return sign + text[len(sign) :].rjust(width - len(sign), "0")
    return text.rjust(width)


def _verb(value: Any, verb: str, precision: int | None, flags: str) -> str | None:
    """One value by one verb; None where they do not fit."""
    if isinstance(value, bool):
        return plain(value) if verb in "tv" else None
    if isinstance(value, float):
        return _float(value, verb, precision)
    if isinstance(value, int):
        return _integer(value, verb, flags)
    if isinstance(value, str):
        return _string(value, verb, precision)
    return ("<nil>" if value is None else plain(value)) if verb == "v" or (verb == "s" and value is not None) else None


def _float(value: float, verb: str, precision: int | None) -> str | None:
    if verb not in "veEfFgG":
        return None
    standard = 6 if verb in "eEfF" else None
    form = {"v": "g", "F": "f"}.get(verb, verb)
    return float_text(value, form, standard if precision is None else precision)


def _integer(value: int, verb: str, flags: str) -> str | None:
    prefix = {"x": "0x", "X": "0X", "o": "0", "b": "0b"}.get(verb, "") if "#" in flags else ""
    if verb in "dv":
        return str(value)
    if verb in "xXob":
        return ("-" if value < 0 else "") + prefix + format(abs(value), verb)
    if verb == "c":
        return chr(value)
    return None


def _string(value: str, verb: str, precision: int | None) -> str | None:
    cut = value if precision is None else value[:precision]
    if verb in "vs":
        return cut
    if verb == "q":
        return quoted(cut)
    if verb in "xX":
        return format(cut.encode().hex()) if verb == "x" else cut.encode().hex().upper()
    return None


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\a": "\\a", "\b": "\\b", "\f": "\\f", "\v": "\\v"}


def quoted(text: str) -> str:
    """A string as Go's `%q` writes it."""
    return '"' + "".join(_ESCAPES.get(each, each if each.isprintable() else _numbered(each)) for each in text) + '"'


def _numbered(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
