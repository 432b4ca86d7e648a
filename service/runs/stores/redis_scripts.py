"""What runs in the server: one script for each change of a run, so that it is made whole or not at all.

Times are whole microseconds since 1970 by the server's clock, which a double of Lua holds exactly. In each script
that changes something the first command is one that a server without memory refuses: so nothing is half done.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from .base import StoreLimits
from .redis_keys import SHARD_COUNT, channel_of, stop_channel_of
from .rules import LISTED, MAX_EXPIRED

#: The fields of a run's hash, in the order in which a record is returned.
FIELDS: Final = (
    "owner", "state", "reason", "last", "size", "epoch", "producer", "created", "ended", "expires", "attended",
    "stop", "key", "digest",
)  # fmt: skip
# How many due runs a reaper takes from a shard in one turn.
_MOST_DUE: Final = 100
# Entries of a log that are read at once, until they are as many bytes as wanted.
_ENTRIES: Final = 32
# Members of each index of a shard that are listed where all runs are asked for.
_MOST_LISTED: Final = 250
# Seconds for which an owner's list and keys stay at least; they are checked against the runs when they are used.
_OWNED: Final = 86400.0

_CLOCK: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
"""

_RECORD: Final = f"""
local function record(run)
  local fields = redis.call('HMGET', run, {", ".join(f"'{field}'" for field in FIELDS)})
  if not fields[1] then return nil end
  fields[#fields + 1] = string.format('%.0f', now)
  return fields
end
"""

# A run's bytes leave the count when its events do. A count that is not above zero has nothing to count.
_RELEASE: Final = """
local function release(key, bytes)
  if bytes > 0 and redis.call('EXISTS', key) == 1 and redis.call('DECRBY', key, bytes) <= 0 then
    redis.call('DEL', key)
  end
end
"""

# KEYS here and in all scripts of a run: record, log, leases, ends, size, expired.
_FINISH: Final = """
local function finish(run_id, state, reason)
  redis.call('HSET', KEYS[1], 'state', state, 'reason', reason, 'ended', now, 'expires', now + KEPT)
  redis.call('ZADD', KEYS[4], now + KEPT, run_id)
  redis.call('ZREM', KEYS[3], run_id)
  redis.call('PEXPIRE', KEYS[1], TTL_OF_END)
  redis.call('PEXPIRE', KEYS[2], TTL_OF_LOG)
  redis.call('PEXPIRE', KEYS[4], TTL)
end
"""

# Returns the digest of a run that exists already. ARGV: run, owner, producer, key, digest.
_CREATE: Final = """
local digest = redis.call('HGET', KEYS[1], 'digest')
if digest then return digest end
redis.call('HSET', KEYS[1], 'owner', ARGV[2], 'state', 'running', 'reason', '', 'last', 0, 'size', 0, 'epoch', 1,
  'producer', ARGV[3], 'created', now, 'ended', 0, 'expires', 0, 'attended', 0, 'stop', '', 'key', ARGV[4],
  'digest', ARGV[5], 'lease', now + LEASE)
redis.call('PEXPIRE', KEYS[1], TTL)
redis.call('ZADD', KEYS[3], now + LEASE, ARGV[1])
redis.call('PEXPIRE', KEYS[3], TTL)
return false
"""

# Answers of a producer are one text of words, which costs a client the least: refusal, next number, attended, stop.
# ARGV: run, epoch, first, last, payload; with an end its state and its reason too.
_APPEND: Final = """
local run = redis.call('HMGET', KEYS[1], 'epoch', 'last', 'state', 'attended', 'stop')
if not run[1] then return 'unknown 0 0 ' end
local last, first = tonumber(run[2]), tonumber(ARGV[3])
local refusal
if run[1] ~= ARGV[2] then refusal = 'ended '
elseif first <= last then refusal = 'duplicate '
elseif run[3] ~= 'running' then refusal = 'ended '
elseif first > last + 1 then refusal = 'gap ' end
if refusal then return refusal .. (last + 1) .. ' ' .. run[4] .. ' ' .. run[5] end
local bytes = #ARGV[5]
redis.call('XADD', KEYS[2], ARGV[4] .. '-0', 'f', ARGV[3], 'p', ARGV[5])
redis.call('HSET', KEYS[1], 'last', ARGV[4], 'lease', now + LEASE)
redis.call('HINCRBY', KEYS[1], 'size', bytes)
redis.call('INCRBY', KEYS[5], bytes)
redis.call('PEXPIRE', KEYS[5], TTL)
if ARGV[6] then
  finish(ARGV[1], ARGV[6], ARGV[7])
else
  redis.call('PEXPIRE', KEYS[1], TTL)
  redis.call('PEXPIRE', KEYS[2], TTL)
end
redis.call('PUBLISH', 'CHANNEL' .. ARGV[1], '')
return '- ' .. (ARGV[4] + 1) .. ' ' .. run[4] .. ' ' .. run[5]
"""

