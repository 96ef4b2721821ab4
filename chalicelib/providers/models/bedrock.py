"""Signs requests to Amazon Bedrock with the function's role; the app's own HTTP client sends them.

botocore signs (SigV4) and finds the credentials; it does not send. Its own client bounds only single waits, and a
provider that drips its answer would outlast every deadline.
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from chalicelib.errors import Misconfigured, Unavailable
from chalicelib.providers.models.provider_http import JsonApi

# Returns botocore's Credentials, which renew themselves; None when there are none.
FindCredentials = Callable[[], Any]
_SIGNATURE = ("Authorization", "X-Amz-Date", "X-Amz-Security-Token")


def bedrock_api(
    *, region: str, find_credentials: FindCredentials, base_url: str | None, max_answer_bytes: int
) -> JsonApi:
    """Return the API of bedrock-runtime in a region, or behind `base_url`."""

    def sign(url: str, body: bytes) -> Mapping[str, str]:
        return _signature(url, body, region=region, find_credentials=find_credentials)

    return JsonApi(
        name="Bedrock",
        base_url=base_url or f"https://bedrock-runtime.{region}.amazonaws.com",
        api_key=None,
        max_answer_bytes=max_answer_bytes,
        sign=sign,
    )


def path_of(model: str, action: str) -> str:
    return f"/model/{quote(model, safe='')}/{action}"


def _signature(url: str, body: bytes, *, region: str, find_credentials: FindCredentials) -> dict[str, str]:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.exceptions import BotoCoreError, ClientError

    request = AWSRequest(method="POST", url=url, data=body, headers={"Content-Type": "application/json"})
    try:
        credentials = find_credentials()
        if credentials is None:
            raise Misconfigured("There are no AWS credentials to ask Bedrock with.")
        SigV4Auth(credentials.get_frozen_credentials(), "bedrock", region).add_auth(request)
    except (BotoCoreError, ClientError) as error:  # the latter from STS, for a role that is assumed
        raise Unavailable(f"The AWS credentials cannot be read ({type(error).__name__}).") from error
    return {name: request.headers[name] for name in _SIGNATURE if name in request.headers}
