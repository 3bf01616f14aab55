"""Sets of characters for the RE2 dialect: ranges of code points, case folding, Perl, POSIX and Unicode classes.

A set is a sorted tuple of disjoint (low, high) ranges. Unicode's properties are read off the `regex` library once
per property and process, and only when a pattern names one: matching then needs ranges alone.
"""

from array import array
from collections.abc import Iterable
from functools import cache

Ranges = tuple[tuple[int, int], ...]

MAX_RUNE = 0x10FFFF
ANY: Ranges = ((0, MAX_RUNE),)
ANY_BUT_NEWLINE: Ranges = ((0, 9), (11, MAX_RUNE))
_DIGIT: Ranges = ((0x30, 0x39),)
_UPPER: Ranges = ((0x41, 0x5A),)
_LOWER: Ranges = ((0x61, 0x7A),)
WORD: Ranges = (*_DIGIT, *_UPPER, (0x5F, 0x5F), *_LOWER)

PERL: dict[str, Ranges] = {"d": _DIGIT, "s": ((9, 10), (12, 13), (32, 32)), "w": WORD}
POSIX: dict[str, Ranges] = {
    "alnum": (*_DIGIT, *_UPPER, *_LOWER),
    "alpha": (*_UPPER, *_LOWER),
    "ascii": ((0, 0x7F),),
    "blank": ((9, 9), (32, 32)),
    "cntrl": ((0, 0x1F), (0x7F, 0x7F)),
    "digit": _DIGIT,
    "graph": ((0x21, 0x7E),),
    "lower": _LOWER,
    "print": ((0x20, 0x7E),),
    "punct": ((0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)),
    "space": ((9, 13), (32, 32)),
    "upper": _UPPER,
    "word": WORD,
    "xdigit": (*_DIGIT, (0x41, 0x46), (0x61, 0x66)),
}

_CATEGORY_NAMES = """
    C Cc Cf Cn Co Cs L Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps S Sc Sk Sm So Z Zl Zp Zs
"""
_CATEGORY_ALIASES = {
    "Other": "C",
    "Control": "Cc",
    "Cntrl": "Cc",
    "Format": "Cf",
    "Unassigned": "Cn",
    "Privateuse": "Co",
    "Surrogate": "Cs",
    "Letter": "L",
    "Casedletter": "Lc",
    "Lowercaseletter": "Ll",
    "Modifierletter": "Lm",
    "Otherletter": "Lo",
    "Titlecaseletter": "Lt",
    "Uppercaseletter": "Lu",
    "Mark": "M",
    "Combiningmark": "M",
    "Spacingmark": "Mc",
    "Enclosingmark": "Me",
    "Nonspacingmark": "Mn",
    "Number": "N",
    "Decimalnumber": "Nd",
    "Digit": "Nd",
    "Letternumber": "Nl",
    "Othernumber": "No",
    "Punctuation": "P",
    "Punct": "P",
    "Connectorpunctuation": "Pc",
    "Dashpunctuation": "Pd",
    "Closepunctuation": "Pe",
    "Finalpunctuation": "Pf",
    "Initialpunctuation": "Pi",
    "Otherpunctuation": "Po",
    "Openpunctuation": "Ps",
    "Symbol": "S",
    "Currencysymbol": "Sc",
    "Modifiersymbol": "Sk",
    "Mathsymbol": "Sm",
    "Othersymbol": "So",
    "Separator": "Z",
    "Lineseparator": "Zl",
    "Paragraphseparator": "Zp",
    "Spaceseparator": "Zs",
}
# Go's unicode.Scripts; the library below knows short names and newer scripts too, which Go refuses.
_SCRIPT_NAMES = """
    Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak Bengali Bhaiksuki
    Bopomofo Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian Caucasian_Albanian Chakma Cham Cherokee
    Chorasmian Common Coptic Cuneiform Cypriot Cypro_Minoan Cyrillic Deseret Devanagari Dives_Akuru Dogra Duployan
    Egyptian_Hieroglyphs Elbasan Elymaic Ethiopic Georgian Glagolitic Gothic Grantha Greek Gujarati Gunjala_Gondi
    Gurmukhi Han Hangul Hanifi_Rohingya Hanunoo Hatran Hebrew Hiragana Imperial_Aramaic Inherited
    Inscriptional_Pahlavi Inscriptional_Parthian Javanese Kaithi Kannada Katakana Kawi Kayah_Li Kharoshthi
    Khitan_Small_Script Khmer Khojki Khudawadi Lao Latin Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian Mahajani
    Makasar Malayalam Mandaic Manichaean Marchen Masaram_Gondi Medefaidrin Meetei_Mayek Mende_Kikakui
    Meroitic_Cursive Meroitic_Hieroglyphs Miao Modi Mongolian Mro Multani Myanmar Nabataean Nag_Mundari Nandinagari
    New_Tai_Lue Newa Nko Nushu Nyiakeng_Puachue_Hmong Ogham Ol_Chiki Old_Hungarian Old_Italic Old_North_Arabian
    Old_Permic Old_Persian Old_Sogdian Old_South_Arabian Old_Turkic Old_Uyghur Oriya Osage Osmanya Pahawh_Hmong
    Palmyrene Pau_Cin_Hau Phags_Pa Phoenician Psalter_Pahlavi Rejang Runic Samaritan Saurashtra Sharada Shavian
    Siddham SignWriting Sinhala Sogdian Sora_Sompeng Soyombo Sundanese Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le
    Tai_Tham Tai_Viet Takri Tamil Tangsa Tangut Telugu Thaana Thai Tibetan Tifinagh Tirhuta Toto Ugaritic Vai
    Vithkuqi Wancho Warang_Citi Yezidi Yi Zanabazar_Square
"""
# Where characters with case live; the rest of Unicode folds to itself.
_CASED = (
    (0x41, 0x24F),
    (0x250, 0x587),
    (0x10A0, 0x10FF),
    (0x13A0, 0x13FD),
    (0x1C80, 0x1CBF),
    (0x1D79, 0x1D8E),
    (0x1E00, 0x1FFF),
    (0x2126, 0x2188),
    (0x24B6, 0x24E9),
    (0x2C00, 0x2D2D),
    (0xA640, 0xA7FF),
    (0xAB53, 0xABBF),
    (0xFB00, 0xFB06),
    (0xFF21, 0xFF5A),
    (0x10400, 0x10FFF),
    (0x118A0, 0x118DF),
    (0x16E40, 0x16E7F),
    (0x1E900, 0x1E943),
)

