"""python -m failover --node http://127.0.0.1:8008 --node http://127.0.0.1:8009 --password-file patroni"""

import argparse
import sys
from pathlib import Path

from failover.node import FailoverError, Node
from failover.switch import switch_over


def main() -> None:
    """Switch over; a refusal is one sentence and exit status 1."""
    parser = argparse.ArgumentParser(prog="python -m failover", description="Let the synchronous standby lead.")
    parser.add_argument("--node", action="append", required=True, metavar="URL", help="a node's Patroni; once per node")
    parser.add_argument("--password-file", type=Path, required=True, help="the password of the REST API")
    arguments = parser.parse_args()
    try:
        password = arguments.password_file.read_text().strip()
        switch_over([Node(url) for url in arguments.node], password, lambda line: print(line, flush=True))
    except OSError as error:
        sys.exit(f"cannot read {arguments.password_file}: {error.strerror}")
    except FailoverError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
