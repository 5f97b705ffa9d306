"""Data sources, their links, and the settings of Grafana: only what Grafana reads, and nothing that leads nowhere."""

from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml

from tests.grafana.interpolation import BUILT_IN, expand_environment, names_in
from tests.grafana.support import ADDRESSES, FOLDER, board_links, boards, data_sources, provisioned, strings, variables

KEYS = yaml.safe_load(Path(__file__).with_name("keys.yaml").read_text(encoding="utf-8"))
UIDS = {"prometheus", "tempo", "loki", "alertmanager"}
SOURCES = data_sources()


def ini():
    """Return grafana.ini."""
    parser = ConfigParser(interpolation=None)
    parser.read(FOLDER / "grafana.ini")
    return parser


def test_the_data_sources_have_the_uids_that_boards_and_docs_name():
    """Fixed: a board asks by uid."""
    assert set(SOURCES) == UIDS
    assert {uid: one["type"] for uid, one in SOURCES.items()} == {uid: uid for uid in UIDS}
    assert ["prometheus"] == [uid for uid, one in SOURCES.items() if one.get("isDefault")]


def unknown_keys(value, where):
    """Return the keys below *where* that Grafana does not read, with their places."""
    found = []
    if isinstance(value, list):
        for one in value:
            found += unknown_keys(one, where)
    elif isinstance(value, dict):
        for key, one in value.items():
            if key not in KEYS["jsonData"][where]:
                found.append(f"{where}.{key}")
            elif isinstance(one, dict | list):
                found += unknown_keys(one, f"{where}.{key}")
    return found


@pytest.mark.parametrize("uid", sorted(UIDS))
def test_grafana_reads_every_key_of_a_data_source(uid):
    """Each is in the list, with its source."""
    source = SOURCES[uid]
    assert set(source) <= set(KEYS["datasources"]["source"])
    assert [] == unknown_keys(source["jsonData"], source["type"])
    for one in source.get("correlations", ()):
        assert set(one) <= set(KEYS["datasources"]["correlation"])
        assert set(one["config"]) <= set(KEYS["datasources"]["correlation.config"])
        assert one["type"] in KEYS["datasources"]["correlation.types"]


def test_a_misspelt_key_is_found():
    """The check of the check."""
    assert ["loki.derivedFields.internalLink"] == unknown_keys({"derivedFields": [{"internalLink": True}]}, "loki")


def test_the_files_themselves_hold_known_keys():
    """Their heads, and the provider of the boards."""
    assert set(provisioned("datasources")) <= set(KEYS["datasources"]["file"])
    files = provisioned("dashboards")
    assert set(files) <= set(KEYS["dashboards"]["file"])
    for provider in files["providers"]:
        assert set(provider) <= set(KEYS["dashboards"]["provider"])
        assert set(provider["options"]) <= set(KEYS["dashboards"]["options"])


def test_addresses_come_from_the_environment_alone():
    """No host is written into a provisioning file, and all five variables are used."""
    texts = [text for kind in ("datasources", "dashboards") for text in strings(provisioned(kind))]
    assert [] == [text for text in texts if "://" in text]
    asked = set()

    class Environment(dict):
        def __missing__(self, name):
            asked.add(name)
            return ""

    for text in texts:
        expand_environment(text, Environment())
    assert asked == set(ADDRESSES)


def test_every_uid_that_a_link_names_is_a_data_source():
    """Of another data source, and of the right type."""
    for source in SOURCES.values():
        for name, uid in uids_in(source):
            assert uid in UIDS, (source["name"], name)
            assert uid != source["uid"]


def uids_in(value):
    """Yield every uid of a data source that *value* names, with its key."""
    if isinstance(value, dict):
        for key, one in value.items():
            if key in ("datasourceUid", "alertmanagerUid", "targetUID"):
                yield key, one
            else:
                yield from uids_in(one)
    elif isinstance(value, list):
        for one in value:
            yield from uids_in(one)


