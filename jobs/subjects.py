"""What a job can be about, without `jobs` knowing machines, hosts, pools …: apps above say in AppConfig.ready() how their things are shown."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse


@dataclass(frozen=True)
class Look:
    """`url_name` takes the subject's id; `icon` stands beside its name."""

    url_name: str
    icon: str


_looks: dict[str, Look] = {}


def register(subject_type: str, look: Look) -> None:
    _looks[subject_type] = look


def url(subject_type: str, subject_id: int) -> str:
    """The page of the subject; raises KeyError for a type that no app registered."""
    return reverse(_looks[subject_type].url_name, args=[subject_id])


def icon(subject_type: str) -> str:
    return _looks[subject_type].icon
