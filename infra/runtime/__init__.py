"""Which of the two ways a stack runs: in containers, or as plain processes. The tools ask here and work with either."""

from runtime.choice import Running, running, variables

__all__ = ["Running", "running", "variables"]
