"""The first job of the Compose stack: check every password, then write what the broker loads when it boots.

It has no network, and is the only container that sees all passwords. Raises `SystemExit` with one sentence that names
the secret which is missing, empty, unreadable, or a development secret in production.
"""

import os
from pathlib import Path

from topology.files import dump_definitions, read_definitions
from topology.users import boot_definitions

SECRETS = Path(os.environ.get("QS_SECRETS_DIR", "/run/secrets"))
RENDERED = Path("/rendered/users.json")
DEV_SECRET_MARK = "dev-only-"  # noqa: S105  a mark, not a secret


def check(file: Path) -> None:
    """One secret."""
    try:
        value = file.read_text().strip()
    except OSError as error:
        raise SystemExit(
            f"secret {file.name} cannot be read ({error.strerror}): let its file be readable for everybody (chmod 644)"
            " in a directory that is yours alone"
        ) from None
    if not value:
        raise SystemExit(f"secret {file.name} is empty: put a password into its file")
    if os.environ.get("ENVIRONMENT") == "production" and value.startswith(DEV_SECRET_MARK):
        raise SystemExit(
            f"secret {file.name} is a development secret, and ENVIRONMENT=production: put passwords of your own into a"
            " directory laid out as infra/compose/secrets and name it in SECRETS"
        )


def main() -> None:
    """Check, render."""
    files = sorted(SECRETS.iterdir())
    for file in files:
        check(file)
    RENDERED.write_text(dump_definitions(boot_definitions(read_definitions())))
    print(f"{len(files)} passwords are in place; the broker's users are rendered")


if __name__ == "__main__":
    main()
