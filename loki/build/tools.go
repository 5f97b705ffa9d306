//go:build tools

// Package tools names what is built from this module: Loki's one binary (deploy/native/loki.py).
package tools

import _ "github.com/grafana/loki/v3/cmd/loki"
