/** `npm test`: loads testing/main.ts, which runs the tests, once the packages are there. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { root } from './build.mjs';
import { endWithNpm } from './end-with-npm.mjs';

if (existsSync(join(root, 'node_modules/tsx'))) {
  endWithNpm();
  const require = createRequire(import.meta.url);
  require('tsx/cjs');
  require('./testing/main.ts');
} else {
  process.stdout.write('The packages are not installed yet: npm ci\n\n0 passed, 1 failed\n');
  process.exitCode = 1;
}
