"""The boards as code: `python -m grafana.generate` writes `grafana/dashboards/`, with `--check` it only compares.

A board is a function that returns a builder of the Grafana Foundation SDK; `boards` lists them. `panels` knows how a
panel looks, `palette` the colours, `promql` and `logql` how questions are asked, `links` where each board is.
"""
