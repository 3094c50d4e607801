import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { ServerResponse } from 'node:http';
import type { AppendOutcome, Refusal } from '#master/core/append';
import { type Answered, answered } from '#process/steps';
import { FakeMaster } from '#tests/support/fakes/master';
import { type HttpService, LogLines } from '#tests/support/http/http-service';
import { serveMaster } from '#tests/support/http/master-service';

/** Every row of the status table: an outcome of the master, and what its client is told. */
describe('the answer to an append', () => {
  const log = new LogLines();
  let master: FakeMaster;
  let service: HttpService;

  beforeEach(async () => {
    master = new FakeMaster();
    service = await serveMaster(
      master,
      { defaultWriteConcern: 'all', messageBytesMax: 1024, bodyBytesMax: 16 * 1024 },
      log.logger,
    );
  });
  afterEach(() => service.stop());

  const answerTo = (outcome: AppendOutcome) => {
    master.onAppend = async () => outcome;
    return service.send('POST', '/messages', { message: 'hi' });
  };

  it('is 201 with the entry, its place, and who holds it', async () => {
    const answer = await service.send('POST', '/messages', { message: 'hi', id: 'a' });
    expect(answer.status).toBe(201);
    expect(answer.headers.location).toBe('/messages/1');
    expect(answer.headers['content-type']).toBe('application/json');
    expect(answer.json()).toEqual({
      seq: 1,
      epoch: 1,
      id: 'a',
      ts: '2026-01-01T00:00:00.000Z',
      message: 'hi',
      w: 1,
      acks: ['master'],
    });
  });

  it('is announced to a subscriber, with its seq', async () => {
    const seen: Answered[] = [];
    const subscriber = (message: unknown) => seen.push(message as Answered);
    subscribe(String(answered.name), subscriber);
    await service.send('POST', '/messages', { message: 'hi' });
    unsubscribe(String(answered.name), subscriber);
    expect(seen).toEqual([{ response: expect.any(ServerResponse), seq: 1 }]);
  });

  it('is 200 when the same append was made before', async () => {
    master.onAppend = async (request) => master.acknowledge(request, true);
    const answer = await service.send('POST', '/messages', { message: 'hi' });
    expect(answer.status).toBe(200);
    expect(answer.headers.location).toBe('/messages/1');
    expect(answer.json()).toMatchObject({ seq: 1, message: 'hi', w: 1 });
  });

  it('is 400 with n when more nodes were asked for than there are', async () => {
    const answer = await answerTo({ outcome: 'unsatisfiable', w: 5, nodes: 3 });
    expect(answer.status).toBe(400);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(answer.json()).toMatchObject({
      type: '/problems/unsatisfiable-write-concern',
      status: 400,
      w: 5,
      nodes: 3,
      stored: false,
    });
  });

  it('is 409 with the seq of the first when the id has another message', async () => {
    const answer = await answerTo({ outcome: 'id-conflict', seq: 7 });
    expect(answer.status).toBe(409);
    expect(answer.json()).toMatchObject({ type: '/problems/id-conflict', status: 409, seq: 7, stored: false });
  });

  it('is 400 on the id when it has the form of a generated one', async () => {
    const answer = await answerTo({ outcome: 'id-reserved' });
    expect(answer.status).toBe(400);
    expect(answer.json()).toMatchObject({
      type: '/problems/invalid-request',
      stored: false,
      errors: [{ path: 'id', message: expect.any(String) }],
    });
  });

  it.each<Refusal>(['no-quorum', 'recovering', 'standby', 'overloaded', 'storage', 'shutting-down', 'deposed'])(
    'is 503 %s when nothing was appended, with what is missing',
    async (problem) => {
      const missing = [{ id: 'secondary-1', status: 'Unhealthy', lastSeenMs: null }] as const;
      const quorum = { required: 2, alive: 1 };
      const detail = 'two of three nodes must be alive; secondary-1 is not';
      const answer = await answerTo({ outcome: 'refused', problem, detail, retryAfterS: 3, quorum, missing });
      expect(answer.status).toBe(503);
      expect(answer.headers['retry-after']).toBe('3');
      expect(answer.json()).toMatchObject({
        type: `/problems/${problem}`,
        status: 503,
        detail,
        stored: false,
        quorum,
        missing,
      });
    },
  );

  it.each([
    ['write-concern-timeout', 504, true],
    ['write-concern-timeout', 504, 'unknown'],
    ['shutting-down', 503, 'unknown'],
    ['deposed', 503, 'unknown'],
  ] as const)('is %s, %d, stored %s, with the seq and id to go on with', async (problem, status, stored) => {
    const unresolved = { problem, seq: 4, id: 'x-4', w: 3, acks: ['master'], stored } as const;
    const answer = await answerTo({ outcome: 'unresolved', ...unresolved });
    expect(answer.status).toBe(status);
    expect(answer.json()).toMatchObject({
      type: `/problems/${problem}`,
      status,
      seq: 4,
      id: 'x-4',
      w: 3,
      acks: ['master'],
      stored,
    });
    expect('retry-after' in answer.headers).toBe(status === 503);
  });

  it.each([
    [4, true, 'no later master removes it'],
    [3, false, 'a later master may keep it or remove it'],
  ])('says when its time is up, with the commit index at %d, that committed is %j', async (commit, committed, said) => {
    master.reader.moveHead(4, commit);
    const unresolved = { seq: 4, id: 'x-4', w: 3, acks: ['master'], stored: true } as const;
    const answer = await answerTo({ outcome: 'unresolved', problem: 'write-concern-timeout', ...unresolved });
    expect(answer.json()).toMatchObject({ stored: true, committed, detail: expect.stringContaining(said) });
  });

  it('is 500 without the reason when the master fails, and the log has it', async () => {
    master.onAppend = () => Promise.reject(new Error('secret of the house'));
    const answer = await service.send('POST', '/messages', { message: 'hi' }, { 'X-Request-Id': 'r-500' });
    expect(answer.status).toBe(500);
    expect(answer.json()).toMatchObject({ type: '/problems/internal', stored: 'unknown' });
    expect(answer.text).not.toContain('secret');
    const line = log.lines.find(({ requestId, level }) => requestId === 'r-500' && level === 50);
    expect(JSON.stringify(line)).toContain('secret of the house');
  });
});
