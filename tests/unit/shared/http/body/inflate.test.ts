/** A body that is small on the wire and large once decompressed. */
import type { IncomingMessage } from 'node:http';
import { PassThrough, type Transform } from 'node:stream';
import { brotliCompressSync, constants, deflateSync, gzipSync } from 'node:zlib';
import { readRawBody } from '#http/body/raw';

const MEBIBYTE = 2 ** 20;
const BOMB = Buffer.alloc(64 * MEBIBYTE);
const BROTLI_FAST = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } };

test.each([
  ['gzip', gzipSync(BOMB)],
  ['deflate', deflateSync(BOMB)],
  ['br', brotliCompressSync(BOMB, BROTLI_FAST)],
])('a %s body is inflated up to the limit and not to its end, and the rest is read', async (encoding, wire) => {
  const stream = new PassThrough();
  const pipe = jest.spyOn(stream, 'pipe');
  const request = Object.assign(stream, { headers: { 'content-encoding': encoding }, complete: true });
  const body = readRawBody(request as unknown as IncomingMessage, { bytesMax: 1_000 });
  const drained = new Promise((resolve) => stream.once('end', resolve));
  let inflated = 0;
  const inflater = pipe.mock.calls[0]?.[0] as Transform;
  inflater.on('data', (chunk: Buffer) => {
    inflated += chunk.length;
  });
  const ended = new Promise((resolve) => inflater.once('close', resolve));
  stream.end(wire);
  expect(await body).toMatchObject({ problem: { kind: { name: 'too-large' } } });
  await Promise.all([drained, ended]);
  expect(inflated).toBeLessThan(MEBIBYTE);
});
