"""Names of volumes, pools and networks, and places of pools: what a person or a browser says must not lead out of a pool, nor into the host's own files.

libvirt checks less than this: it takes "-rf" for a volume, and lets a pool be made of /etc.
"""

from __future__ import annotations

import posixpath
import re

from virt.errors import Invalid

_MOST_BYTES = 200  # a file's name holds 255; libvirt appends to it now and then

# Directories of the host itself: a pool there would list its files as volumes, and could delete them.
_FORBIDDEN = ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/root", "/run", "/sbin", "/sys", "/usr")
_FORBIDDEN_ITSELF = frozenset(
    {"/", "/home", "/opt", "/srv", "/tmp", "/var", "/mnt", "/media", "/var/lib", "/var/lib/libvirt", "/var/log", "/var/run", "/var/spool"}
)
_FORBIDDEN_DEEP = ("/var/run", "/var/lib/dpkg", "/var/lib/rpm", "/var/lib/libvirt/qemu", "/var/log", "/var/spool/cron")


def volume_name(name: str) -> str:
    """The name, unchanged. Raises Invalid when it could not be a file in one directory, or a word of a command line."""
    if not name or name != name.strip() or name in (".", "..") or "/" in name or "\\" in name or name.startswith("-"):
        raise Invalid("A volume's name is not empty, has no “/” or “\\”, and does not begin with “-” or a space.")
    return _short_and_printable(name, "A volume's name")


def pool_name(name: str) -> str:
    """The same for a pool; libvirt makes a file of its definition by that name."""
    if not name or name != name.strip() or name in (".", "..") or "/" in name or name.startswith(("-", ".")):
        raise Invalid("A pool's name is not empty, has no “/”, and does not begin with “-”, “.” or a space.")
    return _short_and_printable(name, "A pool's name")


def network_name(name: str) -> str:
    """The same for a network; libvirt names files and processes after it, and machines' definitions name it."""
    if not name or name != name.strip() or name.startswith(("-", ".")) or any(letter in name for letter in "/\\'\"<>&"):
        raise Invalid("A network's name is not empty, has none of / \\ ' \" < > &, and does not begin with “-”, “.” or a space.")
    if any(letter.isspace() for letter in name):
        raise Invalid("A network's name has no spaces: machines' cards name it.")
    return _short_and_printable(name, "A network's name")


def pool_target(path: str) -> str:
    """A directory for a pool, normalised. Raises Invalid for one that is not absolute or belongs to the host's own system."""
    plain = absolute(path)
    inside = any(plain == each or plain.startswith(f"{each}/") for each in (*_FORBIDDEN, *_FORBIDDEN_DEEP))
    if plain in _FORBIDDEN_ITSELF or inside:
        raise Invalid(f"{plain} belongs to the host's own system. Choose a directory of its own, as /var/lib/libvirt/images or /srv/pool.")
    return plain


def absolute(path: str) -> str:
    """An absolute path without “..”, normalised."""
    if not path.startswith("/") or not path.isprintable() or ".." in path.split("/") or len(path.encode(errors="replace")) > 1000:
        raise Invalid("A path begins with “/” and has no “..” in it.")
    return "/" + posixpath.normpath(path).lstrip("/")


def host_name(name: str) -> str:
    """A name or address of a store: nothing that a mount command could take for something else."""
    if not re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9_.:-]{0,252}[A-Za-z0-9])?", name) and not re.fullmatch(r"\[[0-9A-Fa-f:.]{2,45}\]", name):
        raise Invalid("This is not the name or address of a host.")
    return name


def word(text: str, what: str) -> str:
    """A name of a volume group, an image pool, a target …: one word."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.:/@+-]{0,199}", text) or ".." in text:
        raise Invalid(f"{what} is one word of letters, digits, “.”, “:”, “_” and “-”.")
    return text


def _short_and_printable(name: str, what: str) -> str:
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        size = _MOST_BYTES + 1
    if size > _MOST_BYTES or not name.isprintable():
        raise Invalid(f"{what} has at most {_MOST_BYTES} bytes and no control characters.")
    return name
