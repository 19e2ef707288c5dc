"""One fixed script, run by an SSH host's own shell over the pinned connection: what libvirt can't tell of it. It reads, and changes nothing.

Nothing of a person's ever gets into the script, and it takes no arguments. It is not sent as a command line, which the
account's login shell would read first, but to the standard input of /bin/sh.
"""

from __future__ import annotations

import logging
import subprocess
import threading
import time

from virt.errors import HostSilent, HostUnreachable
from virt.facts import FIRST_LINE, LAST_LINE, Shown, read_shown
from virt.ssh import PinnedSsh
from virt.translation import from_ssh
from virt.uri import DEFAULT_PORTS, Endpoint

logger = logging.getLogger(__name__)

Seconds = float

_MOST_BYTES = 64 * 1024

SCRIPT = f"""\
LC_ALL=C; export LC_ALL
PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin; export PATH
say() {{ printf '%s=%s\\n' "$1" "$2"; }}
has() {{ command -v "$1" 2>/dev/null; }}
echo {FIRST_LINE}
( . /etc/os-release; say system "$ID"; say like "$ID_LIKE"; say pretty "$PRETTY_NAME" ) 2>/dev/null
say kernel "$(uname -r)"
say arch "$(uname -m)"
say clock "$(date +%s)"
say ntp "$(timeout 3 timedatectl show -p NTPSynchronized --value 2>/dev/null)"
for flag in vmx svm sie hypervisor; do grep -m1 -E '^(flags|features)' /proc/cpuinfo | grep -q -w $flag && say flags $flag; done
for name in kvm kvm_intel kvm_amd kvm_hv kvm_pr kvm_pvm vhost_net vfio_pci tun; do [ -e /sys/module/$name ] && say module $name; done
for path in /dev/kvm /dev/vhost-net /dev/net/tun; do [ -e $path ] && say device "$path $(stat -c '%a %U %G' $path)"; done
for file in /sys/module/kvm_intel/parameters/nested /sys/module/kvm_amd/parameters/nested /sys/module/kvm/parameters/nested; do
  [ -r $file ] && say nested "$(cat $file)"
done
for path in /sys/class/iommu/*; do [ -e "$path" ] && say iommu_unit "$(basename "$path")"; done
say iommu_groups "$(ls /sys/kernel/iommu_groups 2>/dev/null | wc -l)"
for name in DMAR IVRS IORT; do [ -e /sys/firmware/acpi/tables/$name ] && say iommu_table $name; done
for word in $(cat /proc/cmdline); do case $word in *iommu*) say iommu_argument "$word";; esac; done
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  say cgroups 2; say controllers "$(cat /sys/fs/cgroup/cgroup.controllers)"
elif [ -e /proc/cgroups ]; then
  say cgroups 1; say controllers "$(awk 'NR > 1 && $4 == 1 {{ printf "%s ", $1 }}' /proc/cgroups)"
fi
for path in /sys/kernel/mm/hugepages/hugepages-*kB; do
  size=${{path##*-}}
  [ -d "$path" ] && say huge_pages "${{size%kB}} $(cat "$path/nr_hugepages") $(cat "$path/free_hugepages")"
done
say transparent "$(cat /sys/kernel/mm/transparent_hugepage/enabled 2>/dev/null)"
say qemu_img "$(qemu-img --version 2>/dev/null | head -n 1)"
say swtpm "$(has swtpm)"
for path in /usr/libexec/virtiofsd /usr/lib/qemu/virtiofsd /usr/lib/virtiofsd /usr/libexec/virtiofsd/virtiofsd "$(has virtiofsd)"; do
  [ -x "$path" ] && [ -f "$path" ] && say virtiofsd "$path"
done
say firmwares "$(ls /usr/share/qemu/firmware/*.json /etc/qemu/firmware/*.json 2>/dev/null | wc -l)"
echo {LAST_LINE}
"""


def ask(endpoint: Endpoint, *, private_key: str, host_key: str, deadline: Seconds = 8.0) -> Shown:
    """What an SSH host shows of itself, within `deadline`; the keys as in virt.connection.Credentials.

    Raises HostUnreachable and its kind, LoginRefused, HostKeyChanged, or Unsupported when the account may not run commands.
    """
    pinned = PinnedSsh(private_key, host_key, connect_timeout=int(deadline) - 1)
    try:
        said, status = _run(pinned, endpoint, deadline)
        now = time.time()
        if status == 255:  # ssh's own failure
            words = pinned.said()
            raise from_ssh(words) or HostUnreachable("The host's SSH service broke off.", words)
    finally:
        pinned.remove()
    return read_shown(said, now=now)


def _run(pinned: PinnedSsh, endpoint: Endpoint, deadline: Seconds) -> tuple[str, int]:
    port = str(endpoint.port or DEFAULT_PORTS["ssh"])
    user = ["-l", endpoint.user] if endpoint.user else []
    command = [pinned.command, "-i", pinned.key_file, "-p", port, *user, "--", endpoint.host, "/bin/sh"]
    late = threading.Event()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin and process.stdout

        def give_up() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(deadline, give_up)
        timer.start()
        try:
            process.stdin.write(SCRIPT.encode())  # less than a pipe holds: it never waits
            process.stdin.close()
            said = process.stdout.read(_MOST_BYTES)
            if len(said) == _MOST_BYTES:  # it need not end
                process.kill()
            status = process.wait()
        except BrokenPipeError:
            said, status = b"", process.wait()
        finally:
            timer.cancel()
    if late.is_set():
        raise HostSilent(f"The host's shell did not answer within {deadline:g} seconds.")
    return said.decode(errors="replace"), status
