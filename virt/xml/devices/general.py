"""<title> and <description>: libvirt's own, seen by every tool. (Notes and tags are WebVirt's.)"""

from __future__ import annotations

from virt.xml.devices.kind import Field, Kind


def title_problem(value: str) -> str:
    return "One line, please." if "\n" in value else "" if len(value) <= 255 else "At most 255 characters."


KIND = Kind(
    name="general",
    title="Title and description",
    icon="info-circle",
    group="system",
    tag="",
    most=1,
    removable=False,
    addable=False,
    summary=lambda node: (node.findtext("title") or "").strip(),
    fields=(
        Field("title", "Title", "title", check=title_problem, live="title"),
        Field(
            "description",
            "Description",
            "description",
            "lines",
            live="description",
            check=lambda value: "" if len(value) <= 4_000 else "At most 4,000 characters.",
        ),
    ),
)
