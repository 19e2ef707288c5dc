"""The real stack for tests: ``manage.py up`` with everything it starts, on a directory and a port of its own.

The hypervisor of this machine itself is hidden from it: a test must neither start it nor see what somebody runs on it.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests import processes
from tests.waiting import wait_until
from tests.websession import WebSession

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 90.0

Role = Literal["redis", "web", "consolebridge", "watcher", "quick", "long", "bulk", "beat"]
_REDIS_NAMES = ("valkey-server", "redis-server")

# No libvirtd to reach and none to start, in a mount namespace of the stack's own.
_HIDE_HYPERVISOR = """
mkdir -p /run/libvirt && mount -t tmpfs none /run/libvirt
for name in libvirtd virtqemud virtlogd; do [ ! -e /usr/sbin/$name ] || mount --bind /bin/false /usr/sbin/$name; done
exec "$@"
"""

_ADD_HOSTS = """
import json, sys
from hosts import actions
from virt import uri
for name, text in json.load(sys.stdin).items():
    actions.add(actions.Draft(name, uri.parse(text)), actions.Actor(), enable=True)
"""


class Stack:
    """Started with ``Stack.start()``, ended with ``stop()``; ``administrator`` may everything."""

    def __init__(self, directory: Path, port: int, process: subprocess.Popen[bytes]) -> None:
        self.directory = directory
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._process = process
        self.administrator = Credentials("administrator", secrets.token_urlsafe(12))
        self.browser_state: Any = None
        """What the browser fixtures keep of a sign-in, so that it is done once."""
        self._api: Api | None = None
        self._web: WebSession | None = None

    @classmethod
    def start(cls, environment: Mapping[str, str] | None = None, *, entry: Sequence[str] = ("manage.py",)) -> Stack:
        """A stack on a new data directory, ready to serve, with an administrator. ``AssertionError`` with its log when it does not come up.

        ``entry``: what Python runs instead of ``manage.py``, for who must wrap a part of the product.
        """
        directory = Path(tempfile.mkdtemp(prefix="webvirt-stack-"))
        port = free_port()
        stack = cls(directory, port, launch(directory, port, environment, entry=entry))
        try:
            stack.wait_ready()
            stack.add_person(stack.administrator, role="administrator")
        except BaseException:
            stack.stop()
            raise
        return stack

    def stop(self) -> None:
        """As Ctrl-C does; then the directory goes."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(timeout=40)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def log(self) -> str:
        """All that its processes have printed."""
        return (self.directory / "log").read_text(errors="replace")

    # ── its processes ────────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def supervisor_pid(self) -> int:
        return self._process.pid

    def pid(self, role: Role) -> int:
        """The process that plays a role now; ``AssertionError`` while there is none."""
        names = _REDIS_NAMES if role == "redis" else (f"webvirt-{role}"[:15],)  # as much as the kernel keeps
        for process in processes.descendants(self.supervisor_pid):
            if process.parent == self.supervisor_pid and process.name in names and process.state != "Z":
                return process.pid
        raise AssertionError(f"no {role} process runs")

    def pids(self) -> list[int]:
        """All its processes, the supervisor first."""
        return [self.supervisor_pid, *(process.pid for process in processes.descendants(self.supervisor_pid))]

    def signal(self, role: Role, number: signal.Signals) -> int:
        """Send a signal to a role's process, and to those it forked where that is what the signal would mean to a person: KILL, STOP, CONT."""
        pid = self.pid(role)
        for member in (pid, *(process.pid for process in processes.descendants(pid))):
            os.kill(member, number)
        return pid

    def kill(self, role: Role) -> None:
        """``kill -9`` a role's process with its children, and return when it is gone."""
        roles: tuple[Role, ...] = ("long", "bulk") if role == "long" else (role,)  # both do what takes long
        pids = [self.signal(each, signal.SIGKILL) for each in roles]
        wait_until(f"{role} {pids} is gone", lambda: not any(map(processes.lives, pids)), every=0.01)

    def wait_ready(self) -> None:
        """Until every part says that it serves."""
        wait_until("the stack is ready", self._is_ready, seconds=START_SECONDS, every=0.1)

    def _is_ready(self) -> bool:
        if self._process.poll() is not None:
            raise SystemError(f"manage.py up ended with {self._process.returncode}:\n{self.log}")
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as refusal:
            raise AssertionError(f"{refusal.read().decode()}\n{self.log[-4000:]}") from None

    # ── people, hosts, API ───────────────────────────────────────────────────────────────────────────────────────────────────

    def manage(self, *arguments: str, input: str = "") -> str:
        """Run a command of ``manage.py`` on this stack's data; its output."""
        done = subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            env={**_outer_environment(), "WEBVIRT_DATA": str(self.directory)},
            input=input,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"manage.py {' '.join(arguments)}: {done.stderr}{done.stdout}"
        return done.stdout.strip()

    def add_person(self, person: Credentials, *, role: str) -> None:
        self.manage("people", "add", person.name, "--role", role, "--password-stdin", input=person.password + "\n")

    def add_host(self, name: str, uri: str, *options: str) -> int:
        """Add a host by the command line; its number."""
        self.manage("hosts", "add", name, uri, *options)
        return int(self.host(name)["id"])

    def add_hosts(self, uris: Mapping[str, str]) -> None:
        """Add many hosts, URI by name, in one go."""
        self.manage("shell", "-c", _ADD_HOSTS, input=json.dumps(dict(uris)))

    def host(self, name: str) -> dict[str, Any]:
        """The row of a host; ``AssertionError`` when there is none."""
        return self._row("SELECT * FROM hosts_host WHERE name = ?", name)

    def machine(self, name: str) -> dict[str, Any]:
        """The row of a machine that its host has now."""
        return self._row("SELECT * FROM machines_machine WHERE name = ? AND gone_at IS NULL", name)

    def job(self, number: int) -> dict[str, Any]:
        """The row of a job."""
        return self._row("SELECT * FROM jobs_job WHERE id = ?", number)

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """What the database holds, read beside the product."""
        with closing(sqlite3.connect(f"file:{self.directory}/webvirt.sqlite3?mode=ro", uri=True, timeout=10)) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(query, values)]

    def _row(self, query: str, value: object) -> dict[str, Any]:
        found = self.rows(query, value)
        assert found, f"there is no {value}"
        return found[0]

    def power(self, machine: str, action: str) -> int:
        """Press a power button as the administrator; the job's number."""
        reply = self.web.post(f"/machines/{self.machine(machine)['id']}/power/", {"action": action})
        assert reply.status == 204, f"{action} of {machine}: {reply.status} {reply.body!r}"
        return int(reply.headers["WV-Job"])

    def wait_job(self, number: int, *, seconds: float = 30.0) -> dict[str, Any]:
        """Until the job has ended, well or not; its row then."""
        wait_until(f"job {number} ends", lambda: self.job(number)["state"] not in ("queued", "running"), seconds=seconds, every=0.1)
        return self.job(number)

    @property
    def web(self) -> WebSession:
        """Pages as the administrator, without a browser."""
        if self._web is None:
            self._web = WebSession(self.url)
            self._web.sign_in(self.administrator.name, self.administrator.password)
        return self._web

    @property
    def api(self) -> Api:
        """The API as the administrator."""
        if self._api is None:
            token = self.manage("tokens", "create", self.administrator.name).splitlines()[-1].split()[-1]
            self._api = Api(self.url, token)
        return self._api


