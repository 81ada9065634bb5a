"""python -m failover.serves http://127.0.0.1:8008   exit status 0 if the node leads or follows synchronously.

The containers' health check: both healthy means that either node may be lost.
"""

import sys

from failover.node import Node

if __name__ == "__main__":
    node = Node(sys.argv[1])
    sys.exit(0 if node.leads() or node.follows_synchronously() else 1)
