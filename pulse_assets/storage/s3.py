"""The connection to S3: one client per process, how long it tries, and what its errors mean."""

import os
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    ProxyConnectionError,
    SSLError,
)

from pulse_assets.errors import ConfigurationError
from pulse_assets.storage.usage import count_request

T = TypeVar("T")

#: Requests under way at a time: the threads that read and the connections they share.
CONCURRENCY: Final = 16

#: Seconds during which a failing exchange is repeated. botocore's own retries take up to 47 seconds
#: at a silent server, so a silence of 60 seconds is survived, and a dead server is reported within
#: 120.
PATIENCE: Final = 60.0
#: Longest pause in seconds before an exchange is repeated; a random number each time.
_PAUSE: Final = 4.0
_ATTEMPTS: Final = 4
_CONNECT_SECONDS: Final = 5
_READ_SECONDS: Final = 10

#: The first exchange through a proxy: seconds to wait for a connection or an answer, and to repeat
#: what breaks. So a proxy that is dead or silent is named within 15 seconds, most of which the
#: command may need to start.
_FIRST_SECONDS: Final = 4
_FIRST_PATIENCE: Final = 3.0

#: The start of an address with a user or a password in it, also of one with slashes missing.
_CREDENTIALS: Final = re.compile(r"(?i)\s*([a-z][a-z0-9+.-]*:[/\\]+|s3[an]?:)[^/\\]*@")

_NOBODY_THERE: Final = (EndpointConnectionError, ConnectTimeoutError)
_BROKEN: Final = (HTTPClientError, ConnectionError, IncompleteReadError)
_PASSING_STATUS: Final = {429, 500, 502, 503, 504}
_PROXY_PASSWORD: Final = 407
_TUNNEL_REFUSAL: Final = re.compile(r"Tunnel connection failed: (\d{3} [\w ]*)")

_BILL_FIX: Final = "if the bucket bills its readers, accept that (--s3-requester-pays)"
_PROXY_FIX: Final = (
    "correct HTTP_PROXY or HTTPS_PROXY, or name the S3 host in NO_PROXY to go without a proxy"
)

#: The answers of S3 that a user can fix, and how. In braces: what the answer says of it.
_FIXES: Final = {
    "NoSuchBucket": "the bucket does not exist: create it or correct its name",
    "InvalidBucketName": "no bucket can have that name: correct it",
    "InvalidObjectState": "the object is archived{storage_class}: restore it (aws s3api "
    "restore-object) and wait, or copy it to the storage class STANDARD",
    "RequestTimeTooSkewed": "the clock of this machine is wrong: set it",
    "InvalidAccessKeyId": "the access key is unknown: check the AWS credentials",
    "SignatureDoesNotMatch": "the secret key is wrong: check the AWS credentials",
    "ExpiredToken": "the AWS session has expired: sign in again",
    "InvalidToken": "the AWS session token is not valid: sign in again",
} | dict.fromkeys(
    (
        *("PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed"),
        "IllegalLocationConstraintException",
    ),
    "the bucket lies in {bucket_region}: set the AWS region (--aws-region{region})",
)
#: How an answer names the region of the bucket where it has no field for it.
_EXPECTED_REGION: Final = re.compile(r"expecting '([a-z0-9-]+)'")

#: The right that each request needs.
_RIGHTS: Final = {
    "ListObjectsV2": "s3:ListBucket on the bucket",
    "GetObject": "s3:GetObject on the objects",
    "PutObject": "s3:PutObject on the objects",
    "CreateMultipartUpload": "s3:PutObject on the objects",
}
#: How AWS names a right that is missing; it may be one of another service, such as of the key.
_MISSING_RIGHT: Final = re.compile(r"not authorized to perform: ([a-z0-9-]+:[A-Za-z]+)")


@cache
def s3_errors() -> tuple[type[Exception], ...]:
    """Return what can go wrong on the way to S3."""
    # The parser's error is of none of botocore's families. Local stores need not pay its import.
    from botocore.parsers import ResponseParserError

    return ClientError, BotoCoreError, ResponseParserError


def refuse_credentials(name: str, address: str) -> None:
    """Refuse an address with secrets in it, which would be logged, without repeating them.

    Raises:
        ConfigurationError: it holds a user or a password.
    """
    if _CREDENTIALS.match(address):
        raise ConfigurationError(
            f"{name} holds credentials: remove the part before the @ from the address and give "
            "credentials the AWS way, such as a profile"
        )


@dataclass(frozen=True)
class S3Settings:
    """How to reach S3; None leaves the choice to the AWS configuration of the machine."""

    region: str | None = None
    profile: str | None = None
    endpoint_url: str | None = None
    requester_pays: bool = False

    def __post_init__(self) -> None:
        """Refuse an endpoint with secrets in it; see `refuse_credentials`."""
        refuse_credentials("s3_endpoint_url", self.endpoint_url or "")


