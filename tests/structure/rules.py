# SPDX-License-Identifier: Apache-2.0
"""The rules that every file of the tree keeps: each is a function from the tree to a list of problems.

``test_tree.py`` applies them to this tree, ``test_rules.py`` to trees that break them.
"""

from __future__ import annotations

import ast
import ipaddress
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import programs
import yaml

SECTIONS = ("deploy", "upgrade", "scale_down", "validate")
SECTION_FILES = {f"{name}.yml" for name in ("main", *SECTIONS)}
ENGINE = "ozone.openstack.service"
#: A service role that needs more files says something twice.
MOST_FILES = 12
#: A verb is a table of contents; what is longer belongs into a role or a module.
LONGEST_PLAYBOOK = 45

LAB = [ipaddress.ip_network(net) for net in ("198.18.0.0/15", "198.51.100.0/24")]
#: Addresses that mean the same on every computer: this host, any, link-local (metadata), multicast, masks.
EVERYWHERE = [ipaddress.ip_network(net) for net in ("127.0.0.0/8", "0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3")]
#: Networks that the lab's computers use themselves; not even a unit test names them.
TAKEN = [ipaddress.ip_network(net) for net in ("192.0.2.0/24", "203.0.113.0/24", "10.255.255.0/24")]
ADDRESS = re.compile(r"(?<![\d.\w])(\d{1,3}(?:\.\d{1,3}){3})(?![\d.]*\d)")

# Written so that a pattern does not match itself.
REGISTRIES = re.compile(r"(?:pypi|pythonhosted|(?:deb|security)\.debian|npmjs)[.]org")
MACHINE = re.compile(r"(?<![\w.])(?:/wor[k]/|/far[m]/|/root/\.pyen[v]|/tmp/bash_job[s])")
DHCP = re.compile(r"(DHCP *= *(yes|ipv4|ipv6|true)|inet6? dhcp|dhcp[46]: *true|BOOTPROTO=dhcp)")
UNFINISHED = re.compile(r"TOD[O]|FIXM[E]|\bXX[X]\b|NotImplementedErro[r]|not implemente[d]")
BARE_NOQA = re.compile(r"# *noqa(:? *[A-Za-z0-9\[\]-]+(, *[A-Za-z0-9]+)*)? *$")
SWALLOWED = re.compile(r"(ignore_errors: *(true|yes)|failed_when: *false)")

Rule = Callable[["Tree"], list[str]]


class Tree:
    """A collection on disk. Files are those that git has or would add, so that leftovers of a run do not count."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def files(self) -> list[str]:
        """Paths relative to the root."""
        argv = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        done = subprocess.run(argv, cwd=self.root, capture_output=True, text=True, timeout=30, check=True)
        return sorted({name for name in done.stdout.split("\0") if name and (self.root / name).is_file()})

    def text(self, name: str) -> str:
        """Content of a file; empty for a binary one."""
        try:
            return (self.root / name).read_text()
        except UnicodeDecodeError:
            return ""

    def yaml(self, name: str) -> Any:
        """Content of a YAML file; None when it is not there. Ansible's own tags are read as plain strings."""
        if not (self.root / name).is_file():
            return None
        return yaml.load(self.text(name), Loader=Loader)

    def below(self, *prefixes: str, suffix: str = "") -> list[str]:
        """Files below directories, by their ending."""
        return [name for name in self.files if name.startswith(prefixes) and name.endswith(suffix)]

    def matches(self, pattern: re.Pattern[str], names: list[str]) -> list[str]:
        """``file:line: text`` for each line that matches."""
        return [
            f"{name}:{number}: {line.strip()[:100]}"
            for name in names
            for number, line in enumerate(self.text(name).splitlines(), 1)
            if pattern.search(line)
        ]

    @cached_property
    def roles(self) -> list[str]:
        """Names of all roles."""
        return sorted({name.split("/")[1] for name in self.files if re.match(r"roles/[^/]+/tasks/", name)})

    @cached_property
    def services(self) -> list[str]:
        """Names of the service roles: those that declare a service."""
        return [role for role in self.roles if f"roles/{role}/meta/service.yml" in self.files]

    def specs(self, role: str) -> dict[str, Any]:
        """The argument specs of a role, by section."""
        data = self.yaml(f"roles/{role}/meta/argument_specs.yml") or {}
        specs: dict[str, Any] = data.get("argument_specs") or {}
        return specs

    def tasks(self, name: str) -> Iterator[dict[str, Any]]:
        """All tasks of a task file, those in blocks as well."""

        def walk(entries: Any) -> Iterator[dict[str, Any]]:
            for entry in entries if isinstance(entries, list) else []:
                if isinstance(entry, dict):
                    yield entry
                    for part in ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks", "handlers"):
                        yield from walk(entry.get(part))

        yield from walk(self.yaml(name))


