"""The unit tests nearest to what changed, one path a line: what ``make check`` runs.

A changed test is run itself. For any other module these are the unit tests that import it, or, where there are none,
those that import its importers, and so on.
"""

import argparse
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import grimp

_PACKAGES = ("screenalytics_assets", "resources", "tests")
_UNIT = "tests.unit."
_DOCUMENTS = "tests.unit.documentation.test_documents"
_OTHER_FILES = {
    "README.md": (_DOCUMENTS,),
    "CONTRIBUTING.md": (_DOCUMENTS,),
    "Makefile": (_DOCUMENTS,),
    "docs": (_DOCUMENTS,),
    "pyproject.toml": ("tests.unit.documentation.test_import_rules",),
    "config": ("tests.unit.config.test_config_files", "tests.unit.quality.test_acceptance_documents"),
}
"""Tests of files that are not imported, by the first part of their path."""


def changed_files(base: str) -> list[str]:
    """What differs from where this branch left ``base``: committed, uncommitted and untracked files."""
    fork = _git("merge-base", base, "HEAD")
    since = fork[0] if fork else "HEAD"
    return sorted({*_git("diff", "--name-only", since), *_git("ls-files", "--others", "--exclude-standard")})


def nearest_unit_tests(files: Iterable[str], graph: grimp.ImportGraph) -> list[str]:
    """The test modules to run for these files of the checkout, as paths."""
    names = {test for file in files for test in _tests_of_file(Path(file), graph)}
    return [f"{name.replace('.', '/')}.py" for name in sorted(names & graph.modules)]


def _tests_of_file(file: Path, graph: grimp.ImportGraph) -> Iterator[str]:
    if file.parts[0] not in _PACKAGES:
        yield from _OTHER_FILES.get(file.parts[0], ())
    elif file.suffix == ".py":
        yield from _tests_of_module(".".join(file.with_suffix("").parts).removesuffix(".__init__"), graph)
    else:  # a template or a migration: the tests of the modules beside it
        for module in graph.find_children(".".join(file.parent.parts)):
            yield from _tests_of_module(module, graph)


def _tests_of_module(module: str, graph: grimp.ImportGraph) -> set[str]:
    level, seen = {module} & graph.modules, set[str]()
    while level:
        tests = {name for name in level if name.startswith(_UNIT) and ".test_" in name}
        if tests:
            return tests
        seen |= level
        level = {user for name in level for user in graph.find_modules_that_directly_import(name)} - seen
    return set()


def _git(*arguments: str) -> list[str]:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


def main() -> None:
    """Print the tests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default="main", help="the branch to compare with")
    base: str = parser.parse_args().base
    print("\n".join(nearest_unit_tests(changed_files(base), grimp.build_graph(*_PACKAGES))))


if __name__ == "__main__":
    main()
