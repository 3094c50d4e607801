import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { openLogStore } from '#storage/open';
import { readAll } from '#tests/contract/log-store';

const WRITER = join(__dirname, 'kill-writer.ts');

test('a process that is killed leaves a lock that is taken over and everything that it had acked', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'log-store-kill-'));
  const dataDir = join(directory, 'log');
  const child = spawn(process.execPath, ['--import', 'tsx', WRITER, dataDir], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  let acked = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    acked = Number(line);
    if (acked >= 500) child.kill('SIGKILL');
  }
  await exited;
  expect(acked).toBeGreaterThanOrEqual(500);
  const { store, report } = await openLogStore({ kind: 'disk', dataDir, logName: 'rlog', logId: null });
  expect(report.lockTakenFrom).toBe(child.pid);
  const records = await readAll(store);
  expect(records.length).toBeGreaterThanOrEqual(acked);
  expect(records.map(({ index }) => index)).toEqual(records.map((_, at) => at + 1));
  for (const { id, seq } of records) expect(store.seqOfId(id ?? '')).toBe(seq);
  await store.close();
  await rm(directory, { recursive: true });
}, 30_000);