# ARGV: epoch, microseconds of attendance.
_RENEW: Final = """
local run = redis.call('HMGET', KEYS[1], 'epoch', 'last', 'state', 'attended', 'stop')
if not run[1] then return 'unknown 0 0 ' end
local answer = (run[2] + 1) .. ' '
if run[1] ~= ARGV[1] or run[3] ~= 'running' then return 'ended ' .. answer .. run[4] .. ' ' .. run[5] end
local attended = run[4]
if ARGV[2] ~= '0' and now + ARGV[2] > tonumber(attended) then attended = string.format('%.0f', now + ARGV[2]) end
redis.call('HSET', KEYS[1], 'lease', now + LEASE, 'attended', attended)
redis.call('PEXPIRE', KEYS[1], TTL)
redis.call('PEXPIRE', KEYS[2], TTL)
redis.call('PEXPIRE', KEYS[3], TTL)
return '- ' .. answer .. attended .. ' ' .. run[5]
"""

# ARGV: microseconds.
_ATTEND: Final = """
local attended = redis.call('HGET', KEYS[1], 'attended')
if attended and now + ARGV[1] > tonumber(attended) then redis.call('HSET', KEYS[1], 'attended', now + ARGV[1]) end
return attended
"""

_FIND: Final = "return record(KEYS[1])"

# An entry's id is its last number, so that the first one read is the one that holds the first number wanted.
# ARGV: the first number wanted, bytes.
_READ: Final = """
local run = record(KEYS[1])
if not run then return nil end
local found, bytes, from = {}, 0, ARGV[1] .. '-0'
local expires = tonumber(run[10])
while (expires == 0 or expires > now) and bytes < tonumber(ARGV[2]) do
  local entries = redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', ENTRIES)
  for _, entry in ipairs(entries) do
    local fields = entry[2]
    if bytes > 0 and bytes + #fields[4] > tonumber(ARGV[2]) then return {run, found} end
    found[#found + 1] = {fields[2], entry[1], fields[4]}
    bytes = bytes + #fields[4]
  end
  if #entries < ENTRIES then break end
  from = string.match(entries[#entries][1], '^%d+') .. '-1'
end
return {run, found}
"""

# ARGV: run, reason.
_STOP: Final = """
local run = record(KEYS[1])
if run and run[2] == 'running' and run[12] == '' then
  redis.call('HSET', KEYS[1], 'stop', ARGV[2])
  run[12] = ARGV[2]
  redis.call('PUBLISH', 'CHANNEL' .. ARGV[1], '')
  redis.call('PUBLISH', 'STOP_CHANNEL' .. ARGV[1], '')
end
return run
"""

# In the run's hash, with which they end. ARGV: run, field, expected value, value.
_MARK: Final = """
if redis.call('HGET', KEYS[1], 'state') ~= 'running' then return nil end
local before = redis.call('HGET', KEYS[1], ARGV[2]) or ''
if before == ARGV[3] then redis.call('HSET', KEYS[1], ARGV[2], ARGV[4]) end
return before
"""

# ARGV: run, field.
_FIND_MARK: Final = "return redis.call('HGET', KEYS[1], ARGV[2])"

# Returns runs that may be due, and records that are too many. KEYS: leases, ends, expired.
_DUE: Final = """
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - KNOWN)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, MOST_DUE)
local expiring = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, MOST_DUE)
for _, run in ipairs(expiring) do due[#due + 1] = run end
local excess = redis.call('ZCARD', KEYS[3]) - MOST_EXPIRED
return {due, excess > 0 and redis.call('ZRANGE', KEYS[3], 0, math.min(excess, MOST_DUE) - 1) or {}}
"""

# An index says that a run may be due; the run itself decides. Appends renew the lease in the run alone, so that the
# index may be behind: it is brought up here. ARGV: run, payload of the last event.
_REAP: Final = """
local run = redis.call('HMGET', KEYS[1], 'state', 'lease', 'last', 'size', 'expires')
if not run[1] then
  redis.call('ZREM', KEYS[3], ARGV[1])
  redis.call('ZREM', KEYS[4], ARGV[1])
  if redis.call('EXISTS', KEYS[3], KEYS[4]) == 0 then redis.call('DEL', KEYS[5]) end
  return 0
end
if run[1] ~= 'running' then
  redis.call('ZREM', KEYS[3], ARGV[1])
  if tonumber(run[5]) <= now and redis.call('ZREM', KEYS[4], ARGV[1]) == 1 then
    release(KEYS[5], tonumber(run[4]))
    redis.call('DEL', KEYS[2])
    redis.call('ZADD', KEYS[6], run[5], ARGV[1])
    redis.call('PEXPIRE', KEYS[6], TTL)
  end
  return 0
end
if tonumber(run[2]) > now then
  redis.call('ZADD', KEYS[3], run[2], ARGV[1])
  return 0
end
local number = run[3] + 1
redis.call('XADD', KEYS[2], number .. '-0', 'f', number, 'p', ARGV[2])
redis.call('HSET', KEYS[1], 'last', number)
redis.call('HINCRBY', KEYS[1], 'epoch', 1)
redis.call('HINCRBY', KEYS[1], 'size', #ARGV[2])
redis.call('INCRBY', KEYS[5], #ARGV[2])
redis.call('PEXPIRE', KEYS[5], TTL)
finish(ARGV[1], 'interrupted', 'interrupted')
redis.call('PUBLISH', 'CHANNEL' .. ARGV[1], '')
redis.call('PUBLISH', 'STOP_CHANNEL' .. ARGV[1], '')
return 1
"""

