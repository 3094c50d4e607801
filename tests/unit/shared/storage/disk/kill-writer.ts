/**
 * The process that kill.test.ts kills: appends for ever and prints the durable index after each
 * append.
 */
import { openLogStore } from '#storage/open';
import { RecordSource } from '#tests/contract/log-records';

async function main(): Promise<never> {
  const { store } = await openLogStore({
    kind: 'disk',
    dataDir: process.argv[2] ?? '',
    logName: 'rlog',
    logId: null,
    segmentBytes: 20_000,
  });
  const source = new RecordSource();
  for (;;) {
    await store.append(source.entries(5, (at) => (at % 2 === 0 ? {} : { id: `id-${source.index}` })));
    process.stdout.write(`${store.durableIndex}\n`);
  }
}

void main();
