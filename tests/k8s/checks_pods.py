"""Checks of pods: what runs in them, with which settings, ports, probes, rights and time to stop. Each yields problems as text."""
from programs import seconds

LISTEN = {"fairlead-api": "FAIRLEAD_API_LISTEN", "fairlead-streamer": "FAIRLEAD_STREAMER_LISTEN",
          "fairlead-scheduler": "FAIRLEAD_METRICS_LISTEN", "fairlead-worker": "FAIRLEAD_METRICS_LISTEN"}
STOP_MARGIN_S = 5


def commands(cluster, programs):
    for pod in cluster.pods:
        if pod.ours and not programs.answers(*pod.args[:2] if pod.args[0] == "fairlead" else pod.args[:1]):
            yield f"{pod.name}: there is no program {' '.join(pod.args)}"


def settings(cluster, programs):
    for pod in cluster.pods:
        ours = {name: value for name, value in pod.environment.items() if name.startswith("FAIRLEAD_")}
        for name in ours:
            if programs.setting_of(name) is None:
                yield f"{pod.name}: {name} is no setting"
        if ours:
            yield from (f"{pod.name}: {line}" for line in programs.complaints(tuple(ours.items())))
        if pod.spec.get("enableServiceLinks", True):
            yield f"{pod.name}: variables of services would look like settings"


def volumes(cluster, _programs):
    """What is mounted is there, and what a volume or a variable is made of too."""
    for pod in cluster.pods:
        known = {volume["name"] for volume in pod.spec.get("volumes", [])}
        known |= {claim["metadata"]["name"] for claim in pod.owner["spec"].get("volumeClaimTemplates", [])}
        for container in pod.containers:
            for mount in container.get("volumeMounts", []):
                if mount["name"] not in known:
                    yield f"{pod.name}: there is no volume {mount['name']}"
        for volume in pod.spec.get("volumes", []):
            for source, kind, key in (("configMap", "ConfigMap", "name"), ("persistentVolumeClaim", "PersistentVolumeClaim", "claimName")):
                if source in volume and not cluster.find(kind, pod.namespace, volume[source][key]):
                    yield f"{pod.name}: there is no {kind} {volume[source][key]}"


def secrets(cluster, _programs):
    """Each setting that names a file names one of a mounted Secret. Secrets that stand in no manifest are made by hand."""
    for pod in cluster.pods:
        paths = {mount["mountPath"]: mount["name"] for mount in pod.container.get("volumeMounts", [])}
        mounted = {volume["name"]: volume.get("secret") for volume in pod.spec.get("volumes", [])}
        for name, value in pod.environment.items():
            if not name.startswith("FAIRLEAD_") or not name.endswith("_FILE"):
                continue
            folder, key = value.rsplit("/", 1)
            source = mounted.get(paths.get(folder))
            if not source:
                yield f"{pod.name}: {name} lies in no secret"
                continue
            made = cluster.find("Secret", pod.namespace, source["secretName"])
            if made and key not in made["data"]:
                yield f"{pod.name}: the secret has no {key}"


def ports(cluster, programs):
    for pod in cluster.pods:
        variable = LISTEN.get(pod.args[0]) if pod.args else None
        if not variable:
            continue
        port = int(programs.value(pod.environment, variable).rpartition(":")[2])
        if list(pod.ports.values()) != [port]:
            yield f"{pod.name}: it listens at {port}, and its ports are {pod.ports}"
        if pod.annotations.get("prometheus.io/port") != str(port):
            yield f"{pod.name}: figures are looked for at another port than {port}"


