/**
 * `npm start`, `npm run echo:server`, `npm run echo:client`, `npm run inspect`, `npm run begin`:
 * builds, then becomes the compiled program. Becomes, not starts: the program is loaded into this
 * very process, so signals, terminal, pid and exit code are its own and nothing has to be passed
 * on.
 *
 *   start.ts [echo-server | echo-client | inspect | begin] [arguments of the program]
 */
import { join } from 'node:path';
import { build, ROOT } from './build';
import { endWithNpm } from './end-with-npm';

const PROGRAMS = new Map([
  ['echo-server', 'services/echo/server.js'],
  ['echo-client', 'services/echo/client.js'],
  ['inspect', 'services/inspect/main.js'],
  ['begin', 'services/begin/main.js'],
]);

async function start(): Promise<void> {
  const named = PROGRAMS.get(process.argv[2] ?? '');
  const program = join(ROOT, 'dist', named ?? 'tools/cluster/main.js');
  const end = (_signal: NodeJS.Signals, number: number) => process.exit(128 + number);
  process.once('SIGINT', end).once('SIGTERM', end);
  endWithNpm();
  process.stderr.write('building …\n');
  const isBuilt = await build();
  process.removeListener('SIGINT', end).removeListener('SIGTERM', end);
  if (isBuilt) {
    process.argv.splice(1, named === undefined ? 1 : 2, program);
    require(program);
  } else {
    process.stderr.write('Not started: the build failed.\n');
    process.exitCode = 1;
  }
}

void start();
