import { setImmediate as nextTurn } from 'node:timers/promises';
import { CrashHistory } from './crash-history';
import { CrashingFileSystem, type CrashKind } from './crashing-file-system';
import { openOn, randomOf, type SmallSizes, storeOn } from './disk-harness';

const STEPS = 40;
const SEEDS = [1, 2, 3, 4];
/** Few files that are extended ahead of their groups, and many that are not. */
const AHEAD: SmallSizes = { segmentBytes: 12_000, aheadBytes: 8_000 };
/** A checkpoint every few groups. */
const CHECKPOINTS: SmallSizes = { checkpointBytes: 1_500 };
const HISTORIES = [
  ...SEEDS.map((seed) => [seed, 'small segments', {}] as const),
  ...SEEDS.map((seed) => [seed, 'files extended ahead', AHEAD] as const),
  ...SEEDS.slice(2).map((seed) => [seed, 'checkpoints', CHECKPOINTS] as const),
];
/** The kill comes last: it uses up what was left. */
const KINDS: readonly CrashKind[] = ['power loss', 'power loss', 'kill'];

/** Runs the history of a seed up to a crash; what it left, or null when it ended before. */
async function crashed(
  seed: number,
  crashAt: number,
  sizes: SmallSizes,
): Promise<{ history: CrashHistory; left: CrashingFileSystem } | null> {
  const left = CrashingFileSystem.empty();
  left.crashAt = crashAt;
  const history = new CrashHistory(randomOf(seed));
  let isDone = false;
  try {
    const store = await storeOn(left, sizes);
    await history.run(store, STEPS);
    await store.close();
    isDone = true;
  } catch (error) {
    if (left.operations < crashAt) throw error;
  }
  return isDone && left.operations < crashAt ? null : { history, left };
}

/** A restart that is itself cut short, several times, before one gets through. */
async function restarted(
  left: CrashingFileSystem,
  kind: CrashKind,
  random: () => number,
  sizes: SmallSizes,
): Promise<CrashingFileSystem> {
  let found = left.afterCrash(kind, random);
  for (let round = 0; round < 2; round += 1) {
    found.crashAt = 1 + Math.floor(random() * 14);
    try {
      await openOn(found, sizes);
    } catch (error) {
      if (found.operations < found.crashAt) throw error;
    }
    found = found.afterCrash(kind, random);
  }
  return found;
}

describe.each(HISTORIES)('a crash at every operation of history %i, %s', (seed, _, sizes) => {
  test('leaves every resolved operation, a prefix of the rest, and nothing else', async () => {
    let [points, covered] = [0, 0];
    for (let crashAt = 1; ; crashAt += 1) {
      const run = await crashed(seed, crashAt, sizes);
      if (run === null) break;
      points += 1;
      for (const [at, kind] of KINDS.entries()) {
        const random = randomOf(seed * 1_000_003 + crashAt * 7 + at);
        try {
          const { store, unreadBytes } = await openOn(await restarted(run.left, kind, random, sizes), sizes);
          await run.history.check(store);
          await store.verify(async () => undefined);
          covered += unreadBytes;
        } catch (cause) {
          throw new Error(`seed ${seed}, ${kind} ${at} at operation ${crashAt}: ${String(cause)}`, { cause });
        }
      }
    }
    expect(points).toBeGreaterThan(100);
    expect(covered > 0).toBe(sizes === CHECKPOINTS);
  }, 120_000);
});

test('a store goes on after each of many crashes in a row', async () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const random = randomOf(seed);
    const history = new CrashHistory(random);
    const sizes = [{}, AHEAD, CHECKPOINTS][seed % 3] ?? {};
    let fileSystem = CrashingFileSystem.empty();
    for (let round = 0; round < 6; round += 1) {
      try {
        const store = await storeOn(fileSystem, sizes);
        await history.check(store);
        await history.adopt(store);
        fileSystem.crashAt = fileSystem.operations + 1 + Math.floor(random() * 120);
        const verified = store.verify(nextTurn);
        await history.run(store, STEPS);
        await verified;
      } catch (cause) {
        throw new Error(`seed ${seed}, round ${round}: ${String(cause)}`, { cause });
      }
      fileSystem = fileSystem.afterCrash(random() < 0.3 ? 'kill' : 'power loss', random);
    }
  }
}, 120_000);
