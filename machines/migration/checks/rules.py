"""The rules: one function for each thing that can be in the way of a migration. Each says something, also that all is well.

What libvirt refuses is from its source, qemuMigrationSrcIsAllowed() and qemuMigrationSrcIsSafe(), and
https://libvirt.org/migration.html; a rule that asks less would let a job begin that must fail.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from machines.migration.checks.facts import Case, Drive, Finding, Guest, Level, Place, Store

GIB = 2**30
_COPYABLE = ("file", "block", "volume")
RAW_KINDS = ("logical", "disk", "iscsi", "iscsi-direct", "scsi", "mpath", "rbd", "zfs")
_CAREFUL_CACHE = ("", "default", "none", "directsync")
_DROPS_CACHE = (4, 0)  # QEMU from which a page cache is dropped by itself at the end of a migration
_ORDER = {Level.BLOCKS: 0, Level.WARNS: 1, Level.FINE: 2}


def judge(case: Case) -> list[Finding]:
    """All findings, what blocks first; in the order of the rules otherwise."""
    found = [finding for rule in _RULES for finding in rule(case)]
    return sorted(found, key=lambda finding: _ORDER[finding.level])


def blockers(case: Case) -> list[Finding]:
    return [finding for finding in judge(case) if finding.blocks]


# ── the hosts ──


def _hosts(case: Case) -> Iterator[Finding]:
    source, target = case.source, case.target
    if source.id == target.id or (source.host_uuid and source.host_uuid == target.host_uuid):
        yield _blocks(f"{target.name} is where it is already")
        return
    if not source.online:
        yield _blocks(f"{source.name} does not answer", "It has to send the machine.", "Bring the host back first.", "source")
    if not target.online:
        yield _blocks(f"{target.name} does not answer", "", "Choose another host, or bring this one back.", "target")
    if target.maintenance:
        yield _blocks(f"{target.name} is in maintenance", "It takes no machines until that ends.", "Choose another host, or end its maintenance.", "target")
    if source.driver != target.driver or "test" in (source.driver, target.driver):
        yield _blocks("The hosts are of kinds between which nothing moves", f"{source.driver} and {target.driver}.")
    if source.online and target.online and not target.maintenance:
        yield _fine("Both hosts answer")


def _reach(case: Case) -> Iterator[Finding]:
    source, target, reach = case.source.name, case.target.name, case.reach
    tried = f"Tried {reach.at:%Y-%m-%d %H:%M} UTC." if reach.at else ""
    if reach.works:
        yield _fine(f"{source} reaches {target}", tried)
    elif reach.works is None:
        yield _warns(f"Whether {source} reaches {target} was not tried yet", "The two libvirts talk to each other directly.", "Try it now.", "reach")
    else:
        fix = f"Let {source} sign in to the libvirt of {target}, then try again."
        yield _blocks(f"{source} does not reach {target}", f"{reach.words} {tried}".strip(), fix, "reach")


def _versions(case: Case) -> Iterator[Finding]:
    older = []
    for what, mine, theirs in (
        ("QEMU", case.source.qemu_version, case.target.qemu_version),
        ("libvirt", case.source.libvirt_version, case.target.libvirt_version),
    ):
        if mine and theirs and _version(theirs) < _version(mine):
            older.append(f"{what} {theirs} instead of {mine}")
    if not older:
        yield _fine("QEMU and libvirt are not older there")
    elif case.guest.running:
        yield _warns(f"Older software on {case.target.name}: {', '.join(older)}", "Going back to older versions mostly works, but nobody promises it.")
    else:
        yield _fine(f"Older software on {case.target.name}: {', '.join(older)}", "It is off, so nothing of it depends on that now.")


# ── the machine ──


def _identity(case: Case) -> Iterator[Finding]:
    guest, target = case.guest, case.target
    if guest.uuid in target.machines.values():
        yield _blocks(f"{target.name} has a machine of the same UUID", "Two definitions of one machine are a conflict.", "Remove one of the two.", "target")
    elif guest.name in target.machines:
        yield _blocks(f"{target.name} has another machine named {guest.name}", "", "Rename one of the two.", "target")
    else:
        yield _fine("Its name is free there")


def _condition(case: Case) -> Iterator[Finding]:
    guest = case.guest
    if guest.busy:
        yield _blocks("Another job is at it", guest.busy, "Wait for it, or cancel it.")
    if guest.saved and not guest.running:
        yield _blocks("Its memory is saved on the host's disk", "That stays behind.", "Start it, or shut it down, first.")
    if not guest.persistent and not guest.running:
        yield _blocks("It is transient and off")
    if not guest.known:
        yield _warns("Its definition is not known yet", "What depends on its hardware can't be told.")


def _architecture(case: Case) -> Iterator[Finding]:
    guest, target = case.guest, case.target
    if not guest.known:
        return
    if guest.virt_type == "kvm" and target.kvm is False:
        yield _blocks(
            f"{target.name} has no KVM", "The machine needs hardware virtualisation.", "Switch it on in the host's firmware, or choose another.", "target"
        )
    elif guest.arch and target.arch and guest.arch != target.arch and (guest.virt_type == "kvm" or guest.arch not in target.emulates):
        yield _blocks(f"{target.name} is {target.arch}, the machine {guest.arch}")
    else:
        yield _fine("Architecture and virtualisation are there")


def _board(case: Case) -> Iterator[Finding]:
    board, target = case.guest.board, case.target
    if not board:
        return
    if target.boards is None:
        yield _warns(f"Whether {target.name} knows the machine type {board} is not known yet", "What it offers was not read yet.")
    elif board in target.boards:
        yield _fine(f"Machine type {board}")
    else:
        yield _blocks(
            f"{target.name} does not know the machine type {board}",
            "Its QEMU is too old, or too new.",
            "Choose another machine type, then restart it.",
            "options",
        )


def _cpu(case: Case) -> Iterator[Finding]:
    guest, source, target = case.guest, case.source, case.target
    if not guest.known:
        return
    if guest.cpu_mode in ("host-passthrough", "maximum"):
        yield from _same_cpu(guest, source, target)
    elif guest.cpu_mode == "host-model":
        yield from _model(guest, target, source.host_model, f"like the host's ({source.host_model})" if source.host_model else "like the host's")
    elif guest.cpu_model:
        yield from _model(guest, target, guest.cpu_model, guest.cpu_model)
    else:
        yield _fine("It asks for no special CPU")


def _same_cpu(guest: Guest, source: Place, target: Place) -> Iterator[Finding]:
    if not guest.running:
        yield _fine("CPU as the host has it")
    elif not source.cpu or not target.cpu:
        yield _warns("Whether both hosts have the same CPU is not known", "The machine sees the CPU of its host as it is.")
    elif guest.virt_type != "kvm":
        yield _fine("Its CPU is emulated")
    elif source.cpu == target.cpu:
        yield _fine(f"Both hosts have a CPU of the kind {source.cpu}")
    else:
        yield _blocks(
            f"{target.name} has another CPU: {target.cpu} instead of {source.cpu}", "The machine sees the CPU of its host as it is and would meet another.",
            "Choose a named CPU model that both hosts have, then restart it; or shut it down and move it then.", "options",
        )  # fmt: skip


def _model(guest: Guest, target: Place, model: str, called: str) -> Iterator[Finding]:
    models = None if target.cpu_models is None else target.cpu_models.get(guest.virt_type)
    if not model or not models:
        yield _warns(f"Whether {target.name} can give the CPU {called} is not known yet")
    elif model in models:
        yield _fine(f"CPU {called}")
    elif guest.running or guest.cpu_mode != "host-model":
        fix = "Choose a CPU model that both hosts have, then restart it."
        yield _blocks(f"{target.name} can't give the CPU {called}", "It lacks some of its features.", fix, "options")
    else:
        yield _fine("CPU as the host has it")


def _memory(case: Case) -> Iterator[Finding]:
    guest, target = case.guest, case.target
    if not target.memory_bytes:
        yield _warns(f"How much memory {target.name} has is not known")
    elif guest.memory_bytes > target.memory_bytes:
        yield _blocks(
            f"{target.name} has {size(target.memory_bytes)} of memory, the machine needs {size(guest.memory_bytes)}", "", "Choose a larger host.", "target"
        )
    elif guest.running and guest.memory_bytes > target.free_bytes:
        yield _warns(
            f"Only {size(max(0, target.free_bytes))} of memory free there, {size(guest.memory_bytes)} needed", "It would run with more promised than there is."
        )
    else:
        yield _fine(f"{size(max(0, target.free_bytes))} of memory free there")


def _snapshots(case: Case) -> Iterator[Finding]:
    guest = case.guest
    many = "a snapshot" if guest.snapshots == 1 else f"{guest.snapshots} snapshots"
    if not guest.snapshots:
        yield _fine("It has no snapshots")
    elif case.way.copies:
        yield _blocks(
            f"It has {many}", "They rest on the disks that are to be copied.", "Delete them first, or move it on storage that both hosts see.", "snapshots"
        )
    else:
        yield _fine(f"It has {many}, which go along")


# ── what it is plugged into ──


def _networks(case: Case) -> Iterator[Finding]:
    target = case.target
    fine = []
    for link in dict.fromkeys(case.guest.links):
        what, there = _there(case, link.kind)
        if not what:
            fine.append(link.kind)
        elif there is None or (what == "bridge" and link.source not in there):  # a host has bridges that belong to no network of libvirt's
            yield _warns(f"Whether {target.name} has the {what} {link.source} is not known", "Without it the machine does not start there.")
        elif link.source in there:
            fine.append(link.source)
        else:
            yield _blocks(
                f"{target.name} has no {what} {link.source} that is on", "A network card is plugged into it.", f"Make or start it on {target.name}.", "networks"
            )
    if fine:
        yield _fine(f"Networks: {', '.join(dict.fromkeys(fine))}")


def _there(case: Case, kind: str) -> tuple[str, frozenset[str] | None]:
    if kind == "network":
        return "network", case.target.networks
    if kind == "bridge":
        return "bridge", case.target.bridges
    if kind == "direct":
        return "network interface", None
    return "", None


def _host_devices(case: Case) -> Iterator[Finding]:
    devices = case.guest.host_devices
    for device in devices:
        if case.guest.running:
            yield _blocks(f"A host device is attached: {device}", "It belongs to the host and can't come along while the machine runs.",
                          "Remove it before, and add one of the target after; or shut the machine down and move it then.", "hardware")  # fmt: skip
        else:
            yield _warns(
                f"A host device is attached: {device}", f"It will not start on {case.target.name} unless that has one at the same address.", "", "hardware"
            )
    if case.guest.known and not devices:
        yield _fine("No host devices")


def _file_systems(case: Case) -> Iterator[Finding]:
    for kind, name in case.guest.file_systems:
        if case.guest.running:
            yield _blocks(
                f"It sees a directory of its host: {name}",
                f"{kind} can't be moved while the machine runs.",
                "Remove it, or shut the machine down first.",
                "hardware",
            )
        else:
            yield _warns(f"It sees a directory of its host: {name}", f"{case.target.name} needs one at the same path.", "", "hardware")
    if case.guest.shared_memory and case.guest.running:
        yield _blocks(
            "It shares memory with others on its host", "That can't be moved while it runs.", "Remove the device, or shut the machine down first.", "hardware"
        )


def _tpm(case: Case) -> Iterator[Finding]:
    guest = case.guest
    if guest.tpm == "passthrough":
        yield _blocks("It uses the TPM chip of its host", "", "Use an emulated one, or remove it.", "hardware")
    elif guest.tpm and not guest.running:
        yield _blocks(
            "The state of its TPM stays behind", "Keys in it would be lost, such as those of an encrypted disk.", "Start it, and move it while it runs.",
        )  # fmt: skip
    elif guest.tpm:
        yield _fine("The state of its TPM moves along")
    if guest.nvram:
        yield _fine("Its UEFI variables move along")


def _kernel(case: Case) -> Iterator[Finding]:
    if kernel := case.guest.kernel:
        yield _warns(f"It boots a kernel that lies on its host: {kernel}", f"{case.target.name} needs it at the same path.")


# ── storage ──


def _drives(case: Case) -> Iterator[Finding]:
    fine: list[str] = []
    copied: list[Drive] = []
    for drive in case.guest.drives:
        if drive.is_medium:
            yield from _medium(case, drive)
        elif drive.target in case.way.copies:
            problems = list(_copy_problems(case, drive))
            yield from problems
            if not problems:
                copied.append(drive)
        else:
            yield from _in_place(case, drive)
            if case.store(drive) in (Store.SHARED, Store.SEEN):
                fine.append(drive.target)
    yield from _room(case, copied)
    if copied:
        many = "a local disk" if len(copied) == 1 else "local disks"
        where = ", ".join(f"{drive.target} to {case.way.copies[drive.target]}" for drive in copied)
        yield _warns(f"{size(sum(drive.size_bytes for drive in copied))} of {many} will be copied", f"{where}. That takes its time, and the network's.")
    if fine:
        yield _fine(f"Both hosts see the storage of {', '.join(fine)}")


def _medium(case: Case, drive: Drive) -> Iterator[Finding]:
    name, store = drive.file_name, case.store(drive)
    if store in (Store.SHARED, Store.SEEN):
        yield _fine(f"{name} is there as well")
    elif store == Store.UNKNOWN or not case.guest.running:
        yield _warns(
            f"Whether {case.target.name} has {drive.source} is not known", "It lies in none of its pools.", "Eject it if it is not needed.", "hardware"
        )
    else:
        yield _blocks(f"{name} is in the drive {drive.target}, and not on {case.target.name}", "", f"Eject it, or bring it to {case.target.name}.", "hardware")


def _copy_problems(case: Case, drive: Drive) -> Iterator[Finding]:
    pool_name = case.way.copies[drive.target]
    pool = case.target.pool(pool_name)
    if pool is None:
        yield _blocks(f"{case.target.name} has no pool {pool_name}", f"{drive.target} is to be copied there.", "Choose another pool.", "disks")
    elif not pool.active:
        yield _blocks(f"The pool {pool_name} of {case.target.name} is off", f"{drive.target} is to be copied there.", "Start it, or choose another.", "disks")
    elif drive.kind not in _COPYABLE or not drive.pool:
        words = f"It is a {drive.kind} disk." if drive.kind not in _COPYABLE else f"{drive.source} is in no pool of {case.source.name}."
        yield _blocks(f"{drive.target} can't be copied", words, "Define a pool for its directory." if drive.kind in _COPYABLE else "", "disks")
    elif pool.kind in RAW_KINDS and drive.format not in ("raw", ""):
        yield _blocks(f"The pool {pool_name} holds raw volumes alone", f"{drive.target} is {drive.format}.", "Choose another pool.", "disks")
    elif drive.backed and not case.guest.running:
        words = "Copied while the machine is off it would go without that."
        yield _blocks(
            f"{drive.target} rests on another file", words, "Start the machine and move it while it runs: what it holds goes over as one file.", "disks"
        )


def _room(case: Case, copied: Sequence[Drive]) -> Iterator[Finding]:
    for name in dict.fromkeys(case.way.copies[drive.target] for drive in copied):
        needed = sum(drive.size_bytes for drive in copied if case.way.copies[drive.target] == name)
        pool = case.target.pool(name)
        if pool and needed > pool.free_bytes:
            yield _blocks(f"The pool {name} has {size(pool.free_bytes)} free, {size(needed)} needed", "", "Choose another pool, or make room.", "disks")


def _in_place(case: Case, drive: Drive) -> Iterator[Finding]:
    store = case.store(drive)
    if store == Store.LOCAL:
        yield _blocks(f"{drive.target} is a local disk of {case.source.name}", drive.source, f"Copy it to a pool of {case.target.name}.", "disks")
    elif store == Store.UNKNOWN:
        words = f"{drive.source or drive.target} lies in no pool, so nothing tells whether {case.target.name} sees it."
        yield _blocks(f"Where {drive.target} lies is not known", words, "Define a pool for its directory on both hosts, or copy it to a pool there.", "disks")
    elif case.guest.running and drive.cache not in _CAREFUL_CACHE and not drive.readonly and _version(case.source.qemu_version) < _DROPS_CACHE:
        words = f"Cache mode {drive.cache} on storage that both hosts see can lose what was written last."
        yield _blocks(f"The cache of {drive.target} is not safe for this", words, "Set it to none, then restart the machine.", "hardware")


# ── words ──


def size(value: float) -> str:
    if value >= GIB:
        return f"{value / GIB:.1f} GiB".replace(".0 ", " ")
    return f"{value / 2**20:.0f} MiB"


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def _blocks(title: str, words: str = "", fix: str = "", at: str = "") -> Finding:
    return Finding(Level.BLOCKS, title, words, fix, at)


def _warns(title: str, words: str = "", fix: str = "", at: str = "") -> Finding:
    return Finding(Level.WARNS, title, words, fix, at)


def _fine(title: str, words: str = "") -> Finding:
    return Finding(Level.FINE, title, words)


_RULES: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    _hosts,
    _reach,
    _condition,
    _identity,
    _host_devices,
    _architecture,
    _board,
    _cpu,
    _memory,
    _networks,
    _drives,
    _file_systems,
    _tpm,
    _snapshots,
    _kernel,
    _versions,
)
