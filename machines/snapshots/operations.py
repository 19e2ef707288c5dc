"""What a worker does with snapshots. None of these writes rows that the watcher owns: it looks again once the job has ended."""

from __future__ import annotations

from jobs.registry import Fate, Result, operation
from jobs.work import Work
from machines.snapshots import removing, reverting, taking
from machines.snapshots.hosting import Hosted
from virt import snapshot
from virt.xml.build.snapshot import described


@operation(settle=lambda work: taking.fate(Hosted(work), str(work.params["name"])))
def create(work: Work) -> Result:
    """Take a snapshot; the machine runs on if it is cancelled."""
    hosted, wanted = Hosted(work), taking.wanted_of(work)
    if work.resumed:
        taking.follow(hosted, wanted.name)
        return {"snapshot": wanted.name}
    return {"snapshot": wanted.name, "kind": taking.take(hosted, wanted).value}


@operation(settle=lambda work: reverting.fate(Hosted(work), _revert_of(work)))
def revert(work: Work) -> Result:
    """Back to a snapshot."""
    wanted = _revert_of(work)
    reverting.revert(Hosted(work), wanted)
    return {"snapshot": wanted.name, "first": wanted.first}


@operation(settle=lambda work: removing.fate(Hosted(work), str(work.params["name"])))
def delete(work: Work) -> Result:
    """Delete a snapshot, perhaps with its children; merge what it froze."""
    name = str(work.params["name"])
    removing.delete(Hosted(work), name, children=bool(work.params.get("children")))
    return {"snapshot": name}


@operation(settle=lambda work: removing.merge_fate(Hosted(work)))
def merge(work: Work) -> Result:
    """Merge what snapshots deleted earlier left."""
    removing.merge(Hosted(work))
    return None


def _described(work: Work) -> Fate:
    hosted = Hosted(work)
    found = snapshot.find(hosted.connection, hosted.uuid, str(work.params["name"]))
    return Fate.DONE if found and found.definition.description == work.params["description"] else Fate.NOT_DONE


@operation(settle=_described)
def describe(work: Work) -> Result:
    """Change the description alone."""
    hosted = Hosted(work)
    found = hosted.find(str(work.params["name"]))
    work.phase("Writing the description")
    xml = described(found.xml, str(work.params["description"]))
    snapshot.redefine(hosted.connection, hosted.uuid, xml, current=found.current)
    return None


def _revert_of(work: Work) -> reverting.Wanted:
    params = work.params
    return reverting.Wanted(str(params["name"]), bool(params.get("run")), str(params.get("first", "")))
