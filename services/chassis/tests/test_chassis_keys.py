"""The key file: rotated without a restart, never believed blindly."""

import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

from chassis.keys import LOOK_SECONDS, KeyFile
from chassis.settings import SettingsError


def jwk(kid: str, *, private: bool = False) -> dict[str, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    document: dict[str, Any] = ECAlgorithm.to_jwk(key if private else key.public_key(), as_dict=True)
    return {**document, "kid": kid}


def jwks(*keys: dict[str, Any]) -> str:
    return json.dumps({"keys": keys})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "token_keys.json"


def test_a_rotated_key_is_found_and_a_withdrawn_one_is_not_without_a_restart(file: Path) -> None:
    now = [0.0]
    file.write_text(jwks(jwk("old")))
    keys = KeyFile(file, clock=lambda: now[0])
    assert isinstance(keys.find("old"), jwt.PyJWK)
    fresh = file.with_suffix(".new")
    fresh.write_text(jwks(jwk("new")))
    fresh.replace(file)
    assert keys.find("new") is None
    now[0] += LOOK_SECONDS
    assert keys.find("new") is not None
    assert keys.find("old") is None


@pytest.mark.parametrize("content", ["", "{", '{"keys": []}', None], ids=repr)
def test_a_file_that_breaks_later_leaves_the_keys_as_they_are_until_it_is_whole_again(
    file: Path, content: str | None
) -> None:
    now = [0.0]
    file.write_text(jwks(jwk("old")))
    keys = KeyFile(file, clock=lambda: now[0])
    file.unlink() if content is None else file.write_text(content)
    now[0] += LOOK_SECONDS
    assert keys.find("old") is not None
    file.write_text(jwks(jwk("new"), jwk("newer")))
    now[0] += LOOK_SECONDS
    assert (keys.find("old"), keys.find("newer") is None) == (None, False)


WRONG = {
    "empty": "",
    "no JSON": "{",
    "no keys": jwks(),
    "a list": "[]",
    "a key without a name": jwks({name: value for name, value in jwk("a").items() if name != "kid"}),
    "a private key": jwks(jwk("a", private=True)),
    "a key of another kind": jwks(
        {**OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate().public_key(), as_dict=True), "kid": "a"}
    ),
    "a shared secret": jwks({"kty": "oct", "k": "c2VjcmV0", "kid": "a"}),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_stops_the_start_with_a_sentence_that_names_it(file: Path, name: str) -> None:
    file.write_text(WRONG[name])
    with pytest.raises(SettingsError, match=f"token_keys_file {file}"):
        KeyFile(file)


def test_a_missing_file_stops_the_start_with_a_sentence_that_names_it(file: Path) -> None:
    with pytest.raises(SettingsError, match="token_keys_file"):
        KeyFile(file)


def test_production_refuses_a_development_key(file: Path) -> None:
    file.write_text(jwks(jwk("dev-only-1")))
    KeyFile(file)
    with pytest.raises(SettingsError, match="development key"):
        KeyFile(file, production=True)
