"""Writes every board anew; with ``--check`` only says which are stale, and ends with 1 if any is."""

import sys

from grafana.generate.boards import BOARDS, FOLDER, path, text


def main(arguments: list[str]) -> int:
    """Write or check the boards; return the exit code."""
    if arguments not in ([], ["--check"]):
        print(f"unknown: {' '.join(arguments)}; expected nothing or --check", file=sys.stderr)
        return 2
    code = 0
    for uid in BOARDS:
        file, wanted = path(uid), text(uid)
        if file.exists() and file.read_text(encoding="utf-8") == wanted:
            continue
        if arguments:
            print(f"stale: {file.name}; `python -m grafana.generate` writes it anew")
            code = 1
        else:
            FOLDER.mkdir(exist_ok=True)
            file.write_text(wanted, encoding="utf-8")
            print(f"written: {file.name}")
    for stray in sorted(set(FOLDER.glob("*.json")) - {path(uid) for uid in BOARDS}):
        print(f"{'not a board' if arguments else 'removed'}: {stray.name}")
        if arguments:
            code = 1
        else:
            stray.unlink()
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
