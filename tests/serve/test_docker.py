"""The container's files, as far as they can be judged without building: a linter, and what they promise."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from mglmm.cli import _parser
from tests.serve.conftest import ROOT

DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")


def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8"))["services"]
    return found


def test_linter_finds_nothing() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, str(ROOT / "docker" / "Dockerfile")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_what_runs_has_no_rights() -> None:
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001$", last, re.MULTILINE) and "--uid 10001" in last
    for service in services().values():
        assert service["cap_drop"] == ["ALL"] and service["read_only"] is True
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_what_is_copied_is_there_and_sent() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE):
        for name in line.split():
            assert (ROOT / name).exists() and f"!{name}" in ignored


def test_commands_are_those_of_the_package() -> None:
    command = re.search(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert command
    options = _parser().parse_args(yaml.safe_load(command[1]))
    assert options.host == "0.0.0.0" and f":{options.port}/healthz" in DOCKERFILE
    server = services()["server"]
    options = _parser().parse_args(server["command"])
    assert server["ports"] == [f"127.0.0.1:{options.port}:{options.port}"]
    # docker waits longer than the server needs to finish what runs
    assert int(server["stop_grace_period"].removesuffix("s")) > options.shutdown_s


def test_every_service_of_the_cuda_variant_exists() -> None:
    added = yaml.safe_load((ROOT / "docker" / "compose.cuda.yaml").read_text(encoding="utf-8"))["services"]
    assert set(added) == set(services())


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml"])
def test_versions_come_from_the_constraints(name: str) -> None:
    text = (ROOT / "docker" / name).read_text(encoding="utf-8")
    assert not re.search(r"(?<!\^)torch(vision)?==\d", text)
