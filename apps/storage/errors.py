"""What can go wrong in storage.

::

    StorageError
    ├── BadRequest               the caller's fault; each becomes a 4xx
    │   ├── BadData              a body that is not OTLP                              400
    │   ├── BadQuery             a query parameter that cannot be understood          400
    │   ├── TooLarge             a body over the limit, before or after inflating     413
    │   └── UnsupportedMedia     a content type or coding that is not ours            415
    └── StoreError               the store's fault; each becomes 503 + Retry-After
        ├── StoreBusy            queue full, or no commit before the deadline
        ├── StoreUnavailable     locked, disk full, read-only, closed
        └── StoreInUse           another process has the store open (at start only)

A setting that will not do is `apps.web.settings.SettingError`, as in every app.

Raised where known; translated once, at the edge (`ingest`, `routes`). OTLP clients drop what is
answered with 500, so nothing here ever becomes one (OTLP specification, "Retryable Response Codes").
"""


class StorageError(Exception):
    """Base of everything storage raises on purpose."""


class BadRequest(StorageError):
    """A request that will not get better by being sent again."""


class BadData(BadRequest):
    """A body that is not what its content type says. *field* is where in it, if known."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.message = message
        self.field = field


class BadQuery(BadRequest):
    """A query parameter that cannot be understood."""

    def __init__(self, parameter: str, value: str, expected: str) -> None:
        super().__init__(f"{parameter}={value[:200]!r}: expected {expected}")
        self.parameter = parameter
        self.value = value
        self.expected = expected


class TooLarge(BadRequest):
    """A body over the limit of *limit* bytes."""

    def __init__(self, limit: int, what: str) -> None:
        super().__init__(f"{what} is over the limit of {limit} bytes")
        self.limit = limit


class UnsupportedMedia(BadRequest):
    """A content type or content coding that storage does not take."""


class StoreError(StorageError):
    """The store cannot do it now; the same call may work later."""

    retry_after_s = 1


class StoreBusy(StoreError):
    """More is waiting for a commit than the queue may hold, or the deadline passed first."""


class StoreUnavailable(StoreError):
    """The medium refuses: locked by another program, full, read-only, damaged, or closed."""

    retry_after_s = 2


class StoreInUse(StoreError):
    """Another process has this store open; a store has one writer."""
