"""The board Pipeline: what each hop of the telemetry received, sent, queued and dropped."""

from collections.abc import Mapping
from typing import Final

from grafana_foundation_sdk.builders import dashboard, table, timeseries

from grafana.generate import links, palette, promql, queries
from grafana.generate.links import LOGS, NODE, OVERVIEW, to
from grafana.generate.panels import (
    About,
    AnyPanel,
    chart,
    coloured,
    coloured_by_app,
    column,
    leads_to_nodes,
    limits,
    listing,
    number,
    row,
    transformation,
)
from grafana.generate.promql import or_none

SIGNALS: Final[Mapping[str, str]] = {"logs": "log_records", "traces": "spans", "metrics": "metric_points"}
"""Each signal with the Collector's name for its items."""
COLOURS: Final = {
    "logs": palette.APPS["gateway"],
    "traces": palette.APPS["service1"],
    "metrics": palette.APPS["service2"],
}
NO_COLLECTOR = "the Collector is not scraped: it does not run, or Prometheus does not"
NO_STORAGE = "storage reports nothing"
STORED = "carousel_storage_records_total"


def board() -> dashboard.Dashboard:
    """Return the board."""
    made = dashboard.Dashboard(links.TITLES[links.PIPELINE]).uid(links.PIPELINE)
    made.description("From the apps' outboxes through the Collector to storage: received, sent, queued, dropped")
    for panel in (*_numbers(), *_apps(), *_collector()):
        made.with_panel(panel)
    made.with_row(row("Storage and the ledger"))
    for below in (*_storage(), _ledger(), *_processes()):
        made.with_panel(below)
    return made


def by_signal(metric: str, how: str = "rate", window: str = promql.RATE, matchers: str = "") -> str:
    """Return the sum of the Collector's counter *metric* for each signal, with the signal as a label.

    *metric* has `{items}` where the Collector says log_records, spans or metric_points.
    """
    each = [
        f'label_replace(sum({how}({metric.format(items=items)}{{{matchers}}}[{window}])), "signal", "{signal}", "", "")'
        for signal, items in SIGNALS.items()
    ]
    return " or ".join(each)


def in_all(metric: str, how: str = "rate", window: str = promql.RATE) -> str:
    """Return the sum of the Collector's counter *metric* over all signals; 0 where it was never counted."""
    each = [or_none(f"sum({how}({metric.format(items=items)}[{window}]))") for items in SIGNALS.values()]
    return " + ".join(each)


def _numbers() -> list[AnyPanel]:
    onward = [to(OVERVIEW), to(LOGS, "What storage says", service="storage")]
    lost = (
        f"{or_none(promql.growth('carousel_outbox_dropped_total'))} + "
        f"{in_all('otelcol_exporter_enqueue_failed_{items}_total', 'increase', promql.RANGE)}"
    )
    any_loss = limits((0.5, palette.ERROR))
    return [
        number(
            About("Received", "Items that the Collector takes, per second.", NO_COLLECTOR, onward, 4, 4),
            "suffix: items/s",
            queries.now(in_all("otelcol_receiver_accepted_{items}_total")),
            decimals=0,
        ),
        number(
            About("Stored", "Records that storage commits, per second.", NO_STORAGE, onward, 4, 4),
            "suffix: records/s",
            queries.now(promql.rate(STORED, 'result="stored"')),
            decimals=0,
        ),
        number(
            About("Waiting in the apps", "Records in all outboxes.", "no app reports", onward, 4, 4),
            "suffix: records",
            queries.now("sum(carousel_outbox_records)"),
            decimals=0,
        ),
        number(
            About("Fullest queue", "The fullest queue of the Collector.", NO_COLLECTOR, onward, 4, 4),
            "percentunit",
            queries.now("max(otelcol_exporter_queue_size / otelcol_exporter_queue_capacity)"),
            limits((0.5, palette.SLOW), (0.8, palette.ERROR)),
            decimals=1,
        ),
        number(
            About(
                "Lost",
                "Records dropped by outboxes and items that a full queue of the Collector turned away, in the time "
                "shown. Anything but 0 is a loss in at least one store.",
                NO_COLLECTOR,
                onward,
                4,
                4,
            ),
            "suffix: records",
            queries.now(lost),
            any_loss,
            decimals=0,
        ),
        number(
            About(
                "Recognised twice",
                "Records that came to storage again, in the time shown, and were kept once. After a crash that is as "
                "it should be.",
                NO_STORAGE,
                onward,
                4,
                4,
            ),
            "suffix: records",
            queries.now(promql.growth(STORED, 'result="duplicate"')),
            decimals=0,
        ),
    ]


