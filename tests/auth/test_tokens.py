import re

import pytest

from app.auth import tokens


class TestMake:
    def test_makes_what_scanners_recognise(self):
        token = tokens.make()

        assert re.fullmatch(tokens.PATTERN, token.reveal())
        assert re.search(rf"\b{tokens.PATTERN}\b", f"Authorization: Bearer {token.reveal()}.")
        assert token.reveal().startswith("jf_svc_")
        assert tokens.is_well_formed(token.reveal())

    @pytest.mark.parametrize("kind", ["pat", "whk", "cst"])
    def test_names_its_kind(self, kind):
        assert tokens.make(kind).reveal().startswith(f"jf_{kind}_")

    def test_makes_no_two_alike(self):
        assert len({tokens.make().reveal() for _ in range(1000)}) == 1000

    def test_does_not_show_what_it_made(self):
        token = tokens.make()

        assert token.reveal()[7:] not in repr(token)


class TestIsWellFormed:
    def test_finds_every_single_typing_error(self):
        token = tokens.make().reveal()

        for position in range(len("jf_svc_"), len(token)):
            for character in "0aZ":
                mistyped = token[:position] + character + token[position + 1 :]
                assert tokens.is_well_formed(mistyped) == (mistyped == token)

    def test_covers_the_kind_with_the_checksum(self):
        assert not tokens.is_well_formed(tokens.make("svc").reveal().replace("svc", "pat"))

    @pytest.mark.parametrize(
        "token",
        ["", "x", "jf_svc_", "jf_svc_" + "0" * 36, "jf_xyz_" + "0" * 36, "ä" * 43, "jf_svc_" + "é" * 36],
    )
    def test_refuses_anything_else(self, token):
        assert not tokens.is_well_formed(token)

    @pytest.mark.parametrize("changed", [" {}", "{} ", "{}\n", "{}0"])
    def test_refuses_what_surrounds_a_token(self, changed):
        assert not tokens.is_well_formed(changed.format(tokens.make().reveal()))


class TestHashToken:
    def test_cannot_be_tested_against_without_the_pepper(self):
        token = tokens.make().reveal()

        assert tokens.hash_token(token, b"a") == tokens.hash_token(token, b"a")
        assert tokens.hash_token(token, b"a") != tokens.hash_token(token, b"b")
        assert len(tokens.hash_token(token, b"a")) == 32


class TestPrefix:
    def test_shows_kind_and_four_characters(self):
        token = tokens.make()

        assert tokens.prefix(token) == token.reveal()[: len("jf_svc_") + 4]
