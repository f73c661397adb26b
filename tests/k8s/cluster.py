"""The resources of one rendering, as a cluster would put them together: pods and what refers to them."""


class Pod:
    """A template, with the environment that its one container of ours gets."""

    def __init__(self, cluster, owner):
        self.owner = owner
        self.name = f"{owner['kind']}/{owner['metadata']['name']}"
        self.namespace = owner["metadata"]["namespace"]
        template = owner["spec"]["template"]
        self.labels = template["metadata"]["labels"]
        self.annotations = template["metadata"].get("annotations", {})
        self.spec = template["spec"]
        self.containers = self.spec.get("initContainers", []) + self.spec["containers"]
        self.container = self.spec["containers"][0]  # ours have one
        self.args = self.container.get("args", [])
        self.ours = bool(self.args) and self.args[0].split("-")[0] == "fairlead"
        self.ports = {port["name"]: port["containerPort"] for one in self.containers for port in one.get("ports", [])}
        count = owner["spec"].get("replicas", 1) if owner["kind"] == "StatefulSet" else 0
        self.names = {f"{owner['metadata']['name']}-{number}" for number in range(count)}
        self.environment = {}
        for source in self.container.get("envFrom", []):
            found = cluster.find("ConfigMap", self.namespace, source["configMapRef"]["name"])
            self.environment.update(found["data"] if found else {})
        for entry in self.container.get("env", []):
            self.environment[entry["name"]] = entry.get("value", "")


def chosen(selector, labels):
    """Whether a label selector takes something with these labels."""
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    return all(rule["operator"] == "In" and labels.get(rule["key"]) in rule["values"]
               for rule in selector.get("matchExpressions", []))


class Cluster:
    def __init__(self, resources):
        self.resources = resources
        self.pods = [Pod(self, one) for one in resources if one["kind"] in ("Deployment", "StatefulSet", "Job")]

    def every(self, *kinds):
        return [one for one in self.resources if one["kind"] in kinds]

    def find(self, kind, namespace, name):
        for one in self.every(kind):
            if one["metadata"]["name"] == name and one["metadata"].get("namespace") == namespace:
                return one
        return None

    def selected(self, namespace, selector):
        """Pods by their labels; one of a StatefulSet also by its name."""
        labels = dict(selector.get("matchLabels", {}))
        name = labels.pop("statefulset.kubernetes.io/pod-name", None)
        rest = {**selector, "matchLabels": labels}
        return [pod for pod in self.pods if pod.namespace == namespace and chosen(rest, pod.labels)
                and (name is None or name in pod.names)]

    def behind(self, namespace, service, port):
        """The pods that a port (name or number) of a Service leads to."""
        found = self.find("Service", namespace, service)
        if not found or not any(port in (one["name"], one["port"]) for one in found["spec"]["ports"]):
            return []
        return self.selected(namespace, {"matchLabels": found["spec"]["selector"]})