class Loader(yaml.SafeLoader):
    """Reads files with tags such as ``!vault`` too."""


Loader.add_multi_constructor("!", lambda loader, suffix, node: str(node.value))


# ---- roles


def sections_and_specs(tree: Tree) -> list[str]:
    """Every service role has the four sections, and a spec for each of them and for main."""
    problems = []
    for role in tree.services:
        problems += [f"roles/{role}/tasks/{s}.yml is missing" for s in ("main", *SECTIONS)
                     if f"roles/{role}/tasks/{s}.yml" not in tree.files]  # fmt: skip
        problems += [
            f"roles/{role}: no argument spec for {s}" for s in ("main", *SECTIONS) if s not in tree.specs(role)
        ]
    return problems


def public_task_files_have_specs(tree: Tree) -> list[str]:
    """A file directly in tasks/ is a section that others may call: it has a spec. Private files lie deeper."""
    problems = []
    for role in tree.roles:
        stems = {Path(name).stem for name in tree.files if re.fullmatch(rf"roles/{role}/tasks/[^/]+\.yml", name)}
        specs = set(tree.specs(role))
        problems += [f"roles/{role}/tasks/{stem}.yml has no argument spec" for stem in sorted(stems - specs)]
        problems += [f"roles/{role}: argument spec {name} without tasks/{name}.yml" for name in sorted(specs - stems)]
    return problems


def defaults_are_documented(tree: Tree) -> list[str]:
    """defaults/main.yml has the options of deploy (main, where there is no deploy), with the documented values."""
    problems = []
    for role in tree.roles:
        defaults = tree.yaml(f"roles/{role}/defaults/main.yml") or {}
        specs = tree.specs(role)
        options = (specs.get("deploy") or specs.get("main") or {}).get("options") or {}
        optional = {name for name, option in options.items() if not option.get("required")}
        problems += [f"roles/{role}: default {name} is not documented" for name in sorted(set(defaults) - set(options))]
        problems += [f"roles/{role}: option {name} has no default" for name in sorted(optional - set(defaults))]
        for name in sorted(set(defaults) & set(options)):
            real, told = defaults[name], options[name].get("default")
            if options[name].get("required"):
                problems.append(f"roles/{role}: {name} is required and has a default")
            elif not (isinstance(real, str) and "{{" in real) and real != told:
                problems.append(f"roles/{role}: {name} is {real!r} in defaults/main.yml, {told!r} in the spec")
    return problems


def sections_have_the_same_options(tree: Tree) -> list[str]:
    """deploy, main, upgrade and validate describe an option in the same words."""
    problems = []
    for role in tree.services:
        seen: dict[str, tuple[str, Any]] = {}
        for section, spec in tree.specs(role).items():
            for name, option in (spec.get("options") or {}).items():
                first, known = seen.setdefault(name, (section, option))
                if known != option:
                    problems.append(f"roles/{role}: {name} differs between {first} and {section}")
    return problems


def prefixed_variables(tree: Tree) -> list[str]:
    """Defaults are named <role>_x, internal variables __<role>_x."""
    problems = []
    for role in tree.roles:
        for directory, prefix in (("defaults", f"{role}_"), ("vars", f"__{role}_")):
            names = tree.yaml(f"roles/{role}/{directory}/main.yml") or {}
            problems += [f"roles/{role}/{directory}/main.yml: {name} does not begin with {prefix}"
                         for name in names if not str(name).startswith(prefix)]  # fmt: skip
    return problems


def few_files(tree: Tree) -> list[str]:
    """A service role is small."""
    numbers = {role: len(tree.below(f"roles/{role}/")) for role in tree.services}
    return [
        f"roles/{role} has {number} files, {MOST_FILES} at most"
        for role, number in numbers.items()
        if number > MOST_FILES
    ]


