"""What queries of Prometheus ask for, compared with the table of metrics and the sources."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools"))
import sources  # noqa: E402

TABLE = "shared/metric/metric.def"
ROW = re.compile(r'^X\(\w+,\s*(\w+),\s*"(\w+)",\s*"([\w,]*)"', re.M)
WORD = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
GROUPING = re.compile(r"\b(?:by|on|without)\s*\(([^)]*)\)")
SELECTOR = re.compile(rf'(?<![\w:"])({WORD})\s*(\{{[^}}]*\}})?(?!\s*\(|[\w:])')
MATCHER = re.compile(rf'({WORD})\s*(=~|!~|!=|=)\s*"([^"]*)"')
OPERATORS = {"and", "or", "unless", "bool", "offset"}
OF_EVERY_TARGET = {"job", "instance"}  # labels that Prometheus gives


def split(labels):
    return {label.strip() for label in labels.split(",") if label.strip()}


class Known:
    def __init__(self, root):
        self.labels = {"up": set()}  # by the name of a metric
        for kind, name, labels in ROW.findall(sources.read(root, TABLE)):
            self._add_row(kind, name, split(labels))
        self.code = "\n".join(sources.read(root, name) for name in sources.files(root, ".c", ".h", ".def")
                              if not name.startswith("tests/"))

    def _add_row(self, kind, name, labels):
        if kind in ("HISTOGRAM", "LONG"):
            self.labels |= {name + "_bucket": labels | {"le"}, name + "_sum": labels, name + "_count": labels}
        else:
            self.labels[name] = labels

    def add_record(self, name, query):
        self.labels[name] = split(GROUPING.search(query).group(1)) - {"le"}

    def problems(self, query):
        """What is wrong with it, as sentences."""
        found, had = [], set(OF_EVERY_TARGET)
        asked = SELECTOR.findall(GROUPING.sub(" ", re.sub(r"\[[^\]]*\]", "", query)))
        asked = [(name, matchers) for name, matchers in asked if name not in OPERATORS]
        for name, matchers in asked:
            if name not in self.labels:
                found.append(f"no such metric: {name}")
                continue
            had |= self.labels[name]
            found += self._problems_of(name, matchers)
        if not asked:
            found.append(f"asks for nothing: {query}")
        grouped = set().union(*map(split, GROUPING.findall(query)))
        return found + [f"groups by {label}, which its metrics do not have" for label in sorted(grouped - had)]

    def _problems_of(self, name, matchers):
        for label, operator, value in MATCHER.findall(matchers):
            if label not in self.labels[name] | OF_EVERY_TARGET:
                yield f"{name} has no label {label}"
            elif label not in OF_EVERY_TARGET:
                values = value.split("|") if "~" in operator else [value]
                yield from (f"no {label} is ever {one}" for one in values if not self._occurs(one))

    def _occurs(self, value):
        return f'"{value}"' in self.code or f"ERR_{value}" in self.code
