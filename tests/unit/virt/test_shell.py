"""The script that a host's own shell runs, and what is made of its answer."""

from __future__ import annotations

import subprocess
import time

import pytest

from virt.errors import Unsupported
from virt.facts import FIRST_LINE, LAST_LINE, read_shown
from virt.shell import SCRIPT


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_the_script_on_this_machine(shell: str) -> None:
    done = subprocess.run([shell], input=SCRIPT, capture_output=True, text=True, timeout=20, check=True)
    shown = read_shown(done.stdout, now=time.time())
    kernel = subprocess.run(["uname", "-r"], capture_output=True, text=True, check=True).stdout.strip()
    assert shown.kernel == kernel
    assert shown.system and shown.arch
    assert shown.cgroups in (1, 2) and "memory" in shown.controllers
    assert abs(shown.clock_off_seconds) <= 5
    assert done.stderr == ""


def test_the_script_only_reads() -> None:
    """No redirection but to nowhere, no command that changes anything."""
    rest = SCRIPT.replace("2>/dev/null", "")
    assert ">" not in rest.replace("NR > 1", "")
    assert not {"rm", "mv", "tee", "modprobe", "sysctl", "sed", "systemctl", "sudo"} & set(rest.replace("(", " ").split())


def test_what_else_comes_back_counts_for_nothing() -> None:
    with pytest.raises(Unsupported):
        read_shown("This account is for libvirt only.\n", now=0)
    with pytest.raises(Unsupported):
        read_shown(f"{FIRST_LINE}\nkernel=6.1\n", now=0)  # cut off


def test_a_hostile_answer_is_cut_to_what_is_known() -> None:
    pages = ["huge_pages=9 9", f"huge_pages=2048 {'9' * 40} 0"]
    numbers = ["iommu_groups=-5", "clock=1e999", "cgroups=two", "ntp=perhaps", "device=/dev/kvm", "unknown=1"]
    lines = ["Welcome!", FIRST_LINE, "kernel=<script>\x1b[31m" + "x" * 10_000, *numbers, *pages, LAST_LINE]
    shown = read_shown("\n".join(lines), now=1000.0)
    assert len(shown.kernel) <= 300 and "\x1b" not in shown.kernel
    assert (shown.iommu_groups, shown.cgroups, shown.ntp, shown.devices) == (0, 0, None, ())
    assert shown.huge_pages == ((2048 * 1024, 0, 0),)
