import pytest

from domain_adapt.training.cgroups import UNLIMITED, cpu_quota, memory_left, memory_limit


def tree(root, group, files):
    """Writes ``/proc/self/cgroup`` and files below ``/sys/fs/cgroup``."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(group)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("text", "quota"),
    [("max 100000\n", UNLIMITED), ("150000 100000\n", 2), ("50000 100000\n", 1), ("", UNLIMITED), ("x y", UNLIMITED)],
)
def test_a_quota_of_version_2_is_rounded_up(tmp_path, text, quota):
    assert cpu_quota(tree(tmp_path, "0::/\n", {"cpu.max": text})) == quota


@pytest.mark.parametrize(("quota", "expected"), [("-1", UNLIMITED), ("250000", 3)])
@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
def test_a_quota_of_version_1(tmp_path, mount, quota, expected):
    files = {f"{mount}/cpu.cfs_quota_us": quota, f"{mount}/cpu.cfs_period_us": "100000"}
    assert cpu_quota(tree(tmp_path, "3:cpuset:/\n2:cpu,cpuacct:/\n0::/\n", files)) == expected


def test_every_enclosing_group_counts(tmp_path):
    files = {
        "batch.slice/cpu.max": "400000 100000",
        "batch.slice/job/cpu.max": "max 100000",
        "batch.slice/job/step/cpu.max": "600000 100000",
        "other/cpu.max": "100000 100000",
    }
    assert cpu_quota(tree(tmp_path, "0::/batch.slice/job/step\n", files)) == 4


def test_a_path_that_only_the_host_sees_falls_back_to_the_mount_point(tmp_path):
    """In a container without a namespace for groups, the mount is the container's group already."""
    assert cpu_quota(tree(tmp_path, "0::/docker/4711\n", {"cpu.max": "200000 100000"})) == 2
    assert cpu_quota(tree(tmp_path / "up", "0::/../sibling\n", {"cpu.max": "300000 100000"})) == 3


def test_memory_that_is_left_counts_file_pages_nobody_reads_as_free(tmp_path):
    files = {
        "job/memory.max": "1000",
        "job/memory.current": "700",
        "job/memory.stat": "anon 400\nfile 300\ninactive_file 250\nactive_file 50\n",
        "memory.max": "5000",
        "memory.current": "4000",
    }
    root = tree(tmp_path, "0::/job\n", files)
    assert memory_left(root) == 1000 - (700 - 250)
    assert memory_limit(root) == 1000


def test_the_enclosing_group_may_be_the_tighter_one(tmp_path):
    files = {
        "job/memory.max": "max",
        "job/memory.current": "10",
        "memory.max": "500",
        "memory.current": "520",
    }
    root = tree(tmp_path, "0::/job\n", files)
    assert (memory_left(root), memory_limit(root)) == (0, 500)


def test_memory_of_version_1(tmp_path):
    files = {
        "memory/box/memory.limit_in_bytes": "1000",
        "memory/box/memory.usage_in_bytes": "600",
        "memory/box/memory.stat": "inactive_file 1\ntotal_inactive_file 100\n",
        "memory/memory.limit_in_bytes": "9223372036854771712",
        "memory/memory.usage_in_bytes": "800",
    }
    assert memory_left(tree(tmp_path, "4:memory:/box\n0::/\n", files)) == 500


def test_no_groups_at_all_mean_no_limit(tmp_path):
    assert (cpu_quota(tmp_path), memory_left(tmp_path), memory_limit(tmp_path)) == (UNLIMITED,) * 3
