/**
 * Two thousand seeds that nobody has run before, each twice, and those that failed once; in
 * processes of their own, one per core.
 */
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { FAILED_SEEDS } from './failed-seeds';

const FRESH_SEEDS = 2_000;
/** Many times what it takes on two cores, for a machine that does other things, too. */
const BOUND_MS = 8 * 60_000;

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

function simulateInProcess(...args: string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', 'tsx', join(__dirname, 'main.ts'), '--twice', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: BOUND_MS,
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}

function check(ends: readonly Ended[]): void {
  const failed = ends.filter(({ code }) => code !== 0).map(({ output }) => output.slice(-6_000));
  expect(failed).toEqual([]);
}

test(
  `${FRESH_SEEDS} fresh seeds keep every promise, twice the same`,
  async () => {
    const first = Number(process.env.SIM_SEED ?? Date.now() % 1_000_000_000);
    const processes = Math.max(1, Math.min(2, availableParallelism()));
    const share = Math.ceil(FRESH_SEEDS / processes);
    process.stderr.write(`simulated seeds from ${first} on; again with SIM_SEED=${first}\n`);
    const ends = Array.from({ length: processes }, (_, at) =>
      simulateInProcess('--seed', String(first + at * share), '--runs', String(share)),
    );
    check(await Promise.all(ends));
  },
  BOUND_MS,
);

test(
  'the seeds that failed once do not fail any more',
  async () => {
    check([await simulateInProcess('--seeds', FAILED_SEEDS.join(','))]);
  },
  BOUND_MS,
);
