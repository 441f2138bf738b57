"""What descriptions that are made to hurt cost: each is planned in a process of its own.

    .venv/bin/python benchmarks/hostile_documents.py [--only TEXT]

A plan is what a sync does before it asks the database: read, look through, name. Times are of that process,
and of the one that YAML is read in, and so are the processor's seconds and the memory.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

MB = 1024 * 1024
MOST_SECONDS = 2.0
MOST_MB = 512
HEAD = b'{"openapi":"3.0.0","paths":{},"x":'
YAML_HEAD = b"openapi: 3.0.0\npaths: {}\nx:\n"

PLANNING = """
import json, resource, sys
from pathlib import Path
from app.core.errors import AppError
from app.core.memory import peak_bytes
from app.openapi_sync.offline import plan_offline
raw = Path(sys.argv[1]).read_bytes()
try:
    made = plan_offline(raw, "")
    outcome = f"{len(made.create)} handlers, {len(made.warnings)} warnings"
except AppError as error:
    outcome = f"{error.status} {error.code}"
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(json.dumps({
    "outcome": outcome,
    "cpu_s": sum(one.ru_utime + one.ru_stime for one in used),
    "mb": max(peak_bytes() / 2**20, used[1].ru_maxrss / 1024),
}))
"""


def paths(item: object, count: int) -> dict[str, object]:
    return {f"/{number}": item for number in range(count)}


def body(schema: object) -> dict[str, object]:
    return {"post": {"requestBody": {"content": {"application/json": {"schema": schema}}}}}


def described(**parts: object) -> bytes:
    return orjson.dumps({"openapi": "3.1.0", **parts})


def many_parameters() -> bytes:
    shared = {f"p{number}": {"name": f"p{number}", "in": "query"} for number in range(400)}
    listed = [{"$ref": f"#/components/parameters/{name}"} for name in shared]
    return described(components={"parameters": shared}, paths=paths({"get": {"parameters": listed}}, 2000))


def long_chains() -> bytes:
    chain = {f"s{number}": {"$ref": f"#/components/schemas/s{number + 1}"} for number in range(20_000)}
    some = {f"/{number}": body({"$ref": f"#/components/schemas/s{number}"}) for number in range(15_000)}
    return described(components={"schemas": chain}, paths=some)


JSON: Mapping[str, Callable[[], bytes]] = {
    "60 MB of one text": lambda: HEAD + b'"' + b"a" * (60 * MB) + b'"}',
    "60 MB of escapes": lambda: HEAD + b'"' + b"\\u0041" * (10 * MB) + b'"}',
    "60 MB of NUL escapes": lambda: HEAD + b'"' + b"\\u0000" * (10 * MB) + b'"}',
    "4 MB of empty objects": lambda: HEAD + b"[" + b"{}," * 1_300_000 + b"{}]}",
    "8 MB of numbers": lambda: HEAD + b"[" + b"1," * 2_900_000 + b"1]}",
    "60 MB of long numbers": lambda: HEAD + b"[" + (b"9" * 400 + b",") * 150_000 + b"1]}",
    "300 levels": lambda: HEAD + b"[" * 300 + b"]" * 300 + b"}",
    "5,000,000 levels": lambda: HEAD + b"[" * 5_000_000 + b"]" * 5_000_000 + b"}",
    "20,000 operations": lambda: described(paths=paths({"get": {"operationId": "a"}}, 20_000)),
    "100,000 paths of nothing": lambda: described(paths=paths({}, 100_000)),
    "2,000 times 400 parameters by reference": many_parameters,
    "chains of 20,000 references": long_chains,
    "20,000 times a body of 10,000 properties": lambda: described(
        components={"schemas": {"s": {"properties": {f"p{number}": {} for number in range(10_000)}}}},
        paths=paths(body({"$ref": "#/components/schemas/s"}), 20_000),
    ),
    "20,000 times the same defaults": lambda: described(
        components={"schemas": {"s": {"properties": {"p": {"default": "x" * 50_000}}}}},
        paths=paths(body({"$ref": "#/components/schemas/s"}), 20_000),
    ),
    "20,000 times 64 tags": lambda: described(
        paths=paths({"get": {"tags": [f"t{number}" for number in range(64)]}}, 20_000)
    ),
    "4 MB that end too early": lambda: HEAD + b"[" + b"{}," * 1_300_000,
}
YAML: Mapping[str, Callable[[], bytes]] = {
    "200,000 levels": lambda: YAML_HEAD + b"  " + b"[" * 200_000,
    "200,000 levels by indentation": lambda: (
        YAML_HEAD + b"".join(b" " * (number % 900 + 1) + b"a:\n" for number in range(200_000))
    ),
    "aliases that double": lambda: (
        b"a0: &a0 [x,x]\n"
        + b"".join(b"a%d: &a%d [*a%d,*a%d]\n" % (n, n, n - 1, n - 1) for n in range(1, 40))
        + YAML_HEAD
    ),
    "merges that double": lambda: (
        b"a0: &a0 {x: 1}\n"
        + b"".join(b"a%d: &a%d {<<: [*a%d,*a%d], k%d: 1}\n" % (n, n, n - 1, n - 1, n) for n in range(1, 40))
        + YAML_HEAD
    ),
    "100,000 aliases": lambda: b"a: &a x\n" + YAML_HEAD + b"  - *a\n" * 100_000,
    "2,000,000 repeated keys": lambda: YAML_HEAD + b"  a: 1\n" * 2_000_000,
    "2,000,000 keys": lambda: YAML_HEAD + b"".join(b"  k%d: 1\n" % n for n in range(2_000_000)),
    "2,000,000 keys and a merge": lambda: (
        YAML_HEAD + b"".join(b"  k%d: 1\n" % n for n in range(2_000_000)) + b"y: {<<: {a: 1}}\n"
    ),
    "12,000,000 items": lambda: YAML_HEAD + b"  - a\n" * 10_000_000,
    "12,000,000 items in a line": lambda: YAML_HEAD + b"  [" + b"a," * 12_000_000 + b"a]\n",
    "5,000,000 maps in a line": lambda: YAML_HEAD + b"  [" + b"{a: b}," * 5_000_000 + b"]\n",
    "60 MB of one text": lambda: YAML_HEAD + b"  '" + b"a" * (60 * MB) + b"'\n",
    "60 MB of escapes": lambda: YAML_HEAD + b'  "' + b"\\x41" * (15 * MB) + b'"\n',
    "60 MB of folded lines": lambda: YAML_HEAD + b"  >\n" + b"  a\n" * (15 * MB),
    "60 MB of comments": lambda: b"# a\n" * (15 * MB) + YAML_HEAD,
    "60 MB of empty lines": lambda: b"\n" * (60 * MB) + YAML_HEAD,
    "60 MB of anchors": lambda: YAML_HEAD + b"".join(b"  - &a%d x\n" % n for n in range(4_000_000)),
    "60 MB of tags": lambda: YAML_HEAD + b"  - !t x\n" * 6_000_000,
    "1,000,000 long numbers": lambda: YAML_HEAD + (b"  - " + b"9" * 50 + b"\n") * 1_000_000,
    "1,000,000 numbers of no size": lambda: YAML_HEAD + b"  - .nan\n" * 1_000_000,
    "1,000,000 documents": lambda: YAML_HEAD + b"---\na: 1\n" * 1_000_000,
    "60 MB without a line break": lambda: b"a" * (60 * MB),
    "60 MB that nobody can read": lambda: b"\xff\xfe" + b"\x00\xd8" * (30 * MB),
    "colons": lambda: b":" * 5_000_000,
    "question marks": lambda: b"? " * 2_000_000,
    "dashes": lambda: b"- " * 2_000_000,
    "60 MB of bytes that stand for nothing": lambda: YAML_HEAD + b"\x81" * (60 * MB),
    "quotes": lambda: YAML_HEAD + b'  - "a' * 2_000_000,
}


def main() -> None:
    reader = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    reader.add_argument("--only", default="", help="part of the names of the documents")
    only = reader.parse_args().only
    console = Console()
    table = Table("document", "MB", "outcome", "s", "processor s", "MB taken", "")
    for kind, documents in (("JSON", JSON), ("YAML", YAML)):
        for name, make in documents.items():
            if only in f"{kind}: {name}":
                console.print(f"{kind}: {name}", style="dim")
                table.add_row(f"{kind}: {name}", *measured(make()))
    console.print(table)


def measured(raw: bytes) -> tuple[str, ...]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(raw)
        file.flush()
        began = time.perf_counter()
        command = [sys.executable, "-c", PLANNING, file.name]
        planned = subprocess.run(
            command, capture_output=True, timeout=120, check=False, cwd=Path(__file__).parents[1]
        )
        seconds = time.perf_counter() - began
    if planned.returncode:
        return f"{len(raw) / MB:.1f}", f"died: {planned.returncode}", f"{seconds:.2f}", "", "", "!"
    found = json.loads(planned.stdout)
    is_fine = seconds <= MOST_SECONDS and found["mb"] <= MOST_MB
    return (
        f"{len(raw) / MB:.1f}",
        found["outcome"],
        f"{seconds:.2f}",
        f"{found['cpu_s']:.2f}",
        f"{found['mb']:.0f}",
        "" if is_fine else "!",
    )


if __name__ == "__main__":
    main()
