"""A directory of secrets of one's own, laid out as infra/compose/secrets: what `ENVIRONMENT=production` asks for.

Containers read the files as users of their own. So the files are open to everybody, in a directory that only its owner
can enter.
"""

import json
import secrets
from pathlib import Path

from compose.before import PASSWORDS, SIGNING_KEY, TOKEN_KEYS
from native import tokens
from native.errors import StackError
from native.layout import INFRA

COMMITTED = INFRA / "compose" / "secrets"
OWNER_ENTERS, EVERYBODY_ENTERS, EVERYBODY_READS = 0o700, 0o755, 0o644


def make_secrets(directory: Path) -> int:
    """Make what is missing, each password and the tokens' key at random; what is there stays. Returns how many files.

    Raises `StackError` where the directory cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(OWNER_ENTERS)
        missing = _missing(directory)
        for file, content in missing.items():
            file.parent.mkdir(exist_ok=True)
            file.parent.chmod(EVERYBODY_ENTERS)
            file.write_text(content + "\n")
            file.chmod(EVERYBODY_READS)
    except OSError as error:
        raise StackError(f"{error.filename} cannot be written ({error.strerror}): choose another directory") from None
    return len(missing)


def rotate_key(directory: Path) -> None:
    """Sign with a new key from now on, without a restart: services look at the directory of the public ones.

    Raises `StackError` where a key is missing, and for the committed directory: its key stays marked as development's.
    """
    if directory.resolve() == COMMITTED:
        raise StackError(
            f"the key in {directory} is development's and stays: make one of your own (make secrets DIR=~/secrets),"
            " and let SECRETS name its directory"
        )
    private, public = directory / SIGNING_KEY, directory / TOKEN_KEYS
    for file in (private, public):
        if not file.is_file():
            raise StackError(f"there is no {file}: rotate keys where tokens are signed, and put the public ones here")
    try:
        tokens.replace_key(private, [public])
    except OSError as error:
        raise StackError(f"{error.filename} cannot be written ({error.strerror})") from None


def _missing(directory: Path) -> dict[Path, str]:
    files = [directory / place for place in PASSWORDS]
    made = {file: secrets.token_urlsafe(24) for file in files if not file.exists()}
    private, public = directory / SIGNING_KEY, directory / TOKEN_KEYS
    if not (private.exists() or public.exists()):  # one alone: tokens are signed elsewhere, or it is lost
        key = tokens.new_key()
        made |= {private: json.dumps(key), public: json.dumps(tokens.jwks(key))}
    return made
