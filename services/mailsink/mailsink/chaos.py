"""Chaos as in Mailpit: with a probability, a command is answered with an error. In memory: a restart ends it.

`Authentication` is kept and shown, but never strikes: the sink offers no AUTH.
"""

import random
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

SmtpError = Annotated[int, Field(ge=400, le=599)]
Percent = Annotated[int, Field(ge=0, le=100)]


class Trigger(BaseModel):
    """One error and how likely it is, in percent."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    ErrorCode: SmtpError = 451
    Probability: Percent = 0

    def strikes(self) -> bool:
        """Whether it happens this time."""
        return self.Probability > 0 and random.random() * 100 < self.Probability  # noqa: S311  a fault, not a secret


class AuthenticationTrigger(Trigger):
    """The same with its own usual error."""

    ErrorCode: SmtpError = 535


class Triggers(BaseModel):
    """All of chaos. One that is left out is off."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    Sender: Trigger = Trigger()
    Recipient: Trigger = Trigger()
    Authentication: AuthenticationTrigger = AuthenticationTrigger()


class Chaos:
    """The triggers in force."""

    def __init__(self) -> None:
        self.triggers = Triggers()
