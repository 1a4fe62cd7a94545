# SPDX-License-Identifier: Apache-2.0
"""Which programs the files of the tree start, by reading argument lists in Python and YAML, and shell commands."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

#: Calls that take an argument list, and names of what holds one.
STARTS = re.compile(
    r"(^|_)(run|popen|call|check_call|check_output|must|runner|exec\w*|run_command|step|enter|inside_root|tier|which"
    r"|create_subprocess_exec|process|nspawn)$",
    re.IGNORECASE,
)
HOLDS = re.compile(r"(^|_)(argv|argvs|command|commands|cmd|call|program|isolated|galaxy)$", re.IGNORECASE)
#: Calls whose first argument is the name of a program.
NAMES = re.compile(r"(^|_)(which|program|daemon)$")
#: What text that is a script of the host looks like; those of guests are for busybox.
SCRIPT = re.compile(r"^(#!/bin/(ba)?sh|set -eu?)\b")
#: Options after which a shell takes its text.
SHELLS = ("sh", "bash", "dash", "/bin/sh", "/bin/bash")
TEXT_OPTION = re.compile(r"-[a-z]*c")
#: Programs that start the one that follows their own options; how many words of their own come before it.
PREFIXES = {"exec": 0, "command": 0, "nohup": 0, "setsid": 0, "env": 0, "time": 0, "nice": 0, "sudo": 0, "timeout": 1,
            "chroot": 1, "flock": 1, "unshare": 0, "nsenter": 0, "setpriv": 0, "xargs": 0, "strace": 0}  # fmt: skip
#: Options of those whose value is a word of its own.
VALUED = {"-n", "-u", "-s", "-k", "-t", "-I", "-P", "-S", "-G", "--pdeathsig", "--propagation", "--target", "--reuid",
          "--regid", "--signal", "--kill-after", "--bounding-set", "--inh-caps"}  # fmt: skip
PROGRAM = re.compile(r"(?:/[\w.+-]+)*/?[a-zA-Z][\w.+-]*")
KEYWORDS = {
    "if", "then", "elif", "else", "fi", "for", "while", "until", "do", "done", "case", "esac", "in", "function",
    "{", "}", "!", "[[", "]]",
}  # fmt: skip
BUILTINS = {
    ":", ".", "[", "alias", "break", "cd", "command", "continue", "declare", "echo", "eval", "exec", "exit", "export",
    "false", "kill", "local", "printf", "pwd", "read", "readonly", "return", "set", "shift", "source", "test", "trap",
    "true", "type", "ulimit", "umask", "unset", "wait",
}  # fmt: skip
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=.*", re.DOTALL)


def of_words(words: list[str]) -> Iterator[str]:
    """The programs of an argument list: the first word, and what a prefix starts."""
    words = [word for word in words if word]
    while words and ASSIGNMENT.fullmatch(words[0]):
        words = words[1:]
    if not words or not PROGRAM.fullmatch(words[0]):
        return
    program, rest = words[0], words[1:]
    name = program.rpartition("/")[2] if program.startswith(("/bin/", "/usr/", "/sbin/")) else program
    if name not in BUILTINS:
        yield name
    if name in SHELLS:
        for place, word in enumerate(rest[:-1]):
            if TEXT_OPTION.fullmatch(word):
                yield from of_shell(rest[place + 1])
                return
    if name not in PREFIXES:
        return
    own = PREFIXES[name]
    while rest:
        word = rest.pop(0)
        if word == "--":
            break
        if word.startswith("-"):
            rest = rest[1:] if word in VALUED else rest
        elif name == "env" and ASSIGNMENT.fullmatch(word):
            continue
        elif own:
            own -= 1
        else:
            rest = [word, *rest]
            break
    yield from of_words(rest)


def of_shell(text: str) -> Iterator[str]:
    """The programs of shell text: the first word of each command. Here documents and quoted words hold none."""
    text = re.sub(r"\\\n", " ", text)
    text = re.sub(r"<<-?\s*(['\"]?)(\w+)\1.*?^\s*\2$", "", text, flags=re.DOTALL | re.MULTILINE)
    for inner in re.findall(r"\$\(([^()]*)\)", text):
        yield from of_shell(inner)
    lexer = shlex.shlex(text, posix=True, punctuation_chars=";&|()\n")
    lexer.whitespace = " \t\r"
    lexer.commenters = ""
    lexer.whitespace_split = True
    words: list[str] = []
    functions = set(re.findall(r"(?m)(?:^|[;{]\s*)(\w+)\s*\(\)", text))
    try:
        tokens = list(lexer)
    except ValueError:
        return
    loop, open_ = False, 0
    for token in [*tokens, ";"]:
        if set(token) <= set(";&|()\n"):
            open_ += token.count("(") - token.count(")")
            if open_ < 0:  # the end of a pattern of case
                words, open_ = [], 0
            yield from (name for name in of_words(words) if name not in functions)
            words, loop = [], False
        elif not words and (token in KEYWORDS or loop):
            loop = token in ("for", "case", "in") or (loop and token not in ("do",))
        else:
            words.append(token)


class _Python(ast.NodeVisitor):
    """Collects the argument lists of a module."""

    def __init__(self, tree: ast.Module, declared: bool) -> None:
        self.declared = declared
        self.found: list[tuple[int, str]] = []
        self.texts = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
            for target in node.targets
            if isinstance(target, ast.Name)
        }  # fmt: skip
        self.own = {
            node.name
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef) and node.args.vararg and HOLDS.search(node.args.vararg.arg)
        }
        self.visit(tree)

    def _words(self, node: ast.AST) -> list[str]:
        """The words of a list; one that is not written there is empty, or holds a place."""
        if isinstance(node, ast.List | ast.Tuple):
            return [word for element in node.elts for word in self._words(element)]
        if isinstance(node, ast.Starred):
            return self._words(node.value)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            if not any(isinstance(part, ast.List | ast.Tuple | ast.Starred) for part in ast.walk(node)):
                return ["".join([*self._words(node.left), *self._words(node.right)])]
            return [*self._words(node.left), *self._words(node.right)]
        if isinstance(node, ast.IfExp):
            return self._words(node.body)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return [node.value]
        if isinstance(node, ast.JoinedStr):
            return ["".join(str(part.value) if isinstance(part, ast.Constant) else "@" for part in node.values)]
        if isinstance(node, ast.Name) and node.id in self.texts:
            return [self.texts[node.id]]
        return ["@"]

    def _take(self, node: ast.AST | None) -> None:
        """All lists below an expression are argument lists."""
        if node is None:
            return
        for part in ast.walk(node):
            if isinstance(part, ast.List) and part.elts and not isinstance(part.elts[0], ast.List | ast.Tuple):
                self.found += [(part.lineno, name) for name in of_words(self._words(part))]

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        holder = node.func.value if isinstance(node.func, ast.Attribute) else None
        held = name in ("append", "extend", "insert") and holder is not None and HOLDS.search(ast.unparse(holder))
        if STARTS.search(name) or held:
            for argument in node.args:
                self._take(argument)
        if NAMES.search(name) and node.args and isinstance(node.args[0], ast.Constant):
            self.found.append((node.lineno, str(node.args[0].value)))
        if name in self.own:
            words = [word for argument in node.args for word in self._words(argument)]
            self.found += [(node.lineno, one) for one in of_words(words)]
        if name == "join" and node.args and isinstance(node.args[0], ast.List):
            lines = self._words(node.args[0])
            if SCRIPT.search(lines[0] if lines else ""):
                self.found += [(node.lineno, one) for one in of_shell("\n".join(lines))]
        for keyword in node.keywords if self.declared else ():
            if keyword.arg and HOLDS.search(keyword.arg):
                self._take(keyword.value)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        if any(HOLDS.search(ast.unparse(target)) for target in node.targets):
            self._take(node.value)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if HOLDS.search(ast.unparse(node.target)):
            self._take(node.value)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if HOLDS.search(ast.unparse(node.target)):
            self._take(node.value)
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        if HOLDS.search(node.name) or STARTS.search(node.name):
            for part in ast.walk(node):
                if isinstance(part, ast.Return):
                    self._take(part.value)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and SCRIPT.search(node.value) and "busybox" not in node.value:
            self.found += [(node.lineno, name) for name in of_shell(node.value)]

    def visit_Dict(self, node: ast.Dict) -> None:
        for key, value in zip(node.keys, node.values, strict=True):
            if self.declared and isinstance(key, ast.Constant) and key.value == "argv":
                self._take(value)
        self.generic_visit(node)


def of_python(text: str, declared: bool) -> list[tuple[int, str]]:
    """Line and name of each program that a Python file starts, and of those that it only declares, with ``argv``."""
    return sorted(set(_Python(ast.parse(text), declared).found))


def of_yaml(text: str, loader: type[yaml.SafeLoader]) -> list[tuple[int, str]]:
    """Programs of tasks and declarations: ``argv``, ``ansible.builtin.command`` and ``ansible.builtin.shell``."""
    found: list[tuple[int, str]] = []

    def walk(data: Any) -> None:
        if isinstance(data, Mapping):
            for key, value in data.items():
                if key == "argv" and isinstance(value, list):
                    found.extend((0, name) for name in of_words([str(word) for word in value]))
                elif key in ("ansible.builtin.command", "ansible.builtin.shell", "cmd"):
                    line = value.get("cmd", "") if isinstance(value, Mapping) else value
                    found.extend((0, name) for name in of_shell(str(line)))
                walk(value)
        elif isinstance(data, list):
            for item in data:
                walk(item)

    for document in yaml.load_all(text, Loader=loader):
        walk(document)
    return sorted(set(found))


def of_makefile(text: str) -> list[tuple[int, str]]:
    """Programs of recipes. A variable of make before a command is its environment."""
    found = []
    recipe, continued = "", False
    for number, line in enumerate(text.splitlines(), 1):
        rule, continued = continued, line.endswith("\\") and (continued or not line.startswith("\t"))
        if line.startswith("\t") and not rule:
            recipe += line[1:].removeprefix("@").replace("$$", "$")
            if recipe.endswith("\\"):
                recipe = recipe[:-1]
                continue
            plain = re.sub(r"\$\((?:check|dev|runtime)\)", "", recipe)
            plain = plain.replace("$(playbook)", "ansible-playbook").replace("$(PYTHON)", "python3")
            plain = re.sub(r"\$\((?:if|or)\b[^()]*(?:\([^()]*\)[^()]*)*\)|\$\([A-Za-z_]+\)", "@", plain)
            found += [(number, name) for name in of_shell(plain)]
            recipe = ""
    return found
