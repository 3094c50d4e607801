/**
 * Two processes that do not see each other, each pid 1 of its own PID namespace, on one folder: what
 * two containers with one volume are. It needs Linux, root and unshare(1).
 */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { openLogStore } from '#storage/open';

const WRITER = join(__dirname, '../kill-writer.ts');
const CONTAINER = ['--pid', '--fork', '--kill-child', '--mount-proc'];

const canUnshare = spawnSync('unshare', [...CONTAINER, 'true']).status === 0;
if (!canUnshare) process.stderr.write('the test of two PID namespaces is skipped: unshare(1) is refused here\n');
const withNamespaces = canUnshare ? test : test.skip;

const started: ChildProcessWithoutNullStreams[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

/** A writer in a PID namespace of its own; `lines` are what it prints. */
function startWriter(dataDir: string) {
  const command = [...CONTAINER, process.execPath, '--import', 'tsx', WRITER, dataDir];
  const child: ChildProcessWithoutNullStreams = spawn('unshare', command);
  started.push(child);
  const exited = once(child, 'exit');
  let errors = '';
  child.stderr.on('data', (chunk) => {
    errors += String(chunk);
  });
  return { child, exited, errors: () => errors, lines: createInterface({ input: child.stdout }) };
}

withNamespaces(
  'a second container on the folder is refused before it changes anything; after a kill -9 the next one goes on',
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'log-store-namespaces-'));
    const dataDir = join(directory, 'log');
    const first = startWriter(dataDir);
    await once(first.lines, 'line');
    expect(JSON.parse(await readFile(join(dataDir, 'lock'), 'utf8'))).toMatchObject({ pid: 1 });

    const second = startWriter(dataDir);
    let written = 0;
    second.lines.on('line', () => {
      written += 1;
    });
    const [code] = (await second.exited) as [number];
    expect(code).not.toBe(0);
    expect(second.errors()).toContain('is in use by process 1');
    expect(written).toBe(0);
    expect((await readdir(dataDir)).filter((name) => name.startsWith('lock'))).toEqual(['lock']);
    const [line] = (await once(first.lines, 'line')) as [string];
    expect(Number(line)).toBeGreaterThan(0);

    first.child.kill('SIGKILL');
    await first.exited;
    const { store, report } = await openLogStore({ kind: 'disk', dataDir, logName: 'rlog', logId: null });
    expect(report.lockTakenFrom).toBe(1);
    expect(store.durableIndex).toBeGreaterThanOrEqual(Number(line));
    await store.close();
    await rm(directory, { recursive: true });
  },
  60_000,
);
