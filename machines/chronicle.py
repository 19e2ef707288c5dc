"""A machine's history as the watcher writes it: what happened, in words, and who asked for it.

Words come from libvirt's events where there were any; a change that no event told (the host was out of sight, or libvirt
has none for it) is told by the comparison.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from jobs.models import Job
from machines.models import Event as Entry
from machines.models import Machine, State
from virt.events import Event

OUTSIDE = "outside WebVirt"
_OURSELVES = "WebVirt"
_LONGEST = 400
# An event reaches us before or shortly after its job has ended.
_AFTERWARDS = timedelta(seconds=3)


@dataclass(frozen=True, slots=True)
class Line:
    """`kind`: one word, as in machines.models.Event; `caused`: somebody did it, so that a name belongs to it."""

    at: datetime
    kind: str
    words: str
    caused: bool = True


@dataclass(frozen=True, slots=True)
class Moment:
    """A machine's state and libvirt's reason for it."""

    state: str
    reason: str = ""


# Reasons for which libvirt pauses a machine for a moment, on the way to something else.
_PASSING = frozenset({"saving", "migrating", "dumping", "snapshot"})


# ── words ──


def told(events: Sequence[Event], before: Moment, after: Moment) -> list[Line]:
    """What libvirt's events tell, the same thing in a row once; those that only accompany another one are left out."""
    lines: list[Line] = []
    state = before.state if before.reason not in _PASSING else State.RUNNING
    for event in _without_side_effects(events):
        key = (event.event, event.detail)
        kind, words, caused = _WORDS.get(key) or _WORDS.get((event.event, "")) or ("", "", False)
        if event.event == "resumed" and state not in (State.PAUSED, State.SUSPENDED):
            continue  # part of every start
        if event.event == "paused" and after.reason in _PASSING:
            continue  # part of saving it, of moving it …
        state = _STATE_AFTER.get(event.event, state)
        if kind:
            lines.append(Line(event.at, kind, words.format(detail=event.detail), caused))
    return list(_counted(lines))


def tells_state(events: Iterable[Event]) -> bool:
    """Whether the events say how the machine came to the state it is in."""
    return any(event.event in _STATE_AFTER for event in events)


def first_sight(at: datetime, events: Sequence[Event], *, persistent: bool) -> Line:
    """`events`: of the machine itself; without any it was there before we looked."""
    if not events:
        return Line(at, "seen", "Seen for the first time", caused=False)
    return Line(events[0].at, "defined", "Defined" if persistent else "Created, transient")


def came_back(at: datetime) -> Line:
    return Line(at, "back", "Came back to the host")


def vanished(at: datetime, *, was_persistent: bool) -> Line:
    return Line(at, "gone", "Removed from the host" if was_persistent else "Gone: it was transient")


def moved(at: datetime, source: str, target: str) -> Line:
    return Line(at, "moved", f"Moved from {source} to {target}")


def found_in(at: datetime, state: str, reason: str) -> Line:
    """A state that no event told."""
    why = f" ({reason.replace('-', ' ')})" if reason else ""
    return Line(at, f"found-{state}".replace("_", "-"), f"Found {State(state).label.lower()}{why}", caused=False)


def renamed(at: datetime, before: str, after: str) -> Line:
    return Line(at, "renamed", f"Renamed: {before} → {after}")


def redefined(at: datetime) -> Line:
    return Line(at, "changed", "Definition changed")


def persistence(at: datetime, on: bool) -> Line:
    return Line(at, "persistent" if on else "transient", "Made persistent" if on else "Made transient: its definition was removed while it runs")


def autostart(at: datetime, on: bool) -> Line:
    return Line(at, "autostart", f"Autostart switched {'on' if on else 'off'}")


def saved_discarded(at: datetime) -> Line:
    return Line(at, "saved-removed", "Saved state discarded")


def _without_side_effects(events: Sequence[Event]) -> Iterator[Event]:
    """libvirt pauses a machine before it saves or moves it, and says that it shuts down before it says that it is off."""
    stops = [index for index, event in enumerate(events) if event.event == "stopped"]
    for index, event in enumerate(events):
        if event.event in ("paused", "shutting-down") and any(stop > index for stop in stops):
            continue
        yield event


def _counted(lines: Iterable[Line]) -> Iterator[Line]:
    """The same line several times in a row as one that says how often."""
    last: Line | None = None
    times = 0
    for line in lines:
        if last and (line.kind, line.words) == (last.kind, last.words):
            times += 1
            continue
        if last:
            yield _times(last, times)
        last, times = line, 1
    if last:
        yield _times(last, times)


def _times(line: Line, times: int) -> Line:
    return line if times == 1 else Line(line.at, line.kind, f"{line.words} ({times} times)", line.caused)


_STATE_AFTER = {
    "started": State.RUNNING,
    "resumed": State.RUNNING,
    "paused": State.PAUSED,
    "suspended": State.SUSPENDED,
    "stopped": State.OFF,
    "shutting-down": State.SHUTTING_DOWN,
    "crashed": State.CRASHED,
}

