"""`python -m payment`: serve until SIGTERM, finish what was begun, exit 0. `.. settle <day>`: settle a day."""

import sys

from payment import settling

if __name__ == "__main__":
    if len(sys.argv) > 1:
        settling.main()
    else:
        from payment.app import service  # puts the whole service together, which a day's settlement does not need

        service.run()
