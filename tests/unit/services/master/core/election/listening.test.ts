import { Listening } from '#master/core/election/listening';
import { beat } from '../reign-harness';

const SILENCE_MS = 3_000;

test('a node that has never had the lock has not listened, however late it is', () => {
  expect(new Listening(SILENCE_MS).isComplete(Number.MAX_SAFE_INTEGER)).toBe(false);
});

test('listening is complete once a node that is up cannot have been silent for longer', () => {
  const listening = new Listening(SILENCE_MS);
  listening.begin(10_000);
  expect(listening.isComplete(10_000 + SILENCE_MS - 1)).toBe(false);
  expect(listening.isComplete(10_000 + SILENCE_MS)).toBe(true);
});

test('a lost lock makes it begin again from the time at which the lock is back', () => {
  const listening = new Listening(SILENCE_MS);
  listening.begin(0);
  listening.end();
  expect(listening.isComplete(SILENCE_MS)).toBe(false);
  listening.begin(5_000);
  expect(listening.isComplete(5_000 + SILENCE_MS - 1)).toBe(false);
  expect(listening.isComplete(5_000 + SILENCE_MS)).toBe(true);
});

test('reports are forgotten with the lock, as nodes that are up will be heard again', () => {
  const listening = new Listening(SILENCE_MS);
  listening.begin(0);
  listening.heard.record(0, beat('s1'));
  expect(listening.heard.all(0).map(({ node }) => node)).toEqual(['s1']);
  listening.end();
  expect(listening.heard.all(0)).toEqual([]);
});

test('a report outlives one missed heartbeat: it is kept for twice the silence', () => {
  const listening = new Listening(SILENCE_MS);
  listening.heard.record(0, beat('s1'));
  expect(listening.heard.all(2 * SILENCE_MS)).toHaveLength(1);
  expect(listening.heard.all(2 * SILENCE_MS + 1)).toEqual([]);
});

test('word of a log and of foreign nodes outlives the lock: they still hold what they held', () => {
  const listening = new Listening(SILENCE_MS);
  expect(listening.hasHeardOfALog).toBe(false);
  listening.begin(0);
  listening.hasHeardOfALog = true;
  listening.foreigners.record(0, beat('s9', { log: 'r9' }));
  listening.end();
  expect(listening.hasHeardOfALog).toBe(true);
  expect(listening.foreigners.all(0)).toEqual([{ id: 's9', log: 'r9', lastSeq: 0 }]);
});
