import { FakeMaster } from '#tests/support/fakes/master';
import type { Answer, HttpService } from '#tests/support/http/http-service';
import { serveMaster } from '#tests/support/http/master-service';

const MESSAGE_BYTES_MAX = 300 * 1024;
const BODY_BYTES_MAX = 2 * 2 ** 20;
const JSON_TYPE = { 'Content-Type': 'application/json' };

let master: FakeMaster;
let service: HttpService;

beforeEach(async () => {
  master = new FakeMaster();
  service = await serveMaster(master, {
    defaultWriteConcern: 'majority',
    messageBytesMax: MESSAGE_BYTES_MAX,
    bodyBytesMax: BODY_BYTES_MAX,
  });
});
afterEach(() => service.stop());

const paths = (answer: Answer) => (answer.json().errors as { path: string }[]).map(({ path }) => path).sort();

function expectRefused(answer: Answer, status: number, name: string): void {
  expect(answer.json()).toMatchObject({ type: `/problems/${name}`, status, stored: false });
  expect(answer.status).toBe(status);
  expect(answer.headers['content-type']).toBe('application/problem+json');
  expect(answer.headers['x-request-id']).toBeTruthy();
  expect(master.requests).toEqual([]);
}

describe('a wrong append is refused before the master hears of it', () => {
  it.each([0, -1, 1.5, '2', null, true, [], {}, '', 'ALL', 'most', 1e300])('w of %j', async (w) => {
    const answer = await service.send('POST', '/messages', { message: 'm', w });
    expectRefused(answer, 400, 'invalid-request');
    expect(paths(answer)).toEqual(['w']);
  });

  it.each([-1, 1.5, '100', null, true, [], 1e300])('timeoutMs of %j', async (timeoutMs) => {
    const answer = await service.send('POST', '/messages', { message: 'm', timeoutMs });
    expectRefused(answer, 400, 'invalid-request');
    expect(paths(answer)).toEqual(['timeoutMs']);
  });

  it.each([[undefined], [null], [1], [true], [['m']], [{}]])('message of %j', async (message) => {
    const answer = await service.send('POST', '/messages', { message });
    expectRefused(answer, 400, 'invalid-request');
    expect(paths(answer)).toEqual(['message']);
  });

  it.each([[''], ['x'.repeat(129)], ['a\u0000b'], ['a\nb'], ['\u007f'], ['\ud800'], [null], [7], [['a']]])(
    'id of %j',
    async (id) => {
      const answer = await service.send('POST', '/messages', { message: 'm', id });
      expectRefused(answer, 400, 'invalid-request');
      expect(paths(answer)).toEqual(['id']);
    },
  );

  it('members that nobody knows', async () => {
    const body = '{"message": "m", "colour": "red", "__proto__": {"w": 0}, "constructor": 1}';
    const answer = await service.ask({ method: 'POST', path: '/messages', headers: JSON_TYPE, body });
    expectRefused(answer, 400, 'invalid-request');
    expect(paths(answer)).toEqual(['__proto__', 'colour', 'constructor']);
  });

  it('every fault at once', async () => {
    const answer = await service.send('POST', '/messages', { w: 0, timeoutMs: -1, id: '' });
    expectRefused(answer, 400, 'invalid-request');
    expect(paths(answer)).toEqual(['id', 'message', 'timeoutMs', 'w']);
  });

  it.each([
    'null',
    '1',
    '"text"',
    '[]',
    '["message"]',
    'true',
    '{',
    '{"message": "m"',
    "{'message': 'm'}",
    '{"message": "m"} x',
    ' ',
    'message=m',
  ])('a body of %s', async (body) => {
    const answer = await service.ask({ method: 'POST', path: '/messages', headers: JSON_TYPE, body });
    expectRefused(answer, 400, 'invalid-request');
  });

  it.each([
    ['with a content type', JSON_TYPE],
    ['without one', {}],
  ])('no body, %s', async (_, headers) => {
    expectRefused(await service.ask({ method: 'POST', path: '/messages', headers }), 400, 'invalid-request');
  });

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/xml',
    'multipart/form-data; boundary=x',
    'application/jsonx',
    'application/json; charset=utf-16',
    'nonsense',
  ])('a body of type %s', async (type) => {
    const body = '{"message": "m"}';
    const answer = await service.ask({ method: 'POST', path: '/messages', headers: { 'Content-Type': type }, body });
    expectRefused(answer, 415, 'unsupported-media-type');
  });

  it('a plain curl -d, saying what to do', async () => {
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
    const answer = await service.ask({ method: 'POST', path: '/messages', headers, body: '{"message": "m"}' });
    expectRefused(answer, 415, 'unsupported-media-type');
    expect(answer.json().detail).toContain('set the header "content-type: application/json", or use curl --json');
  });

  it('a body without a type', async () => {
    const answer = await service.ask({ method: 'POST', path: '/messages', body: '{"message": "m"}' });
    expectRefused(answer, 415, 'unsupported-media-type');
  });

  it('an encoding of the body that nobody knows', async () => {
    const headers = { ...JSON_TYPE, 'Content-Encoding': 'rot13' };
    const answer = await service.ask({ method: 'POST', path: '/messages', headers, body: '{"message": "m"}' });
    expectRefused(answer, 415, 'unsupported-media-type');
  });

  it('a body that says it is compressed and is not', async () => {
    const headers = { ...JSON_TYPE, 'Content-Encoding': 'gzip' };
    const answer = await service.ask({ method: 'POST', path: '/messages', headers, body: '{"message": "m"}' });
    expectRefused(answer, 400, 'invalid-request');
  });

  it('bytes that are no UTF-8', async () => {
    const body = Buffer.concat([Buffer.from('{"message": "'), Buffer.from([0xc3, 0x28, 0xff]), Buffer.from('"}')]);
    const answer = await service.ask({ method: 'POST', path: '/messages', headers: JSON_TYPE, body });
    expectRefused(answer, 400, 'invalid-request');
  });

  it('a message of one byte over the limit, saying both numbers', async () => {
    const answer = await service.send('POST', '/messages', { message: `${'é'.repeat(MESSAGE_BYTES_MAX / 2)}!` });
    expectRefused(answer, 413, 'too-large');
    expect(answer.json().detail).toContain(String(MESSAGE_BYTES_MAX));
    expect(answer.json().detail).toContain(String(MESSAGE_BYTES_MAX + 1));
  });

  it.each([
    ['announced', {}],
    ['not announced', { 'Transfer-Encoding': 'chunked' }],
  ])('a body over the limit whose size is %s, and the connection goes on', async (_, headers) => {
    const body = Buffer.alloc(4 * BODY_BYTES_MAX, 0x20);
    const asked = { method: 'POST', path: '/messages', headers: { ...JSON_TYPE, ...headers }, body };
    expectRefused(await service.ask(asked), 413, 'too-large');
    const again = await fetch(`${service.url}/messages`, { method: 'POST', headers: JSON_TYPE, body });
    expect(again.status).toBe(413);
    expect((await fetch(`${service.url}/livez`)).status).toBe(200);
  });

  it('a header and an id that differ', async () => {
    const answer = await service.send('POST', '/messages', { message: 'm', id: 'a' }, { 'Idempotency-Key': 'b' });
    expectRefused(answer, 400, 'invalid-request');
    expect(paths(answer)).toEqual(['id']);
  });

  it('two headers with an id', async () => {
    const headers = { ...JSON_TYPE, 'Idempotency-Key': ['a', 'a'] };
    const answer = await service.ask({ method: 'POST', path: '/messages', headers, body: '{"message": "m"}' });
    expectRefused(answer, 400, 'invalid-request');
    expect(paths(answer)).toEqual(['Idempotency-Key']);
  });

  it('a header with an id that is too long, together with the faults of the body', async () => {
    const answer = await service.send('POST', '/messages', { w: 0 }, { 'Idempotency-Key': 'x'.repeat(129) });
    expectRefused(answer, 400, 'invalid-request');
    expect(paths(answer)).toEqual(['Idempotency-Key', 'message', 'w']);
  });
});

