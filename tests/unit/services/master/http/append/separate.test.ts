/** What a request with `atomic=false` is told as a whole, and how the answers of its lines are sent. */

import type { Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { WaitingClient } from '#http/wait-signal';
import type { LineListener, Section } from '#master/core/append';
import { createMasterApp } from '#master/http/app';
import { BULK_LINES_MAX } from '#master/http/append/bulk-request';
import { CLIENT_LIMITS } from '#process/node-settings';
import { eventually } from '#tests/support/eventually';
import { FakeMaster } from '#tests/support/fakes/master';
import { type Answer, HttpService, LogLines } from '#tests/support/http/http-service';

const BODY_BYTES_MAX = 2 ** 22;
const NDJSON = { 'Content-Type': 'application/x-ndjson' };

/** A master whose lines end when the test says so. */
class LineMaster extends FakeMaster {
  sections: readonly Section[] = [];
  lines: LineListener | null = null;
  client: WaitingClient | null = null;
  /** Acknowledge every line at once. */
  isReady = true;

  override appendEach(sections: readonly Section[], client: WaitingClient, lines: LineListener): void {
    this.sections = sections;
    this.lines = lines;
    this.client = client;
    if (this.isReady) for (const section of sections) this.acknowledgeAll(section);
  }

  acknowledgeAll({ at, entries }: Pick<Section, 'at' | 'entries'>): void {
    const seq = this.reader.head + entries.length;
    this.reader.moveHead(seq);
    this.lines?.told(at, entries.length, { outcome: 'acknowledged', repeated: false, seq, w: 1, acks: ['master'] });
  }
}

let master: LineMaster;
let service: HttpService;

beforeEach(async () => {
  master = new LineMaster();
  const http = { bodyBytesMax: BODY_BYTES_MAX, apiToken: null, limits: { ...CLIENT_LIMITS, stalledMs: 300 } };
  const settings = { defaultWriteConcern: 'all', messageBytesMax: 2 ** 20, logName: 'rlog', http } as const;
  const { logger } = new LogLines();
  service = await HttpService.start(({ stopping }) => createMasterApp({ master, logger, stopping, settings }));
});
afterEach(() => service.stop());

const post = (body: string | Buffer, query = '?atomic=false', headers: Record<string, string> = {}): Promise<Answer> =>
  service.ask({ method: 'POST', path: `/messages${query}`, headers: { ...NDJSON, ...headers }, body });

const statusesOf = ({ text }: Answer) =>
  text
    .split('\n')
    .slice(0, -1)
    .map((line) => (JSON.parse(line) as { status: number }).status);

const shapes = () => master.sections.map(({ at, entries }) => [at, entries.length]);

describe('a request with atomic=false', () => {
  it.each([
    ['?atomic=no', 'atomic: must be true or false'],
    ['?atomic=', 'atomic: must be true or false'],
    ['?atomic=false&atomic=false', 'atomic: must be true or false'],
    ['?atomc=false', 'atomc: did you mean atomic?'],
    ['?atomic=false&timeoutMS=5', 'timeoutMS: did you mean timeoutMs?'],
    ['?atomic=false&w=0', 'w: must be a whole number of 1 or more, "majority" or "all"'],
    ['?atomic=false&id=x', 'id: not known; known here: w, timeoutMs, atomic'],
  ])('%s is refused as a whole', async (query, detail) => {
    const answer = await post('"a"\n"b"', query);
    expect(answer.json()).toMatchObject({ status: 400, type: '/problems/invalid-request', detail, stored: false });
    expect(master.lines).toBeNull();
  });

  it.each([
    ['without a line', '', {}, 400],
    ['with empty lines alone', ' \r\n\n', {}, 400],
    ['with an Idempotency-Key', '"a"', { 'Idempotency-Key': 'k' }, 400],
    ['in another charset', '"a"', { 'Content-Type': 'application/x-ndjson; charset=latin1' }, 415],
    ['that is not compressed as it says', '"a"', { 'Content-Encoding': 'gzip' }, 400],
    ['with too large a body', `"${'x'.repeat(BODY_BYTES_MAX)}"`, {}, 413],
    ['with too many lines', '""\n'.repeat(BULK_LINES_MAX + 1), {}, 413],
  ])('%s is refused as a whole', async (_, body, headers, status) => {
    const answer = await post(body, '?atomic=false', headers as Record<string, string>);
    expect(answer.json()).toMatchObject({ status, stored: false });
    expect(master.lines).toBeNull();
  });

  it('and a JSON body is refused, naming the parameter', async () => {
    const answer = await service.send('POST', '/messages?atomic=false', { message: 'a' });
    expect(answer.json()).toMatchObject({
      status: 400,
      detail: 'atomic: is for a body of application/x-ndjson: a JSON body is one append',
      stored: false,
    });
  });

  it('with atomic=true is a bulk append', async () => {
    expect((await post('"a"\n"b"', '?atomic=true')).json()).toMatchObject({ first: 1, last: 2, count: 2 });
    expect((await post('"a"\nx', '?atomic=true')).json()).toMatchObject({ status: 400, lines: [2] });
  });

  it('may be compressed, begin with a byte order mark, have empty lines, and end without a line feed', async () => {
    const body = gzipSync('\ufeff"a"\r\n\n  \n{"message":"b"}');
    expect(statusesOf(await post(body, '?atomic=false', { 'Content-Encoding': 'gzip' }))).toEqual([201, 201]);
    expect(master.sections[0]?.entries.map(({ message }) => message)).toEqual(['a', 'b']);
  });

  it('in which a line is not UTF-8 has the other lines appended', async () => {
    const body = Buffer.concat([Buffer.from('\ufeff"ä"\n"'), Buffer.of(0xff), Buffer.from('"\n"ö"')]);
    const answer = await post(body);
    expect(statusesOf(answer)).toEqual([201, 400, 201]);
    expect(answer.text).toContain('"detail":"the line is not UTF-8"');
    expect(master.sections.flatMap(({ entries }) => entries.map(({ message }) => message))).toEqual(['ä', 'ö']);
  });

  it('gives the master as few sections as its lines allow', async () => {
    const lines = ['"a"', '{"message":"b","w":"all"}', '{"message":"c","w":2}', '{"message":"d","w":2,"timeoutMs":5}'];
    const withIds = ['{"message":"e","id":"e"}', '{"message":"f","id":"f"}', '{"message":"f","id":"f"}'];
    await post([...lines, 'x', '"y"', ...withIds].join('\n'));
    expect(shapes()).toEqual([
      [0, 2],
      [2, 1],
      [3, 1],
      [5, 1],
      [6, 2],
      [8, 1],
    ]);
    expect(master.sections.map(({ writeConcern, timeoutMs }) => [writeConcern, timeoutMs])).toEqual([
      ['all', null],
      [2, null],
      [2, 5],
      ['all', null],
      ['all', null],
      ['all', null],
    ]);
  });

  it('bounds a section by its lines and by the length of its messages', async () => {
    await post('""\n'.repeat(1_500));
    expect(shapes()).toEqual([
      [0, 1_024],
      [1_024, 476],
    ]);
    await post(`"${'x'.repeat(200_000)}"\n`.repeat(3));
    expect(shapes()).toEqual([
      [0, 1],
      [1, 1],
      [2, 1],
    ]);
  });

  it('is told at once, with its length, when all of its lines have ended', async () => {
    const answer = await post('"a"\nx\n"b"');
    expect(statusesOf(answer)).toEqual([201, 400, 201]);
    expect(answer.headers['content-length']).toBe(String(Buffer.byteLength(answer.text)));
  });

  it('sends lines that end together in one piece, and none before those ahead of it', async () => {
    master.isReady = false;
    const socket = await open(
      '{"message":"a","w":1}\n{"message":"b","w":2}\n{"message":"c","w":3}\n{"message":"d","w":4}',
    );
    const texts: string[] = [];
    socket.on('data', (data: Buffer) => texts.push(data.toString()));
    await eventually('it was given', () =>
      expect(shapes()).toEqual([
        [0, 1],
        [1, 1],
        [2, 1],
        [3, 1],
      ]),
    );
    const [a, b, c, d] = master.sections as [Section, Section, Section, Section];
    master.acknowledgeAll(a);
    await eventually('the first is there', () => expect(texts.join('')).toContain('"seq":1'));
    texts.splice(0);
    master.acknowledgeAll(c);
    master.acknowledgeAll(b);
    await eventually('two more are there', () => expect(texts.join('')).toMatch(/"seq":3.*"seq":2/s));
    const pieces = texts
      .join('')
      .split('\r\n')
      .filter((line) => line.startsWith('{'));
    expect(pieces).toHaveLength(1);
    master.acknowledgeAll(d);
    await eventually('all are there', () => expect(texts.join('')).toMatch(/"seq":4.*\r\n0\r\n/s));
    socket.destroy();
  });

  it('keeps no answers for a client that does not read, and cuts it off', async () => {
    // More than the kernel buffers of one connection take, in sections of one line.
    const text = 'x'.repeat(2 ** 21);
    master.reader.messageOf = () => text;
    const socket = await open('{"message":"","w":1}\n{"message":"","w":2}\n'.repeat(20));
    socket.pause();
    await eventually('it is cut off', () => expect(master.client?.hasLeft).toBe(true));
    expect(master.reader.entriesRead).toBeGreaterThan(0);
    expect(master.reader.entriesRead).toBeLessThan(20);
  });

  it('tells the master when its client leaves', async () => {
    master.isReady = false;
    const socket = await open('"a"');
    await eventually('it was given', () => expect(master.client?.hasLeft).toBe(false));
    const gone = new Promise<void>((resolve) => master.client?.onLeave(resolve));
    socket.destroy();
    await gone;
  });

  it('ends in the middle when a line that was acknowledged cannot be read', async () => {
    master.isReady = false;
    const socket = await open('{"message":"a","w":1}\n{"message":"b","w":2}');
    const texts: string[] = [];
    socket.on('data', (data: Buffer) => texts.push(data.toString()));
    await eventually('it was given', () => expect(master.sections).toHaveLength(2));
    const [a, b] = master.sections as [Section, Section];
    master.acknowledgeAll(a);
    await eventually('the first is there', () => expect(texts.join('')).toContain('"seq":1'));
    master.reader.lostFrom = 2;
    master.acknowledgeAll(b);
    await new Promise((resolve) => socket.once('close', resolve));
    expect(texts.join('')).not.toContain('\r\n0\r\n');
  });
});

/** Posts the lines on a connection of its own. */
async function open(body: string): Promise<Socket> {
  const socket = await service.connect();
  socket.on('error', () => undefined);
  const head = `POST /messages?atomic=false HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson`;
  socket.write(`${head}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  return socket;
}
