"""The load: GET and POST over the business entities, at the moments that a shape gives them. Locust runs it.

Sends no telemetry of its own; each request is marked synthetic. What a run is asked to be is in `settings`, how it ends
in `run`. Here is only what locust must find in one file: the users, the shape, and what happens at its events.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
from itertools import cycle
from typing import Any

import gevent
from gevent.lock import RLock
from locust import FastHttpUser, LoadTestShape, events, task

from tests.load.checks import Answer
from tests.load.run import Run
from tests.load.settings import SettingError, Settings

HEADERS = {"User-Agent": "carousel-load/1", "Baggage": "user_agent.synthetic.type=test"}
SPAWNED_PER_S = 100
BAD_SETTINGS = 2


def _settings() -> Settings:
    try:
        return Settings.from_env(os.environ)
    except SettingError as error:
        print(error, file=sys.stderr)
        sys.exit(BAD_SETTINGS)


SETTINGS = _settings()
_gateways = cycle(SETTINGS.gateways)


class Conductor:
    """Holds the run that is going on, and ends it whatever way locust ends."""

    def __init__(self) -> None:
        self.run: Run | None = None
        self.is_ending = False
        self._environment: Any = None
        self._stopping = RLock()

    def attach(self, environment: Any) -> None:
        """Listen to the signals; locust itself hears none of them before its run is over."""
        self._environment = environment
        # Whoever is not told otherwise failed: an exception on the way must not look like success.
        environment.process_exit_code = 1
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            gevent.signal_handler(number, self.end)
        atexit.register(self._at_exit)

    def end(self) -> None:
        """End the run soon: a person or a supervisor asked for it. Asked again, nothing more happens."""
        if self.is_ending:
            return
        self.is_ending = True
        runner, page = self._environment.runner, self._environment.web_ui
        if page is not None:
            page.stop()
        shape = runner.shape_greenlet
        if shape is not None and not (self.run and self.run.is_finishing):
            # Locust's main greenlet waits for this one, and goes on to stop everything.
            shape.kill(block=False)

    def begin(self) -> None:
        """Start a run."""
        run = Run(SETTINGS, lambda: self.is_ending)
        try:
            run.begin()
        except SettingError as error:
            run.put_back()
            print(error, file=sys.stderr, flush=True)
            # Locust goes on after an exception in a listener; nothing was sent yet.
            os._exit(BAD_SETTINGS)
        self.run = run

    def stop(self) -> None:
        """Stop the users and finish; after SIGTERM two greenlets of locust come here, and one waits for the other."""
        with self._stopping:
            self._environment.runner.stop()
            self.finish()

    def finish(self) -> None:
        """Finish the run that is going on, if one is."""
        if self.run is not None:
            self.run.finish()
            self._environment.process_exit_code = 0 if self.run.is_passed else 1

    def _at_exit(self) -> None:
        if self.run is not None:
            self.run.put_back()


conductor = Conductor()


class Client(FastHttpUser):
    """One client: reads twice for each order it places, over all entities in turn."""

    connection_timeout = 5.0
    network_timeout = 30.0
    concurrency = 1

    def __init__(self, environment: Any) -> None:
        self.host = next(_gateways)
        super().__init__(environment)
        self.turn = 0

    def wait_time(self) -> float:
        """Return the seconds until the moment of this client's next request."""
        assert conductor.run is not None
        return conductor.run.pacer.delay()

    def on_start(self) -> None:
        """Wait for the first moment."""
        self.wait()

    @task(2)
    def read(self) -> None:
        """GET the next entity."""
        self._send("GET")

    @task(1)
    def place(self) -> None:
        """POST the next entity."""
        self._send("POST")

    def _send(self, method: str) -> None:
        entity = SETTINGS.entities[self.turn % len(SETTINGS.entities)]
        self.turn += 1
        body = {"json": {"quantity": self.turn}} if method == "POST" else {}
        path = f"/api/{entity}"
        with self.client.request(method, path, headers=HEADERS, catch_response=True, **body) as got:
            assert conductor.run is not None
            answer = Answer(
                entity,
                got.status_code or 0,
                {name.lower(): value for name, value in (got.headers or {}).items()},
                got.content or b"",
                str(got.error or "") if not got.status_code else "",
            )
            wrong = conductor.run.record(answer, got.request_meta["response_time"])
            if wrong:
                got.failure(wrong)
            else:
                got.success()


class Shape(LoadTestShape):
    """The users that share the rate; the rate itself is the pacer's."""

    def tick(self) -> tuple[int, float] | None:
        """Return how many clients there are, None when the run is over."""
        run = conductor.run
        # A run that is finished is the one before this: locust's page can start another.
        is_over = run is not None and not run.is_finishing and run.pacer.elapsed >= SETTINGS.curve.seconds
        if conductor.is_ending or is_over:
            return None
        return SETTINGS.users, min(SETTINGS.users, SPAWNED_PER_S)


@events.init.add_listener
def _on_init(environment: Any, **_: Any) -> None:
    logging.getLogger("locust").setLevel(logging.WARNING)
    conductor.attach(environment)


@events.test_start.add_listener
def _on_start(**_: Any) -> None:
    conductor.begin()


@events.test_stopping.add_listener
def _on_stopping(**_: Any) -> None:
    if conductor.run is not None:
        conductor.run.end_sending()


@events.test_stop.add_listener
def _on_stop(**_: Any) -> None:
    conductor.finish()


@events.quitting.add_listener
def _on_quitting(**_: Any) -> None:
    conductor.stop()
