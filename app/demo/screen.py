"""Shows the steps: panels on a terminal, plain lines elsewhere."""

import json
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table

from app.core.secret import Secret
from app.demo.client import SHOWN_HEADERS, Exchange
from app.executions.redaction import Redactor

MAX_LINES: Final = 24
"""Of one answer; the rest is counted."""


class Screen:
    """``hide`` what must not be shown before showing an exchange that holds it."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._hidden: list[Secret] = []
        self._step = 0

    def hide(self, secret: Secret) -> None:
        self._hidden.append(secret)

    def show(self, title: str, exchange: Exchange) -> None:
        """One step: what was sent, and what came back."""
        self._step += 1
        redactor = Redactor(self._hidden)
        self._frame(f"{self._step}. {title}", redactor.text(_written(exchange)))

    def show_table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        if self._console.is_terminal:
            table = Table(*columns, title=title, title_justify="left", box=None, pad_edge=False)
            for row in rows:
                table.add_row(*map(escape, row))
            self._console.print(table, "")
        else:
            self.say(title, *("  " + "  ".join(row) for row in rows))

    def say(self, *lines: str) -> None:
        """Lines that are not wrapped, so that what is in them can be copied."""
        for line in lines:
            self._console.print(line, markup=False, soft_wrap=True)
        self._console.print()

    def _frame(self, title: str, text: str) -> None:
        if self._console.is_terminal:
            body = Syntax(text, "http", theme="ansi_dark", background_color="default", word_wrap=True)
            self._console.print(Panel(body, title=escape(title), title_align="left", border_style="cyan"))
        else:
            self.say(title, text)


def _written(exchange: Exchange) -> str:
    """Both messages as HTTP writes them, of the headers only those that matter here."""
    request, response = exchange.request, exchange.response
    lines = [f"{request.method} {request.url.raw_path.decode()} HTTP/1.1"]
    lines += [f"{name}: {request.headers[name]}" for name in SHOWN_HEADERS if name in request.headers]
    lines += ["", *_pretty(request.content)] if request.content else []
    lines += ["", f"HTTP/1.1 {response.status_code} {response.reason_phrase}"]
    lines += [
        f"{name}: {response.headers[name]}" for name in ("location", "etag") if name in response.headers
    ]
    return "\n".join([*lines, "", *_pretty(response.content)])


def _pretty(content: bytes) -> list[str]:
    lines = json.dumps(json.loads(content), indent=2, ensure_ascii=False).splitlines()
    if len(lines) <= MAX_LINES:
        return lines
    return [*lines[:MAX_LINES], f"… {len(lines) - MAX_LINES} more lines"]
