"""Asks addresses whether they answer 200: the health check of our own containers, and of those without a shell.

    python -m deploy.compose.prober URL…            once: 0 when every one answers 200, else 1 with one line each
    python -m deploy.compose.prober --watch URL…    for ever: a line when an answer changes

The Collector's image holds its binary alone. A container of our image watches it, and is healthy as long as it is.
"""

from __future__ import annotations

import http.client
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

LIMIT_S = 2.0
INTERVAL_S = 2.0


def why_not(url: str, limit_s: float = LIMIT_S) -> str | None:
    """Return why *url* does not answer 200 within *limit_s*, None when it does."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=limit_s)
    try:
        connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"{url}: {error or type(error).__name__}"
    finally:
        connection.close()
    return None if status == 200 else f"{url} answers {status}"


def ask(urls: Sequence[str]) -> int:
    """Ask each once; return the exit code."""
    reasons = [why for url in urls if (why := why_not(url)) is not None]
    for reason in reasons:
        print(reason)
    return 1 if reasons else 0


def watch(urls: Sequence[str], ended: threading.Event, say: Callable[[str], None] = print) -> int:
    """Ask all again and again until *ended*; *say* hears each change. Return the exit code."""
    last: dict[str, str | None] = {}
    while True:
        for url in urls:
            why = why_not(url)
            if url not in last or (why is None) != (last[url] is None):
                say(why or f"{url} answers 200")
            last[url] = why
        if ended.wait(INTERVAL_S):
            return 0


def main(arguments: Sequence[str]) -> int:
    """Ask or watch, as the arguments say; 2 without an address."""
    urls = [word for word in arguments if not word.startswith("-")]
    if not urls:
        print(__doc__)
        return 2
    if "--watch" not in arguments:
        return ask(urls)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    return watch(urls, ended)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