def no_handlers(tree: Tree) -> list[str]:
    """Restarts belong to the transaction, which knows what differs; an engine's handler is lost on its second use."""
    names = [name for name in tree.below("roles/") if "/handlers/" in name]
    notify = re.compile(r"^\s*notify:")
    return names + tree.matches(notify, tree.below("roles/", "playbooks/", suffix=".yml"))


def no_extension_in_tasks_from(tree: Tree) -> list[str]:
    """With an extension, Ansible finds no argument spec, and skips the validation silently."""
    return tree.matches(re.compile(r"tasks_from: *['\"]?[\w/]+\.ya?ml"), tree.below("", suffix=".yml"))


def no_repeated_tasks(tree: Tree) -> list[str]:
    """A task that two service roles have belongs into the engine. Only the call of the engine repeats."""
    seen: dict[str, set[str]] = defaultdict(set)
    for role in tree.services:
        word = re.compile(rf"\b(__)?{role}(?=\b|_)")
        for name in tree.below(f"roles/{role}/tasks/", suffix=".yml"):
            for task in tree.tasks(name):
                include = task.get("ansible.builtin.include_role") or {}
                own_section = task.get("ansible.builtin.import_tasks")
                engine = include.get("name") == ENGINE or "ozone.openstack.generation" in task
                if Path(name).name in SECTION_FILES and (engine or own_section == "deploy.yml"):
                    continue
                body = {key: value for key, value in task.items() if key not in ("name", "block", "rescue", "always")}
                if body:
                    seen[word.sub("@", yaml.safe_dump(body, sort_keys=True))].add(name)
    return [f"the same task in {', '.join(sorted(names))}: {body.splitlines()[0]}"
            for body, names in seen.items() if len({name.split('/')[1] for name in names}) > 1]  # fmt: skip


def short_sections(tree: Tree) -> list[str]:
    """What the four sections repeat is the call of the engine, ten lines at most."""
    problems = []
    for role in tree.services:
        for section in SECTIONS:
            for task in tree.tasks(f"roles/{role}/tasks/{section}.yml"):
                include = task.get("ansible.builtin.include_role")
                if include and include.get("name") == ENGINE and len(yaml.safe_dump(task).splitlines()) > 10:
                    problems.append(f"roles/{role}/tasks/{section}.yml: the call of the engine is longer than 10 lines")
    return problems


def every_role_has_a_scenario(tree: Tree) -> list[str]:
    """Each service role is tested by molecule, and each scenario names a role."""
    base = "extensions/molecule"
    scenarios = {Path(name).parent.name for name in tree.below(f"{base}/") if Path(name).name == "molecule.yml"}
    problems = [f"{base}/{role}/molecule.yml is missing" for role in tree.services if role not in scenarios]
    return problems + [f"{base}/{name} names no role" for name in sorted(scenarios - {*tree.roles, "default"})]


# ---- playbooks and YAML


def short_playbooks(tree: Tree) -> list[str]:
    """A playbook is a verb that reads like a table of contents."""
    lines = {
        name: len(tree.text(name).splitlines()) for name in tree.files if re.fullmatch(r"playbooks/[^/]+\.yml", name)
    }
    return [
        f"{name}: {number} lines, {LONGEST_PLAYBOOK} at most"
        for name, number in lines.items()
        if number > LONGEST_PLAYBOOK
    ]


def task_files_have_names_of_their_own(tree: Tree) -> list[str]:
    """No task file has the name of a playbook: a nested static import finds that first."""
    verbs = {name.removeprefix("playbooks/") for name in tree.files if re.fullmatch(r"playbooks/[^/]+\.yml", name)}
    return [
        f"{name}: playbooks/{verb} has the same name"
        for name in tree.files
        if name.startswith("playbooks/tasks/") and (verb := name.removeprefix("playbooks/tasks/")) in verbs
    ]


