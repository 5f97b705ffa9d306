"""Generates the pages and pictures that come from code: ``python -m docs.tools``."""
