"""A sampling profiler for a process of ours: python sampler.py FILE arguments of jackfield…

A timer of the processor time that the process uses (``ITIMER_PROF``) interrupts it every few milliseconds,
and what runs then is noted: what waits costs nothing and is not seen. C code is charged to the Python
function that called it. SIGUSR1 and SIGUSR2 say from when to when; at its end the process writes FILE.
"""

import json
import signal
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import CodeType, FrameType

INTERVAL_S = 0.002
TOP = 20
OURS = "app"
SAMPLE, REST = signal.SIGUSR1, signal.SIGUSR2


def main() -> None:
    file, arguments = Path(sys.argv[1]).absolute(), sys.argv[2:]
    sys.argv = [str(Path(sys.executable).with_name("jackfield")), *arguments]
    from app.__main__ import main as jackfield  # noqa: PLC0415 -- not where the file is read

    sampler = Sampler()
    sampler.listen()
    try:
        jackfield()
    finally:
        file.write_text(json.dumps(sampler.counts()))


class Sampler:
    def __init__(self) -> None:
        self._own: Counter[CodeType] = Counter()
        self._inclusive: Counter[CodeType] = Counter()
        self._samples = 0

    def listen(self) -> None:
        signal.signal(signal.SIGPROF, self._note)
        signal.signal(SAMPLE, lambda *_: signal.setitimer(signal.ITIMER_PROF, INTERVAL_S, INTERVAL_S))
        signal.signal(REST, lambda *_: signal.setitimer(signal.ITIMER_PROF, 0))

    def counts(self) -> dict[str, object]:
        packages: Counter[str] = Counter()
        for code, count in self._own.items():
            packages[_package(Path(code.co_filename))] += count
        ours = {
            code: count for code, count in self._inclusive.items() if _package(Path(code.co_filename)) == OURS
        }
        return {
            "samples": self._samples,
            "by package": packages,
            "by function": _named(self._own),
            "by function of Jackfield, with all that it calls": _named(ours),
        }

    def _note(self, _: int, frame: FrameType | None) -> None:
        self._samples += 1
        if frame is not None:
            self._own[frame.f_code] += 1
        seen: set[CodeType] = set()
        while frame is not None:
            seen.add(frame.f_code)
            frame = frame.f_back
        self._inclusive.update(seen)


def show(file: Path) -> None:
    """Where the samples were taken, most first."""
    profile = json.loads(file.read_text())
    samples = profile.pop("samples")
    for kind, counts in profile.items():
        print(f"\n{samples:,} samples of the service's processor time, {kind}")
        for name, count in sorted(counts.items(), key=lambda item: -item[1])[:TOP]:
            print(f"  {count / samples:6.1%}  {name}")


def _package(path: Path) -> str:
    """``sqlalchemy``, ``app``, ``python`` for the standard library."""
    parts = path.parts
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1].removesuffix(".py")
    return OURS if OURS in parts else "python"


def _named(counts: Mapping[CodeType, int]) -> dict[str, int]:
    named: Counter[str] = Counter()
    for code, count in counts.items():
        path = "/".join(Path(code.co_filename).parts[-3:])
        named[f"{code.co_qualname} ({path}:{code.co_firstlineno})"] += count
    return dict(named)


if __name__ == "__main__":
    main()
