/**
 * What the tests of the AMQP edge share: a broker, a log name that no other test uses, recorded
 * callbacks that can be waited for, and a second pair of hands that does to the broker what a
 * person would do with its tools.
 */
import { randomUUID } from 'node:crypto';
import { type Channel, type ChannelModel, type ConsumeMessage, connect } from 'amqplib';
import { MasterBroker, type MasterBrokerEvents } from '#master/broker/master-broker';
import { entryRecord } from '#protocol/record';
import { type QueueType, type Topology, topologyOf } from '#protocol/topology';
import type { EntriesMessage, WireMessage } from '#protocol/wire/messages';
import { SecondaryBroker, type SecondaryBrokerEvents } from '#secondary/broker/secondary-broker';
import { eventually } from '#tests/support/eventually';
import { TEST_QUEUE_TYPE } from '#tests/support/real/process';
import { provideBroker } from '#tools/broker/provide';

/** For one named event on a loaded machine; a test that waits for it longer has failed. */
const EVENT_MS = 15_000;

export interface TestBroker {
  readonly url: string;
  /** Of the management API, with credentials. */
  readonly management: string;
  stop(): Promise<void>;
}

/** The broker of this test run, or one of this file's own where there is none. */
export async function findBroker(): Promise<TestBroker> {
  const { RLOG_TEST_AMQP_URL: url, RLOG_TEST_MANAGEMENT_URL: management } = process.env;
  if (url !== undefined && management !== undefined) return { url, management, stop: async () => undefined };
  const own = await provideBroker({ name: 'amqp-tests', log: () => undefined, env: process.env });
  if (own.management === undefined) throw new Error('these tests need the management API of the broker');
  return { url: own.amqpUrl, management: own.management, stop: () => own.stop() };
}

interface Recorded {
  readonly name: string;
  readonly values: readonly unknown[];
}

/** Callbacks as they came, to be waited for one after the other. */
export class Recorder {
  readonly all: Recorded[] = [];
  private unread: Recorded[] = [];
  private wake: () => void = () => undefined;

  record(name: string, ...values: unknown[]): void {
    this.all.push({ name, values });
    this.unread.push({ name, values });
    this.wake();
  }

  count(name: string): number {
    return this.all.filter((each) => each.name === name).length;
  }

  /**
   * The next `name` that was not waited for yet and whose first value fits; earlier ones of that
   * name are passed over.
   */
  async next<T = unknown>(name: string, fits: (value: T) => boolean = () => true): Promise<T> {
    const deadline = Date.now() + EVENT_MS;
    for (;;) {
      const at = this.unread.findIndex((each) => each.name === name && fits(each.values[0] as T));
      if (at >= 0) {
        const found = this.unread[at];
        this.unread = this.unread.filter((each, index) => index > at || each.name !== name);
        return found?.values[0] as T;
      }
      await this.somethingNew(name, deadline - Date.now());
    }
  }

