import pino from 'pino';
import type { ConcernOutcome, ConcernRequest } from '#master/core/append';
import { createMasterApp } from '#master/http/app';
import { FakeMaster } from '#tests/support/fakes/master';
import { HttpService } from '#tests/support/http/http-service';

describe('the replication of one entry', () => {
  let master: FakeMaster;
  let service: HttpService;
  let asked: ConcernRequest[];

  beforeEach(async () => {
    master = new FakeMaster();
    master.reader.moveHead(3, 2);
    asked = [];
    const settings = {
      defaultWriteConcern: 'all',
      messageBytesMax: 1024,
      logName: 'rlog',
      http: { bodyBytesMax: 1024, apiToken: null },
    } as const;
    service = await HttpService.start(({ stopping }) =>
      createMasterApp({ master, logger: pino({ level: 'silent' }), stopping, settings }),
    );
  });
  afterEach(() => service.stop());

  const get = (path: string) => service.ask({ path });
  const answering = (outcome: ConcernOutcome) => {
    master.onAwaitHeld = (request) => {
      asked.push(request);
      return outcome;
    };
  };
  const held: ConcernOutcome = { outcome: 'acknowledged', seq: 3, w: 2, acks: ['master', 'secondary-1'] };

  it('says at once who holds it when nothing is waited for', async () => {
    answering(held);
    const answer = await get('/messages/3/replication');
    expect(answer.json()).toEqual({ seq: 3, acks: ['master', 'secondary-1'], committed: false, w: 2 });
    expect(asked).toEqual([]);
  });

  it.each([
    ['w=2', { writeConcern: 2, timeoutMs: 3_600_000 }],
    ['w=majority&timeoutMs=50', { writeConcern: 'majority', timeoutMs: 50 }],
    ['timeoutMs=0', { writeConcern: 'all', timeoutMs: 0 }],
  ])('?%s waits for %j', async (query, expected) => {
    answering(held);
    const answer = await get(`/messages/3/replication?${query}`);
    expect(answer.status).toBe(200);
    expect(answer.json()).toMatchObject({ seq: 3, w: 2 });
    expect(asked).toEqual([{ seq: 3, ...expected }]);
  });

  it('is 504 when the time passes first', async () => {
    const unresolved = { seq: 3, id: 'a', w: 3, acks: ['master'], stored: true } as const;
    answering({ outcome: 'unresolved', problem: 'write-concern-timeout', ...unresolved });
    const answer = await get('/messages/3/replication?w=3&timeoutMs=1');
    expect(answer.status).toBe(504);
    expect(answer.json()).toMatchObject({ type: '/problems/write-concern-timeout', seq: 3, w: 3, acks: ['master'] });
  });

  it('is 400 with n for more nodes than there are, without a word on what is stored', async () => {
    answering({ outcome: 'unsatisfiable', w: 9, nodes: 3 });
    const answer = await get('/messages/3/replication?w=9');
    expect(answer.status).toBe(400);
    expect(answer.json()).toMatchObject({ type: '/problems/unsatisfiable-write-concern', w: 9, nodes: 3 });
    expect(answer.json()).not.toHaveProperty('stored');
  });

  it.each(['/messages/4/replication', '/messages/4/replication?w=2', '/messages/0/replication?w=1'])(
    '%s, which is not there, is 404',
    async (path) => {
      expect((await get(path)).status).toBe(404);
    },
  );

  it.each(['w=0', 'w=x', 'timeoutMs=-1', 'w=1&w=2'])('?%s is refused', async (query) => {
    expect((await get(`/messages/3/replication?${query}`)).status).toBe(400);
  });
});
