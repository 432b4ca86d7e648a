"""Images of a message: data URLs -> parts of the message for the model. An error says which one is wrong."""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..request_errors import InvalidRequest

#: Of one message.
MAX_IMAGES: Final = 4
#: Of one image, decoded. The page sends at most 400 KB; a photo of 1568 px, to which models scale, has less.
MAX_IMAGE_BYTES: Final = 2_100_000
# base64 has four characters for three bytes, and the limit is whole threes: so the length tells.
_MAX_BASE64: Final = MAX_IMAGE_BYTES // 3 * 4
_LABEL: Final = re.compile(r"data:image/[a-z0-9.+-]{1,40};base64,")
_LABEL_CHARS: Final = len("data:image/;base64,") + 40
#: The most characters of a data URL.
MAX_IMAGE_CHARS: Final = _LABEL_CHARS + _MAX_BASE64
# The first bytes of each type, in whole groups of base64: the label of a data URL may say anything. Of WebP, the
# bytes 4 to 7 are a size (https://developers.google.com/speed/webp/docs/riff_container).
_BEGINNINGS: Final = {
    "png": r"iVBORw0KGg[o-r][A-Za-z0-9+/]",
    "jpeg": r"/9j/",
    "gif": r"R0lGOD[dl]h",
    "webp": r"UklGR[g-v][A-Za-z0-9+/]{4}[BFJNRVZdhlptx159]XRUJQ",
}
_TYPE: Final = re.compile("|".join(f"(?P<{name}>{begin})" for name, begin in _BEGINNINGS.items()))
#: What a data URL should look like, for the OpenAPI document: in the dialect of ECMA-262 too.
IMAGE_PATTERN: Final = (
    r"^data:image/[a-z0-9.+-]{1,40};base64,"
    rf"(?:{'|'.join(_BEGINNINGS.values())})(?:[A-Za-z0-9+/]{{4}})*(?:[A-Za-z0-9+/]{{3}}=|[A-Za-z0-9+/]{{2}}==)?$"
)


def read_images(images: Sequence[str], field: str) -> list[Mapping[str, Any]]:
    """Check the images of one message, and return them as parts of the message, in the form of OpenAI's API.

    Args:
        images: Data URLs.
        field: The name of their field in the request, for errors.

    Raises:
        InvalidRequest: There are too many, or one is too large, not in base64 or of another type.
    """
    if len(images) > MAX_IMAGES:
        raise InvalidRequest(f"`{field}` should have at most {MAX_IMAGES} images.", field=field, status=413)
    return [_read_image(url, f"{field}[{index}]") for index, url in enumerate(images)]


def _read_image(url: str, field: str) -> Mapping[str, Any]:
    label = _LABEL.match(url)
    if label is None:
        raise InvalidRequest(
            f"`{field}` should be a data URL such as `data:image/png;base64,iVBORw0KGgo...`.", field=field
        )
    encoded = url[label.end() :]
    if len(encoded) > _MAX_BASE64:
        raise InvalidRequest(f"`{field}` should have at most {MAX_IMAGE_BYTES} bytes.", field=field, status=413)
    found = _TYPE.match(encoded)
    if found is None:
        raise InvalidRequest(f"`{field}` should be a PNG, JPEG, WebP or GIF image, by its first bytes.", field=field)
    if not _is_base64(encoded):
        raise InvalidRequest(f"`{field}` should be in base64, without line ends.", field=field)
    return {"type": "image_url", "image_url": {"url": f"data:image/{found.lastgroup};base64,{encoded}"}}


def _is_base64(text: str) -> bool:
    try:
        binascii.a2b_base64(text, strict_mode=True)
    except ValueError:  # `binascii.Error` is one; another one is raised for text that is not ASCII
        return False
    # Strict mode takes further padding behind a whole group (Python 3.11).
    return not text.endswith("===")
