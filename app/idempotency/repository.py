from sqlalchemy import func, select

from app.db.repository import TenantRepository
from app.models import IdempotencyKey


class IdempotencyRepository(TenantRepository[IdempotencyKey]):
    model = IdempotencyKey

    async def try_lock(self, name: str) -> bool:
        """Whether nobody else runs a request of that name now. Held until the transaction ends."""
        return bool(
            await self.session.scalar(select(func.pg_try_advisory_xact_lock(func.hashtextextended(name, 0))))
        )

    async def find_key(self, key: str, method: str, path: str) -> IdempotencyKey | None:
        query = self.select().where(
            IdempotencyKey.key == key, IdempotencyKey.method == method, IdempotencyKey.path == path
        )
        return (await self.session.scalars(query)).one_or_none()
