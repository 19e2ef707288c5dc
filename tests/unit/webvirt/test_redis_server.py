from __future__ import annotations

from pathlib import Path

import pytest

from webvirt import redis_server


def executable(path: Path) -> str:
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


def test_prefers_what_the_machine_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    redis = executable(tmp_path / "redis-server")
    assert redis_server.server_binary() == redis
    valkey = executable(tmp_path / "valkey-server")
    assert redis_server.server_binary() == valkey


def test_else_the_one_that_came_with_the_dependencies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert redis_server.server_binary().endswith("/valkey-server")


def test_none_at_all_says_what_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(redis_server.NoRedis, match="install valkey-server or redis-server"):
        redis_server.server_binary()


def test_a_path_too_long_for_a_socket_is_refused_in_words() -> None:
    redis_server.check_socket_path(Path("/" + "a" * 106))
    with pytest.raises(redis_server.NoRedis, match="shorter data directory"):
        redis_server.check_socket_path(Path("/" + "ä" * 54))


def test_nobody_on_the_socket(tmp_path: Path) -> None:
    assert redis_server.answers(tmp_path / "redis.sock") is False
