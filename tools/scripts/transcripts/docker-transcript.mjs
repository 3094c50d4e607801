/**
 * Makes the transcripts and the picture in docs/docker.md again: clones this checkout into an empty
 * folder, brings the cluster up there with `docker compose` as a newcomer would, and goes through
 * the iterations of the task, each command in a shell. Nothing is written by hand.
 *
 *   node tools/scripts/transcripts/docker-transcript.mjs            needs a Docker engine, the ports 8000–8002 and 15672, and a Chromium
 *   CHROMIUM=/path/to/chromium …                  another one than the `chromium` of the PATH
 *
 * Waits are on conditions, with bounds. The cluster and its volumes are gone at the end.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const root = join(import.meta.dirname, '..', '..', '..');

import { takePictures } from './docker-pictures.mjs';

const PAGE = join(root, 'docs', 'docker.md');
const MASTER = 'http://localhost:8000';
const STEP_MS_MAX = 120_000;
/** Long enough for the management UI's chart of the last minute to show where the backlog began. */
const FILLING_MS = 40_000;

const home = mkdtempSync(join(tmpdir(), 'replicated-log-docker-'));
const clone = join(home, 'replicated-log');
const env = { ...process.env, FAULT_INJECTION: 'true' };

/** Runs one command line; resolves with what it printed. Colours and progress are for terminals. */
function run(command) {
  return new Promise((resolve) => {
    const child = spawn('bash', ['-c', command], { cwd: clone, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk));
    child.on('close', () => {
      process.stderr.write(`$ ${command}\n${text}`);
      resolve(text.replaceAll(home, '~').trimEnd());
    });
  });
}

async function until(what, condition) {
  const deadline = Date.now() + STEP_MS_MAX;
  while (!(await condition().catch(() => false))) {
    if (Date.now() > deadline) throw new Error(`not within ${STEP_MS_MAX} ms: ${what}`);
    await delay(50);
  }
}

async function status(id) {
  const { secondaries } = await (await fetch(`${MASTER}/health`)).json();
  return secondaries.find((each) => each.id === id)?.status;
}

/** What one terminal showed. */
class Terminal {
  lines = [];
  waiting = [];

  async type(command) {
    this.lines.push(`$ ${command}`, await run(command), '');
  }

  /** Not waited for; its output is where `collect` is called. */
  leave(command) {
    this.lines.push(`$ ${command} &`, '');
    this.waiting.push(run(command));
  }

  async collect() {
    for (const output of this.waiting.splice(0)) this.lines.push('[the client that waited]', await output, '');
  }

  say(text) {
    this.lines.push(`# ${text}`);
  }

  toString() {
    const text = this.lines.join('\n');
    return text.replaceAll(/\n{3,}/g, '\n\n').trim();
  }
}

const json = `-H 'Content-Type: application/json'`;
const post = (body) =>
  `curl -s ${json} -d '${body}' localhost:8000/messages -w '\\n(answered after %{time_total} s)\\n'`;
const faults = (port, body) => `curl -s -X PUT ${json} -d '${body}' localhost:${port}/faults`;
const texts = (port) => `curl -s localhost:${port}/messages | grep -o '"message":"[^"]*"' | xargs`;
const queue = 'localhost:15672/api/queues/rlog/rlog.entries.secondary-2';
const depth = `curl -s -u monitor:monitor ${queue} | grep -o '"messages":[0-9]*'`;
const quietUp = 'docker compose --progress quiet up --detach --wait';

async function start() {
  const terminal = new Terminal();
  terminal.say('PUT /faults is for demonstrations, and off unless asked for');
  terminal.lines.push('$ export FAULT_INJECTION=true', '');
  await terminal.type(`${quietUp} --build`);
  await terminal.type(`docker compose ps --format 'table {{.Service}}\\t{{.Status}}\\t{{.Ports}}'`);
  return terminal;
}

async function iteration1() {
  const terminal = new Terminal();
  await terminal.type(post('{"message": "first"}'));
  terminal.say('secondary-2 with an artificial delay of 2 s');
  await terminal.type(`SECONDARY_2_DELAY_MS=2000 ${quietUp} secondary-2`);
  await until('secondary-2 is back', async () => (await status('secondary-2')) === 'Healthy');
  await terminal.type(post('{"message": "second"}'));
  await terminal.type(`for port in 8000 8001 8002; do ${texts('$port')}; done`);
  await terminal.type(`${quietUp} secondary-2   # without it again`);
  await until('secondary-2 is back', async () => (await status('secondary-2')) === 'Healthy');
  return terminal;
}