def known_collections(tree: Tree) -> list[str]:
    """Only Ansible itself, this collection, and what galaxy.yml declares may be used."""
    galaxy = tree.yaml("galaxy.yml") or {}
    allowed = {"ansible.builtin", "ozone.openstack", *(galaxy.get("dependencies") or {})}
    called = re.compile(r"^\s*(?:- )?([a-z_]+\.[a-z_]+)\.[a-z_]+(?:\.[a-z_]+)?:(?:\s|$)")
    problems = []
    for name in tree.below("roles/", "playbooks/", "extensions/", suffix=".yml"):
        for number, line in enumerate(tree.text(name).splitlines(), 1):
            found = called.match(line)
            in_tasks = "/tasks/" in name or name.startswith(("playbooks/", "extensions/"))
            if found and in_tasks and found[1] not in allowed:
                problems.append(f"{name}:{number}: {found[1]} is not a dependency in galaxy.yml")
    return problems


def no_skips(tree: Tree) -> list[str]:
    """The linter skips nothing, and leaves out nothing of ours."""
    config = tree.yaml(".ansible-lint") or {}
    problems = [] if config.get("profile") == "production" else [".ansible-lint: the profile is not production"]
    problems += [
        f".ansible-lint: {key}" for key in ("skip_list", "warn_list", "mock_modules", "mock_roles") if config.get(key)
    ]
    own = ("roles", "playbooks", "plugins", "extensions", "tests", "inventory", "meta")
    excluded = [path for path in config.get("exclude_paths") or [] if path.strip("./").split("/")[0] in own]
    problems += [f".ansible-lint: excludes {path}" for path in excluded]
    return problems + [name for name in tree.files if re.search(r"ignore-2\.\d+\.txt$|\.ansible-lint-ignore$", name)]


def reasons_for_exceptions(tree: Tree) -> list[str]:
    """An exception from a rule says why: after the noqa, or above a swallowed error."""
    code = [name for name in tree.files if name.endswith((".py", ".yml")) and not name.startswith("tests/structure/")]
    problems = [f"{hit} (say why)" for hit in tree.matches(BARE_NOQA, code)]
    for name in tree.below("roles/", "playbooks/", suffix=".yml"):
        lines = tree.text(name).splitlines()
        for number, line in enumerate(lines):
            if SWALLOWED.search(line) and "#" not in line and not lines[max(number - 1, 0)].strip().startswith("#"):
                problems.append(f"{name}:{number + 1}: {line.strip()} without a comment that says why")
    return problems


def make_targets_are_playbooks(tree: Tree) -> list[str]:
    """The Makefile adds nothing that an operator could not do: a verb that it plays is a playbook."""
    makefile = tree.text("Makefile")
    verbs = set(re.findall(r"\$\(playbook\) ozone\.openstack\.([a-z_]+)", makefile))
    for targets in re.findall(r"^([a-z_ -]+):[^\n]*\n\t@\$\(playbook\) ozone\.openstack\.\$@", makefile, re.MULTILINE):
        verbs |= set(targets.split())
    verbs |= {Path(path).stem for path in re.findall(r"\$\(playbook\) playbooks/(\w+\.yml)", makefile)}
    problems = [f"make plays playbooks/{verb}.yml, which is not there" for verb in sorted(verbs)
                if f"playbooks/{verb}.yml" not in tree.files]  # fmt: skip
    return problems if verbs else ["the Makefile plays no playbook"]


#: Playbooks that are only the end of others.
PARTS = ("finish", "machines_end")


def _make_targets(tree: Tree) -> dict[str, tuple[str, set[str]]]:
    """Target of the Makefile -> its help text, and the playbooks that it plays. ``$@`` stands for the target."""
    helps: dict[str, str] = {}
    plays: dict[str, set[str]] = defaultdict(set)
    targets: list[str] = []
    for line in tree.text("Makefile").splitlines():
        found = re.match(r"([a-z0-9_ -]+):(?!=)[^#]*(?:## (.+))?$", line)
        if found:
            targets = found[1].split()
            helps |= dict.fromkeys(targets, found[2]) if found[2] else {}
        elif line.startswith("\t") and "$(playbook)" in line:
            for target in targets:
                plays[target] |= {verb if verb != "$@" else target
                                  for verb in re.findall(r"ozone\.openstack\.([a-z_]+|\$@)", line)}  # fmt: skip
    return {target: (helps.get(target, ""), plays[target]) for target in {*helps, *plays}}


def _playbooks(tree: Tree) -> list[str]:
    """The names of the verbs."""
    stems = {Path(name).stem for name in tree.files if re.fullmatch(r"playbooks/[^/]+\.yml", name)}
    return sorted(stems - set(PARTS))


