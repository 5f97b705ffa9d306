"""OTLP as JSON, by the rules of the specification ("JSON Protobuf Encoding"), in both directions.

Not `google.protobuf.json_format`: that one reads hex ids as base64 (and silently makes 24 wrong bytes of them), takes
enums by name and snake_case keys, and refuses unknown fields. Here: trace and span ids are hex in either case, enums
are integers, 64-bit integers are decimal strings (numbers are understood), keys are lowerCamelCase, what is not known
is ignored. Knows nothing of HTTP.
"""

import base64
import binascii
import json
import math
import re
from collections.abc import Callable
from functools import cache
from typing import Any, Final, NoReturn, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from apps.storage.errors import BadData

MAX_DEPTH: Final = 64
"""Objects and lists inside one another; deeper input is refused."""

_IDS: Final = frozenset({"trace_id", "span_id", "parent_span_id"})
_KIND: Final = FieldDescriptor
_INTEGERS: Final = {
    _KIND.TYPE_INT32, _KIND.TYPE_SINT32, _KIND.TYPE_SFIXED32, _KIND.TYPE_UINT32, _KIND.TYPE_FIXED32,
}  # fmt: skip
_LONGS: Final = {
    _KIND.TYPE_INT64, _KIND.TYPE_SINT64, _KIND.TYPE_SFIXED64, _KIND.TYPE_UINT64, _KIND.TYPE_FIXED64,
}  # fmt: skip
_FLOATS: Final = {_KIND.TYPE_DOUBLE, _KIND.TYPE_FLOAT}
_SPECIAL: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_SURROGATES: Final = re.compile("[\ud800-\udfff]")

M = TypeVar("M", bound=Message)


def read(kind: type[M], body: bytes) -> M:
    """Return the message of *kind* that *body* holds.

    Raises:
        BadData: it is not UTF-8, not JSON, deeper than `MAX_DEPTH`, or a value is not of its field's type.
    """
    try:
        content = json.loads(body.decode("utf-8-sig"), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise BadData(f"the body is not UTF-8 at byte {error.start}") from error
    except RecursionError as error:
        raise BadData(f"the body is nested deeper than {MAX_DEPTH}") from error
    except ValueError as error:
        raise BadData(f"the body is not JSON: {error}") from error
    message = kind()
    _fill(message, content, "", 1)
    return message


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON value")


@cache
def _fields(descriptor: Descriptor) -> dict[str, FieldDescriptor]:
    return {field.json_name: field for field in descriptor.fields}


def _fill(message: Message, content: Any, path: str, depth: int) -> None:
    if not isinstance(content, dict):
        raise BadData(f"expected an object, not {_named(content)}", path)
    if depth > MAX_DEPTH:
        raise BadData(f"nested deeper than {MAX_DEPTH}", path)
    fields = _fields(message.DESCRIPTOR)
    for key, value in content.items():
        field = fields.get(key)
        if field is None or value is None:
            continue
        where = f"{path}.{key}" if path else key
        choice = field.containing_oneof
        if choice is not None and message.WhichOneof(choice.name) not in (None, field.name):
            raise BadData(f"only one of {', '.join(f.json_name for f in choice.fields)} may be given", where)
        if field.is_repeated:
            _extend(message, field, value, where, depth)
        elif field.type == _KIND.TYPE_MESSAGE:
            child = getattr(message, field.name)
            child.SetInParent()
            _fill(child, value, where, depth + 1)
        else:
            _set(lambda read, name=field.name: setattr(message, name, read), field, value, where)  # type: ignore[misc]


def _extend(message: Message, field: FieldDescriptor, value: Any, path: str, depth: int) -> None:
    if not isinstance(value, list):
        raise BadData(f"expected a list, not {_named(value)}", path)
    items = getattr(message, field.name)
    for index, item in enumerate(value):
        where = f"{path}[{index}]"
        if field.type == _KIND.TYPE_MESSAGE:
            _fill(items.add(), item, where, depth + 2)
        else:
            _set(items.append, field, item, where)


def _set(put: Callable[[Any], None], field: FieldDescriptor, value: Any, path: str) -> None:
    try:
        put(_scalar(field, value))
    except (ValueError, TypeError, OverflowError) as error:
        raise BadData(f"{json.dumps(value)[:80]} is not {_expected(field)}", path) from error


def _scalar(field: FieldDescriptor, value: Any) -> Any:
    kind = field.type
    if kind == _KIND.TYPE_STRING:
        # A lone surrogate cannot be stored as UTF-8; the rest of the text is worth keeping.
        return _SURROGATES.sub("\ufffd", _of_type(value, str))
    if kind == _KIND.TYPE_BOOL:
        return _of_type(value, bool)
    if kind == _KIND.TYPE_BYTES:
        text = _of_type(value, str)
        return _from_hex(text) if field.name in _IDS else _from_base64(text)
    if kind in _FLOATS:
        return _float(value)
    if kind in _LONGS and isinstance(value, str):
        if re.fullmatch(r"-?[0-9]{1,20}", value, re.ASCII) is None:
            raise ValueError
        return int(value)
    # Integers and enums: an enum's name is refused, a number that has no name is kept.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return _of_type(value, int)


def _of_type(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError
    return value


def _float(value: Any) -> float:
    if isinstance(value, str):
        if value in _SPECIAL:
            return _SPECIAL[value]
        if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", value, re.ASCII) is None:
            raise ValueError
        return float(value)
    if type(value) not in (int, float):
        raise TypeError
    return float(value)


def _from_hex(text: str) -> bytes:
    if re.fullmatch(r"(?:[0-9A-Fa-f]{2})*", text, re.ASCII) is None:
        raise ValueError
    return bytes.fromhex(text)


def _from_base64(text: str) -> bytes:
    # Standard or URL-safe alphabet, with or without padding (protobuf JSON mapping, "bytes").
    standard = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError from error


def _expected(field: FieldDescriptor) -> str:
    if field.type == _KIND.TYPE_BYTES:
        return "hex digits in pairs" if field.name in _IDS else "base64"
    if field.type == _KIND.TYPE_ENUM:
        return "an integer (an enum is given by number)"
    if field.type in _LONGS:
        return "a 64-bit integer as a decimal string"
    if field.type in _INTEGERS:
        return "a 32-bit integer"
    return {_KIND.TYPE_STRING: "a string", _KIND.TYPE_BOOL: "true or false"}.get(field.type, "a number")


def _named(value: Any) -> str:
    return {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}.get(type(value), "a number")


def write(message: Message) -> dict[str, Any]:
    """Return *message* as what `json.dumps` writes; fields with their default value are left out."""
    shown = {}
    for field, value in message.ListFields():
        show = _shower(field)
        shown[field.json_name] = [show(item) for item in value] if field.is_repeated else show(value)
    return shown


def _shower(field: FieldDescriptor) -> Callable[[Any], Any]:
    if field.type == _KIND.TYPE_MESSAGE:
        return write
    if field.type == _KIND.TYPE_BYTES:
        return bytes.hex if field.name in _IDS else _to_base64
    if field.type in _LONGS:
        return str
    return json_number if field.type in _FLOATS else _same


def _to_base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _same(value: Any) -> Any:
    return value


def json_number(value: float) -> float | str:
    """Return *value*, or its name where JSON has no such number (``NaN``, ``Infinity``, ``-Infinity``)."""
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"
