import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { EventParser, followEvents, type SentEvent } from '#tests/support/http/event-stream';

const STREAM =
  ':\n\nid: 1-a\ndata: {"seq":1}\n\nevent: reset\r\nid: 0-b\r\ndata: {"from":1}\r\n\r\ndata: a\rdata:b\r\rid: 9\n\ndata\n\ndata: torn';

const EVENTS: readonly SentEvent[] = [
  { type: 'message', id: '1-a', data: '{"seq":1}' },
  { type: 'reset', id: '0-b', data: '{"from":1}' },
  { type: 'message', id: '0-b', data: 'a\nb' },
  { type: 'message', id: '9', data: '' },
];

it.each([1, 2, 3, 7, STREAM.length])('events are the same in pieces of %i characters', (size) => {
  const parser = new EventParser();
  const events: SentEvent[] = [];
  for (let at = 0; at < STREAM.length; at += size) events.push(...parser.feed(STREAM.slice(at, at + size)));
  expect(events).toEqual(EVENTS);
});

async function served(status: number, type: string, body: string, take: (event: SentEvent) => void) {
  const asked: (string | string[] | undefined)[] = [];
  const server = createServer((request, response) => {
    asked.push(request.headers['last-event-id']);
    response.writeHead(status, { 'Content-Type': type }).end(body);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  const { signal } = new AbortController();
  try {
    const end = await followEvents({ url: `http://127.0.0.1:${port}/`, lastEventId: '1-a', signal, take });
    return { end, asked };
  } finally {
    server.close();
  }
}

it('a stream is followed to its end, from the last id', async () => {
  const events: SentEvent[] = [];
  const { end, asked } = await served(200, 'text/event-stream', STREAM, (event) => events.push(event));
  expect(end.status).toBe(200);
  expect(asked).toEqual(['1-a']);
  expect(events).toEqual(EVENTS);
});

it('an answer that is no stream is handed over as it is', async () => {
  const { end } = await served(503, 'application/problem+json', '{"type":"/problems/foreign-log"}', () => undefined);
  expect(end).toMatchObject({ status: 503, text: '{"type":"/problems/foreign-log"}' });
});

it('who follows may end it by throwing', async () => {
  const following = served(200, 'text/event-stream', STREAM, () => {
    throw new Error('enough');
  });
  await expect(following).rejects.toThrow('enough');
});

it('a server that is not there is an end, too', async () => {
  const { signal } = new AbortController();
  const end = await followEvents({ url: 'http://127.0.0.1:1/', lastEventId: null, signal, take: () => undefined });
  expect(end.status).toBe(0);
});
