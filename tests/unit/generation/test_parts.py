# SPDX-License-Identifier: Apache-2.0
"""The parts of a transaction, each for itself."""

from __future__ import annotations

import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from node_simulator import FRONTD, Node, apply, faults, make

from ansible_collections.ozone.openstack.plugins.module_utils.generation import (
    health,
    masking,
    oneshot,
    prepare,
    probe,
    revert,
    store,
)
from ansible_collections.ozone.openstack.plugins.module_utils.generation.difference import difference
from ansible_collections.ozone.openstack.plugins.module_utils.generation.health import Network, Unhealthy, Wait, Watched
from ansible_collections.ozone.openstack.plugins.module_utils.generation.model import (
    command_digest,
    container_digest,
    copied,
    unit_digest,
)
from ansible_collections.ozone.openstack.plugins.module_utils.generation.revert import Host, Result

STATE = {
    "Id": "", "LoadState": "loaded", "ActiveState": "active", "SubState": "running", "Result": "success",
    "NRestarts": "0", "Job": "", "MainPID": "5", "UnitFileState": "enabled",
}  # fmt: skip


# -- the real machine --------------------------------------------------------------------------------------------------


def test_run(tmp_path: Path) -> None:
    host = Host()
    assert host.run(["sh", "-c", "cat; echo err >&2; exit 3"], 5, "in") == Result(3, "in", "err\n")
    assert host.run(["sh", "-c", "cat; echo $DEBIAN_FRONTEND"], 5).out == "noninteractive\n"
    assert host.run(["/nowhere/nothing"]).code == revert.NOT_FOUND
    began = time.monotonic()
    result = host.run(["sh", "-c", "echo before; sleep 30 & wait"], 0.3)
    assert result.code == revert.TIMED_OUT and "took too long" in result.err
    assert time.monotonic() - began < 5


