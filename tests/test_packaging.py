"""What is installed is what is locked, and what is shipped is what is needed."""

import ast
import re
import stat
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from app.db import migrate

ROOT = Path(__file__).parents[1]
PUBLIC_HOSTS = {"pypi.org", "files.pythonhosted.org"}
SCRIPTS = sorted([*(ROOT / "scripts").iterdir(), ROOT / ".ci" / "run"])
REQUIREMENT = re.compile(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==(\S+)")


def read_toml(name: str) -> dict:
    return tomllib.loads((ROOT / name).read_text())


def locked() -> dict[str, dict]:
    """Every package of the lock but ourselves, by name."""
    packages = {package["name"]: package for package in read_toml("uv.lock")["package"]}
    del packages["jackfield"]
    return packages


def requirements(file: str) -> dict[str, tuple[str, set[str]]]:
    """Name to version and hashes."""
    found = {}
    for requirement in re.split(r"\n(?! )", (ROOT / file).read_text().strip()):
        name, version = REQUIREMENT.match(requirement).groups()
        found[name] = (version, set(re.findall(r"--hash=(\S+)", requirement)))
    return found


def extras(project: dict) -> list[str]:
    """What is needed for what an operator may choose."""
    return [entry for group in project["project"]["optional-dependencies"].values() for entry in group]


def normalized(requirement: str) -> str:
    return re.split(r"[\[<>=;! ]", requirement)[0].lower().replace("_", "-")


def reachable(names: set[str]) -> set[str]:
    """What these packages need, themselves included."""
    packages, found, waiting = locked(), set(), set(names)
    while waiting:
        name = waiting.pop()
        found.add(name)
        package = packages[name]
        needed = [*package.get("dependencies", ())]
        for extra in package.get("optional-dependencies", {}).values():
            needed += extra
        waiting |= {entry["name"] for entry in needed} - found
    return found


class TestLock:
    def test_is_of_these_dependencies(self):
        ours = next(package for package in read_toml("uv.lock")["package"] if package["name"] == "jackfield")
        project = read_toml("pyproject.toml")
        locked_for = ours["metadata"]["requires-dist"]
        assert {entry["name"]: entry["specifier"] for entry in locked_for} == {
            normalized(entry): re.search(r"[<>=!~][^;]*", entry)[0].strip()
            for entry in [*project["project"]["dependencies"], *extras(project)]
        }
        assert {entry["name"] for entry in ours["metadata"]["requires-dev"]["dev"]} == {
            normalized(entry) for entry in project["dependency-groups"]["dev"]
        }

    def test_names_public_places_only(self):
        urls = re.findall(r'"(https?://[^"]+)"', (ROOT / "uv.lock").read_text())
        assert {urlsplit(url).hostname for url in urls} == PUBLIC_HOSTS

    @pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
    def test_is_what_pip_installs(self, file):
        packages = locked()
        for name, (version, hashes) in requirements(file).items():
            package = packages[name]
            files = [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else [])]
            assert (version, hashes) == (package["version"], {entry["hash"] for entry in files}), name

    def test_gives_developers_everything(self):
        assert requirements("requirements-dev.txt").keys() == locked().keys()

    def test_gives_the_service_what_it_needs(self):
        direct = {normalized(entry) for entry in read_toml("pyproject.toml")["project"]["dependencies"]}
        given = requirements("requirements.txt").keys()
        assert direct <= given <= reachable(direct)


class TestDependencies:
    def test_name_whatever_is_imported(self):
        known_by = packages_distributions()
        declared = {normalized(entry) for entry in read_toml("pyproject.toml")["project"]["dependencies"]}
        modules = {
            name.split(".")[0]
            for path in [*(ROOT / "app").rglob("*.py"), *(ROOT / "migrations").rglob("*.py")]
            for node in ast.walk(ast.parse(path.read_text()))
            for name in imported(node)
        }
        foreign = modules - {*sys.stdlib_module_names, "app"}
        assert {
            module for module in foreign if not {normalized(d) for d in known_by[module]} & declared
        } == set()


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module else []


class TestWheel:
    def test_carries_the_migrations_beside_the_package(self):
        carried = read_toml("pyproject.toml")["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
        assert carried == {"migrations": "migrations", "alembic.ini": "alembic.ini"}
        assert migrate.MIGRATIONS == ROOT / "migrations"


class TestScripts:
    @pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
    def test_are_programs_of_the_plain_shell(self, script):
        assert script.stat().st_mode & stat.S_IXUSR
        assert script.read_text().startswith("#!/bin/sh\n")
        assert subprocess.run(["/bin/sh", "-n", script], check=False).returncode == 0

    def test_refuse_a_machine_without_python(self, tmp_path):
        (tmp_path / "dirname").symlink_to("/usr/bin/dirname")
        ended = subprocess.run(
            ["/bin/sh", ROOT / "scripts" / "setup"],
            check=False,
            capture_output=True,
            text=True,
            env={"PATH": str(tmp_path)},
        )
        assert ended.returncode == 1
        assert "Python 3.11 or newer is needed" in ended.stderr


class TestCompose:
    def compose(self) -> dict:
        return yaml.safe_load((ROOT / "docker-compose.yml").read_text())

    def test_has_no_default_for_a_secret(self):
        text = (ROOT / "docker-compose.yml").read_text()
        for name in ("POSTGRES_PASSWORD", "JACKFIELD_DATABASE_PASSWORD", "JACKFIELD_MASTER_KEY"):
            used = re.findall(rf"\$\{{{name}(.*?)\}}", text)
            assert used
            assert all(default.startswith(":?") for default in used)
            assert re.search(rf"^{name}=$", (ROOT / ".env.example").read_text(), re.MULTILINE)

    def test_shows_the_superuser_to_the_migration_alone(self):
        knowing = {
            name
            for name, service in self.compose()["services"].items()
            if "POSTGRES_PASSWORD" in str(service["environment"])
        }
        assert knowing == {"db", "migrate"}

    def test_serves_after_the_migration(self):
        services = self.compose()["services"]
        for name in ("app", "worker"):
            assert services[name]["depends_on"] == {
                "migrate": {"condition": "service_completed_successfully"}
            }