def _help_of_verbs(tree: Tree) -> dict[str, str]:
    """Verb -> the help text of its make target: of the same name, or one that plays nothing else."""
    targets = _make_targets(tree)
    alone = {next(iter(plays)): text for text, plays in targets.values() if len(plays) == 1}
    return alone | {target: text for target, (text, plays) in targets.items() if target in plays}


def verbs_are_make_targets(tree: Tree) -> list[str]:
    """Each public playbook has a make target, with a line in `make help`."""
    helps = _help_of_verbs(tree)
    problems = [f"playbooks/{verb}.yml: no make target" for verb in _playbooks(tree) if verb not in helps]
    return problems + [f"playbooks/{verb}.yml: its make target has no help text" for verb in _playbooks(tree)
                       if helps.get(verb) == ""]  # fmt: skip


#: What takes something away for good; in a playbook, or in the task files that it reads.
DESTROYS = re.compile(
    r"state: absent|machines_target: .*\b(?:rebuilt|undeployed|removed)\b|tasks_from: (?:remove|scale_down)"
)
#: Why a verb that removes something need not be confirmed.
UNASKED = {
    "deploy": "removes what has left cloud.yml, as plan shows; data of services stay",
    "images_publish": "removes images that no machine needs, if it is told to, and can build them again",
}


def _read_in_order(tree: Tree, name: str) -> Iterator[str]:
    """The lines of a playbook, those of the task files that it reads at their place."""
    for line in tree.text(name).splitlines():
        yield line
        task_file = re.search(r"(?:import|include)_tasks: *(?:tasks/)?(\w+\.yml)", line)
        if task_file and f"playbooks/tasks/{task_file[1]}" in tree.files:
            yield from _read_in_order(tree, f"playbooks/tasks/{task_file[1]}")


def verbs_that_destroy_ask(tree: Tree) -> list[str]:
    """A verb that destroys asks for confirmation before it even takes the lock, and `make help` says so."""
    problems = []
    helps = _help_of_verbs(tree)
    for verb in _playbooks(tree):
        lines = [line for line in _read_in_order(tree, f"playbooks/{verb}.yml") if not line.lstrip().startswith("#")]
        if verb in UNASKED or not any(DESTROYS.search(line) for line in lines):
            continue
        order = [part for line in lines for part in ("confirm:", "run_lock:") if f"ozone.openstack.{part}" in line]
        if order[:1] != ["confirm:"]:
            problems.append(f"playbooks/{verb}.yml: destroys, and does not begin with ozone.openstack.confirm")
        if "CONFIRM" not in helps.get(verb, ""):
            problems.append(f"playbooks/{verb}.yml: destroys, and its help text in the Makefile does not say CONFIRM")
    return problems


# ---- the whole tree


def no_registry_hosts(tree: Tree) -> list[str]:
    """Where packages come from is the computer's own configuration."""
    return tree.matches(REGISTRIES, tree.files)


def no_machine_paths(tree: Tree) -> list[str]:
    """No path of one particular computer."""
    return tree.matches(MACHINE, tree.files)


def no_dhcp(tree: Tree) -> list[str]:
    """No path, not even an error path, turns on DHCP on a node."""
    return tree.matches(DHCP, tree.below("roles/", "plugins/", "playbooks/"))


def nothing_unfinished(tree: Tree) -> list[str]:
    """What is not done is an issue, not a comment."""
    return tree.matches(UNFINISHED, tree.below("plugins/", "roles/", "playbooks/", "bench/", "Makefile"))


def lab_addresses(tree: Tree) -> list[str]:
    """Examples, roles and the lab only use the lab's address ranges; tests never those that this computer uses."""
    problems = []
    strict = (
        "inventory/",
        "roles/",
        "playbooks/",
        "extensions/",
        "docs/",
        "bench/",
        "tests/e2e/",
        "tests/faults/",
        "README.md",
    )
    for name in tree.below(*strict, "tests/"):
        allowed = [*LAB, *EVERYWHERE]
        for number, line in enumerate(tree.text(name).splitlines(), 1):
            for text in ADDRESS.findall(line):
                try:
                    address = ipaddress.ip_address(text)
                except ValueError:
                    continue
                taken = any(address in net for net in TAKEN)
                if taken or (name.startswith(strict) and not any(address in net for net in allowed)):
                    problems.append(f"{name}:{number}: {text} is not of the lab's ranges")
    return [problem for problem in problems if not problem.startswith("tests/structure/")]


