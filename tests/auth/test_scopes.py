import pytest

from app.auth.scopes import OPERATOR_SCOPE, Scope, grants, is_grantable


class TestGrants:
    @pytest.mark.parametrize("held", ["secrets:read", "secrets:*", "*:read", "*:*", "*"])
    def test_follows_stars(self, held):
        assert grants({held}, Scope.SECRETS_READ)

    @pytest.mark.parametrize(
        "held",
        [
            *("", ":", "**", "secrets", "secrets:", ":read", "*:", "SECRETS:READ"),
            *("secrets:write", "credentials:read", "credentials:*", "*:write"),
            *("secret*:read", "secrets:r*", "secrets:read ", "secrets:read:x"),
        ],
    )
    def test_grants_nothing_else(self, held):
        assert not grants({held}, Scope.SECRETS_READ)

    def test_needs_one_of_many(self):
        assert grants(["audit:read", "secrets:read"], Scope.SECRETS_READ)
        assert not grants([], Scope.SECRETS_READ)


class TestIsGrantable:
    @pytest.mark.parametrize("scope", [*Scope, "*", "*:*", "*:read", "handlers:*"])
    def test_knows_every_scope_and_its_star_forms(self, scope):
        assert is_grantable(scope)

    @pytest.mark.parametrize(
        "scope", ["", "secrets", "secrets:reveal", "nothing:*", "*:nothing", "tenants:*"]
    )
    def test_refuses_what_would_grant_nothing(self, scope):
        assert not is_grantable(scope)

    def test_never_lets_a_tenant_become_operator(self):
        assert not is_grantable(OPERATOR_SCOPE)
        assert OPERATOR_SCOPE not in {str(scope) for scope in Scope}


class TestScope:
    @pytest.mark.parametrize("scope", Scope)
    def test_is_a_resource_and_a_verb(self, scope):
        resource, verb = scope.split(":")

        assert resource.replace("_", "").isalpha()
        assert verb in {"read", "write", "execute"}
