import fc from 'fast-check';
import { IdIndex } from '#storage/disk/ids/id-index';
import { CrashingFileSystem } from '../crashing-file-system';

const OPTIONS = { directory: '/ids', storeId: '0123456789abcdef' };

async function filled(fileSystem: CrashingFileSystem, count: number, runIds: number): Promise<IdIndex> {
  const index = await IdIndex.open({ ...OPTIONS, fileSystem, runIds });
  for (let at = 1; at <= count; at += 1) {
    index.add(`id-${at}`, at * 2);
    await index.flushIfLarge(() => at * 2);
  }
  return index;
}

test('ids are found in memory, in runs and in merged runs; others are not', async () => {
  const fileSystem = CrashingFileSystem.empty();
  const index = await filled(fileSystem, 3_001, 30);
  for (let at = 1; at <= 3_001; at += 1) expect(index.find(`id-${at}`)).toBe(at * 2);
  for (let at = 3_002; at <= 6_000; at += 1) expect(index.find(`id-${at}`)).toBeNull();
  const runs = fileSystem.paths().length;
  expect(runs).toBeGreaterThan(1);
  expect(runs).toBeLessThan(22);
});

test('opened again it has what was in runs and says up to where', async () => {
  const fileSystem = CrashingFileSystem.empty();
  await (await filled(fileSystem, 100, 30)).close();
  const index = await IdIndex.open({ ...OPTIONS, fileSystem });
  expect(index.completeTo).toBe(180);
  expect([index.find('id-90'), index.find('id-91')]).toEqual([180, null]);
});

test('runs of another store are thrown away', async () => {
  const fileSystem = CrashingFileSystem.empty();
  await (await filled(fileSystem, 100, 30)).close();
  const index = await IdIndex.open({ ...OPTIONS, fileSystem, storeId: 'f'.repeat(16) });
  expect([index.completeTo, index.find('id-1')]).toEqual([0, null]);
  expect(fileSystem.paths()).toEqual([]);
});

test('a damaged run is thrown away with those behind it, whatever byte it is', async () => {
  const fileSystem = CrashingFileSystem.empty();
  await (await filled(fileSystem, 100, 30)).close();
  const [first = '', second = ''] = fileSystem.paths();
  for (let byte = 0; byte < fileSystem.sizeOf(second); byte += 97) {
    const flipped = fileSystem.copy();
    flipped.flipBit(second, byte, byte % 8);
    const index = await IdIndex.open({ ...OPTIONS, fileSystem: flipped });
    expect(index.completeTo).toBe(60);
    expect(flipped.paths()).toEqual([first]);
  }
});

test('it does what a map does through cuts and reopens', async () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('add' as const), count: fc.integer({ min: 1, max: 9 }) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('cut' as const), count: fc.nat(40) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const), count: fc.constant(0) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const fileSystem = CrashingFileSystem.empty();
      const options = { ...OPTIONS, fileSystem, runIds: 5 };
      let index = await IdIndex.open(options);
      let oracle: string[] = [];
      let made = 0;
      for (const each of steps) {
        if (each.do === 'add') {
          for (let at = 0; at < each.count; at += 1) {
            made += 1;
            index.add(`id-${made}`, oracle.push(`id-${made}`));
          }
          await index.flushIfLarge(() => oracle.length);
        } else if (each.do === 'cut') {
          oracle = oracle.slice(0, Math.max(oracle.length - each.count, 0));
          index.cutAfter(oracle.length);
          await index.saveCut();
        } else {
          await index.close();
          index = await IdIndex.open(options);
          oracle.slice(index.completeTo).forEach((id, at) => {
            index.add(id, index.completeTo + at + 1);
          });
        }
        for (let id = 1; id <= made; id += 1) {
          const place = oracle.indexOf(`id-${id}`);
          expect(index.find(`id-${id}`)).toBe(place < 0 ? null : place + 1);
        }
      }
    }),
    { numRuns: 100 },
  );
}, 60_000);
