"""Checks of deploy/compose.yaml against the programs. Each yields problems as text."""
import os
import re

from checks_pods import LISTEN, STOP_MARGIN_S
from programs import seconds


def ours(compose):
    for name, service in compose["services"].items():
        if service["image"] == "fairlead":
            yield name, service, service["environment"]


def commands(compose, programs):
    for name, service, _ in ours(compose):
        for command in (service["command"], service["healthcheck"].get("test", ["CMD", *service["command"]])[1:]):
            if not programs.answers(*command[:2] if command[0] == "fairlead" else command[:1]):
                yield f"{name}: there is no program {command}"


def settings(compose, programs):
    for name, service, environment in ours(compose):
        yield from (f"{name}: {variable} is no setting" for variable in environment if programs.setting_of(variable) is None)
        yield from (f"{name}: {line}" for line in programs.complaints(tuple(environment.items())))
        for value in environment.values():
            if value.startswith("/run/secrets/") and value.removeprefix("/run/secrets/") not in service["secrets"]:
                yield f"{name}: has no {value}"
        if LISTEN.get(service["command"][0], "FAIRLEAD_PG_URL_FILE") not in environment:
            yield f"{name}: listens nowhere"


def secrets(compose, programs):
    made = set(re.findall(r"\| put (\S+)", programs.read("deploy/compose-secrets")))
    for name, service in compose["services"].items():
        for secret in service.get("secrets", []):
            if secret not in compose["secrets"]:
                yield f"{name}: there is no secret {secret}"
    for name, secret in compose["secrets"].items():
        if secret["file"] != f"./secrets/{name}" or name not in made:
            yield f"{name}: nobody makes this secret"


def rights(compose, _programs):
    for name, service, _ in ours(compose):
        if (service.get("read_only") is not True or service.get("cap_drop") != ["ALL"]
                or "no-new-privileges:true" not in service.get("security_opt", [])):
            yield f"{name}: has rights that it does not need"


def stopping(compose, programs):
    for name, service, environment in ours(compose):
        if "stop_grace_period" in service:
            names = ["FAIRLEAD_DRAIN_DELAY", "FAIRLEAD_DRAIN_TIMEOUT"]
            names += ["FAIRLEAD_WORKER_STOP_GRACE"] if service["command"] == ["fairlead-worker"] else []
            needed = sum(seconds(programs.value(environment, one)) for one in names) + STOP_MARGIN_S
            if seconds(service["stop_grace_period"]) < needed:
                yield f"{name}: is killed before the {needed} s that it takes to stop"
        elif service["command"][0] != "fairlead":
            yield f"{name}: is killed after ten seconds"


def front(compose, programs):
    """The load balancer's rules get the addresses that they name, and nodes believe it."""
    service = compose["services"]["front"]
    wanted = set(re.findall(r"\$\{(FAIRLEAD_\w+)\}", programs.read("deploy/haproxy/fairlead.cfg")))
    if wanted != set(service["environment"]):
        yield f"front: the rules name {wanted}"
    nodes = {}
    for name, one, environment in ours(compose):
        if isinstance(one.get("networks"), dict):
            port = environment[LISTEN[one["command"][0]]].rpartition(":")[2]
            nodes[f"{one['networks']['inside']['ipv4_address']}:{port}"] = (name, one["command"][0])
        proxy = service["networks"]["inside"]["ipv4_address"]
        if one["command"][0] in ("fairlead-api", "fairlead-streamer") and environment["FAIRLEAD_HTTP_TRUSTED_PROXIES"] != proxy:
            yield f"{name}: does not believe the load balancer"
    for variable, address in service["environment"].items():
        kind = re.fullmatch(r"FAIRLEAD_(API|STREAMER)_\d", variable)
        if kind and nodes.get(address, ("", ""))[1] != f"fairlead-{kind.group(1).lower()}":
            yield f"front: {variable} is {address}, where {nodes.get(address)} is"
    for volume in service["volumes"]:
        if not os.path.exists(f"{programs.root}/deploy/{volume.split(':')[0]}"):
            yield f"front: there is no {volume}"


CHECKS = (commands, settings, secrets, rights, stopping, front)
