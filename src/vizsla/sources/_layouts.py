r"""What stands in a line, said in a text: our own, Apache's LogFormat, or nginx's log_format.

Ours: `{remote_host} {ident} {user} [{time}] "{request:request}" {status} {bytes}`. What stands in braces is a value,
all else is text between values; braces themselves are doubled. A value in double quotes may hold escaped ones; one that
stands in no quotes and behind no opening bracket holds no blank. After a colon: `request` (an HTTP request line, given
out as method, uri and protocol), `padded` (blanks before it mean nothing), `empty` (it may be empty), `text` (it may
hold blanks, and what begins the text behind it), `bare` (text that does not begin with a quote).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from vizsla.errors import SourceError
from vizsla.sources._rows import native
from vizsla.sources._spans import Layout, Value

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}:]+)(?::([a-z,]+))?\}")
_OPENING = ("[", "{", "(", "<")
_FLAGS = frozenset(("request", "padded", "empty", "text", "bare"))
_APACHE = re.compile(r"%[!0-9,]*[<>]?(?:\{([^}]*)\})?[<>]?(\^[a-z]{2}|[a-zA-Z%])")
_NGINX = re.compile(r"\$\{?([a-z_][a-z0-9_]*)\}?")
_QUOTED = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\"""")

_DIRECTIVES = {
    "h": "remote_host", "a": "remote_host", "l": "ident", "u": "user:text", "s": "status", "b": "bytes", "B": "bytes",
    "O": "bytes_out", "I": "bytes_in", "S": "bytes_total", "v": "vhost", "V": "vhost", "p": "vhost_port",
    "D": "duration_us", "T": "duration_s", "f": "filename", "m": "method", "U": "path", "q": "query", "H": "protocol",
    "A": "local_ip", "k": "keepalive", "X": "connection_status", "P": "pid", "L": "log_id", "R": "handler",
}  # fmt: skip
_HEADERS = {"i": "", "o": "out_", "C": "cookie_", "e": "env_", "n": "note_", "x": "ssl_", "^ti": "trailer_",
            "^to": "out_trailer_"}  # fmt: skip
_VARIABLES = {
    "remote_addr": "remote_host", "remote_user": "user:text", "time_local": "time", "time_iso8601": "time",
    "msec": "time", "body_bytes_sent": "bytes", "bytes_sent": "bytes_out", "host": "vhost", "server_name": "vhost",
    "server_port": "vhost_port", "request_uri": "uri", "uri": "path", "args": "query", "query_string": "query",
    "request_method": "method", "server_protocol": "protocol", "request_time": "duration_s", "server_addr": "local_ip",
    "request_length": "bytes_in",
}  # fmt: skip


@lru_cache(maxsize=256)
def layout_of(text: str, empty: tuple[str, ...] = ("-",)) -> Layout:
    """A layout from its text. Raises SourceError where two values have nothing between them."""
    parts: list[tuple[str, str | None, str]] = [("", None, "")]  # the text before a value, its name, its flags
    at = 0
    for token in _TOKEN.finditer(text):
        before = parts[-1][0] + text[at : token.start()]
        if token[1] is None:
            parts[-1] = (before + token[0][0], None, "")
        else:
            parts[-1] = (before, token[1], token[2] or "")
            parts.append(("", None, ""))
        at = token.end()
    last = parts[-1][0] + text[at:]
    if len(parts) < 2:
        raise SourceError(f"no value stands in the layout {text!r}", fix="name values in braces: {status}")
    after = [before for before, _, _ in parts[1:-1]] + [last]
    names: set[str] = set()
    values = []
    for number, ((before, raw, flags), until) in enumerate(zip(parts[:-1], after, strict=True)):
        assert raw is not None
        given = frozenset(flags.split(",")) - {""}
        if given - _FLAGS:
            raise SourceError(f"a value cannot be {', '.join(sorted(given - _FLAGS))}", where=text,
                              fix=f"it can be {', '.join(sorted(_FLAGS))}")  # fmt: skip
        if not until and number < len(after) - 1:
            raise SourceError(f"nothing stands between {raw!r} and the value after it", where=text,
                              fix="only text between two values tells where one ends")  # fmt: skip
        quoted = before.endswith('"') and until.startswith('"')
        said = {flag: flag in given for flag in ("request", "padded", "empty", "text", "bare")}
        free = quoted or before.endswith(_OPENING) or given & {"text", "bare"}
        stop = "" if free else " "
        values.append(Value(_fresh(native(raw), names), until, quoted, stop=stop, **said))
    return Layout(tuple(values), parts[0][0], empty)


