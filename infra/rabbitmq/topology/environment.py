"""What the commands are told by their environment. Standard library only; a misspelt variable stops the command."""

import os
from pathlib import Path

KNOWN = {"QS_SECRETS_DIR", "QS_MANAGEMENT_URL", "QS_BROKER_HOST", "QS_BROKER_PORT", "QS_PARTITIONS", "QS_LOG_LEVEL"}
DEV_SECRET_MARK = "dev-only-"  # noqa: S105  a mark, not a secret


def refuse_unknown() -> None:
    """Raises `SystemExit` naming every `QS_` variable that no command here reads."""
    unknown = sorted(name for name in os.environ if name.startswith("QS_") and name not in KNOWN)
    if unknown:
        raise SystemExit(f"unknown setting {', '.join(unknown)}: remove it or correct its spelling")


def setting(name: str, default: str | None = None) -> str:
    """A variable's value. Raises `SystemExit` if it is missing and has no default."""
    value = os.environ.get(name, default)
    if not value:
        raise SystemExit(f"{name} is not set: set it in the environment")
    return value


def number(name: str, default: str | None = None) -> int:
    """A variable that is a whole number. Raises `SystemExit` if it is not."""
    value = setting(name, default)
    if not value.isdigit():
        raise SystemExit(f"{name} is '{value}': it must be a whole number")
    return int(value)


def secret(user: str) -> str:
    """A broker user's password. Raises `SystemExit` if its file is missing, empty, or not fit for production."""
    file = Path(setting("QS_SECRETS_DIR", "/run/secrets")) / f"{user}_password"
    try:
        value = file.read_text().strip()
    except OSError as error:
        raise SystemExit(
            f"no password for broker user '{user}': cannot read {file} ({error.strerror}); put it there, or set"
            " QS_SECRETS_DIR to where it is"
        ) from None
    if not value:
        raise SystemExit(f"no password for broker user '{user}': {file} is empty; put one there")
    if os.environ.get("ENVIRONMENT") == "production" and value.startswith(DEV_SECRET_MARK):
        raise SystemExit(f"{file} holds a development secret: put one of your own there")
    return value
