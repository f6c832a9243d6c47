"""Templates give what Prometheus gives, checked with promtool; what is not supported is refused by name."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from alerts.evaluation.templates import Asks, Data, Failed, Sample, TemplateError, parse
from tests.support.programs import required_program

LABELS = {"__name__": "m", "a": "x y", "n": "a"}
VALUE = 1234567.891
URL = "http://ex:9090/p"
ANSWERS: dict[str, list[Sample] | Failed] = {
    "q": [Sample({"__name__": "q", "n": "a"}, 1.5), Sample({"__name__": "q", "n": "b"}, 2.0)],
    "xnan": [Sample({"__name__": "xnan"}, float("nan"))],
    "xinf": [Sample({"__name__": "xinf"}, float("inf"))],
    "-xinf": [Sample({}, float("-inf"))],
    "nothing": [],
    "q{n='a'}": [Sample({"__name__": "q", "n": "a"}, 1.5)],
    "scalar(sum(q))": [Sample({}, 3.5)],
    "sum(": Failed("1:5: parse error: unclosed left parenthesis"),
    "q[5m]": Failed("rule result is not a vector or scalar"),
    '"str"': Failed("rule result is not a vector or scalar"),
}

TEMPLATES = [
    "{{ $value }}",
    "{{ .Value }}",
    "{{ 1.0 }} {{ 1e6 }} {{ 1e20 }} {{ 1e21 }} {{ 1e22 }} {{ 123456789.0 }} {{ 0.0001 }} {{ 0.00001 }} {{ 0.1 }}",
    "{{ 1000000.0 }} {{ 5 }} {{ 0x1f }} {{ 'a' }} {{ -3 }} {{ 1_000 }}",
    "{{ $value | humanize }}",
    "{{ 0.0 | humanize }}",
    "{{ 12345.678 | humanize }}",
    "{{ 999.96 | humanize }}",
    "{{ 0.000123 | humanize }}",
    "{{ -0.5 | humanize }}",
    "{{ 1e30 | humanize }}",
    "{{ 1024 | humanize1024 }}",
    "{{ 1536.0 | humanize1024 }}",
    "{{ 1e12 | humanize1024 }}",
    "{{ 0.5 | humanize1024 }}",
    "{{ -5000.0 | humanize1024}}",
    "{{ 0.0 | humanizeDuration }}",
    "{{ 5.5 | humanizeDuration }}",
    "{{ 61.0 | humanizeDuration }}",
    "{{ 3600 | humanizeDuration }}",
    "{{ 90061.0 | humanizeDuration }}",
    "{{ -90.0 | humanizeDuration }}",
    "{{ 0.0123 | humanizeDuration }}",
    "{{ 59.9999 | humanizeDuration }}",
    "{{ 1e-12 | humanizeDuration }}",
    "{{ 86400 | humanizeDuration }}",
    "{{ 0.123456 | humanizePercentage }} {{ 1.0 | humanizePercentage }} {{ 12.3456 | humanizePercentage}}",
    "{{ 1700000000.5 | humanizeTimestamp }}",
    "{{ 0 | humanizeTimestamp }}",
    "{{ 1700000000.123456 | humanizeTimestamp }}",
    "{{ -1.5 | humanizeTimestamp}}",
    '{{ query "xnan" | first | value | humanize }}',
    '{{ query "xinf" | first | value | humanizeDuration }}',
    '{{ query "xnan" | first | value }}',
    '{{ query "xinf" | first | value }}',
    '{{ query "xinf" | first | value | humanizePercentage }}',
    '{{ query "-xinf" | first | value | humanize1024 }}',
    '{{ printf "%s|%10s|%-10s|%q|%x" $labels.a $labels.a $labels.a $labels.a $labels.a }}',
    '{{ printf "%d|%5d|%-5d|%05d|%+d|%x|%X|%o|%b|%c|%#x" 42 42 42 42 42 42 42 42 42 42 42 }}',
    '{{ printf "%f|%.2f|%8.3f|%-8.1f|%08.2f|%+.1f" $value $value $value $value $value $value }}',
    '{{ printf "%e|%.3e|%g|%.3g|%G|%v|%6.2f%%" $value $value $value $value $value $value $value }}',
    '{{ printf "%.0f %.1f %.2f" 0.5 0.25 2.675 }}',
    '{{ printf "%d" 1.0 }}',
    '{{ printf "%f" 1 }}',
    '{{ printf "%s" 1.0 }}',
    '{{ printf "%d %d" 1 }}',
    '{{ printf "%d" 1 2 }}',
    '{{ printf "%s" 5 }}',
    '{{ printf "%!" }}',
    '{{ printf "%d" "x" }}',
    '{{ printf "%t %v %t" true false 1 }}',
    '{{ printf "%v %s" nil nil }}',
    '{{ printf "%5.1f|%5s|%.2s" 3.14159 "ab" "abcdef" }}',
    '{{ printf "%v" $labels }}',
    "{{ $labels }}",
    "{{ .Labels }}",
    "{{ $labels.missing }}|{{ .Labels.missing }}",
    "{{ if $labels.a }}yes{{ else }}no{{ end }} {{ if $labels.zz }}yes{{ else }}no{{ end }}",
    "{{ if gt $value 90.0 }}big{{ end }}",
    '{{ if eq $labels.a "q" "x y" }}one{{ else if eq $labels.a "z" }}two{{ else }}three{{ end }}',
    "{{ if and (gt $value 1.0) (lt $value 2.0) }}a{{ else }}b{{ end }}",
    '{{ if or false 0 "" }}c{{ else }}d{{ end }}',
    "{{ if not true }}e{{ end }}",
    '{{ and 1 0 2 }} {{ or 0 "" 5 }} {{ not 0 }} {{ 5 | and 1 }} {{ 0 | or 0 }}',
    "{{ with $labels.a }}[{{ . }}]{{ end }}{{ with $labels.zz }}x{{ else }}none{{ end }}",
    '{{ with query "q" | sortByLabel "n" }}{{ . | first | value | humanize }}{{ end }}',
    '{{ with query "nothing" }}x{{ else }}none{{ end }}',
    '{{ range query "q" | sortByLabel "n" }}{{ .Labels.n }}={{ .Value }};{{ end }}',
    '{{ range $i, $s := query "q" | sortByLabel "n" }}{{ $i }}:{{ $s.Labels.n }} {{ end }}',
    "{{ range $k, $v := $labels }}{{ $k }}={{ $v }},{{ end }}",
    '{{ range query "nothing" }}x{{ else }}empty{{ end }}',
    '{{ range $i, $s := query "q" | sortByLabel "n" }}{{ if eq $i 1 }}{{ break }}{{ end }}{{ .Labels.n }}{{ end }}',
    '{{ range query "q" | sortByLabel "n" }}{{ if eq .Labels.n "a" }}{{ continue }}{{ end }}{{ .Labels.n }}{{ end }}',
    '{{ $x := "v" }}{{ $x }}{{ $x = "w" }}{{ $x }}',
    "{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ $y := 3 }}{{ $y }}{{ end }}{{ $x }}",
    "{{ if $x := $labels.a }}{{ $x }}{{ end }}",
    '{{ $x := 1 }}{{ range $x := query "q" | sortByLabel "n" }}{{ $x.Value }}{{ end }}{{ $x }}',
    'a  {{- " b " -}}  c',
    "a {{- /* comment */ -}} b {{/* x */}} c",
    r'{{ "quo\"te\n" }}{{ `raw\n` }}',
    '{{ (query "q" | sortByLabel "n" | first).Labels.n }} {{ (query "q" | sortByLabel "n" | first).Value }}',
    '{{ index $labels "a" }}',
    '{{ index (query "q" | sortByLabel "n") 1 | value }}',
    "{{ len $labels }}",
    "{{ len $labels.a }}",
    '{{ len (query "q") }}',
    '{{ slice "abcdef" 1 3 }} {{ slice "abcdef" 2 }}',
    '{{ print 1 2 "x" "y" 3 4 }}|{{ println "a" 1 }}|{{ print nil }}|{{ print $labels.a $value }}',
    '{{ html "<a href=\'x\'>&\\"" }} {{ urlquery "a b&c/ü~-_.!*\'()" }}',
    """{{ toUpper "aBc" }} {{ toLower "aBC" }} {{ title "hello wORLD foo-bar a_b x'y" }}""",
    '{{ match "^x.*" $labels.a }}',
    '{{ match "q" $labels.a }}',
    '{{ reReplaceAll "(x)( )" "$2${1}z$$" $labels.a }}',
    '{{ reReplaceAll "[aeiou]" "_" "education" }}',
    '{{ reReplaceAll "(?P<f>e)" "<$f>" "bee" }}',
    '{{ stripPort "host:80" }}',
    '{{ stripPort "host" }}',
    '{{ stripPort "[::1]:90" }}',
    '{{ stripPort "a:b:c" }}',
    '{{ stripDomain "a.b.c:80" }}',
    '{{ stripDomain "10.0.0.1:80" }}',
    '{{ stripDomain "a.b.c" }}',
    '{{ label "n" (query "q" | sortByLabel "n" | first) }}',
    '{{ query "q" | sortByLabel "n" | first | label "n" }}',
    '{{ strvalue (query "q" | first) }}',
    """{{ with printf "q{n='%s'}" $labels.n | query }}{{ . | first | value | printf "%.1f" }}{{ end }}""",
    '{{ query "scalar(sum(q))" | first | value }}',
    "{{ $ }}x",
    "{{ .Labels | len }}",
    "{{ true }} {{ false }}",
    "{{ not $labels.a }}",
    '{{ (printf "%s" "x") }}',
    "{{ (1) }}",
    '{{ 3 | printf "%d-%d" 2 }}',
    '{{ $labels.a | len | printf "%03d" }}',
    '{{ with $x := query "q" | sortByLabel "n" }}{{ range $x }}{{ .Labels.n }}{{ end }}{{ end }}',
    "{{ if true }}a{{ else }}{{ if true }}b{{ end }}{{ end }}",
    "c{{ if false }}x{{ else if false }}y{{ else if true }}z{{ else }}w{{ end }}",
    "{{ $v := $value }}{{ with $labels }}{{ .a }} {{ $v }} {{ $.Value }}{{ end }}",
    "text with { braces } and }} stays",
    '{{ "a" | printf "%s %s" "b" }}',
    '{{ printf "%v|%v" 1e100 -1e-7 }} {{ 1e-5 }} {{ 2.5e-4 }} {{ 12345678.9 }} {{ 3.0 }}',
    '{{ $value | printf "%.3v" }} {{ printf "%6v|%-6v|" true 1.5 }}',
    "{{ humanize 1e3 }} {{ humanize 999999.0 }} {{ humanize 0.9999 }} {{ humanize 0.99999 }}",
    '{{ parseDuration "1h30m" }}',
    '{{ with query "q" | sortByLabel "n" }}{{ with . | first }}{{ .Labels }}{{ end }}{{ end }}',
    '{{ printf "%q" "é\\t☺" }}',
    "{{ $externalURL }}",
    "{{ .ExternalURL }}",
    "{{ $externalLabels.cluster }}",
    "{{ .ExternalLabels.cluster }}",
]

FAILING = [
    '{{ "1.5" | humanize }} {{ "x" | humanize }}',
    "{{ .Foo }}",
    "{{ $labels.a.b }}",
    "{{ $value.x }}",
    "{{ if gt $value 90 }}big{{ end }}",
    '{{ query "nothing" | first | value }}',
    '{{ index (query "q") 9 | value }}',
    '{{ match "(" "x" }}',
    '{{ query "sum(" | first | value }}',
    '{{ query "q[5m]" | first | value }}',
    '{{ query `"str"` | first | strvalue }}',
    "{{ eq 1 1.0 }}",
    '{{ eq $value 1.0 }} {{ ne 1 2 }} {{ lt 1 2 }} {{ le 2 2 }} {{ ge "a" "b" }} {{ eq "a" 1 }}',
    "{{ toUpper 5 }}",
    "{{ humanize nil }}",
    "{{ humanize true }}",
    "{{ 5 | toUpper }}",
    "{{ printf 5 }}",
    "{{ first 5 }}",
    "{{ range 5 }}x{{ end }}",
    "{{ range $labels.a }}x{{ end }}",
]


def rendered(text: str) -> str:
    data = Data(labels=LABELS, value=VALUE, external_labels={"cluster": "c1"}, external_url=URL)
    return parse(text).render(data, ANSWERS)


def promtool(directory: Path, expected: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The real templates on the same data: fails where an annotation is another than expected."""
    rules = [{"alert": f"T{n}", "expr": "m", "annotations": {"text": text}} for n, text in enumerate(expected)]
    tests = [
        {
            "eval_time": "1m",
            "alertname": f"T{n}",
            "exp_alerts": [{"exp_labels": {"a": "x y", "n": "a"}, "exp_annotations": {"text": text}}],
        }
        for n, text in enumerate(expected.values())
    ]
    series = {'m{a="x y",n="a"}': VALUE, 'q{n="a"}': 1.5, 'q{n="b"}': 2, "xnan": "NaN", "xinf": "Inf"}
    case = {
        "interval": "1m",
        "external_labels": {"cluster": "c1"},
        "external_url": URL,
        "input_series": [{"series": name, "values": f"{value} {value}"} for name, value in series.items()],
        "alert_rule_test": tests,
    }
    (directory / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}))
    (directory / "tests.yml").write_text(
        yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [case]})
    )
    command = [required_program("promtool", package="prometheus"), "test", "rules", "tests.yml"]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)