describe('a right append reaches the master as it was meant', () => {
  it.each([1, 2, 1e9, 'majority', 'all'] as const)('w of %j', async (w) => {
    await service.send('POST', '/messages', { message: 'm', w, timeoutMs: 0, id: 'a' });
    expect(master.requests).toEqual([{ message: 'm', id: 'a', writeConcern: w, timeoutMs: 0 }]);
  });

  it('with the settings where the client says nothing', async () => {
    await service.send('POST', '/messages', { message: '' });
    expect(master.requests).toEqual([{ message: '', id: null, writeConcern: 'majority', timeoutMs: null }]);
  });

  it('with the id of the header, alone or the same in both', async () => {
    await service.send('POST', '/messages', { message: 'm' }, { 'Idempotency-Key': 'key-1' });
    await service.send('POST', '/messages', { message: 'm', id: 'key-1' }, { 'Idempotency-Key': 'key-1' });
    expect(master.requests.map(({ id }) => id)).toEqual(['key-1', 'key-1']);
  });

  it('with an id in any script, also by header', async () => {
    const id = 'ключ-🔑';
    await service.send('POST', '/messages', { message: 'm', id });
    const header = Buffer.from(id, 'utf8').toString('latin1');
    await service.send('POST', '/messages', { message: 'm' }, { 'Idempotency-Key': header });
    expect(master.requests.map((request) => request.id)).toEqual([id, id]);
  });

  it('with a timeout longer than any timer bounded to the longest', async () => {
    await service.send('POST', '/messages', { message: 'm', timeoutMs: Number.MAX_SAFE_INTEGER });
    expect(master.requests[0]?.timeoutMs).toBe(2 ** 31 - 1);
  });

  it.each(['application/json; charset=utf-8', 'Application/JSON', 'application/json;charset="UTF-8"'])(
    'sent as %s',
    async (type) => {
      const body = '{"message": "m"}';
      const answer = await service.ask({ method: 'POST', path: '/messages', headers: { 'Content-Type': type }, body });
      expect(answer.status).toBe(201);
    },
  );

  it.each([
    ['quotes and backslashes', 'she said "\\hi\\"'],
    ['newlines', 'a\nb\r\nc\u2028d'],
    ['NUL', 'a\u0000b'],
    ['emoji', '👩‍👩‍👧‍👦🏳️‍🌈'],
    ['Cyrillic', 'Привіт, світе'],
    ['lone surrogates', '\ud800 and \udc00'],
    ['replacement characters', '\ufffd\ufffd'],
    ['__proto__', '{"__proto__": {"a": 1}}'],
    ['256 KiB', 'x'.repeat(256 * 1024)],
    ['nothing', ''],
  ])('a message of %s comes back equal', async (_, message) => {
    const answer = await service.send('POST', '/messages', { message });
    expect(answer.status).toBe(201);
    expect(answer.json().message).toBe(message);
    expect(master.requests[0]?.message).toBe(message);
  });

  it('a message of exactly the limit is taken', async () => {
    const answer = await service.send('POST', '/messages', { message: 'é'.repeat(MESSAGE_BYTES_MAX / 2) });
    expect(answer.status).toBe(201);
  });
});
