/**
 * etcd: three members; an entry is a put of a key of its own, a bulk append one transaction of
 * puts.
 */
import { type ClientHttp2Session, connect } from 'node:http2';
import { freePorts } from '#tools/broker/ports';
import { eventually } from '../cluster';
import { MESSAGE } from '../load/load';
import { openOfficialEtcd } from './official/etcd';
import type { AppendClient, RunningSystem, System } from './peer';
import { findBinary, type PeerSandbox, versionIn } from './peer-sandbox';
import { keyOf, putRequest, txnRequest } from './wire/etcd-protocol';

const PUT = '/etcdserverpb.KV/Put';
const TXN = '/etcdserverpb.KV/Txn';

/** Its default, 2 GB, could be reached by bulk puts on a fast disk. */
const QUOTA_BYTES = 8 * 2 ** 30;

interface Member {
  readonly name: string;
  readonly port: number;
  readonly peerPort: number;
}

export const etcd: System = {
  title: 'etcd',
  officialClient: 'etcd3',
  async start(sandbox, client): Promise<RunningSystem> {
    const binary = findBinary('etcd', 'etcd-server');
    const version = versionIn(await sandbox.run({ binary, args: ['--version'] }));
    const ports = await freePorts(Array(6).fill(undefined));
    const members = [0, 1, 2].map((at) => ({
      name: `etcd-${at + 1}`,
      port: ports[at] ?? 0,
      peerPort: ports[at + 3] ?? 0,
    }));
    for (const member of members) sandbox.start({ binary, args: flagsOf(member, members, sandbox) });
    const leader = await leaderOf(members, sandbox);
    let entries = 0;
    const nextKey = () => keyOf(entries++);
    return {
      version,
      durable: 'fsync on 2 of 3',
      configuration: [
        'three members, defaults but for `--quota-backend-bytes`: the Raft log is synced by a majority before the answer',
        'gRPC to the leader; an entry is a `Put` of a key of its own, a bulk append one `Txn` of 100 puts',
      ],
      connect: async () =>
        client === 'official' ? openOfficialEtcd(leader.port, nextKey) : EtcdClient.open(leader.port, nextKey),
    };
  },
};

function flagsOf({ name, port, peerPort }: Member, all: readonly Member[], sandbox: PeerSandbox): string[] {
  const [client, peer] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${peerPort}`];
  const flags = {
    name,
    'data-dir': sandbox.folder(name),
    'listen-client-urls': client,
    'advertise-client-urls': client,
    'listen-peer-urls': peer,
    'initial-advertise-peer-urls': peer,
    'initial-cluster': all.map((member) => `${member.name}=http://127.0.0.1:${member.peerPort}`).join(','),
    'initial-cluster-state': 'new',
    'quota-backend-bytes': String(QUOTA_BYTES),
    'log-level': 'warn',
  };
  return Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]);
}

interface Status {
  readonly header: { readonly member_id: string };
  readonly leader?: string;
}

/** Returns when all three answer and one of them leads. */
async function leaderOf(members: readonly Member[], sandbox: PeerSandbox): Promise<Member> {
  let leader: Member | undefined;
  await eventually('etcd has a leader', async () => {
    sandbox.checkAlive();
    const statuses = await Promise.all(members.map(statusOf));
    if (statuses.includes(null)) return false;
    leader = members.find((_, at) => statuses[at]?.leader === statuses[at]?.header.member_id);
    return leader !== undefined;
  });
  if (leader === undefined) throw new Error('etcd has no leader');
  return leader;
}

/** Null: it does not answer yet. */
async function statusOf({ port }: Member): Promise<Status | null> {
  try {
    const url = `http://127.0.0.1:${port}/v3/maintenance/status`;
    const answer = await fetch(url, { method: 'POST', body: '{}', signal: AbortSignal.timeout(2_000) });
    return answer.ok ? ((await answer.json()) as Status) : null;
  } catch {
    return null;
  }
}

class EtcdClient implements AppendClient {
  private constructor(
    private readonly session: ClientHttp2Session,
    private readonly nextKey: () => string,
  ) {}

  static open(port: number, nextKey: () => string): Promise<EtcdClient> {
    return new Promise((resolve, reject) => {
      const session = connect(`http://127.0.0.1:${port}`, () => resolve(new EtcdClient(session, nextKey)));
      session.on('error', reject);
    });
  }

  append(count: number): Promise<void> {
    const puts = Array.from({ length: count }, () => ({ key: this.nextKey(), value: MESSAGE }));
    const [first] = puts;
    if (count === 1 && first !== undefined) return this.call(PUT, putRequest(first));
    return this.call(TXN, txnRequest(puts));
  }

  close(): void {
    this.session.destroy();
  }

  /** The answer's status comes behind its body, or in front when there is no body: a refusal. */
  private call(path: string, body: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      const head = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' };
      const stream = this.session.request(head);
      let status = 'a broken stream';
      const take = (headers: Readonly<Record<string, unknown>>) => {
        if (headers['grpc-status'] === undefined) return;
        status = `${String(headers['grpc-status'])} ${String(headers['grpc-message'] ?? '')}`.trim();
      };
      stream.on('response', take).on('trailers', take).on('error', reject).resume();
      stream.on('close', () => (status === '0' ? resolve() : reject(new Error(`etcd answered: ${status}`))));
      stream.end(body);
    });
  }
}
