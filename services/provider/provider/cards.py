"""Test tokens: what the card behind a payment token does. Any other token is declined as `invalid_token`."""

from collections.abc import Mapping

TOK_SLOW = "tok_slow"
TOK_DOWN_ONCE = "tok_down_once"
SLOW_SECONDS = 3.0  # longer than the 2 s a caller waits

DECLINE_REASONS: Mapping[str, str | None] = {
    "tok_ok": None,
    "tok_declined": "card_declined",
    "tok_insufficient_funds": "insufficient_funds",
    "tok_expired_card": "expired_card",
    TOK_SLOW: None,
    TOK_DOWN_ONCE: None,
}


def decline_reason(payment_token: str) -> str | None:
    """Why the card does not pay; None when it does."""
    return DECLINE_REASONS.get(payment_token, "invalid_token")
