"""Mutation testing: make small faults in a module, one at a time, and count those that the tests find.

The faults are those of mutmut 3.8: other operators, numbers plus one, arguments dropped, texts changed.
Its own runner leaves out decorated functions (all properties, all that is cached) and the constants of
modules (all tolerances); here its operators are applied to whole modules. Each fault is tried in a fork
of a process that has loaded the libraries. What is left out, and why survivors survive, is told in
docs/explanation/mutants.md.

    make mutants MODULES=surfalign.physics.levels.potential
"""

from __future__ import annotations

import argparse
import difflib
import gc
import importlib
import importlib.util
import json
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.metadata import entry_points
from pathlib import Path
from types import CodeType
from typing import Any

import libcst as cst
import pytest
from libcst.metadata import MetadataWrapper
from mutmut.mutation.file_mutation import MutationVisitor, deep_replace
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode

ROOT = Path(__file__).resolve().parents[1]

#: The tests that concern a module, by the beginning of its name.
TESTS = {
    "surfalign.physics.checks": ["tests/physics/test_checks.py", "tests/physics/levels"],
    "surfalign.physics.levels.convergence": ["tests/stores/test_levels.py"],
    "surfalign.physics.levels": ["tests/physics/levels"],
    "surfalign.physics.contacts": ["tests/physics/contacts"],
    "surfalign.physics.phases": ["tests/physics/phases"],
    "surfalign.physics.shapes": ["tests/physics/shapes"],
    "surfalign.physics.lattice": ["tests/physics/lattice"],
    "surfalign.physics.slabs": ["tests/physics/slabs"],
    "surfalign.stores.levels": ["tests/stores/test_levels.py"],
    "surfalign.stores.query.fields": [
        "tests/stores/query/test_fields.py",
        "tests/stores/query/test_language.py",
    ],
    "surfalign.stores.query": ["tests/stores/query/test_language.py"],
}
#: What is measured beside the physics: the levels and the query language.
STORES = (
    "surfalign.stores.levels",
    "surfalign.stores.query.fields",
    "surfalign.stores.query.language",
    "surfalign.stores.query.values",
)

#: Tests that need no server, no DFT and no other program.
QUICK = "not (dft or mongo or slurm or processes or programs or serial or gpu)"


@dataclass
class Mutant:
    """One fault: where it is, what it changes, and what became of it."""

    number: int
    line: int
    before: str
    after: str
    outcome: str = ""


class Visitor(MutationVisitor):
    """mutmut's visitor, let into decorated functions and kept out of messages."""

    def _skip_node_and_children(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.Raise | cst.Import | cst.ImportFrom):
            return True
        if isinstance(node, cst.Call) and _called(node).endswith("Error"):
            return True
        if isinstance(node, cst.SimpleString | cst.FormattedString) and _is_sentence(node):
            return True
        if isinstance(node, cst.FunctionDef):
            return False
        return bool(super()._skip_node_and_children(node))


def _called(node: cst.Call) -> str:
    name = node.func.attr if isinstance(node.func, cst.Attribute) else node.func
    return name.value if isinstance(name, cst.Name) else ""


def _is_sentence(node: cst.SimpleString | cst.FormattedString) -> bool:
    """Tell a text for people, by its blanks, from a name or a key."""
    if isinstance(node, cst.SimpleString):
        return " " in node.value.strip("'\"")
    texts = [part.value for part in node.parts if isinstance(part, cst.FormattedStringText)]
    return any(" " in text.strip() for text in texts)


def mutated_sources(source: str) -> Iterator[str]:
    """Yield the source with each of its faults in turn."""
    wrapper = MetadataWrapper(cst.parse_module(source))
    visitor = Visitor(mutation_operators, IgnoredCode(set(), set(), set()))
    module = wrapper.visit(visitor)
    for mutation in visitor.mutations:
        changed = deep_replace(module, mutation.original_node, mutation.mutated_node)
        if isinstance(changed, cst.Module) and changed.code != source:
            yield changed.code


def mutants_of(source: str) -> tuple[list[Mutant], list[str]]:
    """Return the faults, and the sources with them."""
    mutants, sources = [], []
    for number, mutated in enumerate(mutated_sources(source)):
        try:
            compile(mutated, "mutant", "exec", dont_inherit=True)
        except SyntaxError:
            continue
        matcher = difflib.SequenceMatcher(
            None, source.splitlines(), mutated.splitlines(), autojunk=False
        )
        (_, i1, i2, j1, j2), *_ = [code for code in matcher.get_opcodes() if code[0] != "equal"]
        before = " ".join(line.strip() for line in source.splitlines()[i1:i2])
        after = " ".join(line.strip() for line in mutated.splitlines()[j1:j2])
        mutants.append(Mutant(number, i1 + 1, before, after))
        sources.append(mutated)
    return mutants, sources


