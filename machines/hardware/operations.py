"""What a worker does to a machine's hardware. None of them writes rows: the host's event does.

The order of an edit: the stored definition first, which libvirt holds against its schema, so that nothing is done to a running machine
that it would not boot with; then the running machine, step by step; then a look at what came of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lxml import etree

from hosts.connections import connection_to
from jobs import secrets
from jobs.registry import Fate, Result, operation
from jobs.submit import Refused
from jobs.work import Work
from machines.hardware import access
from machines.hardware.offers import Offers
from machines.models import Machine
from virt import hardware
from virt.connection import Connection
from virt.errors import HostUnreachable, Invalid, NotFound, OperationFailed, PermissionRefused, VirtError, WrongState
from virt.hardware import Definitions
from virt.xml import tree
from virt.xml.edit import edits as editing
from virt.xml.edit import privileged
from virt.xml.edit.edits import Edit
from virt.xml.edit.plan import Plan, plan


@dataclass
class _Outcome:
    """What came of the running machine's part."""

    taken: list[str] = field(default_factory=list)
    later: list[str] = field(default_factory=list)
    refused: list[tuple[str, VirtError]] = field(default_factory=list)


def _reach(work: Work) -> tuple[Connection, Machine]:
    machine = Machine.objects.select_related("host").filter(pk=work.subject_id).first()
    if machine is None:
        raise NotFound("The machine is not known here any more.")
    return connection_to(machine.host), machine


# ── single edits ──


def _apply_settled(work: Work) -> Fate:
    """Done when the stored definition shows it, and the running machine what it could take."""
    connection, machine = _reach(work)
    seen = hardware.read(connection, machine.uuid)
    wishes = [Edit.of(each) for each in work.params["edits"]]
    stored = tree.parse(seen.stored)
    if not all(editing.is_done(stored, edit) for edit in wishes):
        return Fate.NOT_DONE
    if seen.active and any(_outstanding(edit, seen, stored) for edit in wishes):
        work.log("It is saved, and takes effect at next boot. The running machine does not show it.")
    return Fate.DONE


def _outstanding(edit: Edit, seen: Definitions, stored: etree._Element) -> bool:
    """Whether the running machine lacks what it could have taken."""
    live = tree.parse(seen.live)
    if edit.verb == "add":
        return not editing.is_done(live, edit) and edit.described.hotplug(edit.described.nodes(stored)[-1])
    if edit.verb == "remove":
        return edit.described.find(live, edit.key) is not None
    plain = Edit(
        "change", edit.kind, editing.key_after(edit), {name: value for name, value in edit.values.items() if edit.described.field(name).type != "secret"}
    )
    return bool(plan(plain, live, stored, stored).steps)


@operation(settle=_apply_settled)
def apply(work: Work) -> Result:
    """Do edits to the stored definition and to the running machine."""
    connection, machine = _reach(work)
    seen = hardware.read(connection, machine.uuid)
    _refuse_stale(work, seen)
    _refuse_transient(seen)
    wishes = [_unsealed(Edit.of(each)) for each in work.params["edits"]]
    before = tree.parse(seen.stored)
    trees = [before]
    for edit in wishes:
        after = tree.twin(trees[-1])
        editing.apply(after, edit)
        trees.append(after)
    _refuse_foreign(work, machine, before, trees[-1])
    plans = [plan(edit, tree.parse(seen.live), old, new) for edit, old, new in zip(wishes, trees, trees[1:], strict=False)] if seen.active else []
    work.phase("Saving the definition")
    hardware.define(connection, tree.text_of(trees[-1]))
    outcome = _do_live(work, connection, machine.uuid, plans)
    return _told(work, connection, machine, wishes, outcome)


def _unsealed(edit: Edit) -> Edit:
    kind = edit.described
    try:
        values = {name: secrets.take(value) if kind.field(name).type == "secret" and value else value for name, value in edit.values.items()}
    except Refused as exc:
        raise Invalid(str(exc)) from exc
    return Edit(edit.verb, edit.kind, edit.key, values)


def _do_live(work: Work, connection: Connection, uuid: str, plans: Sequence[Plan]) -> _Outcome:
    """What one step does not bring about must not keep the others."""
    outcome = _Outcome()
    for each in plans:
        outcome.later += each.later
        for step in each.steps:
            work.phase(step.words)
            try:
                hardware.carry_out(connection, uuid, step)
            except HostUnreachable:  # nobody knows what came of it: the host is asked later
                raise
            except VirtError as exc:
                work.log(f"{step.words}: {exc}{f' [{exc.detail}]' if exc.detail else ''}")
                outcome.refused.append((step.words, exc))
            else:
                outcome.taken.append(step.words)
    return outcome