def spdx_first(tree: Tree) -> list[str]:
    """Every Python file says its licence in its first line (after a shebang)."""
    mark = "# SPDX-License-Identifier: Apache-2.0"
    code = [name for name in tree.files if name.endswith(".py") and tree.text(name).strip()]
    return [name for name in code if mark not in tree.text(name).splitlines()[:2]]


#: What a part of the tree may rely on beside debian.txt; the first prefix that fits counts.
INSTALLED = (
    (("tests/baremetal/", "tests/chain/", "tests/lab/bare_metal.py", "bench/baremetal.py"), "debian-baremetal"),
    (("tests/network/", "tests/lab/machine", "tests/lab/switches.py", "tests/lab/demo_dead_nic.py"), "debian-machines"),
)


def _programs(tree: Tree, name: str) -> list[tuple[int, str]]:
    """Line and name of the programs that a file starts."""
    text = tree.text(name)
    if name.endswith(".py"):
        return programs.of_python(text, declared=not name.startswith("tests/unit/"))
    if name.endswith((".yml", ".yaml")) and name.startswith(("roles/", "playbooks/", "extensions/")):
        return programs.of_yaml(text, Loader)
    if name == "Makefile":
        return programs.of_makefile(text)
    if name.endswith(".sh") or re.match(r"#!.*\b(ba)?sh$", text.partition("\n")[0]):
        return [(0, program) for program in programs.of_shell(text)]
    return []


def _packages(tree: Tree, *names: str) -> set[str]:
    """Debian packages of requirements files."""
    lines = [line.partition("#")[0] for name in names for line in tree.text(f"requirements/{name}.txt").splitlines()]
    return {word for line in lines for word in line.split()}


def programs_belong_to_packages(tree: Tree) -> list[str]:
    """A program that is started belongs to a package in requirements/*.txt, or programs.yml there says why not."""
    where = "requirements/programs.yml"
    known = tree.yaml(where) or {}
    package_of = {program: package for package, names in (known.get("packages") or {}).items() for program in names}
    free = {*(known.get("essential") or []), *(p for names in (known.get("elsewhere") or {}).values() for p in names)}
    made_up = set(known.get("made_up") or [])
    problems, seen = [], set()
    for name in tree.files:
        more = next((file for prefixes, file in INSTALLED if name.startswith(prefixes)), "debian")
        for line, program in _programs(tree, name):
            seen.add(program)
            package = package_of.get(program)
            if program in free or (program in made_up and name.startswith("tests/unit/")):
                continue
            if package is None:
                problems.append(f"{name}:{line}: starts {program}: say in {where} which package brings it")
            elif package not in _packages(tree, "debian", more):
                problems.append(f"{name}:{line}: starts {program}, and {package} is not in requirements/{more}.txt")
    stale = sorted(({*package_of, *free, *made_up}) - seen)
    return problems + [f"{where}: nothing starts {program}" for program in stale]


def small_files(tree: Tree) -> list[str]:
    """Nothing large in git."""
    sizes = {name: (tree.root / name).stat().st_size for name in tree.files}
    return [f"{name}: {size} bytes" for name, size in sizes.items() if size > 2**20]


def changelog_fragments(tree: Tree) -> list[str]:
    """Fragments are read by antsibull-changelog: known sections, each a list of sentences."""
    config = tree.yaml("changelogs/config.yaml") or {}
    known = {section for section, _ in config.get("sections") or []} | {config.get("prelude_section_name"), "trivial"}
    problems = []
    for name in tree.below("changelogs/fragments/"):
        data = tree.yaml(name) if name.endswith((".yml", ".yaml")) else None
        if not isinstance(data, dict) or not data:
            problems.append(f"{name}: not a mapping of sections")
            continue
        for section, entries in data.items():
            if section not in known:
                problems.append(f"{name}: no section {section}")
            elif section != config.get("prelude_section_name") and (
                not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries)
            ):
                problems.append(f"{name}: {section} is not a list of sentences")
    return problems


# ---- plugins


def _assigned(tree: Tree, name: str) -> dict[str, str]:
    """Names that a Python file assigns a string constant at its top, with the string."""
    found = {}
    for node in ast.parse(tree.text(name)).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            found |= {target.id: node.value.value for target in node.targets if isinstance(target, ast.Name)}
    return found


