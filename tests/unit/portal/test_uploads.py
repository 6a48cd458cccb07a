"""Forms with a file: what browsers send is read byte for byte, and what is none is refused."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from youai_portal import uploads


def sent(fields: dict[str, str], file: bytes, name: str = "表.xlsx") -> tuple[bytes, str]:
    request = httpx.Request("POST", "http://portal/", data=fields, files={"file": (name, file, "application/x")})
    return request.read(), request.headers["content-type"]


@given(st.binary(max_size=300), st.text(max_size=20))
def test_a_file_and_a_field_come_as_they_were_sent(file: bytes, text: str) -> None:
    body, kind = sent({"csrf": text}, file)
    read = uploads.parts(body, kind, 9)
    assert read == {"csrf": text.encode("utf-8", "surrogatepass") if text else b"", "file": file}


def test_a_file_that_looks_like_a_form_is_a_file() -> None:
    inner, _ = sent({"csrf": "x"}, b"y")
    body, kind = sent({"csrf": "token"}, inner, '";name="csrf')
    assert uploads.parts(body, kind, 9) == {"csrf": b"token", "file": inner}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "multipart/form-data; boundary=x"),
        (b"--x--", "multipart/form-data"),
        (b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb', "multipart/form-data; boundary=x"),
        (b'--x\r\nContent-Disposition: form-data; name="a"\r\n--x--', "multipart/form-data; boundary=x"),
        (b"--x\r\nContent-Disposition: form-data\r\n\r\nb\r\n--x--", "multipart/form-data; boundary=x"),
        (b'--x\r\nContent-Type: a\r\n\r\nname="a"\r\n--x--', "multipart/form-data; boundary=x"),
    ],
)
def test_what_is_no_form_is_refused(body: bytes, kind: str) -> None:
    with pytest.raises(ValueError, match=r"boundary|end|name"):
        uploads.parts(body, kind, 9)


def test_no_more_fields_than_allowed() -> None:
    body, kind = sent({f"f{n}": "x" for n in range(9)}, b"y")
    assert len(uploads.parts(body, kind, 10)) == 10
    with pytest.raises(ValueError, match="too many"):
        uploads.parts(body, kind, 9)
