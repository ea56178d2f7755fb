"""Whether a request is signed as Signature Version 4 says: by its text, not by the library that signs.

Source: docs.aws.amazon.com, Amazon S3 API Reference, Authenticating Requests: Using the Authorization Header.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping

_FORM = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<id>[^/]+)/(?P<date>\d{8})/(?P<region>[^/]+)/s3/aws4_request, ?"
    r"SignedHeaders=(?P<headers>[a-z0-9;-]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


def is_signed(
    path: str, headers: Mapping[str, str], identifier: str, secret: str, region: str = "us-east-1"
) -> bool:
    """Whether a GET of the path, as it came, was signed with these keys."""
    found = _FORM.fullmatch(headers.get("Authorization", ""))
    if found is None or found["id"] != identifier or found["region"] != region:
        return False
    values = {name.lower(): value.strip() for name, value in headers.items()}
    names = found["headers"].split(";")
    if not {"host", "x-amz-date", "x-amz-content-sha256"} <= set(names):
        return False
    canonical = "".join(f"{name}:{values[name]}\n" for name in names)
    path, _, query = path.partition("?")
    query = "&".join(sorted(query.split("&")))
    request = f"GET\n{path}\n{query}\n{canonical}\n{found['headers']}\n{values['x-amz-content-sha256']}"
    scope = f"{found['date']}/{region}/s3/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{values['x-amz-date']}\n{scope}\n{digest}"
    key = f"AWS4{secret}".encode()
    for part in (found["date"], region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), found["signature"])
