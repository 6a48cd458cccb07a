"""A form with a file, as browsers send it (multipart/form-data, RFC 7578): its parts. Pure."""

import re

MEDIA_TYPE = "multipart/form-data"
_BOUNDARY = re.compile(r'boundary=(?:"([^"\r\n]{1,70})"|([^\s;"]{1,70}))')
_NAME = re.compile(
    rb'^content-disposition:\s*form-data\b[^\r\n]*?[;\s]name="([^"\r\n]*)"', re.IGNORECASE | re.MULTILINE
)


def parts(body: bytes, content_type: str, most: int) -> dict[str, bytes]:
    """What each field holds, by name, as it was sent. Raises ValueError where it is none."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise ValueError("no boundary")
    # A boundary is chosen so that it is nowhere in what it parts.
    pieces = (b"\r\n" + body).split(b"\r\n--" + (found[1] or found[2]).encode())
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise ValueError("it does not end")
    if len(pieces) - 2 > most:
        raise ValueError("too many fields")
    read: dict[str, bytes] = {}
    for piece in pieces[1:-1]:
        head, blank, content = piece.partition(b"\r\n\r\n")
        name = _NAME.search(head)
        if name is None or not blank:
            raise ValueError("a part has no name")
        read[name[1].decode()] = content
    return read
