"""How much one file, member of an archive or document may hold before it is not read."""

from __future__ import annotations

# Some 60 books of plain text. Longer "documents" are dumps or files of another kind; each is held in memory a few
# times over while it is cleaned, in every process.
MAX_DOCUMENT_BYTES = 64 << 20

# A .json file is parsed in one piece, and takes about ten times its size as Python objects. JSON Lines have no limit.
MAX_JSON_BYTES = 512 << 20

# What comes out of one compressed file or member. The largest published shards (The Pile, RedPajama) are below 64 GB.
MAX_UNPACKED_BYTES = 256 << 30

# What may go to the disk for formats that need random access: Parquet and ZIP inside something compressed.
MAX_SPOOLED_BYTES = 8 << 30

# Unpacked per packed byte, above RATIO_FREE_BYTES. Text reaches 3 to 20, logs and tables 50; DEFLATE's bombs 1,032.
MAX_RATIO = 100
RATIO_FREE_BYTES = 10 << 20

MAX_MEMBERS = 1_000_000

# An archive in an archive is read (PubMed's bulk files come so); one in that one is not.
MAX_NESTING = 1

# What the encoding of a file of rows is decided from.
SAMPLE_BYTES = 1 << 20
