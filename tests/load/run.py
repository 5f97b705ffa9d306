"""One run of the load from its start to its summary: the pacer, what was seen, the journeys, chaos. Runs on gevent.

`finish` does everything that must be done however a run ends, once: chaos put back first, then the journeys, then the
words. Those who come later wait for the first.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import gevent
import requests
from gevent.lock import RLock

from tests.load import summary
from tests.load.admin import Admin, AdminError
from tests.load.chaos import Chaos, Ledger, LedgerTaken
from tests.load.checks import Answer, judge
from tests.load.journeys import PATIENCE_S, Sampler
from tests.load.pacer import Pacer
from tests.load.result import Result
from tests.load.scaler import Scaler
from tests.load.settings import SettingError, Settings
from tests.load.thresholds import judged

CHAOS_ENDS_WITHIN_S = 30.0
HURRIED_S = 3.0
"""How long the last journeys are waited for when a person ended the run."""
TELL_EVERY_S = 5.0
TELL_ENDLESS_EVERY_S = 60.0
STORAGE_TIMEOUT_S = 3.0


class Run:
    """A run that is going on.

    Args:
        settings: what is asked for.
        is_hurried: tells whether a person ended it.
    """

    def __init__(self, settings: Settings, is_hurried: Callable[[], bool]) -> None:
        self.settings = settings
        self.result = Result()
        self.pacer = Pacer(settings.curve, time.monotonic)
        self._is_hurried = is_hurried
        self._session = requests.Session()
        self._session.trust_env = False
        self._sampler = Sampler(settings.sample, self._ask_storage, time.monotonic, self.result.journeys)
        self._chaos: Chaos | None = None
        self._chaos_greenlet: gevent.Greenlet | None = None
        self.is_finishing = False
        """The end has begun: whoever does it must not be killed."""
        self._is_finished = False
        self._finishing = RLock()
        self._greenlets: list[gevent.Greenlet] = []

    def begin(self) -> None:
        """Start what goes on beside the requests.

        Raises:
            SettingError: chaos cannot be done here.
        """
        if self.settings.shape == "chaos":
            self._begin_chaos()
        self._greenlets = [gevent.spawn(self._look_at_journeys), gevent.spawn(self._tell)]

    def _begin_chaos(self) -> None:
        settings = self.settings
        try:
            token = settings.admin_token_file.read_text(encoding="ascii").strip()
            api, scaler = Admin(settings.gateways, token), Scaler(settings.run_dir)
            chaos = Chaos(api, scaler, Ledger(settings.run_dir), self._say)
            self._chaos = chaos
            plan = chaos.begin(settings.seed, settings.seconds)
        except (OSError, LedgerTaken, AdminError) as error:
            raise SettingError(f"SHAPE=chaos: {error}") from None
        self._chaos_greenlet = gevent.spawn(chaos.run, plan, lambda: self.pacer.elapsed, gevent.sleep)

    def record(self, answer: Answer, ms: float) -> str:
        """Count an answer; return what is wrong with it, empty if nothing is."""
        verdict = judge(answer)
        self.result.record(answer, verdict, ms)
        self._sampler.offer(verdict.trace_id, answer.status)
        return verdict.words

    def finish(self) -> None:
        """Put everything back, judge what is left, say it all. Returns when that is done, whoever does it."""
        self.is_finishing = True
        with self._finishing:
            if self._is_finished:
                return
            self._is_finished = True
            self.end_sending()
            self._note_rate()
            self._end_greenlets()
            self.put_back()
            self._sampler.finish(gevent.sleep, HURRIED_S if self._is_hurried() else PATIENCE_S + 2)
            for line in summary.lines(self.settings, self.result):
                print(line)
            self._write_report()
            sys.stdout.flush()

    def end_sending(self) -> None:
        """Ask for no more requests; the answers that are awaited still count."""
        self.pacer.end()

    def _end_greenlets(self) -> None:
        # A look that has begun is brought to its end: killed, its journey would be neither whole nor holed.
        gevent.joinall(self._greenlets[:1], timeout=STORAGE_TIMEOUT_S + 1)
        gevent.killall(self._greenlets)

    def put_back(self) -> None:
        """Undo chaos. Does nothing when there is none, or it is undone."""
        if self._chaos is None:
            return
        self._chaos.stop()
        if self._chaos_greenlet is not None:
            # A deed that is being done must not come after its undoing.
            self._chaos_greenlet.join(CHAOS_ENDS_WITHIN_S)
            self._chaos_greenlet.kill()
        self.result.chaos_left = tuple(self._chaos.restore(sleep=gevent.sleep))
        self.result.chaos_done.update(self._chaos.done)
        self._chaos.close()
        self._chaos = None

    @property
    def is_passed(self) -> bool:
        """Every threshold was met."""
        return all(threshold.is_met for threshold in judged(self.settings.limits, self.result))

    def _note_rate(self) -> None:
        self.result.seconds = self.pacer.elapsed
        self.result.asked = self.pacer.asked
        self.result.given_up = self.pacer.given_up

    def _write_report(self) -> None:
        if self.settings.report is None:
            return
        text = json.dumps(summary.report(self.settings, self.result), indent=1, ensure_ascii=False)
        try:
            self.settings.report.write_text(text + "\n", encoding="utf-8")
            print(f"\n{'report':<{summary.LABEL}} {self.settings.report}")
        except OSError as error:
            print(f"the report could not be written: {error}", file=sys.stderr)

    def _ask_storage(self, trace_id: str) -> list[dict[str, object]]:
        url = f"{self.settings.storage}/api/v1/traces/{trace_id}/journeys"
        answer = self._session.get(url, timeout=STORAGE_TIMEOUT_S)
        if answer.status_code == 404:
            return []
        answer.raise_for_status()
        return list(answer.json().get("journeys") or [])

    def _look_at_journeys(self) -> None:
        while not self.is_finishing:
            self._sampler.turn()
            gevent.sleep(0.25)

    def _tell(self) -> None:
        every = TELL_EVERY_S if self.settings.seconds else TELL_ENDLESS_EVERY_S
        while True:
            gevent.sleep(every)
            self._note_rate()
            print(summary.progress(self.result), flush=True)

    def _say(self, words: str) -> None:
        print(f"{self.pacer.elapsed:>5.0f} s  chaos: {words}", flush=True)
