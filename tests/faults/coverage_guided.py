"""Documents that reach code which no document before reached: the readers of `tests.faults.readers`, by atheris.

Ends at the first fault, with the reader, the problem and a file that holds the document. Needs the extra ``fuzz``.

    python -m tests.faults.coverage_guided [--seconds 60] [--seed SEED]
"""

import argparse
import os
import secrets
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["resources", "screenalytics_assets"]):
    from tests.faults.readers import readers_in

MAX_BYTES = 65_536


class DocumentFaultError(Exception):
    """A reader took a document in the wrong way; libFuzzer writes the document to a file and ends."""


def main() -> None:
    """Try documents until the time is over or a fault is found; then libFuzzer ends the process."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.coverage_guided", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1 + secrets.randbelow(10**9))
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="screenalytics-coverage-"))
    os.environ["SCREENALYTICS_CONFIG_DIR"] = str(folder / "config")
    readers = readers_in(folder)
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, reader in enumerate(readers):
        for sample in reader.samples:
            (corpus / f"{number:02d}").write_bytes(bytes([number]) + sample)

    def read(document: bytes) -> None:
        """Give a document to the reader that its first byte chooses."""
        if document:
            reader = readers[document[0] % len(readers)]
            if problem := reader.fault(document[1:]):
                raise DocumentFaultError(f"{reader.name}: {problem}")

    flags = [
        f"-max_total_time={options.seconds}",
        f"-seed={options.seed}",
        f"-max_len={MAX_BYTES}",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], str(corpus), *flags, f"-artifact_prefix={folder}/"], read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
