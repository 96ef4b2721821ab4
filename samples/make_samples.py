"""Writes the PDFs and the scan in this folder from source/*.md.

Needs fpdf2, Pillow and the DejaVu fonts. `make setup` does not install them, as the results are committed:
    pip install fpdf2 pillow && python samples/make_samples.py /usr/share/fonts/truetype/dejavu
"""

import random
import sys
from datetime import UTC, datetime
from pathlib import Path

from fpdf import FPDF
from PIL import Image, ImageDraw, ImageFilter, ImageFont

HERE = Path(__file__).parent


class Booklet(FPDF):
    title_line = ""

    def footer(self) -> None:
        self.set_y(-15)
        self.set_font("DejaVu", size=8)
        self.cell(0, 8, f"{self.title_line}    page {self.page_no()}", align="C")


def write_pdf(source: Path, fonts: Path) -> None:
    pdf = Booklet(format="A4")
    pdf.add_font("DejaVu", fname=str(fonts / "DejaVuSans.ttf"))
    pdf.add_font("DejaVu", style="B", fname=str(fonts / "DejaVuSans-Bold.ttf"))
    pdf.set_margins(24, 22, 24)
    pdf.set_creation_date(datetime(2026, 1, 5, tzinfo=UTC))
    lines = source.read_text("utf-8").splitlines()
    pdf.title_line = lines[0].removeprefix("# ")
    pdf.set_title(pdf.title_line)
    pdf.add_page()
    for line in lines:
        if line == "---":
            pdf.add_page()
        else:
            write_line(pdf, line)
    pdf.output(str(HERE / f"{source.stem}.pdf"))


def write_line(pdf: FPDF, line: str) -> None:
    level = len(line) - len(line.lstrip("#"))
    size = {0: 10.5, 1: 20, 2: 13}[level]
    pdf.set_font("DejaVu", style="B" if level else "", size=size)
    text = line.lstrip("# ").replace("- ", "• ", 1) if line.startswith("- ") else line.lstrip("# ")
    if text:
        pdf.multi_cell(0, size * 0.53, text, new_x="LMARGIN", new_y="NEXT")
    else:
        pdf.ln(3)


def write_scan(source: Path, target: Path, fonts: Path) -> None:
    """Write a page that looks like a flatbed scan: grey paper, turned by 1.3 degrees, with blur and grain."""
    dice = random.Random(7)  # noqa: S311 grain, the same at every run
    page = Image.new("L", (1240, 1500), 238)
    font = ImageFont.truetype(str(fonts / "DejaVuSansMono.ttf"), 29)
    draw = ImageDraw.Draw(page)
    for number, line in enumerate(source.read_text("utf-8").splitlines()):
        draw.text((130, 110 + number * 46), line, fill=48, font=font)
    page = page.rotate(1.3, fillcolor=205, resample=Image.Resampling.BICUBIC)
    page = page.filter(ImageFilter.GaussianBlur(0.9))
    grain = Image.frombytes("L", page.size, dice.randbytes(page.width * page.height))
    Image.blend(page, grain, 0.09).save(target, quality=72)


if __name__ == "__main__":
    font_folder = Path(sys.argv[1])
    for markdown in sorted((HERE / "source").glob("*.md")):
        if markdown.stem == "letter":
            write_scan(markdown, HERE / "scan0007.jpg", font_folder)
        else:
            write_pdf(markdown, font_folder)
