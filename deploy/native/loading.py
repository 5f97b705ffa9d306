"""`make load`: locust against the running stack, with the settings a person types; and its end, whatever way it comes.

What the load does is in `tests/load`; here is only how it is started, and that a signal never cuts its end short.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from deploy.native import state
from deploy.native.config import StackConfig
from deploy.native.listeners import get
from deploy.native.programs import locust
from deploy.native.tools import ROOT

NOT_RUNNING = 3
INTERRUPTED = 130
PAGE_PORT = 8089
STOP_TIMEOUT_S = 7
"""How long requests that are out are waited for at the end: more than the gateway's deadline."""
ENDS_WITHIN_S = 100.0
"""How long locust gets to put everything back and to sum up, once it was told to end."""
TYPED = ("SHAPE", "USERS", "RATE", "TIME", "SEED", "SAMPLE", "P95_MS", "FAIL_RATIO", "MIN_RATE", "HOLES", "REPORT")
"""What a person types after `make load`; the load reads each as CAROUSEL_LOAD_…."""


def main(_: Sequence[str]) -> int:
    """Run the load; return 0 or 1 by its thresholds, 2 for a bad setting, 3 where no stack runs, 130 if interrupted."""
    config = StackConfig.from_env(os.environ)
    note = state.read_note(config)
    gateways = gateways_of(config, note)
    if get(f"{gateways[0]}/healthz", 2.0)[0] != 200:
        print(f"no stack runs here: nobody answers at {gateways[0]}; `make demo` starts one", file=sys.stderr)
        return NOT_RUNNING
    environ = environment(config, note, os.environ)
    return watched(command(gateways[0], config.offset, bool(os.environ.get("WEB"))), environ)


def gateways_of(config: StackConfig, note: Mapping[str, Any]) -> list[str]:
    """Return the base addresses of the stack's gateways, at least one."""
    several = note.get("gateways")
    if isinstance(several, list) and several:
        return [str(url) for url in several]
    return [str(note.get("gateway") or config.url("gateway"))]


def environment(config: StackConfig, note: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the load: what was typed, and where the stack is."""
    typed = {f"CAROUSEL_LOAD_{name}": environ.get(name, "") for name in TYPED}
    return {
        **environ,
        **typed,
        "CAROUSEL_RUN_DIR": str(config.run_dir),
        "CAROUSEL_GATEWAY_URL": ",".join(gateways_of(config, note)),
        "CAROUSEL_GATEWAY_HOST": config.host("gateway"),
        "CAROUSEL_STORAGE_API_URL": str(note.get("storage") or config.url("storage")),
        "CAROUSEL_ADMIN_TOKEN_FILE": str(config.run_dir / "secrets" / "admin"),
        "CAROUSEL_ENTITIES": config.values.get("CAROUSEL_ENTITIES", ""),
    }


def command(gateway: str, offset: int, has_page: bool) -> list[str]:
    """Return the command that runs the load, with its page or without."""
    words = [*locust(gateway, sys.executable), "--stop-timeout", str(STOP_TIMEOUT_S)]
    if not has_page:
        return [*words, "--headless"]
    port = PAGE_PORT + offset
    print(f"locust's page: http://127.0.0.1:{port}  (Ctrl-C ends it)", flush=True)
    return [*words, "--web-host", "127.0.0.1", "--web-port", str(port), "--autostart"]


def watched(words: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run *words* to their end and return their exit code; a signal ends them gently, and is waited for.

    They run in a process group of their own: Ctrl-C in a terminal reaches this process alone, which hands it on once.
    """
    process = subprocess.Popen(words, env=environ, cwd=ROOT, stdin=subprocess.DEVNULL, process_group=0)
    give_up_at: float | None = None
    while True:
        try:
            code = process.wait(None if give_up_at is None else max(give_up_at - time.monotonic(), 0.0))
            return code if give_up_at is None else INTERRUPTED
        except KeyboardInterrupt:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                # Asked again, nothing more happens; unlike SIG_IGN this is not inherited.
                signal.signal(number, lambda *_: None)
            print("ending: what was changed is put back, a moment", file=sys.stderr, flush=True)
            give_up_at = time.monotonic() + ENDS_WITHIN_S
            process.send_signal(signal.SIGTERM)
        except subprocess.TimeoutExpired:
            print(f"the load did not end within {ENDS_WITHIN_S:g} s and was killed", file=sys.stderr)
            process.kill()
            process.wait()
            return INTERRUPTED
