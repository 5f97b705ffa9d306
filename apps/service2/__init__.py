"""Service 2: does the inner work of a request, and misbehaves as ordered."""
