import type { ForcePlan, ForceRefusal } from '#master/core/election/force';
import { FakeMaster } from '#tests/support/fakes/master';
import { type HttpService, LogLines } from '#tests/support/http/http-service';
import { serveMaster } from '#tests/support/http/master-service';

const MEMBER = {
  id: 'secondary-1',
  status: 'Healthy',
  acked: 4,
  lag: 0,
  lastSeenMs: 12,
  httpUrl: null,
  voter: true,
} as const;

let master: FakeMaster;
let service: HttpService;

beforeEach(async () => {
  master = new FakeMaster();
  master.memberList = [MEMBER];
  service = await serveMaster(
    master,
    { defaultWriteConcern: 'all', messageBytesMax: 100, bodyBytesMax: 1_000 },
    new LogLines().logger,
  );
});

afterEach(() => service.stop());

const JSON_TYPE = { 'content-type': 'application/json' };

function force(body: string) {
  return service.ask({ method: 'POST', path: '/members/force', headers: JSON_TYPE, body });
}

function admit(body: string) {
  return service.ask({ method: 'POST', path: '/members', headers: JSON_TYPE, body });
}

const QUORUM = { required: 2, alive: 1 };
const REFUSED = {
  outcome: 'refused',
  problem: 'recovering',
  detail: 'waiting for a vote',
  retryAfterS: 1,
  quorum: QUORUM,
  missing: [],
} as const;

test('the members are shown with their state', async () => {
  const answer = await service.ask({ path: '/members' });
  expect(answer.status).toBe(200);
  expect(answer.json()).toEqual([MEMBER]);
});

test('a removed member answers 204, one that is unknown 404', async () => {
  expect((await service.ask({ method: 'DELETE', path: '/members/secondary-1' })).status).toBe(204);
  const again = await service.ask({ method: 'DELETE', path: '/members/secondary-1' });
  expect(again.status).toBe(404);
  expect(again.json()).toMatchObject({ type: '/problems/not-found' });
});

test('the master itself is no member: to remove it, or to take it in, is 409', async () => {
  for (const answer of [
    await service.ask({ method: 'DELETE', path: '/members/master' }),
    await admit('{"id":"master"}'),
  ]) {
    expect(answer.status).toBe(409);
    expect(answer.json()).toMatchObject({ type: '/problems/own-node', detail: expect.stringContaining('master') });
  }
  expect(master.memberList).toEqual([MEMBER]);
});

test('a removal that cannot be committed is refused with the reason', async () => {
  master.removeMember = async () => REFUSED;
  const answer = await service.ask({ method: 'DELETE', path: '/members/secondary-1' });
  expect(answer.status).toBe(503);
  expect(answer.headers['retry-after']).toBe('1');
  expect(answer.json()).toMatchObject({ type: '/problems/recovering', quorum: QUORUM });
});

describe('a node that an operator takes in', () => {
  test('is 201 with where it is and how it does when it is new, and 200 when it was a member', async () => {
    const first = await admit('{"id":"secondary-2"}');
    expect(first.status).toBe(201);
    expect(first.headers.location).toBe('/members/secondary-2');
    expect(first.json()).toMatchObject({ id: 'secondary-2', voter: false });
    const again = await admit('{"id":"secondary-2"}');
    expect(again.status).toBe(200);
    expect(again.json()).toEqual(first.json());
    expect(master.memberList.map(({ id }) => id)).toEqual(['secondary-1', 'secondary-2']);
  });

  test.each([
    ['{}', 'id'],
    ['{"id":7}', 'id'],
    ['{"id":""}', 'id'],
    ['{"id":"a.b"}', 'id'],
    [`{"id":"${'x'.repeat(65)}"}`, 'id'],
    ['{"id":"a","voter":true}', 'voter'],
    ['["a"]', ''],
    ['null', ''],
  ])('is refused as %s, and nobody comes in', async (body, path) => {
    const answer = await admit(body);
    expect(answer.status).toBe(400);
    expect(answer.json()).toMatchObject({ type: '/problems/invalid-request', errors: [{ path }] });
    expect(master.memberList).toEqual([MEMBER]);
  });

  test('is refused with the reason while the list with it cannot be committed', async () => {
    master.admitMember = async () => REFUSED;
    const answer = await admit('{"id":"secondary-2"}');
    expect(answer.status).toBe(503);
    expect(answer.json()).toMatchObject({ type: '/problems/recovering', detail: 'waiting for a vote', quorum: QUORUM });
  });
});

