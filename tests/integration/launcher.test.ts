/** `npm start`: what a user sees of it, and that nothing of it is left, however it ends. */
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { eventually } from '../support/eventually';
import { ask } from '../support/http/ask';
import { makePlace, NpmStart, type Place, removePlace } from '../support/real/npm-start';
import { awaitGone } from '../support/real/processes';

/** Three starts with a broker each, on a machine that others use too. */
const STORY_MS = 400_000;
/** Promised. */
const STOP_MS = 10_000;
/**
 * A killed launcher's nodes stop in the 10 s that every node has; its broker's supervisor has as
 * long.
 */
const LEFTOVER_MS = 30_000;

let place: Place;
const running: NpmStart[] = [];

function start(...options: string[]): NpmStart {
  const launcher = new NpmStart(place, options);
  running.push(launcher);
  return launcher;
}

function url(node: number): string {
  return `http://127.0.0.1:${place.port + node}`;
}

async function append(message: string): Promise<unknown> {
  const headers = { 'Content-Type': 'application/json' };
  const answer = await ask(url(0), { method: 'POST', path: '/messages', headers, body: JSON.stringify({ message }) });
  expect(answer.status).toBe(201);
  return answer.json();
}

/**
 * Id of the log that the master says, and the one that the data folder keeps for the next start.
 */
async function logIds(): Promise<unknown[]> {
  const { log } = (await ask(url(0), { path: '/health' })).json();
  const [kept = ''] = readFileSync(join(place.dataDir, 'log-id'), 'utf8').split('\n');
  return [log, JSON.parse(kept)];
}

async function messages(node: number): Promise<string[]> {
  const answer = await ask(url(node), { path: '/messages' });
  return (JSON.parse(answer.text) as { message: string }[]).map(({ message }) => message);
}

async function untilAllShow(texts: readonly string[]): Promise<void> {
  for (const node of [0, 1, 2]) {
    await eventually(`node ${node} shows ${texts.join(', ')}`, async () => expect(await messages(node)).toEqual(texts));
  }
}

beforeEach(async () => {
  place = await makePlace();
});

afterEach(async () => {
  const launchers = running.splice(0);
  for (const launcher of launchers) {
    const started = launcher.started;
    launcher.signal('SIGKILL');
    for (const pid of await awaitGone(started, LEFTOVER_MS)) process.kill(pid, 'SIGKILL');
  }
  await removePlace(place, launchers);
});

it(
  'npm start brings up a log that outlives Ctrl-C, a node that was killed, and a launcher that was killed',
  async () => {
    const first = start();
    await first.isUp();
    expect(first.output).toMatch(/ {2}master +http:\/\/127\.0\.0\.1:\d+ +ready, 0 entries, pid \d+\n/);
    expect(first.output).toMatch(/ {2}secondary-2 +http\S+ +ready, 0 entries, pid \d+\n/);
    expect(first.output).toContain(place.dataDir);
    expect(await append('one')).toMatchObject({ seq: 1, acks: ['master', 'secondary-1', 'secondary-2'] });
    await untilAllShow(['one']);
    const [log, kept] = await logIds();
    expect(kept).toBe(log);

    const second = start();
    expect(await second.ended()).toBe(69);
    expect(second.output).toContain(`is in use by process ${first.pid}`);

    await expectOrderlyStop(first);

    const third = start();
    await third.isUp();
    expect(third.output).toMatch(/ {2}master .* 1 entry, /);
    await append('two');
    await untilAllShow(['one', 'two']);
    expect(await logIds()).toEqual([log, log]);
    const orphans = third.started;
    third.signal('SIGKILL');
    expect(await awaitGone(orphans, LEFTOVER_MS)).toEqual([]);

    const fourth = start();
    await fourth.isUp();
    await untilAllShow(['one', 'two']);
    await expectOrderlyStop(fourth);
  },
  STORY_MS,
);

