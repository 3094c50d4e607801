/**
 * More than the cluster can carry, on real processes: what is refused is in no log, what is taken
 * is in all, memory stays, and it is over at once.
 */
import { readFileSync } from 'node:fs';
import { eventually } from '../support/eventually';
import { onCluster, type RealNode } from '../support/real/cluster';

jest.setTimeout(180_000);

const CLIENTS = 100;
const REQUESTS = 30;
const WARM_UP = 8;
const LINES = 200;
const MIB = 2 ** 20;

/**
 * Small bounds, so that a test's load is too much: what a disk or broker that cannot follow does to
 * larger ones.
 */
const SMALL = { LOG_LEVEL: 'info', MAX_IN_FLIGHT_BYTES: String(256 * 1024) };

it(
  'past the bound appends are refused, memory stays, and the next one after it is taken',
  onCluster({ env: SMALL }, async (cluster) => {
    const master = await cluster.start();
    const first = await Promise.all(Array.from({ length: WARM_UP }, () => bulk(master)));
    const before = memoryOf(master);
    let most = before;
    const answers = await Promise.all(
      Array.from({ length: CLIENTS }, async () => {
        const statuses: number[] = [];
        for (let at = 0; at < REQUESTS; at += 1) {
          statuses.push(await bulk(master));
          most = Math.max(most, memoryOf(master));
        }
        return statuses;
      }),
    );
    const startedAt = performance.now();
    // What was taken last may still be on its way to a majority, and counts until it is there.
    await eventually('the next one is taken', async () => {
      expect((await master.post({ message: 'after', w: 3 })).status).toBe(201);
    });
    expect(performance.now() - startedAt).toBeLessThan(5_000);

    const statuses = [...first, ...answers.flat()];
    const taken = statuses.filter((status) => status === 201).length;
    expect(statuses.filter((status) => status === 503).length).toBeGreaterThan(0);
    expect(taken).toBeGreaterThan(0);
    expect(new Set(statuses)).toEqual(new Set([201, 503]));
    expect((await master.health()).head).toBe(taken * LINES + 1);
    for (const node of cluster.nodes) expect(await countOf(node)).toBe(taken * LINES + 1);
    expect(most - before).toBeLessThan(150 * MIB);
  }),
);

/** Status of a bulk append with w=1; one that is refused says so, and that it is in no log. */
async function bulk(master: RealNode): Promise<number> {
  const body = `${JSON.stringify({ message: 'x'.repeat(100) })}\n`.repeat(LINES);
  const headers = { 'Content-Type': 'application/x-ndjson' };
  const answer = await master.ask({ method: 'POST', path: '/messages?w=1', headers, body });
  if (answer.status === 503) {
    expect(answer.json()).toMatchObject({ type: '/problems/overloaded', stored: false });
    expect(answer.headers['retry-after']).toBeDefined();
  }
  return answer.status;
}

async function countOf(node: RealNode): Promise<number> {
  const { text } = await node.ask({ path: '/messages', headers: { Accept: 'application/x-ndjson' }, withinMs: 60_000 });
  return text.split('\n').length - 1;
}

/** Anonymous memory; 0 where the system does not say. */
function memoryOf({ process }: RealNode): number {
  if (globalThis.process.platform !== 'linux') return 0;
  const status = readFileSync(`/proc/${process.pid}/status`, 'utf8');
  return Number(/RssAnon:\s+([0-9]+) kB/.exec(status)?.[1] ?? 0) * 1024;
}
