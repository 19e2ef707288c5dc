"""What cloud-init reads: nothing that a person typed becomes another key, and a password stands there as a hash alone."""

from __future__ import annotations

import io
import json

import pycdlib
import pytest

from virt.errors import Invalid
from virt.passwords import sha512_crypt
from virt.seed import Seed, build_iso, documents, user_data

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6q4oV6kJ6dRZ2c3yqV0cN0lGm7m8kq1m7d0c3l5Xyz anna@laptop"


def test_the_config_says_what_was_chosen() -> None:
    files = documents(Seed("i-1", "web-1", user="anna", password_hash="$6$x$y", ssh_keys=(KEY,), packages=("nginx",), network={"version": 2}))
    assert files["meta-data"] == "instance-id: i-1\nlocal-hostname: web-1\n"
    config = json.loads(files["user-data"].removeprefix("#cloud-config\n"))
    assert config["users"][1]["hashed_passwd"] == "$6$x$y"
    assert config["users"][1]["ssh_authorized_keys"] == [KEY]
    assert config["packages"] == ["nginx"]
    assert json.loads(files["network-config"]) == {"version": 2}


def test_ones_own_user_data_is_added() -> None:
    text = documents(Seed("i", "web", user_data="#!/bin/sh\necho hello\n"))["user-data"]
    assert text.startswith("Content-Type: multipart/mixed")
    assert "text/cloud-config" in text
    assert "text/x-shellscript" in text


def test_the_disc_is_named_and_readable() -> None:
    iso = pycdlib.PyCdlib()
    iso.open_fp(io.BytesIO(build_iso(Seed("i", "web"))))
    assert iso.pvd.volume_identifier.strip() == b"cidata"
    out = io.BytesIO()
    iso.get_file_from_iso_fp(out, rr_path="/meta-data")
    assert b"local-hostname: web" in out.getvalue()
    iso.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"host_name": "web_1"},
        {"host_name": "web\nevil: yes"},
        {"user": "Anna"},
        {"user": "a:b"},
        {"ssh_keys": ("not a key",)},
        {"ssh_keys": (KEY + "\nssh-rsa x",)},
        {"user": "", "packages": ("nginx; rm -rf /",)},
        {"user_data": "echo hello"},
        {"user_data": "#cloud-config\n\tkey: value"},
        {"user_data": "#cloud-config\nkey value"},
        {"user_data": "#!/bin/sh\n" + "x" * 600_000},
    ],
)
def test_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        documents(Seed(**{"instance_id": "i", "host_name": "web", **wrong}))  # type: ignore[arg-type]


def test_user_data_that_is_fine() -> None:
    text = "#cloud-config\nruncmd:\n  - [echo, hello]\n# a word\nusers:\n- default\n"
    assert user_data(text) == text
    assert user_data("  \n") == ""


def test_sha512_crypt() -> None:
    """The scheme's own test vectors."""
    first = "OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v."
    assert sha512_crypt("Hello world!", "saltstringsaltst", 10000) == f"$6$rounds=10000$saltstringsaltst${first}"
    second = "lQ8jolhgVRVhY4b5pZKaysCLi0QBxGoNeKQzQ3glMhwllF7oGDZxUhx1yxdYcz/e1JSbq3y6JMxxl8audkUEm0"
    assert sha512_crypt("This is just a test", "toolongsaltstrin", 5000) == f"$6$rounds=5000$toolongsaltstrin${second}"


def test_a_password_must_be_one() -> None:
    for wrong in ("", "x" * 257, "a\0b"):
        with pytest.raises(ValueError, match="password"):
            sha512_crypt(wrong)
