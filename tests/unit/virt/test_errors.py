"""The tree of what can go wrong: drawn as it is, and each leaf says whether trying again helps."""

from __future__ import annotations

import errno
import pickle
import re
import socket

import pytest

from virt import errors
from virt.errors import HostSilent, HostUnreachable, PermissionRefused, VirtError, from_os_error

_CLASSES = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, VirtError)]


@pytest.mark.parametrize("kind", _CLASSES)
def test_the_drawing_tells_the_truth(kind: type[VirtError]) -> None:
    drawn = re.search(rf"^(?P<lead>[│├└─ ]*){kind.__name__}\b(?P<words>.*)$", errors.__doc__ or "", re.MULTILINE)
    assert drawn
    assert len(drawn["lead"]) // 4 == len(kind.__mro__) - 1 - VirtError.__mro__.index(Exception) - len(Exception.__mro__) + 1
    assert ("(retry)" in drawn["words"]) == kind.retry


@pytest.mark.parametrize("kind", _CLASSES)
def test_survives_a_trip_through_pickle(kind: type[VirtError]) -> None:
    before = kind("words", "libvirt's own", 42)
    after = pickle.loads(pickle.dumps(before))
    assert (type(after), str(after), after.detail, after.code) == (kind, "words", "libvirt's own", 42)


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        (socket.gaierror(-2, "Name or service not known"), HostUnreachable, "name"),
        (TimeoutError("timed out"), HostUnreachable, "in time"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), HostUnreachable, "refuses"),
        (OSError(errno.EHOSTUNREACH, "x"), HostUnreachable, "no way"),
        (PermissionError(errno.EACCES, "x"), PermissionRefused, "group libvirt"),
        (FileNotFoundError(errno.ENOENT, "x"), HostUnreachable, "not there"),
        (OSError(errno.ENOTTY, "x"), HostUnreachable, "can't be reached"),
    ],
)
def test_our_own_sockets_errors(given: OSError, kind: type[VirtError], words: str) -> None:
    found = from_os_error(given)
    assert type(found) is kind
    assert words in str(found)


def test_silence_is_a_kind_of_being_unreachable() -> None:
    assert issubclass(HostSilent, HostUnreachable)
