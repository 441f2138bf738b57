"""The fields of an HTML form, as senders of webhooks encode them."""

from collections.abc import Sequence
from urllib.parse import parse_qsl

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.signatures.verdict import Reason, Refused

MAX_FIELDS = 1000
MAX_FIELD_BYTES = 1024 * 1024
"""What is kept of one field of a multipart form: no file of an email is needed to verify it."""


def read_form(content_type: str, body: bytes) -> Sequence[tuple[str, str]] | None:
    """Names and values in order; None when the body is no form. Raises ``Refused`` for one that is broken."""
    kind, options = parse_options_header(content_type)
    if kind == b"application/x-www-form-urlencoded":
        try:
            text = body.decode()
            return parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS)
        except ValueError:
            raise Refused(Reason.MALFORMED, "The form is not UTF-8, or has too many fields.") from None
    if kind == b"multipart/form-data" and (boundary := options.get(b"boundary")):
        fields = _Fields()
        try:
            parser = MultipartParser(boundary, fields.callbacks)  # type: ignore[arg-type]
            parser.write(body)
            parser.finalize()
        except FormParserError:
            raise Refused(Reason.MALFORMED, "The multipart form cannot be read.") from None
        return fields.found
    return None


class _Fields:
    """Collects what the parser of multipart forms calls back with."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []
        self.callbacks = {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_part_data": self._data,
            "on_part_end": self._end,
        }

    def _begin(self) -> None:
        self._name, self._value = bytearray(), bytearray()
        self._disposition = b""
        self._data_bytes = bytearray()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._name, self._value = bytearray(), bytearray()

    def _data(self, data: bytes, start: int, end: int) -> None:
        room = MAX_FIELD_BYTES + 1 - len(self._data_bytes)
        self._data_bytes += data[start : min(end, start + room)]

    def _end(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name")
        if name is None or b"filename" in options or len(self._data_bytes) > MAX_FIELD_BYTES:
            return
        if len(self.found) == MAX_FIELDS:
            raise Refused(Reason.MALFORMED, "The form has too many fields.")
        self.found.append((name.decode("utf-8", "replace"), self._data_bytes.decode("utf-8", "replace")))
