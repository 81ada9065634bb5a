"""The key that bearer tokens are signed with, made by the first `up`, and the public keys that they are checked with.

`tokens/signing_key.json` (a private JWK) is for whoever issues tokens: `make token` and the tests. The services get
`token_keys.json` (a JWKS of public keys) in their QS_SECRETS_DIR and look at it every second.
"""

import json
import secrets
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from native.layout import Layout
from native.ports import SERVICES

Jwk = dict[str, Any]

ROTATED = "tokens are signed with a new key; those signed with the one before are valid until the next rotation"
SEEN_SECONDS = 2.0  # until every service has looked at a new file


def signing_key(layout: Layout) -> Path:
    """The private key's file."""
    return layout.secrets / "tokens" / "signing_key.json"


def generate(layout: Layout) -> None:
    """Make a key where there is none; hand the public ones out."""
    if not signing_key(layout).exists():
        new = new_key()
        _write(_public_keys(layout), jwks(new))
        _write(signing_key(layout), new)
    for file in _handed_out(layout):
        _write(file, json.loads(_public_keys(layout).read_text()))


def rotate(layout: Layout) -> None:
    """Sign with a new key from now on. Tokens of the one before stay valid until the next rotation."""
    replace_key(signing_key(layout), [_public_keys(layout), *_handed_out(layout)])


def replace_key(private: Path, public: Iterable[Path]) -> None:
    """The same for a key in any file: `public` are the files that services look at, and all who hold their content.

    Interrupted, it has done no harm: what is signed with is always among the public keys.
    """
    old, new = json.loads(private.read_text()), new_key()
    for file in public:
        _write(file, jwks(new, old))
    time.sleep(SEEN_SECONDS)  # the first token of a key must not be ahead of the key
    _write(private, new)


def new_key() -> Jwk:
    """A private key, at random."""
    key: Jwk = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
    return {**key, "kid": secrets.token_hex(4), "alg": "ES256", "use": "sig"}


def jwks(*keys: Jwk) -> Jwk:
    """What tokens that these keys have signed are checked with."""
    return {"keys": [{name: value for name, value in key.items() if name != "d"} for key in keys]}


def _public_keys(layout: Layout) -> Path:
    return layout.secrets / "tokens" / "token_keys.json"


def _handed_out(layout: Layout) -> list[Path]:
    return [layout.secrets / "for" / service / "token_keys.json" for service in SERVICES]


def _write(file: Path, content: Jwk) -> None:
    """Whole or not at all: somebody may be reading it. Whoever may read the file may still, and nobody else."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(content, indent=2) + "\n")
    fresh.chmod(file.stat().st_mode & 0o777 if file.exists() else 0o600)
    fresh.replace(file)
