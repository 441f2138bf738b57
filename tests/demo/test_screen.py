import io

import httpx2
import pytest
from rich.console import Console

from app.core.secret import Secret
from app.demo.client import Exchange
from app.demo.screen import MAX_LINES, Screen


def exchange(body=None, answer=None, **headers) -> Exchange:
    request = httpx2.Request("POST", "http://service/things?limit=1", json=body or {}, headers=headers)
    return Exchange(request, httpx2.Response(201, json=answer or {}, headers={"etag": '"1"'}))


@pytest.fixture(params=[True, False], ids=["terminal", "pipe"])
def screen(request, monkeypatch):
    screen = Screen()
    monkeypatch.setattr(
        screen,
        "_console",
        Console(file=io.StringIO(), force_terminal=request.param, color_system=None, width=100),
    )
    return screen


def shown(screen) -> str:
    return screen._console.file.getvalue()


class TestShow:
    def test_writes_both_messages_and_counts_the_steps(self, screen):
        screen.show("Make it", exchange({"name": "it"}, {"id": 7}))
        screen.show("Again", exchange())

        text = shown(screen)
        for part in (
            "1. Make it", "POST /things?limit=1 HTTP/1.1", '"name": "it"', "HTTP/1.1 201 Created",
            'etag: "1"', '"id": 7', "2. Again",
        ):  # fmt: skip
            assert part in text

    def test_hides_what_it_was_told_to_wherever_it_is(self, screen):
        screen.hide(Secret("s3cr3t-value"))
        screen.show(
            "Keep it",
            exchange(
                {"value": "s3cr3t-value"}, {"value": "s3cr3t-value"}, authorization="Bearer s3cr3t-value"
            ),
        )
        assert "s3cr3t" not in shown(screen)
        assert shown(screen).count("[redacted]") == 3

    def test_cuts_a_long_answer_short_and_says_so(self, screen):
        screen.show("List them", exchange(answer=list(range(100))))
        assert f"… {102 - MAX_LINES} more lines" in shown(screen)

    def test_takes_brackets_for_what_they_are(self, screen):
        screen.show("[bold]", exchange({"name": "[red]not markup[/red]"}))
        assert "[red]not markup[/red]" in shown(screen)
        assert "1. [bold]" in shown(screen)


class TestSay:
    def test_never_breaks_a_line(self, screen):
        screen.say("x" * 300)
        assert "x" * 300 + "\n" in shown(screen)


class TestShowTable:
    def test_shows_every_cell(self, screen):
        screen.show_table("Log", ("action", "actor"), [("secret.created", "[demo]")])
        for part in ("Log", "secret.created", "[demo]"):
            assert part in shown(screen)
