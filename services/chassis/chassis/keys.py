"""The public keys that tokens are checked with: a JWKS file (RFC 7517), read again as soon as it changes.

So keys are rotated without a restart: add the new key, wait a second, sign with it, and take the old one away when its
last token has expired.
"""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt

from chassis.logging import get_logger
from chassis.settings import DEV_SECRET_MARK, SettingsError

ALGORITHM = "ES256"
LOOK_SECONDS = 1.0  # between two looks at the file

Keys = dict[str, jwt.PyJWK]


class KeyFileError(ValueError):
    """The file is no JWKS of public ES256 keys; says what is wrong."""


class KeyFile:
    """The keys by their `kid`. A file that becomes unreadable or wrong changes nothing, and is complained about."""

    def __init__(self, path: Path, *, production: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises `SettingsError` if the file cannot be used at the start."""
        self._path = path
        self._production = production
        self._clock = clock
        self._looked_at = clock()
        try:
            self._seen = self._mark()
            self._keys = self._read()
        except (OSError, KeyFileError) as error:
            raise SettingsError(f"wrong settings: token_keys_file {path}: {error}") from None

    def find(self, kid: object) -> jwt.PyJWK | None:
        """The key of this name, if there is one now."""
        if self._clock() - self._looked_at >= LOOK_SECONDS:
            self._looked_at = self._clock()
            self._look()
        return self._keys.get(kid) if isinstance(kid, str) else None

    def _look(self) -> None:
        try:
            if (mark := self._mark()) != self._seen:
                self._seen = mark
                self._keys = self._read()
                get_logger().info("token keys read again", kids=sorted(self._keys))
        except (OSError, KeyFileError) as error:
            get_logger().error(
                "the token keys cannot be read; the old ones stay", file=str(self._path), error=str(error)
            )

    def _mark(self) -> tuple[int, int, int]:
        stat = os.stat(self._path)  # noqa: PTH116  follows a secret mount's links, as reading does
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def _read(self) -> Keys:
        keys = parse(self._path.read_text())
        if self._production and any(kid.startswith(DEV_SECRET_MARK) for kid in keys):
            raise KeyFileError("holds a development key; use keys of your own in production")
        return keys


def parse(text: str) -> Keys:
    """The keys of a JWKS. Raises `KeyFileError`."""
    try:
        documents: list[dict[str, Any]] = json.loads(text)["keys"]
        keys = {document["kid"]: _public(document) for document in documents}
    except (ValueError, LookupError, TypeError, AttributeError, jwt.PyJWTError) as error:
        raise KeyFileError(f"is no JWKS of public {ALGORITHM} keys that have a kid ({error})") from None
    if not keys:
        raise KeyFileError("holds no key")
    return keys


def _public(document: dict[str, Any]) -> jwt.PyJWK:
    if "d" in document:
        raise KeyFileError("holds a private key; services get public keys only")
    if (document["kty"], document["crv"]) != ("EC", "P-256"):
        raise KeyFileError(f"holds a key that is not for {ALGORITHM}")
    return jwt.PyJWK(document, ALGORITHM)
