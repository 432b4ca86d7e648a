"""A store in Redis or Valkey, for several hosts: one server, one that sentinels choose, or a cluster.

A run is a hash and a stream, changed by scripts in the server (`redis_scripts.py`). The stream is the truth; messages
say no more than that it is worth reading (`redis_bell.py`). Every key expires by itself.

Needs Redis 6.2 or newer, or Valkey.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from .base import (
    Answer,
    Append,
    Batch,
    Created,
    Lease,
    NewRun,
    Page,
    Refusal,
    RunRecord,
    RunState,
    StoreFull,
    StoreLimits,
    StoreUnavailable,
    cut_id,
)
from .redis_bell import RedisBell
from .redis_client import Call, Get, RedisClient, StoreOutOfMemory
from .redis_keys import SHARDS, idempotency_key, mark_field, owner_key, run_keys
from .redis_scripts import FIELDS, Script, Scripts
from .redis_urls import parse_redis_url
from .rules import LISTED, MAX_RUNS

# A field of a record's reply behind `FIELDS`: the server's time.
_NOW: Final = len(FIELDS)
_REFUSALS: Final[dict[bytes, Refusal | None]] = {b"-": None, **{each.encode(): each for each in Refusal}}
# Runs that are looked up by one call: one call is bounded in time.
_LOOKED_UP: Final = 1000
# Seconds for which a store that was seen to be less than half full is taken to have room, for half of the runs that
# it may still take: a look asks all shards.
_HAS_ROOM_FOR: Final = 1.0


class RedisStore:
    """A `RunStore` in Redis or Valkey. For the loop's thread.

    A method whose call fails or is not answered in time raises `StoreUnavailable`. It may have done its work, or a
    part. Each may be called again: an append is then a duplicate, a run is found.
    """

    def __init__(self, url: str, limits: StoreLimits | None = None) -> None:
        """Prepare a store; nothing is connected.

        Args:
            url: Where it is: see `redis_urls.py`.
            limits: Its limits; None for the usual ones. All processes that share it have the same.

        Raises:
            ValueError: The URL is none. The text says what would be right.
        """
        self._address = parse_redis_url(url)
        self._limits = limits or StoreLimits()
        self._scripts = Scripts(self._limits)
        self._client = RedisClient(self._address, self._scripts.all())
        self._bell: RedisBell | None = None
        #: Until when the store has room, on the loop's clock, and for how many runs.
        self._has_room_until = 0.0
        self._room = 0

    async def open(self, ring: Callable[[str], None]) -> None:
        """See `RunStore.open`."""
        try:
            await self._client.open()
        except StoreUnavailable:
            await self.close()
            raise
        if self._bell is None:
            self._bell = RedisBell(self._client, ring, self._address.timeout)
            self._bell.start()

    async def close(self) -> None:
        """See `RunStore.close`."""
        bell, self._bell = self._bell, None
        if bell is not None:
            await bell.close()
        await self._client.close()

    async def create(self, run: NewRun) -> Created:
        """See `RunStore.create`. The bound on bytes and runs is the store's, of all processes together."""
        scripts = self._scripts
        if (known := await self._find_key(run.owner, run.key)) is not None:
            return known
        size, count = await self._usage_if_needed()
        if size >= self._limits.max_bytes or count >= MAX_RUNS:
            if (record := await self._fields(run.run_id)) is not None:
                return _found(run.run_id, record)
            raise StoreFull(f"the store holds {size} bytes of {count} runs, which is as much as it may")
        try:
            digest = await self._call(scripts.create, run.run_id, run.owner, run.producer, run.key, run.body_digest)
            if digest is not None:
                return Created(run.run_id, is_new=False, body_digest=digest.decode())
            # The record first: a key never leads to a run that is not there yet.
            return await self._register(run)
        except StoreOutOfMemory as error:
            raise StoreFull(str(error)) from None

    async def append(self, appends: Sequence[Append]) -> list[Answer]:
        """See `RunStore.append`. One round trip for all of them."""
        script = self._scripts.append
        calls = []
        for append in appends:
            batch = append.batch
            words: tuple[str | bytes | int, ...] = (
                append.run_id,
                append.epoch,
                batch.first,
                batch.last,
                batch.payload,
            )
            if append.end is not None:
                words = (*words, append.end.value, append.reason)
            calls.append(Call(script, run_keys(append.run_id)[:5], words))
        return [_answer(reply) for reply in await self._client.call_all(calls)]

    async def renew(self, leases: Sequence[Lease]) -> list[Answer]:
        """See `RunStore.renew`. One round trip for all of them."""
        calls = [
            Call(self._scripts.renew, run_keys(lease.run_id)[:3], (lease.epoch, _microseconds(lease.attended)))
            for lease in leases
        ]
        return [_answer(reply) for reply in await self._client.call_all(calls)]

    async def attend(self, run_ids: Sequence[str], seconds: float) -> None:
        """See `RunStore.attend`."""
        script, length = self._scripts.attend, _microseconds(seconds)
        await self._client.call_all([Call(script, run_keys(run_id)[:1], (length,)) for run_id in run_ids])

    async def find(self, run_id: str) -> RunRecord | None:
        """See `RunStore.find`."""
        fields = await self._fields(run_id)
        return None if fields is None else _record(run_id, fields)

    async def read(self, run_id: str, after: int, max_bytes: int) -> Page | None:
        """See `RunStore.read`."""
        reply = await self._client.call(Call(self._scripts.read, run_keys(run_id)[:2], (after + 1, max_bytes)))
        if reply is None:
            return None
        fields, entries = reply
        record = _record(run_id, fields)
        batches = []
        expected = after + 1
        for first, number, payload in entries:
            batch = Batch(int(first), int(number.partition(b"-")[0]) - int(first) + 1, payload)
            if batch.first > expected:
                raise _lost(run_id)
            expected = batch.last + 1
            batches.append(batch)
        if not batches and after < record.last_number and not record.is_expired:
            raise _lost(run_id)
        return Page(batches, record)

    async def list_runs(self, owner: str | None, state: RunState | None = None) -> list[RunRecord]:
        """See `RunStore.list_runs`."""
        if owner is None:
            calls = [Call(self._scripts.list, (shard.leases, shard.ends)) for shard in SHARDS]
            run_ids = [run_id for found in await self._client.call_all(calls) for run_id in found]
        else:
            run_ids = await self._client.call(Call(self._scripts.list, (owner_key(owner),)))
        records = []
        for start in range(0, len(run_ids), _LOOKED_UP):
            names = [run_id.decode() for run_id in run_ids[start : start + _LOOKED_UP]]
            replies = await self._client.call_all([Call(self._scripts.find, run_keys(name)[:1]) for name in names])
            records += [_record(name, fields) for name, fields in zip(names, replies, strict=True) if fields]
        found = [record for record in records if not record.is_expired and (state is None or record.state is state)]
        found.sort(key=lambda record: record.created, reverse=True)
        return found[:LISTED]

    async def request_stop(self, run_id: str, reason: str) -> RunRecord | None:
        """See `RunStore.request_stop`."""
        fields = await self._call(self._scripts.stop, run_id, reason)
        return None if fields is None else _record(run_id, fields)

    async def mark(self, run_id: str, name: str, expected: str, value: str) -> str | None:
        """See `RunStore.mark`."""
        before: bytes | None = await self._call(self._scripts.mark, run_id, mark_field(name), expected, value)
        return None if before is None else before.decode()

    async def find_mark(self, run_id: str, name: str) -> str:
        """See `RunStore.find_mark`."""
        value: bytes | None = await self._call(self._scripts.find_mark, run_id, mark_field(name))
        return "" if value is None else value.decode()

    async def reap(self, end: bytes) -> list[str]:
        """See `RunStore.reap`. One call for each shard, one more for each run that may be due."""
        scripts = self._scripts
        replies = await self._client.call_all(
            [Call(scripts.due, (shard.leases, shard.ends, shard.expired)) for shard in SHARDS]
        )
        due = [run_id.decode() for found, _ in replies for run_id in found]
        ended = await self._client.call_all([Call(scripts.reap, run_keys(run_id), (run_id, end)) for run_id in due])
        for _, excess in replies:
            for run_id in excess:
                await self.delete(run_id.decode())
        return [run_id for run_id, has_ended in zip(due, ended, strict=True) if has_ended]

    async def delete(self, run_id: str) -> bool:
        """See `RunStore.delete`."""
        fields = await self._fields(run_id)
        if fields is None:
            return False
        # The run last: where a part fails, the whole can be repeated.
        await self._unregister(run_id, fields)
        return bool(await self._call(self._scripts.delete, run_id))

    async def watch(self, run_id: str, is_producer: bool = False) -> None:
        """See `RunStore.watch`. Where no connection for messages is there, the next one begins with a ring."""
        if self._bell is not None:
            await self._bell.watch(run_id, is_producer=is_producer)

    async def unwatch(self, run_id: str) -> None:
        """See `RunStore.unwatch`."""
        if self._bell is not None:
            await self._bell.unwatch(run_id)

    async def size(self) -> int:
        """See `RunStore.size`."""
        return (await self._usage())[0]

    # -------------------------------------------------------------------------------------------------- parts

    async def _call(self, script: Script, run_id: str, *arguments: str | int | bytes) -> Any:
        """Call a script of one run, with its id as the first argument."""
        return await self._client.call(Call(script, run_keys(run_id), (run_id, *arguments)))

    async def _fields(self, run_id: str) -> list[bytes] | None:
        """Return the fields of a run's record."""
        fields: list[bytes] | None = await self._client.call(Call(self._scripts.find, run_keys(run_id)[:1]))
        return fields

    async def _usage_if_needed(self) -> tuple[int, int]:
        """Return what `_usage` does, or zeros where there was room a moment ago."""
        now = asyncio.get_running_loop().time()
        if now < self._has_room_until and self._room > 0:
            self._room -= 1
            return 0, 0
        size, count = await self._usage()
        if size < self._limits.max_bytes / 2 and count < MAX_RUNS / 2:
            self._has_room_until, self._room = now + _HAS_ROOM_FOR, (MAX_RUNS - count) // 2 - 1
        return size, count

    async def _usage(self) -> tuple[int, int]:
        """Return the bytes of all events, and how many runs have any."""
        calls = [Call(self._scripts.usage, (shard.leases, shard.ends, shard.size)) for shard in SHARDS]
        replies = await self._client.call_all(calls)
        return sum(size for size, _ in replies), sum(count for _, count in replies)

    async def find_key(self, owner: str, key: str) -> str | None:
        """See `RunStore.find_key`."""
        known = await self._find_key(owner, key)
        return None if known is None else known.run_id

    async def _find_key(self, owner: str, key: str) -> Created | None:
        if not key:
            return None
        held = await self._client.call(Get(idempotency_key(owner, key)))
        if held is None:
            return None
        run_id = held.decode()
        fields = await self._fields(run_id)
        return None if fields is None else _found(run_id, fields)

    async def _register(self, run: NewRun) -> Created:
        """Put a run that is kept into its owner's list, with its key; where another one has the key, forget it."""
        keys: tuple[bytes, ...] = (owner_key(run.owner),)
        if run.key:
            keys = (*keys, idempotency_key(run.owner, run.key))
        stale = ""
        while True:
            held = await self._client.call(Call(self._scripts.register, keys, (run.run_id, stale)))
            if held is None:
                return Created(run.run_id, is_new=True, body_digest=run.body_digest)
            other = held.decode()
            fields = await self._fields(other)
            if fields is not None:
                await self._call(self._scripts.delete, run.run_id)
                return _found(other, fields)
            # The key has outlived its run.
            stale = other

    async def _unregister(self, run_id: str, fields: Sequence[bytes]) -> None:
        """Take a run out of its owner's list, and free its key."""
        owner, key = fields[FIELDS.index("owner")].decode(), fields[FIELDS.index("key")].decode()
        keys: tuple[bytes, ...] = (owner_key(owner),)
        if key:
            keys = (*keys, idempotency_key(owner, key))
        await self._client.call(Call(self._scripts.unregister, keys, (run_id,)))


