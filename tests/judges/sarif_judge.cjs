// Judges a report, read from standard input, by the schema of SARIF 2.1.0 that others publish. Prints what is wrong, a line each.
'use strict';

const Ajv = require('ajv');
const schema = require('@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json');

const report = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const ajv = new Ajv({ allErrors: true, schemaId: 'auto' });
ajv.addMetaSchema(require('ajv/lib/refs/json-schema-draft-04.json'));
const validate = ajv.compile(schema);
if (!validate(report)) {
  for (const error of validate.errors) {
    console.log(`${error.dataPath || '/'}: ${error.message}`);
  }
  process.exit(1);
}
