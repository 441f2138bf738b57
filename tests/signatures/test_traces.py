"""What must not be kept of a request."""

import pytest

from app.handlers.verification import VERIFICATION
from app.signatures.catalogue import preset_of, schemes
from app.signatures.presets import NONE
from app.signatures.traces import redact_query, sensitive_headers


class TestSensitiveHeaders:
    @pytest.mark.parametrize("name", schemes())
    def test_name_every_header_in_which_a_signature_stands(self, name):
        preset = preset_of(name)
        read = [part for part in (preset.signing, preset.jwt) if part is not None]
        headers = {source.name.lower() for part in read for source in part.sources if source.kind == "header"}
        assert headers <= sensitive_headers(preset)

    def test_name_the_one_that_the_handler_chose(self):
        preset = VERIFICATION.validate_python({"scheme": "header-token", "header": "X-Ours"}).preset()
        assert sensitive_headers(preset) == {"x-ours"}

    def test_name_the_header_of_a_new_secret(self):
        assert sensitive_headers(preset_of("asana")) == {"x-hook-signature", "x-hook-secret"}

    def test_of_an_open_handler_are_none(self):
        assert sensitive_headers(NONE) == set()


class TestRedactQuery:
    @pytest.mark.parametrize(
        ("name", "query", "kept"),
        [
            ("mailchimp", "a=1&secret=x&b=%20", "a=1&secret=[redacted]&b=%20"),
            ("mailchimp", "se%63ret=x", "se%63ret=[redacted]"),
            ("event-grid", "token=x&token=y", "token=[redacted]&token=[redacted]"),
            ("meta", "hub.verify_token=x&hub.challenge=1", "hub.verify_token=[redacted]&hub.challenge=1"),
            ("github", "access_token=x", "access_token=[redacted]"),
            ("github", "", ""),
            ("github", "a&b=", "a&b="),
        ],
    )
    def test_hides_the_values_that_prove_something(self, name, query, kept):
        assert redact_query(preset_of(name), query) == kept

    def test_hides_the_parameter_that_the_handler_chose(self):
        preset = VERIFICATION.validate_python({"scheme": "query-token", "parameter": "k"}).preset()
        assert redact_query(preset, "k=secret&q=1") == "k=[redacted]&q=1"
