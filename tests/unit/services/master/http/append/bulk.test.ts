import { gzipSync } from 'node:zlib';
import type { BulkOutcome, BulkRequest } from '#master/core/append';
import { BULK_LINES_MAX } from '#master/http/append/bulk-request';
import { FakeMaster } from '#tests/support/fakes/master';
import type { Answer, HttpService } from '#tests/support/http/http-service';
import { serveMaster } from '#tests/support/http/master-service';

const MESSAGE_BYTES_MAX = 1_000;
const BODY_BYTES_MAX = 2 ** 20;
const NDJSON = 'application/x-ndjson';

class BulkMaster extends FakeMaster {
  readonly bulks: BulkRequest[] = [];
  onBulk: ((request: BulkRequest) => BulkOutcome) | null = null;

  override async appendAll(request: BulkRequest): Promise<BulkOutcome> {
    this.bulks.push(request);
    return this.onBulk?.(request) ?? super.appendAll(request);
  }
}

let master: BulkMaster;
let service: HttpService;

beforeEach(async () => {
  master = new BulkMaster();
  service = await serveMaster(master, {
    defaultWriteConcern: 'majority',
    messageBytesMax: MESSAGE_BYTES_MAX,
    bodyBytesMax: BODY_BYTES_MAX,
  });
});
afterEach(() => service.stop());

const post = (body: string | Buffer, query = '', headers: Record<string, string> = {}): Promise<Answer> =>
  service.ask({ method: 'POST', path: `/messages${query}`, headers: { 'Content-Type': NDJSON, ...headers }, body });

const entriesSeen = () => master.bulks.flatMap(({ entries }) => entries);

function expectRefused(answer: Answer, status: number, name: string): void {
  expect(answer.json()).toMatchObject({ type: `/problems/${name}`, status, stored: false });
  expect(answer.status).toBe(status);
  expect(master.bulks).toEqual([]);
}

describe('a bulk append', () => {
  it('is 201 with the first and the last seq', async () => {
    const answer = await post('{"message":"a","id":"x"}\n"b"\n{"message":""}\n');
    expect(answer.status).toBe(201);
    expect(answer.headers.location).toBe('/messages?from=1&limit=3');
    expect(answer.json()).toEqual({ first: 1, last: 3, count: 3, w: 1, acks: ['master'] });
    expect(entriesSeen()).toEqual([
      { message: 'a', id: 'x' },
      { message: 'b', id: null },
      { message: '', id: null },
    ]);
  });

  it.each([
    ['', { writeConcern: 'majority', timeoutMs: null }],
    ['?w=2', { writeConcern: 2, timeoutMs: null }],
    ['?w=all&timeoutMs=0', { writeConcern: 'all', timeoutMs: 0 }],
    ['?timeoutMs=99999999999', { writeConcern: 'majority', timeoutMs: 2 ** 31 - 1 }],
  ])('with %s asks for %j', async (query, expected) => {
    expect((await post('"a"', query)).status).toBe(201);
    expect(master.bulks[0]).toMatchObject(expected);
  });

  it.each([
    ['w=0', ['w']],
    ['w=1.5&timeoutMs=-1', ['w', 'timeoutMs']],
    ['w=1&w=2', ['w']],
    ['w=', ['w']],
    ['timeoutMs=soon', ['timeoutMs']],
  ])('with ?%s is refused, naming %j', async (query, paths) => {
    const answer = await post('"a"', `?${query}`);
    expectRefused(answer, 400, 'invalid-request');
    expect((answer.json().errors as { path: string }[]).map(({ path }) => path)).toEqual(paths);
  });

  it('may begin with a byte order mark', async () => {
    const answer = await post('\ufeff"a"\n"b"');
    expect(answer.status).toBe(201);
    expect(entriesSeen().map(({ message }) => message)).toEqual(['a', 'b']);
  });

  it('takes any line ends, empty lines, and spaces', async () => {
    const answer = await post('{"message":"a"}\r\n\n  \n {"message":"ü\\u0000"} \r\n"\\ud800"');
    expect(answer.json()).toMatchObject({ count: 3 });
    expect(entriesSeen().map(({ message }) => message)).toEqual(['a', 'ü\0', '\ud800']);
  });

  it('may be compressed', async () => {
    const answer = await post(gzipSync('"a"\n"b"'), '', { 'Content-Encoding': 'gzip' });
    expect(answer.json()).toMatchObject({ count: 2 });
  });

  it('names all bad lines at once, and appends none', async () => {
    const lines = ['"good"', 'not json', '{"id":"a"}', '[1]', '', '{"message":1,"id":""}', 'null', '"good"'];
    const answer = await post(lines.join('\n'));
    expectRefused(answer, 400, 'invalid-request');
    expect(answer.json().lines).toEqual([2, 3, 4, 6, 7]);
    const errors = answer.json().errors as { line: number; path: string }[];
    expect(errors.map(({ line, path }) => [line, path])).toEqual([
      [2, 'line 2'],
      [3, 'line 3: message'],
      [4, 'line 4'],
      [6, 'line 6: id'],
      [6, 'line 6: message'],
      [7, 'line 7'],
    ]);
  });

  it('does not take two values on one line, however they would join with the next', async () => {
    const answer = await post('"a","b"\n{"message":"c"\n"id":"d"}\n["x"\n"y"]');
    expect(answer.json().lines).toEqual([1, 2, 3, 4, 5]);
  });

  it('is refused when an id is in it twice', async () => {
    const answer = await post('{"message":"a","id":"x"}\n\n{"message":"b"}\n{"message":"a","id":"x"}');
    expectRefused(answer, 400, 'invalid-request');
    expect(answer.json()).toMatchObject({ lines: [4], errors: [{ line: 4, message: 'is the id of line 1 too' }] });
  });

  it.each(['', '\n', ' \r\n\n'])('of nothing, %j, is refused', async (body) => {
    expectRefused(await post(body), 400, 'invalid-request');
  });

  it('that is no UTF-8 is refused', async () => {
    expectRefused(await post(Buffer.from([0x22, 0xff, 0x22])), 400, 'invalid-request');
  });

  it('tells of many bad lines without a sentence for each', async () => {
    const answer = await post('x\n'.repeat(5_000));
    expect(answer.json().lines).toHaveLength(5_000);
    expect(answer.json().errors).toHaveLength(1_000);
    expect(String(answer.json().detail).length).toBeLessThan(2_000);
  });

  it('names the lines whose messages are too large', async () => {
    const answer = await post(`"${'ü'.repeat(500)}"\n"${'ü'.repeat(501)}"\n"${'x'.repeat(1001)}"`);
    expectRefused(answer, 413, 'too-large');
    expect(answer.json()).toMatchObject({ lines: [2, 3], bytesMax: MESSAGE_BYTES_MAX });
  });

  it('with a body over the limit is refused, said beforehand or not', async () => {
    const body = `${'"x"\n'.repeat(BODY_BYTES_MAX / 4)}"x"`;
    expectRefused(await post(body), 413, 'too-large');
    expectRefused(await post(body, '', { 'Transfer-Encoding': 'chunked' }), 413, 'too-large');
    expectRefused(await post(gzipSync(body), '', { 'Content-Encoding': 'gzip' }), 413, 'too-large');
  });

  it('with too many lines is refused', async () => {
    const answer = await post('""\n'.repeat(BULK_LINES_MAX + 1));
    expectRefused(answer, 413, 'too-large');
    expect(answer.json()).toMatchObject({ linesMax: BULK_LINES_MAX });
  });

  it('that breaks off, or is not compressed as it says, is refused', async () => {
    expectRefused(await post('"a"', '', { 'Content-Encoding': 'gzip' }), 400, 'invalid-request');
    expectRefused(await post('"a"', '', { 'Content-Encoding': 'zstd' }), 415, 'unsupported-media-type');
  });

  it('with the header of a single append is refused', async () => {
    expectRefused(await post('"a"', '', { 'Idempotency-Key': 'k' }), 400, 'invalid-request');
  });

  it.each(['application/x-ndjson; charset=utf-8', 'Application/X-NDJSON;charset="UTF-8"'])(
    'is told by %s',
    async (type) => {
      expect((await post('"a"', '', { 'Content-Type': type })).status).toBe(201);
    },
  );

  it('in another charset is 415', async () => {
    expectRefused(
      await post('"a"', '', { 'Content-Type': `${NDJSON}; charset=latin1` }),
      415,
      'unsupported-media-type',
    );
  });
});

