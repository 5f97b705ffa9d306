"""The load: GET and POST over the business entities, at a rate that is shared by all users.

Sends no telemetry of its own; each request is marked synthetic. CAROUSEL_LOAD_RATE is requests per second in all,
CAROUSEL_LOAD_USERS how many share them. A 5xx that the demo's bugs cause is an answer like any other: it is counted
by status, not as the load's failure.
"""

import os

from locust import FastHttpUser, constant_throughput, task

ENTITIES = tuple(os.environ.get("CAROUSEL_ENTITIES", "orders,payments,deliveries").split(","))
RATE = float(os.environ.get("CAROUSEL_LOAD_RATE", "20"))
USERS = max(1, int(os.environ.get("CAROUSEL_LOAD_USERS", "10")))
HEADERS = {"User-Agent": "carousel-load/1", "Baggage": "user_agent.synthetic.type=test"}


class Client(FastHttpUser):
    """One client: reads twice for each order it places, over all entities in turn."""

    wait_time = constant_throughput(max(RATE, 0.001) / USERS)
    connection_timeout = 5.0
    network_timeout = 30.0

    def on_start(self):
        """Begin with the first entity."""
        self.turn = 0

    def _send(self, method):
        entity = ENTITIES[self.turn % len(ENTITIES)]
        self.turn += 1
        body = {"json": {"quantity": self.turn}} if method == "POST" else {}
        path = f"/api/{entity}"
        with self.client.request(method, path, headers=HEADERS, catch_response=True, **body) as answer:
            # The demo's bugs end in 502 and 504; 503 is load that was shed. All three are the gateway at work.
            if answer.status_code in (200, 502, 503, 504):
                answer.success()

    @task(2)
    def read(self):
        """GET the next entity."""
        self._send("GET")

    @task(1)
    def place(self):
        """POST the next entity."""
        self._send("POST")
