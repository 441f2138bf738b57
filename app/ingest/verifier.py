"""Whether a webhook proves who sent it: by a signature, by a key that its sender publishes, or by a token."""

from app.auth.authenticator import Authenticator
from app.auth.scopes import Scope
from app.core.errors import AppError
from app.ingest.inbound import Inbound
from app.ingest.routes import Route
from app.signatures.explanation import Explanation, explain_with_keys
from app.signatures.key_source import KeySource
from app.signatures.verdict import Reason
from app.signatures.verification import verify, verify_with_keys


class Verifier:
    """Holds no transaction: a sender's keys may have to be fetched."""

    def __init__(self, authenticator: Authenticator, keys: KeySource) -> None:
        self._authenticator = authenticator
        self._keys = keys

    async def refusal(self, route: Route, inbound: Inbound, now: float) -> Reason | None:
        """Why the request is refused; ``now``: Unix time. Raises ``SigningKeyUnavailable``."""
        preset = route.preset
        if preset.needs_access_token:
            return await self._refused_token(route, inbound.token)
        if preset.needs_keys:
            verdict = await verify_with_keys(preset, inbound.signed(), route.secrets, now, self._keys)
        else:
            verdict = verify(preset, inbound.signed(), route.secrets, now)
        return verdict.reason

    async def explain(self, route: Route, inbound: Inbound, now: float) -> Explanation:
        """The same, in words. Raises ``SigningKeyUnavailable``."""
        if route.preset.needs_access_token:
            reason = await self._refused_token(route, inbound.token)
            what = (
                "The access token is missing, or not good for this handler."
                if reason
                else "The token is good."
            )
            return Explanation(ok=reason is None, code=reason, what=what, read=("the header Authorization",))
        return await explain_with_keys(
            route.preset,
            inbound.signed(),
            route.current_secrets,
            route.previous_secrets,
            now,
            keys=self._keys,
        )

    async def _refused_token(self, route: Route, token: str | None) -> Reason | None:
        if token is None:
            return Reason.MISSING_HEADER
        try:
            context = await self._authenticator.authenticate(token)
            context.require(Scope.HANDLERS_EXECUTE)
        except AppError:
            return Reason.MISMATCH
        is_of_route = context.tenant_id == route.tenant_id and context.integration_id in {
            None,
            route.recipient.integration_id,
        }
        return None if is_of_route else Reason.MISMATCH
