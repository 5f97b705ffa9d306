"""gunicorn's master and threaded worker with an end that nobody notices.

========  ==========================================================================================================
SIGTERM   drains: not ready at once, serves on for a while with ``Connection: close``, finishes what is in flight
SIGINT    finishes what is in flight, without the while in between: nobody is going to look at the readiness
SIGQUIT   ends at once; so does a second SIGTERM or SIGINT
SIGUSR2   drains as SIGTERM does, and stays until it is told to end: for whoever would start it again if it ended
SIGHUP    starts a new worker on the same listener; when that one serves, the old one finishes and ends
========  ==========================================================================================================

A worker may be told twice (by its master, and by a signal to the whole process group); the second time changes
nothing, the master alone counts. A worker whose master was killed frees the port, finishes and ends.
"""

import mmap
import os
import signal
import time
from collections.abc import Callable
from typing import Any, Final

from gunicorn.arbiter import Arbiter
from gunicorn.workers.gthread import ThreadWorker

IN_FLIGHT_S: Final = 10
"""The longest that requests in flight are waited for when the node ends."""
HAND_OVER_S: Final = 65
"""The same when a newer worker serves already, and nobody waits for the old one: longer than any deadline."""
FLUSH_S: Final = 8
"""What the end of a service may take beyond that: telemetry is shipped, a store is closed."""
LINGER_S: Final = 0.2
"""How long an idle connection is kept when the node ends without draining; gunicorn's own 2 s otherwise."""
POLL_S: Final = 0.1


class LeavingWorker(ThreadWorker):  # type: ignore[misc]
    """A threaded worker that leaves as the module says. Its app is a `server.NodeApplication`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._ends_at: float | None = None
        self._lingers = True
        # Shared with the master over the fork: the one thing it has to know of a worker.
        self._shared = mmap.mmap(-1, 1)

    @property
    def serves(self) -> bool:
        """Whether it has begun to take requests; the master asks this too."""
        return self._shared[0] == 1

    def init_signals(self) -> None:
        """Take over the signals by which the master tells how to leave."""
        super().init_signals()
        signal.signal(signal.SIGINT, self._on(self._finish))
        signal.signal(signal.SIGHUP, self._on(self._hand_over))
        signal.signal(signal.SIGUSR2, self._on(self._step_back))
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR2):
            signal.siginterrupt(number, False)

    def handle_exit(self, sig: int, frame: object) -> None:
        """Drain (SIGTERM)."""
        self._defer(lambda: self._leave(self.app.drain_s))

    def _on(self, act: Callable[[], None]) -> Callable[[int, object], None]:
        return lambda _number, _frame: self._defer(act)

    def _defer(self, act: Callable[[], None]) -> None:
        """Let the main loop act: a signal's handler may interrupt anything. It has no queue any more once it left."""
        if self.alive:
            self.method_queue.defer(act)

    def _leave(self, drain_s: float) -> None:
        """Serve on for *drain_s*, not ready any more; what was told before counts if it ends sooner.

        The end itself comes when the events of this round are handled: the listener may be among them.
        """
        ends_at = time.monotonic() + drain_s
        self._ends_at = min(ends_at, self._ends_at) if self._ends_at is not None else ends_at
        self._step_back()

    def _step_back(self) -> None:
        """Be not ready any more; every answer from now on says that its connection closes."""
        self.app.leave()
        self.max_keepalived = 0

    def _finish(self) -> None:
        self._lingers = False
        self._leave(0.0)

    def _hand_over(self) -> None:
        self.cfg.set("graceful_timeout", HAND_OVER_S)
        self.app.leave(handed_over=True)
        self.alive = False

    def _look_at_the_clock(self) -> None:
        if self.alive and self._ends_at is not None and time.monotonic() >= self._ends_at:
            self._stop_listening()
            self.alive = False

    def _stop_listening(self) -> None:
        """Take what has connected already, and let everybody else be refused: they may try another node.

        gunicorn itself keeps the listener open to the end, where the kernel accepts connections that nobody answers.
        """
        self.set_accept_enabled(False)
        for listener in self.sockets:
            taken = -1
            while taken != self.nr_conns < self.worker_connections:
                taken = self.nr_conns
                self.accept(listener)
            listener.close()

    def run(self) -> None:
        """Serve until told to leave, then finish what is in flight."""
        # This process's own copy: the master waits longer than its worker.
        self.cfg.set("graceful_timeout", IN_FLIGHT_S)
        self._shared[0] = 1
        super().run()

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Handle what has come, waiting no longer than until the end of the drain."""
        if self.alive and self._ends_at is not None:
            timeout = min(timeout, max(self._ends_at - time.monotonic(), 0.0))
        super().wait_for_and_dispatch_events(timeout=timeout)
        self._look_at_the_clock()

    def _cap_keepalive(self, deadline: float) -> None:
        """Let idle connections end at *deadline*, or soon where nobody is expected any more."""
        super()._cap_keepalive(deadline if self._lingers else min(deadline, time.monotonic() + LINGER_S))

    def is_parent_alive(self) -> bool:
        """Tell whether the master lives; without it, free the port for the next one and leave."""
        if self.ppid == os.getppid():
            return True
        self._finish()
        self._look_at_the_clock()
        return False


class HandingOverArbiter(Arbiter):  # type: ignore[misc]
    """A master that sends an old worker away only when a new one serves, and ends as the module says."""

    def __init__(self, app: Any) -> None:
        self._is_stopping = False
        self._finishes = False
        self._sent_away: set[int] = set()
        super().__init__(app)

    def signal(self, sig: int, frame: object) -> None:
        """Queue a signal; while it stops already, another one means at once."""
        if self._is_stopping and sig in (signal.SIGTERM, signal.SIGINT):
            sig = signal.SIGQUIT
        super().signal(sig, frame)

    def handle_int(self) -> None:
        """Finish what is in flight, without draining."""
        self._finishes = True
        raise StopIteration

    def handle_usr2(self) -> None:
        """Let the workers that serve drain, and stay."""
        for pid, worker in list(self.WORKERS.items()):
            if worker.serves:
                self.kill_worker(pid, signal.SIGUSR2)

    def stop(self, graceful: bool = True) -> None:
        """Stop the worker."""
        self._is_stopping = True
        super().stop(graceful)

    def kill_workers(self, sig: int) -> None:
        """Send *sig* to the workers."""
        super().kill_workers(signal.SIGINT if sig == signal.SIGTERM and self._finishes else sig)

    def reload(self) -> None:
        """Start a new worker beside the old one; `manage_workers` does the rest."""
        self._stats["reloads"] += 1
        self.spawn_worker()

    def wait_for_signals(self, timeout: float = 1.0) -> list[int]:
        """Return the signals that came, looking more often while somebody has to be waited for."""
        signals: list[int] = super().wait_for_signals(timeout=POLL_S if len(self.WORKERS) > 1 else timeout)
        return signals

    def manage_workers(self) -> None:
        """Keep one worker that serves: start one that is missing, send those away that a newer one has replaced."""
        self._sent_away &= self.WORKERS.keys()
        staying = [(pid, one) for pid, one in self.WORKERS.items() if pid not in self._sent_away]
        for _ in range(self.num_workers - len(staying)):
            self.spawn_worker()
        staying.sort(key=lambda item: item[1].age)
        serving = [pid for pid, worker in staying if worker.serves]
        for pid in serving[: -self.num_workers]:
            self._sent_away.add(pid)
            self.kill_worker(pid, signal.SIGHUP)