def _apps() -> list[timeseries.Panel]:
    waiting = chart(
        About(
            "Apps: waiting",
            "Records in each node's outbox: freed when the Collector has answered. It rises while the Collector is "
            "away.",
            "no app reports",
            [to(NODE)],
        ),
        "suffix: records",
        [queries.series("sum by (instance) (carousel_outbox_records)", "{{instance}}")],
    )
    dropped = chart(
        About(
            "Apps: dropped",
            "Records that outboxes lost in each interval: `full`, or `refused` by the Collector.",
            "no app reports",
            [to(NODE), to(LOGS, "Why, in the logs", severity="ERROR")],
        ),
        "suffix: records",
        [
            queries.series(
                f"sum by (reason, signal) (increase(carousel_outbox_dropped_total[{promql.RATE}]))",
                "{{signal}} {{reason}}",
            )
        ],
        bars=True,
        stacked=True,
    )
    dropped.override_by_regexp("/ full$/", palette.shades(palette.ERROR))
    dropped.override_by_regexp("/ refused$/", palette.shades(palette.MISSING))
    received = chart(
        About(
            "Collector: received",
            "Items that came to the Collector, by signal. Those of all apps and of anybody else on this machine.",
            NO_COLLECTOR,
            [to(OVERVIEW)],
        ),
        "suffix: items/s",
        [queries.series(by_signal("otelcol_receiver_accepted_{items}_total"), "{{signal}}")],
        stacked=True,
    )
    return [leads_to_nodes(coloured_by_app(waiting), "instance"), dropped, coloured(received, COLOURS)]


def _collector() -> list[timeseries.Panel]:
    sent = [
        queries.series(
            promql.rate(f"otelcol_exporter_sent_{items}_total", by="exporter"), f"{signal} to {{{{exporter}}}}"
        )
        for signal, items in SIGNALS.items()
    ]
    out = chart(
        About(
            "Collector: sent",
            "Items that each exporter handed over, by signal. Storage and the engines get the same ones.",
            NO_COLLECTOR,
            [to(OVERVIEW)],
        ),
        "suffix: items/s",
        sent,
    )
    for signal, colour in COLOURS.items():
        out.override_by_regexp(f"/^{signal} to /", palette.shades(colour))
    queue = chart(
        About(
            "Collector: queues",
            "How full each exporter's queue is. Those of storage, Tempo and Loki are on disk and survive a crash.",
            NO_COLLECTOR,
            [to(LOGS, "What storage says", service="storage")],
        ),
        "percentunit",
        [
            queries.series(
                "max by (exporter, data_type) (otelcol_exporter_queue_size / otelcol_exporter_queue_capacity)",
                "{{exporter}} {{data_type}}",
            )
        ],
        threshold=0.8,
    )
    for signal, colour in COLOURS.items():
        queue.override_by_regexp(f"/ {signal}$/", palette.shades(colour))
    failed = chart(
        About(
            "Collector: turned away",
            "Items per second that the Collector refused at its door (the sender tries again), could not hand over "
            "(it tries again), or had no room for in a queue (lost to that store).",
            NO_COLLECTOR,
            [to(LOGS, "What the Collector says", service="collector")],
        ),
        "suffix: items/s",
        [
            queries.series(in_all("otelcol_receiver_refused_{items}_total"), "refused"),
            queries.series(in_all("otelcol_exporter_send_failed_{items}_total"), "not handed over"),
            queries.series(in_all("otelcol_exporter_enqueue_failed_{items}_total"), "no room"),
        ],
    )
    colours = {"refused": palette.SLOW, "not handed over": palette.MISSING, "no room": palette.ERROR}
    return [out, queue, coloured(failed, colours)]


