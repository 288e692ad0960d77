// Builds the package into dist: one file for Node and bundlers, the same made small for pages, and the types.
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

import { build } from 'esbuild';

const place = (path) => new URL(path, import.meta.url).pathname;

rmSync(place('dist'), { recursive: true, force: true });

// The parser of event streams is built in, so that the package needs no other one. Its licence goes with it.
const licence = readFileSync(place('node_modules/eventsource-parser/LICENSE'), 'utf8').trim();
const banner = { js: `/*! Contains eventsource-parser:\n\n${licence}\n*/` };
const shared = {
  entryPoints: [place('src/index.ts')],
  bundle: true,
  format: 'esm',
  platform: 'neutral',
  mainFields: ['module', 'main'],
  target: 'es2022',
  banner,
};
await build({ ...shared, outfile: place('dist/index.js') });
await build({ ...shared, outfile: place('dist/browser.js'), minify: true, legalComments: 'inline' });

execFileSync(process.execPath, [place('node_modules/typescript/bin/tsc'), '-p', place('tsconfig.json')], {
  stdio: 'inherit',
});

const bundle = readFileSync(place('dist/browser.js'));
const size = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
console.log(`dist/browser.js: ${size(bundle.length)}, ${size(gzipSync(bundle).length)} compressed`);