def test_every_way_between_the_signals_is_there():
    """Metrics to traces, traces to logs by span and by trace, traces to metrics, logs to traces, the service map."""
    tempo, loki, prometheus = (SOURCES[uid]["jsonData"] for uid in ("tempo", "loki", "prometheus"))
    assert {"trace_id", "traceID"} == {
        one["name"] for one in prometheus["exemplarTraceIdDestinations"] if one.get("datasourceUid") == "tempo"
    }
    assert 'span_id="${__span.spanId}"' in tempo["tracesToLogsV2"]["query"]
    assert 'trace_id="${__trace.traceId}"' in tempo["tracesToLogsV2"]["query"]
    whole = [one for one in SOURCES["tempo"]["correlations"] if one.get("targetUID") == "loki"]
    assert ['{service_namespace="carousel"} | trace_id="${traceID}"'] == [
        one["config"]["target"]["expr"] for one in whole
    ]
    assert all("$__tags" in query["query"] for query in tempo["tracesToMetrics"]["queries"])
    assert len(tempo["tracesToMetrics"]["queries"]) >= 3
    assert "prometheus" == tempo["serviceMap"]["datasourceUid"]
    assert tempo["nodeGraph"]["enabled"]
    assert [("label", "trace_id", "tempo")] == [
        (one["matcherType"], one["matcherRegex"], one["datasourceUid"])
        for one in loki["derivedFields"]
        if "datasourceUid" in one
    ]


def test_every_link_that_needs_explore_has_a_twin_that_does_not():
    """A viewer gets the board: of each exemplar label and each field of a log."""
    for rows, key in (
        (SOURCES["prometheus"]["jsonData"]["exemplarTraceIdDestinations"], "name"),
        (SOURCES["loki"]["jsonData"]["derivedFields"], "name"),
    ):
        needs_explore = {one[key] for one in rows if "datasourceUid" in one}
        opens_a_board = {one[key] for one in rows if one.get("url", "").startswith("/d/")}
        assert needs_explore <= opens_a_board
    assert "external" in {one["type"] for one in SOURCES["tempo"]["correlations"]}


def test_links_of_data_sources_lead_to_boards_that_have_the_variable():
    """As those of the boards do."""
    known = boards()
    found = list(board_links(SOURCES))
    assert len(found) >= 4
    for uid, values in found:
        assert set(values) <= set(variables(known[uid]))


def test_links_of_data_sources_use_only_variables_of_grafana():
    """`$__tags`, `${__value.raw}`, fields of a span; what a `$$` was left out of would be empty by then."""
    fields_of_a_span = {"traceID"}
    for source in SOURCES.values():
        names = {name for text in strings(source) for name in names_in(text)}
        assert names <= BUILT_IN | fields_of_a_span


def test_grafana_knows_every_setting():
    """Each section and key of grafana.ini is in the list."""
    for section in ini().sections():
        assert set(ini()[section]) <= set(KEYS["ini"][section]), section


def test_nothing_is_installed_reported_or_asked_outside():
    """Grafana starts without a network, and speaks to nobody."""
    settings = ini()
    assert settings.getboolean("plugins", "preinstall_disabled")
    for section, key in (
        ("plugins", "preinstall_auto_update"),
        ("plugins", "plugin_admin_enabled"),
        ("analytics", "reporting_enabled"),
        ("analytics", "check_for_updates"),
        ("analytics", "check_for_plugin_updates"),
        ("news", "news_feed_enabled"),
        ("snapshots", "external_enabled"),
    ):
        assert not settings.getboolean(section, key), (section, key)


def test_who_is_not_logged_in_may_read_and_change_nothing():
    """Anonymous viewers; no accounts of one's own; no password in a file of the repository."""
    settings = ini()
    assert settings.getboolean("auth.anonymous", "enabled")
    assert "Viewer" == settings["auth.anonymous"]["org_role"]
    assert not settings.getboolean("users", "viewers_can_edit")
    assert not settings.getboolean("users", "allow_sign_up")
    assert not settings.has_option("security", "admin_password")
    assert all(not one["editable"] for one in SOURCES.values())
    assert all(not one["allowUiUpdates"] for one in provisioned("dashboards")["providers"])