async function iteration2() {
  const terminal = new Terminal();
  await terminal.type(faults(8001, '{"delayMs": 1000}'));
  await terminal.type(faults(8002, '{"delayMs": 3000}'));
  await terminal.type(post('{"message": "one", "w": 1}'));
  await terminal.type(post('{"message": "two", "w": 2}'));
  terminal.say('the nodes differ for a while: each shows a prefix of the same order');
  await terminal.type(`for port in 8000 8001 8002; do ${texts('$port')}; done`);
  await terminal.type(post('{"message": "three", "w": 3}'));
  await terminal.type(texts(8002));
  await run(faults(8001, '{"delayMs": 0}'));
  await run(faults(8002, '{"delayMs": 0}'));
  return terminal;
}

async function iteration3() {
  const terminal = new Terminal();
  await terminal.type('docker compose --progress quiet stop secondary-2');
  await until('secondary-2 is missed', async () => (await status('secondary-2')) === 'Unhealthy');
  await terminal.type(post('{"message": "Msg1", "w": 1}'));
  await terminal.type(post('{"message": "Msg2", "w": 2}'));
  terminal.leave(post('{"message": "Msg3", "w": 3}'));
  await until('Msg3 waits', async () => (await run(texts(8000))).includes('Msg3'));
  await terminal.type(post('{"message": "Msg4", "w": 1}'));
  await until('secondary-1 has Msg4', async () => (await run(texts(8001))).includes('Msg4'));
  await terminal.type(`for port in 8000 8001; do ${texts('$port')}; done`);
  terminal.say('what the management UI shows as the depth of its queue');
  await until('the backlog is seen', async () => Number((await run(depth)).split(':')[1]) >= 4);
  await terminal.type(depth);
  terminal.say('secondary-2 comes back, with everything, and the waiting client gets its 201');
  await terminal.type('docker compose --progress quiet start secondary-2');
  await terminal.collect();
  await terminal.type(texts(8002));
  await until('the backlog is gone', async () => (await run(depth)) === '"messages":0');
  await terminal.type(depth);
  return terminal;
}

/** A secondary is away while clients go on, and its queue fills; that is the picture. */
async function pictures() {
  await run('docker compose --progress quiet stop secondary-2');
  const end = Date.now() + FILLING_MS;
  for (let at = 1; Date.now() < end; at += 1) {
    const body = JSON.stringify({ message: `message ${at}`, w: 2 });
    await fetch(`${MASTER}/messages`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
    await delay(100);
  }
  await takePictures({ url: 'http://localhost:15672', folder: join(root, 'docs', 'images') });
}

/** What the services' image holds beyond its base, by the engine's own account. */
async function size() {
  const terminal = new Terminal();
  await terminal.type(
    `docker history --format '{{.Size}}\\t{{.CreatedBy}}' replicated-log:local | grep -E '[1-9][0-9.]*[kM]B.*(COPY|RUN)' | head -n 5`,
  );
  return terminal;
}

function put(page, name, text) {
  const marks = new RegExp(`(<!-- transcript ${name} -->\\n)[\\s\\S]*?(<!-- /transcript -->)`);
  if (!marks.test(page)) throw new Error(`docs/docker.md has no place for the transcript ${name}`);
  return page.replace(marks, (_, open, close) => `${open}\n\`\`\`console\n${text}\n\`\`\`\n\n${close}`);
}

async function main() {
  const transcripts = {};
  await new Promise((resolve) => spawn('git', ['clone', '-q', root, clone]).on('close', resolve));
  try {
    transcripts.start = await start();
    transcripts['iteration-1'] = await iteration1();
    transcripts['iteration-2'] = await iteration2();
    transcripts['iteration-3'] = await iteration3();
    transcripts.size = await size();
    await pictures();
  } finally {
    await run('docker compose --progress quiet down --volumes --timeout 5');
  }
  let page = readFileSync(PAGE, 'utf8');
  for (const [name, terminal] of Object.entries(transcripts)) page = put(page, name, `${terminal}`);
  writeFileSync(PAGE, page);
  process.stderr.write('docs/docker.md has new transcripts\n');
}

try {
  await main();
} finally {
  rmSync(home, { recursive: true, force: true });
}
