"""What can keep the demonstration from going on: one sentence that says what to do."""


class DemoError(Exception):
    """The message is for the person who watches; the exit status is 1."""
