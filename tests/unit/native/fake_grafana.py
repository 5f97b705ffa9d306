#!/usr/bin/env python3
"""Stands in for `grafana`: looks at its arguments and its environment as Grafana would, then answers /api/health."""

import json
import os
import re
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

VERSION = "13.2.0"


def read(value):
    """Return a setting as Grafana reads it: `$__file{path}` is what the file holds."""
    found = re.fullmatch(r"\$__file\{(.+)\}", value)
    return Path(found[1]).read_text().strip() if found else value


def main(arguments):
    """Say the version, or serve; end with words when something that Grafana needs is not there."""
    if arguments == ["server", "-v"]:
        print(f"Version {VERSION} (commit: 0000000000, branch: HEAD)")
        return 0
    if arguments[:1] != ["server"]:
        return f"expected `server`, got {arguments}"
    options = dict(argument.removeprefix("--").split("=", 1) for argument in arguments[1:])
    home, config = Path(options.pop("homepath")), Path(options.pop("config"))
    if options or not (home / "conf" / "defaults.ini").is_file() or not config.is_file():
        return f"does not fit: {arguments}"
    settings = {key: read(value) for key, value in os.environ.items() if key.startswith("GF_")}
    for key in ("GF_PATHS_DATA", "GF_PATHS_LOGS", "GF_PATHS_PLUGINS", "GF_PATHS_PROVISIONING"):
        if not Path(settings[key]).is_dir():
            return f"{key}={settings[key]}: there is no such folder"
    if not Path(settings["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]).is_file():
        return "no home board"
    told = {
        "settings": settings,
        "addresses": {key: value for key, value in os.environ.items() if re.fullmatch("CAROUSEL_.+_(URL|DIR)", key)},
        "files": sorted(path.name for path in Path(settings["GF_PATHS_PROVISIONING"]).rglob("*.yaml")),
    }
    (Path(settings["GF_PATHS_DATA"]) / "told.json").write_text(json.dumps(told))
    address = (settings["GF_SERVER_HTTP_ADDR"], int(settings["GF_SERVER_HTTP_PORT"]))
    HTTPServer(address, Health).serve_forever()
    return 0


class Health(BaseHTTPRequestHandler):
    """Answers /api/health as Grafana does."""

    def do_GET(self):
        """200 there, 404 elsewhere."""
        self.send_response(200 if self.path == "/api/health" else 404)
        self.end_headers()
        self.wfile.write(b'{"database": "ok"}')

    def log_message(self, *_):
        """Say nothing."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
