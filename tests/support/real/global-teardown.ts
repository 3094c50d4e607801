/**
 * Leaves nothing behind: processes that a crashed test file could not end, the run's data, the
 * broker.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TestBroker } from './test-broker';

export default async function globalTeardown(): Promise<void> {
  const runDir = process.env.RLOG_TEST_DIR;
  if (runDir !== undefined) {
    killLeftOver(join(runDir, 'pids'));
    rmSync(runDir, { recursive: true, force: true, maxRetries: 5 });
  }
  await (globalThis as { rlogTestBroker?: TestBroker }).rlogTestBroker?.stop();
}

/** A file per process that was started and whose end nobody has seen; see real-process.ts. */
function killLeftOver(pidsDir: string): void {
  if (!existsSync(pidsDir)) return;
  for (const pid of readdirSync(pidsDir)) {
    process.stderr.write(
      `killing ${readFileSync(join(pidsDir, pid), 'utf8')} (${pid}), which the tests left running\n`,
    );
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}
