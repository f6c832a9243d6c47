"""Markup: whatever a device says stays text."""

from dashboard.components import parts
from dashboard.markup import Markup, content, filled, tag
from dashboard.problems import Level


def test_a_devices_words_cannot_become_elements():
    assert tag("span", "<script>alert(1)</script>") == "<span>&lt;script&gt;alert(1)&lt;/script&gt;</span>"


def test_an_attribute_cannot_be_left():
    assert tag("a", "x", href='" onclick="evil()') == '<a href="&quot; onclick=&quot;evil()">x</a>'


def test_markup_inside_markup_is_escaped_once():
    assert tag("p", [tag("b", "1 < 2"), " & ", None, 3]) == "<p><b>1 &lt; 2</b> &amp; 3</p>"


def test_attributes_that_are_none_or_false_are_left_out():
    assert tag("a", "x", id=None, data_link=True, hidden=False, aria_label="y") == '<a data-link aria-label="y">x</a>'


def test_nothing_is_nothing():
    assert content(None) == ""
    assert filled({"a": None, "b": [Markup("<i>"), "<"]}) == {"a": "", "b": "<i>&lt;"}


def test_a_level_has_colour_shape_and_word():
    for level in Level:
        assert level.name.lower() in parts.badge(level)
        assert level.name.lower() in parts.badge(level).lower().split(">")[-2]


def test_a_bar_without_a_value_is_hatched_and_not_empty():
    assert "none" in parts.bar(None)
    assert "--f:0.000" in parts.bar(0.0)


def test_an_age_travels_as_numbers_for_the_browser_to_count_on():
    assert 'data-age="12.0"' in parts.age(12, 1000)
    assert "no data" in parts.age(None, 1000)
