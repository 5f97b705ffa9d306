"""The rings of several gateways as they turn: what the streams tell, folded into what is drawn. Pure."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from rich.text import Text

from apps.cli import following, ring_view, rings, shape, theme
from apps.cli.following import Told
from apps.cli.quantities import clock, parse_time
from apps.cli.rings import Member, Ring, Rings

FRAMES_A_SECOND: Final = 10
LIT_S: Final = 0.4
"""How long a node that was picked stands out."""
RATE_S: Final = 2.0
"""The time that picks a second are counted over."""
MOST_PICKS: Final = 20_000
MOST_CHANGES: Final = 6


class Turning:
    """The rings by gateway. *changes* are the latest changes, as lines."""

    def __init__(self) -> None:
        self._rings: dict[str, Rings] = {}
        self._first: dict[tuple[str, str, str], int] = {}
        self._lit: dict[tuple[str, str], float] = {}
        self._picks: deque[float] = deque(maxlen=MOST_PICKS)
        self._notes: dict[str, str] = {}
        self._dropped = 0
        self.changes: deque[Text] = deque(maxlen=MOST_CHANGES)

    def fold(self, told: Told) -> None:
        """Take what a gateway told into account."""
        if told.name == following.SNAPSHOT:
            self._snapshot(told)
        elif told.name == "pick":
            self._pick(told)
        elif told.name == following.DROPPED:
            self._dropped += shape.whole(told.data, "count")
        elif told.name == following.LOST:
            self._notes[told.address] = f"is gone; trying again: {shape.text(told.data, 'reason')}"
            self._rings.setdefault(told.address, Rings(told.gateway, ()))
        elif told.name == following.BACK:
            self._notes.pop(told.address, None)
        line = change_line(told)
        if line is not None:
            self.changes.append(line)

    def _snapshot(self, told: Told) -> None:
        known = rings.decode(told.data)
        for ring in known.rings:
            for member in ring.members:
                key = (told.address, ring.service, member.address)
                if member.picks < self._first.setdefault(key, member.picks):  # the gateway began anew
                    self._first[key] = 0
        self._rings[told.address] = replace(known, gateway=told.gateway)

    def _pick(self, told: Told) -> None:
        service, node = shape.text(told.data, "service"), shape.text(told.data, "node")
        if told.address in self._rings:
            self._rings[told.address] = self._rings[told.address].stepped(service, node)
        self._lit[told.address, node] = told.at
        self._picks.append(told.at)

    def frame(self, width: int, height: int, now: float) -> list[Text]:
        """Return the picture at *now* (monotonic seconds) in *width* columns; lists where *height* is too little."""
        self._lit = {key: at for key, at in self._lit.items() if now - at < LIT_S}
        lines = [self._status(now), Text("")]
        rings_lines = self._drawn(width, is_compact=False)
        if len(lines) + len(rings_lines) + len(self.changes) > height:
            rings_lines = self._drawn(width, is_compact=True)
        return [theme.cut(line, width) for line in (*lines, *rings_lines, *self.changes)]

    def _drawn(self, width: int, *, is_compact: bool) -> list[Text]:
        lines: list[Text] = []
        for address, known in sorted(self._rings.items(), key=lambda one: one[1].gateway):
            lit = {node for where, node in self._lit if where == address}
            note = self._notes.get(address, "")
            since = self._since(address, known)
            lines += ring_view.draw(since, width, recent=lit, note=note, is_compact=is_compact)
            lines.append(Text(""))
        return lines

    def _since(self, address: str, known: Rings) -> Rings:
        """Return *known* with the picks since the first look alone; all of them while there were none."""
        return replace(known, rings=tuple(self._ring_since(address, ring) for ring in known.rings))

    def _ring_since(self, address: str, ring: Ring) -> Ring:
        def counted(members: tuple[Member, ...]) -> tuple[Member, ...]:
            keys = [(address, ring.service, one.address) for one in members]
            return tuple(
                replace(one, picks=max(one.picks - self._first.get(key, 0), 0))
                for one, key in zip(members, keys, strict=True)
            )

        since = replace(ring, turning=counted(ring.turning), others=counted(ring.others))
        return since if any(one.picks for one in since.members) else ring

    def _status(self, now: float) -> Text:
        while self._picks and now - self._picks[0] > RATE_S:
            self._picks.popleft()
        rate = len(self._picks) / RATE_S
        words = f"{rate:.0f} picks a second" + (f", drawn {FRAMES_A_SECOND} times" if rate > FRAMES_A_SECOND else "")
        dropped = f" · {self._dropped} events dropped: too many for this terminal" if self._dropped else ""
        return theme.line((f"{words}{dropped} · Ctrl-C ends", theme.DIM))


def change_line(told: Told) -> Text | None:
    """Return what a gateway told as a line; None for what is no change."""
    if told.name == "ring":
        return _ring_change(told.gateway, told.data)
    if told.name == "bug":
        rates = shape.text(told.data, "rates")
        words = f"set to {rates}" if rates else "cleared"
        return _change(told.gateway, told.data, (f"bugs of {shape.text(told.data, 'target')} {words}", ""))
    if told.name == following.LOST:
        reason = shape.text(told.data, "reason")
        return theme.line((f"{told.gateway} is gone", theme.ERROR), f": {reason}; trying again")
    if told.name == following.BACK:
        return theme.line((f"{told.gateway} is back", theme.STRONG), f" after {shape.text(told.data, 'seconds')} s")
    if told.name == following.DROPPED:
        return theme.line(
            (f"{shape.whole(told.data, 'count')} events dropped", theme.SLOW), ": this reader was too slow"
        )
    return None


def _ring_change(gateway: str, data: Mapping[str, Any]) -> Text:
    service, state = shape.text(data, "service"), shape.text(data, "state", "unknown")
    name = shape.text(data, "node") or shape.text(data, "address", "?")
    mark, style = theme.member_mark(state)
    before = shape.text(data, "before")
    reason = shape.text(data, "reason")
    return _change(
        gateway,
        data,
        (name, theme.app_style(service)),
        (f" {before} → " if before else " ", ""),
        (f"{mark} {state}" if state in theme.MEMBERS else state, style),
        (f": {reason}" if reason else "", ""),
        (f", {shape.whole(data, 'ringSize')} in the ring", theme.DIM),
    )


def _change(gateway: str, data: Mapping[str, Any], *parts: tuple[str, str]) -> Text:
    return theme.line(
        (f"{clock(parse_time(shape.text(data, 'time')))} ", theme.DIM),
        (f"{gateway} ", theme.app_style("gateway")),
        *parts,
    )


def state_lines(told: Told) -> Iterator[Text]:
    """Yield the rings of a snapshot as plain lines, one a member: what a pipe gets first."""
    for ring in rings.decode(told.data).rings:
        for member in (*ring.placed(), *ring.others):
            mark, style = theme.member_mark(member.state)
            yield theme.line(
                (f"{told.gateway} ", theme.app_style("gateway")),
                (member.name, theme.app_style(ring.service)),
                (f" {mark} {member.state}", style),
                (f": {member.reason}" if member.reason else "", ""),
            )
