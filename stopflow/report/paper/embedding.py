"""The subset of the report's type that a PDF embeds.

A glyph is written as its number in the font file, in two bytes (Identity-H), so that a page can be
drawn without knowing which glyphs other pages need.
"""

import hashlib
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from pypdf import PdfWriter
from pypdf.generic import (
    ArrayObject,
    DictionaryObject,
    NameObject,
    NumberObject,
    StreamObject,
    TextStringObject,
)

from stopflow.report.paper.canvas import Drawings
from stopflow.report.paper.typeface import typeface

_EM = 1000
"""Units of an em in the widths of a PDF."""
_RENDERED = 4
"""Flag of a font whose glyphs are addressed by number."""
_CHECKSUM = 16
"""Bytes of a digest that stands before a kept subset."""
_CMAP_HEAD = """/CIDInit /ProcSet findresource begin
12 dict begin
begincmap
/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def
/CMapName /Adobe-Identity-UCS def
/CMapType 2 def
1 begincodespacerange
<0000> <FFFF>
endcodespacerange
"""
_CMAP_FOOT = """endcmap
CMapName currentdict /CMap defineresource pop
end
end
"""
_CMAP_LINES = 100
"""Entries that a section of a CMap may have."""


def embed_typeface(
    writer: PdfWriter, characters: Iterable[str], *, bold: bool, drawings: Drawings | None = None
) -> DictionaryObject:
    """Add to a PDF what a weight needs to show these characters; return the font."""
    face = typeface(bold=bold)
    glyphs = {character: face.glyph(character) for character in sorted(characters)}
    content = _find_subset(face.path, sorted(glyphs.values()), drawings)
    file = _stream({"/Length1": NumberObject(len(content))}, content)
    name = NameObject(f"/STFLOW+{face.font.postscript_name}")
    scale = _EM / face.font.units_per_EM
    descriptor = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/FontDescriptor"),
            NameObject("/FontName"): name,
            NameObject("/Flags"): NumberObject(_RENDERED),
            NameObject("/FontBBox"): _numbers(round(scale * edge) for edge in face.font.bbox),
            NameObject("/Ascent"): NumberObject(round(scale * face.font.ascender)),
            NameObject("/Descent"): NumberObject(round(scale * face.font.descender)),
            NameObject("/CapHeight"): NumberObject(round(scale * face.font.ascender)),
            NameObject("/ItalicAngle"): NumberObject(0),
            NameObject("/StemV"): NumberObject(0),
            NameObject("/FontFile2"): writer._add_object(file),
        }
    )
    widths = ArrayObject()
    for character, glyph in glyphs.items():
        widths += [NumberObject(glyph), _numbers([round(_EM * face.width_em(character))])]
    descendant = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/CIDFontType2"),
            NameObject("/BaseFont"): name,
            NameObject("/CIDToGIDMap"): NameObject("/Identity"),
            NameObject("/CIDSystemInfo"): DictionaryObject(
                {
                    NameObject("/Registry"): TextStringObject("Adobe"),
                    NameObject("/Ordering"): TextStringObject("Identity"),
                    NameObject("/Supplement"): NumberObject(0),
                }
            ),
            NameObject("/FontDescriptor"): writer._add_object(descriptor),
            NameObject("/W"): widths,
        }
    )
    return DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type0"),
            NameObject("/BaseFont"): name,
            NameObject("/Encoding"): NameObject("/Identity-H"),
            NameObject("/DescendantFonts"): ArrayObject([writer._add_object(descendant)]),
            NameObject("/ToUnicode"): writer._add_object(_stream({}, _to_unicode(glyphs))),
        }
    )


def _find_subset(path: Path, glyphs: Sequence[int], drawings: Drawings | None) -> bytes:
    """Return a font cut down to some glyphs, as an earlier report embeds it or anew."""
    key = f"type {path.name} {list(glyphs)}"
    kept = None if drawings is None else drawings.find(key)
    if kept is not None and _checksum(kept[_CHECKSUM:]) == kept[:_CHECKSUM]:
        return kept[_CHECKSUM:]
    content = _subset(path, glyphs)
    if drawings is not None:
        drawings.keep(key, _checksum(content) + content)
    return content


def _checksum(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_CHECKSUM).digest()


def _subset(path: Path, glyphs: Sequence[int]) -> bytes:
    """Cut a font down to some glyphs, which keep their numbers."""
    from fontTools import subset  # loaded only where a subset has to be made

    options = subset.Options(
        retain_gids=True,
        glyph_names=False,
        hinting=False,
        notdef_outline=True,
        layout_features=[],
        name_IDs=[],
        recalc_timestamp=False,
        lazy=True,
    )
    options.drop_tables += ["FFTM", "GDEF", "GPOS", "GSUB", "MATH", "OS/2", "PfEd", "gasp", "kern"]
    options.drop_tables += ["cmap", "name", "post"]
    with subset.load_font(str(path), options) as font:
        cut = subset.Subsetter(options)
        cut.populate(gids=list(glyphs))
        cut.subset(font)
        written = io.BytesIO()
        font.save(written)
    return written.getvalue()


def _to_unicode(glyphs: dict[str, int]) -> bytes:
    """Say which character a glyph stands for, so that text can be copied and searched."""
    lines = [
        f"<{glyph:04X}> <{character.encode('utf-16-be').hex().upper()}>"
        for character, glyph in glyphs.items()
    ]
    parts = [lines[at : at + _CMAP_LINES] for at in range(0, len(lines), _CMAP_LINES)]
    said = (f"{len(part)} beginbfchar\n" + "\n".join(part) + "\nendbfchar\n" for part in parts)
    return "".join((_CMAP_HEAD, *said, _CMAP_FOOT)).encode("ascii")


def _stream(entries: dict[str, NumberObject], content: bytes) -> StreamObject:
    stream = StreamObject()
    stream.set_data(content)
    for name, value in entries.items():
        stream[NameObject(name)] = value
    return stream.flate_encode()


def _numbers(values: Iterable[int]) -> ArrayObject:
    return ArrayObject([NumberObject(value) for value in values])
