"""House rules that no off-the-shelf linter knows, and the layers. Each exception has its reason."""

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import app
from app.core.errors import AppError
from app.core.settings import Settings
from app.models import AuditAction, EventType

ROOT = Path(app.__file__).parent
REPOSITORY = ROOT.parent
MODULES = sorted(ROOT.rglob("*.py"))

MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 80
P95_FUNCTION_LINES = 40
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers"}

ENDS_A_TRANSACTION = {
    "db/migrate.py": "the advisory lock and the session's settings outlive a transaction",
}
"""Modules that may call ``commit`` or ``rollback``."""

IMPORTS_LATE = {
    "cli/openapi.py": "a plan is told sooner without the API",
    "core/egress/calls.py": "webhooks are taken before there is a client",
    "core/egress/fetch.py": "webhooks are taken before there is a client",
    "demo/run.py": "the database starts before the program is imported",
    "db/embedded.py": "the database starts before SQLAlchemy is imported",
    "db/migrate.py": "most starts have nothing to migrate",
    "openapi_sync/yaml_child.py": "only the child may load a YAML parser",
    "tools/dependencies.py": "most services never meet an agent",
    "server/boot.py": "the program is imported while the database starts",
    "server/process.py": "webhooks are taken before there is an API",
}
"""Modules that import inside of a function. Everybody else is to be read from the top."""

SQL_BUILDERS = {
    *("select", "insert", "update", "delete", "text", "exists", "literal", "func", "union", "union_all"),
    *("tuple_", "values", "bindparam", "literal_column", "column", "table", "case", "cast"),
}
BUILDS_SQL = {
    "cli/doctor.py": "asks PostgreSQL about itself, not about rows",
    "executions/claims.py": "calls the definer functions that cross tenants, of which no repository may know",
    "sealing/system_keys.py": "the installation's keys belong to no tenant and have no other reader",
}
"""Modules that write SQL though they are neither repository nor ``db`` nor ``models``."""

SESSIONS = {"AsyncSession", "Session"}
HTTP_CLIENTS = {"CallClient", "FetchClient", "AsyncClient", "ClientSession"}

ERRORS_ELSEWHERE = {
    "app.core.pagination": "two errors that only the cursor's reader raises",
    "app.core.strict_json": "the reader is one module that can be taken elsewhere",
    "app.core.templates": "the engine is one module that can be taken elsewhere",
}
"""Modules other than ``errors.py`` that define errors of the wire."""

WITHOUT_A_RECORD = {
    "IdempotencyService": "keeps an answer beside the change that made it, which leaves its own record",
}
WITHOUT_AN_EVENT = {
    "OAuthClientService": "as ConnectorService: it is how a provider is dealt with",
    "ConnectorService": "how a provider is dealt with is no state of anything that events tell of",
    "IdempotencyService": "as above",
    "TenantService": "nobody inside a tenant is there to hear of its coming and going",
    "SyncScheduleService": "what its runs do is told as it happens",
    "ReplayService": "as ExecutionService: each of its executions is announced by its end",
    "ExecutionService": "an execution is announced by its end, and a replay is an execution",
}
WRITES = {"add", "save", "delete"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Each with the place where it is."""
    for path in MODULES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{name_of(path)}:{node.lineno} {node.name}", node


def calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def annotations(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Every name in the signature's annotations, at any depth of ``Annotated[…]`` or ``… | None``."""
    arguments = function.args
    given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return {
        word
        for argument in given
        if argument.annotation is not None
        for word in re.findall(r"\w+", ast.unparse(argument.annotation))
    }


def imported_from_sqlalchemy(path: Path) -> set[str]:
    return {
        alias.name
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "sqlalchemy"
        for alias in node.names
    }


FUNCTIONS = [*functions()]


class TestEveryModule:
    def test_leaves_the_transaction_to_its_owner(self):
        ending = {
            name_of(path)
            for path in MODULES
            if any(call.endswith((".commit", ".rollback")) for call in calls(tree_of(path)))
        }
        assert ending == ENDS_A_TRANSACTION.keys()

    def test_raises_our_own_errors(self):
        raised = [
            (name_of(path), ast.unparse(node.exc))
            for path in MODULES
            for node in ast.walk(tree_of(path))
            if isinstance(node, ast.Raise) and node.exc
        ]
        assert [place for place in raised if "HTTPException" in place[1]] == []

    def test_waits_for_no_upstream_inside_a_transaction(self):
        """A signature names a session or an HTTP client, never both."""
        assert [
            place
            for place, function in FUNCTIONS
            if annotations(function) & SESSIONS and annotations(function) & HTTP_CLIENTS
        ] == []

    def test_imports_at_its_top(self):
        late = {
            place.partition(":")[0]
            for place, function in FUNCTIONS
            if any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(function))
        }
        assert late == IMPORTS_LATE.keys()

    def test_leaves_sql_to_repositories(self):
        writing = {name_of(path) for path in MODULES if imported_from_sqlalchemy(path) & SQL_BUILDERS}
        allowed = {
            name for name in writing if name.startswith(("db/", "models/")) or "/repository.py" in name
        }
        assert writing - allowed == BUILDS_SQL.keys()

    def test_can_be_read_in_one_sitting(self):
        assert [
            name_of(path) for path in MODULES if len(path.read_text().splitlines()) > MAX_FILE_LINES
        ] == []
        assert [place for place, function in FUNCTIONS if length(function) > MAX_FUNCTION_LINES] == []

    def test_is_named_after_what_it_holds(self):
        assert [path for path in MODULES if {path.stem, path.parent.name} & VAGUE_NAMES] == []


