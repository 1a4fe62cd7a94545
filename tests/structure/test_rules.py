# SPDX-License-Identifier: Apache-2.0
"""Each rule notices the tree that breaks it, and leaves one alone that does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import rules
from rules import RULES, Tree

#: Built here, so that this file does not contain what the rules forbid.
WORK, TAKEN, REGISTRY, UNDONE = "/wor" + "k/x", "192.0." + "2.1", "pypi." + "org", "TO" + "DO"

ENGINE_CALL = """
- name: %s keystone
  ansible.builtin.include_role: {name: ozone.openstack.service, tasks_from: %s}
  vars: {service_name: keystone}
"""
OPTION = "{description: Log more., type: bool, default: false}"
SPEC = "\n".join(
    [
        "argument_specs:",
        *(
            f"  {section}: {{short_description: It., options: {{@_debug: {OPTION}}}}}"
            for section in ("main", "deploy", "upgrade", "validate")
        ),
        "  scale_down: {short_description: It.}",
    ]
)
DOCUMENTED = '''# SPDX-License-Identifier: Apache-2.0
"""A module."""
DOCUMENTATION = """
module: plan
attributes: {check_mode: {support: full}}
"""
EXAMPLES = "-"
RETURN = "-"
supports_check_mode=True
'''


def service(role: str) -> dict[str, str]:
    """The files of a service role that keeps the rules."""
    files = {
        f"roles/{role}/meta/service.yml": f"name: {role}\n",
        f"roles/{role}/meta/argument_specs.yml": SPEC.replace("@", role),
        f"roles/{role}/defaults/main.yml": f"{role}_debug: false\n",
        f"roles/{role}/vars/main.yml": f"__{role}_service: {{}}\n",
        f"roles/{role}/tasks/main.yml": "- name: Deploy\n  ansible.builtin.import_tasks: deploy.yml\n",
        f"extensions/molecule/{role}/molecule.yml": "---\n",
    }
    for section in rules.SECTIONS:
        files[f"roles/{role}/tasks/{section}.yml"] = ENGINE_CALL % (section, section)
    return files


GOOD: dict[str, str] = {
    **service("keystone"),
    **service("glance"),
    ".ansible-lint": "profile: production\nexclude_paths: [build/]\n",
    "galaxy.yml": "dependencies: {}\n",
    "changelogs/config.yaml": "sections: [[minor_changes, Minor]]\nprelude_section_name: release_summary\n",
    "changelogs/fragments/a.yml": "minor_changes: [One.]\n",
    "Makefile": "plan deploy: setup\n\t@$(playbook) ozone.openstack.$@\nplan: ## Show\ndeploy: ## Change\n",
    "requirements/debian.txt": "tar # unpacks\n",
    "requirements/debian-baremetal.txt": "libvirt-clients\n",
    "requirements/programs.yml": (
        "packages: {tar: [tar], libvirt-clients: [virsh]}\nessential: [cat]\nelsewhere: {venv: [ansible-playbook]}\n"
    ),
    "tests/baremetal/bench.py": '# SPDX-License-Identifier: Apache-2.0\nsubprocess.run(["virsh", "list"])\n',
    "tests/unit/test_tar.py": "# SPDX-License-Identifier: Apache-2.0\nsubprocess.run(['tar', 'x'])\nrun(['cat'])\n",
    "playbooks/plan.yml": "- name: Plan\n  hosts: all\n",
    "playbooks/deploy.yml": "- name: Deploy\n  hosts: all\n",
    "plugins/modules/plan.py": DOCUMENTED,
    "plugins/action/plan.py": "# SPDX-License-Identifier: Apache-2.0\n",
    "inventory/lab.yml": "a: 198.18.0.1\nb: 198.51.100.7\nc: 127.0.0.1\n",
}

#: Rule -> a file that breaks it (None: the file is taken away) and a word of the complaint.
BAD: dict[str, list[tuple[str, str | None, str]]] = {
    "sections_and_specs": [
        ("roles/keystone/tasks/upgrade.yml", None, "tasks/upgrade.yml is missing"),
        ("roles/keystone/meta/argument_specs.yml", "argument_specs: {main: {}, deploy: {}}\n", "spec for validate"),
    ],
    "public_task_files_have_specs": [("roles/keystone/tasks/extra.yml", "[]\n", "extra.yml has no argument spec")],
    "defaults_are_documented": [
        ("roles/keystone/defaults/main.yml", "keystone_debug: false\nkeystone_x: 1\n", "keystone_x is not documented"),
        ("roles/keystone/defaults/main.yml", "{}\n", "keystone_debug has no default"),
        ("roles/keystone/defaults/main.yml", "keystone_debug: true\n", "False in the spec"),
    ],
    "sections_have_the_same_options": [
        (
            "roles/keystone/meta/argument_specs.yml",
            SPEC.replace("@", "keystone").replace("Log more", "Other", 1),
            "differs between main and deploy",
        )
    ],
    "prefixed_variables": [
        ("roles/keystone/defaults/main.yml", "debug: false\n", "does not begin with keystone_"),
        ("roles/keystone/vars/main.yml", "keystone_service: {}\n", "does not begin with __keystone_"),
    ],
    "few_files": [("roles/keystone/files/%d", "x", "at most")],
    "no_handlers": [
        ("roles/keystone/handlers/main.yml", "[]\n", "handlers"),
        ("roles/keystone/tasks/deploy.yml", "- name: X\n  notify: Restart\n", "notify"),
    ],
    "no_extension_in_tasks_from": [("playbooks/plan.yml", "x:\n  tasks_from: deploy" + ".yml\n", "tasks_from")],
    "no_repeated_tasks": [
        ("roles/%s/tasks/deploy/same.yml", "- name: X\n  ansible.builtin.command: /bin/@ --sync\n", "the same task")
    ],
    "short_sections": [
        (
            "roles/keystone/tasks/deploy.yml",
            (ENGINE_CALL % ("X", "deploy")).replace("vars: {", "vars: {a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1, "),
            "longer than 10 lines",
        )
    ],
    "every_role_has_a_scenario": [
        ("extensions/molecule/keystone/molecule.yml", None, "keystone/molecule.yml is missing"),
        ("extensions/molecule/nothing/molecule.yml", "", "names no role"),
    ],
    "short_playbooks": [("playbooks/plan.yml", "# x\n" * 60, "60 lines")],
    "task_files_have_names_of_their_own": [("playbooks/tasks/plan.yml", "---\n", "has the same name")],
    "known_collections": [("playbooks/plan.yml", "- name: X\n  community.general.haproxy:\n", "community.general")],
    "no_skips": [
        (".ansible-lint", "profile: production\nskip_list: [yaml]\n", "skip_list"),
        (".ansible-lint", "profile: basic\n", "not production"),
        (".ansible-lint", "profile: production\nexclude_paths: [roles/keystone]\n", "excludes roles/keystone"),
    ],
    "reasons_for_exceptions": [
        ("playbooks/plan.yml", "a: b  # no" + "qa: yaml\n", "say why"),
        ("playbooks/plan.yml", "- name: X\n  ignore_errors: true\n", "says why"),
    ],
    "make_targets_are_playbooks": [("playbooks/plan.yml", None, "playbooks/plan.yml, which is not there")],
    "verbs_are_make_targets": [
        ("playbooks/upgrade.yml", "- name: Upgrade\n  hosts: all\n", "upgrade.yml: no make target"),
        ("Makefile", "deploy plan: setup\n\t@$(playbook) ozone.openstack.$@\ndeploy: ## It\n", "plan.yml: its make"),
    ],
    "verbs_that_destroy_ask": [
        ("playbooks/plan.yml", "- ozone.openstack.generation: {service: x}\n  state: absent\n", "does not begin with"),
        (
            "playbooks/plan.yml",
            "- ozone.openstack.run_lock:\n- ozone.openstack.confirm:\n- include_role: {tasks_from: remove}\n",
            "does not begin with",
        ),
        (
            "playbooks/plan.yml",
            "- ozone.openstack.confirm:\n- vars:\n    machines_target: rebuilt\n",
            "does not say CONFIRM",
        ),
    ],
    "no_registry_hosts": [("docs/a.md", f"see {REGISTRY}\n", REGISTRY)],
    "no_machine_paths": [("docs/a.md", f"see {WORK}\n", WORK)],
    "no_dhcp": [("roles/keystone/tasks/deploy.yml", "x: DHCP=ye" + "s\n", "DHCP")],
    "errors_say_it_once": [
        ("plugins/action/plan.py", "# SPDX\nraise AnsibleActionFail(\n    str(error)\n) from error\n", "plan.py:2"),
    ],
    "nothing_unfinished": [("bench/run.py", f"# {UNDONE}\n", UNDONE)],
    "lab_addresses": [
        ("inventory/lab.yml", "a: 10.0.0.1\n", "10.0.0.1"),
        ("tests/unit/test_x.py", f'x = "{TAKEN}"\n', TAKEN),
    ],
    "spdx_first": [("plugins/modules/plan.py", '"""No licence."""\n', "plan.py")],
    "programs_belong_to_packages": [
        ("tests/unit/test_x.py", 'subprocess.run(["cpio", "-id"], check=True)\n', "starts cpio: say in"),
        (
            "tests/unit/test_x.py",
            'argv = ["setpriv", "--pdeathsig", "KILL", "--", "cpio"]\n',
            "test_x.py:1: starts cpio",
        ),
        ("plugins/x.py", 'found = shutil.which("cpio")\n', "starts cpio"),
        ("plugins/x.py", 'host.run(["sh", "-euc", "cd /tmp; test -e x || cpio -id"], 30)\n', "starts cpio"),
        ("playbooks/plan.yml", "- ansible.builtin.command: {argv: [cpio, -id]}\n", "starts cpio"),
        ("playbooks/plan.yml", "- ansible.builtin.shell: cat x | cpio -id\n", "starts cpio"),
        ("Makefile", "plan: ## It\n\t@cat x; \\\n\tif true; then cpio -id; fi\n", "Makefile:3: starts cpio"),
        ("bench/x.sh", "#!/bin/sh\nx=$(cpio -id)\n", "starts cpio"),
        ("tests/unit/test_x.py", 'subprocess.run(["virsh"])\n', "libvirt-clients is not in requirements/debian.txt"),
        ("requirements/debian.txt", "# tar\n", "tar is not in requirements/debian.txt"),
        (
            "requirements/programs.yml",
            "packages: {tar: [tar]}\nessential: [cat, gone]\nelsewhere: {venv: [ansible-playbook]}\n",
            "nothing starts gone",
        ),
    ],
    "small_files": [("docs/big.svg", "x" * (2**20 + 1), "bytes")],
    "changelog_fragments": [
        ("changelogs/fragments/a.yml", "news: [One.]\n", "no section news"),
        ("changelogs/fragments/a.yml", "minor_changes: One.\n", "not a list"),
    ],
    "documented_plugins": [("plugins/modules/plan.py", DOCUMENTED.replace("RETURN", "R"), "no RETURN")],
    "filters_are_documented": [
        (
            "plugins/filter/x.py",
            "class F:\n    def filters(self):\n        return {'f': 1}\n",
            "filter/f.yml is missing",
        )
    ],
    "check_mode_everywhere": [
        ("plugins/modules/plan.py", DOCUMENTED.replace("mode=True", "mode=False"), "does not support check mode"),
        ("plugins/modules/plan.py", DOCUMENTED.replace("full", "none"), "does not say"),
    ],
    "actions_are_paired": [("plugins/action/other.py", "x = 1\n", "no module of the same name")],
    "one_place_joins_addresses_and_ports": [
        *(
            ("plugins/action/plan.py", f"# SPDX\nx = {expression}\n", "plan.py:2")
            for expression in (
                'f"{host}:{port}"',
                'f"tcp:{member[address]}:{self.port}"',
                'f"{address}:6642"',
                'f"[{a}]:{port}"',
                'f"https://{vip}/"',
                'f"https://[{a}]:5000/v3"',
                'a + ":" + str(port)',
                '"%s:%d" % (host, port)',
                '":".join([host, str(port)])',
                '"{}:{}".format(host, port)',
                '"[" + a + "]:" + str(port)',
            )
        ),
        *(
            ("roles/keystone/vars/main.yml", f"__keystone_service: {text}\n", "main.yml:1")
            for text in (
                "\"{{ ozone.address.api_internal ~ ':5000' }}\"",
                "\"{{ a ~ ':' ~ port }}\"",
                "'{{ a }}:{{ port }}'",
                "'{{ a }}:11211'",
                "'https://{{ ozone.address.api_public }}/'",
                "\"{{ '[' ~ a ~ ']' }}\"",
            )
        ),
    ],
    "modules_on_nodes_need_only_python": [
        ("plugins/modules/generation.py", "import json\nimport yaml\n", "imports yaml"),
    ],
}


def tree(root: Path, files: dict[str, str]) -> Tree:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    subprocess.run(["git", "init", "-q", str(root)], check=True, timeout=30)
    return Tree(root)


def test_every_rule_is_tried() -> None:
    assert set(BAD) == {rule.__name__ for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_good_tree_is_left_alone(rule: rules.Rule, tmp_path: Path) -> None:
    assert rule(tree(tmp_path, GOOD)) == []


CASES = [(name, *case) for name, cases in BAD.items() for case in cases]


@pytest.mark.parametrize(("name", "path", "text", "complaint"), CASES, ids=[f"{c[0]}-{c[3][:20]}" for c in CASES])
def test_a_broken_tree_is_noticed(name: str, path: str, text: str | None, complaint: str, tmp_path: Path) -> None:
    files = dict(GOOD)
    if text is None:
        del files[path]
    elif "%d" in path:
        files |= {path % number: text for number in range(9)}
    elif "%s" in path:
        files |= {path % role: text.replace("@", role) for role in ("keystone", "glance")}
    else:
        files[path] = text
    problems = getattr(rules, name)(tree(tmp_path, files))
    assert problems
    assert complaint in "\n".join(problems)
