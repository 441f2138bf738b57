"""What the README promises is done: its tour runs, its table of settings is the settings."""

import re
import shutil
import subprocess
from pathlib import Path
from uuid import UUID

import pytest

import app
from app.core.settings import Settings
from tests.fixtures.process import BASE_URL, JACKFIELD, environment, serving

REPOSITORY = Path(app.__file__).parents[1]
README = (REPOSITORY / "README.md").read_text()

WRITTEN_URL = "http://127.0.0.1:8090"
WRITTEN_COMMAND = ".venv/bin/jackfield"

SHELL_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def tour() -> list[str]:
    """The shell blocks of the tour, in order; they share one shell."""
    section = README.partition("## A tour in five minutes")[2].partition("\n## ")[0]
    return SHELL_BLOCK.findall(section)


def settings_rows() -> list[str]:
    """The rows of the README's table of settings, as the settings themselves have them."""
    return [
        f"| `JACKFIELD_{name.upper()}` | {_shown(field.default)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]


def _shown(default: object) -> str:
    return "" if default is None or default == () else f"`{default}`"


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    """What the whole tour prints, against a service of its own."""
    for program in ("bash", "curl", "python3"):
        if shutil.which(program) is None:
            pytest.skip(f"the tour needs {program}, which is not installed here")
    data = tmp_path_factory.mktemp("tour")
    with serving(data) as served:
        base_url = served.read_until(BASE_URL)[0]
        script = "\n".join(tour()).replace(WRITTEN_URL, base_url).replace(WRITTEN_COMMAND, str(JACKFIELD))
        finished = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],  # noqa: S607 -- whichever one the reader has
            env=environment(data),
            cwd=data,
            capture_output=True,
            text=True,
            check=False,
        )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


class TestTour:
    def test_names_the_address_and_the_command_that_the_test_replaces(self):
        assert WRITTEN_URL in tour()[0]
        assert WRITTEN_COMMAND in tour()[0]

    def test_shows_a_credential_and_a_sealed_secret(self, taken):
        assert "\n123456:made-up\njfs1." in taken

    def test_refuses_what_is_not_signed_and_takes_what_is(self, taken):
        assert re.search(r'"code": ?"not_verified".*\} 401\n\{.*"status": ?"queued"\} 202\n', taken)

    def test_sees_the_execution_succeed(self, taken):
        assert "\nsucceeded\n" in taken

    def test_ends_with_four_ids_and_a_record_of_each(self, taken):
        *ids, after = re.search(r"\nsucceeded\n(.+)\n(.+)\n(.+)\n(.+)\n(?s:(.+))", taken).groups()
        assert len({UUID(id) for id in ids}) == 4
        actions = {line.split()[2] for line in after.splitlines()}
        assert actions >= {f"{kind}.created" for kind in ("integration", "credential", "secret", "handler")}


class TestConfiguration:
    def test_lists_every_setting_with_its_default_and_description(self):
        """To bring the table up to date, paste what this expects."""
        rows = [line for line in README.splitlines() if line.startswith("| `JACKFIELD_")]
        assert rows == settings_rows()
