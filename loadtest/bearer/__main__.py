"""`python -m bearer me --scope admin`: a bearer token, for curl and the like."""

import argparse
import sys

from bearer.tokens import LIFETIME_SECONDS, NoKeyError, Tokens


def main() -> None:
    """Print one."""
    parser = argparse.ArgumentParser(prog="python -m bearer", description=__doc__)
    parser.add_argument("subject", help="who is asking: the customer")
    parser.add_argument("--scope", default="", help="what they may do besides: admin")
    parser.add_argument("--seconds", type=float, default=LIFETIME_SECONDS, help=f"how long ({LIFETIME_SECONDS})")
    parser.add_argument("--stack", help="a stack's name (env STACK; or a key's file in env TOKEN_SIGNING_KEY)")
    arguments = parser.parse_args()
    try:
        tokens = Tokens.load(arguments.stack)
    except NoKeyError as error:
        sys.exit(str(error))
    claims = {"sub": arguments.subject, **({"scope": arguments.scope} if arguments.scope else {})}
    print(tokens.sign(claims, arguments.seconds))


if __name__ == "__main__":
    main()
