from sqlalchemy import insert

from app.db.base import Json
from app.db.repository import TenantRepository
from app.models import Event


class EventRepository(TenantRepository[Event]):
    model = Event

    async def insert_all(self, rows: list[Json]) -> None:
        if rows:
            await self.session.execute(insert(Event), rows)
