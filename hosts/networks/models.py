"""Virtual networks and the addresses they gave out, as hosts last showed them."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

from django.db import models
from django.urls import reverse
from django.utils import timezone

from hosts.models import Host
from jobs.submit import Subject


class Network(models.Model):
    """(host, uuid) is the identity. Written by the watcher alone.

    While its host does not answer, the row stays as last seen; when the host says that it is gone, `gone_at` is set, and
    the row is kept for a month for the jobs that name it.
    """

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="virtual_networks")
    uuid = models.CharField(max_length=36)
    name = models.CharField(max_length=255)
    mode = models.CharField(max_length=16)  # as virt.xml.networks names them; "hostdev" is one that we don't make
    active = models.BooleanField(default=False)
    autostart = models.BooleanField(default=False)
    persistent = models.BooleanField(default=True)
    bridge = models.CharField(max_length=255, blank=True)  # its own, or the host's
    devices = models.JSONField(default=list)  # of the host that it goes out by
    addresses = models.JSONField(default=list)  # [{"family", "address", "prefix", "network", "dhcp"}], the host's own in it
    domain = models.CharField(max_length=255, blank=True)
    vlan = models.CharField(max_length=255, blank=True)
    portgroups = models.JSONField(default=list)  # names
    xml = models.TextField(blank=True)  # what it starts with next
    live_xml = models.TextField(blank=True)  # what it runs with where that differs in what we know of, else ""
    digest = models.CharField(max_length=64, blank=True)  # of `xml`: what an edit is based on
    first_seen_at = models.DateTimeField(default=timezone.now)
    gone_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["name", "pk"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["host", "uuid"], name="network_identity")]
        indexes: ClassVar = [models.Index(fields=["gone_at", "host", "name"], name="network_fleet")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("networks:network", args=[self.pk])

    @property
    def is_stale(self) -> bool:
        return self.host.is_stale

    @property
    def differs(self) -> bool:
        """It runs with something else than what is stored."""
        return bool(self.live_xml)

    @cached_property
    def has_dhcp(self) -> bool:
        return any(address["dhcp"] for address in self.addresses)

    @property
    def topics(self) -> list[str]:
        return [f"network:{self.pk}", "networks", f"host:{self.host_id}"]

    @property
    def subject(self) -> Subject:
        return Subject("network", self.pk, self.name, self.host_id, self.host.name)


class Lease(models.Model):
    """An address that a network gave out and that is in force. By the network's uuid: leases and networks are looked at apart."""

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="+")
    network_uuid = models.CharField(max_length=36)
    ip = models.CharField(max_length=45)
    prefix = models.PositiveSmallIntegerField(default=0)
    mac = models.CharField(max_length=17, blank=True)
    name = models.CharField(max_length=255, blank=True)  # as the guest calls itself
    client = models.CharField(max_length=400, blank=True)
    expires_at = models.DateTimeField(null=True)
    first_seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["host", "network_uuid", "ip"], name="lease_identity")]

    def __str__(self) -> str:
        return self.ip

    @property
    def key(self) -> tuple[Any, ...]:
        return self.network_uuid, self.ip
