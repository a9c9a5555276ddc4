"""The repository as a whole: what must agree agrees, and nothing is in it that should not be."""

import ast
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.notebooks import install

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ADDRESS = PROJECT.get("urls", {}).get("Repository")  # None while it is not known
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

MB = 1_000_000


def tracked_files():
    """Return the files of the repository; those that git ignores are not part of it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("this is not a git checkout, so there is no list of its files")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def texts():
    """Yield (path, text) for every text file of the repository."""
    for path in tracked_files():
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:  # a picture, or weights
            continue


def requirements(*extras):
    """Return pyproject's requirements by name, with those of the named extras."""
    lines = [*PROJECT["dependencies"]]
    for extra in extras:
        lines += PROJECT["optional-dependencies"][extra]
    found = [Requirement(line) for line in lines]
    return {canonicalize_name(each.name): each for each in found}


def constraints():
    """Return the lines of constraints.txt as requirements."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


# --- what is installed ---------------------------------------------------------------------------


def test_the_lock_satisfies_pyproject():
    pins = {}
    for pin in constraints():
        pins.setdefault(canonicalize_name(pin.name), []).append(pin)
    for name, wanted in requirements(*PROJECT["optional-dependencies"]).items():
        assert name in pins, f"{name} is in pyproject.toml, not in constraints.txt: make lock"
        for pin in pins[name]:
            version = str(pin.specifier).removeprefix("==")
            assert wanted.specifier.contains(version), f"{wanted} excludes the pinned {version}"


def test_the_lock_holds_exact_public_versions_only():
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert "://" not in text
    assert "--" not in text.replace("# ", "")
    for pin in constraints():
        assert re.fullmatch(r"==[0-9][0-9a-z.]*", str(pin.specifier)), f"not an exact pin: {pin}"


def test_torch_has_one_version_here():
    pins = [pin for pin in constraints() if pin.name == "torch" and pin.marker.evaluate()]
    assert len(pins) == 1, f"constraints.txt pins torch {len(pins)} times for this machine"
    assert pins[0].specifier.contains(importlib.metadata.version("torch"))


def test_what_is_installed_is_what_the_lock_says():
    for pin in constraints():
        if pin.marker and not pin.marker.evaluate():
            continue
        try:
            version = importlib.metadata.version(pin.name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if canonicalize_name(pin.name) in requirements("test"):
            assert pin.specifier.contains(version), f"{pin.name} is {version}; the lock says {pin}"


def test_nothing_needs_torchvision():
    seen, waiting = set(), [*requirements(*PROJECT["optional-dependencies"])]
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in seen:
            continue
        seen.add(name)
        try:
            needs = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:  # an extra that is not installed here
            continue
        for need in map(Requirement, needs):
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                waiting.append(need.name)
    assert "torchvision" not in seen
    assert "torchvision" not in {canonicalize_name(pin.name) for pin in constraints()}
    assert len(seen) > 50  # it walked


# --- Binder and containers -----------------------------------------------------------------------

INSTALL = "python tools/notebooks/install.py"


def test_binder_takes_our_environment_with_the_tested_versions(monkeypatch):
    """As repo2docker, which is what Binder runs, reads the repository."""
    from repo2docker.buildpacks import CondaBuildPack, DockerBuildPack

    monkeypatch.chdir(ROOT)
    # it asks in this order, and a Dockerfile of ours would win, were there no folder binder/
    assert not DockerBuildPack(base_image="").detect()
    binder = CondaBuildPack(base_image="")
    binder.platform = "linux/amd64"
    assert binder.detect()
    assert binder.python_version in ("3.11", "3.12", "3.13", "3.14")
    rendered = binder.render()
    assert "binder/environment.yml" in rendered
    assert "RUN ./binder/postBuild" in rendered
    assert (ROOT / "binder" / "environment.yml").resolve() == ROOT / "environment.yml"
    # one source of versions: conda gives the Python, the installer all else
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    named = {re.match(r"\w+", line).group() for line in environment["dependencies"]}
    assert named == {"python", "pip"}


def test_containers_use_the_installer_and_no_root():
    post_build = ROOT / "binder" / "postBuild"
    assert f"\n{INSTALL} --here\n" in post_build.read_text(encoding="utf-8")
    assert post_build.stat().st_mode & 0o111 or sys.platform == "win32"
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert any(line.startswith("RUN ") and line.endswith(f"{INSTALL} --here") for line in lines)
    installed = next(i for i, line in enumerate(lines) if INSTALL in line)
    assert [line for line in lines[installed:] if line.startswith("USER ")] == ["USER 1000"]
    container = json.loads(
        (ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8")
    )
    assert container["postCreateCommand"] == INSTALL


def test_what_a_container_leaves_out_is_not_needed_to_install():
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    needed = {"pyproject.toml", "constraints.txt", "README.md", "LICENSE", "mssnet_edu", "data"}
    assert not (needed | {"notebooks", "tools"}) & set(ignored)


def test_every_python_that_we_promise_is_tested():
    promised = [f"3.{minor}" for minor in range(install.OLDEST[1], install.NEWEST[1] + 1)]
    workflow = (ROOT / ".github" / "workflows" / "systems.yml").read_text(encoding="utf-8")
    matrix = yaml.safe_load(workflow)["jobs"]["tests"]["strategy"]["matrix"]
    assert matrix["python"] == promised
    assert PROJECT["requires-python"] == f">={promised[0]}"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"Python {promised[0]} to {promised[-1]} on Linux, macOS or Windows" in readme


# --- what agrees with what -----------------------------------------------------------------------


def version():
    text = (ROOT / "mssnet_edu" / "__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "(.+)"$', text, re.M).group(1)


def test_citation_and_changelog_have_the_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert str(citation["version"]) == version()
    newest = re.search(
        r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M
    ).group(1)
    assert newest == version()


def test_the_licence_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")
    assert PROJECT["license"] == citation["license"] == "MIT"


# Links to this project, each with the repository that it names.
OURSELVES = (
    r"mybinder\.org/v2/gh/([\w.-]+/[\w.-]+)",
    r"colab\.research\.google\.com/github/([\w.-]+/[\w.-]+)",
    rf"github\.com/([\w.-]+/{re.escape(PROJECT['name'])})\b",
    r"(?:Repository = \"|repository-code: |git\+)https://github\.com/([\w.-]+/[\w.-]+)",
)


def links_to_ourselves(text):
    return [found for form in OURSELVES for found in re.findall(form, text)]


def test_every_link_to_ourselves_has_the_address_of_pyproject():
    """And while pyproject has none, nobody can click on a placeholder."""
    sample = f"(https://mybinder.org/v2/gh/a/b/main) https://github.com/a/{PROJECT['name']}."
    assert links_to_ourselves(sample) == ["a/b", f"a/{PROJECT['name']}"]  # it can fail
    wanted = {ADDRESS.removeprefix("https://github.com/")} if ADDRESS else set()
    for path, text in texts():
        if "tests" in path.relative_to(ROOT).parts or path.suffix == ".py":
            continue
        wrong = set(links_to_ourselves(text)) - wanted
        assert not wrong, f"{path.relative_to(ROOT)} links to {wrong}; pyproject.toml: {ADDRESS}"


def test_links_between_our_pages_lead_somewhere():
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8")):
            if "://" not in target and not target.startswith("mailto:"):
                assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_every_command_that_is_named_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    seen = set()
    for path, text in texts():
        here = path.relative_to(ROOT)
        for target in re.findall(r"(?:`|^ *)make(?: [A-Z_]+=\S+)* ([a-z]+)", text, re.M):
            if path.suffix != ".ipynb" and path != Path(__file__):
                assert target in targets, (
                    f"{here} says `make {target}`, which Makefile does not know"
                )
        for module in re.findall(r"python[\d.]* -m ((?:tools|training)(?:\.\w+)+)", text):
            seen.add(module)
            script = ROOT / f"{module.replace('.', '/')}.py"
            assert script.is_file(), f"{here} says `python -m {module}`, which is not there"
            assert "__main__" in script.read_text(encoding="utf-8"), (
                f"{here}: {module} is not a command"
            )
        for name in re.findall(r"\b(?:scripts|tools|training)[/\\][\w/\\]+\.py\b", text):
            if "NAME" in name:
                continue
            assert (ROOT / name.replace("\\", "/")).is_file(), f"{here} names {name}: not there"
    assert len(seen) > 10


# --- what is in it -------------------------------------------------------------------------------


def test_data_stays_within_its_budget():
    sizes = {p: p.stat().st_size for p in (ROOT / "data").rglob("*") if p.is_file()}
    assert sum(sizes.values()) <= 190 * MB
    assert {str(p): s for p, s in sizes.items() if s > 16 * MB} == {}


def test_no_stray_output_is_tracked():
    """Pickles but for MSSNet's own reference, and folders that a mistyped option has made."""
    names = [path.relative_to(ROOT).as_posix() for path in tracked_files()]
    stray = [n for n in names if n.startswith("-") or n.endswith((".pt", ".pth", ".pkl", ".npz"))]
    assert stray == ["tests/data/mssnet_reference.pt"], "a run's output: remove it from git"


