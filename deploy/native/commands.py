"""The commands a person types, on the environment's Python. Each returns an exit code and says what it did."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from deploy.native import grafana, loading, logs, restarting, scaling, state, status
from deploy.native.begin import HANDED_OVER
from deploy.native.config import ConfigError
from deploy.native.programs import LOAD
from deploy.native.progress import Progress, paint, seconds
from deploy.native.stack import Report, Stack, StackError
from deploy.native.tools import ROOT, interrupt_on_signals

TAIL_LINES = 12


def main(arguments: Sequence[str]) -> int:
    """Run the command in *arguments* and return its exit code."""
    command, rest = arguments[0], list(arguments[1:])
    began = _handed_over()
    interrupt_on_signals()
    try:
        return COMMANDS[command](rest, began)
    except KeyboardInterrupt:
        print("\nstopped by you", file=sys.stderr)
        return 130
    except ConfigError as error:
        print(f"cannot go on: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader of our output went away (`make logs | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _handed_over() -> tuple[float, dict[str, float]]:
    """Return when `make` began (unix seconds) and what its preparations took."""
    try:
        told = json.loads(os.environ.pop(HANDED_OVER, ""))
        return float(told["at"]), {str(name): float(spent) for name, spent in told["phases"].items()}
    except (ValueError, KeyError, TypeError):
        return time.time(), {}


Began = tuple[float, dict[str, float]]


def demo(_: Sequence[str], began: Began) -> int:
    """Start the stack, prove it with the canary, start the load, say where everything is."""
    with Progress(sys.stdout) as progress:
        stack = Stack(progress=progress)
        try:
            report = stack.start()
        except StackError as error:
            progress.say(f"the demo could not be started: {error}", "red")
            for name in error.looks:
                _tail(progress, stack.log(name))
            return 1
        for note in report.notes:
            progress.say(f"note: {note}", "yellow")
        if report.already_ran:
            found = f"a fresh canary's journey was whole after {seconds(report.seconds['canary'])}"
            progress.say(f"already running, and healthy: {stack.gateway} · storage {stack.storage} · {found}")
            return 0
        _tell_seconds(progress, report, began)
        _tell_addresses(progress, stack, report)
        _tell_canary(progress, stack, report)
    return 0


def _tail(progress: Progress, log: Path) -> None:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        progress.say(f"  {log} is not there")
        return
    progress.say(f"  the end of {log}:")
    for line in lines[-TAIL_LINES:]:
        progress.say(f"    {shortened(line)}", "dim")


def shortened(line: str, width: int = 240) -> str:
    """Return a line of a log as a person reads it: of a record its time, severity, words and exception."""
    try:
        record = json.loads(line)
        words = [str(record[key]) for key in ("time", "severity", "message")]
        attributes = record.get("attributes", {})
        words += [str(attributes[key]) for key in ("exception.type", "exception.message") if key in attributes]
        line = " ".join(words)
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    return line if len(line) <= width else line[: width - 1] + "…"


def _tell_seconds(progress: Progress, report: Report, began: Began) -> None:
    at, phases = began
    total = time.time() - at
    spent = {**phases, **report.seconds}
    parts = " · ".join(f"{name} {seconds(took)}" for name, took in spent.items() if took >= 0.05)
    progress.say(paint(f"ready in {seconds(total)}", "bold", progress.colour) + f"  ({parts})")
    slowest = sorted(report.ready.items(), key=lambda item: item[1])
    progress.say("  ready after: " + ", ".join(f"{name} {took:.1f}" for name, took in slowest) + " s")


def _tell_addresses(progress: Progress, stack: Stack, report: Report) -> None:
    config = stack.config
    entities = config.values.get("CAROUSEL_ENTITIES") or "orders,payments,deliveries"
    first = entities.split(",")[0]
    rows = [
        ("gateway", stack.gateway, f"curl -X POST {stack.gateway}/api/{first}"),
        ("storage", stack.storage, "the records: /api/v1/logs, /api/v1/traces/<id>"),
    ]
    if stack.prometheus:
        rows.append(("prometheus", stack.prometheus, "the metrics"))
    rows += [(name, address, "not awaited: ready seconds later") for name, address in stack.engine_addresses.items()]
    if config.load_rate > 0:
        rows.append((LOAD, f"{config.load_rate:g} requests/s", "steady; CAROUSEL_LOAD_RATE=0 starts without it"))
    progress.say()
    for name, address, what in rows:
        progress.say(f"  {name:<11} {address:<24} {what}")
    for line in _grafana_lines(stack):
        progress.say(line)
    progress.say("  next        make status · make logs · make stop · .venv/bin/carousel --help")


def _grafana_lines(stack: Stack) -> list[str]:
    """Return where the boards are, or what it takes to have them."""
    config = stack.config
    if not any(program.service == "grafana" for program in state.read_programs(config)):
        return ["  Grafana     is not here: make doctor says how to get it, docs/grafana.md what it shows"]
    url = config.url("grafana")
    return [
        f"  {'grafana':<11} {url:<24} the boards, in a moment: read without a password",
        f"  {'':<11} {'':<24} as admin: the password is in {grafana.password_file(config.run_dir)}",
    ]


def _tell_canary(progress: Progress, stack: Stack, report: Report) -> None:
    seen = report.canary
    assert seen is not None
    counted = ", counted in Prometheus" if seen.counted else ""
    progress.say()
    progress.say(
        f"the canary: trace {seen.trace_id}, answered in {seen.answered_ms:.0f} ms; "
        f"{seen.steps} steps and {seen.spans} spans in storage{counted}"
    )
    trace = Path(sys.executable).with_name("carousel")
    if not trace.exists():
        return
    environ = {**os.environ, "CAROUSEL_RUN_DIR": str(stack.config.run_dir)}
    # Its colours are its own affair: it sees the terminal, or that there is none.
    sys.stdout.flush()
    with contextlib.suppress(OSError):
        subprocess.run([str(trace), "trace", seen.trace_id], env=environ, stdin=subprocess.DEVNULL, check=False)


def stop(_: Sequence[str], __: Began) -> int:
    """Stop whatever there is of the stack."""
    with Progress(sys.stdout) as progress:
        stack = Stack(progress=progress)
        found = stack.look()
        if found.is_absent and not found.words:
            progress.say("nothing was running")
            return 0
        if found.states is None:
            for words in found.words:
                progress.say(f"found: {words}")
        began = time.monotonic()
        with progress.awaiting("the programs to stop"):
            left = stack.stop()
        if left:
            progress.say(f"these could not be ended: {', '.join(map(str, left))}", "red")
            return 1
        progress.say(f"stopped in {seconds(time.monotonic() - began)}; nothing of it is left running")
    return 0


def setup(_: Sequence[str], __: Began) -> int:
    """Say that the environment for development is there; the bootstrap made it."""
    print(f"ready: {Path(sys.executable).parent}")
    return 0


def test(arguments: Sequence[str], _: Began) -> int:
    """Run all tests; *arguments* go to pytest. The running demo is never touched."""
    return _run(["-m", "pytest", *arguments], _test_environment())


def _test_environment() -> dict[str, str]:
    """Return the environment without what would point a test at the running demo."""
    dropped = ("CAROUSEL_", "OTEL_", "MAKE", "MFLAGS")
    return {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(dropped) or key.startswith(("CAROUSEL_TEST_", "CAROUSEL_SOAK_"))
    }


def _run(command: Sequence[str], env: Mapping[str, str] | None = None) -> int:
    return subprocess.run([sys.executable, *command], env=env, cwd=ROOT, check=False).returncode


def fmt(_: Sequence[str], __: Began) -> int:
    """Rewrite the code as the formatter has it, and repair what the linter can."""
    return _run(["-m", "ruff", "format", "."]) or _run(["-m", "ruff", "check", "--fix", "."])


CHECKS: Mapping[str, Sequence[str]] = {
    "format": ["-m", "ruff", "format", "--check", "."],
    "lint": ["-m", "ruff", "check", "."],
    "types": ["-m", "mypy"],
    "imports": ["-c", "from importlinter.cli import lint_imports_command as run; run()"],
    "tests": ["-m", "pytest", "-q", "-m", "not e2e", "--ignore=tests/e2e"],
}


def check(_: Sequence[str], __: Began) -> int:
    """Run every fast check, all of them even when one fails; 1 if any did."""
    results = {}
    for name, command in CHECKS.items():
        began = time.monotonic()
        print(f"── {name}", flush=True)
        code = _run(command, _test_environment())
        results[name] = (code, time.monotonic() - began)
    print()
    for name, (code, spent) in results.items():
        print(f"{'ok    ' if code == 0 else 'FAILED'} {name:<8} {seconds(spent)}")
    return 1 if any(code for code, _ in results.values()) else 0


COMMANDS: Mapping[str, Callable[[Sequence[str], Began], int]] = {
    "demo": demo,
    "stop": stop,
    "status": lambda rest, _: status.main(rest),
    "logs": lambda rest, _: logs.main(rest),
    "scale": lambda rest, _: scaling.main(rest),
    "restart": lambda rest, _: restarting.main(rest),
    "load": lambda rest, _: loading.main(rest),
    "setup": setup,
    "test": test,
    "check": check,
    "fmt": fmt,
}
