"""Runs the command as ``python -m apps.cli``."""

from apps.cli.main import main

if __name__ == "__main__":
    main()
