/**
 * What the log store alone can make durable: groups of entries appended one after the other, two
 * under way, each synced.
 */

import { entryRecord, type LogRecord } from '#protocol/record';
import { openLogStore } from '#storage/open';
import { MESSAGE } from '../load/load';
import type { LimitMeasured } from '../row';

const GROUP = 1_024;

export async function rawStore(dataDir: string, seconds: number): Promise<LimitMeasured> {
  const { store } = await openLogStore({ kind: 'disk', dataDir, logName: 'bench', logId: null });
  const until = performance.now() + seconds * 1000;
  const startedAt = performance.now();
  let next = 1;
  const group = (): LogRecord[] => {
    const records = Array.from({ length: GROUP }, (_, at) => recordOf(next + at));
    next += GROUP;
    return records;
  };
  const writeOn = async () => {
    while (performance.now() < until) await store.append(group());
  };
  await Promise.all([writeOn(), writeOn()]);
  const perSecond = (next - 1) / ((performance.now() - startedAt) / 1000);
  await store.close();
  return { value: Math.round(perSecond) };
}

function recordOf(seq: number): LogRecord {
  const id = `0123456789abcdef-${seq}`;
  return entryRecord(seq, { seq, epoch: 1, id, ts: '2026-01-01T00:00:00.000Z', message: MESSAGE });
}
