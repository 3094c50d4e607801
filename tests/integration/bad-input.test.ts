/**
 * Everything that a client can get wrong, against a real master; and texts that are odd but right,
 * through the whole cluster.
 *
 * One secondary is not started, so whoever is let in with the default w=all would wait for ever:
 * each bad request must be answered at once. After each one an append must get the very next seq,
 * and at the end the log must hold those appends and nothing else.
 */
import type { Answer, Asked } from '../support/http/ask';
import { onShared, RealCluster, type RealNode } from '../support/real/cluster';

jest.setTimeout(120_000);

const AT_ONCE_MS = 10_000;
const MESSAGE_BYTES_MAX = 256 * 1024;

let cluster: RealCluster;
let master: RealNode;
/** What was appended, in order. */
const appended: string[] = [];

beforeAll(async () => {
  cluster = new RealCluster({ env: { MAX_MESSAGE_BYTES: String(MESSAGE_BYTES_MAX), MAX_BODY_BYTES: '2000000' } });
  master = await cluster.start(['secondary-1']);
  await append({ message: 'first', id: 'taken' });
});
afterAll(() => cluster.end());

/** Appends on two nodes; resolves with the seq. */
async function append(body: { message: string; id?: string }): Promise<number> {
  const answer = await master.post({ w: 2, ...body }, { withinMs: AT_ONCE_MS });
  expect(answer.status).toBe(201);
  appended.push(body.message);
  return Number(answer.json().seq);
}

async function headNow(): Promise<number> {
  return (await master.health()).head;
}

interface BadAppend {
  readonly what: string;
  /** The body as JSON; `raw` in its place is sent as it is. */
  readonly body?: unknown;
  readonly raw?: string | Buffer;
  readonly headers?: Asked['headers'];
  readonly status?: number;
  readonly type?: string;
  /** Paths of the faults that are named; default: not looked at. */
  readonly paths?: readonly string[];
  readonly members?: Readonly<Record<string, unknown>>;
}

const wrongW = [0, -1, 1.5, '2', null, true, [], {}, 'most', '', 'ALL', -0.5].map(
  (w): BadAppend => ({ what: `w of ${JSON.stringify(w)}`, body: { message: 'x', w }, paths: ['w'] }),
);
const wrongMessage = [null, 5, [], {}, true].map(
  (message): BadAppend => ({
    what: `a message of ${JSON.stringify(message)}`,
    body: { message, w: 1 },
    paths: ['message'],
  }),
);
const wrongBody = ['null', '[]', '"text"', '5', 'true'].map(
  (raw): BadAppend => ({ what: `a body of ${raw}`, raw, paths: [''] }),
);
const wrongId = ['', 'x'.repeat(129), 'a\nb', 'a\u0000b', 'a\u007f', '\ud800', 5, null, [], true].map(
  (id): BadAppend => ({
    what: `an id of ${JSON.stringify(id).slice(0, 20)}`,
    body: { message: 'x', w: 1, id },
    paths: ['id'],
  }),
);
const wrongTimeout = [-1, 1.5, '5', null, true].map(
  (timeoutMs): BadAppend => ({
    what: `a timeoutMs of ${JSON.stringify(timeoutMs)}`,
    body: { message: 'x', w: 1, timeoutMs },
    paths: ['timeoutMs'],
  }),
);
const UNSATISFIABLE = { status: 400, type: 'unsatisfiable-write-concern' };
const UNSUPPORTED = { status: 415, type: 'unsupported-media-type' };
const TOO_LARGE = { status: 413, type: 'too-large' };

