import pytest
from pydantic import ValidationError

from app.handlers.generic_verification import (
    HmacVerification,
    PublicKeyVerification,
)
from app.handlers.verification import (
    VERIFICATION,
    BearerVerification,
    NoVerification,
    PresetVerification,
    default_verification,
)
from app.signatures.catalogue import preset_of, schemes
from app.signatures.messages import Token, parse_message


def read(**fields):
    return VERIFICATION.validate_python(fields)


class TestVerification:
    @pytest.mark.parametrize(
        ("scheme", "model"),
        [
            ("github", PresetVerification),
            ("standard-webhooks", PresetVerification),
            ("basic", PresetVerification),
            ("hmac", HmacVerification),
            ("ed25519", PublicKeyVerification),
            ("ecdsa-p256", PublicKeyVerification),
            ("rsa-sha256", PublicKeyVerification),
            ("bearer", BearerVerification),
            ("none", NoVerification),
        ],
    )
    def test_needs_no_more_than_a_scheme(self, scheme, model):
        assert isinstance(read(scheme=scheme), model)

    def test_takes_the_webhook_secret_unless_told_otherwise(self):
        assert read(scheme="github").secret_key == "WEBHOOK_SECRET"
        assert read(scheme="github", secretKey="OTHER").secret_key == "OTHER"

    def test_of_hmac_defaults_to_a_hex_sha256_of_the_body(self):
        hmac = read(scheme="hmac")
        assert (hmac.header, hmac.algorithm, hmac.encoding, hmac.message) == (
            "X-Signature",
            "sha256",
            "hex",
            "{raw}",
        )
        assert (hmac.prefix, hmac.key_codec, hmac.separator) == ("", "utf8", None)

    def test_is_written_in_camel_case(self):
        hmac = read(scheme="hmac", message="{ts}{raw}", timestampHeader="X-Time", toleranceSeconds=60)
        written = VERIFICATION.dump_python(hmac, by_alias=True, exclude_defaults=True)
        assert written == {
            "scheme": "hmac",
            "message": "{ts}{raw}",
            "timestampHeader": "X-Time",
            "toleranceSeconds": 60,
        }
        assert VERIFICATION.validate_python(written) == hmac

    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"scheme": "md5"},
            {"scheme": "None"},
            {"scheme": "github", "unknown": 1},
            {"scheme": "github", "secret_key": "X"},
            {"scheme": "github", "secretKey": "1X"},
            {"scheme": "github", "secretKey": ""},
            {"scheme": "github", "toleranceSeconds": 0},
            {"scheme": "github", "toleranceSeconds": 86_401},
            {"scheme": "github", "toleranceSeconds": "60"},
            {"scheme": "github", "header": "X-Signature"},
            {"scheme": "none", "secretKey": "X"},
            {"scheme": "bearer", "header": "X"},
            {"scheme": "hmac", "header": "X Signature"},
            {"scheme": "hmac", "header": "X:Y"},
            {"scheme": "hmac", "header": ""},
            {"scheme": "hmac", "algorithm": "md5"},
            {"scheme": "hmac", "encoding": "utf8"},
            {"scheme": "hmac", "keyCodec": "rot13"},
            {"scheme": "hmac", "separator": "|"},
            {"scheme": "hmac", "prefix": "x" * 65},
            {"scheme": "hmac", "message": "{raw}" + "x" * 512},
            {"scheme": "hmac", "dedupPointer": "$.id"},
            {"scheme": "hmac", "dedupPointer": "/a~2"},
        ],
    )
    def test_refuses(self, fields):
        with pytest.raises(ValidationError):
            read(**fields)

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"message": "{ts}", "timestampHeader": "X-Time"}, "must contain {raw}"),
            ({"message": "{ts}.{raw}"}, "if and only if timestampHeader"),
            ({"timestampHeader": "X-Time"}, "if and only if timestampHeader"),
            ({"message": "{id}.{raw}"}, "if and only if idHeader"),
            ({"idHeader": "X-Id"}, "if and only if idHeader"),
            ({"message": "{raw}{body}"}, "must consist of"),
            ({"message": "{raw"}, "must consist of"),
            ({"dedupHeader": "X-Id", "dedupPointer": "/id"}, "exclude each other"),
        ],
    )
    def test_of_a_message_signs_what_it_relies_on(self, fields, reason):
        with pytest.raises(ValidationError, match=reason):
            read(scheme="hmac", **fields)
        with pytest.raises(ValidationError, match=reason):
            read(scheme="ed25519", **fields)

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"scheme": "jwt"}, "algorithms"),
            ({"scheme": "jwt", "algorithms": []}, "at least 1"),
            ({"scheme": "jwt", "algorithms": ["none"]}, "HS256"),
            ({"scheme": "jwt", "algorithms": ["HS256", "RS256"]}, "must not mix"),
            ({"scheme": "jwt", "algorithms": ["HS256"], "jwksUrl": "https://a.example/"}, "public keys"),
            ({"scheme": "jwt", "algorithms": ["RS256"], "jwksUrl": "http://a.example/"}, "match pattern"),
            ({"scheme": "jwt", "algorithms": ["RS256"], "jwksUrl": "https://a.example:1/"}, "port 443"),
            ({"scheme": "rsa-sha256", "keyCodec": "hex"}, "only an Ed25519 key"),
            ({"scheme": "hmac", "message": "{secret}{raw}"}, "must consist of"),
        ],
    )
    def test_of_keys_and_tokens_keeps_kinds_apart(self, fields, reason):
        with pytest.raises(ValidationError, match=reason):
            read(**fields)


