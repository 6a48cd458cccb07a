"""What a service's OpenAPI says of every call: that it takes a token, and that what is refused is a problem."""

from typing import Any

_PROBLEM: dict[str, Any] = {
    "title": "Problem",
    "description": "RFC 9457: `title` names the problem for programs, `detail` says what to mend.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "Server-Sent Events", "content": {"text/event-stream": {}}}
}
"""`responses` of a call that answers with a stream; its response_class is fastapi.Response."""

_METHODS = ("get", "put", "post", "delete", "patch", "head", "options")


def again(model: Any) -> dict[int | str, dict[str, Any]]:
    """`responses` of a call that makes something, answered 201: its key's first answer again is a 200."""
    return {200: {"description": "The same key again: the same answer", "model": model}}


def complete(description: dict[str, Any]) -> dict[str, Any]:
    """The framework's description with our problems in place of its own errors; the same object."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path in description.get("paths", {}).values():
        for call in (path[method] for method in _METHODS if method in path):
            call["responses"].pop("422", None)
            call["responses"]["default"] = {"description": "What is wrong, and what to mend", "content": content}
    components = description.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for ours in ("HTTPValidationError", "ValidationError"):
        schemas.pop(ours, None)
    schemas["Problem"] = _PROBLEM
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
    description["security"] = [{"token": []}]
    return description
