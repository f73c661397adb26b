#!/usr/bin/python3
"""test_monitoring.py ROOT: what is watched exists, and each alert has somebody's attention.

Every metric and label that a rule or a dashboard asks for is in the table of metrics, and every value of a label that
it picks is somewhere in the sources. Each alert has an entry in docs/operations.md, and each entry an alert. promtool
judges the rules and the configuration, and is shown for each alert figures at which it must fire, and some at which it
must not. The dashboards are what their table says.
"""
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

import yaml

ROOT = os.path.abspath(sys.argv[1])
sys.path.insert(0, ROOT + "/tests/lint")
from alert_cases import CASES  # noqa: E402

GIVEN_BY_PROMETHEUS = {"up": set()}
ALWAYS = {"job", "instance"}
WORD = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
NOT_METRICS = {"and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset"}
problems = []


def read(path):
    with open(f"{ROOT}/{path}", encoding="utf-8") as file:
        return file.read()


def expect(holds, what):
    if not holds:
        problems.append(what)


def table():
    """name -> its labels, with the names that a histogram has in Prometheus."""
    known = dict(GIVEN_BY_PROMETHEUS)
    for kind, name, labels in re.findall(r'^X\(\w+,\s*(\w+),\s*"(\w+)",\s*"([\w,]*)"', read("shared/metric/metric.def"), re.M):
        labels = set(filter(None, labels.split(",")))
        if kind in ("HISTOGRAM", "LONG"):
            known |= {name + "_bucket": labels | {"le"}, name + "_sum": labels, name + "_count": labels}
        else:
            known[name] = labels
    return known


def is_in_sources(value, sources):
    return f'"{value}"' in sources or f"ERR_{value}" in sources


def check_labels(where, name, matchers, known, sources):
    for label, operator, value in re.findall(rf'({WORD})\s*(=~|!~|!=|=)\s*"([^"]*)"', matchers):
        expect(label in known[name] | ALWAYS, f"{where}: {name} has no label {label}")
        if label in ALWAYS or value.startswith("$") or "(" in value:
            continue
        for one in value.split("|") if "~" in operator else [value]:
            expect(is_in_sources(one, sources) or re.search(r"[.*+]", one), f"{where}: no {label} is ever {one}")


def check_query(where, query, known, sources):
    grouped = set()
    for labels in re.findall(r"\b(?:by|on|without)\s*\(([^)]*)\)", query):
        grouped |= {label.strip() for label in labels.split(",") if label.strip()}
    rest = re.sub(r"\b(?:by|on|without)\s*\([^)]*\)", " ", query)
    selectors = re.findall(rf'(?<![\w:"])({WORD})\s*(\{{[^}}]*\}})?(?!\s*\(|[\w:])', re.sub(r"\[[^\]]*\]", "", rest))
    had = set(ALWAYS)
    for name, matchers in selectors:
        if name in NOT_METRICS or (not matchers and re.fullmatch(r"le|inf|nan", name, re.I)):
            continue
        expect(name in known, f"{where}: no such metric: {name}")
        if name in known:
            had |= known[name]
            check_labels(where, name, matchers, known, sources)
    expect(selectors, f"{where}: asks for nothing: {query}")
    expect(grouped <= had, f"{where}: groups by {sorted(grouped - had)}, which its metrics do not have")


def check_itself(known, sources):
    """What must be found wrong is."""
    wrong = {"fairlead_nothing": "no such metric", 'up{colour="red"}': "has no label", "sum by (route) (up)": "groups by",
             "rate(fairlead_http_requests_seconds_bucket[5m])": "no such metric", "sum(1)": "asks for nothing",
             'fairlead_http_requests_total{class=~"5xx|6xx"}': "no class is ever 6xx"}
    for query, words in wrong.items():
        check_query("itself", query, known, sources)
        if not any(words in problem for problem in problems):
            sys.exit(f"test_monitoring.py does not see what is wrong with: {query}")
        problems.clear()


def sources_text():
    names = subprocess.run(["git", "ls-files", "*.c", "*.h", "*.def"], cwd=ROOT, check=True, text=True,
                           stdout=subprocess.PIPE).stdout.split() if os.path.exists(ROOT + "/.git") else [
        os.path.relpath(path, ROOT) for end in ("c", "h", "def")
        for folder in ("shared", "api", "streamer", "scheduler", "worker")
        for path in glob.glob(f"{ROOT}/{folder}/**/*.{end}", recursive=True)]
    return "\n".join(read(name) for name in names if not name.startswith("tests/"))


def check_rules(groups, known, sources):
    for group in groups:
        for rule in group["rules"]:
            where = f"rules.yaml: {rule.get('alert') or rule['record']}"
            check_query(where, rule["expr"], known, sources)
            if "record" in rule:
                by = re.findall(r"by \(([^)]*)\)", rule["expr"])[0]
                known[rule["record"]] = {label.strip() for label in by.split(",")} - {"le"}
    rules = [rule for group in groups for rule in group["rules"]]
    return [rule for rule in rules if "alert" in rule], [rule for rule in rules if "record" in rule]


