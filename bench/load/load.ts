/**
 * Load over HTTP. *Closed loop*: each client sends its next request when it has the answer to the
 * last, so the rate is what the server can carry. *Open loop*: requests are due at a fixed rate
 * whatever the server does, and a latency counts from the moment when its request was due, not from
 * when a connection was free for it: else a server that stalls would hide its stall (Tene, "How NOT
 * to Measure Latency", coordinated omission).
 */
import { Histogram, type Percentiles } from './histogram';
import { type Answer, HttpConnection, type Target } from './http-connection';

interface Load {
  readonly target: Target;
  readonly request: Buffer;
  readonly clients: number;
  readonly seconds: number;
  /** Not measured, at the start. */
  readonly warmUpSeconds?: number;
  /** Statuses that count; any other ends the run. */
  readonly expected?: readonly number[];
}

export interface Measured {
  /** Answers a second. */
  readonly perSecond: number;
  readonly latencyMs: Percentiles;
  /** All that were answered, those of the warm-up too. */
  readonly answers: number;
}

const EXPECTED = [200, 201];

export async function closedLoop(load: Load): Promise<Measured> {
  const { target, request, clients, expected = EXPECTED } = load;
  const connections = await openAll(target, clients);
  const measured = await inClosedLoop(
    connections.map((connection) => async () => check(await connection.ask(request), expected)),
    load,
  );
  for (const connection of connections) connection.close();
  return measured;
}

/**
 * @param asks one for each client: sends a request, returns when its answer is there and is a good
 * one
 */
export async function inClosedLoop(
  asks: readonly (() => Promise<void>)[],
  { seconds, warmUpSeconds = Math.min(1, seconds / 4) }: Pick<Load, 'seconds' | 'warmUpSeconds'>,
): Promise<Measured> {
  const histogram = new Histogram();
  const from = performance.now() + warmUpSeconds * 1000;
  const until = from + seconds * 1000;
  let answers = 0;
  await Promise.all(
    asks.map(async (ask) => {
      for (let sentAt = performance.now(); sentAt < until; ) {
        await ask();
        answers += 1;
        const now = performance.now();
        if (sentAt >= from && now <= until) histogram.record(now - sentAt);
        sentAt = now;
      }
    }),
  );
  return { perSecond: Math.round(histogram.count / seconds), latencyMs: histogram.percentiles, answers };
}

/** @param perSecond the offered rate */
export async function openLoop(load: Load, perSecond: number): Promise<Measured> {
  const { target, request, clients, seconds, warmUpSeconds = Math.min(1, seconds / 4), expected = EXPECTED } = load;
  const connections = await openAll(target, clients);
  const histogram = new Histogram();
  const total = Math.round((seconds + warmUpSeconds) * perSecond);
  const uncounted = Math.round(warmUpSeconds * perSecond);
  const startedAt = performance.now();
  let taken = 0;
  await Promise.all(
    connections.map(async (connection) => {
      for (let mine = taken++; mine < total; mine = taken++) {
        const dueAt = startedAt + (mine * 1000) / perSecond;
        const sentFrom = await dueOrFree(dueAt);
        check(await connection.ask(request), expected);
        if (mine >= uncounted) histogram.record(performance.now() - sentFrom);
      }
    }),
  );
  const elapsedS = (performance.now() - startedAt) / 1000;
  for (const connection of connections) connection.close();
  return { perSecond: Math.round(total / elapsedS), latencyMs: histogram.percentiles, answers: total };
}

/** By so much a timer of Node may be late by itself. */
const TIMER_LATE_MS = 1.5;

/**
 * Returns at the time, or at once when no connection was free then: the time from which the latency
 * counts. What the timer itself was late is not the server's; to spin instead would take a core
 * from it.
 */
async function dueOrFree(dueAt: number): Promise<number> {
  const left = dueAt - performance.now();
  if (left <= 0) return dueAt;
  await new Promise<void>((resolve) => {
    setTimeout(resolve, Math.ceil(left));
  });
  return Math.max(dueAt, Math.min(performance.now(), dueAt + TIMER_LATE_MS));
}

export function openAll(target: Target, clients: number): Promise<HttpConnection[]> {
  return Promise.all(Array.from({ length: clients }, () => HttpConnection.open(target)));
}

function check({ status, text }: Answer, expected: readonly number[]): void {
  if (!expected.includes(status)) throw new Error(`an answer was ${status}: ${text.slice(0, 500)}`);
}

/**
 * The text of every message: 100 bytes, not all the same letter, so that nothing is deduplicated or
 * compressed by luck.
 */
export const MESSAGE = Array.from({ length: 100 }, (_, at) => String.fromCharCode(97 + ((at * 7) % 26))).join('');

export const ONE_APPEND = { type: 'application/json', bytes: JSON.stringify({ message: MESSAGE }) };

/** The body of a bulk append. */
export function linesOf(count: number) {
  return { type: 'application/x-ndjson', bytes: `${JSON.stringify({ message: MESSAGE })}\n`.repeat(count) };
}
