"""UEFI with Secure Boot and a TPM: the files that libvirt keeps beside the disks are the machine's own, go with it, and with nobody else."""

from __future__ import annotations

import hashlib
import re
import uuid
from pathlib import Path
from typing import Any

import pytest

from hosts.models import Host as HostRow
from jobs import submit as jobs
from jobs.models import Job
from jobs.registry import Fate, find
from jobs.work import Work
from machines.creation.models import Creation
from machines.creation.order import Order
from machines.models import Machine
from tests.lab.creation.conftest import POOL
from tests.lab.creation.test_sources import make, order
from tests.lab.lab import Host
from tests.waiting import wait_until
from virt.errors import Conflict, HostUnreachable

NAMES = {"secure", "secure-copy", "safe", "stale", "owner", "taken"}


@pytest.fixture
def variables(stocked: Host) -> Path:
    """The folder where the host's libvirt keeps UEFI variables."""
    return stocked.directory / "var-lib-libvirt" / "qemu" / "nvram"


@pytest.fixture
def tpms(stocked: Host) -> Path:
    return stocked.directory / "var-lib-libvirt" / "swtpm"


def test_from_its_first_start_to_its_end(row: HostRow, stocked: Host, variables: Path, tpms: Path) -> None:
    before = set(stocked.virsh("vol-list", POOL).split())
    work = make(row, "secure", order("empty", firmware="secure", tpm=True))
    find("machines.creation.create")(work)
    machine = Machine.objects.create(host=row, uuid=Creation.objects.get().uuid, name="secure")
    live = stocked.virsh("dumpxml", "secure")
    assert re.search(r"<loader[^>]* secure='yes'", live)
    template = Path(re.search(r"template='([^']+)'", live)[1])  # type: ignore[index]
    assert ".ms." in template.name  # with Microsoft's keys enrolled
    file = variables / "secure_VARS.fd"
    wait_until("the firmware has written its variables", lambda: file.read_bytes() != template.read_bytes(), seconds=60)
    assert _tpm(tpms, machine.uuid)
    stocked.virsh("destroy", "secure")
    own = _digest(file)

    # A copy has the same variables in a file of its own, and an empty TPM of its own.
    copy = _clone(machine, "secure-copy")
    assert _digest(variables / "secure-copy_VARS.fd") == own
    stocked.virsh("start", "secure-copy")
    assert stocked.virsh("dumpxml", "secure-copy", "--xpath", "//nvram/text()").endswith("/secure-copy_VARS.fd")
    assert _tpm(tpms, copy.uuid) != _tpm(tpms, machine.uuid)
    assert _digest(file) == own

    # They keep to it when it gets another name.
    Job.objects.all().delete()
    find("machines.creation.rename")(_rename(machine, "safe"))
    assert _digest(variables / "safe_VARS.fd") == own
    assert not file.exists()
    stocked.virsh("start", "safe")
    assert stocked.virsh("dumpxml", "safe", "--xpath", "//nvram/text()").endswith("/safe_VARS.fd")

    for each in (copy, machine):
        Job.objects.all().delete()
        wish = {"disks": [], "force_off": True}
        find("machines.creation.delete")(Work(jobs.submit("machines.creation.delete", each.subject, asked_by=None, params=wish)))
    assert not _left(variables)
    assert not any((tpms / each.uuid).exists() for each in (copy, machine))
    assert set(stocked.virsh("vol-list", POOL).split()) == before
    assert "webvirt-variables" not in stocked.virsh("pool-list", "--all", "--name")