@dataclass(frozen=True)
class Credentials:
    name: str
    password: str


@dataclass(frozen=True)
class Answer:
    """What the API answered. ``body`` is the decoded JSON, None where there is none."""

    status: int
    body: Any
    location: str


class Api:
    """A small client of the API: paths below ``/api/v1/``, bodies as JSON."""

    def __init__(self, url: str, token: str) -> None:
        self._base = f"{url}/api/v1/"
        self.token = token

    def get(self, path: str) -> Any:
        """The body; ``AssertionError`` for anything but 200."""
        answer = self.request("GET", path)
        assert answer.status == 200, f"GET {path}: {answer}"
        return answer.body

    def request(self, method: str, path: str, body: object = None) -> Answer:
        """Any request; statuses of 400 and more are answers too."""
        request = urllib.request.Request(
            self._base + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return _answer(answer)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return _answer(refusal)


def launch(directory: Path, port: int, environment: Mapping[str, str] | None = None, *, entry: Sequence[str] = ("manage.py",)) -> subprocess.Popen[bytes]:
    """``manage.py up`` on a data directory, without waiting for it; its output is added to the file ``log`` there."""
    command = [sys.executable, *entry, "up", "--port", str(port), "--data", str(directory)]
    if os.geteuid() == 0:
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _HIDE_HYPERVISOR, "sh", *command]
    with (directory / "log").open("ab") as log:
        # Should the tests be killed, the stack goes too.
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *command],
            env={**_outer_environment(), **(environment or {}), "PYTHONUNBUFFERED": "1"},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answer(response: Any) -> Answer:
    text = response.read()
    is_json = "json" in response.headers.get("Content-Type", "")
    return Answer(response.status, json.loads(text) if text and is_json else None, response.headers.get("Location") or "")


def _outer_environment() -> dict[str, str]:
    """Ours, without what pytest set for the tests inside its own process."""
    return {name: value for name, value in os.environ.items() if name not in ("DJANGO_SETTINGS_MODULE", "WEBVIRT_DATA")}
