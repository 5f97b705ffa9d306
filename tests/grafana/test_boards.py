"""The boards: generated, complete, and every link of theirs leads somewhere."""

import json
import re
from itertools import combinations

import pytest

from apps.telemetry.steps import BY_NAME, STEPS
from grafana.generate import __main__ as generator
from grafana.generate import boards as generated
from grafana.generate import links, palette
from tests.grafana.interpolation import BUILT_IN, names_in
from tests.grafana.support import board_links, boards, data_sources, panels, strings, targets, variables

BOARDS = boards()
PANELS = [(uid, panel) for uid, board in BOARDS.items() for panel in panels(board)]
ABOVE_THE_FOLD = 18
"""Rows of the grid that a laptop shows at once."""

each_board = pytest.mark.parametrize("uid", BOARDS)
each_panel = pytest.mark.parametrize(("uid", "panel"), PANELS, ids=[f"{uid}: {one['title']}" for uid, one in PANELS])


def test_the_committed_boards_are_those_that_the_code_makes(capsys):
    """``python -m grafana.generate --check``."""
    assert 0 == generator.main(["--check"]), capsys.readouterr().out


def test_a_stale_board_and_a_stray_file_are_named(tmp_path, monkeypatch, capsys):
    """The check says which, and how to make it right; without --check it is made right."""
    monkeypatch.setattr(generated, "FOLDER", tmp_path)
    monkeypatch.setattr(generator, "FOLDER", tmp_path)
    assert 0 == generator.main([])
    (tmp_path / "node.json").write_text("{}")
    (tmp_path / "stray.json").write_text("{}")
    capsys.readouterr()

    assert 1 == generator.main(["--check"])
    said = capsys.readouterr().out
    assert "stale: node.json" in said
    assert "stray.json" in said
    assert 0 == generator.main([])
    assert 0 == generator.main(["--check"])
    assert 2 == generator.main(["--chek"])


def test_there_are_the_boards_that_others_link_to():
    """The uids are an interface: the console and alerts link to them."""
    assert {"carousel-overview", "carousel-trace", "carousel-node", "carousel-logs", "carousel-pipeline"} <= set(BOARDS)
    assert set(links.TITLES) == set(BOARDS)
    assert {uid: board["title"] for uid, board in BOARDS.items()} == dict(links.TITLES)


@each_panel
def test_a_panel_says_what_it_is_and_what_an_empty_one_means(uid, panel):
    """Title, description, words for no data, and somewhere to go from it."""
    assert panel["title"]
    assert panel["description"].endswith((".", "`.")), panel["description"]
    assert panel["fieldConfig"]["defaults"]["noValue"]
    assert panel["links"]


@each_panel
def test_a_panel_with_numbers_has_a_unit(uid, panel):
    """Every number with its unit; spans, logs and graphs have none of the panel's."""
    if panel["type"] in ("stat", "timeseries", "table"):
        assert panel["fieldConfig"]["defaults"]["unit"]


@each_panel
def test_a_panel_and_its_queries_ask_one_provisioned_data_source(uid, panel):
    """By uid, and of the type that the data source has; the letters of the queries differ."""
    sources = data_sources()
    for asked in (panel["datasource"], *(target["datasource"] for target in panel["targets"])):
        assert sources[asked["uid"]]["type"] == asked["type"]
        assert asked["uid"] == panel["datasource"]["uid"]
    letters = [target["refId"] for target in panel["targets"]]
    assert letters
    assert len(letters) == len(set(letters))


@each_board
def test_panels_have_their_place(uid):
    """Ids differ, none overlaps another or leaves the 24 columns, and no more than 12 are above the fold."""
    everything = BOARDS[uid]["panels"]
    assert len(everything) == len({panel["id"] for panel in everything})
    places = [panel["gridPos"] for panel in everything]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert [] == [(one, two) for one, two in combinations(places, 2) if _overlap(one, two)]
    assert 12 >= sum(panel["gridPos"]["y"] < ABOVE_THE_FOLD for panel in panels(BOARDS[uid]))


def _overlap(one, two):
    return (
        one["x"] < two["x"] + two["w"]
        and two["x"] < one["x"] + one["w"]
        and one["y"] < two["y"] + two["h"]
        and two["y"] < one["y"] + one["h"]
    )


