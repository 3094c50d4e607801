/**
 * `npm run transcript`: makes the transcripts in README.md again. Clones this checkout into an
 * empty folder, runs `npm ci && npm start` there as a newcomer would, then the walk-throughs, each
 * command in a shell, and puts what the terminal showed between the marks in README.md.
 *
 * Nothing is written by hand; what differs from run to run (pids, times, ids) is what this run had.
 * Paths of the clone are shown as `~/replicated-log`, addresses beyond this machine are left out.
 * Waits are on conditions, with bounds.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const root = join(import.meta.dirname, '..', '..', '..');

const MASTER = 'http://localhost:8000';
const START_MS_MAX = 300_000;
const STEP_MS_MAX = 60_000;

const home = mkdtempSync(join(tmpdir(), 'replicated-log-transcript-'));
const clone = join(home, 'replicated-log');

function shown(text) {
  return text
    .replaceAll(clone, '~/replicated-log')
    .replaceAll(home, '~')
    .replaceAll(/https?:\/\/(?!localhost|127\.0\.0\.1)\S+/g, '…')
    .split('\n')
    .filter((line) => !/^npm (warn|notice)/.test(line))
    .join('\n')
    .trimEnd();
}

/** Runs one command line; resolves with what it printed. */
function run(command, { cwd = clone, echo = true } = {}) {
  return new Promise((resolve) => {
    const child = spawn('bash', ['-c', command], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk));
    child.on('close', () => {
      if (echo) process.stderr.write(`$ ${command}\n${text}`);
      resolve(text);
    });
  });
}

async function until(what, condition, boundMs = STEP_MS_MAX) {
  const deadline = Date.now() + boundMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${boundMs} ms: ${what}`);
    await delay(50);
  }
}

async function health(url = MASTER) {
  const response = await fetch(`${url}/health`);
  return response.json();
}

const status = async (id) => (await health()).secondaries.find((each) => each.id === id)?.status;
const allHealthy = async () => (await health()).status === 'ok';

/** A cluster behind `npm start`, and what it has printed so far. */
class Cluster {
  text = '';

  start() {
    this.child = spawn('npm', ['start'], { cwd: clone, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.on('data', (chunk) => {
        this.text += chunk;
        process.stderr.write(chunk);
      });
    }
    this.ended = new Promise((resolve) => this.child.on('close', resolve));
    return until('the table', () => this.text.includes('Ctrl-C stops everything'), START_MS_MAX);
  }

  /** Pid of a node as last printed: in the table, or when it was started again. */
  pidOf(node) {
    return [...this.text.matchAll(new RegExp(`${node}.*pid (\\d+)`, 'g'))].at(-1)?.[1] ?? '';
  }

  get launcherPid() {
    return /kill -USR2 (\d+)/.exec(this.text)?.[1] ?? '';
  }

  async stop() {
    const before = this.text.length;
    process.kill(-this.child.pid, 'SIGINT');
    await this.ended;
    return this.text.slice(before);
  }
}

/** One walk-through: what the terminal showed. */
class Terminal {
  lines = [];
  background = [];

  async type(command, { seconds = false } = {}) {
    const timed = seconds ? `${command} -w '\\n(answered after %{time_total} s)'` : command;
    this.lines.push(`$ ${command}`, shown(await run(timed)), '');
  }

  /** Starts a command that is not waited for; its output appears where `collect` is called. */
  leave(command) {
    this.lines.push(`$ ${command} &`, '');
    this.background.push({ command, output: run(command) });
  }

  async collect() {
    for (const { command, output } of this.background.splice(0)) {
      this.lines.push(
        `[the client that waited: ${/"message": "(\w+)"/.exec(command)?.[1] ?? command}]`,
        shown(await output),
        '',
      );
    }
  }

  say(text) {
    this.lines.push(`# ${text}`);
  }

  toString() {
    return this.lines
      .join('\n')
      .replaceAll(/\n{3,}/g, '\n\n')
      .trim();
  }
}

const post = (body) => `curl -s -H 'Content-Type: application/json' -d '${body}' localhost:8000/messages`;
const faults = (port, body) =>
  `curl -s -X PUT -H 'Content-Type: application/json' -d '${body}' localhost:${port}/faults`;
const texts = (port) => `curl -s localhost:${port}/messages | grep -o '"message":"[^"]*"' | xargs`;

