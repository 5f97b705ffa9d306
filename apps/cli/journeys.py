"""The journeys of a trace as storage tells them, in values that are safe to print. Pure."""

from dataclasses import dataclass

from apps.cli.shape import Object, children, flag, number, text, whole


@dataclass(frozen=True, slots=True)
class Taken:
    """A step that was taken. *offset_ms* counts from the journey's first step; None where it is unknown."""

    n: int
    step: str
    app: str
    node: str
    event: str = ""
    offset_ms: float | None = None
    attempt: int = 1
    parent_attempt: int = 0
    severity: str = ""
    message: str = ""
    peer: str = ""
    status: int = 0
    duration_ms: float | None = None
    bug: str = ""
    error_type: str = ""
    span_id: str = ""


@dataclass(frozen=True, slots=True)
class Hole:
    """A step that must be there and is not, or is there twice. *node* is empty where nobody knows which it was."""

    n: int
    step: str
    app: str
    node: str
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Earlier:
    """An attempt of a leg that was not the last."""

    leg: str
    attempt: int
    parent_attempt: int
    steps: tuple[Taken, ...]


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A span that began and never ended; *last_step* is the last sign of life in it."""

    span_id: str
    app: str
    node: str
    last_step: str


@dataclass(frozen=True, slots=True)
class Skew:
    """A step whose time cannot be: *offset_ms*, which is negative, tells how long before a step it follows."""

    n: int
    step: str
    offset_ms: float | None


@dataclass(frozen=True, slots=True)
class Journey:
    """One request's way round the ring."""

    journey_id: str
    is_complete: bool
    outcome: str
    at: str
    entity: str
    time: str
    duration_ms: float | None
    status: int
    steps: tuple[Taken, ...] = ()
    earlier: tuple[Earlier, ...] = ()
    missing: tuple[Hole, ...] = ()
    duplicated: tuple[Hole, ...] = ()
    unfinished: tuple[Unfinished, ...] = ()
    skew: tuple[Skew, ...] = ()


def decode(shape: Object) -> list[Journey]:
    """Return the journeys in storage's answer, in its order."""
    return [_journey(one) for one in children(shape, "journeys")]


def _journey(shape: Object) -> Journey:
    return Journey(
        journey_id=text(shape, "journeyId"),
        is_complete=flag(shape, "complete"),
        outcome=text(shape, "outcome", "unknown"),
        at=text(shape, "at"),
        entity=text(shape, "entity"),
        time=text(shape, "time"),
        duration_ms=number(shape, "durationMs"),
        status=whole(shape, "status"),
        steps=tuple(_taken(step) for step in children(shape, "steps")),
        earlier=tuple(
            Earlier(
                text(one, "leg"),
                whole(one, "attempt"),
                whole(one, "parentAttempt"),
                tuple(_taken(step) for step in children(one, "steps")),
            )
            for one in children(shape, "earlierAttempts")
        ),
        missing=_holes(shape, "missing"),
        duplicated=_holes(shape, "duplicated"),
        unfinished=tuple(
            Unfinished(text(one, "spanId"), text(one, "app"), text(one, "node"), text(one, "lastStep"))
            for one in children(shape, "unfinished")
        ),
        skew=tuple(
            Skew(whole(one, "n"), text(one, "step"), number(one, "offsetMs")) for one in children(shape, "clockSkew")
        ),
    )


def _taken(shape: Object) -> Taken:
    return Taken(
        n=whole(shape, "n"),
        step=text(shape, "step"),
        app=text(shape, "app"),
        node=text(shape, "node"),
        event=text(shape, "event"),
        offset_ms=number(shape, "offsetMs"),
        attempt=whole(shape, "attempt", 1),
        parent_attempt=whole(shape, "parentAttempt"),
        severity=text(shape, "severity"),
        message=text(shape, "message"),
        peer=text(shape, "peer"),
        status=whole(shape, "status"),
        duration_ms=number(shape, "durationMs"),
        bug=text(shape, "bug"),
        error_type=text(shape, "errorType"),
        span_id=text(shape, "spanId"),
    )


def _holes(shape: Object, key: str) -> tuple[Hole, ...]:
    return tuple(
        Hole(whole(one, "n"), text(one, "step"), text(one, "app"), text(one, "node"), whole(one, "attempt", 1))
        for one in children(shape, key)
    )
