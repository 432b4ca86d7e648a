"""The refusal for each error of gunicorn's parser: a status and a message in place of gunicorn's HTML pages.

The messages do not quote the request, as gunicorn's do. The log does.
"""

from __future__ import annotations

from typing import Any, Final

from .gunicorn_internals import errors as http_errors
from .refusals import BROKEN_CHUNKS, Refusal, make_invalid_refusal

REQUEST_LINE: Final = (
    "The request line should be a method, a path and a version, such as GET / HTTP/1.1, and end in CR and LF."
)
#: The refusal of bytes that cannot begin a request, such as those of TLS.
NO_REQUEST = make_invalid_refusal(400, "Bad Request", f"{REQUEST_LINE} This port does not use TLS (https).")
_HEADERS: Final = {
    "CONTENT-LENGTH": "Content-Length should be one decimal number, and should not be sent beside Transfer-Encoding.",
    "TRANSFER-ENCODING": "Transfer-Encoding should be chunked, be sent once, and needs HTTP/1.1.",
    "HOST": "Host should be sent once, without control characters.",
    "CONTENT-TYPE": "Content-Type should be sent once, without control characters.",
}
_OTHER_HEADER: Final = (
    "A header should be a line such as `Name: value`, without control characters, that ends in CR and LF."
)
# The first class that matches decides.
_KINDS: Final[tuple[tuple[type[Exception], int, str, str], ...]] = (
    (
        http_errors.InvalidRequestLine,
        400,
        "Bad Request",
        REQUEST_LINE,
    ),
    (
        http_errors.InvalidRequestMethod,
        400,
        "Bad Request",
        "The method should have 3 to 20 capital letters, such as GET.",
    ),
    (http_errors.ObsoleteFolding, 400, "Bad Request", "Each header should be on one line."),
    (
        http_errors.InvalidHeaderName,
        400,
        "Bad Request",
        "A header's name should be a token (RFC 9110, section 5.6.2).",
    ),
    (http_errors.UnsupportedTransferCoding, 501, "Not Implemented", "Transfer-Encoding should be chunked."),
    (http_errors.ExpectationFailed, 417, "Expectation Failed", "Expect should be 100-continue, or not be sent."),
    (
        http_errors.ForbiddenProxyRequest,
        403,
        "Forbidden",
        "This address may not use the PROXY protocol. The operator can allow it by gunicorn's proxy_allow_ips.",
    ),
    (http_errors.InvalidProxyLine, 400, "Bad Request", "The head of the PROXY protocol should be valid."),
    (http_errors.InvalidProxyHeader, 400, "Bad Request", "The head of the PROXY protocol should be valid."),
    (http_errors.InvalidSchemeHeaders, 400, "Bad Request", "The headers that name the scheme should agree."),
    (http_errors.ConfigurationProblem, 404, "Not Found", "The path should be below the application's own."),
)
_BROKEN: Final = (
    http_errors.InvalidChunkSize,
    http_errors.ChunkMissingTerminator,
    http_errors.InvalidChunkExtension,
)


def refuse_parser_error(error: Exception, cfg: Any) -> Refusal:
    """Return the refusal for an error of gunicorn's parser.

    Args:
        error: A `ParseException`. One that is not known here, of a later gunicorn, is 400.
        cfg: gunicorn's configuration, for its limits.
    """
    if isinstance(error, _BROKEN):
        return BROKEN_CHUNKS
    if isinstance(error, http_errors.InvalidHeader):
        return make_invalid_refusal(400, "Bad Request", _HEADERS.get(str(error.hdr), _OTHER_HEADER))
    if isinstance(error, http_errors.InvalidHTTPVersion):
        # gunicorn's error has the numbers of a version that it could read.
        is_read = isinstance(error.version, tuple)
        status, phrase = (505, "HTTP Version Not Supported") if is_read else (400, "Bad Request")
        return make_invalid_refusal(status, phrase, "The version in the request line should be HTTP/1.1 or HTTP/1.0.")
    if isinstance(error, http_errors.LimitRequestLine):
        message = f"The request line should have at most {cfg.limit_request_line} bytes."
        return make_invalid_refusal(414, "URI Too Long", message)
    if isinstance(error, http_errors.LimitRequestHeaders):
        message = (
            f"A request should have at most {cfg.limit_request_fields} headers, "
            f"each of at most {cfg.limit_request_field_size} bytes."
        )
        return make_invalid_refusal(431, "Request Header Fields Too Large", message)
    for kind, status, phrase, message in _KINDS:
        if isinstance(error, kind):
            return make_invalid_refusal(status, phrase, message)
    return make_invalid_refusal(400, "Bad Request", "The request should be one of HTTP/1.1.")
