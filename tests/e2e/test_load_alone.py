"""Runs of locust itself, as a child process, against a stand-in for the stack: exit codes, words, signals."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
import requests

from deploy.native.programs import locust
from deploy.native.tools import ROOT
from tests.load.chaos import LEDGER
from tests.unit.load.fake_stack import ADDRESSES, TOKEN, running

pytestmark = pytest.mark.timeout(120)


@contextmanager
def child(fake, folder, port=None, **typed):
    """Run locust as `make load` does, headless or with its page on *port*; it is surely gone afterwards."""
    secrets = folder / "secrets"
    secrets.mkdir(exist_ok=True)
    (secrets / "admin").write_text(TOKEN)
    env = {
        **os.environ,
        **{
            f"CAROUSEL_LOAD_{name}": value
            for name, value in ({"TIME": "5s", "RATE": "20", "SEED": "7"} | typed).items()
        },
        "CAROUSEL_RUN_DIR": str(folder),
        "CAROUSEL_GATEWAY_URL": fake.url,
        "CAROUSEL_STORAGE_API_URL": fake.url,
        "CAROUSEL_LOAD_REPORT": str(folder / "report.json"),
    }
    page = ["--web-host", "127.0.0.1", "--web-port", str(port), "--autostart"] if port else ["--headless"]
    words = [*locust(fake.url, sys.executable), *page, "--stop-timeout", "7"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(words, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(process):
    """Return exit code and words of a child that ends by itself."""
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def until(look, within_s=30.0):
    """Wait for something to be true."""
    give_up_at = time.monotonic() + within_s
    while not look():
        assert time.monotonic() < give_up_at
        time.sleep(0.02)


def test_a_run_sends_what_was_asked_for_and_passes(tmp_path):
    """Every request marked as synthetic, every journey of the sample whole; what the API allows is no failure."""
    with running(status_of=lambda number: 503 if number % 10 == 3 else 200) as fake, child(fake, tmp_path) as process:
        code, out, err = ended(process)
        assert (code, err) == (0, ""), out
        report = json.loads((tmp_path / "report.json").read_text())
        assert report["requests"]["asked"] == 100
        # A machine that is busy with other things may give some of them up.
        assert report["requests"]["sent"] + report["requests"]["givenUp"] == pytest.approx(100, abs=2)
        assert report["passed"] is True
        assert report["journeys"]["whole"] == report["journeys"]["taken"] > 0
        assert "thresholds  ok " in out
        assert {fields["Baggage"] for fields in fake.headers} == {"user_agent.synthetic.type=test"}
        assert "Traceback" not in out


def test_unexpected_answers_end_with_1(tmp_path):
    """Each named with its trace id."""
    with (
        running(status_of=lambda number: 500 if number % 10 == 3 else 200) as fake,
        child(fake, tmp_path, SAMPLE="0") as process,
    ):
        code, out, err = ended(process)
        assert (code, err) == (1, ""), out
        assert "status 500, expected one of 200, 502, 503, 504" in out
        assert "FAILED unexpected answers" in out
        assert f"carousel trace {3:032x}" in out


def test_a_bad_setting_is_one_line_and_2(tmp_path):
    """Nothing is sent."""
    with running() as fake, child(fake, tmp_path, RATE="fast") as process:
        assert ended(process) == (2, "", "RATE='fast': expected a number from 0.001 to 5000 (CAROUSEL_LOAD_RATE)\n")
        assert fake.headers == []


def test_chaos_without_an_admin_api_is_one_line_and_2(tmp_path):
    """It would be a steady load under a wrong name."""
    with running() as fake, child(fake, tmp_path, SHAPE="chaos") as process:
        fake.admin = lambda *_: (404, {}, {"detail": "There is nothing here."})
        code, _, err = ended(process)
        assert code == 2
        assert err.startswith("SHAPE=chaos: GET http://127.0.0.1:")
        assert err.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_of_chaos_puts_everything_back(tmp_path, number):
    """Ctrl-C twice, too: the first counts. The summary is said all the same."""
    with running() as fake, child(fake, tmp_path, SHAPE="chaos", TIME="60s") as process:
        until(lambda: not fake.is_as_before)
        process.send_signal(number)
        process.send_signal(number)
        code, out, err = ended(process)
        assert (code, err) == (0, ""), out
        assert fake.is_as_before
        assert "all of it put back" in out
        assert "(ended early)" in out
        assert not (tmp_path / LEDGER).exists()


def test_what_a_killed_run_left_is_put_back_by_the_next(tmp_path):
    """SIGKILL leaves no time; the ledger does."""
    with running() as fake:
        with child(fake, tmp_path, SHAPE="chaos", TIME="60s") as process:
            until(lambda: not fake.is_as_before)
            process.kill()
        assert not fake.is_as_before
        with child(fake, tmp_path, SHAPE="chaos", SAMPLE="0") as process:
            code, out, err = ended(process)
        assert (code, err) == (0, ""), out
        assert "put back what an earlier run left" in out
        assert fake.is_as_before
        assert set(ADDRESSES) >= {deed.split()[1] for deed in fake.deeds if deed.startswith("drain")}


def test_an_endless_load_survives_a_gateway_that_goes_and_comes(tmp_path):
    """As the demo's does."""
    with (
        running() as fake,
        child(fake, tmp_path, TIME="0", RATE="30", SAMPLE="0") as process,
    ):
        until(lambda: len(fake.headers) > 10)
        fake.is_away = True
        seen = len(fake.headers)
        until(lambda: len(fake.headers) > seen + 5)
        fake.is_away = False
        seen = len(fake.statuses)
        until(lambda: len(fake.statuses) > seen + 5)
        process.terminate()
        code, out, err = ended(process)
        assert (code, err) == (1, "")
        assert "no answer: " in out


def free_port():
    """Return a port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_the_page_can_start_a_second_run_and_sigterm_ends_both(tmp_path):
    """Each run has its own summary."""
    port = free_port()
    with running() as fake, child(fake, tmp_path, port, SAMPLE="0") as process:

        def is_second_begun():
            with contextlib.suppress(requests.ConnectionError):
                form = {"user_count": "10", "spawn_rate": "10", "host": fake.url}
                # While the first run goes on the page refuses another.
                requests.post(f"http://127.0.0.1:{port}/swarm", data=form, timeout=5)
            return len(fake.headers) > 105

        until(is_second_begun, 60)
        process.terminate()
        code, out, err = ended(process)
        assert (code, err) == (0, ""), out
        assert out.count("thresholds  ok ") == 2
        assert out.count("(ended early)") == 1
