/**
 * Makes the transcripts in docs/operations.md again: starts a cluster with `npm start` in an empty
 * folder, has its nodes lose and exchange their folders, and shows each command and what it
 * printed. Nothing is written by hand.
 *
 *   node tools/scripts/transcripts/operations-transcript.mjs            needs the ports 8000–8002 and whatever npm start needs
 *
 * Waits are on conditions, with bounds. The cluster is stopped and its folder deleted at the end;
 * where RabbitMQ was a container, its volume too.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const root = join(import.meta.dirname, '..', '..', '..');

const PAGE = join(root, 'docs', 'operations.md');
const MASTER = 'http://localhost:8000';
const STEP_MS_MAX = 120_000;

const home = mkdtempSync(join(tmpdir(), 'replicated-log-operations-'));
const data = join(home, 'data');
const JSON_TYPE = `-H 'Content-Type: application/json'`;

/**
 * Runs one command line in the checkout; resolves with what it printed, without the noise of the
 * build.
 */
function run(command, input = '') {
  return new Promise((resolve) => {
    const child = spawn('bash', ['-c', command.replaceAll('./data', data)], { cwd: root, stdio: 'pipe' });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk));
    child.stdin.end(input);
    child.on('close', () => {
      process.stderr.write(`$ ${command}\n${text}\n`);
      resolve(shown(text));
    });
  });
}

