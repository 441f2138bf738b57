"""Nothing that a stranger sends raises, and none of it is accepted."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.signatures.catalogue import preset_of, schemes
from app.signatures.deduplication import MAX_DEDUP_KEY, dedup_key
from app.signatures.explanation import explain
from app.signatures.handshakes import answer
from app.signatures.request import MAX_VALUE_BYTES, SignedRequest
from app.signatures.traces import redact_query
from app.signatures.verdict import Reason
from app.signatures.verification import verify, verify_with_keys
from tests.signatures.published import Published
from tests.signatures.requests import NOW, REQUESTS, request, secrets

PRESETS = [*schemes().values()]
KEYS = secrets("whsec_AAAA", "0" * 64, "-----BEGIN PUBLIC KEY-----", '{"keys": []}', "")
NAMES = sorted(
    {
        source.name
        for preset in PRESETS
        for part in (preset.signing, preset.jwt)
        if part is not None
        for source in (*part.sources, *getattr(part, "ids", ()))
        if source.kind == "header"
    }
    | {"Content-Type", "X-Hook-Secret", "X-Signature-Timestamp", "X-Plivo-Signature-V3-Nonce"}
)
VALUES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [
            *(
                b"t=1700000000,v1=00",
                b"v1,AAAA",
                b"sha256=00",
                b"v0=00",
                b"1700000000",
                b"eyJhbGciOiJIUzI1NiJ9.e30.",
            ),
            *(b"Bearer eyJhbGciOiJSUzI1NiJ9.e30.AA", b"Basic AAAA", b"multipart/form-data; boundary=b", b","),
            *(b"application/x-www-form-urlencoded", b"\xff", b"", b"2023-11-14T22:13:20Z", b"99999999999999"),
        ]
    ),
)
HEADERS = st.lists(st.tuples(st.sampled_from([name.encode() for name in NAMES]), VALUES), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["value", "clientState", "signature", "token", "timestamp", "Type", "event", "id"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
BODIES = st.one_of(
    st.binary(max_size=80),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.just(b'--b\r\nContent-Disposition: form-data; name="json"\r\n\r\n{}\r\n--b--\r\n'),
    st.just(b"[" * 3000),
)
URLS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            "https://h:99999/",
            "https://[",
            "https://h\u2100/?token=a",
            "https://h/?" + "&" * 2000,
            "https://h/?token=a&secret=b",
        ]
    ),
)
METHODS = st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "é"])
REQUEST = st.builds(SignedRequest, METHODS, URLS, HEADERS, BODIES)


class TestAnything:
    @given(st.sampled_from(PRESETS), REQUEST)
    def test_is_refused_without_raising(self, preset, sent):
        verdict = verify(preset, sent, KEYS, NOW)
        assert not verdict.ok
        assert verdict.reason in [*Reason]
        assert explain(preset, sent, KEYS, KEYS, NOW).code == verdict.reason

    @given(st.sampled_from(PRESETS), REQUEST)
    def test_leaves_its_traces_without_raising(self, preset, sent):
        key = dedup_key(preset, sent)
        assert key is None or (0 < len(key) <= MAX_DEDUP_KEY and key.isprintable())
        for is_verified in (True, False):
            for keys in (KEYS, []):
                given = answer(preset, sent, keys, is_verified=is_verified, verify_tokens=KEYS)
                assert given is None or all(value.isascii() for value in given.headers.values())
        redact_query(preset, sent.url)

    @given(st.sampled_from([vector for vector in REQUESTS if vector.preset.signing]), st.data())
    def test_that_differs_by_a_byte_is_refused(self, vector, data):
        name, value = data.draw(
            st.sampled_from(
                [
                    header
                    for header in vector.request.headers
                    if vector.preset.signing.sources[0].wire_name == header[0].lower()
                ]
                or [(b"", b"")]
            )
        )
        if not name:
            return
        position = data.draw(st.integers(0, len(value) - 1))
        changed = (
            value[:position]
            + bytes([value[position] ^ data.draw(st.integers(1, 127))])
            + value[position + 1 :]
        )
        headers = [(key, changed if key == name else one) for key, one in vector.request.headers]
        sent = SignedRequest(vector.request.method, vector.request.url, headers, vector.request.body)
        verdict = verify(vector.preset, sent, vector.secrets, vector.now)
        # Hex has two cases, and white space around an element means nothing.
        same = changed.lower() == value.lower() or changed.split() == value.split()
        assert not verdict.ok or same or _decodes_alike(vector, changed, value)


def _decodes_alike(vector, changed, value):
    """The last character before the padding of base64 holds bits that nobody reads."""
    return (
        vector.preset.signing.encoding == "base64"
        and len([1 for one, other in zip(changed, value, strict=True) if one != other]) == 1
    )


class TestAmounts:
    @pytest.mark.anyio
    @pytest.mark.parametrize("name", schemes())
    async def test_are_bounded(self, name):
        preset = preset_of(name)
        headers = dict.fromkeys(NAMES, "x," * MAX_VALUE_BYTES)
        assert not (await verify_with_keys(preset, request(headers), KEYS, NOW, Published({}))).ok

    def test_of_form_fields_are_bounded(self):
        form = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": "AAAA"}
        verdict = verify(preset_of("twilio"), request(form, b"a=1&" * 2000), KEYS, NOW)
        assert verdict.reason == Reason.MALFORMED
        multipart = {"Content-Type": "multipart/form-data; boundary=b"}
        part = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'
        assert not verify(preset_of("mailgun"), request(multipart, part * 2000 + b"--b--\r\n"), KEYS, NOW).ok
