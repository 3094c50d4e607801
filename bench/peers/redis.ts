/** Redis: a master with two replicas; an entry is an XADD, followed by a wait for one replica. */
import { freePorts } from '#tools/broker/ports';
import { eventually } from '../cluster';
import { MESSAGE } from '../load/load';
import { openOfficialRedis } from './official/redis';
import { type AppendClient, BULK, type RunningSystem, type System } from './peer';
import { findBinary, isAtLeast, type PeerSandbox, versionIn } from './peer-sandbox';
import { PeerSocket } from './wire/peer-socket';
import { checkWaited, commandOf, type Reply, ReplyReader } from './wire/redis-protocol';

/** WAITAOF is there since 7.2. */
const WAITAOF_SINCE = [7, 2] as const;
const WAIT_MS_MAX = '10000';

const BY_VERSION = {
  waitAof: {
    command: ['WAITAOF', '1', '1', WAIT_MS_MAX],
    durable: 'fsync on 2 of 3',
    said: '`WAITAOF 1 1` behind each request: synced by the master and by one replica (8.0.6 was seen to let a single client wait for the regular acknowledgement of a replica, once a second)',
  },
  wait: {
    command: ['WAIT', '1', WAIT_MS_MAX],
    durable: 'fsync on 2 of 3 (promised: 1)',
    said: '`WAIT 1` behind each request, `WAITAOF` is not there before 7.2: what is promised is that a replica has it; a trace of the system calls of 7.0.15 shows that it syncs before it acknowledges',
  },
};

export const redis: System = {
  title: 'Redis',
  officialClient: 'redis',
  async start(sandbox, client): Promise<RunningSystem> {
    const binary = findBinary('redis-server', 'redis-server');
    const version = versionIn(await sandbox.run({ binary, args: ['--version'] }));
    const way = isAtLeast(version, WAITAOF_SINCE) ? BY_VERSION.waitAof : BY_VERSION.wait;
    const ports = await freePorts([undefined, undefined, undefined]);
    const [master = 0] = ports;
    for (const port of ports) sandbox.start({ binary, args: flagsOf(port, master, sandbox) });
    await replicasFollow(master, sandbox);
    return {
      version,
      durable: way.durable,
      configuration: [
        'a master and two replicas, each with `appendonly yes`, `appendfsync always`, no rewrite of the file while it is measured',
        way.said,
        'an entry is an `XADD` to one stream, a bulk append 100 of them in one pipeline (not atomic)',
      ],
      connect: () =>
        client === 'official' ? openOfficialRedis(master, way.command) : RedisClient.open(master, way.command),
    };
  },
};

function flagsOf(port: number, master: number, sandbox: PeerSandbox): string[] {
  const flags = {
    port: String(port),
    bind: '127.0.0.1',
    dir: sandbox.folder(`redis-${port}`),
    appendonly: 'yes',
    appendfsync: 'always',
    'auto-aof-rewrite-percentage': '0',
    save: '',
  };
  const following = port === master ? [] : ['--replicaof', `127.0.0.1 ${master}`];
  return [...Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]), ...following];
}

/** Returns when both replicas have the master's data and its stream of commands. */
async function replicasFollow(master: number, sandbox: PeerSandbox): Promise<void> {
  await eventually('the replicas follow', async () => {
    sandbox.checkAlive();
    const socket = await PeerSocket.open(master, new ReplyReader()).catch(() => null);
    if (socket === null) return false;
    const [info] = await socket.ask(commandOf('INFO', 'replication'), 1);
    socket.close();
    return String(info).match(/state=online/g)?.length === 2;
  });
}

class RedisClient implements AppendClient {
  private readonly one: Buffer;
  private readonly bulk: Buffer;

  private constructor(
    private readonly socket: PeerSocket<Reply>,
    waitWords: readonly string[],
  ) {
    const [add, wait] = [commandOf('XADD', 'log', '*', 'message', MESSAGE), commandOf(...waitWords)];
    this.one = Buffer.concat([add, wait]);
    this.bulk = Buffer.concat([...Array.from({ length: BULK }, () => add), wait]);
  }

  static async open(port: number, waitWords: readonly string[]): Promise<RedisClient> {
    return new RedisClient(await PeerSocket.open(port, new ReplyReader()), waitWords);
  }

  async append(count: number): Promise<void> {
    const replies = await this.socket.ask(count === 1 ? this.one : this.bulk, count + 1);
    checkWaited(replies.at(-1));
  }

  close(): void {
    this.socket.close();
  }
}