async function echo() {
  const terminal = new Terminal();
  const server = spawn('npm', ['run', '--silent', 'echo:server'], {
    cwd: clone,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let log = '';
  for (const stream of [server.stdout, server.stderr]) stream.on('data', (chunk) => (log += chunk));
  await until('the echo server listens', () => log.includes('listening'));
  terminal.lines.push('$ npm run echo:server &', shown(log), '');
  await terminal.type('npm run --silent echo:client -- "hello"');
  process.kill(-server.pid, 'SIGTERM');
  return terminal;
}

async function iteration1() {
  const terminal = new Terminal();
  await terminal.type(post('{"message": "first"}'), { seconds: true });
  await terminal.type(faults(8002, '{"delayMs": 2000}'));
  await terminal.type(post('{"message": "second"}'), { seconds: true });
  await terminal.type(faults(8002, '{"delayMs": 0}'));
  return terminal;
}

async function iteration2() {
  const terminal = new Terminal();
  await terminal.type(faults(8001, '{"delayMs": 1000}'));
  await terminal.type(faults(8002, '{"delayMs": 3000}'));
  await terminal.type(post('{"message": "one", "w": 1}'), { seconds: true });
  terminal.say('meanwhile the nodes differ: each shows a prefix of the same order');
  await terminal.type(texts(8000));
  await terminal.type(texts(8001));
  await terminal.type(post('{"message": "two", "w": 2}'), { seconds: true });
  await terminal.type(post('{"message": "three", "w": 3}'), { seconds: true });
  await terminal.type(texts(8002));
  terminal.say('the same id and message again is the same append; with another message it is refused');
  await terminal.type(post('{"message": "paid", "id": "order-17", "w": 1}'));
  await terminal.type(post('{"message": "paid", "id": "order-17", "w": 1}'));
  await terminal.type(post('{"message": "unpaid", "id": "order-17", "w": 1}'));
  await run(faults(8001, '{"delayMs": 0}'), { echo: false });
  await run(faults(8002, '{"delayMs": 0}'), { echo: false });
  return terminal;
}

async function iteration3(cluster) {
  const terminal = new Terminal();
  await terminal.type(`kill ${cluster.pidOf('secondary-2')}        # secondary-2`);
  await until('secondary-2 is missed', async () => (await status('secondary-2')) === 'Unhealthy');
  await terminal.type(post('{"message": "Msg1", "w": 1}'));
  await terminal.type(post('{"message": "Msg2", "w": 2}'));
  terminal.leave(post('{"message": "Msg3", "w": 3}'));
  await until('Msg3 waits', async () => (await run(texts(8000), { echo: false })).includes('Msg3'));
  await terminal.type(post('{"message": "Msg4", "w": 1}'));
  await terminal.type(texts(8000));
  terminal.say('secondary-2 comes back, with everything, and the waiting client gets its 201');
  await terminal.type(`kill -USR2 ${cluster.launcherPid}   # npm start: start what is down`);
  await terminal.collect();
  await terminal.type(texts(8002));
  terminal.say('random errors after the append, losses, duplicates, reordering: no gap, no duplicate');
  await terminal.type(faults(8001, '{"failRate": 0.3, "dropRate": 0.3, "duplicateRate": 0.3, "reorderRate": 0.3}'));
  await terminal.type(
    `for i in $(seq 1 50); do ${post('{"message": "x", "w": 1}')} > /dev/null; done; ${post('{"message": "last", "w": 3}')}`,
  );
  await terminal.type(`for port in 8000 8001 8002; do curl -s localhost:$port/messages | md5sum; done`);
  await run(faults(8001, '{"failRate": 0, "dropRate": 0, "duplicateRate": 0, "reorderRate": 0}'), { echo: false });
  return terminal;
}

async function heartbeats(cluster) {
  const terminal = new Terminal();
  await until('all are healthy', allHealthy);
  const show = `curl -s localhost:8000/health | grep -o '"id":"secondary-1","status":"[A-Za-z]*"'`;
  await terminal.type(show);
  await terminal.type(`kill -9 ${cluster.pidOf('secondary-1')}     # secondary-1`);
  await until('it is suspected', async () => (await status('secondary-1')) === 'Suspected');
  await terminal.type(show);
  await until('it is given up', async () => (await status('secondary-1')) === 'Unhealthy');
  await terminal.type(show);
  const asked = Date.now();
  await terminal.type(`kill -USR2 ${cluster.launcherPid}   # npm start: start what is down`);
  await until('it is back', async () => (await status('secondary-1')) === 'Healthy');
  terminal.say(`${((Date.now() - asked) / 1000).toFixed(1)} s later`);
  await terminal.type(show);
  return terminal;
}

async function quorum(cluster) {
  const terminal = new Terminal();
  await until('all are healthy', allHealthy);
  const pids = ['secondary-1', 'secondary-2'].map((node) => cluster.pidOf(node));
  await terminal.type(`kill ${pids.join(' ')}    # both secondaries`);
  await until('the log is read-only', async () => (await health()).status === 'read-only');
  await terminal.type(post('{"message": "refused", "w": 1}'));
  terminal.say('reads go on');
  await terminal.type(`curl -s 'localhost:8000/messages?limit=1'`);
  await terminal.type(`kill -USR2 ${cluster.launcherPid}   # npm start: start what is down`);
  await until('there is a quorum again', async () => (await health()).status !== 'read-only');
  await terminal.type(post('{"message": "taken", "w": 2}'));
  await terminal.type(`curl -s localhost:8000/messages | grep -c '"refused"'`);
  return terminal;
}

function put(page, name, text) {
  const marks = new RegExp(`(<!-- transcript ${name} -->\\n)[\\s\\S]*?(<!-- /transcript -->)`);
  if (!marks.test(page)) throw new Error(`README.md has no place for the transcript ${name}`);
  return page.replace(marks, (_, open, close) => `${open}\n\`\`\`console\n${text}\n\`\`\`\n\n${close}`);
}

async function main() {
  const texts = {};
  await run(`git clone -q ${root} ${clone}`, { cwd: home });
  const installed = shown(await run('npm ci', { cwd: clone }));
  const cluster = new Cluster();
  await cluster.start();
  const greeting = `$ npm ci && npm start\n${installed}\n${shown(cluster.text)}`;
  try {
    texts['iteration-1'] = await iteration1();
    texts['iteration-2'] = await iteration2();
    texts['iteration-3'] = await iteration3(cluster);
    texts.heartbeats = await heartbeats(cluster);
    texts.quorum = await quorum(cluster);
  } finally {
    texts.start = `${greeting}\n${shown(await cluster.stop())}`;
  }
  texts.echo = await echo();
  let page = readFileSync(join(root, 'README.md'), 'utf8');
  for (const [name, text] of Object.entries(texts)) page = put(page, name, `${text}`);
  writeFileSync(join(root, 'README.md'), page);
  process.stderr.write('README.md has new transcripts\n');
}

try {
  await main();
} finally {
  rmSync(home, { recursive: true, force: true });
}
