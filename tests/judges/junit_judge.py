"""Reads a report of tests as a build server does, with junitparser.

Reads a JSON object on standard input: `report`, the XML.

Prints a JSON object: `tests`, `failures`, `errors` and `skipped` of all, and `suites`, each with its `name` and `cases`: `name`,
`classname`, `result` (`passed`, `failure` or `error`) and `message`. Exits with 1 and says why when the report is no such thing, or says
other counts than its cases come to.
"""

import json
import sys

from junitparser import JUnitXml, TestSuite

COUNTS = ("tests", "failures", "errors", "skipped")


def counts(of):
    return {name: getattr(of, name) or 0 for name in COUNTS}


def check(of, name):
    stated = counts(of)
    of.update_statistics()
    if stated != counts(of):
        sys.exit(f"{name}: says {stated}, holds {counts(of)}")


def case(of):
    kind = "passed" if of.is_passed else "failure" if of.is_failure else "error" if of.is_error else "skipped"
    message = of.result[0].message if of.result else None
    return {"name": of.name, "classname": of.classname, "result": kind, "message": message}


report = JUnitXml.fromstring(json.load(sys.stdin)["report"].encode())
if not isinstance(report, JUnitXml):
    sys.exit("it is no report of several suites")
suites = []
for suite in report:
    if not isinstance(suite, TestSuite):
        sys.exit(f"not a suite: {suite}")
    # What it does not know it passes over.
    strange = [child.tag for child in suite._elem if child.tag not in ("testcase", "properties")]
    if strange:
        sys.exit(f"{suite.name}: {strange}")
    check(suite, suite.name)
    suites.append({"name": suite.name, "cases": [case(one) for one in suite]})
stated = counts(report)
check(report, "all")
json.dump({**stated, "suites": suites}, sys.stdout)
