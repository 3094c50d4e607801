import { pino } from 'pino';
import { FetchServer } from '#node/fetch-server';
import { StorageError } from '#storage/log-store';
import { MemoryLogStore } from '#storage/memory';

function serverOf() {
  const restarts: unknown[] = [];
  const lines: Record<string, unknown>[] = [];
  const fetches = new FetchServer({
    store: new MemoryLogStore(),
    logger: pino({}, { write: (line) => lines.push(JSON.parse(line)) }),
    restart: (error) => restarts.push(error),
  });
  return { fetches, restarts, lines };
}

test('one fetch at a time for each asker; the next one after it is served', async () => {
  const { fetches } = serverOf();
  const answered: string[] = [];
  let end = (): void => undefined;
  const first = fetches.serve('s1', () => new Promise((resolve) => (end = resolve)));
  const answer = (what: string) => async () => void answered.push(what);
  await fetches.serve('s1', answer('s1, meanwhile'));
  await fetches.serve('s2', answer('s2'));
  end();
  await first;
  await fetches.serve('s1', answer('s1, later'));
  expect(answered).toEqual(['s2', 's1, later']);
});

test('a damaged record asks for a restart, another fault of the store for none', async () => {
  const { fetches, restarts, lines } = serverOf();
  const damaged = new StorageError('a record is damaged', { code: 'damaged', fatal: false });
  const failed = new StorageError('read failed', { code: 'failed', fatal: false });
  for (const error of [failed, damaged]) await fetches.serve('s1', () => Promise.reject(error));
  expect(restarts).toEqual([damaged]);
  expect(lines).toMatchObject([{ peer: 's1' }, { peer: 's1' }]);
});

test('a store that is closed ends the fetch without a word; what is no fault of the store is thrown', async () => {
  const { fetches, restarts, lines } = serverOf();
  await fetches.serve('s1', () => Promise.reject(new StorageError('closed', { code: 'closed', fatal: false })));
  await expect(fetches.serve('s1', () => Promise.reject(new TypeError('surprise')))).rejects.toThrow('surprise');
  expect(restarts).toEqual([]);
  expect(lines).toEqual([]);
});

test('nothing is read for an asker that has it all', async () => {
  const { fetches } = serverOf();
  expect(await fetches.read({ node: 's1', header: { prevIndex: 3 }, lastIndex: 3, limit: 10 })).toEqual([]);
});
