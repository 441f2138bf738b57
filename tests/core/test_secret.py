import copy
import json
import logging
import pickle
import traceback

import orjson
import pytest
from pydantic import BaseModel, ConfigDict, PydanticUserError

from app.core.secret import Secret

PLAINTEXT = "correct-horse"


def percent(value):
    return "%s %r" % (value, [value])  # noqa: UP031 - one more way in which values get into text


@pytest.fixture
def secret():
    return Secret(PLAINTEXT)


class TestSecret:
    def test_is_revealed_only_by_asking(self, secret):
        assert secret.reveal() == PLAINTEXT

    @pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r}".format, "{:>40}".format, percent])
    def test_does_not_show_itself(self, secret, show):
        assert PLAINTEXT not in show(secret)
        assert "**********" in show(secret)

    def test_does_not_show_itself_in_a_log(self, secret, caplog):
        logging.getLogger("tests").warning("got %s in %r", secret, {"value": secret})

        assert PLAINTEXT not in caplog.text

    def test_does_not_show_itself_in_a_traceback(self, secret):
        with pytest.raises(ValueError, match=r"\*{10}") as raised:
            raise ValueError(secret)

        assert PLAINTEXT not in "".join(traceback.format_exception(raised.value))

    def test_has_no_attributes_to_dump(self, secret):
        with pytest.raises(TypeError):
            vars(secret)

    @pytest.mark.parametrize("leave", [pickle.dumps, json.dumps, orjson.dumps, copy.copy, copy.deepcopy])
    def test_does_not_leave_the_process(self, secret, leave):
        with pytest.raises(TypeError):
            leave(secret)

    def test_does_not_enter_a_model_by_accident(self):
        with pytest.raises(PydanticUserError):

            class Shown(BaseModel):
                value: Secret

        class Held(BaseModel):
            model_config = ConfigDict(arbitrary_types_allowed=True)
            value: Secret

        assert PLAINTEXT not in repr(Held(value=Secret(PLAINTEXT)))

    def test_equals_the_same_value_and_no_text(self, secret):
        assert secret == Secret(PLAINTEXT)
        assert secret != Secret(PLAINTEXT + "x")
        assert secret != Secret("")
        assert secret != PLAINTEXT

    def test_compares_text_that_is_not_ascii(self):
        assert Secret("ä") == Secret("ä")
        assert Secret("ä") != Secret("a")

    def test_is_no_key_of_a_cache(self, secret):
        with pytest.raises(TypeError, match="unhashable"):
            {secret}  # noqa: B018 - making the set is what fails
