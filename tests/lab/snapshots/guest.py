"""A guest whose disk is written and read by the test: what it holds is compared before and after each step."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from pathlib import Path

from tests.lab.guests import Image, Recipe
from tests.lab.lab import Guest, Host, Lab
from tests.stack import Stack
from tests.waiting import wait_until

IMAGES = "/srv/shared/images"  # the same folder on each host of the lab
SECTOR = 64


def folder(lab: Lab) -> Path:
    path = lab.shared / "images"
    path.mkdir(exist_ok=True)
    return path


@dataclass(frozen=True)
class Writing:
    """A machine with a disk, in the lab and in the product."""

    lab: Lab
    stack: Stack
    guest: Guest

    @classmethod
    def make(
        cls, stack: Stack, host: Host, name: str, image: Image | None, *, start: bool = True, uefi: bool = False, where: str = "", words: str = ""
    ) -> Writing:
        inside = where or IMAGES
        folder(host.lab)
        host.run("qemu-img", "create", "-q", "-f", "qcow2", f"{inside}/{name}.qcow2", "64M")
        recipe = Recipe(name, image=image, disk=Path(inside, f"{name}.qcow2"), memory_mib=128, uefi=uefi, words=words)
        made = cls(host.lab, stack, host.define(recipe, start=start))
        wait_until(f"{name} is known", lambda: stack.machine(name)["disks"] not in ("", "[]"), seconds=30)
        if start:
            wait_until(f"{name} is seen running", lambda: stack.machine(name)["state"] == "running", seconds=30)
        if start and image:
            made.guest.wait_for_agent()
        return made

    @property
    def number(self) -> int:
        return int(self.stack.machine(self.guest.name)["id"])

    # ── inside the guest ──

    def sh(self, script: str) -> str:
        """What a script in the guest prints."""
        started = self._agent("guest-exec", path="/bin/sh", arg=["-c", script], **{"capture-output": True})
        for _ in range(600):
            status = self._agent("guest-exec-status", pid=started["pid"])
            if status["exited"]:
                return base64.b64decode(status.get("out-data", "")).decode().strip()
            time.sleep(0.05)
        raise AssertionError(f"the guest does not end: {script}")

    def write(self, word: str) -> None:
        """To the raw disk, and on to the host before this returns."""
        self.sh(f"echo {word} | dd of=/dev/vda bs=512 seek={SECTOR} conv=fsync,notrunc 2>/dev/null; sync")

    @property
    def word(self) -> str:
        """What the raw disk holds."""
        return self.sh(f"dd if=/dev/vda bs=512 skip={SECTOR} count=1 iflag=direct 2>/dev/null | head -n 1")

    def fill(self, mib: int, at: int = 1) -> None:
        """Random data, so that merging takes its time."""
        self.sh(f"dd if=/dev/urandom of=/dev/vda bs=1M seek={at} count={mib} conv=fsync,notrunc 2>/dev/null; sync")

    def remember_in_memory(self, word: str) -> None:
        self.sh(f"echo {word} > /tmp/word")

    @property
    def in_memory(self) -> str:
        return self.sh("cat /tmp/word 2>/dev/null")

    def _agent(self, command: str, **arguments: object) -> dict:  # type: ignore[type-arg]
        question = json.dumps({"execute": command, "arguments": arguments})
        return dict(json.loads(self.guest.host.virsh("qemu-agent-command", self.guest.uuid, question))["return"])

    # ── by the product ──

    def ask(self, method: str, path: str = "", body: object = None) -> int:
        """A call of the API about its snapshots; the job's number."""
        answer = self.stack.api.request(method, f"machines/{self.number}/snapshots{path}", body)
        assert answer.status == 202, answer
        return int(answer.body["id"])

    def done(self, job: int, *, seconds: float = 90.0) -> dict:  # type: ignore[type-arg]
        """Until the job has ended well."""
        row = self.stack.wait_job(job, seconds=seconds)
        lines = [line["text"] for line in self.stack.rows("SELECT text FROM jobs_jobline WHERE job_id = ?", job)]
        assert row["state"] == "done", (row["kind"], row["state"], row["error"], row["detail"], lines, self.stack.log[-3000:])
        return row

    def take(self, name: str, **wish: object) -> None:
        self.done(self.ask("POST", body={"name": name, **wish}))
        wait_until(f"{name} is shown", lambda: name in self.names, seconds=30)

    def revert(self, name: str, **wish: object) -> None:
        self.done(self.ask("POST", f"/{self.id_of(name)}/revert", {"run": True, **wish}))
        wait_until(f"{name} is where it came from", lambda: self.current == name, seconds=30)
        if self.guest.state == "running":
            self.guest.wait_for_agent()

    def delete(self, name: str, *, children: bool = False) -> None:
        self.done(self.ask("DELETE", f"/{self.id_of(name)}?children={str(children).lower()}"))
        wait_until(f"{name} is gone", lambda: name not in self.names, seconds=30)

    @property
    def rows(self) -> dict[str, dict]:  # type: ignore[type-arg]
        return {row["name"]: row for row in self.stack.rows("SELECT * FROM snapshots_snapshot WHERE machine_id = ?", self.number)}

    @property
    def names(self) -> set[str]:
        return set(self.rows)

    @property
    def parents(self) -> dict[str, str]:
        return {name: row["parent_name"] for name, row in self.rows.items()}

    @property
    def current(self) -> str:
        return next((name for name, row in self.rows.items() if row["current"]), "")

    def id_of(self, name: str) -> int:
        return int(self.rows[name]["id"])

    # ── on the host ──

    @property
    def files(self) -> set[str]:
        """All that lies in the folder with its name."""
        return {path.name for path in folder(self.lab).iterdir() if path.name.split(".")[0] == self.guest.name}

    @property
    def disk(self) -> str:
        """The file that it writes to."""
        lines = self.guest.host.virsh("domblklist", self.guest.uuid).splitlines()
        return next(line.split()[1].rpartition("/")[2] for line in lines if line.split()[0] == "vda")
