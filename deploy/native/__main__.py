"""The commands behind `make`, on the environment's Python."""

from __future__ import annotations

import sys

from deploy.native.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
