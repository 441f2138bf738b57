import base64
import time

from standardwebhooks import Webhook

from app.demo.tour import new_bot_token, sign


class TestSign:
    def test_signs_as_the_reference_library_verifies(self):
        key = bytes(range(24))
        body = b'{"sofa": "bench"}'
        reference = Webhook(base64.b64encode(key).decode())
        assert reference.verify(body, sign(key, body, time.time())) == {"sofa": "bench"}

    def test_gives_each_delivery_an_id_of_its_own(self):
        first, second = (sign(b"k", b"{}", 0.0) for _ in range(2))
        assert first["webhook-id"] != second["webhook-id"]


class TestBotToken:
    def test_is_another_one_each_time(self):
        assert new_bot_token() != new_bot_token()
