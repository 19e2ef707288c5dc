"""The domains that tests define: a tiny real Linux guest, and a machine that has nothing but its firmware."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import uuid as uuids
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from lxml import etree

BUILDER = Path(__file__).with_name("guest.sh")


def cache_directory() -> Path:
    """Where built things outlive a run: ``$XDG_CACHE_HOME/webvirt-tests``."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    directory = base / "webvirt-tests"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


@dataclass(frozen=True)
class Image:
    """A kernel and an initial RAM disk that boot without any disk."""

    kernel: Path
    initrd: Path


def build_image() -> Image:
    """The guest that ``guest.sh`` describes, built at its first use and again when the script changes (about 5 s)."""
    directory = cache_directory() / f"guest-{sha256(BUILDER.read_bytes()).hexdigest()[:12]}"
    with (cache_directory() / "guest.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not directory.exists():
            draft = directory.with_suffix(".draft")
            shutil.rmtree(draft, ignore_errors=True)
            subprocess.run([BUILDER, draft], check=True, timeout=300)
            draft.rename(directory)
    return Image(kernel=directory / "vmlinuz", initrd=directory / "initrd.gz")


@dataclass(frozen=True)
class Recipe:
    """What a test may want different about a machine. Everything else is the same for all."""

    name: str
    uuid: str = field(default_factory=lambda: str(uuids.uuid4()))
    memory_mib: int = 160
    vcpus: int = 1
    title: str = ""
    image: Image | None = None
    """None: firmware alone, which starts in a moment and draws on its screen for ever."""
    words: str = ""
    """More words for the kernel's command line: ``dirty``, ``deaf`` (guest.sh says what they do)."""
    disk: Path | None = None
    """A qcow2 file as the virtio disk vda."""
    network: str = "default"
    uefi: bool = False
    """UEFI firmware (the package ovmf) on a q35 board, with variables of its own."""
    agent: bool = True
    """Whether there is a line to the guest agent: without it a guest is asked to shut down by its power button alone."""


def domain_xml(recipe: Recipe) -> str:
    """The domain of a recipe. ``type='qemu'``: under nested KVM a Linux guest crawls or crashes, emulation always works."""
    root = _element(
        "domain",
        _element("name", recipe.name),
        _element("uuid", recipe.uuid),
        _element("memory", str(recipe.memory_mib), unit="MiB"),
        _element("vcpu", str(recipe.vcpus)),
        _boot(recipe),
        _element("features", _element("acpi")),
        _element("on_poweroff", "destroy"),
        _element("on_reboot", "restart"),
        _element("on_crash", "destroy"),
        _devices(recipe),
        type="qemu",
    )
    if recipe.title:
        root.insert(2, _element("title", recipe.title))
    return etree.tostring(root, encoding="unicode", pretty_print=True)


def _boot(recipe: Recipe) -> etree._Element:
    boot = _element("os", _element("type", "hvm", arch="x86_64", machine="q35" if recipe.uefi else "pc"))
    if recipe.uefi:
        boot.set("firmware", "efi")
        boot.append(_element("firmware", _element("feature", enabled="no", name="secure-boot")))
    if recipe.image is not None:
        boot.append(_element("kernel", str(recipe.image.kernel)))
        boot.append(_element("initrd", str(recipe.image.initrd)))
        boot.append(_element("cmdline", f"console=ttyS0 quiet {recipe.words}".strip()))
    return boot


def _devices(recipe: Recipe) -> etree._Element:
    devices = _element(
        "devices",
        _element("interface", _element("source", network=recipe.network), _element("model", type="virtio"), type="network"),
        _element("serial", _element("target", port="0"), type="pty"),
        _element("console", _element("target", type="serial", port="0"), type="pty"),
        # No path: libvirt chooses one of its own, and the live definition tells it.
        _element("graphics", _element("listen", type="socket"), type="vnc"),
        _element("video", _element("model", type="vga")),
        _element("memballoon", _element("stats", period="5"), model="virtio"),
    )
    if recipe.agent:
        devices.append(_element("channel", _element("target", type="virtio", name="org.qemu.guest_agent.0"), type="unix"))
    if recipe.disk is not None:
        devices.insert(
            0,
            _element(
                "disk",
                _element("driver", name="qemu", type="qcow2"),
                _element("source", file=str(recipe.disk)),
                _element("target", dev="vda", bus="virtio"),
                type="file",
                device="disk",
            ),
        )
    return devices


def _element(tag: str, *children: str | etree._Element, **attributes: str) -> etree._Element:
    element = etree.Element(tag, attributes)
    for child in children:
        if isinstance(child, str):
            element.text = child
        else:
            element.append(child)
    return element