# (event, detail) of virt.events → kind, words, whether somebody caused it. ("…", "") is for any other detail.
_WORDS: dict[tuple[str, str], tuple[str, str, bool]] = {
    ("started", ""): ("started", "Started", True),
    ("started", "migrated"): ("started", "Arrived by migration", True),
    ("started", "restored"): ("started", "Restored from its saved state", True),
    ("started", "from-snapshot"): ("started", "Started from a snapshot", True),
    ("started", "woken"): ("started", "Woke up", True),
    ("paused", ""): ("paused", "Paused", True),
    ("paused", "io-error"): ("paused", "Paused: a disk failed", False),
    ("paused", "watchdog"): ("paused", "Paused by its watchdog", False),
    ("paused", "api-error"): ("paused", "Paused: the emulator failed", False),
    ("paused", "postcopy-failed"): ("paused", "Paused: its migration failed half-way", False),
    ("resumed", ""): ("resumed", "Resumed", True),
    ("suspended", ""): ("asleep", "Went to sleep", True),
    ("stopped", ""): ("stopped", "Stopped", True),
    ("stopped", "shut-down"): ("stopped", "Shut down", True),
    ("stopped", "destroyed"): ("stopped", "Forced off", True),
    ("stopped", "crashed"): ("crashed", "Crashed", False),
    ("stopped", "migrated"): ("stopped", "Left by migration", True),
    ("stopped", "saved"): ("saved", "Saved and stopped", True),
    ("stopped", "failed"): ("crashed", "The emulator ended with an error", False),
    ("stopped", "from-snapshot"): ("stopped", "Stopped: reverted to a snapshot", True),
    ("crashed", ""): ("crashed", "Crashed: the guest panicked", False),
    ("reboot", ""): ("rebooted", "Rebooted", True),
    ("watchdog", ""): ("watchdog", "Its watchdog fired", False),
    ("io-error", ""): ("io-error", "Disk error {detail}", False),
    ("memory-failure", ""): ("memory-failure", "Memory error", False),
}


# ── writing ──


def write(lines: Collection[tuple[int, Line]]) -> None:
    """Append lines to the histories of machines (row id, line), with the job that caused each, if one did."""
    if not lines:
        return
    jobs = _jobs_around(lines)
    Entry.objects.bulk_create([_entry(machine_id, line, jobs.get(machine_id, ())) for machine_id, line in lines])


def causes(lines: Collection[tuple[int, Line]]) -> list[tuple[str, Job | None]]:
    """Who caused each line of a machine (row id, line), and by which job: "outside WebVirt" where none of ours did."""
    jobs = _jobs_around(lines) if lines else {}
    return [_cause(line, jobs.get(machine_id, ())) for machine_id, line in lines]


def _cause(line: Line, jobs: Sequence[Job]) -> tuple[str, Job | None]:
    job = next((job for job in jobs if _caused(job, line)), None) if line.caused else None
    return (job.asked_by_name or _OURSELVES) if job else OUTSIDE if line.caused else "", job


def _entry(machine_id: int, line: Line, jobs: Sequence[Job]) -> Entry:
    actor, job = _cause(line, jobs)
    words = _told_by(job) if job and line.kind == "changed" else ""
    return Entry(machine_id=machine_id, at=line.at, kind=line.kind, words=(words or line.words)[:_LONGEST], actor=actor, job=job)


def _told_by(job: Job) -> str:
    """What somebody asked for when they changed its definition, where the job says it."""
    changes = job.params.get("changes")
    return "; ".join(map(str, changes)) if isinstance(changes, list) else ""


def _jobs_around(lines: Collection[tuple[int, Line]]) -> dict[int, list[Job]]:
    """Jobs that were at those machines at the time, the newest first; one query, two while somebody tries a first machine."""
    earliest = min(line.at for _, line in lines)
    still = Q(finished_at=None) | Q(finished_at__gte=earliest - _AFTERWARDS)
    theirs = Q(subject_type="machine", subject_id__in={machine_id for machine_id, _ in lines})
    found = list(Job.objects.filter(still, theirs | Q(kind=_TRY_IT), changing=True).only(*_OF_A_JOB).order_by("-id"))
    made = _made_by([job for job in found if job.kind == _TRY_IT])
    by_machine: dict[int, list[Job]] = {}
    for job in found:
        machine_id = made.get(job.pk) if job.kind == _TRY_IT else job.subject_id
        if machine_id is not None:
            by_machine.setdefault(machine_id, []).append(job)
    return by_machine


def _made_by(jobs: Sequence[Job]) -> dict[int, int]:
    """Job → machine: a job that makes a machine is about the host, and its parameters say which machine it will be."""
    if not jobs:
        return {}
    machines = Machine.objects.filter(host_id__in={job.host_id for job in jobs}, uuid__in={job.params["uuid"] for job in jobs})
    ids = {(host_id, uuid): pk for pk, host_id, uuid in machines.values_list("pk", "host_id", "uuid")}
    return {job.pk: ids[job.host_id, job.params["uuid"]] for job in jobs if (job.host_id, job.params["uuid"]) in ids}


def _caused(job: Job, line: Line) -> bool:
    if job.started_at is None or line.at < job.started_at:
        return False
    if job.finished_at is not None and line.at > job.finished_at + _AFTERWARDS:
        return False
    effects = _EFFECTS.get(job.kind)
    return effects is None or line.kind in effects


_TRY_IT = "machines.try_it"
_OF_A_JOB = ("pk", "kind", "subject_id", "host_id", "params", "asked_by_name", "started_at", "finished_at")

# What a job can do to a machine: somebody else may shut it down while our autostart job runs. Kinds not named: anything.
_EFFECTS = {
    "machines.start": {"started", "resumed"},
    "machines.restore": {"started", "resumed"},
    "machines.shutdown": {"stopped"},
    "machines.force_off": {"stopped", "gone"},
    "machines.reboot": {"rebooted", "stopped", "started"},
    "machines.reset": {"rebooted"},
    "machines.pause": {"paused"},
    "machines.resume": {"resumed", "started"},
    "machines.save": {"paused", "saved", "resumed"},
    "machines.nmi": {"crashed", "rebooted"},
    "machines.set_autostart": {"autostart"},
    "machines.migration.move": {"moved", "resumed", "paused", "autostart", "changed", "back", "gone", "stopped"},
    _TRY_IT: {"defined", "started", "gone"},
}