const rows: readonly BadAppend[] = [
  ...wrongW,
  { what: 'w of n+1', body: { message: 'x', w: 4 }, ...UNSATISFIABLE, members: { w: 4, nodes: 3 } },
  { what: 'w of 1e9', body: { message: 'x', w: 1e9 }, ...UNSATISFIABLE, members: { w: 1e9, nodes: 3 } },
  { what: 'no body', headers: {} },
  { what: 'an empty body', raw: '' },
  { what: 'a body that is no JSON', raw: '{"message": "x"' },
  { what: 'a body of garbage', raw: Buffer.from([0, 255, 254, 1]) },
  { what: 'a body that is no UTF-8', raw: Buffer.from([...Buffer.from('{"message":"'), 0xff, ...Buffer.from('"}')]) },
  ...wrongBody,
  { what: 'a wrong content type', raw: '{"message":"x"}', headers: { 'Content-Type': 'text/plain' }, ...UNSUPPORTED },
  {
    what: 'a form',
    raw: 'message=x',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    ...UNSUPPORTED,
  },
  { what: 'no content type', raw: '{"message":"x"}', headers: {}, ...UNSUPPORTED },
  { what: 'no message', body: { w: 1 }, paths: ['message'] },
  ...wrongMessage,
  {
    what: 'a message of one byte over the limit',
    body: { message: 'x'.repeat(MESSAGE_BYTES_MAX + 1), w: 1 },
    ...TOO_LARGE,
  },
  {
    what: 'a message over the limit in UTF-8 only',
    body: { message: 'я'.repeat(MESSAGE_BYTES_MAX / 2 + 1), w: 1 },
    ...TOO_LARGE,
  },
  { what: 'a body over the limit', raw: `{"message":"x","pad":"${'x'.repeat(2_000_000)}"}`, ...TOO_LARGE },
  ...wrongId,
  {
    what: 'an id that another message has',
    body: { message: 'other', w: 1, id: 'taken' },
    status: 409,
    type: 'id-conflict',
    members: { seq: 1 },
  },
  {
    what: 'an id in the header that another message has',
    body: { message: 'other', w: 1 },
    headers: { 'Content-Type': 'application/json', 'Idempotency-Key': 'taken' },
    status: 409,
    type: 'id-conflict',
    members: { seq: 1 },
  },
  {
    what: 'an empty id in the header',
    body: { message: 'x', w: 1 },
    headers: { 'Content-Type': 'application/json', 'Idempotency-Key': '' },
  },
  {
    what: 'two different ids',
    body: { message: 'x', w: 1, id: 'a' },
    headers: { 'Content-Type': 'application/json', 'Idempotency-Key': 'b' },
    paths: ['id'],
  },
  ...wrongTimeout,
  {
    what: 'everything wrong at once',
    body: { message: 5, w: 0, id: '', timeoutMs: -1 },
    paths: ['message', 'w', 'timeoutMs', 'id'],
  },
];

function send({ body, raw, headers = { 'Content-Type': 'application/json' } }: BadAppend): Promise<Answer> {
  const bytes = raw ?? (body === undefined ? undefined : JSON.stringify(body));
  const content = bytes === undefined ? {} : { body: bytes };
  return master.ask({ method: 'POST', path: '/messages', headers, ...content, withinMs: AT_ONCE_MS });
}

function expectProblem(answer: Answer, { status, type }: { status: number; type: string }): Record<string, unknown> {
  expect(answer.headers['content-type']).toBe('application/problem+json');
  expect(answer.headers['x-request-id']).toBeDefined();
  const problem = answer.json();
  expect(problem).toMatchObject({ type: `/problems/${type}`, status, detail: expect.any(String) });
  expect(answer.status).toBe(status);
  return problem;
}

describe('an append with', () => {
  it.each(rows.map((row) => [row.what, row] as const))(
    '%s is refused at once, stored nowhere and takes no seq',
    onShared(
      () => cluster,
      async (what: string, row: BadAppend) => {
        const { status = 400, type = 'invalid-request', paths, members = {} } = row;
        const head = await headNow();
        const problem = expectProblem(await send(row), { status, type });
        expect(problem).toMatchObject({ stored: false, ...members });
        if (paths !== undefined) {
          const errors = problem.errors as { path: string; message: string }[];
          expect(errors.map(({ path }) => path).sort()).toEqual([...paths].sort());
        }
        expect(await append({ message: `after ${what}` })).toBe(head + 1);
      },
    ),
  );
});

