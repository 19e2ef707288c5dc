"""The NoCloud seed: a small disc that tells cloud-init what machine this is. https://docs.cloud-init.io/en/latest/reference/datasources/nocloud.html

What is generated is JSON, which is YAML as well: nothing that a person typed can become another key.
"""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass, field
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import Any

import pycdlib

from virt.errors import Invalid

LONGEST_USER_DATA = 512 * 1024
_KINDS = {"#cloud-config": "cloud-config", "#!": "x-shellscript", "#include": "x-include-url", "## template: jinja": "jinja2"}
_HOST_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*", re.IGNORECASE)
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_KEY = re.compile(
    r"(ssh-(ed25519|rsa|dss)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com) [A-Za-z0-9+/=]{40,12000}( [^\r\n\0]{0,200})?"
)
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._:@/-]{0,127}")


@dataclass(frozen=True, slots=True)
class Seed:
    """What a machine is told. `password_hash`: as crypt(3) has it ($6$…); `network`: version 2 of cloud-init's network config, {} for its default."""

    instance_id: str
    host_name: str
    user: str = ""
    password_hash: str = ""
    ssh_keys: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    user_data: str = ""
    network: dict[str, Any] = field(default_factory=dict)


def host_name(text: str) -> str:
    if not _HOST_NAME.fullmatch(text):
        raise Invalid("A host name has letters, digits and “-”, in parts separated by dots.")
    return text


def user_name(text: str) -> str:
    if not _USER.fullmatch(text):
        raise Invalid("A user's name has small letters, digits, “-” and “_”, and begins with a letter.")
    return text


def ssh_key(line: str) -> str:
    if not _KEY.fullmatch(line):
        raise Invalid(f"This is not a public SSH key: {line[:40]}")
    return line


def package(name: str) -> str:
    if not _PACKAGE.fullmatch(name):
        raise Invalid(f"This is not the name of a package: {name[:40]}")
    return name


def user_data(text: str) -> str:
    """Checked as far as can be without running it: cloud-init ignores silently what it does not know by its first line."""
    if not text.strip():
        return ""
    if len(text.encode(errors="replace")) > LONGEST_USER_DATA or "\0" in text:
        raise Invalid("User-data has at most 512 KiB of text.")
    if not any(text.startswith(head) for head in _KINDS):
        raise Invalid("User-data begins with “#cloud-config”, “#!” (a script) or “#include”: cloud-init would ignore it otherwise.")
    if text.startswith("#cloud-config"):
        _check_indents(text)
    return text


def documents(seed: Seed) -> dict[str, str]:
    """The files of the disc. Raises Invalid for what cloud-init could not use."""
    meta = {"instance-id": seed.instance_id, "local-hostname": host_name(seed.host_name)}
    files = {"meta-data": _meta(meta), "user-data": _user_data(seed)}
    if seed.network:
        files["network-config"] = json.dumps(seed.network, indent=1) + "\n"
    return files


def build_iso(seed: Seed) -> bytes:
    """The disc, some 60 KiB: an ISO 9660 image named "cidata"."""
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident="cidata")
    for number, (name, text) in enumerate(documents(seed).items()):
        data = text.encode()
        iso.add_fp(io.BytesIO(data), len(data), f"/FILE{number}.;1", rr_name=name, joliet_path=f"/{name}")
    out = io.BytesIO()
    iso.write_fp(out)
    iso.close()
    return out.getvalue()


def _meta(values: dict[str, str]) -> str:
    """One "key: value" a line, which is what the simplest readers of a seed understand too; the values are checked words."""
    return "".join(f"{key}: {value}\n" for key, value in values.items())


def _user_data(seed: Seed) -> str:
    config = "#cloud-config\n" + json.dumps(_config(seed), indent=1) + "\n"
    own = user_data(seed.user_data)
    if not own:
        return config
    both = MIMEMultipart()
    both.attach(_part(config, "cloud-config"))
    both.attach(_part(own, next(kind for head, kind in _KINDS.items() if own.startswith(head))))
    return both.as_string()


def _part(text: str, kind: str) -> MIMEText:
    part = MIMEText(text, kind, "utf-8")
    part.add_header("Merge-Type", "list(append)+dict(recurse_array,no_replace)+str()")
    return part


def _config(seed: Seed) -> dict[str, Any]:
    keys = [ssh_key(line) for line in seed.ssh_keys]
    config: dict[str, Any] = {"hostname": host_name(seed.host_name), "preserve_hostname": False}
    if seed.user:
        user: dict[str, Any] = {"name": user_name(seed.user), "sudo": "ALL=(ALL) NOPASSWD:ALL", "shell": "/bin/bash", "lock_passwd": not seed.password_hash}
        if seed.password_hash:
            user["hashed_passwd"] = seed.password_hash
        if keys:
            user["ssh_authorized_keys"] = keys
        config["users"] = ["default", user]
        config["ssh_pwauth"] = bool(seed.password_hash)
    elif keys:
        config["ssh_authorized_keys"] = keys
    if seed.packages:
        config["packages"] = [package(name) for name in seed.packages]
        config["package_update"] = True
    return config


def _check_indents(text: str) -> None:
    """The mistakes that people make most."""
    for number, line in enumerate(text.splitlines(), 1):
        if "\t" in line[: len(line) - len(line.lstrip())]:
            raise Invalid(f"Line {number} of the user-data is indented by a tab: YAML takes spaces alone.")
        if number > 1 and line[:1] not in (" ", "#", "-", "") and ":" not in line and line.strip() not in ("---", "...", "{", "}", "]"):
            raise Invalid(f"Line {number} of the user-data is no “key: value”.")
