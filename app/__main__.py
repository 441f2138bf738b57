"""The entry point of the command."""

import importlib

from app.server.imports import begin_imports


def main() -> None:
    begin_imports()
    importlib.import_module("app.cli").main()


if __name__ == "__main__":
    main()
