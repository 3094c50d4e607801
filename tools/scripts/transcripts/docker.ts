/**
 * The transcripts of docs/docker.md: clones this checkout into an empty folder, brings the cluster
 * up there with `docker compose` as a newcomer would, and goes through the iterations of the task.
 */
import { join } from 'node:path';
import { ROOT } from '../build';
import { faults, post, SECONDS, texts, untilStatus } from './cluster';
import { type Place, run, type Terminal, transcribe, until } from './terminal';

/** Colours and progress are for terminals. */
export const COMPOSE = 'docker compose --progress quiet';
/** Of the cluster, with images of the present sources. */
export const UP = `${COMPOSE} up --detach --wait --build`;
const UP_AGAIN = `${COMPOSE} up --detach --wait secondary-2`;

/**
 * Hands over a clone in `home` whose compose services can be brought up; when `use` has settled,
 * they and their volumes are gone.
 */
export async function inClone<Made>(home: string, use: (place: Place) => Promise<Made>): Promise<Made> {
  const env = { ...process.env, FAULT_INJECTION: 'true' };
  const shown = (text: string) => text.replaceAll(home, '~').trimEnd();
  const place: Place = { cwd: join(home, 'replicated-log'), env, shown };
  await run({ cwd: home, shown }, `git clone -q ${ROOT} replicated-log`);
  try {
    return await use(place);
  } finally {
    await run(place, `${COMPOSE} down --volumes --timeout 5`);
  }
}

/** @param home an empty folder. Resolves with the transcripts by the names of their marks. */
export function docker(home: string): Promise<Record<string, string>> {
  return inClone(home, async (place) => {
    const start = await transcribe(place, up);
    const first = await transcribe(place, iteration1);
    const second = await transcribe(place, iteration2);
    for (const port of [8001, 8002]) await run(place, faults(port, '{"delayMs": 0}'));
    const third = await transcribe(place, (terminal) => iteration3(terminal, place));
    return {
      start,
      'iteration-1': first,
      'iteration-2': second,
      'iteration-3': third,
      size: await transcribe(place, size),
    };
  });
}

const timed = (body: string) => post(body) + SECONDS;
const textsOf = (ports: string) => `for port in ${ports}; do ${texts('$port')}; done`;

async function up(terminal: Terminal): Promise<void> {
  terminal.say('PUT /faults is for demonstrations, and off unless asked for');
  terminal.show('export FAULT_INJECTION=true', '');
  await terminal.type(UP);
  await terminal.type(`docker compose ps --format 'table {{.Service}}\\t{{.Status}}\\t{{.Ports}}'`);
}

async function iteration1(terminal: Terminal): Promise<void> {
  await terminal.type(timed('{"message": "first"}'));
  terminal.say('secondary-2 with an artificial delay of 2 s');
  await terminal.type(`SECONDARY_2_DELAY_MS=2000 ${UP_AGAIN}`);
  await untilStatus('secondary-2', 'Healthy');
  await terminal.type(timed('{"message": "second"}'));
  await terminal.type(textsOf('8000 8001 8002'));
  await terminal.type(`${UP_AGAIN}   # without it again`);
  await untilStatus('secondary-2', 'Healthy');
}

async function iteration2(terminal: Terminal): Promise<void> {
  await terminal.type(faults(8001, '{"delayMs": 1000}'));
  await terminal.type(faults(8002, '{"delayMs": 3000}'));
  await terminal.type(timed('{"message": "one", "w": 1}'));
  await terminal.type(timed('{"message": "two", "w": 2}'));
  terminal.say('the nodes differ for a while: each shows a prefix of the same order');
  await terminal.type(textsOf('8000 8001 8002'));
  await terminal.type(timed('{"message": "three", "w": 3}'));
  await terminal.type(texts(8002));
}

async function iteration3(terminal: Terminal, place: Place): Promise<void> {
  const queue = 'localhost:15672/api/queues/rlog/rlog.entries.secondary-2';
  const depth = `curl -s -u monitor:monitor ${queue} | grep -o '"messages":[0-9]*'`;
  const shows = async (port: number, text: string) => (await run(place, texts(port))).includes(text);
  await terminal.type(`${COMPOSE} stop secondary-2`);
  await untilStatus('secondary-2', 'Unhealthy');
  await terminal.type(timed('{"message": "Msg1", "w": 1}'));
  await terminal.type(timed('{"message": "Msg2", "w": 2}'));
  terminal.leave(timed('{"message": "Msg3", "w": 3}'), 'the client that waited');
  await until('Msg3 waits', () => shows(8000, 'Msg3'));
  await terminal.type(timed('{"message": "Msg4", "w": 1}'));
  await until('secondary-1 has Msg4', () => shows(8001, 'Msg4'));
  await terminal.type(textsOf('8000 8001'));
  terminal.say('what the management UI shows as the depth of its queue');
  await until('the backlog is seen', async () => Number((await run(place, depth)).split(':')[1]) >= 4);
  await terminal.type(depth);
  terminal.say('secondary-2 comes back, with everything, and the waiting client gets its 201');
  await terminal.type(`${COMPOSE} start secondary-2`);
  await terminal.collect();
  await terminal.type(texts(8002));
  await until('the backlog is gone', async () => (await run(place, depth)) === '"messages":0');
  await terminal.type(depth);
}

/** What the services' image holds beyond its base, by the engine's own account. */
function size(terminal: Terminal): Promise<void> {
  const large = `grep -E '^([0-9]{3}k|[0-9.]+M)B.*COPY' | head -n 4`;
  return terminal.type(`docker history --format '{{.Size}}\\t{{.CreatedBy}}' replicated-log:local | ${large}`);
}
