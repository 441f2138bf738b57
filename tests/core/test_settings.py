import pytest

from app.core import settings
from app.core.boot import EX_CONFIG, Misconfigured


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    """No setting of whoever runs the tests."""
    for name in settings.Settings.model_fields:
        monkeypatch.delenv(f"JACKFIELD_{name.upper()}", raising=False)


class TestLoad:
    def test_takes_the_command_line_before_the_environment(self, monkeypatch):
        monkeypatch.setenv("JACKFIELD_PORT", "1")
        monkeypatch.setenv("JACKFIELD_HOST", "::1")
        loaded = settings.load(port=2, host=None)
        assert (loaded.port, loaded.host) == (2, "::1")

    def test_reads_lists_between_commas(self, monkeypatch):
        monkeypatch.setenv("JACKFIELD_EGRESS_ALLOW", "10.0.0.0/8, 127.0.0.1 ,api.internal,")
        assert settings.load().egress_allow == ("10.0.0.0/8", "127.0.0.1", "api.internal")

    def test_takes_an_empty_variable_for_none(self, monkeypatch):
        monkeypatch.setenv("JACKFIELD_DATABASE_URL", "")
        assert settings.load().is_embedded

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("PORT", "many"),
            ("PORT", "65536"),
            ("DATABASE_URL", "mysql://db/x"),
            ("OPERATOR_TOKEN", "short"),
            ("EGRESS_ALLOW", "10.0.0.0/8,not/a/network"),
            ("EGRESS_ALLOW", "two words"),
            ("LOG_LEVEL", "loud"),
        ],
    )
    def test_names_the_variable_that_is_wrong_in_one_line(self, monkeypatch, name, value):
        monkeypatch.setenv(f"JACKFIELD_{name}", value)
        with pytest.raises(Misconfigured, match=rf"^JACKFIELD_{name}: .+$") as raised:
            settings.load()
        assert raised.value.exit_code == EX_CONFIG
        assert "\n" not in str(raised.value)

    def test_repeats_no_secret(self, monkeypatch):
        monkeypatch.setenv("JACKFIELD_OPERATOR_TOKEN", "hunter2")
        with pytest.raises(Misconfigured) as raised:
            settings.load()
        assert "hunter2" not in str(raised.value)

    def test_wants_no_worker_database_alone(self, monkeypatch):
        monkeypatch.setenv("JACKFIELD_WORKER_DATABASE_URL", "postgresql://worker@db/jackfield")
        with pytest.raises(Misconfigured, match="without JACKFIELD_DATABASE_URL"):
            settings.load()


class TestSettings:
    def test_hide_what_is_secret(self):
        loaded = settings.load(operator_token="x" * 32, master_keys_also_decrypt="old-key-1,old-key-2")
        assert "x" * 32 not in repr(loaded)
        assert "old-key" not in repr(loaded)
