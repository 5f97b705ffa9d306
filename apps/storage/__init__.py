"""The storage app: takes OTLP, keeps logs, spans and metrics, answers searches."""
