"""The health check of containers without a shell."""

import contextlib
import http.server
import threading

import pytest

from deploy.compose import prober


@contextlib.contextmanager
def serving(statuses):
    """Serve the given statuses one after the other, the last for ever; yield the address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(statuses.pop(0) if len(statuses) > 1 else statuses[0])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (404, 1)])
def test_only_200_is_healthy(status, code, capsys):
    """And the reason is said."""
    with serving([status]) as url:
        assert prober.main([url]) == code
    assert capsys.readouterr().out == ("" if code == 0 else f"{url} answers {status}\n")


def test_a_port_where_nobody_listens_is_unhealthy(capsys):
    """A dead engine never looks healthy."""
    with serving([200]) as url:
        pass
    assert prober.main([url]) == 1
    assert url in capsys.readouterr().out


def test_one_of_several_that_fails_is_enough():
    """All of them must answer."""
    with serving([200]) as good, serving([500]) as bad:
        assert prober.ask([good, bad]) == 1
        assert prober.ask([good, good]) == 0


def test_watching_says_only_changes(monkeypatch):
    """One line when it goes, one when it comes back."""
    monkeypatch.setattr(prober, "INTERVAL_S", 0.01)
    said, ended = [], threading.Event()

    def hear(words):
        said.append(words)
        if len(said) == 3:
            ended.set()

    with serving([200, 200, 503, 503, 200]) as url:
        assert prober.watch([url], ended, hear) == 0
    assert said == [f"{url} answers 200", f"{url} answers 503", f"{url} answers 200"]


def test_without_an_address_it_says_how_it_is_used(capsys):
    """2, as for every wrong use."""
    assert prober.main(["--watch"]) == 2
    assert "URL" in capsys.readouterr().out