class TestParameters:
    @pytest.mark.parametrize(
        ("fields", "place"),
        [
            ({"scheme": "magic"}, "scheme"),
            ({"scheme": "Not A Name"}, "scheme"),
            ({"scheme": "paypal"}, "webhookId"),
            ({"scheme": "paypal", "webhookId": 1}, "webhookId"),
            ({"scheme": "paypal", "webhookId": "a\nb"}, "webhookId"),
            ({"scheme": "paypal", "webhookId": "a", "topicArns": ["a"]}, "topicArns"),
            ({"scheme": "sns", "topicArns": []}, "topicArns"),
            ({"scheme": "github", "url": "https://a.example/"}, "url"),
            ({"scheme": "square", "url": "nowhere"}, "url"),
            ({"scheme": "header-token", "header": "X Y"}, "header"),
            ({"scheme": "meta", "verifyTokenKey": "1"}, "verifyTokenKey"),
            ({"scheme": "slack", "verifyTokenKey": "TOKEN"}, "verifyTokenKey"),
        ],
    )
    def test_are_refused_where_they_stand(self, fields, place):
        with pytest.raises(ValidationError) as refusal:
            read(**fields)
        assert refusal.value.errors()[0]["loc"][:2] == ("preset", place)

    def test_are_written_out_with_their_defaults(self):
        assert read(scheme="meta").stored() == {
            "scheme": "meta",
            "secretKey": "WEBHOOK_SECRET",
            "verifyTokenKey": "WEBHOOK_VERIFY_TOKEN",
        }
        assert read(scheme="header-token").stored()["header"] == "X-Api-Key"
        assert "url" not in read(scheme="square").stored()

    @pytest.mark.parametrize("scheme", schemes())
    def test_are_read_again_as_they_were_stored(self, scheme):
        needed = {"webhookId": "a", "topicArns": ["a"], "topic": "https://a.example/", "publicKey": "a"}
        needed |= {"audience": "a", "email": "a", "applicationId": "a"}
        asked = preset_of(scheme).parameters
        given = {name: value for name, value in needed.items() if name in asked and asked[name].required}
        read_once = read(scheme=scheme, **given)
        assert read(**read_once.stored()) == read_once
        assert read_once.preset().name == scheme
        assert given.items() <= read_once.preset().values.items()

    def test_reach_the_preset(self):
        assert read(scheme="paypal", webhookId="WH", toleranceSeconds=9).preset().values["webhookId"] == "WH"
        assert read(scheme="paypal", webhookId="WH", toleranceSeconds=9).preset().tolerance == 9
        assert (
            read(scheme="square", url="https://a.example/x").preset().values["url"] == "https://a.example/x"
        )


class TestParseMessage:
    def test_keeps_order_and_literals(self):
        assert parse_message("v0:{ts}:{raw}") == (b"v0:", Token.TIMESTAMP, b":", Token.RAW)
        assert parse_message("{method}{url}{raw}{id}") == (Token.METHOD, Token.URL, Token.RAW, Token.ID)


class TestDefaultVerification:
    def test_leaves_only_a_store_open(self):
        assert default_verification("store").scheme == "none"
        for kind in ("operation", "http", "capability"):
            assert default_verification(kind).scheme == "bearer"
