import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { PROJECT } from './harness/server.js';

test('the types are those of the OpenAPI document', () => {
  const client = join(PROJECT, 'clients', 'typescript');
  const made = execFileSync('npm', ['run', '--silent', 'types'], { cwd: client, encoding: 'utf8' });
  const kept = readFileSync(join(client, 'src', 'generated', 'openapi.ts'), 'utf8');
  assert.ok(made === kept, 'docs/openapi.json has changed: run `npm run generate`');
});
