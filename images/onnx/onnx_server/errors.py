"""The errors of this package.

ServerError
├── ModelError        the model can't be served; the process ends with the message
│   └── DigestMismatch    it is another one than is meant
└── RequestError      a request can't be answered; carries the HTTP status
"""

from __future__ import annotations


class ServerError(Exception):
    """The base of all errors that are told without a traceback."""


class ModelError(ServerError):
    """There is no model to serve, or it can't be loaded."""


class DigestMismatch(ModelError):
    """The model's files aren't those that are meant to be served."""


class RequestError(ServerError):
    """A request can't be answered."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