class TestTheWhole:
    def test_imports_only_downward(self):
        """The contracts of import-linter stand in ``pyproject.toml``. In a process of its own: it configures
        logging, and thereby disables every logger that is there."""
        command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"]
        linted = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        assert linted.returncode == 0, linted.stdout

    def test_is_made_of_small_functions(self):
        lengths = sorted(length(function) for _, function in FUNCTIONS)
        assert lengths[len(lengths) * 95 // 100] <= P95_FUNCTION_LINES


def error_kinds() -> list[type[AppError]]:
    for module in pkgutil.walk_packages(app.__path__, "app."):
        importlib.import_module(module.name)
    found = [AppError]
    for kind in found:
        found.extend(kind.__subclasses__())
    return [kind for kind in found if kind.__module__.startswith("app.")]


@pytest.mark.parametrize("kind", error_kinds(), ids=lambda kind: kind.code)
class TestEveryError:
    def test_says_what_its_caller_can_do(self, kind):
        """The docstring is the message; an inherited one would speak of something else."""
        message = kind.__dict__.get("__doc__")
        assert message
        assert message.strip().endswith(".")

    def test_is_a_sentence_and_lives_with_its_feature(self, kind):
        assert not kind.__name__.endswith(("Error", "Exception")) or kind is AppError
        assert kind.__module__.endswith(".errors") or kind.__module__ in ERRORS_ELSEWHERE


class TestErrors:
    def test_have_a_code_each(self):
        codes = Counter(kind.code for kind in error_kinds())
        assert [code for code, count in codes.items() if count > 1] == []


class TestSettings:
    @pytest.mark.parametrize("name", Settings.model_fields)
    def test_say_what_they_are_for(self, name):
        description = Settings.model_fields[name].description
        assert description
        assert description.endswith(".")

    def test_are_all_in_the_readme(self):
        """As rows of its table: ``| `JACKFIELD_PORT` | …``. Nothing else is there, either."""
        known = {f"JACKFIELD_{name.upper()}" for name in Settings.model_fields}
        readme = (REPOSITORY / "README.md").read_text()
        assert set(re.findall(r"^\| *`(JACKFIELD_[A-Z_]+)`", readme, re.MULTILINE)) == known


@pytest.mark.parametrize("name", [*AuditAction, *EventType], ids=str)
def test_what_happened_is_told_as_noun_and_past_participle(name):
    """``denied``, ``updated``, ``handlers_synced``; the irregular ones that there are."""
    noun, _, verb = name.partition(".")
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", noun)
    assert re.fullmatch(r"([a-z]+_)*([a-z]+ed|held)|dead", verb)


def service_methods() -> Iterator[object]:
    for path in MODULES:
        for node in tree_of(path).body:
            if isinstance(node, ast.ClassDef) and node.name.endswith("Service"):
                methods = [
                    part for part in node.body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)
                ]
                for method in methods:
                    if not method.name.startswith("_"):
                        yield pytest.param(node, method, id=f"{node.name}.{method.name}")


def reached(service: ast.ClassDef, method: ast.AST) -> set[str]:
    """What a method calls, also through methods of its own class: the last name of each call on an object."""
    own = {
        part.name: part for part in service.body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    waiting, seen, found = [method], set(), set()
    while waiting:
        for call in calls(waiting.pop()):
            receiver, _, name = call.rpartition(".")
            if receiver == "self" and name in own:
                waiting += [own[name]] if name not in seen else []
                seen.add(name)
            elif receiver:
                found.add(name)
    return found


@pytest.mark.parametrize(("service", "method"), [*service_methods()])
class TestEveryService:
    def test_records_what_it_changes(self, service, method):
        names = reached(service, method)
        assert not names & WRITES or "record" in names or service.name in WITHOUT_A_RECORD

    def test_tells_of_what_it_changes(self, service, method):
        names = reached(service, method)
        assert not names & WRITES or "publish" in names or service.name in WITHOUT_AN_EVENT
