"""Whose cancellation it is.

The AMQP client cancels whoever waits for it when it finds a connection stuck. A task that took this for its own
cancellation would end in silence: a task group lets a cancelled task go.
"""

import asyncio


def is_ours() -> bool:
    """Whether somebody has asked the current task to end; else a `CancelledError` in it is a failure like others."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
