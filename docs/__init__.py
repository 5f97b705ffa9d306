"""The documentation, and under `docs.tools` what generates the pages that come from code."""
