"""Grafana: its settings, its provisioning, and the boards, which `grafana.generate` writes."""