#: All as the AWS configuration of the machine has it.
AWS: Final = S3Settings()


class S3Connection:
    """A client that repeats an exchange after overload, silence or a broken connection."""

    def __init__(self, client: Any, first: Any = None) -> None:  # noqa: ANN401 - botocore makes its classes at run time
        """Take clients of boto3.

        Args:
            client: repeats single requests in botocore's standard mode.
            first: less patient, for exchanges before the first answer; None: the other.
        """
        self.client = client
        self._first = first
        self._answered = False

    def call(self, exchange: Callable[[Any], T]) -> T:
        """Return the result of `exchange`; repeat all of it while that may help.

        All of it, because botocore repeats a request but not the reading of its answer.

        Raises:
            ClientError, BotoCoreError, ResponseParserError: the last error, if repeating cannot
                help or has not helped for `PATIENCE` seconds, before the first answer through a
                proxy for `_FIRST_PATIENCE`.
        """
        began = time.monotonic()
        while True:
            met = self._answered or self._first is None
            client, patience = (self.client, PATIENCE) if met else (self._first, _FIRST_PATIENCE)
            try:
                result = exchange(client)
            except s3_errors() as error:
                self._answered |= error_code(error) is not None
                if not self._may_pass(error) or time.monotonic() > began + patience:
                    raise
            else:
                self._answered = True
                return result
            time.sleep(random.uniform(0, _PAUSE))  # noqa: S311 - spreads load, guards nothing

    def _may_pass(self, error: Exception) -> bool:
        if isinstance(error, ClientError):
            status = error.response["ResponseMetadata"].get("HTTPStatusCode")
            return status in _PASSING_STATUS and self._answered
        if isinstance(error, _NOBODY_THERE) or _is_proxy_fault(error):
            return self._answered  # an address that never answered is most likely wrong
        return isinstance(error, _BROKEN) and not isinstance(error, SSLError)


def error_code(error: BaseException | None) -> str | None:
    """Return the error code that S3 gave; None if it was not S3 that answered.

    botocore uses the status as the code where the answer has none.
    """
    code = str(error.response["Error"].get("Code")) if isinstance(error, ClientError) else ""
    return code if code and not code.isdecimal() else None


@lru_cache(maxsize=4)
def connect(settings: S3Settings) -> S3Connection:
    """Return this process's connection with these settings; nothing is sent yet.

    Raises:
        ConfigurationError: the endpoint is no address, or the region no name.
        BotoCoreError: the profile does not exist.
    """
    try:
        client = _client(settings, _ATTEMPTS, _CONNECT_SECONDS, _READ_SECONDS)
        proxied = _proxy(client.meta.endpoint_url) is not None
        first = _client(settings, 1, _FIRST_SECONDS, _FIRST_SECONDS) if proxied else None
    except ValueError as error:
        raise ConfigurationError(
            f"S3 endpoint {settings.endpoint_url!r}, region {settings.region!r}: {error}"
        ) from error
    for each in filter(None, (client, first)):
        each.meta.events.register("before-send.s3", count_request)
    return S3Connection(client, first)


def _client(
    settings: S3Settings, attempts: int, connect_seconds: float, read_seconds: float
) -> Any:  # noqa: ANN401 - see S3Connection
    import boto3  # a second of imports that local stores need not pay
    from botocore.config import Config
    from dagster_aws.s3 import S3Resource

    class PatientS3Resource(S3Resource):
        """Dagster's resource, with time limits and as many connections as there are readers."""

        def get_client(self) -> Any:  # noqa: ANN401 - as in the base class
            return boto3.Session(profile_name=self.profile_name).client(
                "s3",
                region_name=self.region_name,
                endpoint_url=self.endpoint_url,
                config=Config(
                    retries={"total_max_attempts": self.max_attempts, "mode": "standard"},
                    connect_timeout=connect_seconds,
                    read_timeout=read_seconds,
                    max_pool_connections=CONCURRENCY,
                ),
            )

    client = PatientS3Resource(
        region_name=settings.region,
        profile_name=settings.profile,
        endpoint_url=settings.endpoint_url,
        max_attempts=attempts,
    ).get_client()
    if settings.requester_pays:
        client.meta.events.register("provide-client-params.s3", _accept_the_bill)
    return client


def _accept_the_bill(params: dict[str, Any], **_: object) -> dict[str, Any]:
    """Add to a request that the one who asks pays for it; all requests of a store take it."""
    return {**params, "RequestPayer": "requester"}


