"""Writes every generated page anew; with ``--check`` only says which are stale, and ends with 1 if any is."""

import sys

from docs.tools.pages import PAGES, ROOT


def main(arguments: list[str]) -> int:
    """Write or check the pages; return the exit code. A page that cannot be made here is named and left as it is."""
    code = 0
    for path, make in PAGES.items():
        try:
            text = make()
        except LookupError as error:
            print(f"left as it is: {path}: {error}", file=sys.stderr)
            code = 1
            continue
        if is_current(path, text):
            continue
        if "--check" in arguments:
            print(f"stale: {path}; `python -m docs.tools` writes it anew")
            code = 1
        else:
            (ROOT / path).write_text(text, encoding="utf-8")
            print(f"written: {path}")
    return code


def is_current(path: str, text: str) -> bool:
    """Tell whether the file *path* holds *text*."""
    file = ROOT / path
    return file.exists() and file.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
