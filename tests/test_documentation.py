"""What the pages in ``docs/`` name is there, and what they show is accepted."""

import json
import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

import app
import app.ingest.metrics
import app.main
import app.worker
from app.auth.scopes import Scope
from app.core.settings import Settings
from app.handlers.verification import VERIFICATION
from app.signatures.catalogue import schemes
from app.signatures.description import as_markdown
from app.signatures.verdict import Reason

REPOSITORY = Path(app.__file__).parents[1]
DOCS = REPOSITORY / "docs"
PAGES = sorted([REPOSITORY / "README.md", *DOCS.rglob("*.md"), REPOSITORY / "benchmarks" / "README.md"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
class TestPage:
    def test_links_to_files_that_are_there(self, page):
        targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
        assert [target for target in targets if not (page.parent / target).exists()] == []

    def test_names_modules_that_are_there(self, page):
        named = re.findall(r"`([\w/]+\.py)", page.read_text())
        places = (REPOSITORY, REPOSITORY / "app", REPOSITORY / "tests", REPOSITORY / "app/core/egress")
        assert [name for name in named if not any((place / name).exists() for place in places)] == []

    def test_names_settings_that_there_are(self, page):
        known = {f"JACKFIELD_{name.upper()}" for name in Settings.model_fields}
        known |= {"JACKFIELD_DATABASE_PASSWORD", "JACKFIELD_PUBLISHED_PORT"}  # Compose's own
        assert {*re.findall(r"JACKFIELD_[A-Z_]*[A-Z]", page.read_text())} <= known


class TestWebhooks:
    PAGE = (DOCS / "webhooks.md").read_text()

    def test_shows_verifications_that_are_accepted(self):
        shown = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", self.PAGE, re.DOTALL)]
        assert {VERIFICATION.validate_python(one).scheme for one in shown} == {
            *("github", "standard-webhooks", "paypal", "sns", "header-token"),
            *("hmac", "ed25519", "jwt", "bearer", "none"),
        }

    def test_lists_every_scheme(self):
        """To bring it up to date: ``jackfield webhooks schemes --markdown``."""
        assert as_markdown(schemes().values()) in (DOCS / "webhook-schemes.md").read_text()
        assert f"All {len(schemes())} schemes" in self.PAGE

    def test_tells_of_every_handshake(self):
        told = self.PAGE.partition("## Handshakes")[2]
        named = {
            "cloudevents": "CloudEvents",
            "google-channel": "Google channels",
            "twitch": "Twitch",
            **dict.fromkeys(("discord", "discord-events"), "Discord"),
        }
        asked = [preset for preset in schemes().values() if preset.handshakes]
        titles = {named.get(preset.name, re.split("[,:]", preset.title)[0]) for preset in asked}
        assert {title for title in titles if title not in told} == set()

    def test_explains_every_reason(self):
        assert {*re.findall(r"^\| `(\w+)` \|", self.PAGE.partition("## Why")[2], re.MULTILINE)} >= {*Reason}


class TestOperating:
    PAGE = (DOCS / "operating.md").read_text()

    def test_lists_every_metric_with_its_type_and_labels(self):
        rows = re.findall(r"^\| `(jackfield_\w+)` \| (\w+) \| ([^|]*)\|", self.PAGE, re.MULTILINE)
        assert {(name, kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows} == {
            (f"{metric._name}_total" if metric._type == "counter" else metric._name, *told(metric))
            for metric in {*REGISTRY._names_to_collectors.values()}
            if isinstance(metric, MetricWrapperBase) and metric._name.startswith("jackfield_")
        }

    def test_explains_every_line_of_the_log(self):
        told_of = {*re.findall(r"`([a-z]+\.[a-z_]+)`", self.PAGE.partition("## Logs")[2])}
        logged = {
            event
            for folder in ("engine", "executions")
            for path in (REPOSITORY / "app" / folder).glob("*.py")
            for event in re.findall(r'(?:_log\.\w+|\blog)\(\s*"([a-z_.]+)"', path.read_text())
        }
        assert logged
        assert logged - told_of == set()


def told(metric: MetricWrapperBase) -> tuple[str, tuple[str, ...]]:
    return metric._type, metric._labelnames


class TestApi:
    def test_explains_every_scope(self):
        assert {*re.findall(r"`([a-z_]+:[a-z]+)`", (DOCS / "api.md").read_text())} >= {*Scope}
