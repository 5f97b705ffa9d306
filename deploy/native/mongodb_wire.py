"""A small server of MongoDB's wire protocol for the contract tests: `mongo-java-server` from Maven, run by Java.

No part of any stack: records are in its memory alone. Standard library only.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from deploy.native.tools import ROOT, ToolError, Tools, key_of

VERSION = "1.47.0"
NAME = "mongo-java-server"
POM = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>carousel</groupId>
  <artifactId>mongodb-wire</artifactId>
  <version>1</version>
  <dependencies>
    <dependency><groupId>de.bwaldvogel</groupId><artifactId>{NAME}</artifactId><version>{VERSION}</version></dependency>
  </dependencies>
</project>
"""
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
OPTIONS = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""It starts in a second or two, and keeps off the other processes' cores."""


def home(tools: Tools) -> Path:
    """Return the folder where the server's libraries are, or would be."""
    return tools.home(NAME, key_of(POM))


def why_not(environ: Mapping[str, str]) -> str | None:
    """Return what is missing to get and run the server, None when nothing is."""
    missing = [name for name in ("java", "javac", "mvn") if shutil.which(name, path=environ.get("PATH")) is None]
    return f"{' and '.join(missing)} not on the PATH (Debian: apt install default-jdk maven)" if missing else None


def get(tools: Tools) -> Path:
    """Get the server's libraries into `.tools/` if they are not there; return their folder.

    Raises:
        ToolError: there is no Java or Maven, or Maven could not get them.
    """
    folder = home(tools)
    if folder.exists():
        return folder
    if reason := why_not(tools.environ):
        raise ToolError(reason)
    log = tools.log(NAME)
    log.unlink(missing_ok=True)
    with tools.locked(NAME), tools.made_whole(folder) as made:
        (made / "pom.xml").write_text(POM, encoding="utf-8")
        maven = ["mvn", "--quiet", "--batch-mode", COPY, f"-DoutputDirectory={made}"]
        tools.run(maven, log, cwd=made, limit_s=300.0)
    return folder


def command(source: Path, tools: Tools | None = None) -> list[str] | str:
    """Return the command that runs the Java program at *source* with the server's libraries, or why there is none."""
    chosen = tools or Tools(ROOT / ".tools", dict(os.environ))
    try:
        folder = get(chosen)
    except ToolError as error:
        return str(error)
    return ["java", *OPTIONS, "-cp", f"{folder}/*", str(source)]