def check_runbook(alerts):
    entries = re.findall(r"^### (Fairlead\w+)$", read("docs/operations.md"), re.M)
    names = [alert["alert"] for alert in alerts]
    expect(len(set(names)) == len(names), "rules.yaml: an alert is there twice")
    for name in sorted(set(names) ^ set(entries)):
        expect(False, f"docs/operations.md: {name} has no " + ("alert" if name in entries else "entry"))
    for alert in alerts:
        expect(alert["annotations"]["runbook_url"] == "docs/operations.md#" + alert["alert"].lower(),
               f"rules.yaml: {alert['alert']}: the runbook_url is not that of its entry")
        expect(alert["labels"]["severity"] in ("page", "ticket"), f"rules.yaml: {alert['alert']}: severity")


def check_dashboards(known, sources):
    made = subprocess.run(["/usr/bin/python3", "-B", ROOT + "/deploy/grafana/make", "--check"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=30)
    expect(made.returncode == 0, made.stdout)
    paths = glob.glob(ROOT + "/deploy/grafana/*.json")
    expect(paths, "deploy/grafana: no dashboards")
    for path in paths:
        with open(path, encoding="utf-8") as file:
            board = json.load(file)
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                query = target["expr"].replace("$__rate_interval", "5m")
                check_query(f"{os.path.basename(path)}: {panel['title']}", query, known, sources)


def promtool(*words):
    done = subprocess.run(["promtool", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    expect(done.returncode == 0, done.stdout)


def check_configurations():
    """Debian's promtool knows no Kubernetes: what finds the pods is left out, what is made of them stays."""
    folder = ROOT + "/deploy/prometheus"
    pods = yaml.safe_load(read("deploy/prometheus/kubernetes.yaml"))
    pods["rule_files"] = [f"{folder}/{name}" for name in pods["rule_files"]]
    for job in pods["scrape_configs"]:
        expect(job.pop("kubernetes_sd_configs")[0]["role"] == "pod", "kubernetes.yaml: finds no pods")
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump(pods, file)
        file.flush()
        promtool("check", "config", file.name)
    promtool("check", "config", folder + "/prometheus.yaml")


def rule_test(alert, case):
    """Figures at which it fires, in one test, and those at which it does not, in others."""
    labels = {"severity": alert["labels"]["severity"], **case["labels"]}
    fires = [{"exp_labels": labels, "exp_annotations": alert["annotations"]}]
    told = lambda series: [{"series": name, "values": values} for name, values in series.items()]  # noqa: E731
    tests = [(case["fires"], fires)] + [(quiet, []) for quiet in case["quiet"]]
    return [{"interval": "15s", "input_series": told(series),
             "alert_rule_test": [{"eval_time": case["at"], "alertname": alert["alert"], "exp_alerts": expected}]}
            for series, expected in tests]


def needed(alert, records):
    return [record for record in records if record["record"] in alert["expr"]] + [alert]


def write_test(folder, alert, case, records):
    """With only the rules that it needs: promtool evaluates all it is given, at each step of each test."""
    rules, tests = f"{folder}/{alert['alert']}.rules", f"{folder}/{alert['alert']}.test"
    with open(rules, "w", encoding="utf-8") as file:
        json.dump({"groups": [{"name": "rules", "rules": needed(alert, records)}]}, file)
    with open(tests, "w", encoding="utf-8") as file:
        json.dump({"rule_files": [rules], "evaluation_interval": "15s", "tests": rule_test(alert, case)}, file)
    return tests


def check_alerts_fire(alerts, records):
    names = {alert["alert"] for alert in alerts}
    expect(names <= set(CASES), f"alert_cases.py: nothing shows that these fire: {sorted(names - set(CASES))}")
    expect(set(CASES) <= names, f"alert_cases.py: there are no such alerts: {sorted(set(CASES) - names)}")
    with tempfile.TemporaryDirectory() as folder:
        promtool("test", "rules", *(write_test(folder, alert, CASES[alert["alert"]], records) for alert in alerts
                                    if alert["alert"] in CASES))


def main():
    known, sources = table(), sources_text()
    expect(len(known) > 50, "metric.def: no rows")
    check_itself(known, sources)
    alerts, records = check_rules(yaml.safe_load(read("deploy/prometheus/rules.yaml"))["groups"], known, sources)
    check_runbook(alerts)
    check_dashboards(known, sources)
    check_configurations()
    check_alerts_fire(alerts, records)
    if problems:
        sys.exit("\n".join(problems))
    print(f"{len(alerts)} alerts fire, {len(known)} names are known")


main()
