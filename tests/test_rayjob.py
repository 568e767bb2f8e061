"""configs/ray/rayjob.yaml: fields that the RayJob resource has, and a run that its groups can hold.

The models transcribe those parts of KubeRay's resource definition that the file uses (RayJobSpec,
RayClusterSpec, HeadGroupSpec, WorkerGroupSpec of ray.io/v1, in ray-operator/apis/ray/v1) and the
parts of Kubernetes' PodTemplateSpec below them; what a server would prune or refuse is refused.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from selfplay.cluster.session import plan
from selfplay.config.reading import load_config
from selfplay.jobs.submit import grace_seconds

FILE = Path(__file__).resolve().parents[1] / "configs" / "ray" / "rayjob.yaml"


class Strict(BaseModel):
    """Nothing else, and no type but the one that is asked for."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ResourceRequirements(Strict):
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}


class VolumeMount(Strict):
    name: str
    mountPath: str
    readOnly: bool = False
    subPath: str | None = None


class Container(Strict):
    name: str = Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)
    image: str
    resources: ResourceRequirements
    volumeMounts: list[VolumeMount] = []
    env: list[dict[str, Any]] = []


class Claim(Strict):
    claimName: str
    readOnly: bool = False


class Volume(Strict):
    name: str
    persistentVolumeClaim: Claim


class PodSpec(Strict):
    containers: list[Container] = Field(min_length=1)
    volumes: list[Volume] = []
    nodeSelector: dict[str, str] = {}


class PodTemplate(Strict):
    spec: PodSpec
    metadata: dict[str, Any] = {}


class HeadGroup(Strict):
    rayStartParams: dict[str, str]
    template: PodTemplate
    serviceType: str | None = None
    enableIngress: bool | None = None


class WorkerGroup(Strict):
    groupName: str
    replicas: int = Field(0, ge=0)
    minReplicas: int = Field(ge=0)
    maxReplicas: int = Field(ge=0)
    numOfHosts: int = Field(1, ge=1)
    rayStartParams: dict[str, str]
    template: PodTemplate


class RayCluster(Strict):
    headGroupSpec: HeadGroup
    workerGroupSpecs: list[WorkerGroup] = []
    rayVersion: str | None = None
    enableInTreeAutoscaling: bool | None = None
    suspend: bool | None = None


class RayJobSpec(Strict):
    entrypoint: str = ""
    runtimeEnvYAML: str = ""
    rayClusterSpec: RayCluster
    shutdownAfterJobFinishes: bool = False
    ttlSecondsAfterFinished: int = Field(0, ge=0)
    backoffLimit: int = Field(0, ge=0)
    activeDeadlineSeconds: int | None = Field(None, ge=1)
    submissionMode: Literal["K8sJobMode", "HTTPMode", "InteractiveMode"] = "K8sJobMode"
    metadata: dict[str, str] = {}
    jobId: str = ""
    suspend: bool = False


class Metadata(Strict):
    name: str = Field(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=47)
    namespace: str | None = None
    labels: dict[str, str] = {}


class RayJob(Strict):
    apiVersion: Literal["ray.io/v1"]
    kind: Literal["RayJob"]
    metadata: Metadata
    spec: RayJobSpec


def read() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return data


def resources(group: HeadGroup | WorkerGroup) -> dict[str, float]:
    """What a node of the group brings, by the words of `ray start`."""
    given = group.rayStartParams
    # KubeRay puts the value on a shell's command line, so the JSON is quoted once more.
    named = json.loads(json.loads(given["resources"])) if "resources" in given else {}
    return {
        "CPU": float(given["num-cpus"]),
        "GPU": float(given.get("num-gpus", 0)),
        **{name: float(amount) for name, amount in named.items()},
    }


def test_it_has_the_resources_fields_and_no_others() -> None:
    job = RayJob.model_validate(read())
    groups = [group.groupName for group in job.spec.rayClusterSpec.workerGroupSpecs]
    assert groups == ["scorers", "samplers", "learner"]
    assert job.spec.shutdownAfterJobFinishes


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "shutdownAfterFinish"), True),
        (("spec", "submissionMode"), "Http"),
        (("spec", "rayClusterSpec", "headGroupSpec", "rayStartParams", "num-cpus"), 0),
        (("spec", "rayClusterSpec", "workerGroupSpecs"), [{"groupName": "x"}]),
        (("metadata", "name"), "Selfplay_first"),
    ],
)
def test_the_schema_can_refuse(path: tuple[str, ...], value: object) -> None:
    data = read()
    node = data
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    with pytest.raises(ValidationError):
        RayJob.model_validate(data)


def test_its_groups_hold_the_run_that_it_starts() -> None:
    job = RayJob.model_validate(read())
    program, command = shlex.split(job.spec.entrypoint)[:4], shlex.split(job.spec.entrypoint)[4:]
    assert program == ["python", "-m", "selfplay", "run"]
    source, *words = command
    config = load_config(source, words[: words.index("--name")])
    cluster = job.spec.rayClusterSpec
    nodes = [resources(cluster.headGroupSpec)]
    for group in cluster.workerGroupSpecs:
        nodes += [resources(group)] * group.replicas
    total: dict[str, float] = {}
    for node in nodes:
        for name, amount in node.items():
            total[name] = total.get(name, 0.0) + amount
    placement = plan(config, total, total, nodes)
    assert placement.sampler_gpus == placement.learner_gpus == 1.0
    assert str(config.runs_dir) == "/runs"
    environment = yaml.safe_load(job.spec.runtimeEnvYAML)["env_vars"]
    assert environment == {"RAY_JOB_STOP_WAIT_TIME_S": str(grace_seconds(config))}


def test_every_pod_mounts_the_run_folder_and_gets_what_ray_is_reported() -> None:
    cluster = RayJob.model_validate(read()).spec.rayClusterSpec
    for group in (cluster.headGroupSpec, *cluster.workerGroupSpecs):
        [container] = group.template.spec.containers
        assert [mount.mountPath for mount in container.volumeMounts] == ["/runs"]
        assert {v.name for v in group.template.spec.volumes} == {
            mount.name for mount in container.volumeMounts
        }
        brings, limits = resources(group), container.resources.limits
        assert container.resources.requests == limits
        assert brings["CPU"] <= float(limits["cpu"])
        assert brings["GPU"] == float(limits.get("nvidia.com/gpu", 0))
