"""What reaches into the host is noticed, whatever form it takes; what does not, is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from virt.xml import tree
from virt.xml.edit import edits, privileged
from virt.xml.edit.edits import Edit

STORED = (Path(__file__).parents[1] / "virt" / "data" / "stored.xml").read_text()


def in_pool(path: str) -> bool:
    return path.startswith(("/pool/", "p/"))


def _with(old: str, new: str) -> list[str]:
    assert old in STORED, old
    return privileged.touched_in(STORED, STORED.replace(old, new, 1), in_pool)


IN = "</devices>"


@pytest.mark.parametrize(
    "device",
    [
        "<disk type='volume' device='disk'><driver name='qemu' type='raw'/><source pool='x' volume='unknown'/><target dev='vdq' bus='virtio'/></disk>",
        "<hostdev mode='subsystem' type='usb'><source><vendor id='0x1'/></source></hostdev>",
        "<filesystem type='mount'><source dir='/etc'/><target dir='x'/></filesystem>",
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/etc/shadow'/><target dev='vdq' bus='virtio'/></disk>",
        "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='/etc/shadow'/><target dev='sdq' bus='sata'/></disk>",
        "<disk type='file' device='disk'><source file='/pool/a'/><target dev='vdq' bus='virtio'/></disk>",
        "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/pool/a'/><backingStore type='file'><format type='raw'/><source file='/etc/shadow'/></backingStore><target dev='vdq'/></disk>",  # noqa: E501
        "<disk type='block' device='disk'><driver name='qemu' type='raw'/><source dev='/dev/sda'/><target dev='vdq' bus='virtio'/></disk>",
        "<disk type='nvme' device='disk'><driver name='qemu' type='raw'/><source type='pci' namespace='1'/><target dev='vdq' bus='virtio'/></disk>",
        "<disk type='network' device='disk'><driver name='qemu' type='raw'/><source protocol='nbd'><host name='h'/></source><target dev='vdq' bus='virtio'/></disk>",  # noqa: E501
        "<disk type='file' device='lun'><driver name='qemu' type='raw'/><source file='/pool/a'/><target dev='sdq' bus='scsi'/></disk>",
        "<interface type='bridge'><source bridge='br0'/></interface>",
        "<interface type='direct'><source dev='eth0' mode='bridge'/></interface>",
        "<interface type='ethernet'><script path='/tmp/x'/></interface>",
        "<interface type='network'><source network='default'/><script path='/tmp/x'/></interface>",
        "<interface type='user'><backend type='passt' logFile='/etc/x'/></interface>",
        "<serial type='file'><source path='/etc/cron.d/x'/></serial>",
        "<serial type='tcp'><source mode='bind' host='0.0.0.0' service='1'/></serial>",
        "<channel type='unix'><source mode='connect' path='/run/docker.sock'/><target type='virtio' name='x'/></channel>",
        "<serial type='pty'><log file='/etc/x'/></serial>",
        "<graphics type='vnc'><listen type='address' address='0.0.0.0'/></graphics>",
        "<graphics type='vnc'><listen type='network' network='default'/></graphics>",
        "<graphics type='egl-headless'><gl rendernode='/dev/dri/renderD128'/></graphics>",
        "<graphics type='spice'><gl enable='yes' rendernode='/dev/dri/renderD128'/></graphics>",
        "<tpm><backend type='passthrough'><device path='/dev/tpm0'/></backend></tpm>",
        "<rng model='virtio'><backend model='random'>/dev/sda</backend></rng>",
        "<rng model='virtio'><backend model='egd' type='udp'><source mode='connect' host='h'/></backend></rng>",
        "<shmem name='x'/>",
        "<smartcard mode='host'/>",
        "<redirdev bus='usb' type='tcp'/>",
        "<audio id='9' type='file' path='/etc/x'/>",
        "<memory model='nvdimm'><source><path>/etc/x</path></source></memory>",
        "<input type='evdev'><source dev='/dev/input/event1'/></input>",
        "<vsock model='virtio'><future path='/etc/x'/></vsock>",
        "<crypto model='virtio'/>",
    ],
)
def test_devices_that_reach_into_the_host(device: str) -> None:
    assert privileged.touched_in(STORED, STORED.replace(IN, device + IN), in_pool), device


@pytest.mark.parametrize(
    "part",
    [
        "<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><qemu:arg value='-x'/></qemu:commandline>",
        "<cputune><shares>9</shares></cputune>",
        "<blkiotune><weight>9</weight></blkiotune>",
        "<seclabel type='none'/>",
        "<sysinfo type='fwcfg'><entry name='opt/x' file='/etc/shadow'/></sysinfo>",
        "<bootloader>/bin/sh</bootloader>",
        "<launchSecurity type='sev'/>",
        "<idmap/>",
        "<later/>",
    ],
)
def test_parts_that_reach_into_the_host(part: str) -> None:
    assert privileged.touched_in(STORED, STORED.replace("</domain>", part + "</domain>"), in_pool), part


def test_paths_of_firmware_kernel_and_emulator() -> None:
    assert _with("</os>", "<kernel>/etc/shadow</kernel></os>")
    assert _with("</os>", "<loader type='rom'>/etc/shadow</loader></os>")
    assert _with("</os>", "<acpi><table type='slic'>/etc/shadow</table></acpi></os>")
    assert _with("/usr/bin/qemu-system-x86_64", "/tmp/x")
    assert _with("<memory ", "<memoryBacking><source type='file'/></memoryBacking><memory ")


def test_what_is_the_machines_own() -> None:
    for device in (
        "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/pool/a'/><target dev='vdq' bus='virtio'/></disk>",
        "<disk type='volume' device='disk'><driver name='qemu' type='qcow2'/><source pool='p' volume='v'/><target dev='vdq' bus='virtio'/></disk>",
        "<disk type='file' device='cdrom'><target dev='sdq' bus='sata'/><readonly/></disk>",
        "<interface type='network'><source network='default'/></interface>",
        "<interface type='user'/>",
        "<serial type='pty'/>",
        "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>",
        "<graphics type='vnc'><listen type='socket'/></graphics>",
        "<graphics type='spice' autoport='yes'><listen type='address' address='127.0.0.1'/></graphics>",
        "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>",
        "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>",
        "<watchdog model='i6300esb'/>",
        "<input type='tablet' bus='usb'/>",
    ):
        assert privileged.touched_in(STORED, STORED.replace(IN, device + IN), in_pool) == [], device
    assert _with("<clock offset=", "<genid/><clock offset=") == []


def test_what_was_there_before_may_stay_move_and_go() -> None:
    """A machine whose disk lies outside the pools can be edited by who manages the machine; only another path can't be put in."""
    old = tree.parse(STORED)
    for wishes in ({"cache": "writeback"}, {"bus": "scsi"}):
        new = tree.parse(STORED)
        edits.apply(new, Edit("change", "disk", "vda", wishes))
        assert privileged.touched(old, new, in_pool) == []
    new = tree.parse(STORED)
    edits.apply(new, Edit("change", "disk", "vda", {"source": "/etc/shadow"}))
    assert privileged.touched(old, new, in_pool) == ["A disk outside the pools: /etc/shadow", "A path of the host: /etc/shadow"]
    new = tree.parse(STORED)
    edits.apply(new, Edit("remove", "disk", "vda"))
    assert privileged.touched(old, new, in_pool) == []


def test_another_format_of_a_disk_names_files_that_its_guest_chose() -> None:
    old, new = tree.parse(STORED), tree.parse(STORED)
    edits.apply(new, Edit("change", "disk", "vda", {"format": "qcow2"}))
    assert privileged.touched(old, new, in_pool) == ["Another format of /srv/shared/d.img: qcow2"]