it(
  'with every node’s folder lost no other log begins: the greeting says what was lost, and what can be done',
  async () => {
    const first = start();
    await first.isUp();
    const [log] = await logIds();
    await expectOrderlyStop(first);
    for (const node of ['master', 'secondary-1', 'secondary-2']) rmSync(join(place.dataDir, node), { recursive: true });

    const second = start();
    await second.isUp();
    expect(second.output).toContain(`the log ${log} was kept in ${place.dataDir}, and the folder of no node holds`);
    expect(await logIds()).toEqual([log, log]);
    await expectOrderlyStop(second);

    rmSync(place.dataDir, { recursive: true });
    const third = start();
    await third.isUp();
    expect(third.output).toMatch(/ {2}master .* ready, 0 entries, /);
    const [other, kept] = await logIds();
    expect(other).not.toBe(log);
    expect(kept).toBe(other);
    await expectOrderlyStop(third);
  },
  STORY_MS,
);

it(
  'a node that ends is told of, and is started again: after a crash by itself, after a stop when told to',
  async () => {
    const launcher = start('--memory');
    await launcher.isUp();
    expect(launcher.output).toContain('gone when this stops');

    process.kill(launcher.pidOf('secondary-1'), 'SIGTERM');
    await launcher.says('secondary-1 (pid');
    await launcher.says(`ended: exit code 0. Everything else goes on. It stays down until you start it again`);
    expect(launcher.output).toContain(`kill -USR2 ${launcher.pid}`);
    launcher.signal('SIGUSR2');
    await launcher.says('secondary-1 is ready.');

    process.kill(launcher.pidOf('secondary-2'), 'SIGKILL');
    await launcher.says('ended: killed by SIGKILL. Everything else goes on. Its last lines, from ');
    await launcher.says('It is started again in 10 s');
    await launcher.says('secondary-2 is ready.');
    await append('all are back');
    expect(existsSync(join(place.dataDir, 'master'))).toBe(false);
    await expectOrderlyStop(launcher);
  },
  STORY_MS,
);

it(
  'a port in use is named, with what to do, and nothing is started',
  async () => {
    const other = createServer().listen(place.port + 1, '127.0.0.1');
    await once(other, 'listening');
    try {
      const launcher = start();
      expect(await launcher.ended()).toBe(69);
      expect(launcher.output).toContain(`port ${place.port + 1} on 127.0.0.1, for secondary-1: is in use`);
      expect(launcher.output).toMatch(/use other ports: npm start -- --port N/);
      expect(existsSync(join(place.dataDir, 'broker'))).toBe(false);
      expect(existsSync(join(place.dataDir, 'lock'))).toBe(false);
    } finally {
      other.close();
    }
  },
  STORY_MS,
);

it(
  'wrong options are told all at once',
  async () => {
    const launcher = start('--secondaries', 'many', '--colour');
    expect(await launcher.ended()).toBe(64);
    expect(launcher.output).toMatch(/unknown option --colour\n--secondaries must be.*npm start -- \[options\]/s);
  },
  STORY_MS,
);

it(
  'Ctrl-C while it starts leaves nothing running',
  async () => {
    const launcher = start();
    await launcher.says('Setting up');
    await eventually('the broker is being started', () => expect(launcher.started).not.toEqual([]));
    await expectStop(launcher);
  },
  STORY_MS,
);

it(
  'stops in order when nobody reads what it says any more',
  async () => {
    const launcher = start();
    await launcher.says('  starting ');
    await eventually('the broker is being started', () => expect(launcher.started).not.toEqual([]));
    const { started } = launcher;
    launcher.closeOutput();
    expect(await launcher.ended()).toBe(0);
    expect(await awaitGone(started, LEFTOVER_MS)).toEqual([]);
  },
  STORY_MS,
);

async function expectOrderlyStop(launcher: NpmStart): Promise<void> {
  await expectStop(launcher);
  expect(launcher.output).toMatch(
    /Stopping master, secondary-1, secondary-2, then RabbitMQ …\n {2}the nodes have stopped\n/,
  );
  expect(launcher.output).toMatch(/RabbitMQ has stopped\nStopped\. /);
}

/** As at a terminal under npm: the signal comes twice. */
async function expectStop(launcher: NpmStart): Promise<void> {
  const { started } = launcher;
  const signalledAt = performance.now();
  launcher.signal('SIGINT');
  launcher.signal('SIGINT');
  expect(await launcher.ended()).toBe(0);
  expect(performance.now() - signalledAt).toBeLessThan(STOP_MS);
  expect(await awaitGone(started, LEFTOVER_MS)).toEqual([]);
}
