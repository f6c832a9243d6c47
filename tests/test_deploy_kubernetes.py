"""The manifests for Kubernetes ask for no more than is read, and fit the agent."""

from pathlib import Path

import yaml

from collectors.kubelet.source import SOCKET
from wattstat.config import environment, reader
from wattstat.document import parse

FOLDER = Path(__file__).parents[1] / "deploy/kubernetes"


def documents(name):
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


def test_core_may_read_and_nothing_else():
    (role,) = [each for each in documents("rbac.yaml") if each["kind"] == "ClusterRole"]

    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"get", "list"}
    assert {resource for rule in role["rules"] for resource in rule["resources"]} == {"pods", "nodes", "resourceslices"}


def test_the_binding_joins_the_role_and_the_account():
    by_kind = {each["kind"]: each for each in documents("rbac.yaml")}
    binding, account = by_kind["ClusterRoleBinding"], by_kind["ServiceAccount"]["metadata"]

    assert binding["roleRef"]["name"] == by_kind["ClusterRole"]["metadata"]["name"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}]


def test_the_agents_variables_are_settings_and_its_socket_is_mounted():
    pod = documents("agent.yaml")[0]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    variables = {each["name"]: each.get("value", "x") for each in container["env"] if each["name"].startswith("WATTSTAT_")}
    config, problems = reader.examine(environment.override(parse("", source="pod"), variables), Path("/etc/wattstat"))

    assert [str(problem) for problem in problems if not problem.warning] == []
    assert config is not None
    assert str(SOCKET.parent) in {each["mountPath"] for each in container["volumeMounts"]}
    assert str(config.agent.token_file.parent) in {each["mountPath"] for each in container["volumeMounts"]}
    writable = {each["mountPath"] for each in container["volumeMounts"] if not each.get("readOnly")}
    assert writable == {str(config.agent.spool)}
    assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}
