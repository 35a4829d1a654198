"""How a connection to S3 waits out what passes, and what its errors are said to mean."""

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
    SSLError,
)

from pulse_assets.storage import s3
from pulse_assets.storage.s3 import S3Connection, S3Settings, error_code, explain

URL = "http://127.0.0.1:1"


def refusal(code, status):
    answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "GetObject")


OVERLOADED = refusal("SlowDown", 503)
NOBODY = EndpointConnectionError(endpoint_url=URL)
LATE = ConnectTimeoutError(endpoint_url=URL)
SILENT = ReadTimeoutError(endpoint_url=URL)
NO_TLS = SSLError(endpoint_url=URL, error="wrong version")


class Clock:
    """Time that passes in `sleep` alone."""

    def __init__(self):
        self.now, self.pauses = 100.0, []

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(s3, "time", clock)
    monkeypatch.setattr(s3.random, "uniform", lambda _least, most: most)
    return clock


def calls(connection, *outcomes):
    """Let a connection meet outcomes one after the other; return how many it met."""
    left = list(outcomes)

    def exchange(client):
        assert client == "client"
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    try:
        assert connection.call(exchange) == outcomes[-1]
    except Exception as error:
        assert error is outcomes[len(outcomes) - len(left) - 1]
    return len(outcomes) - len(left)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_an_overload_is_waited_out(clock, status):
    assert calls(S3Connection("client"), refusal("SlowDown", status), "read") == 2
    assert clock.pauses == [4.0]


@pytest.mark.parametrize("status", [400, 403, 404, 501])
def test_a_refusal_is_told_at_once(clock, status):
    assert calls(S3Connection("client"), refusal("AccessDenied", status), "read") == 1
    assert clock.pauses == []


def test_what_does_not_pass_is_told_after_a_minute(clock):
    assert calls(S3Connection("client"), *[OVERLOADED] * 40, "read") == 17
    assert clock.now == 164.0


@pytest.mark.parametrize("error", [NOBODY, LATE])
def test_an_address_is_waited_for_only_if_it_has_ever_answered(clock, error):
    connection = S3Connection("client")
    assert calls(connection, error, "read") == 1
    assert calls(connection, "read") == 1
    assert calls(connection, error, "read") == 2


def test_an_error_of_s3_counts_as_an_answer_and_one_of_another_server_does_not(clock):
    connection = S3Connection("client")
    assert calls(connection, refusal("502", 502), "read") == 1
    assert calls(connection, refusal("NoSuchKey", 404)) == 1
    assert calls(connection, refusal("502", 502), "read") == 2


@pytest.mark.parametrize(("error", "met"), [(SILENT, 2), (NO_TLS, 1)])
def test_broken_connections_are_begun_anew_but_not_another_protocol(clock, error, met):
    assert calls(S3Connection("client"), error, "read") == met


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (NoCredentialsError(), "no AWS credentials"),
        (NOBODY, f"nothing answers at {URL}: correct --s3-endpoint-url or the AWS region"),
        (LATE, f"nothing answers at {URL}"),
        (NO_TLS, f"{URL} does not speak TLS as expected: correct --s3-endpoint-url ("),
        (SILENT, f"the connection to {URL} fails (ReadTimeoutError): try again later"),
        (refusal("404", 404), f"{URL} does not answer as S3 does"),
        (refusal("NoSuchBucket", 404), "the bucket does not exist"),
        (refusal("PermanentRedirect", 301), "the bucket lies in another region"),
        (refusal("Odd", 400), "An error occurred (Odd)"),
        (ProfileNotFound(profile="p"), "The config profile (p) could not be found"),
    ],
)
def test_each_error_is_explained(error, text):
    assert explain(error, S3Settings(endpoint_url=URL)).startswith(text)


def detailed(code, message="", **details):
    answer = {"Error": {"Code": code, "Message": message, **details}}
    return ClientError(answer | {"ResponseMetadata": {"HTTPStatusCode": 400}}, "GetObject")


EXPECTING = "the region 'us-east-1' is wrong; expecting 'eu-west-3'"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            detailed("InvalidObjectState", StorageClass="DEEP_ARCHIVE"),
            "the object is archived (DEEP_ARCHIVE): restore it",
        ),
        (detailed("InvalidObjectState"), "the object is archived: restore it"),
        (
            detailed("AuthorizationHeaderMalformed", Region="eu-west-3"),
            "the bucket lies in region eu-west-3: set the AWS region (--aws-region eu-west-3)",
        ),
        (
            detailed("AuthorizationHeaderMalformed", EXPECTING),
            "the bucket lies in region eu-west-3: set the AWS region (--aws-region eu-west-3)",
        ),
        (
            detailed("PermanentRedirect"),
            "the bucket lies in another region: set the AWS region (--aws-region)",
        ),
        (detailed("RequestTimeTooSkewed"), "the clock of this machine is wrong: set it"),
        (detailed("InvalidBucketName"), "no bucket can have that name: correct it"),
        (
            EndpointConnectionError(endpoint_url="https://b.s3.eu-west-9.amazonaws.com/a?b=c"),
            "nothing answers at https://b.s3.eu-west-9.amazonaws.com: correct",
        ),
    ],
)
def test_what_the_answer_says_of_the_place_is_passed_on(error, text):
    assert explain(error, S3Settings()).startswith(text)


@pytest.mark.parametrize(
    ("operation", "message", "right"),
    [
        ("ListObjectsV2", "Access Denied", "s3:ListBucket on the bucket"),
        ("GetObject", "Access Denied", "s3:GetObject on the objects"),
        ("PutObject", "Access Denied", "s3:PutObject on the objects"),
        ("CreateMultipartUpload", "Access Denied", "s3:PutObject on the objects"),
        (
            "ListObjectsV2",
            "User: arn:aws:iam::1:user/u is not authorized to perform: s3:ListBucket on x",
            "s3:ListBucket on the bucket",
        ),
        (
            "PutObject",
            "User: arn:aws:iam::1:user/u is not authorized to perform: kms:GenerateDataKey on x",
            "kms:GenerateDataKey",
        ),
        ("HeadBucket", "Forbidden", "the right to HeadBucket"),
    ],
)
def test_a_refusal_names_the_missing_right(operation, message, right):
    error = ClientError({"Error": {"Code": "AccessDenied", "Message": message}}, operation)
    said = f"access denied: grant {right} to the credentials in use"
    assert explain(error, S3Settings(requester_pays=True)) == said
    bill = "; if the bucket bills its readers, accept that (--s3-requester-pays)"
    assert explain(error, S3Settings()) == said + bill


def test_without_an_endpoint_it_is_aws_that_does_not_answer():
    nameless = EndpointConnectionError(endpoint_url="")
    assert explain(nameless, S3Settings()).startswith("nothing answers at AWS")


@pytest.mark.parametrize(
    ("error", "code"), [(OVERLOADED, "SlowDown"), (refusal("503", 503), None), (SILENT, None)]
)
def test_a_code_is_one_that_s3_gave(error, code):
    assert error_code(error) == code


def test_a_client_is_patient_and_wide_enough_for_all_readers(credentials):
    config = s3.connect(S3Settings(region="us-east-1", endpoint_url=URL)).client.meta.config
    assert config.retries == {"total_max_attempts": 4, "mode": "standard"}
    assert (config.connect_timeout, config.read_timeout) == (5, 10)
    assert config.max_pool_connections == s3.CONCURRENCY == 16