function shown(text) {
  return text
    .replaceAll(data, './data')
    .replaceAll(/\S*\.\.\/\S*\/data\//g, './data/')
    .replaceAll('building …\n', '')
    .trimEnd();
}

async function until(what, condition) {
  const deadline = Date.now() + STEP_MS_MAX;
  while (!(await condition().catch(() => false))) {
    if (Date.now() > deadline) throw new Error(`not within ${STEP_MS_MAX} ms: ${what}`);
    await delay(50);
  }
}

async function health(url = MASTER) {
  return (await fetch(`${url}/health`)).json();
}

/** The cluster behind `npm start`. */
class Cluster {
  text = '';

  async start(environment = {}) {
    this.text = '';
    this.child = spawn(process.execPath, ['tools/scripts/run.js', 'tools/scripts/start.ts', '--data', data], {
      cwd: root,
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) stream.on('data', (chunk) => (this.text += chunk));
    this.ended = new Promise((resolve) => this.child.on('close', resolve));
    const isOver = this.ended.then(() => true);
    await until('npm start is up, or has ended', async () => {
      const hasEnded = await Promise.race([isOver, delay(0, false)]);
      return hasEnded || this.text.includes('Ctrl-C stops everything');
    });
    process.stderr.write(`${this.text}\n`);
  }

  /** A part of what it has printed. */
  said(from, to) {
    const start = this.text.indexOf(from);
    if (start < 0) throw new Error(`npm start did not say: ${from}`);
    return shown(this.text.slice(start, to === null ? undefined : this.text.indexOf(to, start)));
  }

  async stop() {
    this.child.kill('SIGINT');
    await this.ended;
  }
}

/** What one terminal showed. */
class Terminal {
  lines = [];

  async type(command, { typed = '' } = {}) {
    const output = await run(command, typed);
    this.lines.push(`$ ${command}`, typed === '' ? output : output.replace(/(to force it: )/, `$1${typed}`), '');
  }

  show(command, output) {
    this.lines.push(`$ ${command}`, output, '');
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

const append = (message) => `curl -s ${JSON_TYPE} -d '{"message": "${message}"}' localhost:8000/messages`;
const fields = (port, names) =>
  `curl -s localhost:${port}/health | node -pe 'const {${names}} = JSON.parse(fs.readFileSync(0)); ({${names}})'`;

async function identity(cluster) {
  const terminal = new Terminal();
  await cluster.start();
  await run(append('one'));
  await run(append('two'));
  await terminal.type(fields(8000, 'status, log, voters'));
  await terminal.type('cat ./data/log-id');
  return terminal;
}

async function inspect(cluster) {
  const terminal = new Terminal();
  await cluster.stop();
  await terminal.type('npm run -s inspect -- ./data/secondary-1');
  await terminal.type('npm run -s inspect -- ./data/secondary-1 --entries 2> /dev/null');
  return terminal;
}

async function begin() {
  const terminal = new Terminal();
  await terminal.type('npm run -s begin -- ./data/new-master');
  await terminal.type('npm run -s inspect -- ./data/new-master');
  await terminal.type('npm run -s begin -- ./data/master');
  return terminal;
}

/** secondary-2 comes with the folder of a log that was begun somewhere else. */
async function foreign(cluster) {
  const terminal = new Terminal();
  const other = join(home, 'other');
  await run(`mv ${data} ${other}`);
  await cluster.start({ LOG_NAME: 'rlog' });
  await run(append('of another log'));
  await until('secondary-2 has it', async () => (await health('http://localhost:8002')).applied === 1);
  await cluster.stop();
  await run(`mv ${data} ${home}/spare && mv ${other} ${data} && rm -r ./data/secondary-2`);
  await run(`mv ${home}/spare/secondary-2 ./data/secondary-2`);
  await cluster.start();
  terminal.say('with the kept id the node does not start, and npm start says why');
  terminal.show('npm start', cluster.said('secondary-2 (pid', null));
  terminal.say('with LOG_ID=auto it runs, and takes part in nothing');
  await cluster.start({ LOG_ID: 'auto' });
  await until('the master has heard of it', async () => (await health()).foreign?.length === 1);
  terminal.show('LOG_ID=auto npm start', '…');
  await terminal.type(fields(8000, 'status, log, foreign'));
  await terminal.type(fields(8002, 'status, log, applied, foreign'));
  await terminal.type('curl -s localhost:8002/messages');
  terminal.say('look at what it holds, by the id of its log');
  const { log } = await health('http://localhost:8002');
  await terminal.type(`curl -s 'localhost:8002/messages?log=${log}'`);
  await cluster.stop();
  terminal.say('stop it, save what it holds, give it an empty folder, and start again');
  await terminal.type('npm run -s inspect -- ./data/secondary-2 --entries > ./data/saved.ndjson 2> /dev/null');
  await terminal.type('cat ./data/saved.ndjson');
  await terminal.type('mv ./data/secondary-2 ./data/secondary-2.foreign');
  await cluster.start();
  await until('all have a vote', async () => (await health()).status === 'ok');
  terminal.show('npm start', '…');
  await terminal.type(fields(8000, 'status, log, voters'));
  return terminal;
}

async function force(cluster) {
  const terminal = new Terminal();
  await cluster.stop();
  terminal.say('two of three folders are lost');
  await terminal.type('rm -r ./data/secondary-1 ./data/secondary-2');
  await cluster.start();
  terminal.show('npm start', `…\n${cluster.said('The master is recovering', '\nTry it')}`);
  await terminal.type('npm run -s force -- --url http://127.0.0.1:8000 --log rlog', { typed: 'rlog\n' });
  await until('all have a vote', async () => (await health()).status === 'ok');
  await terminal.type(fields(8000, 'status, log, branch, forcedEpoch, voters'));
  return terminal;
}

function put(page, name, text) {
  const marks = new RegExp(`(<!-- transcript ${name} -->\\n)[\\s\\S]*?(<!-- /transcript -->)`);
  if (!marks.test(page)) throw new Error(`docs/operations.md has no place for the transcript ${name}`);
  return page.replace(marks, (_, open, close) => `${open}\n\`\`\`console\n${text}\n\`\`\`\n\n${close}`);
}

async function main(cluster) {
  const texts = {};
  texts.identity = await identity(cluster);
  texts.inspect = await inspect(cluster);
  texts.begin = await begin();
  await run('rm -r ./data/new-master');
  texts.foreign = await foreign(cluster);
  texts.force = await force(cluster);
  let page = readFileSync(PAGE, 'utf8');
  for (const [name, text] of Object.entries(texts)) page = put(page, name, `${text}`);
  writeFileSync(PAGE, page);
  process.stderr.write('docs/operations.md has new transcripts\n');
}

const cluster = new Cluster();
try {
  await main(cluster);
} finally {
  if (cluster.child?.exitCode === null) await cluster.stop();
  const container = /starting the container (\S+)/.exec(cluster.text)?.[1];
  if (container !== undefined) await run(`docker volume rm --force ${container}-data`);
  if (existsSync(home)) rmSync(home, { recursive: true, force: true });
}
