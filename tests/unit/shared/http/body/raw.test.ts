import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { BodyBudget, readRawBody } from '#http/body/raw';

/** As much of a request as is needed to read its body. */
function request(headers: Record<string, string> = {}) {
  const stream = new PassThrough();
  return Object.assign(stream, { headers, complete: false }) as unknown as IncomingMessage & PassThrough;
}

const nameOf = (body: Awaited<ReturnType<typeof readRawBody>>) => ('problem' in body ? body.problem.kind.name : 'read');

describe('bodies that arrive at once', () => {
  it('share a budget, and give it back when they are read', async () => {
    const budget = new BodyBudget(10);
    const [first, second, third] = [request(), request(), request()];
    const bodies = [first, second].map((each) => readRawBody(each, { bytesMax: 100, budget }));
    first.write('123456');
    await new Promise(setImmediate);
    second.end('123456');
    expect(nameOf(await (bodies[1] ?? bodies[0] ?? Promise.reject(new Error('no body'))))).toBe('overloaded');
    first.end('7');
    expect(await bodies[0]).toEqual({ bytes: Buffer.from('1234567') });
    third.end('1234567890');
    expect(nameOf(await readRawBody(third, { bytesMax: 100, budget }))).toBe('read');
  });

  it('give it back when they are refused or break off', async () => {
    const budget = new BodyBudget(10);
    const [large, broken, last] = [request(), request(), request()];
    const refused = [large, broken].map((each) => readRawBody(each, { bytesMax: 5, budget }));
    large.write('1234');
    await new Promise(setImmediate);
    large.end('56');
    broken.write('123');
    await new Promise(setImmediate);
    broken.destroy();
    expect((await Promise.all(refused)).map(nameOf)).toEqual(['too-large', 'invalid-request']);
    last.end('12345');
    expect(nameOf(await readRawBody(last, { bytesMax: 5, budget }))).toBe('read');
    expect(budget.take(10)).toBe(true);
  });
});
