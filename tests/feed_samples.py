"""Feeds for tests, written by hand."""

from __future__ import annotations

import zlib


def pdf(pages: list[str], bomb: int = 0) -> bytes:
    """A PDF of lines of text, written by hand. bomb: bytes that a page's stream unpacks to."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", "", "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = []
    for text in pages:
        shown = "".join(
            f"({line}) Tj 0 -14 Td "
            for line in text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)").split("\n")
        )
        packing = zlib.compressobj()
        data = packing.compress(f"BT /F1 12 Tf 50 700 Td {shown}ET".encode("latin-1"))
        data += b"".join(packing.compress(b" " * (1 << 20)) for _ in range(bomb >> 20)) + packing.flush()
        objects.append(f"<< /Length {len(data)} /Filter /FlateDecode >>\nstream\n{data.decode('latin-1')}\nendstream")
        kids.append(f"{len(objects) + 1} 0 R")
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {len(objects)} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>"
        )
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    out, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{content}\nendobj\n".encode("latin-1")
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{place:010} 00000 n \n".encode() for place in places)
    return out + f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
