"""Where in a bundle its files are, and what a place there is called in the file that it was in."""

from app.openapi_sync.oddities import escaped, unescaped

FILES = "x-jackfield-files"
_FILES = f"#/{FILES}/"


def place_of(file: str) -> str:
    """As a JSON Pointer."""
    return f"/{FILES}/{escaped(file)}"


def as_written(reference: str) -> str:
    """A reference into the bundle as one to the file: ``dir/a.yml#/limit``. Any other stays as it is."""
    if not reference.startswith(_FILES):
        return reference
    file, slash, pointer = reference.removeprefix(_FILES).partition("/")
    return f"{unescaped(file)}#{slash}{pointer}"
