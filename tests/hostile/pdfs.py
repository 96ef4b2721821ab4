"""PDFs that loop, explode, lie or want to act. Every function answers file names with their bytes."""

import zlib
from collections.abc import Mapping

from tests.hostile.images import Files, zeros

CATALOG, TREE, PAGE, CONTENT, FONT, INFO, FREE = 1, 2, 3, 4, 5, 6, 10


def stream(data: bytes, entries: str = "") -> bytes:
    return f"<<{entries}/Length {len(data)}>> stream\n".encode() + data + b"\nendstream"


def pdf(
    extra: Mapping[int, bytes | str] | None = None,
    *,
    content: bytes = b"BT /F 12 Tf 10 50 Td (Words on a page) Tj ET",
    catalog: str = "",
    tree: str = "/Count 1/Kids[3 0 R]",
    page: str = "/MediaBox[0 0 200 100]",
    resources: str = "",
    font: str = "/Subtype/Type1/BaseFont/Helvetica",
    info: bytes = b"",
    trailer: str = "",
) -> bytes:
    """Return one page of text, and what the test adds; no cross-reference table, which readers rebuild."""
    objects: dict[int, bytes | str] = {
        CATALOG: f"<</Type/Catalog/Pages 2 0 R{catalog}>>",
        TREE: f"<</Type/Pages{tree}>>",
        PAGE: f"<</Type/Page/Parent 2 0 R/Contents 4 0 R{page}/Resources<</Font<</F 5 0 R>>{resources}>>>>",
        CONTENT: stream(content),
        FONT: f"<</Type/Font{font}>>",
        INFO: b"<<" + info + b">>",
        **(extra or {}),
    }
    raw = {n: body.encode() if isinstance(body, str) else body for n, body in objects.items()}
    parts = [b"%d 0 obj %s endobj" % item for item in raw.items()]
    end = f"trailer <</Root 1 0 R/Info 6 0 R{trailer}>>\n%%EOF".encode()
    return b"\n".join([b"%PDF-1.7", *parts, end])


def bombs() -> Files:
    twice = "/Filter[/FlateDecode/FlateDecode]"
    inner = zlib.compress(zeros(2_000_000_000), 9)
    words = zlib.compress(b"BT /F 1 Tf 1 1 Td (word word word word ) Tj ET\n" * 20_000, 9)
    image = f"/Subtype/Image/Width 100000/Height 100000/ColorSpace/DeviceRGB/BitsPerComponent 8{twice}"
    small = "/Subtype/Image/Width 9/Height 9/ColorSpace/DeviceGray/BitsPerComponent 8"
    fax = "/Filter/CCITTFaxDecode/DecodeParms<</K -1/Columns 2147483647/Rows 2147483647>>"
    predictor = "/Predictor 15/Colors 2147483647/Columns 2147483647"
    draw, shown = b"q 100 0 0 100 0 0 cm /X Do Q", "/XObject<</X 10 0 R>>"
    return {
        "double-flate.pdf": pdf({CONTENT: stream(inner, twice)}),
        "double-flate-image.pdf": pdf({FREE: stream(inner, image)}, content=draw, resources=shown),
        "double-flate-font.pdf": pdf(
            {FREE: "<</Type/FontDescriptor/FontName/A/Flags 4/FontFile2 11 0 R>>", 11: stream(inner, twice)},
            font="/Subtype/TrueType/BaseFont/A/FontDescriptor 10 0 R",
        ),
        "double-flate-map.pdf": pdf(
            {FREE: stream(inner, twice)}, font="/Subtype/Type1/BaseFont/A/ToUnicode 10 0 R"
        ),
        "filters.pdf": pdf({CONTENT: stream(b"q Q", "/Filter[" + "/ASCIIHexDecode" * 20_000 + "]")}),
        "words.pdf": pdf({CONTENT: stream(words, "/Filter/FlateDecode")}),
        "fax.pdf": pdf({FREE: stream(b"\0\x01" * 99, small + fax)}, content=draw, resources=shown),
        "jpx.pdf": pdf({FREE: stream(JPEG_2000, small + "/Filter/JPXDecode")}, content=draw, resources=shown),
        "jbig2.pdf": pdf({FREE: stream(JBIG2, small + "/Filter/JBIG2Decode")}, content=draw, resources=shown),
        "predictor.pdf": pdf(
            {CONTENT: stream(zeros(1_000_000), f"/Filter/FlateDecode/DecodeParms<<{predictor}>>")}
        ),
    }


