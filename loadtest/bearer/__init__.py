"""Bearer tokens for people, load generators and tests: the one place where they are issued."""

from bearer.tokens import NoKeyError, Tokens

__all__ = ["NoKeyError", "Tokens"]