def test_no_tracked_file_is_large():
    assert [str(p) for p in tracked_files() if p.stat().st_size > 16 * MB] == []


# What no file may hold, and what to write instead.
PRIVATE = {
    r"(?<![\w.~*-])/(?:work|root|home|Users)/\w[^\s\"'`)]*": "a path of somebody's computer means "
    "nothing to others: write it relative to the repository's folder, or ~/...",
    r"\b(?:pypi|files\.pythonhosted|registry\.npmjs|deb\.debian)\.(?:org|com)\b": "package clients "
    'know their registry: write the package\'s name and version, as in "PyPI tqdm 4.67"',
}


def test_no_file_names_a_machine_or_a_registry():
    wrong = [
        f"{path.relative_to(ROOT)}, line {text.count(chr(10), 0, match.start()) + 1}, holds "
        f"{match.group()!r}; {advice}"
        for path, text in texts()
        for pattern, advice in PRIVATE.items()
        for match in re.finditer(pattern, text)
    ]
    assert not wrong, "\n".join(wrong)


def test_notebooks_are_committed_clean():
    for path in NOTEBOOKS:
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                assert cell["outputs"] == [], f"{path.name} holds outputs: make format"
                assert cell["execution_count"] is None, f"{path.name} has been run: make format"
    if NOTEBOOKS:
        strip = ["--keep-id", "--extra-keys", "metadata.language_info.version"]
        command = [sys.executable, "-m", "nbstripout", "--verify", *strip, *map(str, NOTEBOOKS)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"run `make format`:\n{done.stdout}{done.stderr}"


# --- how it hangs together -----------------------------------------------------------------------


def imports(path):
    """Yield the dotted names that a module imports, anywhere in it; relative ones resolved.

    Modules named in strings ("mssnet_edu.models.rrdn:build") count, for they are imported later.
    """
    module = path.relative_to(ROOT).with_suffix("").parts
    package = module[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            base += node.module.split(".") if node.module else []
            name = ".".join(base)
            # `from mssnet_edu import images` imports the module images
            yield from (f"{name}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and OUR_MODULE.fullmatch(str(node.value)):
            yield node.value.replace(":", ".")


OURS = ("mssnet_edu", "training", "tools")
OUR_MODULE = re.compile(rf"({'|'.join(OURS)})(\.\w+)+(:\w+)?")
MODULES = sorted((ROOT / "mssnet_edu").rglob("*.py"))


def test_every_import_is_declared():
    imported_as = {"pillow": "pil"}
    declared = {imported_as.get(n, n).replace("-", "_") for n in requirements()}
    declared |= set(sys.stdlib_module_names) | {PROJECT["name"]}
    # with matplotlib, ipywidgets and jupyterlab
    comes_along = {"cycler", "ipython", "traitlets", "jupyter_server", "packaging", "psutil"}
    for path in MODULES:
        for name in imports(path):
            top = name.split(".")[0]
            assert top.lower() in declared | comes_along or top in declared, (
                f"{path.relative_to(ROOT)} imports {top}, which pyproject.toml does not name"
            )


# A part imports from its own row and from the rows above it.
ROWS = [
    {"files", "lazy", "memory"},
    {"learner"},
    {"images"},
    {"samples"},
    {"degrade"},
    {"exposure"},
    {"classical", "mssnet", "models"},
    {"metrics", "operators"},
    {
        "inference",
        "marking",
        "precision",
        "reference_selection",
        "restore",
        "tiling",
        "working_size",
    },
    {"featsharp", "hallucination", "zoom"},
    {"diagnosis", "exercises", "show"},
    {"app", "working_copy"},
    {"doctor", "lab"},
    {"cli"},
]


def test_arrows_run_downwards_only():
    row_of = {part: row for row, parts in enumerate(ROWS) for part in parts}
    row_of |= {"__init__": row_of["lazy"], "__main__": row_of["cli"]}
    for path in MODULES:
        part = path.relative_to(ROOT / "mssnet_edu").parts[0].removesuffix(".py")
        assert part in row_of, f"give {part} a place in ROWS"
        for name in imports(path):
            top, _, rest = name.partition(".")
            assert top not in OURS[1:], f"{path.relative_to(ROOT)} imports {name}"
            row = row_of.get(rest.split(".")[0], 0) if top == "mssnet_edu" else 0
            assert row <= row_of[part], f"{path.relative_to(ROOT)} imports {name}"


def import_graph():
    """Return {module: the modules of ours that it imports}, those inside functions as well."""
    names = {}
    for top in OURS:
        for path in (ROOT / top).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            names[".".join(parts).removesuffix(".__init__")] = path
    graph = {}
    for module, path in names.items():
        graph[module] = set()
        for name in imports(path):
            while name and name not in names:  # a function of a module, or not ours
                name = name.rpartition(".")[0]
            if name and name != module:
                graph[module].add(name)
    return graph


def circles(graph):
    """Return the sets of nodes that reach each other, each larger than one."""
    reach = {}
    for start in graph:
        seen, waiting = set(), [start]
        while waiting:
            for node in graph[waiting.pop()] - seen:
                seen.add(node)
                waiting.append(node)
        reach[start] = seen
    groups = {frozenset(b for b in reach[a] if a in reach[b]) for a in graph}
    return [sorted(group) for group in groups if len(group) > 1]


def test_modules_import_one_another_in_no_circle():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]  # it can fail
    graph = import_graph()
    assert "mssnet_edu.models.featsharp" in graph["mssnet_edu.models.catalogue"]  # by a string
    assert circles(graph) == []


def test_contributing_draws_every_part():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    house = re.search(r"## The house.*?```\n(.*?)```", text, re.DOTALL)[1]
    assert set().union(*ROWS) <= set(re.findall(r"\w+", house))


def private_imports(path):
    """Yield the private names of our own modules that a file takes: `from x import _y`, `x._y`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    ours = {"mssnet_edu", "tools", "training"}
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            origin = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                name = f"{origin}.{alias.name}".strip(".")
                if name.split(".")[0] in ours:
                    modules[alias.asname or alias.name.split(".")[0]] = name
                    if re.search(r"\._(?!_)", name):
                        yield name
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and re.match(r"_(?!_)", node.attr):
            name = ast.unparse(node)
            if name.split(".")[0] in modules and re.fullmatch(r"[\w.]+", name):
                yield name


TOOLS = sorted((ROOT / "tools").rglob("*.py"))


def test_private_imports_are_found(tmp_path):
    path = tmp_path / "tool.py"
    path.write_text(
        "import re\nimport mssnet_edu as me\nfrom mssnet_edu import cli\n"
        "from training.train import _step, main\n"
        "re._a, self._b, me.samples._c, cli._d, cli.run, me.__name__\n",
        encoding="utf-8",
    )
    assert list(private_imports(path)) == ["training.train._step", "me.samples._c", "cli._d"]


def test_tools_use_public_names_only():
    private = {p.name: list(private_imports(p)) for p in sorted((ROOT / "tools").rglob("*.py"))}
    assert {name: names for name, names in private.items() if names} == {}


CODE = [
    p for room in ("mssnet_edu", "training", "tools") for p in sorted((ROOT / room).rglob("*.py"))
]


def test_no_file_of_code_is_long():
    lines = {
        str(p.relative_to(ROOT)): len(p.read_text(encoding="utf-8").splitlines()) for p in CODE
    }
    assert {name: count for name, count in lines.items() if count > 450} == {}


def untyped(body, inside=""):
    """Yield the public functions, and methods of public classes, that are not wholly annotated."""
    for node in body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef) or node.name.startswith("_"):
            continue
        if isinstance(node, ast.ClassDef):
            yield from untyped(node.body, f"{node.name}.")
            continue
        a = node.args
        arguments = [*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, [a.vararg, a.kwarg])]
        bare = [each for each in arguments if not each.annotation]
        bare = [each for each in bare if not (inside and each.arg in ("self", "cls"))]
        if bare or not node.returns:
            yield inside + node.name


def test_public_functions_are_typed():
    found = {
        str(p.relative_to(ROOT)): list(untyped(ast.parse(p.read_text(encoding="utf-8")).body))
        for p in CODE
    }
    assert {name: functions for name, functions in found.items() if functions} == {}


def without_encoding(tree):
    """Yield the calls that read or write text as the system's locale has it: cp1252 on Windows."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or {"encoding", "b"} & {k.arg for k in node.keywords}:
            continue
        call = ast.unparse(node)
        name = ast.unparse(node.func).rpartition(".")
        if name[2] in ("read_text", "write_text") and name[0] != "files":
            if len(node.args) == (name[2] == "write_text"):
                yield call
        elif name[2] == "open" and not re.search(
            r"Image|webbrowser|direct|os$|tarfile|gzip", name[0]
        ):
            modes = [a.value for a in node.args if isinstance(a, ast.Constant)]
            if len(modes) == len(node.args) and not any("b" in str(mode) for mode in modes):
                yield call


def test_text_is_read_and_written_as_utf_8():
    """Ruff's PLW1514 sees those files only whose type it can guess."""
    wrong = "p.read_text(), p.write_text(x), p.open(), (a / b).open('w')"
    right = "p.read_text('utf-8'), p.open('rb'), files.write_text(p, x), Image.open(p)"
    assert len(list(without_encoding(ast.parse(wrong)))) == 4  # it can fail
    assert not list(without_encoding(ast.parse(right)))
    for path in [*CODE, *(ROOT / "tests").rglob("*.py")]:
        calls = list(without_encoding(ast.parse(path.read_text(encoding="utf-8"))))
        assert not calls, f"{path.relative_to(ROOT)}: {calls} lacks encoding='utf-8'"


def test_import_is_light():
    heavy = ("torch", "numpy", "matplotlib", "ipywidgets", "PIL", "scipy")
    code = f"import sys, mssnet_edu; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
