"""Checks of what leads to pods or counts them: selectors, networks, routes, scaling. Each yields problems as text."""
import re

from cluster import chosen
from programs import seconds


def named(resource):
    return f"{resource['kind']}/{resource['metadata']['name']}"


def selectors(cluster, _programs):
    """Each selector takes what it is there for."""
    for pod in cluster.pods:
        if pod.owner["kind"] == "Job":
            continue
        if not chosen(pod.owner["spec"]["selector"], pod.labels):
            yield f"{pod.name}: does not select its own pods"
        for spread in pod.spec.get("topologySpreadConstraints", []):
            if not chosen(spread["labelSelector"], pod.labels):
                yield f"{pod.name}: is spread by labels that it has not"
        budgets = [one for one in cluster.every("PodDisruptionBudget")
                   if one["metadata"]["namespace"] == pod.namespace and chosen(one["spec"]["selector"], pod.labels)]
        if pod.ours and len(budgets) != 1:
            yield f"{pod.name}: has {len(budgets)} disruption budgets"
    for service in cluster.every("Service"):
        pods = cluster.selected(service["metadata"]["namespace"], {"matchLabels": service["spec"]["selector"]})
        if len(pods) != 1:
            yield f"{named(service)}: leads to {len(pods)} kinds of pods"
        for port in service["spec"]["ports"]:
            if any(port["targetPort"] not in pod.ports for pod in pods):
                yield f"{named(service)}: no pod has a port {port['targetPort']}"


def scaling(cluster, programs):
    for scaler in cluster.every("HorizontalPodAutoscaler", "ScaledObject"):
        target = scaler["spec"]["scaleTargetRef"]
        owner = cluster.find(target["kind"], scaler["metadata"]["namespace"], target["name"])
        if not owner:
            yield f"{named(scaler)}: there is no {target['kind']} {target['name']}"
        elif "replicas" in owner["spec"]:
            yield f"{named(scaler)}: each deployment would undo its work"
        for metric in scaler["spec"].get("metrics", []):
            name = metric.get("pods", {}).get("metric", {}).get("name")
            if name and programs.metrics.get(name) != "GAUGE":
                yield f"{named(scaler)}: {name} is no gauge"
    for scaled in cluster.every("ScaledObject"):
        for trigger in scaled["spec"]["triggers"]:
            yield from (f"{named(scaled)}: {problem}" for problem in demand(cluster, programs, trigger, scaled))


def demand(cluster, programs, trigger, scaled):
    metadata, namespace = trigger["metadata"], scaled["metadata"]["namespace"]
    service, home, port, path = re.fullmatch(r"http://([\w-]+)\.([\w-]+)\.svc(?::(\d+))?(/.*)", metadata["url"]).groups()
    if not any(pod.args[:1] == ["fairlead-api"] for pod in cluster.behind(home, service, int(port or 80))):
        yield f"{metadata['url']} is no API node"
    if ("GET", path, "scheduling_demand", "API") not in programs.routes:
        yield f"there is no {path}"
    if not isinstance(programs.example("scheduling_demand").get(metadata["valueLocation"]), int):
        yield f"the answer has no number {metadata['valueLocation']}"
    for pod in cluster.pods:
        if pod.owner["metadata"]["name"] == scaled["spec"]["scaleTargetRef"]["name"]:
            slots = programs.value(pod.environment, "FAIRLEAD_WORKER_SLOTS")
            if metadata["targetValue"] != slots:
                yield f"a worker has {slots} slots, not {metadata['targetValue']}"
    if not cluster.find("TriggerAuthentication", namespace, trigger["authenticationRef"]["name"]):
        yield "nothing says how it proves who it is"


def networks(cluster, _programs):
    for namespace in {pod.namespace for pod in cluster.pods}:
        if not any(one["metadata"]["namespace"] == namespace and one["spec"]["podSelector"] == {}
                   and set(one["spec"]["policyTypes"]) == {"Ingress", "Egress"}
                   and not one["spec"].get("ingress") and not one["spec"].get("egress")
                   for one in cluster.every("NetworkPolicy")):
            yield f"{namespace}: what no rule names is allowed"
    for policy in cluster.every("NetworkPolicy"):
        pods = cluster.selected(policy["metadata"]["namespace"], policy["spec"]["podSelector"])
        if not pods:
            yield f"{named(policy)}: is about no pod"
        for rule in policy["spec"].get("ingress", []):
            for port in rule.get("ports", []):
                if not any(port["port"] in (*pod.ports, *pod.ports.values()) for pod in pods):
                    yield f"{named(policy)}: no pod has a port {port['port']}"


def named_by(cluster, peer, home, pod):
    """Whether a rule's peer is that pod; home is the namespace of the rule."""
    if "ipBlock" in peer:
        return False
    namespace = cluster.find("Namespace", None, pod.namespace)
    labels = {**namespace["metadata"].get("labels", {}), "kubernetes.io/metadata.name": pod.namespace}
    at_home = chosen(peer["namespaceSelector"], labels) if "namespaceSelector" in peer else pod.namespace == home
    return at_home and chosen(peer.get("podSelector", {}), pod.labels)