# A code stream header that claims 2^32-1 pixels a side, and a page of 2^32-1 a side.
JPEG_2000 = (
    b"\xff\x4f\xff\x51\0\x29\0\0"
    + b"\xff\xff\xff\xff" * 2
    + bytes(8)
    + b"\xff\xff\xff\xff" * 2
    + bytes(8)
    + b"\0\x01\x07\x01\x01"
)
JBIG2 = b"\0\0\0\0\x30\0\x01\0\0\0\x13" + b"\xff\xff\xff\xfe" * 2 + bytes(8) + b"\0\0\0"


def trees() -> Files:
    pages = "".join(f"{n} 0 R " for n in range(100, 60_100))
    deep = {n: f"<</Type/Pages/Parent {n - 1} 0 R/Count 1/Kids[{n + 1} 0 R]>>" for n in range(100, 5_100)}
    back = "<</Type/Pages/Parent 2 0 R/Count 9/Kids[2 0 R]>>"
    leaf = {5_100: "<</Type/Page/Parent 5099 0 R/MediaBox[0 0 9 9]>>"}
    return {
        "60000-pages.pdf": pdf(
            dict.fromkeys(range(100, 60_100), "<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>"),
            tree=f"/Count 60000/Kids[{pages}]",
        ),
        "one-page-60000-times.pdf": pdf(tree=f"/Count 60000/Kids[{'3 0 R ' * 60_000}]"),
        "count-lies-high.pdf": pdf(tree="/Count 60000/Kids[3 0 R]"),
        "count-in-range-lies.pdf": pdf(tree="/Count 1900/Kids[3 0 R]"),
        "count-of-two-billion.pdf": pdf(tree="/Count 2147483647/Kids[3 0 R]"),
        "count-negative.pdf": pdf(tree="/Count -1/Kids[3 0 R]"),
        "tree-loop.pdf": pdf(tree="/Count 5/Kids[2 0 R]"),
        "tree-loop-of-two.pdf": pdf({FREE: back}, tree="/Count 9/Kids[10 0 R 3 0 R]"),
        "tree-deep.pdf": pdf({**deep, **leaf}, tree="/Count 1/Kids[100 0 R]"),
        "tree-missing.pdf": pdf(tree="/Count 3/Kids[77 0 R 78 0 R 79 0 R]"),
        "page-is-its-parent.pdf": pdf({PAGE: "<</Type/Page/Parent 3 0 R>>"}),
        "catalog-loop.pdf": pdf({CATALOG: "<</Type/Catalog/Pages 1 0 R>>"}),
    }


def structures() -> Files:
    nested = 200_000
    self_extending = stream(b"10 0 <</A 10 0 R>>", "/Type/ObjStm/N 1/First 5/Extends 10 0 R")
    xref = b"%PDF-1.7\n1 0 obj <</Type/Catalog>> endobj\nxref\n0 1\n0000000000 65535 f \n"
    xref += b"trailer <</Size 1/Root 1 0 R/Prev 46>>\n"
    huge = stream(b"\0" * 64, "/Type/XRef/Size 2147483647/W[8 8 8]/Index[0 2147483647]/Root 1 0 R")
    return {
        "arrays.pdf": pdf(page="/MediaBox[0 0 9 9]/A " + "[" * nested + "]" * nested),
        "arrays-open.pdf": pdf(page="/MediaBox[0 0 9 9]/A " + "[" * nested),
        "dictionaries.pdf": pdf(page="/MediaBox[0 0 9 9]" + "/A<<" * nested + ">>" * nested),
        "operands.pdf": pdf(content=b"[" * nested + b"]" * nested + b" TJ"),
        "saves.pdf": pdf(content=b"q " * nested),
        "marked.pdf": pdf(content=b"/A BMC " * nested),
        "xref-loop.pdf": xref + b"startxref\n46\n%%EOF",
        "xref-far-away.pdf": pdf() + b"\nstartxref\n99999999999\n%%EOF",
        "xref-stream.pdf": b"%PDF-1.7\n9 0 obj " + huge + b" endobj\nstartxref\n9\n%%EOF",
        "object-stream.pdf": pdf({FREE: self_extending}, page="/MediaBox 10 0 R"),
        "length-of-itself.pdf": pdf({CONTENT: b"<</Length 4 0 R>> stream\nq Q\nendstream"}),
        "length-negative.pdf": pdf({CONTENT: b"<</Length -5>> stream\nq Q\nendstream"}),
        "references.pdf": pdf({n: f"{n + 1} 0 R" for n in range(10, 9_000)}, page="/MediaBox 10 0 R"),
        "reference-to-itself.pdf": pdf({FREE: "10 0 R"}, page="/MediaBox 10 0 R"),
        "numbers.pdf": pdf(page=f"/MediaBox[0 0 {'9' * 400} -{'9' * 400}.{'9' * 400}]"),
        "names.pdf": pdf(page="/MediaBox[0 0 9 9]/" + "#00" * 100_000 + " 1"),
        "strings.pdf": pdf(info=b"/Title(" + b"(" * nested + b")" * nested + b")"),
        "outlines.pdf": pdf({FREE: "<</First 10 0 R/Next 10 0 R/Last 10 0 R>>"}, catalog="/Outlines 10 0 R"),
    }