def _answer(reply: bytes) -> Answer:
    """Parse an answer of a script: refusal, next number, attended, stop."""
    refusal, number, attended, stop = reply.split(b" ", 3)
    return Answer(_REFUSALS[refusal], int(number), stop.decode(), _seconds(attended))


def _record(run_id: str, fields: Sequence[bytes]) -> RunRecord:
    """Make a record of the fields of its hash."""
    owner, state, reason, last, size, epoch, producer, created, ended, expires, attended, stop, *_ = fields
    until = int(expires)
    return RunRecord(
        run_id=run_id,
        owner=owner.decode(),
        state=RunState(state.decode()),
        reason=reason.decode(),
        last_number=int(last),
        size=int(size),
        epoch=int(epoch),
        producer=producer.decode(),
        created=_seconds(created),
        ended=_seconds(ended),
        expires=_seconds(expires),
        attended_until=_seconds(attended),
        stop=stop.decode(),
        is_expired=until != 0 and until <= int(fields[_NOW]),
    )


def _found(run_id: str, fields: Sequence[bytes]) -> Created:
    return Created(run_id, is_new=False, body_digest=fields[FIELDS.index("digest")].decode())


def _lost(run_id: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"the store has lost events of run {cut_id(run_id)}; the server's maxmemory-policy should be noeviction"
    )


def _seconds(microseconds: bytes) -> float:
    return int(microseconds) / 1e6


def _microseconds(seconds: float) -> int:
    return round(seconds * 1e6)