def _storage() -> list[timeseries.Panel]:
    stored = chart(
        About("Storage: stored", "Records that storage committed, by signal.", NO_STORAGE, [to(OVERVIEW)], 12),
        "suffix: records/s",
        [queries.series(promql.rate(STORED, 'result="stored"', by="signal"), "{{signal}}")],
        stacked=True,
    )
    others = chart(
        About(
            "Storage: not stored",
            "Records that storage knew already (`duplicate`) or could not read (`rejected`).",
            NO_STORAGE,
            [to(LOGS, "What storage says", service="storage")],
            12,
        ),
        "suffix: records/s",
        [queries.series(promql.rate(STORED, 'result!="stored"', by="result"), "{{result}}")],
    )
    return [coloured(stored, COLOURS), coloured(others, {"duplicate": palette.SLOW, "rejected": palette.ERROR})]


def _ledger() -> table.Panel:
    window = promql.RANGE
    storage = 'exporter="otlp_http/storage"'
    columns = [
        ("Collector received", by_signal("otelcol_receiver_accepted_{items}_total", "increase", window)),
        ("sent to storage", by_signal("otelcol_exporter_sent_{items}_total", "increase", window, storage)),
        ("stored", promql.growth(STORED, 'result="stored"', by="signal")),
        ("known already", promql.growth(STORED, 'result="duplicate"', by="signal")),
        ("unreadable", promql.growth(STORED, 'result="rejected"', by="signal")),
    ]
    panel = listing(
        About(
            "Ledger",
            "What came in and what came of it, in the time shown. The numbers are estimates at the edges of the range: "
            "counters are read every few seconds. carousel trace <id> and storage's answers are exact.",
            NO_COLLECTOR,
            [to(OVERVIEW)],
            24,
            6,
        ),
        "short",
        [queries.rows(expression) for _, expression in columns],
        [
            transformation("joinByField", byField="signal", mode="outer"),
            transformation("filterFieldsByName", include={"pattern": "^(signal|Value.*)$"}),
        ],
    )
    column(panel, "signal", displayName="Signal")
    for letter, (title, _) in zip("ABCDE", columns, strict=True):
        column(panel, f"Value #{letter}", displayName=title, decimals=0)
    return panel


def _processes() -> list[timeseries.Panel]:
    memory = chart(
        About("Collector: memory", "Resident memory. Its limiter refuses above 256 MiB.", NO_COLLECTOR, [to(OVERVIEW)]),
        "bytes",
        [queries.series("max by (instance) (otelcol_process_memory_rss_bytes)", "{{instance}}")],
    )
    cpu = chart(
        About("Collector: CPU", "Processor time, as a share of one core.", NO_COLLECTOR, [to(OVERVIEW)]),
        "percentunit",
        [queries.series(promql.rate("otelcol_process_cpu_seconds_total", by="instance"), "{{instance}}")],
    )
    scrapes = chart(
        About(
            "Prometheus: scrapes",
            "How long each node takes to show its metrics.",
            "Prometheus scrapes nothing",
            [to(NODE)],
        ),
        "s",
        [queries.series('max by (instance) (scrape_duration_seconds{job=~"carousel/.+"})', "{{instance}}")],
    )
    leads_to_nodes(scrapes, "instance")
    return [coloured_by_app(panel, engines=True) for panel in (memory, cpu, scrapes)]
