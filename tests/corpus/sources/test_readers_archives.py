"""Members of archives, and archives that mean harm."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from domain_adapt.corpus.sources import limits
from domain_adapt.errors import DomainAdaptError

Read = Callable[..., list[object]]
Reasons = Callable[[list[object]], list[tuple[str, str | None]]]
Make = Callable[..., bytes]

MEMBERS = {
    "b.txt": "Two.",
    "a/c.jsonl": '{"text": "row one"}\n{"id": "named", "text": "row two"}\n',
    "./d.csv.gz": gzip.compress(b"text\nThree.\n"),
    "picture.png": b"\x89PNG",
    "LICENSE": "free",
    "__MACOSX/._b.txt": "resource fork",
    ".git/x.txt": "hidden",
}
KINDS = {
    "x.zip": lambda data: data,
    "x.tar": lambda data: data,
    "x.tar.gz": gzip.compress,
    "x.tgz": gzip.compress,
    "x.tar.zst": zstandard.ZstdCompressor().compress,
}


@pytest.fixture(params=KINDS)
def archive(request: pytest.FixtureRequest, make_zip: Make, make_tar: Make) -> tuple[str, Make]:
    """The name of an archive of each kind, and what makes one of that kind."""
    make = make_zip if request.param == "x.zip" else make_tar
    return request.param, lambda members: KINDS[request.param](make(members))


def test_members_are_read_in_stored_order_by_their_suffixes(
    read_bytes: Read, archive: tuple[str, Make], tmp_path: Path
) -> None:
    name, make = archive
    *documents, picture, licence = read_bytes(name, make(MEMBERS))
    assert documents == [
        (f"{name}/b.txt", "Two."),
        (f"{name}/a/c.jsonl:1", "row one"),
        ("named", "row two"),
        (f"{name}/d.csv.gz:2", "Three."),
    ]
    assert [(item.id, item.source, item.reason) for item in (picture, licence)] == [  # type: ignore[attr-defined]
        (f"{name}/picture.png", name, "kind not read"),
        (f"{name}/LICENSE", name, "kind not read"),
    ]
    assert list(tmp_path.iterdir()) == [tmp_path / name]


def test_an_error_in_a_row_names_archive_member_and_line(
    read_bytes: Read, archive: tuple[str, Make], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name, make = archive
    with pytest.raises(DomainAdaptError) as caught:
        read_bytes(name, make({"a/c.jsonl": '{"text": "x"}\n{'}))
    assert caught.value.message.startswith(f"{name}/a/c.jsonl:2: not valid JSON: ")


def test_unsafe_paths_are_neither_read_nor_written(
    read_bytes: Read, reasons: Reasons, archive: tuple[str, Make], tmp_path: Path
) -> None:
    name, make = archive
    paths = ["/etc/x.txt", "../x.txt", "a/../../x.txt", "C:/x.txt"]
    assert reasons(read_bytes(name, make({path: "x" for path in paths} | {"a..b.txt": "fine"}))) == [
        *((f"{name}/{path}", "unsafe path") for path in paths),
        (f"{name}/a..b.txt", None),
    ]
    assert list(tmp_path.iterdir()) == [tmp_path / name]


def test_a_damaged_member_does_not_end_the_archive(
    read_bytes: Read, reasons: Reasons, archive: tuple[str, Make]
) -> None:
    name, make = archive
    members = {"a.pdf": "no PDF", "b.txt": b"\0", "c.txt.gz": "no gzip", "d.txt": "fine"}
    assert reasons(read_bytes(name, make(members))) == [
        (f"{name}/a.pdf", "corrupt"),
        (f"{name}/b.txt", "not text"),
        (f"{name}/c.txt.gz", "corrupt"),
        (f"{name}/d.txt", None),
    ]


def test_an_archive_in_an_archive_is_read_but_none_in_that(
    read_bytes: Read, reasons: Reasons, archive: tuple[str, Make], make_zip: Make
) -> None:
    name, make = archive
    deepest = make_zip({"deep.txt": "deep"})
    data = make({"in.zip": make_zip({"a.txt": "one", "deeper.zip": deepest}), "z.txt": "two"})
    assert reasons(read_bytes(name, data)) == [
        (f"{name}/in.zip/a.txt", None),
        (f"{name}/in.zip/deeper.zip", "nested archive"),
        (f"{name}/z.txt", None),
    ]


def test_too_many_members(
    read_bytes: Read, reasons: Reasons, archive: tuple[str, Make], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_MEMBERS", 3)
    name, make = archive
    found = reasons(read_bytes(name, make({f"{number}.txt": "x" for number in range(5)})))
    assert found == [*((f"{name}/{number}.txt", None) for number in range(3)), (name, "too many members")]


def test_text_that_packs_twenty_to_one_is_read(
    read_bytes: Read, archive: tuple[str, Make], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RATIO_FREE_BYTES", 100_000)
    text = "".join(
        f"{number} and {number * 7919 % 9973}: a line that is much like the others\n" for number in range(20_000)
    )
    name, make = archive
    data = make({"a.txt": text})
    assert read_bytes(name, data) == [(f"{name}/a.txt", text)]
    assert name == "x.tar" or 4 < len(text) / len(data) < 100


def test_a_bomb_in_an_archive(read_bytes: Read, reasons: Reasons, archive: tuple[str, Make]) -> None:
    name, make = archive
    data = make({"a.jsonl": b" " * (60 << 20), "b.txt": "fine"})
    found = reasons(read_bytes(name, data))
    if name == "x.tar":
        assert found == [(f"{name}/b.txt", None)]  # nothing is compressed; a line of spaces is no row
    elif name == "x.zip":
        assert found == [(f"{name}/a.jsonl", "archive bomb"), (f"{name}/b.txt", None)]
    else:  # what is behind it cannot be reached
        assert found == [(f"{name}/a.jsonl", "archive bomb"), (name, "archive bomb")]


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize("kind", ["x.txt", "x.jsonl", "x.parquet", "x.pdf", "x.zip"])
def test_a_bomb_of_zeros(read_bytes: Read, reasons: Reasons, kind: str, suffix: str) -> None:
    zeros = bytes(100 << 20)
    data = gzip.compress(zeros, 1) if suffix == ".gz" else zstandard.ZstdCompressor(level=1).compress(zeros)
    (found,) = reasons(read_bytes(kind + suffix, data))
    # JSON Lines look at their first bytes before they read on.
    assert found == (kind + suffix, "not text" if kind == "x.jsonl" else "archive bomb")


def test_a_bomb_in_a_docx(read_bytes: Read, reasons: Reasons, samples: dict[str, bytes]) -> None:
    buffer = io.BytesIO(samples["x.docx"])
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as package:
        package.writestr("word/media/image1.bmp", bytes(20 << 20))
    assert reasons(read_bytes("x.docx", buffer.getvalue())) == [("x.docx", "archive bomb")]


def test_zip_members_that_share_their_bytes_are_a_bomb(
    read_bytes: Read, reasons: Reasons, make_zip: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RATIO_FREE_BYTES", 100_000)
    # One member of 90:1 that the directory lists many times (Fifield 2019: A better zip bomb).
    text = "".join(f"{number % 400:06}" for number in range(30_000))
    buffer = io.BytesIO(make_zip({"a.txt": text}))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.filelist *= 200
        archive._didModify = True  # type: ignore[attr-defined]
    found = [reason for _, reason in reasons(read_bytes("x.zip", buffer.getvalue()))]
    # Python itself refuses members that overlap from 3.11.8 on.
    assert found[0] is None and (found[-1] == "archive bomb" or found[1:] == ["corrupt"] * 199)


def test_links_and_devices(read_bytes: Read, reasons: Reasons) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, kind in (
            ("s", tarfile.SYMTYPE),
            ("h", tarfile.LNKTYPE),
            ("f", tarfile.FIFOTYPE),
            ("c", tarfile.CHRTYPE),
        ):
            info = tarfile.TarInfo(f"{name}.txt")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    assert [reason for _, reason in reasons(read_bytes("x.tar", buffer.getvalue()))] == [
        "link in archive", "link in archive", "device in archive", "device in archive",
    ]  # fmt: skip
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive_zip:
        link = zipfile.ZipInfo("s.txt")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive_zip.writestr(link, "/etc/passwd")
    assert reasons(read_bytes("x.zip", buffer.getvalue())) == [("x.zip/s.txt", "link in archive")]


def test_an_encrypted_zip_member(read_bytes: Read, reasons: Reasons, make_zip: Make) -> None:
    data = bytearray(make_zip({"a.txt": "secret", "b.txt": "open"}))
    data[data.index(b"PK\x01\x02") + 8] |= 1  # the flag in the directory
    assert reasons(read_bytes("x.zip", bytes(data))) == [("x.zip/a.txt", "encrypted"), ("x.zip/b.txt", None)]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_STORED])
def test_other_methods_of_zip(read_bytes: Read, reasons: Reasons, method: int) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("a.txt", "text")
        archive.writestr("b.txt", bytes(30 << 20))
    packed = method != zipfile.ZIP_STORED
    assert reasons(read_bytes("x.zip", buffer.getvalue())) == [
        ("x.zip/a.txt", None),
        ("x.zip/b.txt", "archive bomb" if packed else "not text"),
    ]


@pytest.mark.parametrize(("start", "end"), [(512 * 2, 512 * 2 + 10), (512 * 4 + 148, 512 * 4 + 150)])
def test_a_damaged_tar_header_is_not_taken_for_the_end(
    read_bytes: Read, reasons: Reasons, make_tar: Make, start: int, end: int
) -> None:
    data = bytearray(make_tar({"a.txt": "x" * 10, "b.txt": "y", "c.txt": "z"}))
    assert reasons(read_bytes("x.tar", bytes(data)))[-1] == ("x.tar/c.txt", None)
    data[start:end] = b"\xff" * (end - start)
    found = reasons(read_bytes("x.tar", bytes(data)))
    assert found[0] == ("x.tar/a.txt", None)
    assert found[-1] == ("x.tar", "corrupt")


def test_a_tar_name_of_a_gigabyte_is_not_read_into_memory(read_bytes: Read, reasons: Reasons) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 30
    assert reasons(read_bytes("x.tar", info.tobuf(tarfile.GNU_FORMAT) + b"a" * 10_000)) == [("x.tar", "corrupt")]


def test_a_sparse_tar_member_that_claims_terabytes(read_bytes: Read, reasons: Reasons) -> None:
    info = tarfile.TarInfo("a.txt")
    info.type, info.size = tarfile.GNUTYPE_SPARSE, 0
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[483:495] = b"77777777777\0"  # its size when unpacked: 8 GiB
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    assert reasons(read_bytes("x.tar", bytes(header) + bytes(1024))) == [("x.tar/a.txt", "archive bomb")]


def test_names_that_are_not_utf_8(read_bytes: Read, make_tar: Make) -> None:
    data = make_tar({"n\udce4me.txt": "text"})
    assert read_bytes("x.tar", data) == [("x.tar/n\ufffdme.txt", "text")]
