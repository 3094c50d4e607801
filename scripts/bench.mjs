/** `npm run bench`: builds what is to be measured, then measures it. Arguments are those of bench/main.ts. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { build, root } from './build.mjs';

const wantsDist = process.argv.includes('--dist');
if (wantsDist || (await build())) {
  const bench = ['--import', 'tsx', join(root, 'bench/main.ts'), ...process.argv.slice(2)];
  process.exitCode = spawnSync(process.execPath, bench, { stdio: 'inherit', cwd: root }).status ?? 1;
} else {
  process.exitCode = 1;
}