def documented_plugins(tree: Tree) -> list[str]:
    """A module has DOCUMENTATION, EXAMPLES and RETURN; a lookup or a filter too; the others have DOCUMENTATION."""
    full, problems = ("DOCUMENTATION", "EXAMPLES", "RETURN"), []
    for name in tree.below("plugins/", suffix=".py"):
        kind = name.split("/")[1]
        parts = {"modules": full, "lookup": full, "inventory": full[:2], "callback": full[:1]}.get(kind, ())
        if Path(name).name != "__init__.py":
            problems += [f"{name}: no {part}" for part in parts if part not in _assigned(tree, name)]
    for name in tree.below("plugins/filter/", suffix=".yml"):
        problems += [f"{name}: no {part}" for part in full if part not in (tree.yaml(name) or {})]
    return problems


def filters_are_documented(tree: Tree) -> list[str]:
    """Each filter that a file offers has its documentation in <filter>.yml."""
    problems = []
    for name in tree.below("plugins/filter/", suffix=".py"):
        for node in ast.walk(ast.parse(tree.text(name))):
            if isinstance(node, ast.FunctionDef) and node.name == "filters":
                dicts = [part for part in ast.walk(node) if isinstance(part, ast.Dict)]
                keys = [key.value for part in dicts for key in part.keys if isinstance(key, ast.Constant)]
                problems += [f"plugins/filter/{key}.yml is missing (filter of {name})" for key in keys
                             if f"plugins/filter/{key}.yml" not in tree.files]  # fmt: skip
    return problems


def check_mode_everywhere(tree: Tree) -> list[str]:
    """Every module says that it supports check mode, and does: itself, or its action."""
    problems = []
    for name in tree.below("plugins/modules/", suffix=".py"):
        if Path(name).name == "__init__.py":
            continue
        action = name.replace("/modules/", "/action/")
        code = tree.text(name) + (tree.text(action) if action in tree.files else "")
        if not re.search(r"supports_check_mode\s*=\s*True", code):
            problems.append(f"{name}: does not support check mode")
        documentation = yaml.safe_load(_assigned(tree, name).get("DOCUMENTATION", "")) or {}
        fragments = documentation.get("extends_documentation_fragment")
        support = ((documentation.get("attributes") or {}).get("check_mode") or {}).get("support")
        if support != "full" and not fragments:
            problems.append(f"{name}: its documentation does not say check_mode: full")
    return problems


def actions_are_paired(tree: Tree) -> list[str]:
    """An action is documented by the module of the same name."""
    actions = [name for name in tree.below("plugins/action/", suffix=".py") if Path(name).name != "__init__.py"]
    pairs = {name: name.replace("/action/", "/modules/") for name in actions}
    return [f"{name} has no module of the same name" for name, module in pairs.items() if module not in tree.files]


def errors_say_it_once(tree: Tree) -> list[str]:
    """Ansible appends the text of every cause to that of its error: a second time, and with the secrets unmasked."""
    problems = []
    for name in tree.below("plugins/", suffix=".py"):
        for node in ast.walk(ast.parse(tree.text(name))):
            if not isinstance(node, ast.Raise) or not isinstance(node.exc, ast.Call) or node.cause is None:
                continue
            raised = ast.unparse(node.exc.func)
            if raised.startswith("Ansible") and ast.unparse(node.cause) != "None":
                problems.append(f"{name}:{node.lineno}: raise {raised} ... from None")
    return problems


#: Modules that run on nodes, where there is Debian's Python and nothing else.
ON_NODES = ("generation", "generation_info")
#: Packages of the node's operating system that a module may import.
ON_NODES_MAY = {"ansible", "ansible_collections", "apt"}