_CATEGORIES = frozenset(_CATEGORY_NAMES.split())
_SCRIPTS = {name.replace("_", "").capitalize(): name for name in _SCRIPT_NAMES.split()}


def union(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Sorted, disjoint, adjacent ones joined.

    >>> union([(5, 9), (1, 2), (3, 4)])
    ((1, 9),)
    """
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return tuple(merged)


def negate(ranges: Ranges) -> Ranges:
    """Every code point that is not in `ranges` (which are sorted and disjoint)."""
    found: list[tuple[int, int]] = []
    start = 0
    for low, high in ranges:
        if low > start:
            found.append((start, low - 1))
        start = high + 1
    if start <= MAX_RUNE:
        found.append((start, MAX_RUNE))
    return tuple(found)


def fold(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """`ranges` and all that differs from one of their characters by case only (Unicode's simple folding).

    >>> fold([(0x6B, 0x6B)])
    ((75, 75), (107, 107), (8490, 8490))
    """
    found = list(ranges)
    ascii_only = all(high < 0x80 for _, high in found)
    orbits = _ascii_orbits() if ascii_only else _orbits()
    for low, high in tuple(found):
        # A big range is walked by the characters that have case, a small one by its own.
        points = range(low, high + 1) if high - low < len(orbits) else (c for c in orbits if low <= c <= high)
        for point in points:
            found.extend((other, other) for other in orbits.get(point, ()))
    return union(found)


@cache
def _ascii_orbits() -> dict[int, tuple[int, ...]]:
    orbits = {}
    for lower in range(0x61, 0x7B):
        others = {0x6B: (0x212A,), 0x73: (0x17F,)}.get(lower, ())  # the Kelvin sign, the long s
        orbits[lower] = orbits[lower - 32] = (lower - 32, lower, *others)
    return orbits


@cache
def _orbits() -> dict[int, tuple[int, ...]]:
    """For each character with case: all characters with the same simple folding, itself included."""
    members: dict[str, list[int]] = {}
    for low, high in _CASED:
        for point in range(low, high + 1):
            character = chr(point)
            folded = character.casefold()
            if len(folded) != 1:  # full folding; the simple one is the lower case, or none
                lower = character.lower()
                folded = lower if len(lower) == 1 else character
            members.setdefault(folded, []).append(point)
    return {point: tuple(orbit) for orbit in members.values() if len(orbit) > 1 for point in orbit}


def unicode_class(name: str, folded: bool) -> Ranges | None:
    """The characters of a category or script by any of the names that Go takes; None for an unknown name.

    >>> unicode_class("Nd", False)[:2], unicode_class("Klingon", False)
    (((48, 57), (1632, 1641)), None)
    """
    canonical = name.replace("_", "").replace("-", "").replace(" ", "")
    canonical = canonical[:1].upper() + canonical[1:].lower()
    canonical = _CATEGORY_ALIASES.get(canonical, canonical)
    if canonical == "Any":
        return ANY
    if canonical == "Assigned":
        return negate(_property("Cn"))
    if canonical == "Ascii":
        found: Ranges = ((0, 0x7F),)
    elif canonical == "Lc":
        found = union((*_property("Lu"), *_property("Ll"), *_property("Lt")))
    elif canonical in _CATEGORIES:
        found = _property(canonical)
    elif canonical in _SCRIPTS:
        found = _property(f"Script={_SCRIPTS[canonical]}")
    else:
        return None
    return fold(found) if folded else found


@cache
def _property(name: str) -> Ranges:
    import regex  # 30 ms that only patterns with Unicode classes pay

    return tuple(
        (found.start(), found.end() - 1) for found in regex.finditer(rf"\p{{{name}}}+", _every_character())
    )


@cache
def _every_character() -> str:
    return array("I", range(MAX_RUNE + 1)).tobytes().decode("utf-32-le", "surrogatepass")
