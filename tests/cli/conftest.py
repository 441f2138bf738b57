import gc
import sys
from pathlib import Path

import pytest

from app.cli import main
from app.core import logging
from app.server import process


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A data folder that the commands of a module share."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def cli(data, monkeypatch, capsys):
    """Run a command in this process, unhardened: exit code, standard output, standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setenv("JACKFIELD_DATA", str(data))
        monkeypatch.setattr(gc, "freeze", lambda: None)
        monkeypatch.setattr(process, "harden_process", lambda: None)
        monkeypatch.setattr(logging, "configure", lambda *_: None)
        monkeypatch.setattr(sys, "argv", ["jackfield", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code or 0, printed.out, printed.err

    return run