describe('a request that is no append', () => {
  it.each([
    ['GET', '/messages?from=abc', 400, 'invalid-request'],
    ['GET', '/messages?from=0', 400, 'invalid-request'],
    ['GET', '/messages?from=-1', 400, 'invalid-request'],
    ['GET', '/messages?from=1.5', 400, 'invalid-request'],
    ['GET', '/messages?from=', 400, 'invalid-request'],
    ['GET', '/messages?limit=0', 400, 'invalid-request'],
    ['GET', '/messages?limit=many', 400, 'invalid-request'],
    ['GET', '/messages?minSeq=x', 400, 'invalid-request'],
    ['GET', '/messages?minSeq=1&timeoutMs=soon', 400, 'invalid-request'],
    ['GET', '/messages?committed=perhaps', 400, 'invalid-request'],
    ['GET', '/messages/0', 404, 'not-found'],
    ['GET', '/messages/99999999', 404, 'not-found'],
    ['GET', '/nowhere', 404, 'not-found'],
    ['POST', '/', 404, 'not-found'],
    ['PUT', '/messages', 405, 'method-not-allowed'],
    ['DELETE', '/messages', 405, 'method-not-allowed'],
    ['DELETE', '/messages/1', 405, 'method-not-allowed'],
    ['POST', '/health', 405, 'method-not-allowed'],
  ])(
    '%s %s is answered with %d %s on every node, and changes nothing',
    onShared(
      () => cluster,
      async (method: string, path: string, status: number, type: string) => {
        const head = await headNow();
        for (const node of cluster.nodes) {
          const answer = await node.ask({ method, path, withinMs: AT_ONCE_MS });
          expectProblem(answer, { status, type });
          if (status === 405) expect(answer.headers.allow).toMatch(/GET/);
        }
        expect(await headNow()).toBe(head);
      },
    ),
  );

  it(
    'an append to a secondary is 405 and names the master',
    onShared(
      () => cluster,
      async () => {
        const answer = await cluster.node('secondary-1').post({ message: 'x', w: 1 });
        const problem = expectProblem(answer, { status: 405, type: 'method-not-allowed' });
        expect(problem.stored).toBe(false);
        expect(problem.detail).toContain(master.url);
      },
    ),
  );
});

const ODD: readonly (readonly [string, string])[] = [
  ['the empty string', ''],
  ['spaces alone', '  \t '],
  ['quotes and backslashes', '"\'`\\"\\u0041\\'],
  ['line ends of every kind', 'a\nb\r\nc\rd\u2028e\u2029f\u0085'],
  ['NUL and other control characters', '\u0000\u0001\u0008\u001b\u007f'],
  ['emoji', '🙂👩‍👩‍👧‍👦🏳️‍🌈'],
  ['Cyrillic', 'Розподілений журнал, ёЇґЄ'],
  ['characters that combine', 'e\u0301 \u00e9 ﬁ \u202eright to left'],
  ['lone surrogates', '\ud800 a \udc00 b \udfff\ud800'],
  ['a replacement character', '\ufffd'],
  ['a byte order mark', '\ufeffbom'],
  ['a prototype', '__proto__'],
  ['what looks like JSON', '{"__proto__":{"polluted":true},"seq":1}'],
  ['what looks like a batch', '\n]}\n"records":[\n'],
  ['256 KiB', 'я'.repeat(MESSAGE_BYTES_MAX / 2)],
  ['256 KiB that JSON writes as six times as much', '\u0000'.repeat(MESSAGE_BYTES_MAX)],
];

describe('an odd text', () => {
  it.each(ODD)(
    'of %s comes back equal from the master and a secondary',
    onShared(
      () => cluster,
      async (_: string, message: string) => {
        const seq = await append({ message });
        for (const node of cluster.nodes) {
          const { message: shown } = (await node.get(`/messages/${seq}`)).json();
          expect(shown === message).toBe(true);
        }
      },
    ),
  );

  it(
    'is no object’s prototype: unknown members of a body are named and change nothing',
    onShared(
      () => cluster,
      async () => {
        const raw = '{"message":"polite","w":2,"__proto__":{"w":99},"constructor":{"prototype":{}}}';
        const headers = { 'Content-Type': 'application/json' };
        const answer = await master.ask({ method: 'POST', path: '/messages', headers, body: raw });
        const { errors } = expectProblem(answer, { status: 400, type: 'invalid-request' });
        expect((errors as { path: string }[]).map(({ path }) => path)).toEqual(['__proto__', 'constructor']);
        await append({ message: 'polite' });
      },
    ),
  );
});

describe('after all of them', () => {
  it(
    'every node, one that comes only now too, shows what was appended and nothing else',
    onShared(
      () => cluster,
      async () => {
        await cluster.startSecondary('secondary-2');
        const entries = await cluster.agreed(appended.length);
        expect(entries.map(({ message }) => message)).toEqual(appended);
        expect(cluster.processes.every(({ isRunning }) => isRunning)).toBe(true);
      },
    ),
  );
});