@each_board
def test_every_variable_that_is_used_is_there_and_the_other_way_round(uid):
    """In queries, links and titles; Grafana's own aside."""
    board = BOARDS[uid]
    used = {name for text in strings(board) for name in names_in(text)}
    # `$` at the end of a regular expression of an override or a filter is none.
    known = set(variables(board)) | BUILT_IN | {"__all"}
    assert used - known == set()
    in_queries = {name for target in targets() if target.board == uid for name in names_in(target.text)}
    in_chain = {name for one in variables(board).values() for name in names_in(str(one.get("query", "")))}
    assert set(variables(board)) <= in_queries | in_chain


@each_board
def test_variables_chain(uid):
    """A chosen service narrows the nodes, and comes before them."""
    names = list(variables(BOARDS[uid]))
    if "node" in names:
        assert names.index("service") < names.index("node")
        assert "service" in names_in(variables(BOARDS[uid])["node"]["query"])


@each_board
def test_variables_say_what_they_are(uid):
    """Label and description."""
    for one in variables(BOARDS[uid]).values():
        assert one["label"]
        assert one["description"]


@each_board
def test_every_link_leads_to_a_board_and_sets_variables_it_has(uid):
    """The board exists, has each variable, and a fixed value of a choice is one of its options."""
    found = list(board_links(BOARDS[uid]))
    assert found
    for target, values in found:
        there = variables(BOARDS[target])
        assert set(values) <= set(there), (target, values)
        for name, value in values.items():
            options = [option["value"] for option in there[name].get("options") or ()]
            if options and "$" not in value:
                assert value in options, (target, name, value)


@each_board
def test_every_board_leads_to_every_other(uid):
    """The row of links at its head."""
    assert set(BOARDS) - {uid} == {link["url"].removeprefix("/d/") for link in BOARDS[uid]["links"]}


def test_traces_and_nodes_in_tables_are_links():
    """Wherever an id or a node stands in a column, it can be clicked without Explore."""
    for uid, panel in PANELS:
        if panel["type"] != "table":
            continue
        linked = {
            override["matcher"]["options"]: json.dumps(override["properties"])
            for override in panel["fieldConfig"]["overrides"]
        }
        if panel["datasource"]["uid"] == "tempo":
            assert "/d/carousel-trace?var-trace_id=${__value.raw}" in linked["traceID"], (uid, panel["title"])
        for name in ("instance", "service_instance_id"):
            if name in linked:
                assert "/d/carousel-node?var-node=${__value.raw}" in linked[name], (uid, panel["title"])


def test_every_colour_is_of_the_palette():
    """The same colours as in the console and the terminal, and no others."""
    constants = [value for name, value in vars(palette).items() if name.isupper()]
    named = {text for value in constants for text in strings(value)}
    used = {text for board in BOARDS.values() for text in strings(board) if re.fullmatch(r"#[0-9A-Fa-f]{6}", text)}
    assert used
    assert used <= named


def test_apps_have_their_colours_where_nodes_are_drawn():
    """An app's own name is that colour, its replicas are shades of it."""
    picks = next(panel for panel in panels(BOARDS["carousel-overview"]) if panel["title"] == "Picks by node")
    colours = {
        override["matcher"]["options"]: override["properties"][0]["value"]
        for override in picks["fieldConfig"]["overrides"]
    }
    assert {"mode": "fixed", "fixedColor": "#E69F00"} == colours["service1"]
    assert {"mode": "shades", "fixedColor": "#E69F00"} == colours["/^service1-.+$/"]


def test_the_steps_are_those_of_the_code():
    """One can choose each step and variant, and the table of a trace numbers each."""
    choice = variables(BOARDS["carousel-logs"])["step"]
    assert {"$__all", *BY_NAME} == {option["value"] for option in choice["options"]}
    assert set(choice["query"].split(",")) == set(BY_NAME)
    table = next(panel for panel in panels(BOARDS["carousel-trace"]) if panel["title"] == "Steps in order")
    mapping = next(
        prop["value"][0]["options"]
        for override in table["fieldConfig"]["overrides"]
        if override["matcher"]["options"] == "carousel_step"
        for prop in override["properties"]
        if prop["id"] == "mappings"
    )
    assert set(mapping) == set(BY_NAME)
    assert [f"{step.n:>2}  {step.name}" for step in STEPS] == [mapping[step.name]["text"] for step in STEPS]


def test_what_somebody_types_stays_inside_its_string():
    """Text boxes are interpolated with a format: a quote typed there breaks no query."""
    for board in BOARDS.values():
        boxes = {name for name, one in variables(board).items() if one["type"] == "textbox"}
        for target in targets():
            if target.board == board["uid"]:
                bare = set(re.findall(r"\$(\w+)|\$\{(\w+)\}", target.text))
                assert boxes.isdisjoint(name for pair in bare for name in pair), target.name