def test_variables_of_others_are_neither_taken_nor_shared(row: HostRow, stocked: Host, variables: Path) -> None:
    """libvirt would go on with what an earlier machine of that name left; and two machines may come to one file."""
    (variables / "stale_VARS.fd").write_bytes(b"left by an earlier one" * 1000)
    work = make(row, "stale", order("empty", firmware="efi"))
    find("machines.creation.create")(work)
    assert b"left by" not in (variables / "stale_VARS.fd").read_bytes()
    assert any("left" in line for line in work.job.lines.values_list("text", flat=True))

    owner = stocked.virsh("dumpxml", "stale", "--inactive").replace("<name>stale<", "<name>owner<").replace(Creation.objects.get().uuid, str(uuid.uuid4()))
    owner = re.sub(r"<mac [^>]*>", "", owner).replace("</os>", "<nvram>/var/lib/libvirt/qemu/nvram/taken_VARS.fd</nvram></os>")
    stocked.virsh("define", _file(stocked, owner))
    (variables / "taken_VARS.fd").write_bytes(b"the owner's")
    with pytest.raises(Conflict, match="owner"):
        find("machines.creation.create")(make(row, "taken", order("empty", firmware="efi")))
    stocked.virsh("destroy", "stale")
    machine = Machine.objects.create(host=row, uuid=stocked.virsh("domuuid", "stale"), name="stale")
    with pytest.raises(Conflict, match="owner"):
        find("machines.creation.rename")(_rename(machine, "taken"))
    assert (variables / "taken_VARS.fd").read_bytes() == b"the owner's"
    assert "taken" not in stocked.virsh("list", "--all", "--name").split()
    for name in ("stale", "owner"):
        stocked.virsh("undefine", name, "--nvram")
    assert not _left(variables)


def test_a_worker_that_dies_between_copy_and_name(row: HostRow, stocked: Host, variables: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever settles the job removes the file that nobody uses: the copy of a name that did not come, the file of the name that went."""
    find("machines.creation.create")(make(row, "secure", order("empty", firmware="efi")))
    stocked.virsh("destroy", "secure")
    machine = Machine.objects.create(host=row, uuid=stocked.virsh("domuuid", "secure"), name="secure")
    own = _digest(variables / "secure_VARS.fd")
    for happens, fate, name in ((False, Fate.NOT_DONE, "secure"), (True, Fate.DONE, "safe")):
        Job.objects.all().delete()
        work = _rename(machine, "safe")
        monkeypatch.setattr("virt.lookups.rename_machine", _dying(stocked, happens=happens))
        with pytest.raises(HostUnreachable):
            find("machines.creation.rename")(work)
        assert _left(variables) == {"secure_VARS.fd", "safe_VARS.fd"}
        assert find("machines.creation.rename").settle(work) == fate
        assert _left(variables) == {f"{name}_VARS.fd"}
        assert _digest(variables / f"{name}_VARS.fd") == own
    # The same for a copy: as long as its variables are not there, it does not count as whole.
    Job.objects.all().delete()
    monkeypatch.setattr("virt.variables.copy", _gone)
    with pytest.raises(HostUnreachable):
        _clone(machine, "secure-copy", start=False)
    work = Work(Job.objects.get())
    assert find("machines.creation.clone").settle(work) == Fate.NOT_DONE
    assert "secure-copy" not in stocked.virsh("list", "--all", "--name").split()
    stocked.virsh("undefine", "safe", "--nvram")
    assert not _left(variables)


def _clone(machine: Machine, name: str, *, start: bool = False) -> Machine:
    row = Creation.objects.create(host=machine.host, uuid=str(uuid.uuid4()), name=name, order=Order("empty", start=start).plain())
    params = {"creation": row.pk, "uuid": machine.uuid, "pool": ""}
    find("machines.creation.clone")(Work(jobs.submit("machines.creation.clone", machine.subject, asked_by=None, params=params)))
    return Machine.objects.create(host=machine.host, uuid=row.uuid, name=name)


def _rename(machine: Machine, name: str) -> Work:
    return Work(jobs.submit("machines.creation.rename", machine.subject, asked_by=None, params={"name": name, "was": machine.name}))


def _dying(host: Host, *, happens: bool) -> Any:
    def rename(_connection: object, of: str, name: str) -> None:
        if happens:
            host.virsh("domrename", of, name)
        raise HostUnreachable("The host is gone.")

    return rename


def _gone(*_: object) -> None:
    raise HostUnreachable("The host is gone.")


def _left(variables: Path) -> set[str]:
    return {file.name for file in variables.iterdir() if file.name.removesuffix("_VARS.fd") in NAMES}


def _tpm(tpms: Path, of: str) -> bytes:
    return (tpms / of / "tpm2" / "tpm2-00.permall").read_bytes()


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _file(host: Host, xml: str) -> str:
    path = host.lab.shared / "owner.xml"
    path.write_text(xml)
    return str(path)
