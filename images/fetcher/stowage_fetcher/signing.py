"""Requests to S3, signed (Signature Version 4) by Amazon's own library."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit

SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Keys:
    """Of an account."""

    identifier: str
    secret: str = field(repr=False)
    session: str | None = field(default=None, repr=False)


def signed(url: str, keys: Keys, region: str, now: datetime | None = None) -> dict[str, str]:
    """The headers that make a GET of the url a signed one."""
    # Here, since who fetches by https alone should not wait for it.
    from awscrt import auth, http

    parts = urlsplit(url)
    config = auth.AwsSigningConfig(
        algorithm=auth.AwsSigningAlgorithm.V4,
        signature_type=auth.AwsSignatureType.HTTP_REQUEST_HEADERS,
        credentials_provider=auth.AwsCredentialsProvider.new_static(
            keys.identifier, keys.secret, keys.session
        ),
        region=region,
        service="s3",
        date=now or datetime.now(UTC),
        # As S3 wants it, unlike all other services: the path as it is sent.
        use_double_uri_encode=False,
        should_normalize_uri_path=False,
        signed_body_value=auth.AwsSignedBodyValue.EMPTY_SHA256,
        signed_body_header_type=auth.AwsSignedBodyHeaderType.X_AMZ_CONTENT_SHA_256,
    )
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    request = http.HttpRequest("GET", target, http.HttpHeaders([("host", parts.netloc)]))
    answer = auth.aws_sign_request(request, config).result(SECONDS)
    return {name: value for name, value in answer.headers if name.lower() != "host"}
