"""The rule of the engines: on the PATH if it fits, else in .tools, else got; what is missing is named."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.native import collector, engines, golang, loki, prometheus, tempo
from deploy.native.engines import Engine
from deploy.native.tools import Cancelled, ToolError, Tools, key_of


def pip():
    """Return an installer that is never run."""
    return ["pip", "install"]


def write_program(path, text="#!/bin/sh\necho ok\n"):
    """Make *path* a program that says what *text* says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


class Bench:
    """An engine made of files: `misfits` are the binaries that will not do."""

    def __init__(self, folder):
        self.tools = Tools(folder / "tools", {"PATH": str(folder / "bin")})
        self.bin = folder / "bin"
        self.misfits = {}
        self.asked = []
        self.got = 0
        self.get = self._get
        self.engine = Engine(
            name="engine",
            title="Engine",
            commands=("engine", "engine-old"),
            wanted="2",
            takes="seconds",
            without="less",
            key=lambda: key_of("engine", "2"),
            misfit=self._misfit,
            get=lambda tools, pip: self.get(tools, pip),
        )

    def _misfit(self, binary):
        self.asked.append(binary)
        return self.misfits.get(binary.name) or self.misfits.get(str(binary))

    def _get(self, tools, _):
        self.got += 1
        home = tools.home("engine", self.engine.key())
        with tools.made_whole(home) as folder:
            write_program(folder / "engine")
        return home / "engine"

    def find_or_get(self):
        return engines.find_or_get(self.engine, self.tools, pip)


@pytest.fixture
def bench(tmp_path):
    """An engine made of files in an empty folder."""
    return Bench(tmp_path)


def test_one_on_the_path_that_fits_is_used(bench):
    """Nothing is got."""
    binary = write_program(bench.bin / "engine")
    found = bench.find_or_get()
    assert (found.binary, found.where, bench.got) == (binary, "PATH", 0)


def test_one_on_the_path_that_does_not_fit_is_passed_over_with_its_reason(bench):
    """The next name is asked, then .tools, then it is got."""
    write_program(bench.bin / "engine")
    bench.misfits[str(bench.bin / "engine")] = "too old"
    found = bench.find_or_get()
    assert found.binary == bench.tools.home("engine", bench.engine.key()) / "engine"
    assert found.passed_over == (f"{bench.bin / 'engine'}: too old",)


def test_what_was_got_once_is_found_again(bench):
    """The second time costs nothing."""
    bench.find_or_get()
    bench.find_or_get()
    assert bench.got == 1


def test_a_verdict_is_remembered_until_the_binary_changes(bench):
    """Asking a Collector whether it fits takes time at each start."""
    binary = write_program(bench.bin / "engine")
    bench.find_or_get()
    bench.find_or_get()
    assert bench.asked == [binary]
    write_program(binary, "#!/bin/sh\necho another one\n")
    bench.find_or_get()
    assert bench.asked == [binary, binary]


def test_one_in_tools_that_does_not_fit_is_not_made_again(bench):
    """Of the same inputs it would be the same; the configuration is at fault."""
    bench.find_or_get()
    bench.misfits["engine"] = "refuses the configuration"
    (bench.tools.folder / ".engine.verdicts").unlink()
    found = bench.find_or_get()
    assert (found.binary, bench.got) == (None, 1)
    assert found.where.endswith("refuses the configuration")


def test_what_could_not_be_got_says_why_and_goes_on_saying_it(bench):
    """The demo starts without it, and doctor tells later."""

    def fail(tools, _):
        raise ToolError("no network")

    bench.get = fail
    assert bench.find_or_get().where == "no network"
    assert engines.find(bench.engine, bench.tools).where == "no network"


def test_an_interrupted_build_leaves_nothing_half(bench):
    """It was made under a temporary name."""

    def interrupted(tools, _):
        with tools.made_whole(tools.home("engine", bench.engine.key())) as folder:
            write_program(folder / "engine")
            tools.cancel.set()
            tools.run(["sleep", "5"], tools.log("engine"))

    bench.get = interrupted
    bench.tools.environ = {"PATH": "/usr/bin:/bin"}
    with pytest.raises(Cancelled):
        bench.find_or_get()
    left = [path.name for path in bench.tools.folder.iterdir() if path.is_dir()]
    assert left == ["logs"]


def test_a_changed_input_takes_the_place_of_the_old(bench):
    """Only one build of an engine is kept."""
    bench.find_or_get()
    old = bench.tools.home("engine", bench.engine.key())
    new = bench.tools.home("engine", key_of("engine", "3"))
    with bench.tools.made_whole(new) as folder:
        write_program(folder / "engine")
    assert new.exists()
    assert not old.exists()


def test_a_command_that_fails_names_its_last_words_and_its_log(tmp_path):
    """Why, and where there is more."""
    tools = Tools(tmp_path)
    log = tools.log("x")
    with pytest.raises(ToolError, match=r"sh failed: error: no such module \(all of it: .*x\.log\)"):
        tools.run(["sh", "-c", "echo error: no such module; echo bye; exit 3"], log)


