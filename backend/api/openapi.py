"""/openapi.json: what FastAPI says of the routes, and what it can't say, so that clients can be generated from it."""

from typing import Any

from fastapi import FastAPI

from api.schemas import Problem

NO_TOKEN: dict[str, list[str]] = {}


class DescribedFastAPI(FastAPI):
    """An application whose description has one model of all problems, and says that a token may not be needed."""

    def openapi(self) -> dict[str, Any]:
        is_complete = self.openapi_schema is not None
        description = super().openapi()
        if not is_complete:
            description["components"]["schemas"]["Problem"] = Problem.model_json_schema()
            for operations in description["paths"].values():
                for operation in operations.values():
                    if "security" in operation:
                        operation["security"].append(NO_TOKEN)
        return description
