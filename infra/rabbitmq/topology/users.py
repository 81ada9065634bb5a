"""The definitions a broker loads when it boots: users with password hashes, and what they may do where.

Rendered from secret files at every start, so that no password is committed and a new one takes effect at the next boot.
"""

import base64
import hashlib
import os
import sys

from topology.environment import refuse_unknown, secret
from topology.files import Definitions, Row, dump_definitions, users_of

TAGS: dict[str, list[str]] = {"monitor": ["monitoring"], "topology": ["administrator"]}


def password_hash(password: str, salt: bytes) -> str:
    """RabbitMQ's own format: base64 of a 4-byte salt and the SHA-256 of salt and password."""
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def user(name: str) -> Row:
    """One user. Services have no tag: the management API does not answer them."""
    return {
        "name": name,
        "password_hash": password_hash(secret(name), os.urandom(4)),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": TAGS.get(name, []),
    }


def boot_definitions(definitions: Definitions) -> Definitions:
    """What the broker must know before anybody can connect. Raises `SystemExit` naming a secret that is missing."""
    return {
        "users": [user(name) for name in users_of(definitions)],
        "vhosts": definitions["vhosts"],
        "permissions": definitions["permissions"],
    }


def run(definitions: Definitions) -> int:
    """Print the boot definitions."""
    refuse_unknown()
    sys.stdout.write(dump_definitions(boot_definitions(definitions)))
    return 0
