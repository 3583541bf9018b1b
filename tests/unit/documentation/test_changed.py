"""`make check` runs the unit tests that stand nearest to what changed."""

import grimp
import pytest

from tests.changed import _PACKAGES, nearest_unit_tests


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*_PACKAGES)


def test_a_changed_test_is_run_itself(graph: grimp.ImportGraph) -> None:
    test = "tests/unit/video/test_probe.py"
    assert nearest_unit_tests([test], graph) == [test]


@pytest.mark.parametrize(
    ("file", "test"),
    [
        ("screenalytics_assets/core/video/probe.py", "tests/unit/video/test_probe.py"),
        ("screenalytics_assets/core/tracking/bytetrack.py", "tests/unit/tracking/test_bytetrack.py"),
        ("screenalytics_assets/reports/report.css", "tests/unit/cli/test_report_parts.py"),
        ("docs/ops/gpu.md", "tests/unit/documentation/test_documents.py"),
        ("config/acceptance.yaml", "tests/unit/quality/test_acceptance_documents.py"),
        ("pyproject.toml", "tests/unit/documentation/test_import_rules.py"),
    ],
)
def test_a_changed_file_is_tested_by_the_tests_that_import_or_read_it(
    file: str, test: str, graph: grimp.ImportGraph
) -> None:
    assert test in nearest_unit_tests([file], graph)


def test_a_module_that_no_unit_test_imports_is_tested_through_its_importers(graph: grimp.ImportGraph) -> None:
    assert nearest_unit_tests(["screenalytics_assets/assets/detect/detections.py"], graph)


def test_a_deleted_file_asks_for_no_test(graph: grimp.ImportGraph) -> None:
    assert nearest_unit_tests(["tests/unit/video/test_gone.py", "screenalytics_assets/gone.py"], graph) == []
