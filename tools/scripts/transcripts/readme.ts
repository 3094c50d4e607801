/**
 * The transcripts of README.md: clones this checkout into an empty folder, runs `npm ci && npm start`
 * there as a newcomer would, then the walk-throughs.
 */
import { join } from 'node:path';
import { ROOT } from '../build';
import {
  faults,
  health,
  pidOf,
  post,
  removeVolume,
  SECONDS,
  startAgain,
  startCluster,
  texts,
  untilAllVote,
  untilStatus,
} from './cluster';
import { type Place, Running, run, type Terminal, transcribe, until } from './terminal';

/** Addresses beyond this machine are left out. */
function shownFrom(home: string): Place['shown'] {
  return (text) =>
    text
      .replaceAll(home, '~')
      .replaceAll(/https?:\/\/(?!localhost|127\.0\.0\.1)\S+/g, '…')
      .split('\n')
      .filter((line) => !/^npm (warn|notice)/.test(line))
      .join('\n')
      .trimEnd();
}

/** @param home an empty folder. Resolves with the transcripts by the names of their marks. */
export async function readme(home: string): Promise<Record<string, string>> {
  const shown = shownFrom(home);
  const place: Place = { cwd: join(home, 'replicated-log'), shown };
  await run({ cwd: home, shown }, `git clone -q ${ROOT} replicated-log`);
  const installed = await run(place, 'npm ci');
  const cluster = await startCluster(place);
  const greeting = `$ npm ci && npm start\n${installed}\n${shown(cluster.text)}`;
  const made: Record<string, string> = {};
  let stopped = '';
  try {
    made['iteration-1'] = await transcribe(place, iteration1);
    made['iteration-2'] = await transcribe(place, iteration2);
    for (const port of [8001, 8002]) await run(place, faults(port, '{"delayMs": 0}'));
    made['iteration-3'] = await transcribe(place, (terminal) => iteration3(terminal, place, cluster));
    made.heartbeats = await transcribe(place, (terminal) => heartbeats(terminal, cluster));
    made.quorum = await transcribe(place, (terminal) => quorum(terminal, cluster));
  } finally {
    stopped = await cluster.stop();
    await removeVolume(place, cluster);
  }
  return {
    ...made,
    start: `${greeting}\n${stopped}`,
    echo: await transcribe(place, (terminal) => echo(terminal, place)),
  };
}

async function echo(terminal: Terminal, place: Place): Promise<void> {
  const server = new Running(place, 'npm run --silent echo:server');
  await until('the echo server listens', () => server.text.includes('listening'));
  terminal.show('npm run echo:server &', place.shown(server.text));
  await terminal.type('npm run --silent echo:client -- "hello"');
  await server.stop('SIGTERM');
}

async function iteration1(terminal: Terminal): Promise<void> {
  await terminal.type(post('{"message": "first"}'), SECONDS);
  await terminal.type(faults(8002, '{"delayMs": 2000}'));
  await terminal.type(post('{"message": "second"}'), SECONDS);
  await terminal.type(faults(8002, '{"delayMs": 0}'));
}

async function iteration2(terminal: Terminal): Promise<void> {
  await terminal.type(faults(8001, '{"delayMs": 1000}'));
  await terminal.type(faults(8002, '{"delayMs": 3000}'));
  await terminal.type(post('{"message": "one", "w": 1}'), SECONDS);
  terminal.say('meanwhile the nodes differ: each shows a prefix of the same order');
  await terminal.type(texts(8000));
  await terminal.type(texts(8001));
  await terminal.type(post('{"message": "two", "w": 2}'), SECONDS);
  await terminal.type(post('{"message": "three", "w": 3}'), SECONDS);
  await terminal.type(texts(8002));
  terminal.say('the same id and message again is the same append; with another message it is refused');
  await terminal.type(post('{"message": "paid", "id": "order-17", "w": 1}'));
  await terminal.type(post('{"message": "paid", "id": "order-17", "w": 1}'));
  await terminal.type(post('{"message": "unpaid", "id": "order-17", "w": 1}'));
}

async function iteration3(terminal: Terminal, place: Place, cluster: Running): Promise<void> {
  await terminal.type(`kill ${pidOf(cluster, 'secondary-2')}        # secondary-2`);
  await untilStatus('secondary-2', 'Unhealthy');
  await terminal.type(post('{"message": "Msg1", "w": 1}'));
  await terminal.type(post('{"message": "Msg2", "w": 2}'));
  terminal.leave(post('{"message": "Msg3", "w": 3}'), 'the client that waited: Msg3');
  await until('Msg3 waits', async () => (await run(place, texts(8000))).includes('Msg3'));
  await terminal.type(post('{"message": "Msg4", "w": 1}'));
  await terminal.type(texts(8000));
  terminal.say('secondary-2 comes back, with everything, and the waiting client gets its 201');
  await terminal.type(startAgain(cluster));
  await terminal.collect();
  await terminal.type(texts(8002));
  terminal.say('random errors after the append, losses, duplicates, reordering: no gap, no duplicate');
  await terminal.type(faults(8001, '{"failRate": 0.3, "dropRate": 0.3, "duplicateRate": 0.3, "reorderRate": 0.3}'));
  const fifty = `for i in $(seq 1 50); do ${post('{"message": "x", "w": 1}')} > /dev/null; done`;
  await terminal.type(`${fifty}; ${post('{"message": "last", "w": 3}')}`);
  await terminal.type('for port in 8000 8001 8002; do curl -s localhost:$port/messages | md5sum; done');
  await run(place, faults(8001, '{"failRate": 0, "dropRate": 0, "duplicateRate": 0, "reorderRate": 0}'));
}

async function heartbeats(terminal: Terminal, cluster: Running): Promise<void> {
  const show = `curl -s localhost:8000/health | grep -o '"id":"secondary-1","status":"[A-Za-z]*"'`;
  await untilAllVote();
  await terminal.type(show);
  await terminal.type(`kill -9 ${pidOf(cluster, 'secondary-1')}     # secondary-1`);
  await untilStatus('secondary-1', 'Suspected');
  await terminal.type(show);
  await untilStatus('secondary-1', 'Unhealthy');
  await terminal.type(show);
  const asked = Date.now();
  await terminal.type(startAgain(cluster));
  await untilStatus('secondary-1', 'Healthy');
  terminal.say(`${((Date.now() - asked) / 1000).toFixed(1)} s later`);
  await terminal.type(show);
}

async function quorum(terminal: Terminal, cluster: Running): Promise<void> {
  await untilAllVote();
  const pids = ['secondary-1', 'secondary-2'].map((node) => pidOf(cluster, node));
  await terminal.type(`kill ${pids.join(' ')}    # both secondaries`);
  await until('the log is read-only', async () => (await health()).status === 'read-only');
  await terminal.type(post('{"message": "refused", "w": 1}'));
  terminal.say('reads go on');
  await terminal.type(`curl -s 'localhost:8000/messages?limit=1'`);
  await terminal.type(startAgain(cluster));
  await until('there is a quorum again', async () => (await health()).status !== 'read-only');
  await terminal.type(post('{"message": "taken", "w": 2}'));
  await terminal.type(`curl -s localhost:8000/messages | grep -c '"refused"'`);
}
