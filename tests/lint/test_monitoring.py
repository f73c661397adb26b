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
from queries import Known  # noqa: E402

problems = []


def read(path):
    with open(f"{ROOT}/{path}", encoding="utf-8") as file:
        return file.read()


def expect(holds, what):
    if not holds:
        problems.append(what)


def check_query(where, query, known):
    problems.extend(f"{where}: {problem}" for problem in known.problems(query))


def check_itself(known):
    """What must be found wrong is."""
    wrong = {"fairlead_nothing": "no such metric", 'up{colour="red"}': "has no label", "sum by (route) (up)": "groups by",
             "rate(fairlead_http_requests_seconds_bucket[5m])": "no such metric", "sum(1)": "asks for nothing",
             'fairlead_http_requests_total{class=~"5xx|6xx"}': "no class is ever 6xx"}
    for query, words in wrong.items():
        expect(any(words in problem for problem in known.problems(query)), f"nothing is found wrong with: {query}")


def check_rules(groups, known):
    """The alerts and the records."""
    rules = [rule for group in groups for rule in group["rules"]]
    for rule in rules:
        check_query(f"rules.yaml: {rule.get('alert') or rule['record']}", rule["expr"], known)
        if "record" in rule:
            known.add_record(rule["record"], rule["expr"])
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


def check_dashboards(known):
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
                check_query(f"{os.path.basename(path)}: {panel['title']}", target["expr"], known)


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


def figures(series):
    return [{"series": name, "values": values} for name, values in series.items()]


def rule_test(alert, case):
    """Figures at which it fires, in one test, and those at which it does not, in others."""
    labels = {"severity": alert["labels"]["severity"], **case["labels"]}
    fires = [{"exp_labels": labels, "exp_annotations": alert["annotations"]}]
    return [{"interval": "15s", "input_series": figures(series),
             "alert_rule_test": [{"eval_time": case["at"], "alertname": alert["alert"], "exp_alerts": expected}]}
            for series, expected in [(case["fires"], fires)] + [(quiet, []) for quiet in case["quiet"]]]


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
    known = Known(ROOT)
    check_itself(known)
    alerts, records = check_rules(yaml.safe_load(read("deploy/prometheus/rules.yaml"))["groups"], known)
    check_runbook(alerts)
    check_dashboards(known)
    check_configurations()
    check_alerts_fire(alerts, records)
    if problems:
        sys.exit("\n".join(problems))
    print(f"{len(alerts)} alerts fire, {len(known.labels)} names are known")


main()
