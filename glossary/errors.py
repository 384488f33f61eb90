"""Errors that a person can cause and cure: one family, each a sentence without a traceback."""


class UserError(Exception):
    """A mistake in what was asked for: bad input, wrong usage, nothing changed.

    The only argument is the sentence that is shown: what is wrong, where (file, line, key) and
    what to do about it.
    """

    exit_code: int = 2

    @property
    def sentence(self) -> str:
        """The sentence to show."""
        return str(self.args[0]) if self.args else ""


class FailedError(UserError):
    """The request was right, the machine could not do it: disk full, read-only folder."""

    exit_code = 1
