"""The HTTP application: the protocol's endpoints, with KServe's data plane behind them.

Of KServe's own routes those that load and unload models are left out: whoever may ask a model must not be
able to take it away.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from kserve import Model, ModelRepository
from kserve.errors import ModelNotFound, ModelNotReady, ServerNotReady
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.rest.server import metrics_handler
from kserve.protocol.rest.v2_endpoints import V2Endpoints
from starlette.exceptions import HTTPException

from onnx_server import __version__
from onnx_server.drain import Draining
from onnx_server.engine import Engine
from onnx_server.errors import RequestError
from onnx_server.limits import Limits
from onnx_server.tensors import decode, encode

log = logging.getLogger(__name__)

JSON_LENGTH = "inference-header-content-length"
"""The header that says how many bytes of a body are JSON where binary tensors follow."""


class EngineModel(Model):  # type: ignore[misc]
    """A model as KServe's data plane knows it, which an engine computes."""

    def __init__(self, name: str, engine: Engine, workers: int) -> None:
        super().__init__(name)
        self.engine_of_model = engine
        self.ready = True
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix="infer")

    def get_input_types(self) -> list[dict[str, Any]]:
        """For the metadata."""
        return [each.describe() for each in self.engine_of_model.signature.inputs.values()]

    def get_output_types(self) -> list[dict[str, Any]]:
        """For the metadata."""
        return [each.describe() for each in self.engine_of_model.signature.outputs.values()]

    async def predict(
        self, payload: tuple[bytes, int | None], _headers: Any = None
    ) -> tuple[bytes, int | None]:
        """Answer a request, all of it off the event loop, so that probes are answered meanwhile."""
        return await asyncio.get_running_loop().run_in_executor(self._workers, self._answer, *payload)

    def validate(self, payload: Any) -> Any:
        """Done where the request is decoded."""
        return payload

    def _answer(self, body: bytes, json_length: int | None) -> tuple[bytes, int | None]:
        signature = self.engine_of_model.signature
        request = decode(body, json_length, signature)
        return encode(self.name, request, self.engine_of_model.run(request.arrays), signature)


class OneModelPlane(DataPlane):  # type: ignore[misc]
    """KServe's data plane, which says that nothing is ready once the server is ending."""

    def __init__(self, model: EngineModel, draining: Draining) -> None:
        repository = ModelRepository()
        repository.update(model)
        super().__init__(repository)
        self._model = model
        self._draining = draining

    def metadata(self) -> dict[str, Any]:
        """Of this server, and not of the library."""
        return {"name": "stowage-onnx-server", "version": __version__, "extensions": ["binary_tensor_data"]}

    async def model_metadata(self, model_name: str) -> dict[str, Any]:
        """With the engine as the platform."""
        described: dict[str, Any] = await super().model_metadata(model_name)
        return described | {"platform": self._model.engine_of_model.platform}

    async def ready(self) -> bool:
        """Whether requests should be sent here."""
        return self._model.ready and not self._draining.begun

    async def model_ready(self, model_name: str, disable_predictor_health_check: bool = False) -> bool:
        """The same, for one model by name. Raises ModelNotFound."""
        known: bool = await super().model_ready(model_name, disable_predictor_health_check)
        return known and not self._draining.begun


class InferEndpoint:
    """POST to a model: JSON, or JSON with binary tensors after it."""

    def __init__(self, plane: OneModelPlane) -> None:
        self._plane = plane

    async def infer(self, model_name: str, request: Request) -> Response:
        """Answer one request."""
        self._plane.get_model_from_registry(model_name)
        length = request.headers.get(JSON_LENGTH)
        if length is not None and not (length.isascii() and length.isdigit()):
            raise RequestError(f"header {JSON_LENGTH} is {length!r} and not a number of bytes")
        payload = (await request.body(), None if length is None else int(length))
        (body, json_length), _ = await self._plane.infer(model_name, payload, dict(request.headers))
        if json_length is None:
            return Response(body, media_type="application/json")
        return Response(body, media_type="application/octet-stream", headers={JSON_LENGTH: str(json_length)})


def application(name: str, engine: Engine, draining: Draining, *, workers: int, max_bytes: int) -> Limits:
    """The application that serves one model under `name`."""
    plane = OneModelPlane(EngineModel(name, engine, workers), draining)
    v2, infer = V2Endpoints(plane), InferEndpoint(plane)
    router = APIRouter(prefix="/v2")
    for path, handler in (
        ("", v2.metadata),
        ("/health/live", v2.live),
        ("/health/ready", v2.ready),
        ("/models", v2.models),
        # A model's name may hold slashes, so the longer paths come first.
        ("/models/{model_name:path}/ready", v2.model_ready),
        ("/models/{model_name:path}", v2.model_metadata),
    ):
        router.add_api_route(path, handler, methods=["GET"], response_model_exclude_none=True)
    router.add_api_route(
        "/models/{model_name:path}/infer", infer.infer, methods=["POST"], response_model=None
    )
    app = FastAPI(
        title="Stowage ONNX server", version=__version__, docs_url=None, redoc_url=None, openapi_url=None
    )
    app.include_router(router)
    app.add_api_route("/metrics", metrics_handler, methods=["GET"], include_in_schema=False)
    _answer_errors(app)
    return Limits(app, draining, max_bytes)


def _answer_errors(app: FastAPI) -> None:
    """Errors are told to the client, as the protocol says; only what is ours to mend is logged."""

    async def refused(_: Request, error: Exception) -> Response:
        status = error.status if isinstance(error, RequestError) else 500
        return JSONResponse({"error": str(error)}, status_code=status)

    async def unknown(_: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, status_code=404)

    async def not_ready(_: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, status_code=503)

    async def other(_: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        detail = error.detail if isinstance(error, HTTPException) else "internal error"
        return JSONResponse({"error": str(detail)}, status_code=status)

    app.add_exception_handler(RequestError, refused)
    app.add_exception_handler(ModelNotFound, unknown)
    app.add_exception_handler(ModelNotReady, not_ready)
    app.add_exception_handler(ServerNotReady, not_ready)
    app.add_exception_handler(HTTPException, other)
    app.add_exception_handler(Exception, other)
