"""What a running stack does when a node dies."""

from functools import partial

from tests.e2e.support import Ask, SteadyLoad, eventually

LOST_AT_MOST_S = 0.2
"""How much of a killed node's own records may be missing: what waited in its memory to be shipped."""


def test_a_killed_node_is_left_out_and_comes_back_unnoticed(ask: Ask) -> None:
    """Under a steady load of GETs no client sees an error, and every answered request has its whole journey.

    Only what the killed node itself had not shipped yet may be missing, and the journey names it.
    """
    victim = "service1-2"
    with SteadyLoad(ask) as load:
        eventually(lambda: len(load.answers) > 40, "some load")
        ask.stack.kill(victim)
        eventually(lambda: ask.rings()["service1"][victim]["state"] == "ejected", f"{victim} out of the ring", 10)
        eventually(lambda: ask.rings()["service1"][victim]["state"] != "ejected", f"{victim} in the ring", 30)
        seen = len(load.answers)
        eventually(lambda: len(load.answers) > seen + 40, "some load after it")

    assert {answer.status_code for answer in load.answers} == {200}
    ejected, returned = (
        ask.storage("logs", app="gateway", q=f"{victim} {word}", limit=1)["logs"] for word in ("ejected", "returned")
    )
    assert [record["event"] for record in ejected + returned] == ["carousel.node.ejected", "carousel.node.returned"]
    assert ejected[0]["time"] < returned[0]["time"]
    _every_journey_is_whole(ask, load, victim)


def test_a_killed_node_of_service_2_never_ejects_service_1(ask: Ask) -> None:
    """The leg next to the fault deals with it alone."""
    victim = "service2-1"
    with SteadyLoad(ask) as load:
        eventually(lambda: len(load.answers) > 40, "some load")
        ask.stack.kill(victim)
        eventually(lambda: ask.rings()["service2"][victim]["state"] == "ejected", f"{victim} out of the ring", 10)
        eventually(lambda: ask.rings()["service2"][victim]["state"] != "ejected", f"{victim} in the ring", 30)

    assert {answer.status_code for answer in load.answers} == {200}
    assert {member["state"] for member in ask.rings()["service1"].values()} == {"linked"}
    _every_journey_is_whole(ask, load, victim)


def _every_journey_is_whole(ask: Ask, load: SteadyLoad, victim: str) -> None:
    incomplete = []
    for answer in load.answers:
        trace_id = answer.headers["X-Trace-Id"]
        journey = eventually(partial(ask.journeys, trace_id), f"the journey of {trace_id}")[0]
        if not journey["complete"]:
            journey = _after_a_while(ask, trace_id)
        if not journey["complete"]:
            incomplete.append(journey)
    lost = [item for journey in incomplete for item in journey["missing"]]

    assert {item["node"] for item in lost} <= {victim}
    times = sorted(journey["time"] for journey in incomplete)
    assert len(incomplete) <= 0.05 * len(load.answers), f"{len(incomplete)} journeys with holes: {times}"


def _after_a_while(ask: Ask, trace_id: str) -> dict[str, object]:
    """Return the journey once it is whole, or as it is when it will not become so."""
    try:
        return ask.whole_journey(trace_id, within_s=2.0)
    except AssertionError:
        return ask.journeys(trace_id)[0]
