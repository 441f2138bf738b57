from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.networks import Networks, mapped_network, normal_network

V4 = st.integers(0, 2**32 - 1)
V6 = st.integers(0, 2**128 - 1).filter(lambda value: value >> 32 != 0xFFFF)
NETWORKS = st.one_of(
    st.tuples(V4, st.integers(0, 32)).map(lambda pair: IPv4Network(pair, strict=False)),
    st.tuples(V6, st.integers(0, 128)).map(lambda pair: IPv6Network(pair, strict=False)),
)
PEERS = st.one_of(V4.map(IPv4Address), V6.map(IPv6Address))


class TestNormalNetwork:
    @pytest.mark.parametrize(
        ("text", "normal"),
        [
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("192.0.2.7/24", "192.0.2.0/24"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:DB8:0::1/32", "2001:db8::/32"),
            ("::1", "::1/128"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
            ("::ffff:c000:200/120", "192.0.2.0/24"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("::/0", "::/0"),
        ],
    )
    def test_writes_a_network_in_one_way(self, text, normal):
        assert normal_network(text) == normal
        assert normal_network(normal) == normal

    @pytest.mark.parametrize(
        "text",
        [
            *("", "*", "localhost", "example.com", "192.0.2", "192.0.2.256", "192.0.2.0/33", "::/129"),
            *("192.0.2.0/255.255.255.0", "192.0.2.0/-1", "192.0.2.0/", "/24", "fe80::1%eth0", "::1/64/1"),
            *(" 192.0.2.1", "192.0.2.1\n", "٣.0.0.1", "010.0.0.1", "1" * 100, "192.0.2.1:80", "[::1]"),
        ],
    )
    def test_refuses_what_is_none(self, text):
        with pytest.raises(ValueError, match="must be an IPv4 or IPv6 network"):
            normal_network(text)


class TestNetworks:
    @given(st.lists(NETWORKS, max_size=8), PEERS)
    def test_hold_the_addresses_that_they_should(self, networks, peer):
        expected = any(peer in network for network in networks)
        assert (str(peer) in Networks(map(str, networks))) == expected

    @given(NETWORKS, st.data())
    def test_hold_each_of_their_own(self, network, data):
        address = network[data.draw(st.integers(0, network.num_addresses - 1))]
        assert str(address) in Networks([normal_network(str(network))])

    @pytest.mark.parametrize(
        ("peer", "is_in"),
        [
            ("10.1.2.3", True),
            ("::ffff:10.1.2.3", True),
            ("::ffff:a01:203", True),
            ("11.1.2.3", False),
            ("fe80::1%eth0", True),
            ("fe80::1", True),
            ("::10.1.2.3", False),
            ("", False),
            ("unknown", False),
            ("10.1.2", False),
            ("10.1.2.3\x00", False),
            ("ä", False),
            (None, False),
        ],
    )
    def test_know_an_address_however_a_socket_shows_it(self, peer, is_in):
        assert (peer in Networks(["10.0.0.0/8", "fe80::/10"])) is is_in


class TestMappedNetwork:
    @pytest.mark.parametrize("network", ["10.0.0.0/8", "192.0.2.7/32", "0.0.0.0/0"])
    def test_holds_what_a_dual_stack_socket_shows(self, network):
        mapped = ip_network(mapped_network(network))
        for address in (ip_network(network)[0], ip_network(network)[-1]):
            assert ip_address(f"::ffff:{address}") in mapped

    def test_is_an_ipv6_network_itself(self):
        assert mapped_network("2001:db8::/32") == "2001:db8::/32"
