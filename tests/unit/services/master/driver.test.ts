import { pino } from 'pino';
import type { MasterEffect } from '#master/core/events';
import { MasterDriver, type MasterDriverParts } from '#master/driver';
import type { MessageOf, WireMessage } from '#protocol/wire/messages';
import { MemoryLogStore } from '#storage/memory';

const EPOCH = { epoch: 1, reign: 'r', log: 'l' };
const CLAIM: MessageOf<'claim'> = {
  type: 'claim',
  ...EPOCH,
  lastIndex: 0,
  lastEpoch: 0,
  lastReign: '',
  lastLog: null,
  lastSeq: 0,
  node: 'master',
  store: 's',
};

/** A driver whose machine answers the next event with these effects, and what became of them. */
function driverOf(effects: MasterEffect[]) {
  const sent: WireMessage[] = [];
  const lines: Record<string, unknown>[] = [];
  const fail = (error: unknown): never => {
    throw error;
  };
  const broker = {
    sendControl: (message: WireMessage) => sent.push(message),
  } as unknown as MasterDriverParts['broker'];
  const driver = new MasterDriver({
    machine: { httpUrl: '', view: { members: [] }, step: () => effects },
    store: new MemoryLogStore(),
    reader: { moved: () => undefined },
    broker,
    queues: null,
    requests: { answer: () => undefined, load: () => undefined },
    operators: { answerChange: () => undefined, answerForce: () => undefined },
    logger: pino({ level: 'debug' }, { write: (line) => lines.push(JSON.parse(line)) }),
    fail,
    restart: fail,
  });
  driver.dispatch({ type: 'down' });
  return { sent, lines };
}

test('announcements and claims go to the control exchange', () => {
  const { sent, lines } = driverOf([{ do: 'broadcast', message: CLAIM }]);
  expect(sent).toEqual([CLAIM]);
  expect(lines).toEqual([]);
});
