"""One telemetry library for all apps: names, steps, providers, outbox. It imports nothing of ours."""