def pages() -> Files:
    boxes = {
        "billion": "[0 0 1e9 1e9]",
        "billion-plain": "[0 0 1000000000 1000000000]",
        "thread": "[0 0 1000000000 1]",
        "speck": "[0 0 0.0001 0.0001]",
        "empty": "[0 0 0 0]",
        "inside-out": "[200 100 0 0]",
        "words": "[/a (b) <63> null]",
        "far": "[-2147483648 -2147483648 2147483647 2147483647]",
    }
    found = {f"box-{name}.pdf": pdf(page=f"/MediaBox{box}") for name, box in boxes.items()}
    found["unit.pdf"] = pdf(page="/MediaBox[0 0 200 100]/UserUnit 1000000000")
    found["rotated.pdf"] = pdf(page="/MediaBox[0 0 200 100]/Rotate 45000000")
    found["form-in-itself.pdf"] = pdf(
        {FREE: stream(b"/X Do", "/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 10 0 R>>>>")},
        content=b"/X Do",
        resources="/XObject<</X 10 0 R>>",
    )
    tile = "/PatternType 1/PaintType 1/TilingType 1/BBox[0 0 1 1]/XStep 0.001/YStep 0.001/Resources<<>>"
    found["endless.pdf"] = pdf(
        {FREE: stream(b"0 0 1 1 re f", tile)},
        content=b"/Pattern cs /P scn 0 0 200 100 re f",
        resources="/Pattern<</P 10 0 R>>",
    )
    calculator = stream(b"{ " + b"dup " * 5_000 + b"}", "/FunctionType 4/Domain[0 1]/Range[0 1 0 1 0 1]")
    sampled = stream(b"\0", "/FunctionType 0/Domain[0 1]/Range[0 1]/Size[2147483647]/BitsPerSample 32")
    for name, function in (("calculator", calculator), ("sampled", sampled)):
        found[f"shading-{name}.pdf"] = pdf(
            {FREE: function},
            content=b"/S sh",
            resources="/Shading<</S<</ShadingType 2/ColorSpace/DeviceRGB/Coords[0 0 9 9]/Function 10 0 R>>>>",
        )
    return found


def actions() -> Files:
    file = "<</Type/Filespec/F(../../etc/passwd)/EF<</F 11 0 R>>>>"
    lock = "/Filter/Standard/V 1/R 2/P -4/O<" + "11" * 32 + ">/U<" + "22" * 32 + ">"
    script = "<</S/JavaScript/JS(app.alert\\(1\\);while\\(true\\){})>>"
    launch = "<</S/Launch/F(/bin/sh)/Win<</F(calc.exe)>>>>"
    form = "/AcroForm<</Fields[10 0 R]/XFA 11 0 R/NeedAppearances true>>"
    field = f"<</FT/Tx/T(a)/V(filled)/AA<</C {script}/F {script}>>/Subtype/Widget/Rect[0 0 50 50]>>"
    return {
        "script.pdf": pdf(catalog=f"/OpenAction{script}", page=f"/MediaBox[0 0 9 9]/AA<</O {script}>>"),
        "launch.pdf": pdf(catalog=f"/OpenAction{launch}"),
        "address.pdf": pdf(catalog="/OpenAction<</S/URI/URI(http://169.254.169.254/latest/meta-data/)>>"),
        "form.pdf": pdf(
            {FREE: field, 11: stream(b"<xdp:xdp>")}, catalog=form, page="/MediaBox[0 0 99 99]/Annots[10 0 R]"
        ),
        "embedded.pdf": pdf(
            {FREE: file, 11: stream(b"MZ" * 999, "/Type/EmbeddedFile")},
            catalog="/Names<</EmbeddedFiles<</Names[(a) 10 0 R]>>>>",
        ),
        "external-stream.pdf": pdf({CONTENT: b"<</Length 0/F(/etc/passwd)>> stream\n\nendstream"}),
        "locked.pdf": pdf(trailer=f"/Encrypt<<{lock}>>/ID[<00><00>]"),
        "locked-with-nonsense.pdf": pdf(trailer="/Encrypt<</Filter/Nobody/V 99/R -1/Length -8>>"),
    }