def test_run_does_not_wait_for_one_who_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that left the session and holds the pipe open must not keep us."""
    real = subprocess.Popen.communicate
    waits: list[float | None] = []

    def communicate(self: Any, data: Any = None, timeout: float | None = None) -> Any:
        waits.append(timeout)
        return real(self, data, min(timeout or 1, 0.3))

    monkeypatch.setattr(subprocess.Popen, "communicate", communicate)
    result = Host().run(["setsid", "sh", "-c", "sleep 1.5"], 0.2)
    assert result.code == revert.TIMED_OUT and waits == [0.2, 5]


def test_files(tmp_path: Path) -> None:
    host = Host(str(tmp_path))
    host.mkdir("/a/b", 0o750)
    host.mkdir("/a/b")
    assert host.attributes("/a/b") == ("0750", os.geteuid(), os.getegid())
    assert host.attributes("/a/c") is None
    host.create("/a/b/file", "text ü".encode(), 0o640, os.geteuid(), os.getegid())
    host.create("/a/b/file", b"text", 0o640, os.geteuid(), os.getegid())
    assert host.read("/a/b/file") == "text" and host.attributes("/a/b/file") == ("0640", os.geteuid(), os.getegid())
    assert host.sha256("/a/b") is None and host.sha256("/x") is None and host.read("/a/b/file/x") is None
    host.symlink("file", "/a/b/link")
    assert host.readlink("/a/b/link") == "file" and host.readlink("/a/b/file") is None
    host.link("/a/b/link", "/a/b/second")
    assert host.same("/a/b/link", "/a/b/second") and not host.same("/a/b/link", "/a/b/file")
    assert not host.same("/x", "/a")
    assert host.names("/a/b") == ["file", "link", "second"] and host.names("/x") == []
    host.replace("/a/b/file", "/a/b/link")
    host.own("/a/b/link", 0o600, os.geteuid(), os.getegid())
    assert host.attributes("/a/b/link") == ("0600", os.geteuid(), os.getegid())
    host.unlink("/a/b/link")
    host.unlink("/a/b/link")
    host.remove("/a/b/second")
    host.remove("/a")
    assert not host.exists("/a")
    assert host.free("/") > 0 and host.time() > 1e9
    assert host.uid("root") == 0 and host.gid("0") == 0 and host.uid("42400") == 42400
    with pytest.raises(KeyError):
        host.gid("no-such-group")
    assert host.member("root", "root") and not host.member("root", "no-such-group")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_owner(tmp_path: Path) -> None:
    host = Host(str(tmp_path))
    host.create("/file", b"x", 0o640, 12345, 54321)
    assert host.attributes("/file") == ("0640", 12345, 54321)


def test_process_and_kill() -> None:
    host = Host()
    pid, started = host.process()
    assert pid == os.getpid() and started.isdigit() and host.started(pid) == started
    assert host.started(2**22 + 1) is None
    child = subprocess.Popen(["sleep", "60"])
    host.kill(child.pid)
    assert child.wait(5) == -signal.SIGKILL
    host.kill(child.pid)


def test_the_lock_is_free_when_its_holder_dies(tmp_path: Path) -> None:
    """Not by a file that is there or not, but by the kernel."""
    text = Path(revert.__file__).read_text()
    tool = tmp_path / "tool.py"
    tool.write_text(text)
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import tool, time\n"
    program += (
        f"with tool.Host({str(tmp_path)!r}).locked('a change of nova', 1): print('got', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert holder.stdout and holder.stdout.readline() == "got\n"
    host = Host(str(tmp_path))
    with pytest.raises(TimeoutError, match="a change of nova"), host.locked("me", 0.2):
        pass
    holder.kill()
    holder.wait(5)
    with host.locked("me", 1):
        assert "me" in (host.read(revert.LOCK) or "")
    holder.stdout.close()


def test_the_lock_reports_other_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fcntl.flock", lambda *_: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    with pytest.raises(OSError, match="Input/output"), Host(str(tmp_path)).locked("me", 1):
        pass


# -- revert ------------------------------------------------------------------------------------------------------------


def interrupted(node: Node) -> None:
    """A change to version two that died while it waited."""
    from node_simulator import Killed

    old, new = make({"api": {"demo.conf": "one"}}), make({"api": {"demo.conf": "two"}})
    apply(node, old)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Wait, "healthy", lambda _: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            apply(node, new)


def test_watch_ends_one_that_is_stuck(node: Node) -> None:
    """A transaction that holds the lock longer than all its limits together is ended."""
    interrupted(node)
    argv = node.watchers[-1]
    killed: list[int] = []
    holding = node.locked("stuck", 1)
    holding.__enter__()

    def kill(pid: int) -> None:
        killed.append(pid)
        holding.__exit__(None, None, None)

    node.kill = kill  # type: ignore[method-assign]
    assert revert.watch(node, argv[1], "another", 0.2) == [] and not killed
    assert revert.main([*argv[:3], "0.2"], node) == 0
    assert killed == [4242]
    node.settle()
    assert faults(node, make({"api": {"demo.conf": "one"}})) == []
    assert revert.main(argv, node) == 0  # nothing left


def test_watch_spares_another_process_with_the_same_number(node: Node) -> None:
    interrupted(node)
    argv = node.watchers[-1]
    node.started = lambda pid: "another time"  # type: ignore[method-assign]
    with node.locked("stuck", 1), pytest.raises(TimeoutError):
        revert.watch(node, argv[1], argv[2], 0.2)


def test_revert_goes_on_after_errors(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    interrupted(node)
    node.answers = {"daemon-reload": Result(1, "", "no bus")}
    assert revert.main(["late"], node) == 1
    assert "no bus" in capsys.readouterr().out
    node.answers = {}
    node.systemctl(["daemon-reload"])
    node.systemctl(["restart", "ozone-api.service"])
    assert faults(node, make({"api": {"demo.conf": "one"}})) == []


def test_revert_tries_again_when_files_could_not_be_brought_back(node: Node) -> None:
    interrupted(node)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(revert, "point", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        [report] = revert.revert_all(node)
    assert "No space" in report["problems"][0] and revert.pending(node, "demo")
    assert revert.revert_all(node)[0]["problems"] == []
    assert not revert.pending(node, "demo")


def test_place_needs_the_generation(node: Node) -> None:
    placed: revert.Placed = {"path": "/etc/x", "copy": True, "mode": "0644", "owner": "root", "group": "root"}
    with pytest.raises(FileNotFoundError):
        revert.place(node, "demo", "nothing", placed)


def test_load_tolerates_rubbish(node: Node) -> None:
    Path(node.at("/etc/x")).write_text("{")
    assert revert.load(node, "/etc/x") is None
    assert revert.units(node, []) == {}


def test_wait_settled_gives_up(node: Node) -> None:
    began = node.now
    assert revert.wait_settled(node, ["frontd.service"], 5) == ["frontd.service"]
    assert 5 <= node.now - began < 6


# -- health ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(300 if self.path == "/?a=b" else 503)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made.server_address[1]
        made.shutdown()


def test_network(server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network()
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert network.tcp("127.0.0.1", server) == ""
    assert network.http(f"http://127.0.0.1:{server}?a=b", [200, 300], None) == ""
    assert network.http(f"http://127.0.0.1:{server}/", [200], None).endswith("status 503, wanted 200")
    assert "127.0.0.1" in network.http(f"https://127.0.0.1:{server}/", [200], None)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert "refused" in network.tcp("127.0.0.1", port)
    assert "refused" in network.http(f"http://127.0.0.1:{port}", [200], None)


def test_watched_unit() -> None:
    unit = Watched("u", 2)
    assert unit.look({**STATE, "Job": "12"}, 0) == ("u is active, systemd has a job for it", False)
    assert unit.look({**STATE, "NRestarts": "7"}, 1)[0] == "u runs for less than 2 s"
    assert unit.look({**STATE, "NRestarts": "7", "ActiveState": "activating"}, 2) == (
        "u is activating (running)", False,
    )  # fmt: skip
    assert unit.look({**STATE, "NRestarts": "8"}, 3)[0]
    assert unit.look({**STATE, "NRestarts": "8"}, 5) == ("", False)
    assert unit.look({**STATE, "NRestarts": "8", "MainPID": "6"}, 6)[0] == "u runs for less than 2 s"
    assert unit.look({**STATE, "NRestarts": "10"}, 7)[1]
    assert Watched("u", 0).look({**STATE, "LoadState": "masked"}, 0)[1]
    idle = Watched("u", 0)
    inactive = {**STATE, "ActiveState": "inactive"}
    assert [idle.look(inactive, now)[1] for now in (0, 1, 2)] == [False, False, True]
    assert Watched("u", 0).look({**STATE, "NRestarts": ""}, 0) == ("", False)


def test_a_probe_makes_the_wait_shorter() -> None:
    manifest = make({"api": {}, "worker": {}}).manifest
    manifest["health"] = [
        {"type": "tcp", "name": "t", "host": "h", "port": 1, "unit": "ozone-api.service"},
        {"type": "unit", "name": "w", "unit": "other.service", "seconds": 9},
    ]
    touched = ["ozone-api.service", "ozone-worker.service", "other.service"]
    found = {unit.name: unit.seconds for unit in health.watched(manifest, touched)}
    assert found == {"ozone-api.service": 1, "ozone-worker.service": 5, "other.service": 9}
    assert {unit.seconds for unit in health.watched(manifest, [])} == {0}


def test_probes(node: Node) -> None:
    class Nothing(Network):
        def tcp(self, host: str, port: int) -> str:
            return "refused"

    command: Any = {"type": "command", "name": "ping", "argv": ["ping-tool"]}
    assert health.probe(node, Nothing(), command) == ""
    node.answers = {"ping-tool": Result(2, "", "")}
    assert health.probe(node, Nothing(), command) == "ping: exit code 2"
    node.answers = {"ping-tool": Result(2, "no answer", "")}
    assert health.probe(node, Nothing(), command) == "ping: no answer"
    assert health.probe(node, Nothing(), {"type": "unit", "name": "u", "unit": "u"}) == ""
    assert health.probe(node, Nothing(), {"type": "tcp", "name": "t", "host": "h", "port": 1}) == "t: refused"


def test_the_suspects_of_a_check_without_unit(node: Node) -> None:
    made = make({}, {}, units=FRONTD, health=[{"type": "command", "name": "c", "argv": ["ping-tool"]}])
    node.answers = {"ping-tool": Result(1, "", "no")}
    node.systemctl(["start", "frontd.service"])
    with pytest.raises(Unhealthy) as caught:
        Wait(node, Network(), made.manifest, ["frontd.service"], 1).healthy()
    assert caught.value.culprits == ["frontd.service"]


# -- preparation -------------------------------------------------------------------------------------------------------


def account(name: str = "ozone", groups: tuple[str, ...] = ()) -> Any:
    return {"name": name, "uid": os.geteuid(), "home": "/nonexistent", "groups": list(groups)}


def test_accounts(node: Node) -> None:
    assert prepare.missing_accounts(node, [account(), account("frontd")]) == ["ozone"]
    assert prepare.make_accounts(node, [account(groups=("kvm",))]) == ["ozone"]
    assert [argv[0] for argv in node.calls] == ["groupadd", "useradd", "usermod"]
    node.members.add(("ozone", "kvm"))
    node.calls.clear()
    assert prepare.make_accounts(node, [account(groups=("kvm",))]) == [] and node.calls == []
    with pytest.raises(prepare.PrepareError, match="usermod --uid 7"):
        prepare.make_accounts(node, [{**account(), "uid": 7}])
    node.answers = {"useradd": Result(4, "", "useradd: UID 0 is not unique")}
    with pytest.raises(prepare.PrepareError, match="cannot be made") as caught:
        prepare.make_accounts(node, [account("new")])
    assert caught.value.lines == ["useradd: UID 0 is not unique"]
    node.accounts.add("half")
    real = node.uid
    node.uid = lambda owner: real("nobody-there") if owner == "half" else real(owner)  # type: ignore[method-assign]
    node.answers = {}
    node.calls.clear()
    assert prepare.make_accounts(node, [account("half")]) == ["half"]
    assert [argv[0] for argv in node.calls] == ["useradd"]  # its group was there


def test_directories(node: Node) -> None:
    entry: Any = {"path": "/var/lib/x/y", "mode": "750", "owner": "frontd", "group": "0"}
    assert prepare.make_directories(node, [entry]) == ["/var/lib/x/y"]
    assert prepare.make_directories(node, [entry]) == []
    with pytest.raises(prepare.PrepareError, match="no account nobody:0"):
        prepare.make_directories(node, [{**entry, "owner": "nobody"}])


def test_images(node: Node) -> None:
    made = make({"api": {}}).manifest
    assert prepare.fetch_images(node, made) == []
    node.images.clear()
    with pytest.raises(prepare.PrepareError, match="cannot be pulled"):
        prepare.fetch_images(node, made)
    node.registry["localhost/ozone/demo:1"] = "2" * 64
    with pytest.raises(prepare.PrepareError, match="wanted 111111111111"):
        prepare.fetch_images(node, made)
    node.registry["localhost/ozone/demo:1"] = "1" * 64
    assert prepare.fetch_images(node, made) == ["localhost/ozone/demo:1"]


def test_somebody_elses_policy_is_left_alone(node: Node) -> None:
    node.offered["p"] = []
    Path(node.at(prepare.POLICY)).write_text("#!/bin/sh\nexit 101\n")
    assert prepare.install_packages(node, ["p"]) == ["p"]
    assert node.seen(prepare.POLICY) == "#!/bin/sh\nexit 101\n"
    assert prepare.missing_packages(node, []) == []


def test_missing_accounts_fail_before_the_switch(node: Node) -> None:
    made = make({}, {"/etc/x": "x"})
    made.manifest["files"][0]["owner"] = "nobody"
    outcome = apply(node, made)
    assert outcome.failed and outcome.stage == "stage" and "no account nobody" in outcome.msg
    made = make({}, {}, directories=[{"path": "/x", "mode": "0755", "owner": "nobody", "group": "root"}])
    outcome = apply(node, made)
    assert outcome.failed and outcome.stage == "directories"
    assert not node.exists(f"{revert.SERVICES}/demo/current")


def test_store_errors(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make({}, {"/etc/x": "x"})
    monkeypatch.setattr(node, "symlink", None)
    monkeypatch.setattr(Node, "create", lambda *_: (_ for _ in ()).throw(OSError(5, "Input/output error", "/x")))
    outcome = apply(node, made)
    assert outcome.failed and outcome.stage == "stage" and "/x: Input/output error" in outcome.msg


def test_forget(node: Node) -> None:
    """Rubbish under a temporary name goes too, and a kept generation whose manifest is lost does not matter."""
    for text in "ab":
        apply(node, make({"api": {"f": text}}))
    generations = f"{revert.SERVICES}/demo/generations"
    first = make({"api": {"f": "a"}}).digest
    os.unlink(node.at(f"{generations}/{first}/manifest.json"))
    node.mkdir(f"{generations}/{'c' * 64}.tmp")
    active = make({"api": {"f": "b"}}).digest
    assert store.forget(node, "demo", active, 3) == []
    assert node.names(generations) == sorted([first, active])
    assert len(node.names(f"{revert.SERVICES}/demo/objects")) == 1
    assert store.previous(node, "demo", active) is None


def test_drift_of_a_lost_account(node: Node) -> None:
    made = make({}, {"/etc/x": "x"})
    apply(node, made)
    node.accounts.clear()
    found = store.drift(node, "demo", made.manifest, made.digest)
    assert "account root:root is missing" in {entry.what for entry in found}


# -- one-shots ---------------------------------------------------------------------------------------------------------

QUADLET = r"""[Unit]
Description=x
[Container]
# a comment
Image=x
User=42400
Group=42401
ReadOnly=true
NoNewPrivileges=true
Environment=A=1 "B=two %%words $$x"
EnvironmentFile=-/etc/env
AddCapability=CAP_A CAP_B
DropCapability=all
Tmpfs=/tmp
Volume=@OBJECT@:/etc/demo:ro
Volume=/data:/data
PodmanArgs=--pid=host \
  --network=none --privileged