# Works without memory left: it is what makes room. ARGV: run.
_DELETE: Final = """
local run = redis.call('HMGET', KEYS[1], 'state', 'size')
local has_ended = redis.call('ZREM', KEYS[4], ARGV[1]) == 1
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('ZREM', KEYS[6], ARGV[1])
if not run[1] then return 0 end
if has_ended or run[1] == 'running' then release(KEYS[5], tonumber(run[2])) end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('PUBLISH', 'CHANNEL' .. ARGV[1], '')
redis.call('PUBLISH', 'STOP_CHANNEL' .. ARGV[1], '')
return 1
"""

# An owner's list, and where there is one the owner's key. Returns the run that has the key, where it is another one.
# KEYS: list, key. ARGV: run, another one from which the key may be taken.
_REGISTER: Final = """
if KEYS[2] then
  local held = redis.call('GET', KEYS[2])
  if held and held ~= ARGV[1] and held ~= ARGV[2] then return held end
  redis.call('SET', KEYS[2], ARGV[1], 'PX', OWNED)
end
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 1000 * OWNED)
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -LISTED - 1)
redis.call('PEXPIRE', KEYS[1], OWNED)
return false
"""

# KEYS: list, key. ARGV: run.
_UNREGISTER: Final = """
redis.call('ZREM', KEYS[1], ARGV[1])
if KEYS[2] then
  if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
end
"""

# Bytes, and runs that have any. KEYS: leases, ends, size.
_USAGE: Final = """
return {tonumber(redis.call('GET', KEYS[3]) or 0), redis.call('ZCARD', KEYS[1]) + redis.call('ZCARD', KEYS[2])}
"""

# KEYS: an owner's list, or leases and ends.
_LIST: Final = """
if not KEYS[2] then return redis.call('ZREVRANGE', KEYS[1], 0, -1) end
local found = redis.call('ZREVRANGE', KEYS[1], 0, MOST_LISTED - 1)
for _, run in ipairs(redis.call('ZREVRANGE', KEYS[2], 0, MOST_LISTED - 1)) do found[#found + 1] = run end
return found
"""


class Script:
    """A script, and the digest by which a server knows it."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest().encode()


class Scripts:
    """All scripts, with a store's limits written into them."""

    def __init__(self, limits: StoreLimits) -> None:
        # Whether anything reads it or not, nothing of a run stays for longer than this.
        longest = limits.lease + limits.kept + limits.known
        self._constants = {
            "TTL_OF_END": _whole(1e3 * (limits.kept + limits.known)),
            "TTL_OF_LOG": _whole(1e3 * limits.kept),
            "TTL": _whole(1e3 * longest),
            "OWNED": _whole(1e3 * max(2 * longest, _OWNED)),
            "LEASE": _whole(1e6 * limits.lease),
            "KEPT": _whole(1e6 * limits.kept),
            "KNOWN": _whole(1e6 * limits.known),
            "CHANNEL": channel_of(""),
            "STOP_CHANNEL": stop_channel_of(""),
            "LISTED": str(LISTED),
            "MOST_DUE": str(_MOST_DUE),
            "MOST_EXPIRED": str(MAX_EXPIRED // SHARD_COUNT),
            "MOST_LISTED": str(_MOST_LISTED),
            "ENTRIES": str(_ENTRIES),
        }
        self.create = self._script(_CREATE)
        self.append = self._script(_FINISH + _APPEND)
        self.renew = self._script(_RENEW)
        self.attend = self._script(_ATTEND)
        self.find = self._script(_RECORD + _FIND)
        self.read = self._script(_RECORD + _READ)
        self.stop = self._script(_RECORD + _STOP)
        self.mark = self._script(_MARK)
        self.find_mark = self._script(_FIND_MARK)
        self.due = self._script(_DUE)
        self.reap = self._script(_RELEASE + _FINISH + _REAP)
        self.delete = self._script(_RELEASE + _DELETE)
        self.register = self._script(_REGISTER)
        self.unregister = self._script(_UNREGISTER)
        self.list = self._script(_LIST)
        self.usage = self._script(_USAGE)

    def all(self) -> list[Script]:
        """Return each of them."""
        return [script for script in vars(self).values() if isinstance(script, Script)]

    def _script(self, body: str) -> Script:
        source = re.sub(r"\b[A-Z_]{3,}\b", lambda name: self._constants.get(name[0], name[0]), _CLOCK + body)
        return Script(source.strip())


def _whole(number: float) -> str:
    return str(max(1, round(number)))
