"""What the environment says: data directory, secrets as files, URLs of the services.

Nothing here imports Django, so that `script/server` and the supervisor can ask the same questions.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def data_dir() -> Path:
    """WEBVIRT_DATA, else the user's XDG data directory; created private (0700)."""
    named = os.environ.get("WEBVIRT_DATA")
    base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    path = Path(named).expanduser().resolve() if named else base / "webvirt"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def value(name: str, default: str = "") -> str:
    """The variable NAME, or the content of the file that NAME_FILE names (container secrets)."""
    file = os.environ.get(f"{name}_FILE")
    if file:
        return Path(file).read_text(encoding="utf-8").strip()
    return os.environ.get(name, default)


def listing(name: str) -> list[str]:
    """A comma-separated variable as a list without empty items."""
    return [item.strip() for item in value(name).split(",") if item.strip()]


def key_from_file(variable: str, default: Path) -> str:
    """The key in the file that `variable` names (or `default`); made on first use, mode 0600.

    Created with O_EXCL so that processes starting together agree on one key.
    """
    path = Path(os.environ.get(variable) or default)
    if not path.exists():
        _create_key(path)
    return path.read_text(encoding="ascii").strip()


def _create_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(_fernet_shaped_key() + "\n")
    try:
        os.link(fresh, path)  # atomic, and refuses to replace a key that another process just made
    except FileExistsError:
        pass
    finally:
        fresh.unlink()


def _fernet_shaped_key() -> str:
    import base64

    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii")
