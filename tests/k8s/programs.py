"""What the programs expose, from their tables: settings, routes, metrics."""
import functools
import json
import os
import re
import subprocess
import tempfile

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


def seconds(text):
    """A time of Fairlead ("500ms") or of the Gateway API ("75s")."""
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h)", text).groups()
    return int(number) * UNITS[unit]


class Programs:
    def __init__(self, root, binaries):
        self.root, self.binaries = root, binaries
        self.settings = {f"FAIRLEAD_{name.upper()}": (kind, default) for name, kind, default in
                         re.findall(r'^X\((\w+), +(\w+), +"([^"]*)"', self.read("shared/conf/settings.def"), re.M)}
        self.routes = []
        for row in re.findall(r"^X\((.*)\)$", self.read("shared/rest/routes.def"), re.M):
            method, pattern, operation, *_rest = columns = [word.strip() for word in row.split(",")]
            self.routes.append((method, pattern.strip('"'), operation, columns[7]))
        self.metrics = dict((name, kind) for kind, name in
                            re.findall(r'^X\(\w+, +(\w+), +"(\w+)"', self.read("shared/metric/metric.def"), re.M))

    def read(self, name):
        with open(f"{self.root}/{name}", encoding="utf-8") as file:
            return file.read()

    def example(self, operation):
        """The answer that the documents show for an operation."""
        text = re.search(rf"^X\({operation},\n((?:  \".*\"\)?\n)+)", self.read("shared/rest/examples.def"), re.M).group(1)
        return json.loads("".join(json.loads(line.strip().rstrip(")")) for line in text.splitlines()))

    def setting_of(self, variable):
        """The setting that a variable gives, or None: FAIRLEAD_PG_URL_FILE gives FAIRLEAD_PG_URL."""
        if variable in self.settings:
            return variable
        base = variable.removesuffix("_FILE")
        return base if base != variable and self.settings.get(base, ("",))[0] == "SECRET" else None

    def value(self, environment, variable):
        return environment.get(variable, self.settings[variable][1])

    @functools.cache
    def complaints(self, environment):
        """What a program has to say about these settings (pairs); secrets of files are made up."""
        with tempfile.TemporaryDirectory() as folder:
            path = folder + "/secret"
            with open(path, "w", encoding="utf-8") as file:
                file.write("a-secret-of-sixteen-bytes-at-least")
            made_up = {name: path if name.endswith("_FILE") else value for name, value in environment}
            done = subprocess.run([self.binaries + "/fairlead", "health"], env=made_up, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, check=False, timeout=30)
        return [line for line in done.stderr.decode().splitlines() if line != "fairlead: nobody listens"]

    @functools.cache
    def answers(self, *words):
        """Whether there is such a program, or command of `fairlead`."""
        path = f"{self.binaries}/{words[0]}"
        return os.path.exists(path) and subprocess.run(
            [path, *words[1:], "--help"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, timeout=30).returncode == 0
