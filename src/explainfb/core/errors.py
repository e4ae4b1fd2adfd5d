"""Mistakes in what the user gave, as opposed to mistakes in this program."""


class InputError(Exception):
    """Something the user gave cannot be used.

    Its message is one sentence that says what was found, what was expected and what to do. The command line
    prints it without a traceback and exits with status 2.

    >>> from explainfb import InputError, load_task
    >>> try:
    ...     load_task("digit")
    ... except InputError as error:
    ...     print(error)  # doctest: +ELLIPSIS
    Unknown task 'digit'...
    """