def modules_on_nodes_need_only_python(tree: Tree) -> list[str]:
    """What is imported on a node, also indirectly, comes with Python itself (or with Ansible's payload)."""
    problems, seen = [], set()
    todo = [f"plugins/modules/{name}.py" for name in ON_NODES if f"plugins/modules/{name}.py" in tree.files]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        for node in ast.walk(ast.parse(tree.text(name))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                modules += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            for module in modules:
                top = module.split(".")[0]
                if module.startswith("ansible_collections.ozone.openstack."):
                    own = module.removeprefix("ansible_collections.ozone.openstack.").replace(".", "/") + ".py"
                    todo += [own] if own in tree.files else []
                elif top not in sys.stdlib_module_names and top not in ON_NODES_MAY:
                    problems.append(f"{name}: imports {module}, which a node does not have")
    return problems


#: The module that joins an address and a port, and the words that tell an address in an expression.
ENDPOINT = "plugins/module_utils/endpoint.py"
AN_ADDRESS = re.compile(r"(?i)addr|vip|(?<![a-z])ips?(?![a-z])|ansible_host")
A_PORT = re.compile(r"(?i)port")
#: The same mistakes in an expression of Jinja: ``a ~ ':80'``, ``{{ a }}:{{ port }}``, brackets, a URL of an address.
JINJA_ENDPOINT = re.compile(
    r"""~\s*['"]:(?:\d{2,5}|['"]\s*~)|['"]\[['"]\s*~|\}\}\]?:(?:\d{2,5}|\{\{[^}]*port)"""
    r"""|://\{\{[^}|]*(?:addr|vip|ansible_host)"""
)


def _joins(node: ast.AST) -> bool:
    """Whether an expression of Python joins an address with a port, or makes a URL of one."""
    whole = ast.unparse(node) if isinstance(node, ast.BinOp | ast.Call) else ""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod | ast.Add):
        return bool(A_PORT.search(whole)) and bool(re.search(r"%s\]?:%[sd]|['\"]\]?:['\"]", whole))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        on = node.func.value.value if isinstance(node.func.value, ast.Constant) else None
        wanted = (
            on == ":" if node.func.attr == "join" else node.func.attr == "format" and re.search(r"\}\]?:\{", str(on))
        )
        return bool(wanted) and bool(A_PORT.search(whole))
    if not isinstance(node, ast.JoinedStr):
        return False
    for before, here, after in zip([None, *node.values], node.values, [*node.values[1:], None], strict=False):
        text = str(here.value) if isinstance(here, ast.Constant) else ""
        if isinstance(before, ast.FormattedValue) and re.match(r"\]?:", text):
            if re.match(r"\]?:\d{2,5}(?![\d:])", text):
                return True
            if (
                text in (":", "]:")
                and isinstance(after, ast.FormattedValue)
                and A_PORT.search(ast.unparse(after.value))
            ):
                return True
        bare = isinstance(after, ast.FormattedValue) and not isinstance(after.value, ast.Call)
        if bare and text.endswith("://") and AN_ADDRESS.search(ast.unparse(after.value)):
            return True
    return False


def one_place_joins_addresses_and_ports(tree: Tree) -> list[str]:
    """Addresses are joined with ports, or put into URLs, by module_utils/endpoint.py: IPv6 ones need brackets."""
    problems = []
    for name in tree.below("plugins/", "bench/", suffix=".py"):
        if name != ENDPOINT:
            found = {ast.unparse(node): node for node in ast.walk(ast.parse(tree.text(name))) if _joins(node)}
            problems += [f"{name}:{getattr(node, 'lineno', 0)}: {text[:60]}" for text, node in found.items()]
    names = tree.below("roles/", "playbooks/", suffix=".yml")
    return problems + [f"{text}: use a filter" for text in tree.matches(JINJA_ENDPOINT, names)]


RULES: list[Rule] = [
    one_place_joins_addresses_and_ports,
    sections_and_specs,
    public_task_files_have_specs,
    defaults_are_documented,
    sections_have_the_same_options,
    prefixed_variables,
    few_files,
    no_handlers,
    no_extension_in_tasks_from,
    no_repeated_tasks,
    short_sections,
    every_role_has_a_scenario,
    short_playbooks,
    task_files_have_names_of_their_own,
    known_collections,
    no_skips,
    reasons_for_exceptions,
    make_targets_are_playbooks,
    verbs_are_make_targets,
    verbs_that_destroy_ask,
    no_registry_hosts,
    no_machine_paths,
    no_dhcp,
    nothing_unfinished,
    lab_addresses,
    spdx_first,
    programs_belong_to_packages,
    small_files,
    changelog_fragments,
    documented_plugins,
    filters_are_documented,
    check_mode_everywhere,
    actions_are_paired,
    errors_say_it_once,
    modules_on_nodes_need_only_python,
]
