"""How a kind of storage pool is described: what is asked for, where that stands in the XML, and what libvirt can do with such a pool.

https://libvirt.org/formatstorage.html and https://libvirt.org/storage.html
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from lxml import etree

from virt import names
from virt.errors import Invalid
from virt.xml import tree
from virt.xml.devices.kind import Field, Values
from virt.xml.parse import parse
from virt.xml.pools.slots import Nowhere, split

# "folder": a directory, made where it is missing. "format": what is on the devices is replaced. "": nothing to be made, the store has it.
Build = Literal["", "folder", "format"]


@dataclass(frozen=True)
class Login:
    """A password that libvirt keeps as a secret of its own; the XML names it by uuid.

    way      <auth type=>; usage: <usage type=>
    encoded  typed in base64, as Ceph writes its keys
    """

    way: str
    usage: str
    encoded: bool = False


def _no_problem(values: Values) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class PoolKind:
    """A kind of pool that can be made here.

    fields      what is asked for besides its name; "user" and "password" belong to `login`
    build       what building does; makes: what it makes, for a person: "a new file system on the device"
    overwrites  whether libvirt tells an empty device from one in use, so that it can be told to overwrite
    delete      what libvirt removes with the pool's own data, in words; "" where it can't. destroys: whether volumes go with it
    empty_first whether that must hold no volume any more
    formats     of new volumes, the usual one first; () where libvirt makes none. says_format: whether they stand in a volume's XML
    takes_files whether a file can become a volume: by any name, its bytes written through libvirt
    search      fields that are needed to ask the host for sources; None where libvirt can't search
    shared      its source is the same store for every host that names it
    cuts        stopping it takes the volumes away from machines that run
    target      <target><path> where nobody is asked for it; "{source}" is the value of that field
    check       (values) → field → what is wrong with them together
    """

    name: str
    title: str
    text: str
    icon: str
    fields: tuple[Field, ...]
    build: Build = ""
    makes: str = ""
    overwrites: bool = False
    delete: str = ""
    destroys: bool = False
    empty_first: bool = False
    formats: tuple[str, ...] = ("raw",)
    says_format: bool = True
    takes_files: bool = True
    search: tuple[str, ...] | None = None
    login: Login | None = None
    shared: bool = False
    cuts: bool = True
    target: str = ""
    check: Callable[[Values], Mapping[str, str]] = _no_problem

    def field(self, name: str) -> Field:
        """Raises Invalid for a name that it has not."""
        for each in self.fields:
            if each.name == name:
                return each
        raise Invalid(f"{self.title} has no “{name}”.")

    @property
    def has_path(self) -> bool:
        """Whether a person says where on the host it is."""
        return any(each.name == "path" for each in self.fields)

    def completed(self, name: str, values: Values) -> Values:
        """With what follows from the pool's name where nothing was given."""
        if self.has_path and not values.get("path") and not self.field("path").required:
            return {**values, "path": f"/var/lib/libvirt/pools/{name}"}
        return dict(values)

    def problems(self, values: Values) -> dict[str, str]:
        """Field → what is wrong with its value; each alone first, then together."""
        found = {each.name: each.problem(values.get(each.name, "")) for each in self.fields if self.asks(each, values)}
        found = {name: words for name, words in found.items() if words}
        return found or {name: words for name, words in self.check(values).items() if words}

    def asks(self, each: Field, values: Values) -> bool:
        return each.when is None or values.get(each.when[0], "") in each.when[1]

    def build_xml(self, name: str, uuid: str, values: Values, *, secret: str = "") -> str:
        """`secret`: the uuid of libvirt's secret. Raises Invalid for a name or value that won't do."""
        values = self.completed(name, values)
        for field, words in self.problems(values).items():
            raise Invalid(f"{self.field(field).title}: {words}")
        root = etree.Element("pool", type=self.name)
        tree.append(root, "name").text = names.pool_name(name)
        tree.append(root, "uuid").text = uuid
        for each in self.fields:
            value = values.get(each.name, "")
            if value and each.type != "secret" and self.asks(each, values) and each.name != "user":
                each.place.write(root, value)
        if self.login and values.get("user") and secret:
            self._write_login(root, values["user"], secret)
        if self.target:
            tree.append(tree.append(root, "target"), "path").text = self.target.format_map(values)
        return tree.text_of(root)

    def read(self, xml: str) -> Values:
        """Raises Invalid for XML that can't be read."""
        return self._values(parse(xml))

    # ── searching ──

    def search_xml(self, values: Values) -> str:
        """<source> for libvirt's search."""
        root = etree.Element("pool")
        for name in self.search or ():
            self.field(name).place.write(root, values.get(name, ""))
        source = root.find("source")
        return tree.text_of(source) if source is not None else ""

    def found(self, xml: str) -> list[Values]:
        """What libvirt found, as values of our fields. Raises Invalid for what is no list of sources."""
        root = parse(xml)
        if root.tag != "sources":
            raise Invalid("The host's answer can't be read.", f"<{root.tag}>")
        found = []
        for source in root.iterfind("source"):
            pool = etree.Element("pool")
            pool.append(copy.deepcopy(source))
            values = {name: value for name, value in self._values(pool).items() if value}
            if values and values not in found:
                found.append(values)
        return found

    def _values(self, root: etree._Element) -> Values:
        return {each.name: each.place.read(root) for each in self.fields}

    def _write_login(self, root: etree._Element, user: str, secret: str) -> None:
        assert self.login
        source = root.find("source")
        auth = tree.append(tree.append(root, "source") if source is None else source, "auth")
        auth.set("type", self.login.way)
        auth.set("username", user)
        tree.append(auth, "secret").set("uuid", secret)


# ── what the fields of several kinds share ──


def told(check: Callable[[str], object]) -> Callable[[str], str]:
    """A check of virt.names, which raises, as a field's, which tells."""

    def problem(value: str) -> str:
        try:
            check(value)
        except Invalid as exc:
            return str(exc)
        return ""

    return problem


def each_line(check: Callable[[str], str]) -> Callable[[str], str]:
    def problem(value: str) -> str:
        return next((words for line in value.split() if (words := check(line))), "")

    return problem


def device_problem(value: str) -> str:
    """A block device of the host."""
    try:
        plain = names.absolute(value)
    except Invalid as exc:
        return str(exc)
    return "" if plain.startswith("/dev/") and plain == value else "A device of the host, such as /dev/disk/by-id/… or /dev/sdb."


def host_problem(value: str) -> str:
    """ "name" or "name:port"."""
    name, port = split(value)
    if port and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        return "A port is a number from 1 to 65535."
    return told(names.host_name)(name)


def word_problem(what: str) -> Callable[[str], str]:
    return told(lambda value: names.word(value, what))


def path_field(hint: str = "", *, required: bool = False, title: str = "Mounted at") -> Field:
    return Field("path", title, "target/path", required=required, hint=hint, check=told(names.pool_target))


def device_field(title: str = "Device", *, hint: str = "Of the host. A name under /dev/disk/by-id stays the same when disks are added.") -> Field:
    return Field("device", title, "source/device/@path", required=True, hint=hint, check=device_problem)


def login_fields(user: str, password: str, *, hint: str = "", check: Callable[[str], str] | None = None) -> tuple[Field, ...]:
    return (
        Field("user", user, "source/auth/@username", check=word_problem("A user's name"), hint="Empty: without signing in."),
        Field("password", password, Nowhere(), "secret", hint=hint, check=check),
    )
