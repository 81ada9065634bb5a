"""A Bloom filter in Redis: which keys cannot exist, so that made-up ones are refused without asking the database.

It never says "cannot exist" of a key that does, but for the moment between a row's commit and its announcement, which a
consistency token bridges. Until it was filled it does not know. It takes 1 in 120 made-up keys for possible when it
holds 100,000 (128 KiB, seven bits a key; Bloom, *Space/time trade-offs in hash coding*, 1970).

A filling begins by leaving a mark among the bits; what was read after that is only written while the mark is there. So
bits that were lost in between (a restart, an eviction), with what had been announced meanwhile, are never called whole.
"""

import hashlib
import random
from collections.abc import Awaitable, Callable, Iterable

from chassis.redis import Redis, Script

BITS = 2**20
HASHES = 7
FILLED = BITS  # one more bit, which says that the filter is whole
MARKS = 2**16  # and as many again for the marks of fillings
KEYS_PER_STEP = 500

SET = Script("""
    if ARGV[1] ~= '' and redis.call('GETBIT', KEYS[1], ARGV[1]) == 0 then return 0 end
    for i = 2, #ARGV do redis.call('SETBIT', KEYS[1], ARGV[i], 1) end
    return 1
""")


class Bloom:
    """The filter of one cache. Everything raises `RedisAwayError`."""

    def __init__(self, redis: Redis, name: str) -> None:
        self._redis = redis
        self._bits = f"{redis.prefix}:{name}!bloom"

    async def look(self, key: str) -> bool | None:
        """Whether the key may exist; `None` where the filter is not whole."""
        bits: list[tuple[str, int | str]] = [("u1", bit) for bit in (FILLED, *_bits(key))]
        filled, *found = await self._redis.call(lambda client: client.bitfield_ro(self._bits, *bits[0], items=bits[1:]))
        return all(found) if filled else None

    async def add(self, key: str) -> None:
        """The key exists from now on."""
        await self._set(_bits(key))

    async def fill(self, read_keys: Callable[[], Awaitable[list[str]]]) -> bool:
        """Make it whole with all keys there are, read now. Returns `False` where bits were lost meanwhile."""
        mark = FILLED + 1 + random.randrange(MARKS)  # noqa: S311  no secret
        await self._set([mark])
        keys = await read_keys()
        for start in range(0, len(keys), KEYS_PER_STEP):
            some = keys[start : start + KEYS_PER_STEP]
            if not await self._set((bit for key in some for bit in _bits(key)), mark):
                return False
        return await self._set([FILLED], mark)

    async def _set(self, bits: Iterable[int], mark: int | None = None) -> bool:
        return bool(await self._redis.run(SET, [self._bits], ["" if mark is None else mark, *bits]))


def _bits(key: str) -> list[int]:
    digest = hashlib.blake2b(key.encode(), digest_size=4 * HASHES).digest()
    return [int.from_bytes(digest[at : at + 4]) % BITS for at in range(0, 4 * HASHES, 4)]