class MutatedModule(SourceFileLoader):
    """Finds and loads one module from a changed source, as if its file held it."""

    def __init__(self, name: str, path: Path, source: str) -> None:
        super().__init__(name, str(path))
        self.source = source

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Find the module that is changed, and no other."""
        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(name, self.path, loader=self)

    def get_code(self, fullname: str) -> CodeType:
        """Compile the changed source."""
        return compile(self.source, self.path, "exec", dont_inherit=True)


class FastFirst:
    """Runs the fastest tests first, and not those that take longer than a fault is worth."""

    def __init__(self, slow: float) -> None:
        self.slow = slow
        self.durations: dict[str, float] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Order the tests."""
        items[:] = [i for i in items if self.durations.get(i.nodeid, 0.0) < self.slow]
        items.sort(key=lambda item: self.durations.get(item.nodeid, 0.0))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Note the processor time of a test."""
        start = time.process_time()
        result = yield
        self.durations[item.nodeid] = time.process_time() - start
        return result


class Bench:
    """Runs the tests of one module against changed sources of it."""

    def __init__(self, module: str, tests: Sequence[str], slow: float) -> None:
        self.module = module
        self.path = ROOT / "src" / (module.replace(".", "/") + ".py")
        self.tests = list(tests)
        #: Those of the module's own name, which find most faults, and are collected in no time.
        name = f"test_{module.rpartition('.')[2]}.py"
        self.own = [str(Path(t) / name) for t in tests if (ROOT / t / name).exists()]
        self.order = FastFirst(slow)

    def preload(self) -> None:
        """Load the libraries; the package itself is loaded anew in each fork."""
        for plugin in entry_points(group="pytest11"):
            plugin.load()
        for name in ("surfalign.launchers.database.server", self.module):
            importlib.import_module(name)
        for name in [n for n in sys.modules if n.partition(".")[0] == "surfalign"]:
            del sys.modules[name]
        gc.freeze()  # the forks need not look through the libraries for garbage

    def arguments(self, tests: list[str]) -> list[str]:
        """Return the arguments of pytest."""
        plugins = ("no:cacheprovider", "no:xdist", "no:xdist.looponfail", "no:rerunfailures")
        options = [part for plugin in plugins for part in ("-p", plugin)]
        return ["-x", "-q", "--tb=no", "--assert=plain", "-m", QUICK, *options, *tests]

    def whole(self) -> float:
        """Run the tests on the source as it is, and note their durations; return processor seconds."""
        read, write = os.pipe()
        if (child := os.fork()) == 0:
            code = pytest.main([*self.arguments(self.tests), "--durations=5"], plugins=[self.order])
            os.write(write, json.dumps(self.order.durations).encode())
            os._exit(int(code))
        os.close(write)
        with os.fdopen(read) as durations:
            self.order.durations = json.load(durations)
        _, status, usage = os.wait4(child, 0)
        if status != 0:
            raise SystemExit(f"The tests of {self.module} fail without any fault.")
        return usage.ru_utime

    def outcome(self, source: str, limit: float) -> str:
        """Return ``killed``, ``timeout`` (of so many processor seconds) or ``survived``."""
        own = self._outcome(source, self.own, limit) if self.own else "survived"
        return own if own != "survived" else self._outcome(source, self.tests, limit)

    def _outcome(self, source: str, tests: list[str], limit: float) -> str:
        if (child := os.fork()) == 0:
            self._child(source, tests, round(limit))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code in (0, pytest.ExitCode.NO_TESTS_COLLECTED):
            return "survived"
        return "timeout" if code == -signal.SIGXCPU else "killed"

    def _child(self, source: str, tests: list[str], limit: int) -> None:
        code: int = 1
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, 1)
            os.dup2(nothing, 2)
            sys.meta_path.insert(0, MutatedModule(self.module, self.path, source))
            code = int(pytest.main(self.arguments(tests), plugins=[self.order]))
        finally:
            os._exit(code)


def measure(
    module: str, options: argparse.Namespace, baselines: dict[tuple[str, ...], Any]
) -> list[Mutant]:
    """Try the faults of a module; those found before stay found with ``--again``.

    ``baselines`` keeps what the tests take without faults.
    """
    tests = next(t for name, t in TESTS.items() if module.startswith(name))
    bench = Bench(module, tests, options.slow)
    mutants, sources = mutants_of(bench.path.read_text())
    file = options.results / f"{module}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    known = {}
    if options.again and file.exists():
        known = {(m["before"], m["after"]): m["outcome"] for m in json.loads(file.read_text())}
    n_chosen = min(options.sample, len(mutants))
    tried = []
    bench.preload()
    key = tuple(tests)
    if key not in baselines:
        baselines[key] = bench.whole(), bench.order.durations
    seconds, bench.order.durations = baselines[key]
    for index in sorted(random.Random(0).sample(range(len(mutants)), n_chosen)):
        mutant = mutants[index]
        mutant.outcome = known.get((mutant.before, mutant.after), "")
        if mutant.outcome in ("", "survived"):
            mutant.outcome = bench.outcome(sources[index], 3 * seconds + 10)
        tried.append(mutant)
        file.write_text(json.dumps([asdict(mutant) for mutant in tried], indent=1))
    return tried


def all_modules() -> list[str]:
    """Return the modules to measure."""
    files = (ROOT / "src/surfalign/physics").rglob("*.py")
    names = {".".join(f.relative_to(ROOT / "src").with_suffix("").parts) for f in files}
    return [*sorted(n for n in names if "__init__" not in n), *STORES]


def report(module: str, tried: list[Mutant]) -> None:
    """Print the survivors and the score of a module."""
    survivors = [mutant for mutant in tried if mutant.outcome == "survived"]
    for mutant in survivors:
        print(f"  {mutant.line}: {mutant.before}\n    -> {mutant.after}")
    killed, total = len(tried) - len(survivors), len(tried)
    print(f"{module}: {killed} of {total} found, {killed / max(1, total):.1%}", flush=True)


def main() -> None:
    """Measure the modules named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("modules", nargs="*", help="dotted names; all of the physics and the store's by default")
    add("--results", type=Path, default=ROOT / "build/mutants", help="folder of results")
    add("--sample", type=int, default=10**6, help="so many faults of each module, by chance")
    add("--slow", type=float, default=2.0, help="leave out tests that take so many seconds")
    add("--again", action="store_true", help="try only those that survived before")
    options = parser.parse_args()
    os.chdir(ROOT)
    baselines: dict[tuple[str, ...], Any] = {}
    for module in options.modules or all_modules():
        report(module, measure(module, options, baselines))


if __name__ == "__main__":
    main()
