"""<watchdog>: what to do when the guest does not give a sign of life."""

from __future__ import annotations

from virt.xml.devices.kind import Field, Kind

_ACTIONS = (
    ("reset", "Reset"),
    ("poweroff", "Force off"),
    ("shutdown", "Shut down"),
    ("pause", "Pause"),
    ("inject-nmi", "Inject an NMI"),
    ("dump", "Dump its memory"),
    ("none", "Nothing"),
)

KIND = Kind(
    name="watchdog",
    title="Watchdog",
    icon="clock",
    group="other",
    tag="watchdog",
    most=2,
    summary=lambda node: f"{node.get('model') or ''}, {node.get('action') or 'reset'}",
    hotplug=lambda node: node.get("model") == "i6300esb",
    fields=(
        Field(
            "model",
            "Model",
            "@model",
            "choice",
            (("i6300esb", "i6300esb"), ("itco", "iTCO (q35)"), ("ib700", "ib700"), ("diag288", "diag288")),
            default="i6300esb",
            required=True,
            free=True,
        ),
        Field("action", "When it fires", "@action", "choice", _ACTIONS, default="reset", required=True),
    ),
)
