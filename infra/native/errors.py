"""What can go wrong for a person: always one sentence that names the thing and says what to do."""


class StackError(Exception):
    """The stack cannot do what was asked. The message is for the person who asked; the command line exits with 1."""
