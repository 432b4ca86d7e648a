"""Names of keys and channels in Redis, and which of them share a slot of a cluster.

All keys of a run have the hash tag of its shard, and so have the shard's indexes and its count of bytes: one script
changes all of them at once, in a cluster too. An owner's keys have a tag of their own.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import Final

PREFIX: Final = "sluice:"
# Numbers in the shards' hash tags. 16 are enough for a cluster, and few enough that a reaper looks at all in one
# turn. Each tag's slot is near the middle of another sixteenth of the 16,384, so that nodes have about equally many.
_TAGS: Final = (159, 43, 10, 29, 305, 42, 11, 341, 306, 41, 126, 355, 79, 40, 13, 109)
SHARD_COUNT: Final = len(_TAGS)
#: A channel that is always subscribed to, so that a connection for messages is never without one.
IDLE_CHANNEL: Final = f"{PREFIX}idle"
_BELL: Final = f"{PREFIX}bell:"
_STOP_BELL: Final = f"{PREFIX}stop:"


class Shard:
    """The keys that runs of a shard share."""

    def __init__(self, number: int) -> None:
        tag = f"{PREFIX}{{runs{number}}}:"
        self.tag = tag
        #: Runs that are not known to have ended, by the end of their lease or an earlier time.
        self.leases = f"{tag}leases".encode()
        #: Runs that have ended, by when their events expire.
        self.ends = f"{tag}ends".encode()
        #: Bytes of the events of its runs.
        self.size = f"{tag}size".encode()
        #: Runs whose events have expired and whose records are left, by when they did.
        self.expired = f"{tag}expired".encode()


SHARDS: Final = tuple(Shard(number) for number in _TAGS)


def shard_of(run_id: str) -> Shard:
    """Return the shard of a run."""
    return SHARDS[zlib.crc32(run_id.encode()) % SHARD_COUNT]


def run_keys(run_id: str) -> tuple[bytes, ...]:
    """Return a run's hash and log, and its shard's keys: the order in which scripts expect them."""
    shard = shard_of(run_id)
    record = f"{shard.tag}{run_id}"
    return record.encode(), f"{record}:log".encode(), shard.leases, shard.ends, shard.size, shard.expired


def owner_key(owner: str) -> bytes:
    """Return the key of an owner's list of runs."""
    return f"{PREFIX}{{owner:{owner}}}:runs".encode()


def idempotency_key(owner: str, key: str) -> bytes:
    """Return the key under which a client's `Idempotency-Key` is kept; its length does not depend on the client."""
    return f"{PREFIX}{{owner:{owner}}}:key:{hashlib.sha256(key.encode(errors='replace')).hexdigest()}".encode()


def channel_of(run_id: str) -> str:
    """Return the channel on which all changes of a run are announced."""
    return f"{_BELL}{run_id}"


def mark_field(name: str) -> str:
    """Return the field of a run's hash that holds a mark."""
    return f"mark:{name}"


def stop_channel_of(run_id: str) -> str:
    """Return the channel on which changes of a run are announced that are not its producer's own."""
    return f"{_STOP_BELL}{run_id}"


def run_of(channel: bytes) -> str | None:
    """Return the run of a channel; None for another channel."""
    name = channel.decode()
    for prefix in (_BELL, _STOP_BELL):
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return None
