"""Whatever happens to artifacts in a folder, in any order: what can be read is what was published."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from resources.storage.local_store import LocalArtifactStore
from screenalytics_assets.core.common.errors import ArtifactError
from screenalytics_assets.core.common.layout import crop_path, crops_dir, file_path, manifest_path

ASSETS, EPISODES, NAMES = ("faces", "tracks"), ("show-s01e01", "show-s01e02"), ("a.json", "b.json")
keys = st.tuples(st.sampled_from(ASSETS), st.sampled_from(EPISODES))
contents = st.fixed_dictionaries(
    {}, optional={name: st.integers(0, 9) for name in NAMES} | {"crops": st.integers(1, 3)}
)
Key = tuple[str, str]


class CrashError(Exception):
    """The process ends here."""


class Artifacts(RuleBasedStateMachine):
    """A store, and what it should hold: the content of each artifact, or None if it may only be refused."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="artifacts."))
        self.store = LocalArtifactStore(self.root)
        self.expected: dict[Key, dict[str, int] | None] = {}
        self.mine = self.root / "manifests" / EPISODES[0] / "notes of a person.txt"
        self.mine.parent.mkdir(parents=True)
        self.mine.write_text("mine")

    def teardown(self) -> None:
        shutil.rmtree(self.root)

    @rule(key=keys, content=contents)
    def publish(self, key: Key, content: dict[str, int]) -> None:
        self._publish(key, content)
        self.expected[key] = content

    @rule(key=keys, content=contents, changes=st.integers(0, 7))
    def crash_while_publishing(self, key: Key, content: dict[str, int], changes: int) -> None:
        before = self.expected.get(key)
        with crash_after(changes) as done:
            try:
                self._publish(key, content)
            except CrashError:
                # Before the first change the earlier artifact is whole; then there is none until all is done.
                self.expected[key] = None if done else before
            else:
                self.expected[key] = content

    @rule(key=keys, name=st.sampled_from(NAMES), damage=st.sampled_from(["change", "cut", "delete"]))
    def damage(self, key: Key, name: str, damage: str) -> None:
        path = self.root / self._place(key, name)
        if not path.exists():
            return
        content = path.read_bytes()
        if damage == "delete":
            path.unlink()
        else:
            path.write_bytes(content[:-1] if damage == "cut" else bytes([content[0] ^ 1]) + content[1:])
        self.expected[key] = None

    @rule(key=keys, place=st.sampled_from(["../victim", "manifests/show-s01e02/a.json", "corrections/show.yaml"]))
    def put_a_foreign_place_into_a_manifest(self, key: Key, place: str) -> None:
        path = self.root / manifest_path(*key)
        if key[1] == "show-s01e01" and path.exists():
            manifest = json.loads(path.read_text())
            manifest["files"].append({"path": place, "bytes": 0, "sha256": "", "rows": None})
            whole = path.read_bytes()
            path.write_text(json.dumps(manifest))
            before = self._files()
            with pytest.raises(ArtifactError, match="is not a place"):
                self._publish(key, {"a.json": 1})
            assert self._files() == before
            path.write_bytes(whole)

    @rule(ep_id=st.sampled_from(EPISODES[1:]))
    def remove_an_episode(self, ep_id: str) -> None:
        self.store.remove_files_of(ep_id)
        assert self.store.files_of(ep_id) == []
        self.expected = {key: content for key, content in self.expected.items() if key[1] != ep_id}

    @invariant()
    def what_can_be_read_is_what_was_published(self) -> None:
        for asset in ASSETS:
            for ep_id in EPISODES:
                expected = self.expected.get((asset, ep_id))
                assert self._read((asset, ep_id)) == expected
                manifest = self.store.manifest(asset, ep_id)
                assert expected is None or (manifest is not None and self.store.is_intact(manifest))

    @invariant()
    def what_is_whole_is_listed(self) -> None:
        for asset in ASSETS:
            whole = {key[1] for key, content in self.expected.items() if key[0] == asset and content is not None}
            assert whole <= set(self.store.keys(asset)) <= set(EPISODES)

    @invariant()
    def files_of_people_stay_and_nothing_is_left_over(self) -> None:
        assert self.mine.read_text() == "mine"
        assert not (self.root / ".staging").exists()

    def _publish(self, key: Key, content: dict[str, int]) -> None:
        asset, ep_id = key
        with self.store.staging(asset, ep_id) as staged:
            for name in NAMES:
                if name in content:
                    staged.write_json(f"{asset}.{name}", {"number": content[name]})
            if "crops" in content and asset == "faces":
                staged.bundle(crops_dir(ep_id))
                for frame in range(content["crops"]):
                    staged.path_below_root(crop_path(ep_id, "track-00001", frame)).write_bytes(b"jpeg")
            facts: dict[str, Any] = {"config": {}, "inputs": {}, "metrics": dict(content)}
            self.store.publish(staged, fingerprint="", code_version="", **facts)

    def _read(self, key: Key) -> dict[str, int] | None:
        """The content of an artifact, None if it is refused or not there."""
        try:
            artifact = self.store.open(*key)
            if artifact is None:
                return None
            named = {name for name in NAMES if artifact.manifest.has(f"{key[0]}.{name}")}
            found = {name: int(artifact.json(f"{key[0]}.{name}")["number"]) for name in named}
        except ArtifactError:
            return None
        crops = artifact.manifest.metrics.get("crops")
        return found | ({} if crops is None else {"crops": crops})

    def _place(self, key: Key, name: str) -> str:
        return file_path(key[1], f"{key[0]}.{name}", key[0])

    def _files(self) -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in self.root.rglob("*") if path.is_file()}


@contextmanager
def crash_after(changes: int) -> Iterator[list[str]]:
    """Let some files and folders be moved or deleted, and end instead of the next change; yields the changes made."""
    done: list[str] = []

    def crashing(real: Callable[..., Any]) -> Callable[..., Any]:
        def change(path: Path, *arguments: Any, **named: Any) -> Any:
            if path.suffix in (".lock", ".held"):  # the kernel gives these up when a process ends
                return real(path, *arguments, **named)
            if len(done) == changes:
                raise CrashError
            done.append(str(path))
            return real(path, *arguments, **named)

        return change

    with pytest.MonkeyPatch.context() as patch:
        for name in ("replace", "unlink"):
            patch.setattr(Path, name, crashing(getattr(Path, name)))
        real_rmtree, crashing_rmtree = shutil.rmtree, crashing(shutil.rmtree)
        # Errors are ignored only where the staging folder is removed, which is no change of an artifact.
        patch.setattr(
            shutil,
            "rmtree",
            lambda path, ignore_errors=False: real_rmtree(path, True) if ignore_errors else crashing_rmtree(path),
        )
        yield done


TestArtifacts = Artifacts.TestCase
TestArtifacts.settings = settings(max_examples=30, stateful_step_count=15, deadline=None)
