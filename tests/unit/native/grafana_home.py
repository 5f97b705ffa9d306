"""A folder as an unpacked Grafana has it, with the fake in the binary's place."""

import sys
from pathlib import Path

FAKE = Path(__file__).with_name("fake_grafana.py")


def unpack(home: Path, version: str = "13.2.0") -> Path:
    """Make the folder and return its binary."""
    (home / "bin").mkdir(parents=True)
    (home / "conf").mkdir()
    (home / "conf" / "defaults.ini").write_text("")
    binary = home / "bin" / "grafana"
    body = FAKE.read_text(encoding="utf-8").replace('VERSION = "13.2.0"', f'VERSION = "{version}"')
    binary.write_text(f"#!{sys.executable}\n{body.split(chr(10), 1)[1]}", encoding="utf-8")
    binary.chmod(0o755)
    return binary
