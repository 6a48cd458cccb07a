"""The one kind of error that a person sees: a sentence that says what is wrong and what to do about it."""


class StackError(Exception):
    """Something that the person at the keyboard can mend. Its text is one clear sentence (or two), no traceback."""
