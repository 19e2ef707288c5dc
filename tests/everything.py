"""``python -m tests.everything``: every test, in groups side by side. Most of them wait (for guests, daemons, browsers): in a row they take twice as long.

Each group is a pytest of its own, with its own lab, stack and cache, and its output is shown whole when it has ended. What failed is tried once more
when nothing runs beside it: the lab plays several machines on one. The last line sums all of them up.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
AT_ONCE = 4
TRIES_OF_A_CRASH = 4
LONGEST = 800  # seconds for a group: one that hangs is ended, with what its threads were at, and is run once more
COUNTED = ("passed", "failed", "error", "errors", "skipped", "xfailed", "xpassed")


@dataclass(frozen=True)
class Group:
    """Paths that one pytest takes."""

    name: str
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Ended:
    group: Group
    status: int
    output: str
    seconds: float

    @property
    def is_well(self) -> bool:
        return self.status == 0

    @property
    def counts(self) -> Counter[str]:
        """How many tests ended how, by pytest's own last line."""
        found = Counter({word: int(number) for number, word in re.findall(r"(\d+) (\w+)", self._summary) if word in COUNTED})
        if not found and not self.is_well:
            found["failed"] = 1
        return found

    @property
    def broke_off(self) -> bool:
        """It did not come to its summary: the process died, and nobody knows which tests were still to come."""
        return not self._summary

    @property
    def _summary(self) -> str:
        last = self.output.rstrip().rpartition("\n")[2]
        return last if last.startswith("=") and re.search(r" in [\d.]+s", last) else ""


def main(more: Sequence[str]) -> int:
    """The exit status. `more`: arguments for each pytest."""
    with tempfile.TemporaryDirectory(prefix="webvirt-pytest-") as caches, ThreadPoolExecutor(AT_ONCE) as pool:
        running = [pool.submit(_run, group, Path(caches), more) for group in groups()]
        first = [_show(done.result()) for done in as_completed(running)]
        again = [_show(_again(ended, Path(caches), more)) for ended in first if not ended.is_well]
    passed = sum(ended.counts["passed"] for ended in (*first, *again))
    skipped = sum(ended.counts["skipped"] for ended in first)
    failed = sum(_failures(ended) for ended in again)
    print("\n".join(f"{ended.seconds:6.0f} s  {ended.group.name}: {dict(ended.counts)}" for ended in (*first, *again)))
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed else 0


def groups() -> list[Group]:
    """The ones that take longest first, so that none is left over at the end."""
    lab = HERE / "lab"
    folders = [path for path in sorted(lab.iterdir()) if path.is_dir() and any(path.rglob("test_*.py"))]
    return [
        _group("integration", *(path for path in sorted((HERE / "integration").iterdir()) if any(path.glob("test_*.py")) and path.name != "watcher")),
        _group("browser", HERE / "browser"),
        _group("security", HERE / "security"),
        *(_group(f"lab, {folder.name}", folder) for folder in sorted(folders, key=_size, reverse=True)),
        _group("lab itself", *sorted(lab.glob("test_*.py"))),
        # Each alone: libvirt's client (9.0) may crash when a daemon dies under it.
        *(_group(f"integration, watcher, {file.stem}", file) for file in sorted((HERE / "integration" / "watcher").glob("test_*.py"))),
        _group("unit", HERE / "unit"),
    ]


def _group(name: str, *paths: Path) -> Group:
    return Group(name, tuple(str(path.relative_to(HERE.parent)) for path in paths))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("test_*.py"))


def _run(group: Group, caches: Path, more: Sequence[str]) -> Ended:
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-o", f"cache_dir={caches / group.name}", *group.paths, *more]
    with tempfile.TemporaryFile() as output:  # a pipe would stay open as long as anything that the tests started
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=HERE.parent, env=os.environ, start_new_session=True)
        try:
            process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            _end(process)
        output.seek(0)
        text = output.read().decode(errors="replace")
    return Ended(group, process.returncode, text, time.monotonic() - began)


def _end(process: subprocess.Popen[bytes]) -> None:
    """It hangs, perhaps in C where no timeout of a test reaches it. pytest answers SIGABRT with the stacks of all threads."""
    process.send_signal(signal.SIGABRT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _again(ended: Ended, caches: Path, more: Sequence[str]) -> Ended:
    """What failed, once; a group that crashed, until it comes to its end. One that hangs is not waited for again and again."""
    for _ in range(TRIES_OF_A_CRASH):
        ended = _run(ended.group, caches, [*more, *_once_more(ended)])
        if not ended.broke_off or ended.seconds >= LONGEST:
            break
    return ended


def _once_more(ended: Ended) -> list[str]:
    """What failed; all of a group that broke off."""
    return [] if ended.broke_off else ["--last-failed", "--last-failed-no-failures=none"]


def _show(ended: Ended) -> Ended:
    print(f"\n── {ended.group.name}: {ended.seconds:.0f} s ──\n{ended.output}", flush=True)
    return ended


def _failures(ended: Ended) -> int:
    return ended.counts["failed"] + ended.counts["error"] + ended.counts["errors"] if not ended.is_well else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
