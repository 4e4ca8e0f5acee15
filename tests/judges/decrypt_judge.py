"""Decrypts XML with xmlsec 1.3, which knows the key transport of XML Encryption 1.1.

Reads a JSON object on standard input: `xml`, and `key`, a private key in PEM.
Prints the document with what it read in place of its first EncryptedData. Any failure is an exception and an exit code other
than 0.
"""

import json
import sys

import xmlsec
from lxml import etree


def decrypt(case):
    document = etree.fromstring(case["xml"].encode())
    encrypted = xmlsec.tree.find_node(document, "EncryptedData", xmlsec.constants.EncNs)
    manager = xmlsec.KeysManager()
    manager.add_key(xmlsec.Key.from_memory(case["key"], xmlsec.constants.KeyDataFormatPem))
    xmlsec.EncryptionContext(manager).decrypt(encrypted)
    return etree.tostring(document, encoding="unicode")


if __name__ == "__main__":
    sys.stdout.write(decrypt(json.load(sys.stdin)))
