"""Trades one SAML response for AWS credentials, as boto3's `assume_role_with_saml` does, against moto's STS in this process.

Proves that the attributes of AWS are where AWS's client expects them; moto checks no signature and reads one role.

Reads a JSON object on standard input: `response` (the base64 text of SAMLResponse), `role_arn`, `provider_arn`.
Prints a JSON object: the credentials and the assumed role. Any failure is an exception and an exit code other than 0.
"""

import json
import os
import sys

# boto3 looks for credentials and a region before it asks for new ones; moto lets nothing out of the process.
os.environ.update(
    AWS_ACCESS_KEY_ID="none", AWS_SECRET_ACCESS_KEY="none", AWS_DEFAULT_REGION="us-east-1", AWS_EC2_METADATA_DISABLED="true"
)

import boto3
from moto import mock_aws


@mock_aws
def trade(case):
    answer = boto3.client("sts").assume_role_with_saml(
        RoleArn=case["role_arn"], PrincipalArn=case["provider_arn"], SAMLAssertion=case["response"]
    )
    credentials = answer["Credentials"]
    # The new credentials are used once: who does AWS think this is?
    caller = boto3.client(
        "sts",
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    ).get_caller_identity()
    return {
        "access_key_id": credentials["AccessKeyId"],
        "session_token": credentials["SessionToken"],
        "expires": credentials["Expiration"].isoformat(),
        "assumed_role": answer["AssumedRoleUser"]["Arn"],
        "caller": caller["Arn"],
    }


if __name__ == "__main__":
    json.dump(trade(json.load(sys.stdin)), sys.stdout)