def explain(error: Exception, settings: S3Settings) -> str:
    """Say in one line what an error of S3 means and how to fix it; it holds no credentials."""
    url = settings.endpoint_url or _origin(error)
    where = url or "AWS"
    fix = "correct --s3-endpoint-url"
    if isinstance(error, NoCredentialsError):
        return "no AWS credentials: sign in, name a profile (--aws-profile), or set AWS_PROFILE"
    proxy = _proxy(url or "https://s3.amazonaws.com")
    if _wants_proxy_password(error):
        return (
            f"the proxy {proxy or 'of this machine'} wants a user and a password: put them into "
            f"its address as http://user:password@host:port, or {_PROXY_FIX}"
        )
    if _is_proxy_fault(error):
        answer = f" ({refusal})" if (refusal := _tunnel_refusal(error)) else ""
        return f"the proxy {proxy or 'of this machine'} fails{answer}: {_PROXY_FIX}"
    if proxy:
        where, fix = f"{where} through the proxy {proxy}", f"{fix}, or {_PROXY_FIX}"
    if isinstance(error, _NOBODY_THERE):
        return f"nothing answers at {where}: {fix} or the AWS region"
    if isinstance(error, SSLError):
        return f"{where} does not speak TLS as expected: {fix} ({_line(error)})"
    if isinstance(error, _BROKEN):
        return f"the connection to {where} fails ({type(error).__name__}): try again later or {fix}"
    if isinstance(error, s3_errors()) and not isinstance(error, BotoCoreError):
        code = error_code(error)
        if code is None or not isinstance(error, ClientError):
            return f"{where} does not answer as S3 does: {fix}"
        if code == "AccessDenied":
            return _explain_denial(error, settings)
        return _FIXES[code].format(**_details(error)) if code in _FIXES else _line(error)
    return _line(error)


def _explain_denial(error: ClientError, settings: S3Settings) -> str:
    """Name the missing right, and the setting without which a bucket that bills readers denies."""
    denial = f"access denied: grant {_missing_right(error)} to the credentials in use"
    return denial if settings.requester_pays else f"{denial}; {_BILL_FIX}"


def _details(error: ClientError) -> dict[str, str]:
    """Return what an answer says of the bucket or object, for `_FIXES`."""
    answer: dict[str, Any] = error.response["Error"]
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    expected = _EXPECTED_REGION.search(_line(error))
    region = answer.get("Region") or headers.get("x-amz-bucket-region")
    region = region or (expected[1] if expected else None)
    kind = answer.get("StorageClass")
    return {
        "storage_class": f" ({kind})" if kind else "",
        "region": f" {region}" if region else "",
        "bucket_region": f"region {region}" if region else "another region",
    }


def _origin(error: Exception) -> str | None:
    """Return where a request went, such as https://bucket.s3.eu-west-1.amazonaws.com."""
    url = error.kwargs.get("endpoint_url") if isinstance(error, BotoCoreError) else None
    return f"{urlsplit(url).scheme}://{urlsplit(url).netloc}" if url else None


def _missing_right(error: ClientError) -> str:
    """Name the right that a refused request needs, as AWS does, or by the kind of request."""
    usual = _RIGHTS.get(error.operation_name, f"the right to {error.operation_name}")
    named = _MISSING_RIGHT.search(_line(error))
    return usual if not named or usual.startswith(named[1]) else named[1]


def _wants_proxy_password(error: Exception) -> bool:
    """Return whether a proxy refused a request, or a tunnel to S3, that has no password."""
    if isinstance(error, ClientError):
        answer = error.response.get("ResponseMetadata", {})
        return answer.get("HTTPStatusCode") == _PROXY_PASSWORD
    return _tunnel_refusal(error).startswith(f"{_PROXY_PASSWORD} ")


def _tunnel_refusal(error: Exception) -> str:
    """Return the answer of a proxy that opens no tunnel to S3, as `403 Forbidden`; else nothing."""
    inner = error.kwargs.get("error") if isinstance(error, ProxyConnectionError) else None
    answer = _TUNNEL_REFUSAL.search(str(inner))
    return answer[1] if answer else ""


def _is_proxy_fault(error: Exception) -> bool:
    """Return whether a proxy does not answer, or its address is invalid.

    An invalid address raises botocore's general error, which holds a ValueError of urllib3.
    """
    inner = error.kwargs.get("error") if isinstance(error, HTTPClientError) else None
    return isinstance(error, ProxyConnectionError) or isinstance(inner, ValueError)


def _proxy(url: str) -> str | None:
    """Name the proxy before an address and the variable that sets it, without its credentials."""
    from botocore.utils import get_environ_proxies  # late, as for `s3_errors`

    scheme = urlsplit(url).scheme
    address = get_environ_proxies(url).get(scheme)  # none where NO_PROXY names the host
    if not address:
        return None
    small = f"{scheme}_proxy"
    variable = small if os.environ.get(small) else small.upper()
    return f"{address.rpartition('@')[2]} of {variable}"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
