"""Compiled code is kept by what it is made of: an edit anywhere below is noticed, and nothing is compiled twice."""

import subprocess
import sys
import textwrap

import pytest

from tickline import compiled

LEAF = "def half(x):\n    return x / 2\n"
MIDDLE = "from tickline.compiled import kernel\nfrom {package}.leaf import half as _half\n\nhalf = kernel(_half)\n"
TOP = """
    from numba import njit
    from tickline.compiled import code_sha256, kernel, specialised
    from {package}.middle import half

    @kernel
    def quarter(x):
        return half(half(x))

    def adder(n):
        def add(x):
            return half(x) + n
        return specialised(add, code_sha256(__name__) + str(n))
"""
ASK = """
    from {package} import top
    add = top.adder(3)
    print(top.quarter(8.0), add(8.0))
    print(sum(top.quarter.stats.cache_misses.values()), sum(add.stats.cache_misses.values()))
"""


@pytest.fixture
def package(tmp_path, monkeypatch, request):
    """A package of three modules, each importing the one below, under a name of its own."""
    name = f"made_{abs(hash(request.node.nodeid))}"
    folder = tmp_path / name
    folder.mkdir()
    for module, source in (("__init__", ""), ("leaf", LEAF), ("middle", MIDDLE), ("top", textwrap.dedent(TOP))):
        (folder / f"{module}.py").write_text(source.format(package=name))
    (folder / "stranger.py").write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def hash_of(package):
    """The hash as a process would see it that was started now."""
    for found in vars(compiled).values():
        if hasattr(found, "cache_clear"):
            found.cache_clear()
    return compiled.code_sha256(f"{package.name}.top")


def _python(package, code):
    code = f"import sys; sys.path.insert(0, {str(package.parent)!r})\n" + textwrap.dedent(code).format(
        package=package.name
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ran.stdout.splitlines()


def test_the_hash_of_a_module_follows_an_edit_of_a_module_it_imports_through_another(package):
    before = hash_of(package)
    (package / "stranger.py").write_text("VALUE = 2\n")
    assert hash_of(package) == before
    (package / "leaf.py").write_text(LEAF.replace("2", "4"))
    assert hash_of(package) != before


@pytest.mark.slow
def test_a_second_process_compiles_nothing_and_an_edit_below_is_compiled_anew(package):
    first, again = _python(package, ASK), _python(package, ASK)
    assert first == ["2.0 7.0", "1 1"]
    assert again == ["2.0 7.0", "0 0"]
    (package / "leaf.py").write_text(LEAF.replace("2", "4"))
    assert _python(package, ASK) == ["0.5 5.0", "1 1"]
