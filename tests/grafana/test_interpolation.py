"""The interpolator of these tests does what Grafana's documentation says of variables."""

import pytest

from tests.grafana.interpolation import ALL, Variables, escape_regex, expand_environment, names_in

VARIABLES = Variables(
    {"node": "service2-1", "service": ALL, "text": 'a "b" (c)', "__rate_interval": "20s", "__value.raw": "abc"},
    {"service": ".+"},
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('up{instance="$node"}', 'up{instance="service2-1"}'),
        ('up{instance="${node}"}', 'up{instance="service2-1"}'),
        ('up{job=~"carousel/$service"}', 'up{job=~"carousel/.+"}'),
        ("rate(x[$__rate_interval])", "rate(x[20s])"),
        ("/d/x?var-trace_id=${__value.raw}", "/d/x?var-trace_id=abc"),
        ("|= ${text:doublequote}", '|= "a \\"b\\" (c)"'),
        ("|~ `${text:regex}`", '|~ `a "b" \\(c\\)`'),
        ("${text:percentencode}", "a%20%22b%22%20%28c%29"),
        ('x{a="$text"}', 'x{a="a \\"b\\" (c)"}'),
        ("$unknown ${unknown} ${1}xx $", "$unknown ${unknown} ${1}xx $"),
    ],
)
def test_values_take_the_place_of_variables(text, expected):
    """Both ways to write one, formats, built-in ones, and what is not known stays."""
    assert expected == VARIABLES.into(text)


def test_a_value_of_a_choice_is_escaped_twice():
    """Once for the regular expression, once for the string it stands in."""
    chosen = Variables({"step": "gateway.client"}, {"step": ".*"})
    assert 'a=~"gateway\\\\.client"' == chosen.into('a=~"$step"')


def test_an_unknown_format_is_an_error():
    """A typing error in a board is found."""
    with pytest.raises(KeyError):
        VARIABLES.into("${node:rgex}")


def test_names_are_found_and_groups_are_not_names():
    """`${1}` belongs to label_replace."""
    assert {"node", "__range", "service"} == names_in('$node [$__range] ${service:raw} "${1}xx"')


def test_special_characters_lose_their_meaning():
    """As Grafana's format `regex` does it."""
    assert r"a\.b\*\/\\" == escape_regex("a.b*/\\")


def test_two_dollars_are_one_in_a_provisioning_file():
    """Grafana expands the environment there first."""
    assert "http://x ${__value.raw} $__tags" == expand_environment(
        "${URL} $${__value.raw} $$__tags", {"URL": "http://x"}
    )
    with pytest.raises(KeyError):
        expand_environment("${MISSING}", {})
