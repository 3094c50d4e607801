/** Requests to the cluster that a page shows, and `npm start`, where that is what runs it. */
import { type Place, Running, run, until } from './terminal';

const START_MS_MAX = 300_000;

/** The fields of `/health` that are waited for. */
interface Health {
  readonly status: string;
  readonly log: string;
  readonly applied?: number;
  /** Of a master; of a secondary it is an object. */
  readonly foreign?: unknown;
  readonly secondaries?: readonly { readonly id: string; readonly status: string }[];
}

const JSON_TYPE = `-H 'Content-Type: application/json'`;

/** Commands that a page shows. */
export const post = (body: string) => `curl -s ${JSON_TYPE} -d '${body}' localhost:8000/messages`;
export const faults = (port: number, body: string) =>
  `curl -s -X PUT ${JSON_TYPE} -d '${body}' localhost:${port}/faults`;
export const texts = (port: number | string) =>
  `curl -s localhost:${port}/messages | grep -o '"message":"[^"]*"' | xargs`;

/** Makes curl say how long the answer took. */
export const SECONDS = ` -w '\\n(answered after %{time_total} s)\\n'`;

export async function health(port = 8000): Promise<Health> {
  return (await (await fetch(`http://localhost:${port}/health`)).json()) as Health;
}

export function untilAllVote(): Promise<void> {
  return until('all are healthy and have a vote', async () => (await health()).status === 'ok');
}

/** Until the master has this status for the secondary. */
export function untilStatus(id: string, status: string): Promise<void> {
  const isSo = async () => (await health()).secondaries?.find((each) => each.id === id)?.status === status;
  return until(`${id} is ${status}`, isSo);
}

/** Starts the cluster. Resolves when its greeting is complete, or it has ended. */
export async function startCluster(place: Place, command = 'npm start'): Promise<Running> {
  const cluster = new Running(place, command);
  const isUp = () => cluster.hasEnded || cluster.text.includes('Ctrl-C stops everything');
  await until('npm start is up, or has ended', isUp, START_MS_MAX).catch(async (error: unknown) => {
    await cluster.stop();
    throw error;
  });
  return cluster;
}

/** Where RabbitMQ was a container, it has left a volume. */
export async function removeVolume(place: Place, { text }: Running): Promise<void> {
  const container = /starting the container (\S+)/.exec(text)?.[1];
  if (container !== undefined) await run(place, `docker volume rm --force ${container}-data`);
}

/** Pid of a node as last printed: in the table, or when it was started again. */
export function pidOf({ text }: Running, node: string): string {
  return [...text.matchAll(new RegExp(`${node}.*pid (\\d+)`, 'g'))].at(-1)?.[1] ?? '';
}

/** The command that starts what is down. */
export function startAgain({ text }: Running): string {
  return `kill -USR2 ${/kill -USR2 (\d+)/.exec(text)?.[1] ?? ''}   # npm start: start what is down`;
}
