"""What a person may ask of networks. Each returns a Job or raises jobs.submit.Refused; none reaches a hypervisor."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, NoReturn

from accounts import audit
from accounts.models import User
from hosts.models import Host
from hosts.networks import checks, users
from hosts.networks.models import Network
from jobs import submit as jobs
from jobs.models import Job
from jobs.submit import Refused
from virt import names
from virt.errors import Invalid
from virt.xml import tree
from virt.xml.edit import network as editing
from virt.xml.edit.network import Edit
from virt.xml.networks import Values, mode_named, part_named

_KIND = "hosts.networks."
_MOST_NAMES = 5


class Stale(Refused):
    """The definition is not the one that the edit was based on."""


# ── whether ──


def host_refusal(host: Host) -> str:
    """Why nothing can be made there now, or ""."""
    return "" if host.is_online else f"{host.name} does not answer."


def refusal(network: Network, deed: str) -> str:
    """Why the deed ("start", "stop", "restart", "autostart", "change", "delete") can't be asked for now, or ""; the pages show the same words."""
    if network.gone_at:
        return "It is not on its host any more."
    if network.is_stale:
        return f"{network.host.name} does not answer."
    if deed == "start" and network.active:
        return "It runs already."
    if deed in ("stop", "restart") and not network.active:
        return "It does not run."
    if deed in ("autostart", "change", "restart", "delete") and not network.persistent:
        return "It is transient: it has no definition, and is gone once it stops."
    if deed == "delete" and network.active:
        on = users.machines(users.of(network), active=True)
        return f"{names_of(on)} {'runs' if len(on) == 1 else 'run'} on it. Stop the network first, if that is meant." if on else ""
    return ""


def names_of(cards: Sequence[users.Card]) -> str:
    """ "db-1, web-2 and 3 more"."""
    shown = [card.name for card in cards[:_MOST_NAMES]]
    more = len(cards) - len(shown)
    return f"{', '.join(shown)} and {more} more" if more else " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


# ── deeds ──


def start(user: User, network: Network) -> Job:
    return _about(user, network, "start", "start_network")


def stop(user: User, network: Network) -> Job:
    """Running machines on it lose their link: whoever asks was told which."""
    return _about(user, network, "stop", "stop_network")


def restart(user: User, network: Network) -> Job:
    """What waits takes effect; the cards of running machines are plugged in again."""
    return _about(user, network, "restart", "restart_network")


def set_autostart(user: User, network: Network, on: bool) -> Job:
    return _about(user, network, "autostart", "set_network_autostart", {"on": on})


def delete(user: User, network: Network) -> Job:
    """Refused while running machines are on it. Those that are off and name it can't start without one of its name."""
    return _about(user, network, "delete", "delete_network")


def create(user: User, host: Host, name: str, mode: str, values: Values, *, start: bool = True, autostart: bool = True) -> Job:
    """A new network. Raises virt.errors.Invalid for a mode or field that there is not."""
    described = mode_named(mode)
    values = {field: value for field, value in values.items() if value}
    reason = host_refusal(host) or _name_problem(name) or _first(checks.of_new(host, name, described, values), described.field)
    if reason:
        _refuse(user, "create_network", name, reason)
    # The uuid is chosen here: whoever asks later what became of the job asks for this very network.
    params = {"uuid": str(uuid.uuid4()), "name": name, "mode": mode, "values": values, "start": start, "autostart": autostart}
    return jobs.submit(f"{_KIND}create_network", host.subject, asked_by=user, params=params)


def change(user: User, network: Network, edits: Sequence[Edit], based_on: str) -> Job:
    """Raises Stale, Refused, and virt.errors for what there is not."""
    if reason := refusal(network, "change"):
        _refuse(user, "change_network", network.name, reason)
    if based_on != network.digest:
        audit.record(f"{_KIND}change_network", network.name, actor=user, result="refused", detail={"why": "stale"})
        raise Stale(f"{network.name} was changed meanwhile. Look at it again; nothing was done.")
    root = tree.parse(network.xml, "network")
    before = tree.canonical(root)
    made = []
    for edit in edits:
        edit = _completed(root, edit)
        if reason := _first(checks.of_edit(network, root, edit), _describer(edit)):
            _refuse(user, "change_network", network.name, reason)
        editing.apply(root, edit)
        made.append(edit)
    if tree.canonical(root) == before:
        _refuse(user, "change_network", network.name, "Nothing would change.")
    params = {"based_on": based_on, "edits": [edit.as_dict for edit in made]}
    return jobs.submit(f"{_KIND}change_network", network.subject, asked_by=user, params=params)


# ── steps ──


def _completed(root: Any, edit: Edit) -> Edit:
    """With what it was, by which a worker tells afterwards whether it was done."""
    if edit.verb not in ("change", "remove"):
        return edit
    part = part_named(edit.what)
    node = part.at(root, edit.place)
    return Edit(edit.verb, edit.what, edit.place, edit.values, part.read(node)) if node is not None else edit


def _describer(edit: Edit) -> Any:
    return mode_named(edit.what).field if edit.verb == "set" else part_named(edit.what).field


def _first(problems: checks.Problems, field: Any) -> str:
    """The first of them in one line."""
    for name, words in problems.items():
        title = name.capitalize() if name in ("name", "mode") else field(name).title
        return f"{title}: {words}"
    return ""


def _name_problem(name: str) -> str:
    try:
        names.network_name(name)
    except Invalid as exc:
        return str(exc)
    return ""


def _about(user: User, network: Network, deed: str, kind: str, params: dict[str, Any] | None = None) -> Job:
    reason = refusal(network, deed)
    if reason:
        _refuse(user, kind, network.name, reason)
    return jobs.submit(_KIND + kind, network.subject, asked_by=user, params=params)


def _refuse(user: User, kind: str, name: str, reason: str) -> NoReturn:
    audit.record(_KIND + kind, name[:200], actor=user, result="refused", detail={"why": reason})
    raise Refused(f"{name[:200]}: {reason}")
