/** `npm run force` as a process, against an HTTP server that answers as a master does. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { json, text } from 'node:stream/consumers';

/** A process is started by each. */
jest.setTimeout(60_000);

const ROOT = join(__dirname, '..', '..', '..', '..');

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

const NOT_YET = { type: '/problems/not-yet', title: 'The force is being prepared' };
const DETAIL =
  'It would begin with the log of secondary-2, entries 1 to 7. What only secondary-1 may have held is given up.';
const READY = { state: 'ready', from: 'secondary-2', lastSeq: 7, detail: DETAIL };
const LISTENING = { state: 'listening', from: null, detail: 'Still listening who has the log. Heard: nobody.' };
const LOG_EXISTS = { state: 'refused', problem: 'log-exists', detail: 'This master belongs to a log already.' };
const HEALTH = {
  node: 'master',
  status: 'recovering',
  waitingFor: '1 more vote from secondary-1, secondary-2',
  log: '60c249b35917a53d',
  epoch: 3,
  head: 5,
  voters: { names: ['master', 'secondary-1', 'secondary-2'], up: null },
  secondaries: [{ id: 'secondary-1', status: 'Unhealthy' }],
};

let server: Server;
let url: string;
/** What GET /members/force says, one after the other; the last one again and again. */
let plans: unknown[];
/** What POST /members/force answers, in the same way. */
let answers: Answer[];
let posted: unknown[];
let tokens: Set<string | undefined>;
/** The master begins at the first 202. */
let begins: boolean;

beforeEach(async () => {
  plans = [{ log: 'rlog', ...READY, new: LOG_EXISTS }];
  answers = [{ status: 202, body: { forced: true, log: 'rlog', ...READY } }];
  posted = [];
  tokens = new Set();
  begins = true;
  let isForced = false;
  const answerTo = async (request: IncomingMessage): Promise<Answer> => {
    tokens.add(request.headers.authorization);
    if (request.url === '/health') {
      const reigns = isForced && begins;
      return { status: 200, body: reigns ? { ...HEALTH, status: 'degraded', epoch: 4, forcedEpoch: 4 } : HEALTH };
    }
    if (request.method === 'GET') return { status: 200, body: plans.length > 1 ? plans.shift() : plans[0] };
    posted.push(await json(request));
    const answer = (answers.length > 1 ? answers.shift() : answers[0]) as Answer;
    isForced ||= answer.status === 202;
    return answer;
  };
  server = createServer((request, response) => {
    void answerTo(request).then(({ status, body }) => {
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

async function force(args: readonly string[], typed = '', environment = {}) {
  const script = join(ROOT, 'tools/scripts/force.ts');
  const env = { ...process.env, API_TOKEN: '', ...environment };
  const child = spawn(process.execPath, ['--import', 'tsx', script, '--url', url, ...args], { stdio: 'pipe', env });
  child.stdin.end(typed);
  const closed = once(child, 'close');
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = (await closed) as [number];
  return { code, stdout, stderr };
}

test('shows what would be given up, asks for the name, and says what has begun', async () => {
  const { code, stdout } = await force([], 'rlog\n');
  expect(stdout).toContain('waiting for 1 more vote from secondary-1, secondary-2\n');
  expect(stdout).toContain(DETAIL);
  expect(stdout).toContain('The log goes on in epoch 4 with entries 1 to 7 of secondary-2');
  expect(posted).toEqual([{ log: 'rlog' }]);
  expect(code).toBe(0);
});

test.each([['yes\n'], [''], ['other\n']])('with %j typed for the name forces nothing', async (typed) => {
  expect(await force([], typed)).toMatchObject({ code: 1, stderr: 'Not confirmed. Nothing was forced.\n' });
  expect(posted).toEqual([]);
});

test('a name that is not the log of this master forces nothing, whatever else is said', async () => {
  const { code, stderr } = await force(['--log', 'other', '--yes']);
  expect([code, stderr]).toEqual([1, expect.stringContaining(`--log says other, and the log of ${url} is rlog.`)]);
  expect(posted).toEqual([]);
});

test('asks the question after the listening, and the master again while it still fetches', async () => {
  const fetching = { status: 409, body: { ...NOT_YET, detail: 'Still fetching from secondary-2.' } };
  plans = [{ log: 'rlog', ...LISTENING }, { log: 'rlog', ...LISTENING }, ...plans];
  answers = [fetching, fetching, ...answers];
  const { code, stdout } = await force(['--log', 'rlog', '--yes']);
  expect(stdout).toMatch(/Still listening.*It would begin.*Still fetching.*The log goes on/s);
  expect(stdout.match(/Still/g)).toHaveLength(2);
  expect(posted).toHaveLength(3);
  expect(code).toBe(0);
});

test('a refusal, and a master that is not ready in time, end it with the reason', async () => {
  answers = [{ status: 409, body: { type: '/problems/ambiguous', detail: 'Several logs are held.' } }];
  expect(await force(['--log', 'rlog', '--yes'])).toMatchObject({
    code: 1,
    stderr: 'Refused (409): Several logs are held.\n',
  });
  answers = [{ status: 409, body: { ...NOT_YET, detail: 'Still fetching.' } }];
  const late = await force(['--log', 'rlog', '--yes', '--timeout', '1']);
  expect(late).toMatchObject({ code: 1, stderr: 'The master was not ready in that time. Nothing was forced.\n' });
});

test('a master that was told and does not begin is not called begun', async () => {
  begins = false;
  const { code, stderr } = await force(['--log', 'rlog', '--yes', '--timeout', '1']);
  expect([code, stderr]).toEqual([1, expect.stringContaining('has not begun yet')]);
});

test('--new begins a log where there is none', async () => {
  plans = [
    { log: 'rlog', ...LISTENING, new: { ...READY, from: 'master', lastSeq: 0, detail: 'A new log would begin.' } },
  ];
  const { code, stdout } = await force(['--new'], 'rlog\n');
  expect(posted).toEqual([{ log: 'new' }]);
  expect(stdout).toContain('A new log has begun in epoch 4: 60c249b35917a53d.');
  expect(code).toBe(0);
});

test('--new is refused where there is a log', async () => {
  expect(await force(['--new'], 'rlog\n')).toMatchObject({
    code: 1,
    stderr: `Refused (log-exists): ${LOG_EXISTS.detail}\n`,
  });
  expect(posted).toEqual([]);
});

test.each([
  [[], 'Bearer a'],
  [['--token', 'b'], 'Bearer b'],
])('with the options %j and API_TOKEN=a every request says %s', async (args, said) => {
  await force(['--log', 'rlog', '--yes', ...args], '', { API_TOKEN: 'a' });
  expect([...tokens]).toEqual([said]);
});

test.each([
  [['--colour']],
  [['--yes']],
  [['--timeout', 'soon']],
  [['--timeot', '3']],
  [['--url', 'localhost:8000']],
  [['rlog']],
])('%j is wrong use: nobody is asked', async (args) => {
  const { code, stderr } = await force(args);
  expect([code, stderr]).toEqual([2, expect.stringContaining('npm run force -- --url URL')]);
  expect(tokens.size).toBe(0);
});

test('--help asks nobody', async () => {
  expect(await force(['--help'])).toMatchObject({ code: 0, stdout: expect.stringContaining('--timeout S') });
  expect(tokens.size).toBe(0);
});
