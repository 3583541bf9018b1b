from pathlib import Path

import pytest

from resources.system import cpu
from resources.system.cpu import cpu_quota, default_threads, threads_of_a_call


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_smallest_quota_of_nested_groups_applies(tmp_path: Path) -> None:
    write(tmp_path / "self", "0::/pod/container\n")
    write(tmp_path / "pod/cpu.max", "150000 100000\n")
    write(tmp_path / "pod/container/cpu.max", "max 100000\n")
    assert cpu_quota(tmp_path, tmp_path / "self") == 1.5


def test_a_quota_of_version_one_groups_is_read(tmp_path: Path) -> None:
    write(tmp_path / "self", "4:memory:/box\n3:cpu,cpuacct:/box\n")
    write(tmp_path / "cpu,cpuacct/box/cpu.cfs_quota_us", "50000\n")
    write(tmp_path / "cpu,cpuacct/box/cpu.cfs_period_us", "100000\n")
    write(tmp_path / "cpu,cpuacct/cpu.cfs_quota_us", "-1\n")
    write(tmp_path / "cpu,cpuacct/cpu.cfs_period_us", "100000\n")
    assert cpu_quota(tmp_path, tmp_path / "self") == 0.5


def test_without_groups_there_is_no_quota(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path, tmp_path / "absent") is None


@pytest.mark.parametrize(("quota", "threads"), [(None, 4), (0.5, 1), (1.5, 2), (64.0, 4)])
def test_threads_follow_the_quota_but_not_beyond_the_cpus(
    monkeypatch: pytest.MonkeyPatch, quota: float | None, threads: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(cpu, "cpu_quota", lambda: quota)
    assert default_threads() == threads


@pytest.mark.parametrize(("threads", "overlapping", "each"), [(6, 1, 6), (6, 2, 3), (3, 2, 1), (2, 8, 1), (0, 2, 2)])
def test_concurrent_calls_share_the_threads_and_each_has_at_least_one(
    monkeypatch: pytest.MonkeyPatch, threads: int, overlapping: int, each: int
) -> None:
    monkeypatch.setattr(cpu, "default_threads", lambda: 4)
    assert threads_of_a_call(threads, overlapping) == each
