/**
 * `npm start`, `npm run echo:server`, `npm run echo:client`, `npm run inspect`, `npm run begin`:
 * builds, then becomes the compiled program. Becomes, not starts: the program is loaded into this
 * very process, so signals, terminal, pid and exit code are its own and nothing has to be passed
 * on.
 *
 *   node tools/scripts/start.mjs [echo-server | echo-client | inspect | begin] [arguments of the program]
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { build, root } from './build.mjs';
import { endWithNpm } from './end-with-npm.mjs';

const PROGRAMS = {
  'echo-server': 'services/echo/server.js',
  'echo-client': 'services/echo/client.js',
  inspect: 'services/inspect/main.js',
  begin: 'services/begin/main.js',
};

const [, , first, ...rest] = process.argv;
const isNamed = first !== undefined && Object.hasOwn(PROGRAMS, first);
const program = join(root, 'dist', isNamed ? PROGRAMS[first] : 'tools/cluster/main.js');

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
]) {
  process.once(signal, () => process.exit(code));
}

endWithNpm();
process.stderr.write('building …\n');
const isBuilt = await build();
process.removeAllListeners('SIGINT').removeAllListeners('SIGTERM');

if (isBuilt) {
  process.argv.splice(1, process.argv.length, program, ...(isNamed ? rest : process.argv.slice(2)));
  createRequire(import.meta.url)(program);
} else {
  process.stderr.write('Not started: the build failed.\n');
  process.exitCode = 1;
}
