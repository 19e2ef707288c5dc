"""Hypervisor hosts: how to reach them, what they are, and what the watcher last saw of them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.urls import reverse
from django.utils import timezone

from accounts import secrets
from jobs.submit import Subject
from live.metrics import Sample


class Kind(models.TextChoices):
    """How libvirt is reached; the values are those of virt.uri.Endpoint."""

    LOCAL = "local", "This machine (system)"
    SESSION = "session", "This machine (session)"
    SOCKET = "socket", "Unix socket"
    SSH = "ssh", "SSH"
    TLS = "tls", "TLS"
    TCP = "tcp", "TCP with SASL"
    TEST = "test", "libvirt's test driver"


class ConsoleWay(models.TextChoices):
    """How the displays of a host that libvirt reaches over TLS or TCP are reached."""

    DIRECT = "direct", "Directly"
    SSH = "ssh", "Through SSH"


class State(models.TextChoices):
    NEW = "new", "Not confirmed yet"  # its host key waits for a person
    CONNECTING = "connecting", "Connecting"
    ONLINE = "online", "Online"
    OFFLINE = "offline", "Does not answer"
    ALARM = "alarm", "Host key changed"
    REFUSED = "refused", "Refuses us"  # login or permission: trying again does not help
    DISABLED = "disabled", "Disabled"


class Host(models.Model):
    """One libvirt daemon. Only the watcher writes what is below `state`; `revision` tells it of edits."""

    name = models.CharField(max_length=63, unique=True)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    driver = models.CharField(max_length=8, default="qemu")
    address = models.CharField(max_length=255, blank=True)
    port = models.PositiveIntegerField(null=True, blank=True)
    login = models.CharField(max_length=64, blank=True)
    path = models.CharField(max_length=255, blank=True)  # unix socket
    session = models.BooleanField(default=False)  # the person's session daemon instead of the system's
    console_way = models.CharField(max_length=8, choices=ConsoleWay.choices, default=ConsoleWay.DIRECT)
    console_address = models.CharField(max_length=255, blank=True)  # of the SSH server to go through, if it is not the host's
    console_port = models.PositiveIntegerField(null=True, blank=True)
    console_login = models.CharField(max_length=64, blank=True)
    host_key = models.TextField(blank=True)  # pinned, of whichever SSH server leads to libvirt or to the displays: "ssh-ed25519 AAAA…"
    host_key_offered = models.TextField(blank=True)  # seen at the last test, not confirmed
    enabled = models.BooleanField(default=True)
    notes = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    revision = models.PositiveIntegerField(default=1)

    state = models.CharField(max_length=12, choices=State.choices, default=State.CONNECTING)
    state_since = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)
    error_detail = models.TextField(blank=True)
    latency_ms = models.FloatField(null=True)

    host_uuid = models.CharField(max_length=36, blank=True, db_index=True)
    hostname = models.CharField(max_length=255, blank=True)
    hypervisor = models.CharField(max_length=32, blank=True)
    hypervisor_version = models.CharField(max_length=32, blank=True)
    libvirt_version = models.CharField(max_length=32, blank=True)
    arch = models.CharField(max_length=16, blank=True)
    cpu_model = models.CharField(max_length=128, blank=True)
    cpus = models.PositiveIntegerField(default=0)
    cpu_sockets = models.PositiveIntegerField(default=0)
    cpu_cores = models.PositiveIntegerField(default=0)
    cpu_threads = models.PositiveIntegerField(default=0)
    numa_nodes = models.PositiveIntegerField(default=0)
    memory_bytes = models.BigIntegerField(default=0)
    kvm = models.BooleanField(null=True)
    capabilities = models.TextField(blank=True)
    pools = models.JSONField(default=list)  # [virt.connection.PoolBrief as dict]
    networks = models.JSONField(default=list)  # [virt.connection.NetworkBrief as dict]

    # Averages of the last minute, for sorting and for the dashboard.
    cpu_percent = models.FloatField(null=True)
    memory_used_bytes = models.BigIntegerField(null=True)

    maintenance_since = models.DateTimeField(null=True)  # nothing new is placed there until it ends; written by machines/moves alone

    lease_owner = models.CharField(max_length=64, blank=True, db_index=True)
    lease_until = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("hosts:host", args=[self.pk])

    @property
    def is_online(self) -> bool:
        return self.state == State.ONLINE

    @property
    def is_stale(self) -> bool:
        """What is shown of its machines is its last sight."""
        return self.state != State.ONLINE

    @property
    def in_maintenance(self) -> bool:
        """It takes no machines: neither new ones nor moved ones."""
        return self.maintenance_since is not None

    @property
    def topics(self) -> list[str]:
        return [f"host:{self.pk}", "hosts", "fleet"]

    @property
    def subject(self) -> Subject:
        return Subject("host", self.pk, self.name, self.pk, self.name)

    @property
    def memory_percent(self) -> float | None:
        if not self.memory_bytes or self.memory_used_bytes is None:
            return None
        return 100 * self.memory_used_bytes / self.memory_bytes


class HostSecret(models.Model):
    """An encrypted secret of a host: "private_key", "sasl_password", "client_key"…"""

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="secrets")
    name = models.CharField(max_length=32)
    sealed = models.TextField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["host", "name"], name="one_secret_per_name")]

    def __str__(self) -> str:
        return f"{self.name} of {self.host_id}"

    @classmethod
    def put(cls, host: Host, name: str, plain: str) -> None:
        cls.objects.update_or_create(host=host, name=name, defaults={"sealed": secrets.seal(plain)})

    @classmethod
    def all_of(cls, host: Host) -> dict[str, str]:
        return {name: secrets.unseal(sealed) for name, sealed in host.secrets.values_list("name", "sealed")}


class HostTest(models.Model):
    """A connection test as far as it has come; written by the job `hosts.test`, kept for the page."""

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="tests")
    job_id = models.BigIntegerField(default=0)
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)
    passed = models.BooleanField(null=True)  # null: not known yet, or never to be known (its worker died)
    steps = models.JSONField(default=list)  # [virt.probe.Step as dict]

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"test of {self.host_id}"


class RemovedLocal(models.Model):
    """A person removed this machine's own hypervisor: the next start does not bring it back (hosts/setup.py)."""

    kind = models.CharField(max_length=8, choices=Kind.choices, unique=True)
    at = models.DateTimeField(default=timezone.now)
    actor = models.CharField(max_length=150, blank=True)

    def __str__(self) -> str:
        return self.kind


class PortalKey(models.Model):
    """The portal's own ed25519 key for SSH hosts, made at first start; one row. The private half is sealed."""

    public = models.TextField()
    sealed_private = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.public


class WatcherBeat(models.Model):
    """A living watcher process; hosts are shared among those whose beat is fresh."""

    name = models.CharField(max_length=64, unique=True)
    started_at = models.DateTimeField(default=timezone.now)
    beat_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.name


class HostEvent(models.Model):
    """What happened to a host: connected, lost, key changed, edited. For its log."""

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=32)
    words = models.CharField(max_length=400)
    actor = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return self.words


class HostSample(Sample):
    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="samples")

    class Meta(Sample.Meta):
        indexes: ClassVar = [models.Index(fields=["host", "resolution", "at"], name="host_sample")]
