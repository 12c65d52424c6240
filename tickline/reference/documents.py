"""YAML text to plain values, strictly: what a configuration file may look like before anybody asks what it means.

The grammar is YAML 1.2's core schema, so `NO` is a word, `17:00` a time of day and not a number of seconds, and a
date stays text until its model reads it. Duplicate keys, tags, second documents and anything deep or large enough
to cost more than a moment are refused.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

MAX_DEPTH = 64
MAX_NODES = 50_000
MAX_NUMBER = 64

Place = tuple[str | int, ...]
"""Where a value stands in a document: keys and list positions from the top."""

Value = str | int | float | bool | None | list["Value"] | dict[str, "Value"]

_LONGEST_SHOWN = 80
_PLAIN_TAGS = {None, "!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"}
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_UNBOUNDED = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class DocumentError(ValueError):
    """The text is no document we read: `line` counts from 1."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.line = line


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed document: its value, and the line each place is on."""

    value: Value
    lines: dict[Place, int]


def parse(text: str) -> Document:
    """Read one YAML document.

    Raises DocumentError where the text is not YAML or breaks one of this module's limits.
    """
    try:
        return _Reader(iter(yaml.parse(text, Loader=yaml.CBaseLoader))).document()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
        raise DocumentError(f"not valid YAML: {reason}", mark.line + 1 if mark else 1) from error


def shown(value: object) -> str:
    """A value as an error message quotes it: never longer than a line, collections by their type alone."""
    text = repr(value) if isinstance(value, str | int | float | bool | None) else f"a {type(value).__name__}"
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "..."


@dataclass(slots=True)
class _Reader:
    """Builds values from the parser's events, counting every node an alias would repeat."""

    events: Iterator[yaml.Event]
    nodes: int = 0
    lines: dict[Place, int] = field(default_factory=dict)
    anchors: dict[str, tuple[Value, int]] = field(default_factory=dict)

    def document(self) -> Document:
        next(self.events)
        if isinstance(next(self.events), yaml.StreamEndEvent):
            raise DocumentError("the file is empty", 1)
        value = self.node(next(self.events), ())
        next(self.events)
        after = next(self.events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise DocumentError("a second document begins; a file holds one", _line(after))
        return Document(value, self.lines)

    def node(self, event: yaml.Event, place: Place) -> Value:
        self.count(1, event)
        if len(place) > MAX_DEPTH:
            raise DocumentError(f"nested deeper than {MAX_DEPTH} levels", _line(event))
        self.lines[place] = _line(event)
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event)
        assert isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent)
        if event.tag not in _PLAIN_TAGS:
            raise DocumentError(f"tag {shown(event.tag)} is not allowed", _line(event))
        before = self.nodes
        value: Value
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event)
        elif isinstance(event, yaml.MappingStartEvent):
            value = self.mapping(place)
        else:
            value = self.sequence(place)
        if event.anchor is not None:
            self.anchors[event.anchor] = (value, self.nodes - before + 1)
        return value

    def alias(self, event: yaml.AliasEvent) -> Value:
        if event.anchor not in self.anchors:
            raise DocumentError(f"alias {shown(event.anchor)} names nothing complete above it", _line(event))
        value, nodes = self.anchors[event.anchor]
        self.count(nodes, event)
        return value

    def mapping(self, place: Place) -> dict[str, Value]:
        value: dict[str, Value] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise DocumentError("a key must be plain text", _line(event))
            if event.value in value:
                raise DocumentError(f"key {shown(event.value)} appears twice in one mapping", _line(event))
            value[event.value] = self.node(next(self.events), (*place, event.value))
            self.lines[(*place, event.value)] = _line(event)
        return value

    def sequence(self, place: Place) -> list[Value]:
        value: list[Value] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            value.append(self.node(event, (*place, len(value))))
        return value

    def count(self, nodes: int, event: yaml.Event) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise DocumentError(f"more than {MAX_NODES} values, aliases counted in full", _line(event))


def _scalar(event: yaml.ScalarEvent) -> str | int | float | bool | None:
    """A scalar by the core schema; quoted text and text with an explicit `!!str` is always text."""
    text: str = event.value
    if event.style or event.tag is not None:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > MAX_NUMBER:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) or _UNBOUNDED.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1
