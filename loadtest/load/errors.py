"""What keeps a load test, a comparison or an estimate from being made."""


class LoadError(Exception):
    """One sentence: what is wrong, and what to do."""
