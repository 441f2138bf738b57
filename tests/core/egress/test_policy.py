from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.core.egress.errors import EgressRefused
from app.core.egress.policy import NEVER, RESERVED_V4, EgressPolicy, Target
from tests.core.egress.hostile import HOSTILE, LEGITIMATE, METADATA

STRICT = EgressPolicy()
EVERYTHING = EgressPolicy(["0.0.0.0/0", "::/0", "api.internal"])


class TestParse:
    @pytest.mark.parametrize("url", HOSTILE)
    def test_refuses_hostile_urls(self, url):
        with pytest.raises(EgressRefused):
            STRICT.parse(url)

    @pytest.mark.parametrize(("url", "normal"), LEGITIMATE.items())
    def test_normalises_what_it_accepts(self, url, normal):
        target = STRICT.parse(url)
        assert target.url == normal
        assert STRICT.parse(normal) == target

    def test_names_every_part(self):
        assert STRICT.parse("https://Api.Example.com/v1?a=1") == Target(
            scheme="https", host="api.example.com", port=443, path="/v1?a=1"
        )

    def test_says_why_without_repeating_credentials(self):
        with pytest.raises(EgressRefused, match="may not hold a user name") as refusal:
            STRICT.parse("https://admin:hunter2@example.com/?key=hunter2")
        assert "hunter2" not in str(refusal.value)

    def test_keeps_the_query_out_of_the_repr(self):
        assert "hunter2" not in repr(STRICT.parse("https://example.com/?key=hunter2"))

    @given(st.text(max_size=40), st.sampled_from(["", "http://", "https://[", "http://1", "http://a.b/"]))
    def test_refuses_or_returns_and_never_fails_otherwise(self, text, start):
        try:
            target = STRICT.parse(start + text)
        except EgressRefused:
            return
        assert target.url.isascii()
        assert STRICT.parse(target.url) == target

    @given(st.sampled_from(RESERVED_V4), st.integers(0, 2**28 - 1))
    @example(RESERVED_V4[0], 0)
    def test_refuses_every_spelling_of_a_reserved_address(self, block, offset):
        address = block[offset % block.num_addresses]
        number = int(address)
        octets = address.packed
        for host in (
            str(address),
            str(number),
            hex(number),
            f"0{number:o}",
            ".".join(f"0{octet:o}" for octet in octets),
            ".".join(map(hex, octets)),
            f"{octets[0]}.{number & 0xFFFFFF}",
            f"[::ffff:{address}]",
            f"[::{address}]",
            f"[64:ff9b::{address}]",
            f"[{IPv6Address(0x2002 << 112 | number << 80)}]",
        ):
            with pytest.raises(EgressRefused):
                STRICT.parse(f"http://{host}/")


class TestCheck:
    def test_permits_public_addresses(self):
        STRICT.check("example.com", ["93.184.216.34", "2606:2800:220:1::1"])

    def test_one_private_address_spoils_all(self):
        with pytest.raises(EgressRefused):
            STRICT.check("example.com", ["93.184.216.34", "10.0.0.1"])

    def test_does_not_tell_what_a_name_resolves_to(self):
        with pytest.raises(EgressRefused, match=r"example\.com") as refusal:
            STRICT.check("example.com", ["10.11.12.13"])
        assert "10.11" not in refusal.value.detail

    def test_judges_addresses_with_a_scope(self):
        with pytest.raises(EgressRefused):
            EVERYTHING.check("example.com", ["fe80::1%eth0"])

    @pytest.mark.parametrize("number", [0, 1, 2**32 - 1])
    def test_embedded_forms_of_extreme_addresses_do_not_pass(self, number):
        with pytest.raises(EgressRefused):
            STRICT.check("example.com", [str(IPv6Address(number)), str(IPv4Address(number))])


class TestAllow:
    def test_opens_a_network(self):
        policy = EgressPolicy(["10.0.0.0/8"])
        assert policy.parse("http://10.1.2.3/").host == "10.1.2.3"
        policy.check("api.example.com", ["10.1.2.3"])
        with pytest.raises(EgressRefused):
            policy.check("api.example.com", ["192.168.0.1"])

    def test_opens_an_address(self):
        policy = EgressPolicy(["::1"])
        assert policy.parse("http://[::1]:8000/").origin == "http://[::1]:8000"
        with pytest.raises(EgressRefused):
            policy.check("api.example.com", ["127.0.0.1"])

    def test_opens_a_host_with_all_its_addresses(self):
        policy = EgressPolicy([" API.internal "])
        policy.check(policy.parse("http://api.internal/").host, ["10.0.0.1", "127.0.0.1"])
        with pytest.raises(EgressRefused):
            policy.parse("http://other.internal/")
        with pytest.raises(EgressRefused):
            policy.check("other.example.com", ["10.0.0.1"])

    def test_opens_a_single_label(self):
        assert EgressPolicy(["upstream"]).parse("http://upstream:8080/").host == "upstream"

    @pytest.mark.parametrize("url", ["http://db.internal:5432/", "http://10.0.0.1:22/"])
    def test_exempts_from_the_port_policy(self, url):
        assert EgressPolicy(["10.0.0.0/8", "db.internal"]).parse(url)

    @pytest.mark.parametrize("port", [0, 65536])
    def test_does_not_make_a_port_of_what_is_none(self, port):
        with pytest.raises(EgressRefused):
            EgressPolicy(["db.internal"]).parse(f"http://db.internal:{port}/")

    def test_an_open_network_does_not_open_local_names(self):
        with pytest.raises(EgressRefused):
            EgressPolicy(["127.0.0.0/8"]).parse("http://localhost/")

    def test_mapped_addresses_need_both_forms_allowed(self):
        url = "http://[::ffff:10.0.0.1]/"
        with pytest.raises(EgressRefused):
            EgressPolicy(["10.0.0.0/8"]).parse(url)
        with pytest.raises(EgressRefused):
            EgressPolicy(["::ffff:0:0/96"]).parse(url)
        assert EgressPolicy(["10.0.0.0/8", "::ffff:0:0/96"]).parse(url)

    def test_an_allowed_nat64_prefix_reaches_public_addresses_only(self):
        policy = EgressPolicy(["64:ff9b::/96"])
        policy.check("example.com", ["64:ff9b::5db8:d822"])
        with pytest.raises(EgressRefused):
            policy.check("example.com", ["64:ff9b::a00:1"])

    @pytest.mark.parametrize("url", METADATA)
    def test_never_opens_metadata_by_address(self, url):
        with pytest.raises(EgressRefused):
            EVERYTHING.parse(url)

    @pytest.mark.parametrize("network", NEVER, ids=str)
    def test_never_opens_metadata_by_entry_or_name(self, network):
        policy = EgressPolicy([str(network), "api.internal"])
        for host in (str(network[1 % network.num_addresses]), "api.internal"):
            with pytest.raises(EgressRefused):
                policy.check(host, [str(network[1 % network.num_addresses])])

    @pytest.mark.parametrize(
        "entry",
        [
            "",
            "*.example.com",
            "example.com:80",
            "http://example.com",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "2130706433",
            "[::1]",
            "a b",
        ],
    )
    def test_a_bad_entry_is_named(self, entry):
        with pytest.raises(ValueError, match=r"not|host bits") as fault:
            EgressPolicy(["10.0.0.0/8", entry])
        assert repr(entry) in str(fault.value) or entry in str(fault.value)
