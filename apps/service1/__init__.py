"""Service 1: does the outer work of a request, and asks the gateway for service 2 in between."""