def _fresh(name: str, names: set[str]) -> str:
    """A name that is not taken yet; it is then."""
    found, n = name, 1
    while found in names:
        n += 1
        found = f"{name}_{n}"
    names.add(found)
    return found


def apache(text: str) -> str:
    """Our text for Apache's LogFormat; a whole directive is taken too. Raises SourceError for what it does not know."""
    return _converted(_inner(text, "LogFormat"), _APACHE, _apache_value)


def nginx(text: str) -> str:
    """Our text for nginx's log_format; a whole directive is taken too."""
    return _converted(_inner(text, "log_format"), _NGINX, _nginx_value)


def _inner(text: str, directive: str) -> str:
    text = text.strip()
    if text.lower().startswith(directive.lower()):
        text = "".join(one or two for one, two in _QUOTED.findall(text[len(directive) :]))
    return text.replace('\\"', '"').replace("\\'", "'").replace("\\t", "\t")


def _converted(text: str, pattern: re.Pattern[str], value: Callable[[re.Match[str]], str]) -> str:
    at, parts = 0, []
    text = text.replace("%U%q", "%{}U")  # they are one, with nothing between them
    for found in pattern.finditer(text):
        parts += [_doubled(text[at : found.start()]), value(found)]
        at = found.end()
    return "".join([*parts, _doubled(text[at:])])


def _doubled(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _apache_value(found: re.Match[str]) -> str:
    argument, kind = found[1], found[2]
    if kind == "%":
        return "%"
    if kind == "r":
        return "{request:request}"
    if kind == "t":
        return "{time}" if argument else "[{time}]"
    if kind == "U" and argument == "":
        return "{uri}"
    if kind in _HEADERS and argument:
        return "{" + _HEADERS[kind] + _word(argument) + "}"
    if kind not in _DIRECTIVES:
        raise SourceError(f"LogFormat has no {found[0]}", fix="see Apache's mod_log_config")
    return "{" + ("peer_ip" if kind == "a" and argument == "c" else _DIRECTIVES[kind]) + "}"


def _nginx_value(found: re.Match[str]) -> str:
    name = found[1]
    if name == "request":
        return "{request:request}"
    return "{" + _VARIABLES.get(name, name.removeprefix("http_") or name) + "}"


def _word(header: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "_", header.lower()).strip("_") or "unnamed"
    return "vhost" if name == "host" else name


def layouts_of(options: Mapping[str, Any], where: str) -> tuple[Layout, ...]:
    """All layouts that a mapping's options give, in their order, each behind each of `before`. Raises SourceError."""
    texts: list[str] = []
    for key, convert in (("layouts", str), ("apache", apache), ("nginx", nginx)):
        texts += [convert(one) for one in _listed(options.get(key))]
    if not texts:
        raise SourceError("no layout is given", where=where, fix="options: {layouts: [...]}, or apache:, or nginx:")
    empty = tuple(map(str, _listed(options.get("empty", "-"))))
    before = list(map(str, _listed(options.get("before")))) or [""]
    try:
        return tuple(layout_of(begin + text, empty) for text in texts for begin in before)
    except SourceError as error:
        raise SourceError(error.what, where=error.where or where, fix=error.fix) from None


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [] if value is None else [value]
