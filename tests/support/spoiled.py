"""Documents as devices write them, with some members gone, doubled, or of another kind."""

import copy

from hypothesis import strategies as st

JUNK = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["N/A", "", "0", "-1", "nan", "4294967295", "18446744073709551615", "1e400", [], {}, [[]], {"a": None}])
)


@st.composite
def spoiled(draw, document, most=4):
    """The document with up to `most` changes."""
    changed = copy.deepcopy(document)
    for _ in range(draw(st.integers(0, most))):
        places = list(_places(changed))
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        act = draw(st.sampled_from(["drop", "junk", "double"]))
        if act == "drop":
            del holder[key]
        elif act == "double" and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        else:
            holder[key] = copy.deepcopy(draw(JUNK))
    return changed


def _places(value):
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])