def test_cancel_ends_the_children_too(tmp_path):
    """Ctrl-C during a build leaves no compiler behind."""
    tools = Tools(tmp_path)
    threading.Timer(0.3, tools.cancel.set).start()
    with pytest.raises(Cancelled):
        tools.run(["sh", "-c", "sleep 61 & echo $! > child; wait"], tools.log("x"), cwd=tmp_path)
    child = int((tmp_path / "child").read_text())
    status = Path(f"/proc/{child}/stat")
    assert not status.exists() or status.read_text().split()[2] == "Z"


def test_the_collectors_key_changes_with_its_build_file(tmp_path, monkeypatch):
    """A changed builder.yaml builds anew."""
    before = collector.build_key()
    changed = tmp_path / "builder.yaml"
    changed.write_bytes(collector.BUILD_FILE.read_bytes() + b"# more\n")
    monkeypatch.setattr(collector, "BUILD_FILE", changed)
    assert collector.build_key() != before


def test_the_lock_pins_what_the_build_file_asks_for():
    """Else the builder would resolve the modules anew on each machine."""
    modules = collector.BUILD_FILE.read_text(encoding="utf-8").split("gomod: ")[1:]
    asked = {" ".join(text.split()[:2]) for text in modules}
    locked = collector.direct_requirements((collector.LOCK / "go.mod").read_text(encoding="utf-8"))
    assert asked
    assert asked <= locked


@pytest.mark.parametrize(
    ("said", "version"),
    [("go version go1.26.8 linux/amd64", (1, 26)), ("go version go1.25rc1 darwin/arm64", (1, 25)), ("hm", None)],
)
def test_gos_version(said, version):
    """What `go version` says."""
    assert golang.version_of(said) == version


def test_an_old_go_on_the_path_is_passed_over(tmp_path):
    """The Collector's modules need a newer one."""
    write_program(tmp_path / "go", "#!/bin/sh\necho go version go1.19.8 linux/amd64\n")
    command, words = golang.on_path({"PATH": str(tmp_path)})
    assert command is None
    assert "1.19" in words
    assert "older than 1.25" in words


@pytest.mark.parametrize(
    ("version", "why"),
    [("2.31.2", "older than 2.39"), ("2.42.0+ds", None), ("3.1.0", None)],
)
def test_prometheus_is_asked_its_version_and_flags(tmp_path, version, why):
    """out_of_order_time_window came with 2.39."""
    text = f"""#!/bin/sh
case $1 in
--version) echo "prometheus, version {version} (branch: x)";;
--help) echo "      --[no-]web.enable-remote-write-receiver";;
esac
"""
    found = prometheus.misfit(write_program(tmp_path / "prometheus", text))
    assert (why is None and found is None) or (why and why in found)


def test_prometheus_without_remote_write_will_not_do(tmp_path):
    """The Collector could not write to it."""
    text = '#!/bin/sh\n[ "$1" = --version ] && echo "prometheus, version 2.50.0"\nexit 0\n'
    assert "no --web.enable-remote-write-receiver" in prometheus.misfit(write_program(tmp_path / "prometheus", text))


def test_without_apt_prometheus_says_so(tmp_path):
    """Fedora, macOS: the line that gets it is the hint's."""
    with pytest.raises(ToolError, match="no apt-get here"):
        prometheus.unpack(Tools(tmp_path, {"PATH": str(tmp_path)}), pip)


def test_one_that_is_named_by_its_variable_goes_before_the_path(bench):
    """CAROUSEL_TEMPO_BIN; one that does not fit is passed over with its reason."""
    on_path = write_program(bench.bin / "engine")
    named = write_program(bench.bin.parent / "elsewhere" / "engine-3")
    bench.engine = replace(bench.engine, variable="ENGINE_BIN")
    bench.tools = Tools(bench.tools.folder, {**bench.tools.environ, "ENGINE_BIN": str(named)})
    found = engines.find(bench.engine, bench.tools)
    assert (found.binary, found.where) == (named, "ENGINE_BIN")
    bench.misfits["engine-3"] = "too old"
    write_program(named, "#!/bin/sh\necho changed\n")
    found = engines.find(bench.engine, bench.tools)
    assert (found.binary, found.passed_over) == (on_path, (f"{named}: too old",))


def test_one_that_cannot_be_got_is_only_looked_for(bench):
    """It comes from the user's own machine, or the stack does without."""
    bench.engine = replace(bench.engine, get=None)
    assert bench.find_or_get().binary is None
    assert bench.got == 0


def test_only_make_engines_gets_what_takes_long():
    """The first `make demo` does not wait for Loki; nobody gets Tempo or Grafana."""
    assert {name for name, engine in engines.ENGINES.items() if engine.on_demand} == {"loki", "tempo", "grafana"}
    assert {name for name, engine in engines.ENGINES.items() if engine.get is None} == {"tempo", "grafana"}


@pytest.mark.parametrize(("module", "says", "words"), [
    (loki, "loki 1.2, a linkage package", "does not say that it is Loki"),
    (tempo, "tempo of music 120", "does not say that it is Tempo"),
    (tempo, "tempo, version 2.9.0 (branch: main)", "2.9 is older than 3.0"),
])  # fmt: skip
def test_another_program_of_the_name_is_no_engine(tmp_path, module, says, words):
    """Some distributions have a geneticist's loki."""
    program = write_program(tmp_path / "engine", f"#!/bin/sh\necho '{says}'\n")
    assert words in module.misfit(program)
