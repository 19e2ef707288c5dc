"""Readiness on pages of other rooms."""

from __future__ import annotations

from django import template

from hosts.models import Host
from hosts.readiness import report

register = template.Library()


@register.simple_tag
def readiness_of(host: Host) -> report.Report:
    return report.Report(host)


@register.filter
def emulates(host: Host) -> bool:
    """A QEMU host without KVM."""
    return report.is_emulating(host)
