/** Nothing that a client says is ignored in silence, at any route of either role. */
import pino from 'pino';
import { createSecondaryApp } from '#secondary/http/app';
import { FakeMaster } from '#tests/support/fakes/master';
import { FakeSecondary } from '#tests/support/fakes/secondary';
import { type Answer, HttpService } from '#tests/support/http/http-service';
import { serveMaster } from '#tests/support/http/master-service';

let master: FakeMaster;
let services: Readonly<Record<'master' | 'secondary', HttpService>>;

beforeEach(async () => {
  master = new FakeMaster();
  master.reader.moveHead(2);
  const limits = { defaultWriteConcern: 'all', messageBytesMax: 64, bodyBytesMax: 1024 } as const;
  const settings = { faultInjection: true, http: { bodyBytesMax: 1024, apiToken: null } };
  const logger = pino({ level: 'silent' });
  services = {
    master: await serveMaster(master, limits),
    secondary: await HttpService.start(({ stopping }) =>
      createSecondaryApp({ secondary: new FakeSecondary(), logger, stopping, settings }),
    ),
  };
});
afterEach(() => Promise.all(Object.values(services).map((service) => service.stop())));

const faults = (answer: Answer) => answer.json().errors as { path: string; message: string }[];

test.each([
  ['master', 'GET', '/messages'],
  ['master', 'HEAD', '/messages'],
  ['master', 'GET', '/messages/1'],
  ['master', 'GET', '/messages/1/replication'],
  ['master', 'GET', '/health'],
  ['master', 'GET', '/livez'],
  ['master', 'GET', '/readyz'],
  ['master', 'GET', '/members'],
  ['master', 'GET', '/members/secondary-1'],
  ['master', 'GET', '/members/force'],
  ['master', 'DELETE', '/members/secondary-1'],
  ['master', 'POST', '/members'],
  ['master', 'POST', '/members/force'],
  ['master', 'POST', '/messages'],
  ['secondary', 'GET', '/messages'],
  ['secondary', 'GET', '/messages/1'],
  ['secondary', 'GET', '/health'],
  ['secondary', 'GET', '/livez'],
  ['secondary', 'GET', '/readyz'],
  ['secondary', 'GET', '/faults'],
  ['secondary', 'PUT', '/faults'],
] as const)('%s: %s %s refuses a parameter that it does not know', async (role, method, path) => {
  const body = method === 'POST' ? { body: '{"message": "m"}', headers: { 'Content-Type': 'application/json' } } : {};
  const answer = await services[role].ask({ method, path: `${path}?nonsense=1&colour=2`, ...body });
  expect(answer.status).toBe(400);
  if (method !== 'HEAD') expect(faults(answer).map((fault) => fault.path)).toEqual(['nonsense', 'colour']);
});

test.each([
  ['/messages?limt=3', 'limt', 'limit'],
  ['/messages?timeoutMS=3', 'timeoutMS', 'timeoutMs'],
  ['/messages?Committed=true', 'Committed', 'committed'],
  ['/messages?minseq=3', 'minseq', 'minSeq'],
  ['/messages/1?logg=x', 'logg', 'log'],
  ['/messages/1/replication?timeout=1', 'timeout', 'timeoutMs'],
])('GET %s is told the name that was meant', async (path, typed, meant) => {
  const answer = await services.master.ask({ path });
  expect(faults(answer)).toEqual([{ path: typed, message: `did you mean ${meant}?` }]);
  expect(answer.json().detail).toBe(`${typed}: did you mean ${meant}?`);
});

test('unknown names and wrong values are told at once', async () => {
  const answer = await services.master.ask({ path: '/messages?limt=3&from=0&limit=1&limit=2' });
  expect(
    faults(answer)
      .map(({ path }) => path)
      .sort(),
  ).toEqual(['from', 'limit', 'limt']);
});

test.each([
  [
    'POST',
    '/messages',
    { message: 'm', timeoutMS: 5, colour: 1 },
    ['timeoutMS: did you mean timeoutMs?', 'colour: not'],
  ],
  ['POST', '/members', { id: 'a', Id: 'b' }, ['Id: did you mean id?']],
  ['POST', '/members/force', { logs: 'rlog' }, ['log: must be', 'logs: did you mean log?']],
])('%s %s with the body %j names every unknown member', async (method, path, body, said) => {
  const answer = await services.master.send(method, path, body);
  expect(answer.status).toBe(400);
  for (const part of said) expect(answer.json().detail).toContain(part);
  expect(master.requests).toEqual([]);
});

test('a fault setting that is misspelt is told the one that was meant, and nothing is changed', async () => {
  const answer = await services.secondary.send('PUT', '/faults', { delayMs: 5, droprate: 1 });
  expect(faults(answer)).toEqual([{ path: 'droprate', message: 'did you mean dropRate?' }]);
  expect((await services.secondary.ask({ path: '/faults' })).json()).toMatchObject({ delayMs: 0 });
});

describe('an append whose query says something too', () => {
  const append = (query: string, body: object, headers: Readonly<Record<string, string>> = {}) =>
    services.master.send('POST', `/messages?${query}`, { message: 'm', ...body }, headers);

  it.each([
    ['w=1&timeoutMs=200', {}, { writeConcern: 1, timeoutMs: 200 }],
    ['w=majority&id=a', { timeoutMs: 7 }, { writeConcern: 'majority', id: 'a', timeoutMs: 7 }],
    ['w=2&timeoutMs=5&id=a', { w: 2, timeoutMs: 5, id: 'a' }, { writeConcern: 2, id: 'a', timeoutMs: 5 }],
  ])('?%s with %j is heard', async (query, body, heard) => {
    expect((await append(query, body)).status).toBe(201);
    expect(master.requests).toEqual([expect.objectContaining(heard)]);
  });

  it('must say the same in every place, and each difference is named', async () => {
    const answer = await append('w=1&timeoutMs=5&id=a', { w: 'all', timeoutMs: 6 }, { 'Idempotency-Key': 'b' });
    expect(answer.status).toBe(400);
    expect(answer.json()).toMatchObject({ stored: false });
    expect(faults(answer).map(({ path }) => path)).toEqual(['id', 'w', 'timeoutMs']);
    expect(master.requests).toEqual([]);
  });

  it('is told the faults of both at once', async () => {
    const answer = await append('w=0&timeoutms=5', { w: -1 });
    expect(faults(answer).map(({ path }) => path)).toEqual(['w', 'w', 'timeoutms']);
  });

  it('with many entries is told the faults of query, header and lines at once', async () => {
    const headers = { 'Content-Type': 'application/x-ndjson', 'Idempotency-Key': 'x' };
    const body = '{"message": "a", "w": 1}\n{"message": "b", "Id": "i"}';
    const answer = await services.master.ask({ method: 'POST', path: '/messages?W=1', headers, body });
    const expected = ['Idempotency-Key', 'W', 'line 1: w', 'line 2: Id'];
    expect(faults(answer).map(({ path }) => path)).toEqual(expected);
    expect(answer.json()).toMatchObject({ stored: false, lines: [1, 2] });
  });
});
