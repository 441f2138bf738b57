import base64
from email import message_from_bytes

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.executions.errors import ArgumentInvalid, BodyNotSupported
from app.executions.request_bodies import encoded_body

MULTIPART, FORM, BYTES = (
    "multipart/form-data",
    "application/x-www-form-urlencoded",
    "application/octet-stream",
)
PNG = b"\x89PNG\r\n\x1a\n\x00"


def file(data: bytes = PNG, **more: object) -> dict[str, object]:
    return {"base64": base64.b64encode(data).decode(), **more}


def parts(body: bytes, content_type: str) -> list[tuple[str | None, str | None, str, bytes]]:
    """Name, file name, type and bytes of each, as a reader that is not ours finds them."""
    message = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    assert message.defects == []
    return [
        (
            part.get_param("name", header="content-disposition"),
            part.get_filename(),
            part.get_content_type(),
            part.get_payload(decode=True),
        )
        for part in message.get_payload()
    ]


class TestMultipart:
    def test_has_a_part_for_each_value(self):
        value = {
            "title": "héllo",
            "count": 3,
            "on": True,
            "tags": ["a", "b"],
            "meta": {"k": [1]},
            "none": None,
        }
        assert parts(*encoded_body(value, [MULTIPART])) == [
            ("title", None, "text/plain", "héllo".encode()),
            ("count", None, "text/plain", b"3"),
            ("on", None, "text/plain", b"true"),
            ("tags", None, "text/plain", b"a"),
            ("tags", None, "text/plain", b"b"),
            ("meta", None, "application/json", b'{"k":[1]}'),
        ]

    def test_carries_files(self):
        value = {"a": file(filename="a.png", contentType="image/png"), "b": [file(b"1"), file(b"2")]}
        assert parts(*encoded_body(value, [MULTIPART])) == [
            ("a", "a.png", "image/png", PNG),
            ("b", "file", BYTES, b"1"),
            ("b", "file", BYTES, b"2"),
        ]

    def test_is_the_same_for_every_attempt(self):
        assert encoded_body({"a": "b"}, [MULTIPART]) == encoded_body({"a": "b"}, [MULTIPART])

    @pytest.mark.parametrize(("value", "sent"), [({"a": "b"}, FORM), ({"a": file()}, MULTIPART)])
    def test_is_taken_before_a_form_only_for_files(self, value, sent):
        assert encoded_body(value, [MULTIPART, FORM])[1].partition(";")[0] == sent

    def test_may_have_no_part(self):
        body, content_type = encoded_body({}, [MULTIPART])
        assert body == f"--{content_type.partition('=')[2]}--\r\n".encode()

    @given(st.dictionaries(st.text(), st.text(), max_size=3))
    def test_lets_no_name_or_value_out_of_its_part(self, value):
        body, content_type = encoded_body(value, [MULTIPART])
        boundary = b"--" + content_type.partition("=")[2].encode()
        pieces = body.split(boundary)
        assert len(pieces) == len(value) + 2
        for piece, text in zip(pieces[1:-1], value.values(), strict=True):
            head, _, data = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
            assert head.count(b"\n") == 0
            assert data == text.encode() + b"\r\n"


class TestWhole:
    @pytest.mark.parametrize(
        ("value", "types", "sent"),
        [
            ("<a/>", ["application/xml"], (b"<a/>", "application/xml")),
            ("a", ["text/*"], (b"a", "text/plain")),
            ("a", [MULTIPART, "text/csv"], (b"a", "text/csv")),
            (file(), ["image/png"], (PNG, "image/png")),
            (file(contentType="image/gif"), ["image/*"], (PNG, "image/gif")),
            (file(), ["*/*"], (PNG, BYTES)),
            ({"base64": "x", "other": 1}, ["*/*"], (b'{"base64":"x","other":1}', "application/json")),
        ],
    )
    def test_is_text_or_bytes(self, value, types, sent):
        assert encoded_body(value, types) == sent

    def test_is_json_wherever_that_is_taken(self):
        body, content_type = encoded_body(file(), [BYTES, "application/json"])
        assert (orjson.loads(body), content_type) == (file(), "application/json")

    @pytest.mark.parametrize(
        ("value", "types"),
        [
            (7, ["text/plain"]),
            ([], [MULTIPART]),
            ("a", [MULTIPART, FORM]),
            (file(), [FORM]),
            ({"a": 1}, ["text/plain"]),
            ({"a": file()}, [FORM]),
        ],
    )
    def test_is_refused_where_nothing_fits(self, value, types):
        with pytest.raises(BodyNotSupported):
            encoded_body(value, types)


class TestFaults:
    @pytest.mark.parametrize(
        ("value", "pointer"),
        [
            ({"a": {"base64": "%"}}, "/body/a/base64"),
            ({"a": {"base64": "", "filename": 7}}, "/body/a/filename"),
            ({"a": {"base64": "", "contentType": "text/plain\r\nX: y"}}, "/body/a/contentType"),
            ({"a": {"base64": "", "contentType": 7}}, "/body/a/contentType"),
        ],
    )
    def test_point_at_what_cannot_be_sent(self, value, pointer):
        with pytest.raises(ArgumentInvalid) as caught:
            encoded_body(value, [MULTIPART], ("body",))
        assert [fault.pointer for fault in caught.value.errors] == [pointer]
