"""What keeps `verify` from giving an answer at all."""


class CannotCheckError(Exception):
    """Nothing was found wrong, nothing was found right: one sentence says why, and the exit status is 2."""