describe('an operator who forces', () => {
  const READY: ForcePlan = { state: 'ready', from: 'master', lastSeq: 7, detail: 'It would begin.' };
  const LISTENING: ForcePlan = { state: 'listening', from: null, detail: 'Still listening.' };

  test('is told beforehand what it would come to, and nothing is forced by that', async () => {
    master.plans.best = READY;
    master.plans.new = { state: 'refused', problem: 'log-exists', detail: 'There is one.' };
    const answer = await service.ask({ path: '/members/force' });
    expect(answer.status).toBe(200);
    expect(answer.json()).toEqual({ log: 'rlog', ...READY, new: master.plans.new });
    expect(master.forced).toEqual([]);
  });

  test.each(['{}', '{"log":"other"}', '{"log":true}', '{"log":"rlog","force":true}', '"rlog"'])(
    'has to name the log: %s is 400, and nothing is forced',
    async (body) => {
      master.plans.best = READY;
      const answer = await force(body);
      expect(answer.status).toBe(400);
      expect(answer.json()).toMatchObject({ type: '/problems/invalid-request' });
      expect(master.forced).toEqual([]);
    },
  );

  test('is told the name that is wanted', async () => {
    const message = expect.stringContaining('rlog');
    expect((await force('{}')).json()).toMatchObject({ errors: [{ path: 'log', message }] });
  });

  test('gives a lost majority up with the name of the log, and gets 202 with what it began from', async () => {
    master.plans.best = READY;
    const answer = await force('{"log":"rlog"}');
    expect(answer.status).toBe(202);
    expect(answer.json()).toEqual({ forced: true, log: 'rlog', from: 'master', lastSeq: 7, detail: 'It would begin.' });
    expect(master.forced).toEqual(['best']);
  });

  test('begins a new log only with the word for that', async () => {
    master.plans.new = { ...READY, lastSeq: 0 };
    const answer = await force('{"log":"new"}');
    expect(answer.status).toBe(202);
    expect(answer.json()).toMatchObject({ forced: true, log: 'new', lastSeq: 0 });
    expect(master.forced).toEqual(['new']);
  });

  test.each<[string, ForcePlan]>([
    ['listened to others', LISTENING],
    ['fetched the best log', { state: 'fetching', from: 'secondary-1', detail: 'Still fetching from secondary-1.' }],
  ])('has to ask again while the master has not %s', async (_, plan) => {
    master.plans.best = plan;
    const answer = await force('{"log":"rlog"}');
    expect(answer.status).toBe(409);
    expect(answer.headers['retry-after']).toBe('1');
    const { state, from } = plan as Exclude<ForcePlan, { state: 'refused' }>;
    expect(answer.json()).toMatchObject({ type: '/problems/not-yet', state, from });
    expect(answer.json().detail).toBe(`${plan.detail} Nothing is forced yet: ask again.`);
    expect(answer.json()).not.toHaveProperty('forced');
  });

  test.each<[ForceRefusal, number]>([
    ['not-recovering', 409],
    ['standby', 503],
    ['nothing-to-force', 409],
    ['ambiguous', 409],
    ['log-exists', 409],
  ])('is refused when it is %s, with the reason', async (problem, status) => {
    master.plans.best = { state: 'refused', problem, detail: 'Because.' };
    const answer = await force('{"log":"rlog"}');
    expect(answer.status).toBe(status);
    expect(answer.json()).toMatchObject({ type: `/problems/${problem}`, detail: 'Because.' });
    expect(answer.headers).not.toHaveProperty('retry-after');
  });
});

test('other methods on the members are refused with what is allowed', async () => {
  const answer = await service.ask({ method: 'PUT', path: '/members' });
  expect(answer.status).toBe(405);
  expect(answer.headers.allow).toContain('GET');
});
