"""Ids as a worker remembers them: a booking's from the door as the number that it is, all others as they are."""

Key = int | str


def key_of(id_: str) -> Key:
    """The key that stands for an id and for no other."""
    if len(id_) == 40 and id_.startswith("booking-"):
        digits = id_[8:]
        try:
            number = int(digits, 16)
            if number.to_bytes(16, "big").hex() == digits:  # not so of capitals, signs, blanks and other digits
                return number
        except (ValueError, OverflowError):
            pass
    return id_


def id_of(key: Key) -> str:
    """The id that a key stands for."""
    return key if isinstance(key, str) else "booking-" + key.to_bytes(16, "big").hex()
