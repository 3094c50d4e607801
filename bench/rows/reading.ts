/**
 * Reading: the whole log as NDJSON, its end as events, and a secondary that reads it to catch up.
 */
import { connect } from 'node:net';
import type { BenchCluster } from '../cluster';
import { appendLines, fill } from '../load/fill';
import { median } from '../load/histogram';
import { requestOf, type Target, targetOf } from '../load/http-connection';
import { closedLoop } from '../load/load';
import { type Counted, countLines } from '../load/read-stream';
import { type BenchContext, digits, type Row } from '../row';
import { append, appendOf } from './appends';

/** Odd, so that one of them has the median. */
const ROUNDS = 3;

export const wholeLog: Row = {
  id: 'ndjson',
  title: 'GET /messages as NDJSON',
  async measure(context) {
    const cluster = await context.cluster();
    const head = await fill(cluster, entriesFor(context), context.say);
    const { master } = cluster;
    const before = master.memoryBytes();
    let most = before;
    const watch = setInterval(() => {
      most = Math.max(most, master.memoryBytes());
    }, 20);
    const rounds: { readonly read: Counted; readonly limit: number }[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const limit = await context.measureLimit('rawStream', context.seconds);
      const read = await countLines(targetOf(master.url), '/messages', { Accept: 'application/x-ndjson' });
      if (read.lines < head) throw new Error(`${read.lines} lines came, of ${head}`);
      rounds.push({ read, limit: limit.value });
    }
    clearInterval(watch);
    const ratios = rounds.map(({ read, limit }) => read.perSecond / limit);
    const ratio = digits(median(ratios));
    const { read, limit } = rounds[ratios.indexOf(median(ratios))] as (typeof rounds)[number];
    const notes = [
      `ratios of the rounds: ${ratios.map((each) => each.toFixed(2)).join(', ')}`,
      `${read.lines} entries, ${Math.round(read.bytes / 2 ** 20)} MiB`,
      `memory while it was read: +${Math.round((most - before) / 2 ** 20)} MiB`,
    ];
    const row = {
      id: this.id,
      title: this.title,
      value: read.perSecond,
      unit: 'entries/s',
      judged: 'ratio',
      floor: 0.3,
      goal: 0.5,
    } as const;
    return { rows: [{ ...row, ratio, limit: { what: 'raw stream', value: limit }, notes }] };
  },
};

const READERS = 100;

export const events: Row = {
  id: 'sse',
  title: `SSE, ${READERS} readers`,
  async measure(context) {
    const cluster = await context.cluster();
    const head = await cluster.agreed();
    const entries = context.isQuick ? 10_000 : 40_000;
    const readers = await Promise.all(
      Array.from({ length: READERS }, () => EventReader.open(targetOf(cluster.master.url), head + 1)),
    );
    const startedAt = performance.now();
    const target = head + entries;
    const arrived = Promise.all(readers.map((reader) => reader.until(target)));
    await Promise.all([appendLines(cluster, entries), arrived]);
    const value = Math.round((entries * READERS) / ((performance.now() - startedAt) / 1000));
    for (const reader of readers) reader.close();
    const limit = await context.limit('rawStream');
    const notes = [`${entries} entries to each`, 'its limit is one stream that sends what is ready'];
    const row = { id: this.id, title: this.title, value, unit: 'deliveries/s', floor: 150_000, goal: 300_000, notes };
    return {
      rows: [{ ...row, ratio: digits(value / limit.value), limit: { what: 'raw stream', value: limit.value } }],
    };
  },
};

/** Looks at the last id of what comes, and at nothing else. */
class EventReader {
  private last = 0;
  private awaited: { readonly id: number; readonly done: () => void; readonly fail: (error: Error) => void } | null =
    null;

  private constructor(private readonly socket: ReturnType<typeof connect>) {
    socket.on('data', (data: Buffer) => this.take(data));
    socket.on('close', () => this.awaited?.fail(new Error(`the events ended after ${this.last}`)));
  }

  static open({ host, port }: Target, from: number): Promise<EventReader> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port }, () => {
        socket.write(`GET /messages?from=${from} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n`);
        socket.once('data', () => resolve(new EventReader(socket)));
      });
      socket.once('error', reject);
    });
  }

  until(id: number): Promise<void> {
    return new Promise((done, fail) => {
      this.awaited = { id, done, fail };
      if (this.last >= id) done();
    });
  }

  close(): void {
    this.awaited = null;
    this.socket.destroy();
  }

  private take(data: Buffer): void {
    const at = data.lastIndexOf('\nid: ');
    if (at < 0 || at + 20 > data.length) return;
    this.last = Number.parseInt(data.toString('latin1', at + 5, at + 20), 10);
    if (this.awaited !== null && this.last >= this.awaited.id) this.awaited.done();
  }
}

/** A wiped secondary, alone and beside appends. */
export const catchUp: Row = {
  id: 'catch-up',
  title: 'catch-up of a wiped secondary',
  async measure(context) {
    const cluster = await context.newCluster(2);
    const head = await fill(cluster, entriesFor(context), context.say);
    context.say('catches up alone');
    const alone = await catchUpOnce(cluster, head);
    context.say('catches up beside appends');
    const undisturbed = await append(cluster, context.seconds);
    const beside = await besideAppends(cluster, head);
    await cluster.stop();
    const kept = digits(beside.perSecond / undisturbed.perSecond);
    return {
      rows: [
        { id: this.id, title: `${this.title}, alone`, value: alone, unit: 'entries/s', floor: 150_000, goal: 250_000 },
        {
          id: `${this.id}-beside`,
          title: `${this.title}, beside appends`,
          value: beside.rate,
          unit: 'entries/s',
          floor: 0,
          goal: 50_000,
        },
        {
          id: `${this.id}-kept`,
          title: 'appends kept beside it',
          value: kept,
          ratio: kept,
          unit: '×',
          floor: 0.7,
          goal: 0.7,
        },
      ],
    };
  },
};

/** Entries a second from its start (it listens) to its reaching `head`. */
async function catchUpOnce(cluster: BenchCluster, head: number): Promise<number> {
  const node = cluster.secondaries[1];
  if (node === undefined) throw new Error('a cluster of two secondaries is needed');
  await node.stop('SIGKILL');
  node.wipe();
  await node.start();
  const [from, startedAt] = [await node.position(), performance.now()];
  for (let applied = from; applied < head; applied = await node.position()) await pause(20);
  return Math.round((head - from) / ((performance.now() - startedAt) / 1000));
}

async function besideAppends(cluster: BenchCluster, head: number): Promise<{ rate: number; perSecond: number }> {
  let rate: number | null = null;
  const caughtUp = catchUpOnce(cluster, head).then((measured) => {
    rate = measured;
  });
  const request = requestOf('POST', '/messages', appendOf(2));
  const rates: number[] = [];
  const load = { target: targetOf(cluster.master.url), request, clients: 64, warmUpSeconds: 0, seconds: 0.5 };
  while (rate === null) rates.push((await closedLoop(load)).perSecond);
  await caughtUp;
  return { rate, perSecond: rates.reduce((sum, each) => sum + each, 0) / Math.max(rates.length, 1) };
}

export function entriesFor({ isQuick }: BenchContext): number {
  return isQuick ? 100_000 : 1_000_000;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
