"""What a cache keeps in Redis: entries that only ever get newer.

An entry says: when the log was at least at `position`, the row had this `version` and this body. No body: there was no
such row (version 0). A tombstone has a version and nothing else: whatever is older is out of date. In Redis it is one
string, "version position body", so that a script can compare.
"""

import random
from dataclasses import dataclass
from typing import Any

from chassis.redis import Redis, Script

TTL_SECONDS = 60.0  # times 0.8 to 1.2, so that what was loaded together does not end together
ABSENT_SECONDS = 10.0  # likewise; of what does not exist
TOMBSTONE_SECONDS = 60  # outlives every replica that may be read (replica.MAX_LAG_SECONDS), and every load under way
MAX_VERSION = 2**53  # Lua compares numbers as doubles: exact up to here, for positions up to 8 PiB of log

VALUE, ABSENT, TOMBSTONE = b"=", b"-", b"x"

# The entry, unless what is there is newer; answers with what is newer, or nothing. Of two entries of one version the
# one that was seen at a later position stays: it serves more tokens.
PUT = Script("""
    local old = redis.call('GET', KEYS[1])
    if old then
        local version, position = string.match(old, '^(%d+) (%d+) ')
        version, position = tonumber(version), tonumber(position)
        if tonumber(ARGV[1]) < version or (tonumber(ARGV[1]) == version and tonumber(ARGV[2]) < position) then
            return old
        end
    end
    redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. ARGV[3], 'PX', ARGV[4])
""")


@dataclass(frozen=True)
class Entry:
    """A row as it was."""

    version: int
    position: int
    body: bytes | None = None
    tombstone: bool = False

    def serves(self, need: int) -> bool:
        """Whether a reader who must see the log up to `need` may have it."""
        return not self.tombstone and self.position >= need

    @property
    def text(self) -> bytes:
        """All but version and position, as it is kept."""
        return TOMBSTONE if self.tombstone else ABSENT if self.body is None else VALUE + self.body

    @property
    def milliseconds(self) -> int:
        """How long it is kept from now on."""
        if self.tombstone:
            return TOMBSTONE_SECONDS * 1000
        seconds = ABSENT_SECONDS if self.body is None else TTL_SECONDS
        return int(seconds * 1000 * random.uniform(0.8, 1.2))  # noqa: S311  jitter, not cryptography

    @classmethod
    def parse(cls, content: bytes) -> "Entry":
        """What `PUT` has written."""
        version, position, text = content.split(b" ", 2)
        body = text[1:] if text.startswith(VALUE) else None
        return cls(int(version), int(position), body, text == TOMBSTONE)


class Entries:
    """The entries of one cache. Everything raises `RedisAwayError`."""

    def __init__(self, redis: Redis, name: str) -> None:
        self._redis = redis
        self._prefix = f"{redis.prefix}:{name}:"

    async def get(self, key: str) -> Entry | None:
        """What is kept."""
        content: Any = await self._redis.call(lambda client: client.get(self._prefix + key))
        return None if content is None else Entry.parse(content)

    async def put(self, key: str, entry: Entry) -> Entry | None:
        """Keep it, unless what is kept is newer; that is returned then."""
        args: list[int | bytes] = [entry.version, entry.position, entry.text, entry.milliseconds]
        newer = await self._redis.run(PUT, [self._prefix + key], args)
        return None if newer is None else Entry.parse(newer)

    async def bury(self, key: str, version: int) -> None:
        """Nothing older than this version is to be served or kept from now on."""
        await self.put(key, Entry(version, 0, tombstone=True))