def character_map(entries: str) -> bytes:
    return stream(f"begincmap 1 begincodespacerange <00><FF> endcodespacerange {entries} endcmap".encode())


def texts() -> Files:
    """Text that no database takes, through fonts that map their letters to it."""
    hostile = ["0000", "0001", "0008", "001B", "007F", "D800", "DC00", "DFFFD800", "FFFE", "0041FFFF"]
    hostile += ["202E", "E000", "E001", "0041" * 200, "D83DDE00", "000D000A"]
    pairs = "\n".join(f"<{0x61 + n:02X}> <{code}>" for n, code in enumerate(hostile))
    mapped = f"{len(hostile)} beginbfchar\n{pairs}\nendbfchar"
    ranges = "1 beginbfrange <00> <FFFFFFFF> <D800> endbfrange"
    letters = b"BT /F 12 Tf 10 50 Td (%s) Tj ET" % bytes(range(0x61, 0x61 + len(hostile)))
    font = "/Subtype/Type1/BaseFont/Helvetica/ToUnicode 10 0 R"
    described = "<</Type/FontDescriptor/FontName/A/Flags 4/FontFile2 11 0 R>>"
    glyph = {FREE: stream(b"100 0 d0 BT /F 1 Tf (a) Tj ET")}
    found = {
        "mapped.pdf": pdf({FREE: character_map(mapped)}, content=letters, font=font),
        "mapped-range.pdf": pdf({FREE: character_map(ranges)}, content=letters, font=font),
        "glyph-in-itself.pdf": pdf(
            glyph,
            content=letters,
            font="/Subtype/Type3/FontBBox[0 0 9 9]/FontMatrix[1 0 0 1 0 0]/CharProcs<</a 10 0 R>>"
            "/Encoding<</Differences[97/a]>>"
            "/FirstChar 97/LastChar 97/Widths[1000000000]/Resources<</Font<</F 5 0 R>>>>",
        ),
        "font-file.pdf": pdf(
            {FREE: described, 11: stream(b"\0\x01\0\0\xff\xff" + b"glyf" * 500)},
            font="/Subtype/TrueType/BaseFont/A/FontDescriptor 10 0 R/FirstChar -9/LastChar 2147483647/Widths[]",
        ),
        "font-size.pdf": pdf(content=b"BT /F 1e30 Tf 1e30 0 0 1e30 0 0 Tm (abc) Tj ET"),
        "rows.pdf": pdf(content=b"BT /F 1 Tf 0 99 Td " + b"(a) Tj 0 -3 Td " * 50_000 + b"ET"),
        "spaces.pdf": pdf(content=b"BT /F 1 Tf 0 50 Td (a" + b" " * 500_000 + b"b) Tj ET"),
    }
    for name, title in TITLES.items():
        found[f"title-{name}.pdf"] = pdf(info=b"/Title<" + title.hex().encode() + b">")
    return found


_MARK = b"\xfe\xff"
TITLES = {
    "nul": _MARK + "A\0B".encode("utf-16-be"),
    "surrogate": _MARK + b"\0A\xd8\0\0B",
    "surrogate-last": _MARK + b"\0A\xdf\xff",
    "odd": _MARK + b"\0A\0",
    "bidi": _MARK + "\u202egpj.exe\u2066".encode("utf-16-be"),
    "long": _MARK + "é".encode("utf-16-be") * 100_000,
    "markup": b"<img src=x onerror=alert(1)>",
}


def all_pdfs() -> Files:
    return {**bombs(), **trees(), **structures(), **pages(), **actions(), **texts()}