Exec=run
[Service]
Restart=always
Volume=/not:/this
"""


def test_one_shot(node: Node) -> None:
    made = make({"api": {"demo.conf": "x"}}).manifest
    made["containers"]["api"]["quadlet"] = QUADLET
    shot: Any = {"name": "n", "container": "api", "argv": ["cmd", "arg"], "timeout": 5, "ok": [0]}
    own = f"/var/lib/ozone/services/demo/objects/{container_digest(made['containers']['api'])}:/etc/demo:ro"
    argv = oneshot.argv_of("demo", made, shot, check=True)
    assert argv[-3:] == ["1" * 64, "cmd", "arg"]
    assert [argv[place + 1] for place, word in enumerate(argv) if word == "--volume"] == [own]
    assert "--privileged" not in argv and "B=two %words $x" in argv and "42400:42401" in argv
    assert "--read-only" in argv and "--security-opt=no-new-privileges" in argv
    argv = oneshot.argv_of("demo", made, {**shot, "network": False, "env_file": "env"}, check=False)
    assert argv[argv.index("--network") + 1] == "none"
    assert [argv[place + 1] for place, word in enumerate(argv) if word == "--volume"] == [own, "/data:/data"]
    assert [argv[place + 1] for place, word in enumerate(argv) if word == "--cap-add"] == ["CAP_A", "CAP_B"]
    assert [argv[place + 1] for place, word in enumerate(argv) if word == "--env-file"] == [
        "/etc/env", own.split(":")[0] + "/env",
    ]  # fmt: skip
    assert "--pid=host" in argv and "--privileged" in argv and "--network=none" not in argv
    node.answers = {"cmd": Result(revert.TIMED_OUT, "", "took too long")}
    assert oneshot.run(node, "demo", made, shot, check=True).code == revert.TIMED_OUT
    assert node.calls[-1][:3] == ["podman", "rm", "--force"]
    assert oneshot.tail(Result(3, "", "")) == ["exit code 3, without a word"]
    made["containers"]["api"]["quadlet"] = "[Container]\nUser=5\nReadOnly=false\nNoNewPrivileges=no\n"
    argv = oneshot.argv_of("demo", made, shot, check=True)
    assert argv[argv.index("--user") + 1] == "5" and "--read-only" not in argv
    made["containers"]["api"]["quadlet"] = "[Container]\n"
    assert "--user" not in oneshot.argv_of("demo", made, shot, check=True)


# -- masking -----------------------------------------------------------------------------------------------------------


def test_mask() -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\nabc\ndef\n-----END RSA PRIVATE KEY-----"
    hidden = masking.mask(f"a secret1 b\n{key}\nrabbit://u:pw@h:1,u:pw\nadmin_password = x\nmode = x", ["secret1", "x"])
    assert "secret1" not in hidden and "abc" not in hidden and ":pw@" not in hidden
    assert "admin_password = ********" in hidden and "mode = x" in hidden
    assert '"password": ********' in masking.mask('"password": "abc"', [])


@given(st.lists(st.text(alphabet="abcdefgh-", min_size=4, max_size=12), min_size=1, max_size=4), st.text(), st.text())
def test_no_given_secret_survives(secrets: list[str], before: str, after: str) -> None:
    text = before.join(secrets) + after
    hidden = masking.mask(text, secrets)
    assert not any(secret in hidden for secret in secrets)


# -- differences -------------------------------------------------------------------------------------------------------

TEXTS = st.sampled_from(["one", "two"])


@st.composite
def generations(draw: st.DrawFn) -> Any:
    files = draw(st.dictionaries(st.sampled_from(["/etc/a", "/etc/b", "/etc/systemd/c"]), TEXTS))
    containers = draw(st.dictionaries(st.sampled_from(["api", "worker"]), st.fixed_dictionaries({"f": TEXTS})))
    units = [
        {"name": name, "files": draw(st.lists(st.sampled_from(["/etc/a", "/etc/b"]), unique=True)), "on_change": change}
        for name, change in (("x.service", "restart"), ("y.service", "reload"))
        if draw(st.booleans())
    ]
    return make(containers, files, units=units)


@given(generations(), generations())
def test_difference(old: Any, new: Any) -> None:
    """A unit is touched exactly when what it reads differs; there and back again cover each other."""
    there = difference(old.manifest, new.manifest, "n")
    back = difference(new.manifest, old.manifest, "o")
    for name, container in new.manifest["containers"].items():
        differs = old.manifest["containers"].get(name) != container
        assert (container["unit"] in there["restart"]) == differs
    for unit in new.manifest["units"]:
        before = [other for other in old.manifest["units"] if other["name"] == unit["name"]]
        differs = not before or unit_digest(before[0], old.manifest) != unit_digest(unit, new.manifest)
        assert (unit["name"] in there["restart"] + there["reload"]) == differs
    assert {*there["start"], *there["restart"]} == {*back["stop"], *(set(there["start"] + there["restart"]) & {
        *back["start"], *back["restart"]})}  # fmt: skip
    old_paths = {file["path"] for file in old.manifest["files"]}
    new_paths = {file["path"] for file in new.manifest["files"]}
    assert set(there["displace"]) == old_paths - new_paths
    assert {file["path"] for file in there["place"]} == new_paths
    same = difference(old.manifest, old.manifest, "o")
    assert not (same["restart"] + same["reload"] + same["stop"] + same["displace"]) and not same["definitions"]
    gone = difference(old.manifest, None, None)
    assert set(gone["stop"]) == {*same["start"]} and not gone["start"]


def test_digests_follow_what_is_read() -> None:
    one, two = make({}, {"/etc/a": "1", "/etc/b": "1"}), make({}, {"/etc/a": "2", "/etc/b": "1"})
    command: Any = {"name": "c", "argv": [], "files": [], "when": "after_units", "timeout": 1, "stdin": "/etc/a"}
    assert command_digest(command, one.manifest) != command_digest(command, two.manifest)
    command["stdin"] = "/etc/b"
    assert command_digest(command, one.manifest) == command_digest(command, two.manifest)
    file: Any = {"path": "/etc/systemd/x", "sha256": "", "mode": "0644", "owner": "root", "group": "root"}
    assert copied(file) and not copied({**file, "copy": False}) and not copied({**file, "path": "/etc/x"})


# -- the probe ---------------------------------------------------------------------------------------------------------


def test_probe(node: Node) -> None:
    Path(node.at("/etc/os-release")).write_text('# x\nID=debian\nVERSION_ID="13"\nPRETTY_NAME="Debian GNU/Linux 13"\n')
    empty = probe.probe(node)
    assert empty["os"] == {"id": "debian", "version_id": "13", "pretty_name": "Debian GNU/Linux 13"}
    assert empty["services"] == {} and empty["hostname"] == "" and empty["free_bytes"] == 1 << 30
    made = make({"api": {"demo.conf": "x"}}, {"/etc/x": "x"}, units=FRONTD)
    apply(node, made)
    node.calls.clear()
    found = probe.probe(node)["services"]["demo"]
    assert len(node.calls) == 1
    assert found["digest"] == made.digest and found["healthy"] and not found["pending"] and found["drift"] == []
    assert found["units"] == {"frontd.service": "active", "ozone-api.service": "active"}
    assert found["images"] == {"api": "1" * 64} and found["components"] == ["main"] and found["cluster"] == "c"
    Path(node.resolve("/etc/x")).write_text("edited")
    node.unit("frontd.service").active = "failed"
    found = probe.probe(node)["services"]["demo"]
    assert found["drift"] == ["/etc/x: content differs"] and not found["healthy"]
    os.unlink(node.at(f"{revert.SERVICES}/demo/current/manifest.json"))
    found = probe.probe(node)["services"]["demo"]
    assert found["digest"] == "" and found["units"] == {} and found["drift"] == []
    os.unlink(node.at("/etc/os-release"))
    assert probe.os_release(node)["id"] == ""
