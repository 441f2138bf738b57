"""The answers to orchestrators among the routes of the API, where they are documented."""

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from app.web.health import is_alive, is_ready, metrics

router = APIRouter(tags=["health"])
router.get("/livez", summary="Is the process alive?", response_model=dict[str, str])(is_alive)
router.get(
    "/readyz",
    summary="Can it take requests?",
    responses={503: {"description": "Not ready; what is false has failed."}},
)(is_ready)
router.get("/metrics", summary="Metrics for Prometheus", response_class=PlainTextResponse)(metrics)
