"""<vcpu> and <cpu>: https://libvirt.org/formatdomain.html#cpu-model-and-topology"""

from __future__ import annotations

import re

from lxml import etree

from virt.xml import tree
from virt.xml.devices.kind import Field, Kind
from virt.xml.read.values import attribute, text, whole
from virt.xml.slot import At

_MODES = (
    ("host-passthrough", "The host's own, exactly"),
    ("host-model", "Like the host's, able to migrate"),
    ("maximum", "All that the emulator has"),
    ("custom", "A named model"),
    ("", "As the hypervisor chooses"),
)
_POLICIES = {"+": "require", "-": "disable", "!": "forbid", "?": "optional", "=": "force"}


class _Current:
    """How many are in the machine now, or at its start; all of them where nothing is said."""

    def read(self, node: etree._Element) -> str:
        return At("vcpu/@current").read(node) or At("vcpu").read(node)

    def write(self, node: etree._Element, value: str) -> None:
        most = At("vcpu").read(node)
        if value != self.read(node):
            At("vcpu/@current").write(node, "" if value == most else value)


class _Most:
    """As <vcpu>; one that had all of them has all of the new number, unless both are said."""

    def read(self, node: etree._Element) -> str:
        return At("vcpu").read(node)

    def write(self, node: etree._Element, value: str) -> None:
        if value == self.read(node):
            return
        found = node.find("vcpu")
        found = tree.append(node, "vcpu") if found is None else found
        current = found.get("current")
        found.text = value
        if current and int(current) >= int(value):
            del found.attrib["current"]
        for each in node.findall("vcpus"):  # a list of each one's state, for the old number
            tree.remove(each)


class _Mode:
    def read(self, node: etree._Element) -> str:
        cpu = node.find("cpu")
        return attribute(cpu, "mode") or ("custom" if text(cpu, "model") else "")

    def write(self, node: etree._Element, value: str) -> None:
        """Another mode: model, features and checks of the old one make no sense with it; topology and NUMA stay."""
        if value == self.read(node):
            return
        cpu = node.find("cpu")
        cpu = tree.append(node, "cpu") if cpu is None else cpu
        for name in ("mode", "match", "check", "migratable"):
            cpu.attrib.pop(name, "")
        for child in [*cpu.findall("model"), *cpu.findall("vendor"), *cpu.findall("feature")]:
            tree.remove(child)
        if value:
            cpu.set("mode", value)
        if value == "custom":
            cpu.set("match", "exact")


class _Model:
    def read(self, node: etree._Element) -> str:
        return text(node.find("cpu"), "model")

    def write(self, node: etree._Element, value: str) -> None:
        cpu = node.find("cpu")
        if value == self.read(node) or cpu is None or _Mode().read(node) != "custom":
            return
        At("model").write(cpu, value)


class _Features:
    """One a line: +vmx (required), -x (switched off), !x (must not be), ?x (if it can), =x (forced)."""

    def read(self, node: etree._Element) -> str:
        signs = {policy: sign for sign, policy in _POLICIES.items()}
        return "\n".join(f"{signs.get(each.get('policy') or 'require', '+')}{each.get('name')}" for each in node.iterfind("cpu/feature"))

    def write(self, node: etree._Element, value: str) -> None:
        if value == self.read(node):
            return
        cpu = node.find("cpu")
        cpu = tree.append(node, "cpu") if cpu is None else cpu
        for each in cpu.findall("feature"):
            tree.remove(each)
        for line in value.split("\n"):
            name = line.strip()
            if name:
                sign = name[0] if name[0] in _POLICIES else "+"
                feature = tree.append(cpu, "feature")
                feature.set("policy", _POLICIES[sign])
                feature.set("name", name.lstrip("+-!?="))


def features_problem(value: str) -> str:
    lines = [line.strip() for line in value.split("\n") if line.strip()]
    return "" if all(re.fullmatch(r"[-+!?=]?[A-Za-z0-9_.-]{1,40}", line) for line in lines) else "One a line, such as +vmx or -svm."


def model_problem(value: str) -> str:
    return "" if re.fullmatch(r"[A-Za-z0-9_.+-]{1,80}", value) else "The name of a CPU model."


def _summary(node: etree._Element) -> str:
    mode = _Mode().read(node)
    current, most = _Current().read(node), At("vcpu").read(node)
    count = current if current == most else f"{current} of {most}"
    return ", ".join(filter(None, (f"{count} vCPU", _Model().read(node) if mode == "custom" else mode)))


def _settle(root: etree._Element, node: etree._Element) -> None:
    """A topology has all three of its numbers, or it is none."""
    cpu = root.find("cpu")
    topology = cpu.find("topology") if cpu is not None else None
    if cpu is None or topology is None:
        return
    for name in ("sockets", "cores", "threads"):
        if not topology.get(name):
            topology.set(name, "1")
    if cpu.get("mode") == "custom" and cpu.find("model") is None:
        cpu.attrib.pop("mode")


def topology_problem(values: dict[str, str]) -> str:
    """Whether sockets × dies × cores × threads are the vCPUs."""
    parts = [values.get(name) or "" for name in ("sockets", "dies", "cores", "threads")]
    if not any(parts):
        return ""
    product = 1
    for part in parts:
        product *= whole(part, 1) or 1
    most = whole(values.get("vcpus", ""), product)
    return "" if product == most else f"Sockets, dies, cores and threads make {product}, not {most} vCPUs."


KIND = Kind(
    name="cpu",
    title="CPU",
    icon="cpu",
    group="system",
    tag="",
    most=1,
    removable=False,
    addable=False,
    summary=_summary,
    settle=_settle,
    extra={"whole": topology_problem, "named": "cpu"},
    fields=(
        Field("vcpus", "vCPUs, at most", _Most(), "number", least=1, most=4096, required=True),
        Field("current", "vCPUs now", _Current(), "number", least=1, most=4096, live="vcpus", hint="Can only grow while it runs"),
        Field("mode", "Model", _Mode(), "choice", _MODES, compared=False, free=True),
        Field("model", "Name of the model", _Model(), offers="cpu-models", check=model_problem, when=("mode", ("custom",)), compared=False),
        Field("sockets", "Sockets", "cpu/topology/@sockets", "number", least=1, most=4096),
        Field("dies", "Dies a socket", "cpu/topology/@dies", "number", least=1, most=64, rare=True, compared=False),
        Field("cores", "Cores a socket", "cpu/topology/@cores", "number", least=1, most=4096),
        Field("threads", "Threads a core", "cpu/topology/@threads", "number", least=1, most=8),
        Field("features", "Features", _Features(), "lines", check=features_problem, compared=False, rare=True, hint="One a line: +vmx adds, -svm takes away"),
    ),
)
