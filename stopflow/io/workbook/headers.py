"""A column's header to what it means.

A unit stands behind the name, as in ``Rate (s-1)``, ``[S] (µM)``, ``T / K``, ``conc in mM``,
``temperature_K``, or in brackets between its words, as in ``Concentration [uM] after mixing``. A
symbol may stand beside the name, as in ``Rate constant k / s-1``. What is called ``[X]``, ``c(X)``
or a concentration of something is a concentration.
"""

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from stopflow.io.units import Scale, find_scale, is_molar, is_unit
from stopflow.io.workbook.cells import LONGEST_PHRASE
from stopflow.io.workbook.vocabulary import QUANTITIES

NAMED_BELOW = 50
"""A concentration of a lower rank is called so, or that of the substrate."""

AFTER_MIXING = "those after mixing, or --mixing-ratio 2 for 1:1 mixing"
"""What is expected where concentrations are said to be those before mixing."""

_SPECIES_RANK = 99
_BACKGROUND_RANK = 100
_AFTER_MIXING = -40
_BEFORE_MIXING = 200

_BRACKETS = re.compile(r"\s*[(\[{]([^()\[\]{}]*)[)\]}]\s*")
_IN_WORDS = re.compile(r"(?P<name>.*\S)\s+in\s+(?P<unit>\S.*?)\s*")
_COMMA = re.compile(r"(?P<name>.*\S)\s*,\s*(?P<unit>\S.*?)\s*")
_BETWEEN_WORDS = re.compile(r"[\s,;:()]+")

_MIX = r"(?:mixing|mix|mischen|mischung|m[ée]lange)"
_AFTER = re.compile(
    rf"(?<![a-z])(?:after|post|nach(?: dem| der)?|apr[èe]s(?: le)?)[ _-]?{_MIX}(?![a-z])"
    r"|(?<![a-z])finale?s?(?![a-z])|\bin (?:the )?(?:cell|cuvette|küvette|cuve)\b",
    re.IGNORECASE,
)
_BEFORE = re.compile(
    rf"(?<![a-z])(?:before|pre|prior to|vor(?: dem| der)?|avant(?: le)?)[ _-]?{_MIX}(?![a-z])"
    r"|(?<![a-z])(?:in )?(?:the |der |la )?(?:syringe|spritze|seringue)(?: [A-D1-4]\b)?"
    r"|(?<![a-z])(?:stock|stamml[öo]sung|solution m[èe]re)(?![a-z])",
    re.IGNORECASE,
)
_AVERAGE = re.compile(
    r"(?<![a-z])(?:mean|averaged?|avg|mittelwert|mittlere|moyenne)(?![a-z])\.?"
    r"|(?:±|\+/-)\s*(?:s\.?[de]\.?m?\.?|error|err\.?|fehler)?",
    re.IGNORECASE,
)
_LEFT_OVER = re.compile(r"[(\[{]\s*[)\]}]|[\s,;]+(?=[)\]}])|(?<=[(\[{])[\s,;]+|[\s,;]+$")
_FOOTNOTE = re.compile(r"^[\s*†‡§#]+(?=\S)|[\s*†‡§#:]+$|(?<=[)\]}])[¹²³]+$")
_TEX = re.compile(r"\$|(?<=[_^])\{([^{}]*)\}")
_EXPONENT = re.compile(r"(?:\\\+)?\(([-−⁻]\d)\)")

