"""The tiny guest as something to boot from: one file that is an ISO image and a disk at once, and what others make of such a disk."""

from __future__ import annotations

import fcntl
import hashlib
import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pycdlib

from tests.lab.guests import BUILDER, build_image, cache_directory

_CONFIG = "SERIAL 0 115200\nDEFAULT tiny\nPROMPT 0\nLABEL tiny\n KERNEL /vmlinuz\n APPEND initrd=/initrd.gz console=ttyS0 quiet\n"
_BOOT = (("ISOLINUX.BIN", "usr/lib/ISOLINUX/isolinux.bin"), ("LDLINUX.C32", "usr/lib/syslinux/modules/bios/ldlinux.c32"))


def bootable() -> Path:
    """A hybrid image of about 20 MB: BIOS boots it from a disc (El Torito) and from a disk (by its boot sector) alike."""
    stamp = hashlib.sha256(BUILDER.read_bytes() + Path(__file__).read_bytes()).hexdigest()[:12]
    target = cache_directory() / f"tiny-{stamp}.iso"
    image = build_image()
    with (cache_directory() / "tiny.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            draft = target.with_suffix(".draft")
            _write(draft, image.kernel.read_bytes(), image.initrd.read_bytes())
            draft.rename(target)
    return target


def _write(target: Path, kernel: bytes, initrd: bytes) -> None:
    loader = _loader()
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, rock_ridge="1.09", vol_ident="TINY")
    iso.add_directory("/ISOLINUX", rr_name="isolinux")
    files = {f"/ISOLINUX/{name};1": (loader / path).read_bytes() for name, path in _BOOT}
    files |= {"/ISOLINUX/ISOLINUX.CFG;1": _CONFIG.encode(), "/VMLINUZ.;1": kernel, "/INITRD.GZ;1": initrd}
    for path, data in files.items():
        iso.add_fp(io.BytesIO(data), len(data), path, rr_name=path.rpartition("/")[2].removesuffix(";1").removesuffix(".").lower())
    iso.add_eltorito("/ISOLINUX/ISOLINUX.BIN;1", boot_load_size=4, boot_info_table=True)
    iso.add_isohybrid()
    iso.write(str(target))
    iso.close()


def _loader() -> Path:
    """ISOLINUX, downloaded and unpacked here, not installed."""
    directory = cache_directory() / "isolinux"
    if not directory.exists():
        draft = directory.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        subprocess.run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", "isolinux", "syslinux-common"], cwd=draft, check=True, timeout=120)
        for package in draft.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, draft], check=True, timeout=60)
        draft.rename(directory)
    return directory


def converted(directory: Path, format: str, *, name: str = "", options: str = "") -> Path:
    """The disk in another format, made by qemu-img as other tools would."""
    target = directory / (name or f"tiny.{format}")
    extra = ["-o", options] if options else []
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", format, *extra, bootable(), target], check=True, timeout=120)
    return target


def split(directory: Path, name: str, kind: str) -> dict[str, Path]:
    """The disk as a VMDK in several files: file by name."""
    folder = directory / kind
    folder.mkdir()
    converted(folder, "vmdk", name=f"{name}.vmdk", options=f"subformat={kind}")
    return {file.name: file for file in folder.iterdir()}


def ova(directory: Path, *, name: str = "tiny.ova", memory_mib: int = 256) -> Path:
    """A machine as VMware exports it: description, manifest, a streamOptimized disk on a paravirtual SCSI controller, and a second, empty disk."""
    disk = converted(directory, "vmdk", name="tiny-disk1.vmdk", options="subformat=streamOptimized")
    text = OVF.format(size=disk.stat().st_size, memory=memory_mib)
    manifest = f"SHA256(tiny.ovf)= {hashlib.sha256(text.encode()).hexdigest()}\nSHA256({disk.name})= {hashlib.sha256(disk.read_bytes()).hexdigest()}\n"
    target = directory / name
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as archive:
        for member, data in (("tiny.ovf", text.encode()), ("tiny.mf", manifest.encode())):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        archive.add(disk, arcname=disk.name)
    return target


OVF = """<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
 xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData" xmlns:vmw="http://www.vmware.com/schema/ovf">
 <References><File ovf:href="tiny-disk1.vmdk" ovf:id="file1" ovf:size="{size}"/></References>
 <DiskSection><Info>disks</Info>
  <Disk ovf:capacity="19922944" ovf:diskId="vmdisk1" ovf:fileRef="file1" ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
  <Disk ovf:capacity="1" ovf:capacityAllocationUnits="byte * 2^30" ovf:diskId="vmdisk2"/></DiskSection>
 <NetworkSection><Info>networks</Info><Network ovf:name="VM Network"/></NetworkSection>
 <VirtualSystem ovf:id="tiny"><Info>A machine</Info><Name>tiny from VMware</Name>
  <OperatingSystemSection ovf:id="100" vmw:osType="otherLinux64Guest"><Info>os</Info></OperatingSystemSection>
  <VirtualHardwareSection><Info>hardware</Info>
   <Item><rasd:AllocationUnits>hertz * 10^6</rasd:AllocationUnits><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>2</rasd:VirtualQuantity></Item>
   <Item><rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits><rasd:InstanceID>2</rasd:InstanceID><rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>{memory}</rasd:VirtualQuantity></Item>
   <Item><rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceSubType>VirtualSCSI</rasd:ResourceSubType><rasd:ResourceType>6</rasd:ResourceType></Item>
   <Item><rasd:HostResource>ovf:/disk/vmdisk1</rasd:HostResource><rasd:InstanceID>4</rasd:InstanceID><rasd:Parent>3</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
   <Item><rasd:HostResource>ovf:/disk/vmdisk2</rasd:HostResource><rasd:InstanceID>5</rasd:InstanceID><rasd:Parent>3</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
   <Item><rasd:Connection>VM Network</rasd:Connection><rasd:InstanceID>6</rasd:InstanceID><rasd:ResourceSubType>E1000</rasd:ResourceSubType><rasd:ResourceType>10</rasd:ResourceType></Item>
   <vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="bios"/>
  </VirtualHardwareSection>
 </VirtualSystem>
</Envelope>
"""  # noqa: E501
