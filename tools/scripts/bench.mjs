/**
 * `npm run bench`: builds what is to be measured, then measures it. Arguments are those of
 * bench/main.ts.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { build, root } from './build.mjs';

const wantsDist = process.argv.includes('--dist');
if (wantsDist || (await build())) {
  const bench = ['--import', 'tsx', join(root, 'bench/main.ts'), ...process.argv.slice(2)];
  const child = spawn(process.execPath, bench, { stdio: 'inherit', cwd: root });
  // It has processes of its own to stop: we end after it, not before it.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code) => {
    process.exitCode = code ?? 1;
  });
} else {
  process.exitCode = 1;
}
