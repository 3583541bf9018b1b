import ctypes
import json
import subprocess
import sys
from pathlib import Path

import pytest

MB_LEFT = 100
STAGE_THAT_LEAVES_HOLES = f"""
import json, logging, sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil

from resources.storage.local_store import LocalArtifactStore
from resources.settings import SettingsResource
from screenalytics_assets.artifact import ArtifactSpec, materialize
from screenalytics_assets.run_context import Run

def resident_mb():
    return psutil.Process().memory_info().rss / 2**20

def compute(run, outputs):
    blocks = [np.ones(8192) for _ in range({MB_LEFT} * 16)]
    kept.append(blocks[-1])  # the C library cannot lower the end of its heap
    del blocks
    seen.append(resident_mb() - before)

kept, seen = [], []
resolved = SettingsResource().load(print).resolved
nothing = lambda *_: {{}}
spec = ArtifactSpec(
    "holes", "1", group="", kinds=set(), description="", config=nothing, compute=compute, describe=nothing
)
before = resident_mb()
store = LocalArtifactStore(Path(sys.argv[1]))
run = Run(spec, "show-s01e01", store, SimpleNamespace(), logging.getLogger())
list(materialize(run, resolved, force=True))
print(json.dumps([*seen, resident_mb() - before]))
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="only glibc is asked to give memory back")
def test_memory_that_a_stage_has_freed_leaves_the_process(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STAGE_THAT_LEAVES_HOLES, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    held_mb, afterwards_mb = json.loads(result.stdout.splitlines()[-1])
    assert held_mb > 0.8 * MB_LEFT
    assert afterwards_mb < 0.2 * MB_LEFT
