"""Guessing a password is slow for strangers, and locks nobody out whom we know.

An attempt is counted before its password is checked, so that parallel guesses count too, and given back when it was
right. Three counters, each of a fixed time that begins with its first attempt:

  address           a stranger's machine trying many names
  name at address   a stranger's machine trying one name: its guesses never reach the third counter's limit alone
  name              many strangers' machines trying one name

A browser that signed in before as this person carries a signed mark and is counted by itself alone, so an attack on a
name does not keep its person out. Names that do not exist are counted like those that do.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
from dataclasses import dataclass

from django.conf import settings
from django.core import signing
from django.core.cache import cache
from django.http import HttpRequest, HttpResponseBase

_SALT = "accounts.known-browser"
_KNOWN_SECONDS = 365 * 24 * 3600


class TooMany(Exception):
    """No attempt is allowed now; `minutes` at most until the next one is. `first`: the one that met the limit."""

    def __init__(self, minutes: int, *, first: bool) -> None:
        super().__init__(f"Too many attempts. Try again in {minutes} min.")
        self.minutes, self.first = minutes, first


@dataclass(frozen=True)
class _Limit:
    attempts: int
    minutes: int


_OF_ADDRESS = _Limit(30, 1)
_OF_NAME_AT_ADDRESS = _Limit(8, 5)
_OF_NAME = _Limit(40, 15)
_OF_KNOWN_BROWSER = _Limit(10, 5)


def count(request: HttpRequest, name: str) -> None:
    """Count an attempt to sign in as `name`; raises TooMany when it must not even be checked."""
    for key, limit in _counters(request, name).items():
        made = _increase(key, limit)
        if made > limit.attempts:
            raise TooMany(limit.minutes, first=made == limit.attempts + 1)


def give_back(request: HttpRequest, name: str) -> None:
    """The attempt was right: it does not count."""
    for key in _counters(request, name):
        try:
            cache.decr(key)
        except ValueError:  # its time was over
            continue


def remember_browser(request: HttpRequest, response: HttpResponseBase, name: str) -> None:
    """This browser signed in as `name`: it gets a counter of its own from now on."""
    if _known(request, name):
        return
    mark = signing.dumps([_folded(name), secrets.token_urlsafe(12)], salt=_SALT)
    response.set_cookie(_cookie(name), mark, max_age=_KNOWN_SECONDS, path="/account/", secure=settings.SESSION_COOKIE_SECURE, httponly=True, samesite="Lax")


def forget(name: str) -> None:
    """Lift the limit on a name, for a person at the command line."""
    cache.delete(_key("name", _folded(name)))


def _counters(request: HttpRequest, name: str) -> dict[str, _Limit]:
    known = _known(request, name)
    if known:
        return {_key("known", known): _OF_KNOWN_BROWSER}
    address, folded = _network(request), _folded(name)
    return {
        _key("address", address): _OF_ADDRESS,
        _key("name at address", f"{address} {folded}"): _OF_NAME_AT_ADDRESS,
        _key("name", folded): _OF_NAME,
    }


def _increase(key: str, limit: _Limit) -> int:
    """The number of attempts with this one; the counter is made by its first."""
    while True:
        cache.add(key, 0, timeout=limit.minutes * 60)
        try:
            return cache.incr(key)
        except ValueError:  # its time ended between the two calls
            continue


def _known(request: HttpRequest, name: str) -> str:
    """The mark of this browser for `name`, or "" when it has none of ours."""
    try:
        marked, mark = signing.loads(request.COOKIES.get(_cookie(name), ""), salt=_SALT, max_age=_KNOWN_SECONDS)
    except (signing.BadSignature, ValueError, TypeError):
        return ""
    return str(mark) if marked == _folded(name) else ""


def _network(request: HttpRequest) -> str:
    """The address; of IPv6 the /64, which one machine has for itself."""
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", "").partition("%")[0])
    except ValueError:
        return "local"
    if isinstance(address, ipaddress.IPv6Address) and not address.ipv4_mapped:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _cookie(name: str) -> str:
    return f"wv_known_{_hash(_folded(name))[:12]}"


def _key(kind: str, what: str) -> str:
    return f"attempts:{kind.replace(' ', '-')}:{_hash(what)}"


def _folded(name: str) -> str:
    return name.strip().lower()


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
