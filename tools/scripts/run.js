/**
 * Runs a program of this checkout from its TypeScript, in this process:
 *
 *   node tools/scripts/run.js FILE [arguments of the program]
 *
 * It is JavaScript because it must also run without the development packages, to name the remedy.
 * npm leaves them out under NODE_ENV=production.
 */
const { resolve } = require('node:path');

const program = require.resolve(resolve(__dirname, '../..', process.argv[2]));
process.argv.splice(1, 2, program);
if (isInstalled('tsx/cjs') && isInstalled('typescript')) {
  require('tsx/cjs');
  require(program);
} else {
  process.stderr.write('The packages are not installed, or without those for development: npm ci --include=dev\n');
  // The last line of `npm test` always has the counts.
  if (program.includes('testing')) process.stdout.write('0 passed, 1 failed\n');
  process.exitCode = 1;
}

function isInstalled(name) {
  try {
    return require.resolve(name) !== '';
  } catch {
    return false;
  }
}
