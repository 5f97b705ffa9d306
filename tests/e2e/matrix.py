"""Which app sends which signal, and who calls whom: a new app is one line here."""

SIGNAL_MATRIX = {
    "gateway": ("logs", "spans", "metricPoints"),
    "service1": ("logs", "spans", "metricPoints"),
    "service2": ("logs", "spans", "metricPoints"),
    "storage": ("logs", "spans", "metricPoints"),
}

NODES = ("gateway-1", "service1-1", "service1-2", "service2-1", "service2-2", "storage-1")

SERVICE_EDGES = (
    ("client", "gateway"),
    ("gateway", "service1"),
    ("service1", "gateway"),
    ("gateway", "service2"),
)
"""Calls between apps, in the order of a request."""

SPAN_TREE = (
    ("gateway", "SERVER", "POST /api/<entity>"),
    ("gateway", "CLIENT", "POST"),
    ("service1", "SERVER", "POST /work/<entity>"),
    ("service1", "INTERNAL", "work part1"),
    ("service1", "CLIENT", "POST"),
    ("gateway", "SERVER", "POST /internal/service2/<entity>"),
    ("gateway", "CLIENT", "POST"),
    ("service2", "SERVER", "POST /work/<entity>"),
    ("service2", "INTERNAL", "work"),
    ("service1", "INTERNAL", "work part2"),
)
