from typing import Annotated

from fastapi import Depends

from app.auth.dependencies import CurrentContext, Session
from app.events.publisher import EventPublisher


def get_events(session: Session, context: CurrentContext) -> EventPublisher:
    return EventPublisher(session, context)


Events = Annotated[EventPublisher, Depends(get_events)]