  private somethingNew(name: string, withinMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const seen = () => this.all.slice(-20).map((each) => `${each.name} ${JSON.stringify(each.values).slice(0, 200)}`);
      const overdue = () => reject(new Error(`no ${name} came; seen so far:\n  ${seen().join('\n  ')}`));
      const timer = setTimeout(overdue, Math.max(withinMs, 0));
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

interface MasterOptions {
  readonly node: string;
  readonly members: () => readonly string[];
  readonly holdsLog: () => boolean;
  readonly queueMaxBytes: number;
  readonly seen: Recorder;
}

interface Running<Broker> {
  readonly broker: Broker;
  readonly seen: Recorder;
}

/** Master and secondary brokers of one log, closed together. */
export class Cast {
  readonly log = `test-${randomUUID().slice(0, 8)}`;
  readonly topology: Topology = topologyOf(this.log);
  /** Of the masters that are made from now on. */
  queueType: QueueType = TEST_QUEUE_TYPE;
  private readonly started: { close(): Promise<void> }[] = [];

  constructor(readonly urls: readonly string[]) {}

  /** One that holds a log, unless told otherwise. */
  master(options: Partial<MasterOptions> = {}): Running<MasterBroker> {
    const { queueMaxBytes = 1_000_000 } = options;
    const { node = 'master', members = () => ['s1'], holdsLog = () => true, seen = new Recorder() } = options;
    const events = recordAll<MasterBrokerEvents>(seen, [
      'locked',
      'up',
      'down',
      'blockedChanged',
      'troubleChanged',
      'message',
      'messageLimitChanged',
      'malformed',
      'callbackThrew',
      'trace',
    ]);
    const { urls, topology, queueType } = this;
    const bounds = { heartbeatS: 5, connections: 2 as const, queueType, queueMaxBytes, controlExpiresMs: 3_000 };
    const broker = new MasterBroker({ urls, ...bounds, topology, node, members, holdsLog }, events);
    this.started.push(broker);
    broker.start();
    return { broker, seen };
  }

  secondary(node = 's1', events: Partial<SecondaryBrokerEvents> = {}): Running<SecondaryBroker> {
    const seen = new Recorder();
    const recorded = recordAll<SecondaryBrokerEvents>(seen, [
      'locked',
      'up',
      'down',
      'blockedChanged',
      'troubleChanged',
      'messageLimitChanged',
      'control',
      'delivery',
      'entriesMissing',
      'malformed',
      'callbackThrew',
      'trace',
    ]);
    const { urls, topology } = this;
    const intervals = { heartbeatExpiresMs: 3_000, controlSilenceMs: 200 };
    const options = { urls, heartbeatS: 5, connections: 2 as const, topology, node, ...intervals };
    const broker = new SecondaryBroker(options, { ...recorded, ...events });
    this.started.push(broker);
    broker.start();
    return { broker, seen };
  }

  async close(): Promise<void> {
    await Promise.all(this.started.map((broker) => broker.close()));
  }
}

/** `trace` is recorded under its event, everything else under its own name. */
function recordAll<Events>(seen: Recorder, names: readonly (keyof Events & string)[]): Events {
  const record = (name: string) => [
    name,
    (...values: unknown[]) => {
      if (name === 'trace') seen.record(String(values[1]), values[0], values[2]);
      else seen.record(name, ...(name === 'delivery' || name === 'control' || name === 'message' ? [values] : values));
    },
  ];
  return Object.fromEntries(names.map(record)) as Events;
}

/** Does what a person does with the broker's tools. */
export class Operator {
  private constructor(
    private readonly model: ChannelModel,
    private readonly broker: TestBroker,
  ) {}

  static async at(broker: TestBroker): Promise<Operator> {
    const model = await connect(broker.url, { timeout: 5000, clientProperties: { connection_name: 'operator' } });
    model.on('error', (error) => console.error('the operator lost the broker:', error));
    return new Operator(model, broker);
  }

  /** One step on a channel of its own; a refused step rejects and does no other harm. */
  async do<T>(step: (channel: Channel) => Promise<T> | T): Promise<T> {
    const channel = await this.model.createChannel();
    const refused = new Promise<never>((_, reject) => channel.on('error', reject));
    const done = await Promise.race([step(channel), refused]);
    await channel.close();
    return done;
  }

  /**
   * Takes the first message out of a queue; one with a single active consumer answers no `get`.
   */
  takeOne(queue: string): Promise<ConsumeMessage> {
    return this.do(async (channel) => {
      const { promise, resolve } = withResolver<ConsumeMessage>();
      await channel.prefetch(1);
      await channel.consume(queue, (message) => message !== null && resolve(message));
      const message = await promise;
      channel.ack(message);
      return message;
    });
  }

  /**
   * Closes every connection whose name begins with one of `names`, once the broker's list shows all
   * of them. Returns how many.
   */
  async closeConnections(names: readonly string[]): Promise<number> {
    const victims = await this.listed(names);
    for (const name of victims) await this.api('DELETE', `/api/connections/${encodeURIComponent(name)}`);
    return victims.length;
  }

  deleteLog(topology: Topology, nodes: readonly string[]): Promise<void> {
    return this.do(async (channel) => {
      for (const node of nodes) await channel.deleteQueue(topology.entriesQueue(node));
      await channel.deleteExchange(topology.entriesExchange);
      await channel.deleteExchange(topology.controlExchange);
    });
  }

  /** Messages that are ready in a queue. */
  async depth(queue: string): Promise<number> {
    return (await this.do((channel) => channel.checkQueue(queue))).messageCount;
  }

  close(): Promise<void> {
    return this.model.close();
  }

  private listed(names: readonly string[]): Promise<string[]> {
    const listing = async () => {
      const answer = await this.api('GET', '/api/connections');
      const all = (await answer.json()) as { name: string; client_properties?: { connection_name?: string } }[];
      const nameOf = (each: (typeof all)[number]) => each.client_properties?.connection_name ?? '';
      const missing = names.filter((name) => !all.some((each) => nameOf(each).startsWith(name)));
      if (missing.length > 0) throw new Error(`missing: ${missing.join(', ')}`);
      return all.filter((each) => names.some((name) => nameOf(each).startsWith(name))).map(({ name }) => name);
    };
    return eventually('the broker lists the connections', listing, { withinMs: EVENT_MS });
  }

  private async api(method: string, path: string): Promise<Response> {
    const { origin, username, password } = new URL(this.broker.management);
    const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    const answer = await fetch(`${origin}${path}`, {
      method,
      headers: { authorization },
      signal: AbortSignal.timeout(5000),
    });
    if (!answer.ok && answer.status !== 404) throw new Error(`${method} ${path}: ${answer.status}`);
    return answer;
  }
}

const SENDER = { epoch: 1, reign: 'reign', log: 'reign' } as const;

/** A batch of one entry at `index`, which is its seq too. */
export function batch(index: number, text = `message ${index}`): EntriesMessage {
  const entry = { seq: index, epoch: 1, id: `id-${index}`, ts: '2026-01-01T00:00:00.000Z', message: text };
  return {
    type: 'entries',
    ...SENDER,
    prevIndex: index - 1,
    prevEpoch: index === 1 ? 0 : 1,
    prevReign: index === 1 ? '' : 'reign',
    commit: 0,
    records: [entryRecord(index, entry)],
  };
}

export function ackOf(index: number): WireMessage {
  return { type: 'ack', ...SENDER, node: 's1', store: 'store', index, applied: index };
}

export function announcement(head: number) {
  const at = { ...SENDER, node: 'master', headIndex: head, head, commit: 0 };
  return { type: 'announce', ...at, removed: [] as string[], httpUrl: '' } as const;
}

function withResolver<T>() {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((taken) => {
    resolve = taken;
  });
  return { promise, resolve };
}
