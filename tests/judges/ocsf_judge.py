"""Judges events of the Open Cybersecurity Schema Framework, a JSON list on standard input, by the schema of the version that each
names, as others publish it. Prints a list of what is wrong with each."""

import json
import sys

from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

judges = {}


def judge(event):
    """What the schema of the class that the event says it is of finds wrong with it."""
    version, uid = event["metadata"]["version"], event["class_uid"]
    if (version, uid) not in judges:
        schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=version))
        judges[version, uid] = Draft202012Validator(schema.get_class_schema(schema.lookup_class_name_from_uid(uid)))
    return [f"{wrong.json_path}: {wrong.message}" for wrong in judges[version, uid].iter_errors(event)]


json.dump([judge(event) for event in json.load(sys.stdin)], sys.stdout)
