/** The entry of all scripts, as a process. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ROOT } from '#tools/scripts/build';

/** Processes are started. */
jest.setTimeout(60_000);

const ENTRY = 'tools/scripts/run.js';

let checkout: string;

/** A checkout that has one program, and no packages. */
beforeEach(() => {
  checkout = mkdtempSync(join(tmpdir(), 'rlog-run-'));
  mkdirSync(join(checkout, dirname(ENTRY), 'testing'), { recursive: true });
  copyFileSync(join(ROOT, ENTRY), join(checkout, ENTRY));
});

afterEach(() => rmSync(checkout, { recursive: true, force: true }));

function run(root: string, args: readonly string[]) {
  const { pid, status, stdout, stderr } = spawnSync(process.execPath, [join(root, ENTRY), ...args], {
    encoding: 'utf8',
  });
  return { pid, status, stdout, stderr };
}

test.each([
  ['tools/scripts/start.ts', ''],
  ['tools/scripts/testing/main.ts', '0 passed, 1 failed\n'],
])('without the development packages %s does not run, and what to do is said', (program, stdout) => {
  writeFileSync(join(checkout, program), 'process.stdout.write("ran");');
  const { status, stderr, ...said } = run(checkout, [program]);
  expect([status, said.stdout]).toEqual([1, stdout]);
  expect(stderr).toContain('npm ci --include=dev');
});

test('a program in TypeScript runs in the same process, with its own arguments and exit code', () => {
  const program = join(checkout, 'program.ts');
  writeFileSync(
    program,
    'const pid: number = process.pid; console.log(pid, process.argv[1], process.argv[2]); process.exitCode = 7;',
  );
  const { pid, ...ended } = run(ROOT, [program, '--a']);
  expect(ended).toEqual({ status: 7, stdout: `${pid} ${program} --a\n`, stderr: '' });
});

test.each([
  [['dockr'], 'no page is named dockr; did you mean docker?\n'],
  [['x'], 'no page is named x; there are readme, docker, operations, pictures\n'],
])('npm run transcript refuses the unknown page %j', (args, stderr) => {
  expect(run(ROOT, ['tools/scripts/transcripts/main.ts', ...args])).toMatchObject({ status: 2, stdout: '', stderr });
});
