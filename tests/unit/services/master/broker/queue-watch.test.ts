import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { QueueWatch } from '#master/broker/queue-watch';
import { LogLines } from '#tests/support/http/http-service';

let server: Server;
let answer: { status: number; body: unknown };
const asked: { url: string; authorization: string | undefined }[] = [];
let now: number;
let log: LogLines;

beforeEach(async () => {
  answer = { status: 200, body: { messages: 3, message_bytes: 300 } };
  asked.length = 0;
  now = 0;
  log = new LogLines();
  server = createServer((request, response) => {
    asked.push({ url: request.url ?? '', authorization: request.headers.authorization });
    response.writeHead(answer.status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer.body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

function watch(
  more: { readonly userInfo?: string; readonly amqpUrl?: string; readonly otherQueues?: string[] } = {},
): QueueWatch {
  const { port } = server.address() as AddressInfo;
  return new QueueWatch({
    managementUrl: `http://${more.userInfo ?? ''}127.0.0.1:${port}`,
    amqpUrl: more.amqpUrl ?? 'amqp://log:secret@localhost/logs',
    queueOf: (node) => `rlog.entries.${node}`,
    otherQueues: () => more.otherQueues ?? [],
    queueBytesMax: 1_000,
    members: () => ['secondary-1'],
    logger: log.logger,
    now: () => now,
  });
}

test('a queue is shown as the api has it, asked in the vhost and with the user of AMQP_URL', async () => {
  const queues = watch();
  expect(queues.of('secondary-1')).toBeNull();
  await queues.askAll();
  expect(queues.of('secondary-1')).toEqual({ messages: 3, bytes: 300, overflowed: false });
  expect(asked[0]?.url).toBe('/api/queues/logs/rlog.entries.secondary-1');
  expect(asked[0]?.authorization).toBe(`Basic ${Buffer.from('log:secret').toString('base64')}`);
});

test('the default vhost is / and a user in MANAGEMENT_URL comes first', async () => {
  await watch({ userInfo: 'eye:sight@', amqpUrl: 'amqp://localhost' }).askAll();
  expect(asked[0]).toEqual({
    url: '/api/queues/%2F/rlog.entries.secondary-1',
    authorization: `Basic ${Buffer.from('eye:sight').toString('base64')}`,
  });
});

test('a queue at its bound has overflowed, until it was empty', async () => {
  const queues = watch();
  answer.body = { messages: 10, message_bytes: 950 };
  await queues.askAll();
  expect(queues.of('secondary-1')?.overflowed).toBe(true);
  answer.body = { messages: 1, message_bytes: 95 };
  await queues.askAll();
  expect(queues.of('secondary-1')?.overflowed).toBe(true);
  answer.body = { messages: 0, message_bytes: 0 };
  await queues.askAll();
  expect(queues.of('secondary-1')?.overflowed).toBe(false);
  expect(log.lines.filter(({ msg }) => `${msg}`.includes('is full'))).toHaveLength(1);
});

test('what is old is not shown, and an api that is away is said once', async () => {
  const queues = watch();
  await queues.askAll();
  answer.status = 500;
  await queues.askAll();
  await queues.askAll();
  expect(log.lines.filter(({ msg }) => `${msg}`.includes('does not answer'))).toHaveLength(1);
  expect(queues.of('secondary-1')).not.toBeNull();
  now = 16_000;
  expect(queues.of('secondary-1')).toBeNull();
});

test.each([
  [{ 'delivery-limit': 3 }, true],
  [{ 'max-length': 100 }, true],
  [{ 'message-ttl': 1 }, true],
  [{ expires: 1 }, true],
  [{ 'ha-mode': 'all' }, false],
  [[], false],
])('the policy %j is named when it limits the queue: %s', async (definition, named) => {
  answer.body = { messages: 0, message_bytes: 0, policy: 'theirs', effective_policy_definition: definition };
  const queues = watch();
  await queues.askAll();
  await queues.askAll();
  const warnings = log.lines.filter(({ msg }) => `${msg}`.includes('policy'));
  expect(warnings).toHaveLength(named ? 1 : 0);
  const queue = 'rlog.entries.secondary-1';
  if (named) expect(warnings[0]).toMatchObject({ policy: 'theirs', settings: definition, queue });
  expect(queues.warnings).toEqual(named ? [expect.stringContaining(`theirs limits the queue ${queue}`)] : []);
  answer.body = { messages: 0, message_bytes: 0, effective_policy_definition: {} };
  await queues.askAll();
  expect(queues.warnings).toEqual([]);
});

test("a policy of the operator, on a queue that is no member's, is named too", async () => {
  const definition = { 'max-length': 1 };
  answer.body = { operator_policy: 'op', effective_policy_definition: definition };
  const queues = watch({ otherQueues: ['rlog.replies'] });
  await queues.askAll();
  expect(queues.warnings).toContainEqual(expect.stringContaining('op limits the queue rlog.replies (max-length=1)'));
});

test('whether there are policies is not known before the api has answered, nor when it does not', async () => {
  const queues = watch({ otherQueues: ['rlog.replies'] });
  expect(queues.unknown).toBe('not asked yet');
  answer = { status: 401, body: {} };
  await queues.askAll();
  expect(queues.unknown).toContain('401');
  answer = { status: 200, body: {} };
  await queues.askAll();
  expect(queues.unknown).toBeNull();
});

test('an answer that is none is no answer', async () => {
  answer.body = { messages: 'many' };
  const queues = watch();
  await queues.askAll();
  expect(queues.of('secondary-1')).toBeNull();
});