def probes(cluster, programs):
    open_paths = {pattern for method, pattern, _, side in programs.routes if method == "GET" and side == "EVERY"}
    for pod in cluster.pods:
        if not pod.ours or pod.owner["kind"] == "Job":
            continue
        for name, path in (("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
            get = pod.container.get(name, {}).get("httpGet", {})
            if get.get("path") != path or path not in open_paths or get.get("port") not in pod.ports:
                yield f"{pod.name}: {name} asks {get}"
        if pod.annotations.get("prometheus.io/path") not in open_paths:
            yield f"{pod.name}: figures are looked for at another path"


def stopping(cluster, programs):
    """A pod has the time that its program takes to stop."""
    for pod in cluster.pods:
        if not pod.ours or pod.owner["kind"] == "Job":
            continue
        names = ["FAIRLEAD_DRAIN_DELAY", "FAIRLEAD_DRAIN_TIMEOUT"]
        if pod.args[0] == "fairlead-worker":
            names.append("FAIRLEAD_WORKER_STOP_GRACE")
        before = pod.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        needed = before + sum(seconds(programs.value(pod.environment, name)) for name in names) + STOP_MARGIN_S
        if pod.spec["terminationGracePeriodSeconds"] < needed:
            yield f"{pod.name}: is killed before the {needed} s that it takes to stop"


def namespaces(cluster, _programs):
    """The cluster itself holds pods to a policy: where agents run at least to the baseline."""
    for pod in cluster.pods:
        found = cluster.find("Namespace", None, pod.namespace)
        policy = found and found["metadata"]["labels"].get("pod-security.kubernetes.io/enforce")
        if policy != "restricted" and not (policy == "baseline" and pod.args[:1] == ["fairlead-worker"]):
            yield f"{pod.name}: its namespace enforces {policy}"


def rights(cluster, _programs):
    """The restricted policy of Pod Security, and no token, wherever it is."""
    for pod in cluster.pods:
        context = pod.spec.get("securityContext", {})
        if context.get("runAsNonRoot") is not True or not context.get("runAsUser"):
            yield f"{pod.name}: may run as root"
        if context.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
            yield f"{pod.name}: has no seccomp profile"
        if pod.spec.get("automountServiceAccountToken", True):
            yield f"{pod.name}: has a token of the cluster"
        if any(pod.spec.get(name) for name in ("hostNetwork", "hostPID", "hostIPC")):
            yield f"{pod.name}: shares the host's namespaces"
        if any("hostPath" in volume for volume in pod.spec.get("volumes", [])):
            yield f"{pod.name}: mounts a folder of the host"
        for container in pod.containers:
            own = container.get("securityContext", {})
            if (own.get("allowPrivilegeEscalation") is not False or own.get("readOnlyRootFilesystem") is not True
                    or own.get("capabilities") != {"drop": ["ALL"]} or own.get("privileged")):
                yield f"{pod.name}: {container['name']} has rights that it does not need"
            if ":" not in container["image"].rsplit("/", 1)[-1] or container["image"].endswith(":latest"):
                yield f"{pod.name}: {container['image']} is not a version"
            resources = container.get("resources", {})
            if "memory" not in resources.get("limits", {}) or set(resources.get("requests", {})) != {"cpu", "memory"}:
                yield f"{pod.name}: {container['name']} does not say what it takes"


def accounts(cluster, _programs):
    for pod in cluster.pods:
        name = pod.spec.get("serviceAccountName")
        if pod.ours and not cluster.find("ServiceAccount", pod.namespace, name):
            yield f"{pod.name}: there is no account {name}"
        priority = pod.spec.get("priorityClassName")
        if pod.ours and not cluster.find("PriorityClass", None, priority):
            yield f"{pod.name}: there is no priority {priority}"
    for binding in cluster.every("RoleBinding"):
        namespace, role = binding["metadata"]["namespace"], binding["roleRef"]
        if not cluster.find(role["kind"], namespace, role["name"]):
            yield f"RoleBinding/{binding['metadata']['name']}: there is no {role['name']}"
        for subject in binding["subjects"]:
            if not cluster.find("ServiceAccount", subject.get("namespace", namespace), subject["name"]):
                yield f"RoleBinding/{binding['metadata']['name']}: there is no account {subject['name']}"


CHECKS = (commands, settings, volumes, secrets, ports, probes, stopping, namespaces, rights, accounts)
