import socket

import pytest

from app.server.listener import AddressNotUsable, PortTaken, base_url, bind, listen

EVERYWHERE = "0.0.0.0"  # noqa: S104 -- what listening there looks like is the claim


class TestBind:
    def test_refuses_connections_until_it_listens(self):
        with bind("127.0.0.1", 0) as listener, socket.socket() as client:
            with pytest.raises(ConnectionRefusedError):
                client.connect(listener.getsockname())
            listen(listener)
            client.connect(listener.getsockname())

    def test_refuses_a_port_that_somebody_listens_on(self):
        with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(PortTaken):
            bind("127.0.0.1", other.getsockname()[1])

    def test_refuses_a_name_that_is_none(self):
        with pytest.raises(AddressNotUsable):
            bind("nobody.invalid", 0)


class TestListen:
    def test_lets_one_of_two_have_the_port(self):
        with bind("127.0.0.1", 0) as first, bind("127.0.0.1", first.getsockname()[1]) as second:
            listen(first)
            with pytest.raises(PortTaken):
                listen(second)


class TestBaseUrl:
    @pytest.mark.parametrize(
        ("host", "shown"),
        [("127.0.0.1", "127.0.0.1"), (EVERYWHERE, "127.0.0.1"), ("::1", "[::1]"), ("::", "[::1]")],
    )
    def test_is_one_that_this_machine_reaches(self, host, shown):
        try:
            listener = bind(host, 0)
        except AddressNotUsable:
            pytest.skip("this machine has no IPv6")
        with listener:
            assert base_url(listener) == f"http://{shown}:{listener.getsockname()[1]}"

    def test_is_one_for_all_addresses(self):
        with bind(EVERYWHERE, 0) as listener:
            listen(listener)
            with socket.create_connection(("127.0.0.1", listener.getsockname()[1])):
                pass
