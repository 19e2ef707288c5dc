"""Large values into and out of Redis without the copies that redis-py makes of them: five of each piece, and a piece is a megabyte.

The connections are redis-py's own (address, password, TLS); only what two commands send and answer is spoken here.
https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from typing import Any

import redis
import redis.asyncio

_END = b"\r\n"
_LONGEST_LINE = 512
_GONE = "Redis ended the connection."


class Putter:
    """SETs of one connection, one after the other: what the last one answered is read when the next one is sent."""

    def __init__(self, link: redis.asyncio.Redis) -> None:
        self._pool: Any = link.connection_pool
        self._connection: Any = None
        self._awaited = 0

    async def put(self, key: str, seconds: int, parts: Sequence[bytes]) -> None:
        """A value that is still in parts. Raises redis.RedisError."""
        if self._connection is None:
            self._connection = await self._pool.get_connection()
        name, kept = key.encode(), b"%d" % seconds
        head = b"*5\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n" % (len(name), name, sum(map(len, parts)))
        tail = b"\r\n$2\r\nEX\r\n$%d\r\n%b\r\n" % (len(kept), kept)
        await self._connection.send_packed_command([head, *parts, tail])
        self._awaited += 1
        if self._awaited > 1:
            await self._heard()

    async def settle(self) -> None:
        """All of them are in Redis."""
        while self._awaited:
            await self._heard()

    async def leave(self) -> None:
        """A connection on which something is still awaited is not given to others."""
        connection, self._connection = self._connection, None
        if connection is not None:
            if self._awaited:
                await connection.disconnect(nowait=True)
            await self._pool.release(connection)

    async def _heard(self) -> None:
        await self._connection.read_response()
        self._awaited -= 1


class Taker:
    """GETDEL of one value after the other; the next one is asked for before the present one is read."""

    def __init__(self, link: redis.Redis, packet_bytes: int) -> None:
        self._pool: Any = link.connection_pool
        self._packet = memoryview(bytearray(packet_bytes))
        self._rest = b""  # came with the first line of an answer

    def take(self, keys: Sequence[str]) -> Iterator[bytes]:
        """What the values hold, one after the other, in packets that are full but for the last one. Ends early when Redis has lost a value.

        Raises redis.RedisError.
        """
        connection: Any = self._pool.get_connection()
        over, self._rest, filled = False, b"", 0
        try:
            connection.send_command("GETDEL", keys[0])
            for following in (*keys[1:], ""):
                if following:
                    connection.send_command("GETDEL", following)
                link: socket.socket = connection._sock
                left = self._length(link)
                if left is None:
                    return
                while left:
                    got = self._receive(link, self._packet[filled : filled + left])
                    filled, left = filled + got, left - got
                    if filled == len(self._packet):
                        yield bytes(self._packet)
                        filled = 0
                self._skip(link, len(_END))
            if filled:
                yield bytes(self._packet[:filled])
            over = True
        except OSError as exc:
            raise redis.ConnectionError(str(exc)) from exc
        finally:
            if not over:  # something of it may still come
                connection.disconnect()
            self._pool.release(connection)

    def _length(self, link: socket.socket) -> int | None:
        """Of the value that comes next; None: there is none."""
        while _END not in self._rest:
            if len(self._rest) > _LONGEST_LINE:
                raise redis.ConnectionError("Redis' answer can't be read.")
            self._rest += _some(link.recv(_LONGEST_LINE))
        line, _, self._rest = self._rest.partition(_END)
        if line in (b"$-1", b"_"):
            return None
        if not line.startswith(b"$"):
            raise redis.ResponseError(line[1:].decode(errors="replace"))
        return int(line[1:])

    def _receive(self, link: socket.socket, place: memoryview) -> int:
        """How many bytes came: as many as there are and fit."""
        if self._rest:
            size = min(len(self._rest), len(place))
            place[:size], self._rest = self._rest[:size], self._rest[size:]
            return size
        got = link.recv_into(place)
        if not got:
            raise redis.ConnectionError(_GONE)
        return got

    def _skip(self, link: socket.socket, size: int) -> None:
        while len(self._rest) < size:
            self._rest += _some(link.recv(_LONGEST_LINE))
        self._rest = self._rest[size:]


def _some(data: bytes) -> bytes:
    if not data:
        raise redis.ConnectionError(_GONE)
    return data