describe('the answer to a bulk append', () => {
  const answerTo = (outcome: BulkOutcome) => {
    master.onBulk = () => outcome;
    return post('\n"a"\n\n"b"\n');
  };

  it('is 200 when all of it was appended before', async () => {
    const told = { first: 4, last: 5, count: 2, w: 2, acks: ['master', 's1'] };
    const answer = await answerTo({ outcome: 'acknowledged', repeated: true, ...told });
    expect(answer.status).toBe(200);
    expect(answer.json()).toEqual(told);
  });

  it.each([
    ['ids-known', 'ids-known'],
    ['ids-conflict', 'id-conflict'],
  ] as const)('%s is 409 with the lines of the body', async (outcome, name) => {
    const answer = await answerTo({ outcome, lines: [2] });
    expect(answer.status).toBe(409);
    expect(answer.json()).toMatchObject({ type: `/problems/${name}`, lines: [4], stored: false });
  });

  it('is 400 with n when more nodes were asked for than there are', async () => {
    const answer = await answerTo({ outcome: 'unsatisfiable', w: 5, nodes: 3 });
    expect(answer.status).toBe(400);
    expect(answer.json()).toMatchObject({ w: 5, nodes: 3, stored: false });
  });

  it('is 503 when it was refused', async () => {
    const quorum = { required: 2, alive: 1 };
    const refused = { problem: 'overloaded', detail: 'full', retryAfterS: 1, quorum, missing: [] } as const;
    const answer = await answerTo({ outcome: 'refused', ...refused });
    expect(answer.status).toBe(503);
    expect(answer.headers['retry-after']).toBe('1');
    expect(answer.json()).toMatchObject({ type: '/problems/overloaded', stored: false });
  });

  it('says that it may be in the log when a retry was refused by a master that holds its ids', async () => {
    const quorum = { required: 2, alive: 1 };
    const refused = { problem: 'recovering', detail: 'no vote yet', retryAfterS: 1, quorum, missing: [] } as const;
    const answer = await answerTo({ outcome: 'refused', ...refused, stored: 'unknown' });
    expect(answer.status).toBe(503);
    expect(answer.text).toContain('"stored":"unknown"');
    expect(answer.json()).toMatchObject({ type: '/problems/recovering', stored: 'unknown', quorum });
  });

  it.each([
    ['write-concern-timeout', 504, true],
    ['shutting-down', 503, 'unknown'],
    ['deposed', 503, 'unknown'],
  ] as const)('is %s, %d, with the seqs', async (problem, status, stored) => {
    const unresolved = { problem, first: 4, last: 5, count: 2, w: 3, acks: ['master'], stored };
    const answer = await answerTo({ outcome: 'unresolved', ...unresolved });
    expect(answer.status).toBe(status);
    if (status === 504) expect(answer.json()).toMatchObject({ committed: false });
    expect(answer.json()).toMatchObject({ first: 4, last: 5, count: 2, w: 3, acks: ['master'], stored });
  });
});
