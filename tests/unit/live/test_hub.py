"""Which sockets a fact reaches, and which of its topics each of them hears."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from accounts.rights import Rights
from live.consumers import LiveConsumer
from live.hub import Hub


def _socket(hub: Hub, rights: Rights, *topics: str) -> LiveConsumer:
    socket = LiveConsumer()
    socket._rights = rights
    hub._sockets.add(socket)
    hub.subscribe(socket, set(topics))
    return socket


def _fact(topics: Sequence[str], *, host: int = 0, machines: Sequence[int] = ()) -> dict[str, Any]:
    return {"type": "fact", "topics": list(topics), "what": "state", "host": host, "machines": list(machines)}


def _heard(socket: LiveConsumer) -> list[list[str]]:
    return [json.loads(frame)["topics"] for frame in socket._frames]


def test_a_fact_names_only_the_topics_that_the_socket_subscribed() -> None:
    hub = Hub()
    socket = _socket(hub, Rights(fleet=10), "machine:1", "machines")
    hub._dispatch(_fact(["machine:1", "machine:2", "machines", "host:3"], host=3, machines=[1, 2]))
    assert _heard(socket) == [["machine:1", "machines"]]


def test_a_list_topic_reaches_those_who_may_see_one_of_the_machines() -> None:
    hub = Hub()
    mine = _socket(hub, Rights(machines={2: 10}), "machines")
    foreign = _socket(hub, Rights(machines={9: 40}), "machines")
    hub._dispatch(_fact(["machine:1", "machine:2", "machines"], host=3, machines=[1, 2]))
    assert _heard(mine) == [["machines"]]
    assert _heard(foreign) == []


def test_the_topic_of_an_object_is_heard_without_a_right_to_its_host() -> None:
    """A host that went away takes its machines with it: also for those who may see one machine of it alone."""
    hub = Hub()
    socket = _socket(hub, Rights(machines={1: 10}), "machine:1", "hosts")
    hub._dispatch(_fact(["host:3", "hosts", "machine:1"], host=3))
    assert _heard(socket) == [["machine:1"]]