def lets(cluster, pod, way, other, port):
    """Whether a policy of the pod lets the way (egress to, ingress from) between it and the other be; port is a name of the target's."""
    target = other if way == "egress" else pod
    for policy in cluster.every("NetworkPolicy"):
        home = policy["metadata"]["namespace"]
        for rule in policy["spec"].get(way, []) if pod in cluster.selected(home, policy["spec"]["podSelector"]) else ():
            numbers = [one["port"] for one in rule["ports"]]
            if ((port in numbers or target.ports[port] in numbers)
                    and any(named_by(cluster, peer, home, other) for peer in rule["to" if way == "egress" else "from"])):
                return True
    return False


def reaches(cluster, source, target, port):
    return lets(cluster, source, "egress", target, port) and lets(cluster, target, "ingress", source, port)


def data(cluster, _programs):
    """Each program reaches the servers of the cluster that it needs; a worker nothing but Redis."""
    for pod in [one for one in cluster.pods if one.ours]:
        worker, migrate = pod.args[0] == "fairlead-worker", pod.args[0] == "fairlead"
        for other in cluster.pods:
            for port in other.ports:
                needed = (port in ("redis", "sentinel") and not migrate) or (port == "postgres" and not worker)
                may = reaches(cluster, pod, other, port)
                if needed and not may:
                    yield f"{pod.name}: does not reach {other.name} at {port}"
                if worker and may and not needed:
                    yield f"{pod.name}: reaches {other.name} at {port}"


# ---- routes ----

def concrete(pattern):
    return re.sub(r"\{\w+\}", "01JD0M6T3RHN4P6S8TAVCXEZ1B", pattern)


def path_fits(kind, value, path):
    if kind == "Exact":
        return path == value
    if kind == "RegularExpression":
        return re.fullmatch(value, path) is not None
    return path == value or path.startswith(value.rstrip("/") + "/")


def gateway_rows(cluster):
    """Every match of every HTTPRoute as (rank, method, kind, path, pods, rule): what ranks higher goes first (HTTPRouteMatch)."""
    ranks = {"Exact": 2, "RegularExpression": 1, "PathPrefix": 0}
    for route in cluster.every("HTTPRoute"):
        for rule in route["spec"]["rules"]:
            backend = rule["backendRefs"][0]
            pods = cluster.behind(route["metadata"]["namespace"], backend["name"], backend["port"])
            for match in rule["matches"]:
                path = match["path"]
                rank = (ranks[path["type"]], len(path["value"]), "method" in match)
                yield rank, match.get("method"), path["type"], path["value"], pods, rule


def ingress_rows(cluster):
    for ingress in cluster.every("Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                service = path["backend"]["service"]
                pods = cluster.behind(ingress["metadata"]["namespace"], service["name"], service["port"]["name"])
                rank = (path["pathType"] == "Exact", len(path["path"]))
                yield rank, None, path["pathType"], path["path"], pods, ingress


def destination(rows, method, path):
    """The program that a request comes to, and the rule by which it does; None: the load balancer refuses it."""
    fitting = [row for row in rows if row[1] in (None, method) and path_fits(row[2], row[3], path)]
    if not fitting:
        return None, None
    best = max(fitting, key=lambda row: row[0])
    return best[4][0].args[0] if len(best[4]) == 1 else None, best[5]


def routes(cluster, programs):
    """Each route leads to who answers it. An API node sends streaming requests on (307), so they may come there too by an Ingress."""
    for name, rows in (("HTTPRoute", list(gateway_rows(cluster))), ("Ingress", list(ingress_rows(cluster)))):
        for method, pattern, _operation, side in programs.routes if rows else ():
            wanted = {"API": ["fairlead-api"], "STREAMER": ["fairlead-streamer"], "PREFIX": ["fairlead-streamer"],
                      "EVERY": [None], "NODE": [None]}[side]
            if side == "STREAMER" and name == "Ingress" and "{id}/" in pattern:
                wanted = ["fairlead-api"]
            found, rule = destination(rows, method, concrete(pattern))
            if found not in wanted:
                yield f"{name}: {method} {pattern} comes to {found}"
            elif found and name == "HTTPRoute":
                yield from too_short(programs, side, pattern, rule)
    for ingress in cluster.every("Ingress"):
        idle = int(ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-read-timeout"])
        for setting in ("FAIRLEAD_STREAM_KEEPALIVE", "FAIRLEAD_SOCKET_PING"):
            if idle < 2 * seconds(programs.value({}, setting)):
                yield f"{named(ingress)}: silent streams are cut"


def too_short(programs, side, pattern, rule):
    limit = seconds(rule["timeouts"]["request"])
    if side == "API":
        if limit <= sum(seconds(programs.value({}, name)) for name in ("FAIRLEAD_HTTP_BODY_TIMEOUT", "FAIRLEAD_PG_STATEMENT_TIMEOUT")):
            yield f"HTTPRoute: {pattern} is cut off by {limit} s"
    elif limit != 0:
        yield f"HTTPRoute: the stream {pattern} is cut off after {limit} s"


CHECKS = (selectors, scaling, networks, data, routes)