@pytest.mark.debian
def test_templates_give_what_prometheus_gives(tmp_path):
    done = promtool(tmp_path, {text: rendered(text) for text in TEMPLATES})
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.debian
def test_where_prometheus_cannot_expand_a_template_neither_can_we(tmp_path):
    ours = {text: rendered(text) for text in FAILING}
    assert [text for text, result in ours.items() if not result.startswith("<error expanding template: ")] == []
    done = promtool(tmp_path, dict.fromkeys(FAILING, "something else"))
    theirs = re.findall(r"<error expanding template: ", done.stdout + done.stderr)
    assert len(theirs) == len(FAILING)


def test_the_reason_of_a_failure_stands_in_the_text():
    assert rendered('{{ query "nothing" | first | value }}') == (
        "<error expanding template: error calling first: first() called on vector with no elements>"
    )


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{{ humanise $value }}", "did you mean humanize"),
        ('{{ template "x" }}', "templates in templates are not supported"),
        ('{{ define "x" }}{{ end }}', "templates in templates are not supported"),
        ("{{ toTime $value }}", "humanizeTimestamp"),
        ('{{ graphLink "x" }}', "graphLink"),
        ('{{ printf "%[1]d" 5 }}', "by number"),
        ("{{ $nobody }}", "undefined variable $nobody"),
        ("{{ $value", "`}}` is missing"),
        ("{{ if $value }}x", "has no {{ end }}"),
        ("{{ end }}", "nothing is open"),
        ("{{ else }}", "nothing is open"),
        ("{{ with $value }}a{{ else if true }}b{{ end }}", "expected {{ else }}"),
        ("{{ break }}", "inside a range"),
        ("{{ | humanize }}", "missing value"),
        ("{{ $value | }}", "missing value"),
        ("{{ $value | 5 }}", "non executable command"),
        ("{{ ( $value }}", "closing parenthesis"),
        ("{{ $value ) }}", "unexpected ')'"),
        ("{{ 'ab' }}", "double quotes"),
        ("{{ $value$labels }}", "a space is missing"),
        ("{{ § }}", "unexpected '§'"),
    ],
)
def test_what_is_wrong_or_not_supported_is_named(text, named):
    with pytest.raises(TemplateError, match=re.escape(named)):
        parse(text)


def test_a_template_says_which_query_it_needs():
    with pytest.raises(Asks) as asked:
        parse("{{ with printf `limit{node='%s'}` $labels.n | query }}x{{ end }}").render(Data(labels=LABELS, value=1.0), {})
    assert asked.value.text == "limit{node='a'}"
