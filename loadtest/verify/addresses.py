"""Where everything is: what the environment says, and for the rest the stack that runs under the name in STACK.

The variables have the names that `python -m native env` prints, so a stack of any other kind only has to set them.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import runtime
from native import StackError
from native.layout import DEFAULT_STACK
from verify.errors import CannotCheckError

VARIABLES = {
    "edge": "EDGE_URL",
    "provider": "PROVIDER_URL",
    "mailsink": "MAILSINK_URL",
    "management": "MANAGEMENT_URL",
    "amqp": "AMQP_ADDRESS",
    "postgres_primary": "POSTGRES_PRIMARY",
    "postgres_replica": "POSTGRES_REPLICA",
}
SECRETS = {"verifier_password": "verifier", "monitor_password": "monitor"}  # each field and whose password it is


@dataclass(frozen=True)
class Addresses:
    """URLs, `host:port` pairs and the two passwords that `verify` needs.

    Which of the two Postgres nodes is the primary is asked of the nodes, not believed: they may have changed places.
    """

    edge: str
    provider: str
    mailsink: str
    management: str
    amqp: str
    postgres_primary: str
    postgres_replica: str
    verifier_password: str
    monitor_password: str
    pushgateway: str = ""  # where the result is told, if anywhere

    @classmethod
    def load(cls, stack: str | None = None, given: Mapping[str, str] = os.environ) -> Self:
        """Everything: of the stack that is named here, or else from the environment first.

        Raises `CannotCheckError` where neither the environment nor a running stack knows.
        """
        if stack is not None:
            given = {}
        values = {field: given[name] for field, name in VARIABLES.items() if given.get(name)}
        values |= _secrets(given)
        if gateway := given.get("PUSHGATEWAY_URL"):
            values["pushgateway"] = gateway
        if missing := {*VARIABLES, *SECRETS} - set(values):
            values |= _from_stack(stack or given.get("STACK") or DEFAULT_STACK, missing)
        return cls(**values)


def _secrets(given: Mapping[str, str]) -> dict[str, str]:
    """From VERIFIER_PASSWORD and MONITOR_PASSWORD, or from files of the fields' names in QS_SECRETS_DIR."""
    directory = Path(given.get("QS_SECRETS_DIR", "/run/secrets"))
    found = {}
    for field in SECRETS:
        file = directory / field
        if value := given.get(field.upper()):
            found[field] = value
        elif file.is_file():
            try:
                found[field] = file.read_text().strip()
            except OSError as error:
                raise CannotCheckError(f"{file} cannot be read ({error.strerror}): it holds a password") from None
    return found


def _from_stack(name: str, fields: set[str]) -> dict[str, str]:
    try:
        stack = runtime.running(name)
        addresses = runtime.variables(stack)
        known = {field: addresses[variable] for field, variable in VARIABLES.items()}
        known |= {field: stack.secret(user) for field, user in SECRETS.items()}
    except StackError as error:
        raise CannotCheckError(str(error)) from None
    return {field: known[field] for field in fields} | {"pushgateway": addresses.get("PUSHGATEWAY_URL", "")}
