"""An app as a process: what ends it before it begins."""

import pytest

from apps.web.node import NodeConfig
from apps.web.server import Service, run
from apps.web.settings import SettingError


def test_a_setting_that_will_not_do_ends_the_process_with_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2, no stack."""

    def read() -> NodeConfig:
        raise SettingError("CAROUSEL_PORT", "x", "a whole number")

    def create(*_: object) -> Service:
        raise AssertionError("it must not be built")

    with pytest.raises(SystemExit) as end:
        run(read, lambda config: config, create)

    assert 2 == end.value.code
    assert "carousel: CAROUSEL_PORT='x': expected a whole number\n" == capsys.readouterr().err