_NOT_ITSELF = re.compile(
    r"(?:\b|_)(?:error|err|sd|std|stdev|dev|deviation|(?-i:SE|se)|sem|stderr|uncertainty|sigma|fehler|"
    r"abweichung|unsicherheit|erreur|[ée]cart|log|log10|lg|ln|sqrt|ratio|fold)(?:\b|_)|[±Δ√]|[x×*·]\s*10\s*\^?[-−+⁻]?[\d⁰¹²³⁴-⁹]",
    re.IGNORECASE,
)
_INSIDE = re.compile(r"\[[^\]]*\]|\([^)]*\)")
_SPECIES = re.compile(r"\[(.+)\][\s_]*(?:[0o₀tT]|tot|total|free|initial)?")
_FUNCTION = re.compile(r"[cC][_ ]?0?\s*\((.+)\)[\s_]*[0₀]?")
_INDEXED = re.compile(r"(?:[cC](?:_|[0₀])|c(?=[A-Z]))(\w{0,12})")
_NAMED = re.compile(r"conc(?:entration|n(?![a-z])|(?![a-z]))|konz(?:entration|(?![a-z]))", re.I)
_MASS = re.compile(
    r"(?<![a-z])[mµμun]?g(?:\s*/\s*[dmµμu]?l(?![a-z])|[ ·]?[dmµμu]?l\s*\^?[-−⁻]1)", re.I
)
_BACKGROUND = re.compile(r"\[E\]|\(E\)|\b_?E\b|(?i:enzym|protein|buffer|puffer|tampon|salt|salz)")
_FILE_ASIDE = re.compile(r"\.|bka|name|ext|endung|suffix", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A column's header, understood.

    Attributes
    ----------
    text
        As written.
    quantity
        Key of `QUANTITIES`.
    scale
        From its unit; None when it has none.
    unit
        As written; ``""`` without one.
    rank
        Lower is the better match.
    """

    text: str
    quantity: str
    scale: Scale | None = None
    unit: str = ""
    rank: int = 0

    @property
    def usable(self) -> bool:
        """False when the text in the place of the unit is not a unit."""
        return not self.unit or self.scale is not None


@lru_cache(maxsize=4096)
def fold_name(text: str) -> str:
    """Reduce a header to letters and digits; brackets around the whole of it are kept.

    The case of a single letter counts: ``k`` is a rate constant, ``K`` an equilibrium.
    """
    plain = unicodedata.normalize("NFKD", text).strip()
    letters = "".join(character for character in plain if character.isalnum())
    letters = letters if letters == plain and len(letters) == 1 else letters.casefold()
    return f"[{letters}]" if re.fullmatch(r"\[[^\[\]]*\]", plain) else letters


@lru_cache(maxsize=4096)
def parse_header(text: str) -> Header | None:
    """Return what a header means; None when it is not in the table.

    A known name with something unknown in the place of its unit is returned not `usable`.
    """
    if len(text) > LONGEST_PHRASE or not any(character.isalpha() for character in text):
        return None
    words, shift = _without_asides(text)
    header = _parse_words(words)
    if header is None:
        return None
    shift = shift if header.quantity == "concentration" else 0
    return replace(header, text=text, rank=header.rank + shift)


def match_headers(
    texts: Sequence[str], *, hidden: Collection[int] = ()
) -> tuple[dict[str, tuple[int, Header]], dict[int, Header]]:
    """Choose a column for each quantity, a hidden one only where no other is called so.

    Returns
    -------
    tuple
        Quantity -> (column, header), and column -> header of those that were not chosen: a better
        one means the same, or the unit is unknown.
    """
    understood = {
        column: header for column, text in enumerate(texts) if (header := parse_header(text))
    }
    chosen: dict[str, tuple[int, Header]] = {}
    order = sorted((column in hidden, header.rank, column) for column, header in understood.items())
    for _, _, column in order:
        header = understood[column]
        if header.usable:
            chosen.setdefault(header.quantity, (column, header))
    taken = {column for column, _ in chosen.values()}
    return chosen, {column: item for column, item in understood.items() if column not in taken}


def is_only_unit(text: str) -> bool:
    """Tell whether a text is a unit of some quantity and nothing else; brackets do not count."""
    return is_unit(bare_unit(text))


def bare_unit(text: str) -> str:
    """Return a unit without the brackets around it, ``in`` before it and what follows a comma."""
    if len(text) > LONGEST_PHRASE:
        return text
    whole = _BRACKETS.fullmatch(text)
    inner = (whole[1] if whole else text).strip()
    return re.split(r"[,;]", inner.removeprefix("in "))[0].strip()


def says_concentration(text: str) -> bool:
    """Tell whether a header looks like a concentration, by its words or by its unit."""
    if len(text) > LONGEST_PHRASE:
        return False
    words, _ = _without_asides(text)
    species = re.match(r"\[([^\[\]]+)\]", words)
    if _NAMED.search(words) or _MASS.search(words) or re.match(r"[cC]\(", words):
        return True
    return molar_unit(text) != "" or bool(species and not is_only_unit(species[1]))


@lru_cache(maxsize=4096)
def molar_unit(text: str) -> str:
    """Return the unit of concentration in a header, wherever it stands; ``""`` without one."""
    if len(text) > LONGEST_PHRASE:
        return ""
    words, _ = _without_asides(text)
    first, _, _ = words.partition(" ")
    behind = [unit for _, unit, certain in _split_unit(words) if certain or unit != "M"]
    candidates = [*behind, bare_unit(words), first if first != "M" else ""]
    return next((unit for unit in candidates if is_molar(unit)), "")


def is_not_itself(text: str) -> bool:
    """Tell an error, a logarithm or a ratio from the quantity it is one of."""
    return len(text) <= LONGEST_PHRASE and bool(_NOT_ITSELF.search(_INSIDE.sub("()", text)))


def is_before_mixing(text: str) -> bool:
    """Tell whether a header speaks of a syringe or a stock solution."""
    return len(text) <= LONGEST_PHRASE and bool(_BEFORE.search(text))


def says_all_before_mixing(text: str) -> bool:
    """Tell a line that says of concentrations, none of them named, that they are before mixing."""
    has_number = any(character.isdigit() for character in text)
    return is_before_mixing(text) and not has_number and says_concentration(text)


def _without_asides(text: str) -> tuple[str, int]:
    """Return a header without what only describes it, and what that does to its rank."""
    plain = _FOOTNOTE.sub("", " ".join(text.split()))
    plain = _EXPONENT.sub(r"\1", _TEX.sub(r"\1", plain))
    shift = _AFTER_MIXING if _AFTER.search(plain) else 0
    shift = _BEFORE_MIXING if _BEFORE.search(plain) else shift
    for aside in (_AFTER, _BEFORE, _AVERAGE):
        plain = aside.sub(" ", plain)
    return " ".join(_LEFT_OVER.sub("", plain).split()).strip(" _"), shift


def _parse_words(words: str) -> Header | None:
    for key in QUANTITIES:
        rank = _rank(key, words, known_unit=False)
        if rank is not None:
            return Header(text=words, quantity=key, rank=rank)
    doubtful = None
    for name, unit, certain in _split_unit(words):
        for key, quantity in QUANTITIES.items():
            scale = find_scale(quantity.units or {}, unit)
            rank = _rank(key, name, known_unit=scale is not None)
            if rank is None and key == "concentration":
                rank = _species_rank(name, known_unit=scale is not None)
            if rank is None or _is_inhibitor(key, rank, scale):
                continue
            header = Header(text=words, quantity=key, scale=scale, unit=unit, rank=rank)
            if scale:
                return header
            if key == "file" and certain and _FILE_ASIDE.search(unit):
                return replace(header, unit="")
            if certain and quantity.units and doubtful is None:
                doubtful = header
    if doubtful:
        return doubtful
    rank = _species_rank(words, known_unit=False)
    return None if rank is None else Header(text=words, quantity="concentration", rank=rank)


def _rank(key: str, name: str, *, known_unit: bool) -> int | None:
    """Return how well a name fits a quantity; a symbol or a second name beside it may follow."""
    quantity = QUANTITIES[key]
    known = quantity.names + (quantity.unit_names if known_unit else ())
    symbols = quantity.names + quantity.unit_names
    words = [word for word in _BETWEEN_WORDS.split(name) if word]
    while words:
        folded = fold_name(name)
        if folded in known:
            return known.index(folded)
        if fold_name(words[-1]) in symbols:
            words.pop()
        elif fold_name(words[0]) in symbols:
            words.pop(0)
        else:
            return None
        name = " ".join(words)
    return None


def _species_rank(name: str, *, known_unit: bool) -> int | None:
    """Return the rank of ``[X]``, ``c(X)``, ``c_X`` and of the concentration of something."""
    if is_not_itself(name):
        return None
    forms = (_SPECIES, _FUNCTION, _INDEXED) if known_unit else (_SPECIES, _FUNCTION)
    species = next((match[1] or "" for form in forms if (match := form.fullmatch(name))), None)
    if species is None and not _NAMED.search(name):
        return None
    names = QUANTITIES["concentration"].names
    folded = f"[{fold_name(species or '').casefold()}]"
    if folded in names:
        return names.index(folded)
    if species is not None and not (
        _balanced(species) and (known_unit or not is_only_unit(species))
    ):
        return None
    return _BACKGROUND_RANK if _BACKGROUND.search(name) else _SPECIES_RANK


def _is_inhibitor(key: str, rank: int, scale: Scale | None) -> bool:
    """Tell an ``I`` in µM or less from an ionic strength."""
    is_symbol = key == "ionic_strength" and rank >= len(QUANTITIES[key].names)
    return is_symbol and scale is not None and scale.factor < 1e-3


def _balanced(text: str) -> bool:
    depth = 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if depth < 0:
            return False
    return depth == 0


def _split_unit(text: str) -> Iterator[tuple[str, str, bool]]:
    """Yield (name, unit, whether the spelling says that it is a unit)."""
    for group in reversed(list(_BRACKETS.finditer(text))):
        name = f"{text[: group.start()]} {text[group.end() :]}".strip()
        if name:
            yield name, bare_unit(group[1]), group.end() == len(text)
    for slash in re.finditer(r"\s*/\s*", text):
        if 0 < slash.start() and slash.end() < len(text):
            yield text[: slash.start()], bare_unit(text[slash.end() :]), True
    for form in (_IN_WORDS, _COMMA):
        if match := form.fullmatch(text):
            yield match["name"], bare_unit(match["unit"]), True
    for gap in re.finditer(r"[\s_]+", text):
        yield text[: gap.start()], text[gap.end() :], False
