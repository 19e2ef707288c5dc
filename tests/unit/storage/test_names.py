"""What a person says can't lead out of a pool, nor into the host's own files."""

from __future__ import annotations

import pytest

from virt import names
from virt.errors import Invalid
from virt.xml.build.volume import VolumeSpec, build_xml
from virt.xml.read.volume import read_volume


@pytest.mark.parametrize("name", ["a.qcow2", "Windows 11 (x64).iso", "диск.raw", "a" * 200])
def test_names_that_are_fine(name: str) -> None:
    assert names.volume_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/etc/passwd", "a\\b", "-rf", " a", "a ", "a\nb", "a\x00b", "a" * 201, "\ud800"])
def test_names_that_could_escape(name: str) -> None:
    with pytest.raises(Invalid):
        names.volume_name(name)


@pytest.mark.parametrize("path", ["/srv/pool", "/var/lib/libvirt/images", "/home/me/vms", "/data//x/"])
def test_targets_that_are_fine(path: str) -> None:
    assert names.pool_target(path).startswith("/")


@pytest.mark.parametrize(
    "path",
    ["", "relative", "/", "//", "/etc", "/etc/../srv", "/srv/../etc", "/./etc", "/usr/share", "//etc/x", "/proc/self", "/var/lib", "/srv", "/a\nb"],
)
def test_targets_of_the_host_itself(path: str) -> None:
    with pytest.raises(Invalid):
        names.pool_target(path)


def test_what_is_built_is_read_back() -> None:
    spec = VolumeSpec("a<b>&.qcow2", 10 * 2**30, "qcow2", 0, "/srv/pool/base.raw", "raw")
    read = read_volume(build_xml(spec))
    assert (read.name, read.capacity_bytes, read.format, read.backing_path, read.backing_format) == (
        spec.name,
        10 * 2**30,
        "qcow2",
        "/srv/pool/base.raw",
        "raw",
    )


@pytest.mark.parametrize(
    "spec",
    [
        VolumeSpec("x", 1, "vmdk"),
        VolumeSpec("x", -1),
        VolumeSpec("x", 2**60),
        VolumeSpec("x", 1, "raw", 0, "/b", "raw"),
        VolumeSpec("x", 1, "qcow2", 0, "/b", ""),
    ],
)
def test_the_format_is_always_said(spec: VolumeSpec) -> None:
    with pytest.raises(Invalid):
        build_xml(spec)