def _told(work: Work, connection: Connection, machine: Machine, wishes: Sequence[Edit], outcome: _Outcome) -> Result:
    """What is true on the host afterwards, in words."""
    _look(work, hardware.read(connection, machine.uuid), wishes)
    for title in outcome.later:
        work.log(f"At next boot: {title}.")
    if outcome.refused:
        what, why = outcome.refused[0]
        raise OperationFailed(f"It is saved, and takes effect at next boot. The running machine did not take it. {what}: {why}", why.detail, why.code)
    return {"at_once": outcome.taken, "at_next_boot": outcome.later}


def _look(work: Work, after: Definitions, wishes: Sequence[Edit]) -> None:
    """libvirt may write a value its own way; it is told, not taken for a failure."""
    root = tree.parse(after.stored)
    for edit in wishes:
        kind = edit.described
        node = kind.find(root, editing.key_after(edit))
        if edit.verb != "change" or node is None:
            continue
        for name, value in edit.values.items():
            each = kind.field(name)
            if each.type != "secret" and (shown := each.read(node)) != value:
                work.log(f"{each.title}: libvirt wrote “{shown}” for “{value}”.")


# ── the whole definition ──


def _define_settled(work: Work) -> Fate:
    """The same text can come back from libvirt written another way: what is told apart is whether the old one is still there."""
    connection, machine = _reach(work)
    seen = hardware.read(connection, machine.uuid)
    if seen.digest == work.params["based_on"]:
        return Fate.NOT_DONE
    wanted, shown = tree.parse(str(work.params["xml"])), tree.parse(seen.plain)
    return Fate.DONE if tree.canonical(wanted) == tree.canonical(shown) else Fate.UNKNOWN


@operation(settle=_define_settled)
def define(work: Work) -> Result:
    """Replace the stored definition; a running machine goes on as it is until its next boot."""
    connection, machine = _reach(work)
    seen = hardware.read(connection, machine.uuid)
    _refuse_stale(work, seen)
    _refuse_transient(seen)
    old, new = tree.parse(seen.stored), tree.parse(str(work.params["xml"]))
    if (new.findtext("uuid") or "").strip() != machine.uuid:
        raise Invalid("This is the definition of another machine.")
    _refuse_foreign(work, machine, old, new)
    editing.carry_secrets(old, new)
    work.phase("libvirt holds it against its schema, then saves it")
    hardware.define(connection, tree.text_of(new))
    return None


# ── disks ──


def _resize_settled(work: Work) -> Fate:
    connection, machine = _reach(work)
    size = hardware.disk_bytes(connection, machine.uuid, str(work.params["target"]))
    return Fate.DONE if size >= int(work.params["size_bytes"]) else Fate.NOT_DONE


@operation(settle=_resize_settled)
def resize(work: Work) -> Result:
    """Make a disk larger, never smaller."""
    connection, machine = _reach(work)
    target, size = str(work.params["target"]), int(work.params["size_bytes"])
    work.phase(f"Growing {target}")
    before = hardware.resize_disk(connection, machine.uuid, target, size)
    after = hardware.disk_bytes(connection, machine.uuid, target)
    work.log(f"{target}: {before} → {after} bytes. Partitions and file systems in the guest grow there.")
    return {"before_bytes": before, "after_bytes": after}


# ── the guest, by its agent ──


def _unknowable(work: Work) -> Fate:
    """A password leaves no trace that could be asked for."""
    return Fate.UNKNOWN


@operation(settle=_unknowable)
def set_password(work: Work) -> Result:
    return _with_secret(
        work,
        "Asking the agent to set the password",
        lambda connection, uuid, secret: hardware.set_user_password(connection, uuid, str(work.params["user"]), secret),
    )


@operation(settle=_unknowable)
def add_ssh_key(work: Work) -> Result:
    return _with_secret(
        work,
        "Asking the agent to add the key",
        lambda connection, uuid, secret: hardware.add_ssh_keys(connection, uuid, str(work.params["user"]), secret.splitlines()),
    )


def _with_secret(work: Work, words: str, deed: Callable[[Connection, str, str], None]) -> Result:
    connection, machine = _reach(work)
    try:
        secret = secrets.take(str(work.params["secret"]))
    except Refused as exc:
        raise Invalid(str(exc)) from exc
    work.phase(words)
    deed(connection, machine.uuid, secret)
    return None


# ── what is looked at before ──


def _refuse_stale(work: Work, seen: Definitions) -> None:
    if seen.digest != work.params["based_on"]:
        raise WrongState("Somebody changed the definition meanwhile. Nothing was done; look at it and ask again.")


def _refuse_transient(seen: Definitions) -> None:
    if not seen.persistent:
        raise WrongState("The machine is transient: it has no definition that could be changed.")


def _refuse_foreign(work: Work, machine: Machine, old: etree._Element, new: etree._Element) -> None:
    """The same question as in the page, asked of what is on the host now, and of the rights that the person has now."""
    needs = privileged.touched(old, new, Offers(machine).in_pool)
    asked_by = work.job.asked_by
    if needs and (asked_by is None or not access.manages_host(asked_by, machine)):
        raise PermissionRefused(f"This reaches into the host, and needs the role manager on it: {'; '.join(needs)}.")
