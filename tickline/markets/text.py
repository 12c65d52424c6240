"""Questions as folded text and canonical words: accents, case, plurals and synonyms no longer tell two apart."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from tickline.markets.lexicon import ANTONYMS, DECISIVE, GENERIC, NEGATIONS, PEOPLES, PHRASES, SCOPES, STATES, STOP


@dataclass(frozen=True, slots=True)
class Word:
    """One canonical word of a question."""

    stem: str
    weight: float  # 1 for content, less for what says little
    is_name: bool  # written with a capital, or with a digit in it
    after: str  # the stem of the word before it, "" where a stop word or nothing is
    is_key: bool = False  # it may never be missing on one side
    is_scope: bool = False  # it may be missing on one side, but not be another


def fold(text: str) -> str:
    """Text without accents, with plain dashes and quotes and single spaces; its case is kept."""
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.translate(_PLAIN))
        text = "".join(letter for letter in text if not unicodedata.combining(letter))
    return " ".join(text.split())


def words(text: str) -> tuple[tuple[Word, ...], int]:
    """The canonical words of folded text, and its polarity: -1 where it is turned around an odd number of times."""
    found: list[Word] = []
    sign, before = 1, ""
    for token, is_first in _canonical(_tokens(text)):
        lower = token.lower()
        if lower in NEGATIONS:
            sign = -sign
            continue
        stem = _stem(lower)
        if stem in ANTONYMS:
            stem, sign = ANTONYMS[stem], -sign
        if stem in STOP or lower in STOP:
            before = ""
            continue
        found.append(_word(stem, token, "" if is_first else before))
        before = stem
    return tuple(found), sign


def _tokens(text: str) -> list[tuple[str, bool]]:
    """The words of text as they are, and whether each is the first after punctuation, where no name goes on."""
    text = _INITIALS.sub(lambda match: match[0].replace(".", ""), text)
    made: list[tuple[str, bool]] = []
    reached = 0
    for match in _TOKEN.finditer(text):
        made.append((match[0], bool(text[reached : match.start()].strip("- "))))
        reached = match.end()
    return made


def _canonical(tokens: list[tuple[str, bool]]) -> Iterator[tuple[str, bool]]:
    """Tokens with each known phrase in its canonical words, with a capital where the phrase had one."""
    at = 0
    while at < len(tokens):
        token, is_first = tokens[at]
        for phrase, canonical in _PHRASES.get(token.lower(), ()):
            if tuple(word.lower() for word, _ in tokens[at : at + len(phrase)]) == phrase:
                is_name = token[0].isupper()
                for word in canonical:
                    yield (word.title() if is_name else word), is_first
                    is_first = False
                at += len(phrase)
                break
        else:
            yield token, is_first
            at += 1


@cache
def _word(stem: str, token: str, before: str) -> Word:
    is_name = token[0].isupper() or not token[0].isalpha() or any(letter.isdigit() for letter in token)
    weight = 0.25 if stem in _GENERIC or stem in SCOPES else 1.0
    return Word(stem, weight, is_name, before, stem in _DECISIVE or stem in _PLACES, stem in SCOPES)


@cache
def _stem(word: str) -> str:
    word = word.removesuffix("'s").strip("'")
    if word in PEOPLES:
        return PEOPLES[word]
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ches", "shes", "xes", "sses")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def _by_first_word() -> dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]]:
    found: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = {}
    for canonical, phrases in PHRASES.items():
        for phrase in phrases.split("|"):
            parts = tuple(_TOKEN.findall(phrase))
            found.setdefault(parts[0], []).append((parts, tuple(canonical.split())))
    return {first: sorted(known, key=lambda one: -len(one[0])) for first, known in found.items()}


_PLAIN = {ord(letter): plain for letters, plain in (
    ("\u2010\u2011\u2012\u2013\u2014\u2212", "-"), ("\u2018\u2019\u02bc", "'"), ("\u201c\u201d", '"'), ("\u0131", "i"),
    ("ø", "o"), ("Ø", "O"), ("ł", "l"), ("Ł", "L"), ("ß", "ss"), ("đ", "d"), ("æ", "ae"), ("Æ", "Ae"),
) for letter in letters}  # fmt: skip
_TOKEN = re.compile(r"#\d+|[A-Za-z0-9]+(?:['&:.][A-Za-z0-9]+)*|[↑↓+<>]")
_INITIALS = re.compile(r"\b(?:[A-Za-z]\.){2,}")
_PHRASES = _by_first_word()
_GENERIC = frozenset(_stem(word) for word in GENERIC)
_DECISIVE = frozenset(_stem(word) for word in DECISIVE)
_PLACES = frozenset(part for name in STATES for part in name.split()) - {"new", "north", "south", "west"}
