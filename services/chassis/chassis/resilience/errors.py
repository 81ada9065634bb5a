"""Why a call was not made at all. Whoever sees one knows that the other side has heard nothing of it."""


class RefusedError(Exception):
    """The call was refused on this side, before anything was sent."""


class OpenError(RefusedError):
    """The dependency's circuit breaker is open, or half-open with all its probes under way."""


class FullError(RefusedError):
    """The bulkhead is full: too many calls are under way, and too many wait."""
