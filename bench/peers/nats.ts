/**
 * NATS JetStream: three servers, a stream in files on all of them; an entry is a publication with
 * its answer.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts } from '#tools/broker/ports';
import { eventually } from '../cluster';
import { MESSAGE } from '../load/load';
import { openOfficialNats } from './official/nats';
import { type AppendClient, BULK, type RunningSystem, type System } from './peer';
import { findBinary, isAtLeast, type PeerSandbox, versionIn } from './peer-sandbox';
import {
  checkStored,
  greeting,
  MessageReader,
  type NatsNode,
  natsConfiguration,
  PONG,
  publish,
  SYNC_ALWAYS_SINCE,
} from './wire/nats-protocol';
import { PeerSocket } from './wire/peer-socket';

const STREAM = 'LOG';
const SUBJECT = 'log';
const CREATE = `$JS.API.STREAM.CREATE.${STREAM}`;
const INFO = `$JS.API.STREAM.INFO.${STREAM}`;

export const nats: System = {
  title: 'NATS JetStream',
  officialClient: '@nats-io/jetstream',
  async start(sandbox, client): Promise<RunningSystem> {
    const binary = findBinary('nats-server', 'nats-server');
    const version = versionIn(await sandbox.run({ binary, args: ['--version'] }));
    const syncsAlways = isAtLeast(version, SYNC_ALWAYS_SINCE);
    const nodes = await nodesIn(sandbox);
    for (const node of nodes) {
      const file = join(sandbox.directory, `${node.name}.conf`);
      writeFileSync(file, natsConfiguration(node, nodes, syncsAlways));
      sandbox.start({ binary, args: ['-c', file] });
    }
    const leader = await createStream(nodes, sandbox);
    return {
      version,
      durable: syncsAlways ? 'fsync on 2 of 3' : 'written on 2 of 3, NOT synced',
      configuration: [
        'three servers, a stream with `num_replicas: 3` and `storage: file`; clients connect to the server that leads the stream',
        syncsAlways
          ? '`sync_interval: always`'
          : '`sync_interval` is not there before 2.10: the answer says that a majority has written, files are synced every two minutes; a power cut can take what was acknowledged',
        'an entry is a publication with its answer, a bulk append 100 publications sent together and their 100 answers (not atomic)',
      ],
      connect: () => (client === 'official' ? openOfficialNats(leader.port, SUBJECT) : NatsClient.open(leader.port)),
    };
  },
};

async function nodesIn(sandbox: PeerSandbox): Promise<NatsNode[]> {
  const ports = await freePorts(Array(6).fill(undefined));
  return [0, 1, 2].map((at) => {
    const name = `nats-${at + 1}`;
    return { name, port: ports[at] ?? 0, clusterPort: ports[at + 3] ?? 0, storeDir: sandbox.folder(name) };
  });
}

interface StreamAnswer {
  readonly error?: { readonly description: string };
  readonly cluster?: {
    readonly leader?: string;
    readonly replicas?: readonly { readonly current: boolean }[];
  };
}

/** Returns the leader of the stream when both others have what it has. */
async function createStream(nodes: readonly NatsNode[], sandbox: PeerSandbox): Promise<NatsNode> {
  const config = { name: STREAM, subjects: [SUBJECT], storage: 'file', num_replicas: 3, retention: 'limits' };
  let leader: NatsNode | undefined;
  await eventually('JetStream has the stream on three servers', async () => {
    sandbox.checkAlive();
    const info = await ask(nodes, INFO, '');
    if (info?.cluster === undefined) {
      await ask(nodes, CREATE, JSON.stringify(config));
      return false;
    }
    leader = nodes.find(({ name }) => name === info.cluster?.leader);
    const replicas = info.cluster.replicas ?? [];
    return leader !== undefined && replicas.length === 2 && replicas.every(({ current }) => current);
  });
  if (leader === undefined) throw new Error('the stream has no leader');
  return leader;
}

/** One question to the first server; null: nobody answers yet. */
async function ask([node]: readonly NatsNode[], subject: string, payload: string): Promise<StreamAnswer | null> {
  const client = await NatsClient.open(node?.port ?? 0).catch(() => null);
  try {
    return client === null ? null : (JSON.parse(await client.request(subject, payload)) as StreamAnswer);
  } catch {
    return null;
  } finally {
    client?.close();
  }
}

/** The API is silent while it has no leader of its own. */
const ANSWER_MS_MAX = 2_000;

let inboxes = 0;

class NatsClient implements AppendClient {
  private readonly one: Buffer;
  private readonly bulk: Buffer;

  private constructor(
    private readonly socket: PeerSocket<string>,
    private readonly inbox: string,
  ) {
    this.one = publish({ subject: SUBJECT, reply: inbox, payload: MESSAGE });
    this.bulk = Buffer.concat(Array.from({ length: BULK }, () => this.one));
  }

  static async open(port: number): Promise<NatsClient> {
    const reader = new MessageReader(() => socket.send(PONG));
    const socket: PeerSocket<string> = await PeerSocket.open(port, reader);
    inboxes += 1;
    const inbox = `_INBOX.bench-${inboxes}`;
    await socket.ask(greeting(inbox), 1);
    return new NatsClient(socket, inbox);
  }

  async append(count: number): Promise<void> {
    for (const answer of await this.socket.ask(count === 1 ? this.one : this.bulk, count)) checkStored(answer);
  }

  async request(subject: string, payload: string): Promise<string> {
    const late = setTimeout(() => this.socket.end(new Error('no answer')), ANSWER_MS_MAX);
    const [answer = ''] = await this.socket
      .ask(publish({ subject, reply: this.inbox, payload }), 1)
      .finally(() => clearTimeout(late));
    return answer;
  }

  close(): void {
    this.socket.close();
  }
}
