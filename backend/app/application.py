"""The application: `create_app` brings together routes, what surrounds them, and a lifespan."""

from fastapi import FastAPI
from fastapi.middleware import Middleware
from fastapi.telemetry import TelemetryConfig

from api.errors import answer_problems
from api.guards.body_limits import BodyLimits
from api.guards.request_origin import own_hosts
from api.middleware import Guard, LingeringAnswer, PlainRefusal, RequestLog
from api.openapi import DescribedFastAPI
from api.parameters import JSON_BODY_BYTES
from api.protocols.cross_origin import AllowedOrigins
from api.protocols.multipart import LIMITS
from api.protocols.protocol_choice import UPLOADS_PATH
from api.protocols.rufh import RufhMiddleware
from api.protocols.tus import TusMiddleware
from api.routes import (
    api_docs,
    archive,
    bulk,
    downloads,
    events,
    form_upload,
    health,
    metrics,
    page,
    recordings,
    resumable_uploads,
    rufh_uploads,
    server,
    session,
    tokens,
    transcripts,
)
from api.routes.direct_route import DirectRoutes
from app.lifespan import lifespan
from app.startup import Prepared
from core.observability import tracing
from core.settings import Settings, load_settings

VERSION = "0.1.0"  # as in pyproject.toml
ROUTES = (  # what comes the most is looked for first
    form_upload,
    downloads,
    rufh_uploads,
    resumable_uploads,
    events,
    archive,
    bulk,
    recordings,
    transcripts,
    tokens,
    server,
    session,
    health,
    metrics,
    page,
    api_docs,
)
SPANS_ALONE: TelemetryConfig = {"metrics": False, "logs": False, "operation_spans": False, "auto_configure": False}


def create_app(settings: Settings | None = None, *, prepared: Prepared | None = None) -> FastAPI:
    """The application, not yet started: its lifespan does that. Without settings it loads them.

    What was `prepared` for these settings isn't prepared again. Raises SettingRefused.
    """
    settings = settings or load_settings()
    app = DescribedFastAPI(
        title="Pegasus",
        summary="Takes in audio recordings, and heals the database it keeps them in.",
        version=VERSION,
        docs_url=None,  # api/routes/api_docs.py has them, from this server alone
        redoc_url=None,
        lifespan=lambda _app: lifespan(settings, prepared=prepared),
        middleware=_middleware(settings),
        redirect_slashes=False,
        telemetry=SPANS_ALONE | {"tracing": tracing.is_configured()},
    )
    for routes in ROUTES:
        app.router.routes.extend(routes.router.routes)  # to include a router analyses each route of it once more
    answer_problems(app)
    return app


def _middleware(settings: Settings) -> list[Middleware]:
    """What every request passes, the outermost first."""
    origins = settings.allowed_origin_names
    limits = BodyLimits(
        form_path=form_upload.PATH,
        bytes_path=UPLOADS_PATH,
        file_bytes=settings.max_file_size_bytes,
        form_bytes=LIMITS.overhead_bytes,
        other_bytes=JSON_BODY_BYTES,
    )
    return [
        Middleware(PlainRefusal),
        Middleware(RequestLog),
        *([Middleware(AllowedOrigins, origins=origins)] if origins else []),
        Middleware(TusMiddleware),
        Middleware(RufhMiddleware, upload_path=form_upload.PATH, limit_bytes=settings.max_file_size_bytes),
        Middleware(LingeringAnswer),
        Middleware(
            Guard,
            hosts=own_hosts(settings),
            origins=origins,
            anywhere=settings.auth_is_configured,
            proxied=settings.auth == "open",
            limits=limits,
        ),
        # FastAPI's spans are named by the routes that it finds itself.
        *([] if tracing.is_configured() else [Middleware(DirectRoutes, routers=[routes.router for routes in ROUTES])]),
    ]
