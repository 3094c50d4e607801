/**
 * PostgreSQL: a primary with two streaming standbys; an entry is a row, inserted in a transaction
 * of its own.
 */
import { readdirSync } from 'node:fs';
import { freePorts } from '#tools/broker/ports';
import { eventually } from '../cluster';
import { MESSAGE } from '../load/load';
import { openOfficialPostgres } from './official/postgres';
import { type AppendClient, BULK, type RunningSystem, type System } from './peer';
import { findBinary, lesserUser, type PeerSandbox, type SystemUser, versionIn } from './peer-sandbox';
import { PeerSocket } from './wire/peer-socket';
import {
  arrayLiteral,
  executePrepared,
  prepare,
  type QueryAnswer,
  QueryReader,
  simpleQuery,
  startup,
} from './wire/postgres-protocol';

const DEBIAN_PACKAGE = 'postgresql';
const DEBIAN_FOLDER = '/usr/lib/postgresql';
const USER = 'postgres';
const TABLE = 'CREATE TABLE log (seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, message text NOT NULL)';
const STATEMENTS = {
  user: USER,
  insertOne: 'INSERT INTO log (message) VALUES ($1) RETURNING seq',
  insertMany: 'INSERT INTO log (message) SELECT unnest($1::text[]) RETURNING seq',
};

/** Ends at once, its backends too, and leaves no shared memory: the data is not wanted again. */
const STOP = 'SIGQUIT';

/** One who lags must not lose the stream; the other one is enough to go on. */
const WAL_KEPT = '4GB';

/** The server's programs, and who runs them: it refuses to be root. */
interface Programs {
  readonly initdb: string;
  readonly basebackup: string;
  readonly postgres: string;
  readonly user: SystemUser | undefined;
}

export const postgres: System = {
  title: 'PostgreSQL',
  officialClient: 'pg',
  async start(sandbox, client): Promise<RunningSystem> {
    const programs = findPrograms();
    const version = versionIn(await sandbox.run({ binary: programs.postgres, args: ['--version'] }));
    const [port = 0, ...standbyPorts] = await freePorts([undefined, undefined, undefined]);
    await startPrimary(sandbox, programs, port);
    for (const [at, own] of standbyPorts.entries())
      await startStandby(sandbox, programs, { name: `standby_${at + 1}`, port: own, primaryPort: port });
    await standbysStream(sandbox, port);
    const admin = await PostgresClient.open(port);
    await admin.query(TABLE);
    admin.close();
    return {
      version,
      durable: 'fsync on 2 of 3',
      configuration: [
        "a primary and two streaming standbys, `synchronous_standby_names = 'ANY 1 (standby_1, standby_2)'`, `synchronous_commit = on`: the commit is synced here and on one standby; the rest as initdb leaves it",
        'a prepared `INSERT … RETURNING seq` for each entry, one `INSERT … SELECT unnest(…) RETURNING seq` of 100 rows for a bulk append',
      ],
      connect: () =>
        client === 'official' ? openOfficialPostgres(port, STATEMENTS) : PostgresClient.openPrepared(port),
    };
  },
};

function findPrograms(): Programs {
  const folders = versionsIn(DEBIAN_FOLDER).map((version) => `${DEBIAN_FOLDER}/${version}/bin`);
  const [initdb = '', basebackup = '', server = ''] = ['initdb', 'pg_basebackup', 'postgres'].map((name) =>
    findBinary(name, DEBIAN_PACKAGE, folders),
  );
  return { initdb, basebackup, postgres: server, user: lesserUser('postgres', 'nobody') };
}

/** Newest first; none where there is no such folder. */
function versionsIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort((a, b) => Number(b) - Number(a));
  } catch {
    return [];
  }
}

function settings(values: Readonly<Record<string, string | number>>): string[] {
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

const listening = (port: number) => ({ listen_addresses: '127.0.0.1', port, unix_socket_directories: '' });

async function startPrimary(
  sandbox: PeerSandbox,
  { initdb, postgres: binary, user }: Programs,
  port: number,
): Promise<void> {
  const data = sandbox.folder('primary', user);
  const args = ['-D', data, '-U', USER, '-A', 'trust', '--no-locale', '-E', 'UTF8', '--no-sync'];
  await sandbox.run({ binary: initdb, args, user });
  const quorum = { synchronous_standby_names: 'ANY 1 (standby_1, standby_2)', wal_keep_size: WAL_KEPT };
  sandbox.start({ binary, args: ['-D', data, ...settings({ ...listening(port), ...quorum })], user }, STOP);
  await eventually('the primary answers', async () => {
    sandbox.checkAlive();
    const client = await PostgresClient.open(port).catch(() => null);
    client?.close();
    return client !== null;
  });
}

async function startStandby(
  sandbox: PeerSandbox,
  { basebackup, postgres: binary, user }: Programs,
  { name, port, primaryPort }: { readonly name: string; readonly port: number; readonly primaryPort: number },
): Promise<void> {
  const data = sandbox.folder(name, user);
  const source = ['-h', '127.0.0.1', '-p', String(primaryPort), '-U', USER];
  await sandbox.run({ binary: basebackup, args: [...source, '-D', data, '-R', '-c', 'fast', '--no-sync'], user });
  const primary_conninfo = `host=127.0.0.1 port=${primaryPort} user=${USER} application_name=${name}`;
  sandbox.start({ binary, args: ['-D', data, ...settings({ ...listening(port), primary_conninfo })], user }, STOP);
}

async function standbysStream(sandbox: PeerSandbox, port: number): Promise<void> {
  const client = await PostgresClient.open(port);
  await eventually('two standbys stream', async () => {
    sandbox.checkAlive();
    const { rows } = await client.query(
      "SELECT 1 FROM pg_stat_replication WHERE state || sync_state = 'streamingquorum'",
    );
    return rows.length === 2;
  });
  client.close();
}

class PostgresClient implements AppendClient {
  private readonly one = executePrepared('one', MESSAGE);
  private readonly bulk = executePrepared('many', arrayLiteral(Array.from({ length: BULK }, () => MESSAGE)));

  private constructor(private readonly socket: PeerSocket<QueryAnswer>) {}

  static async open(port: number): Promise<PostgresClient> {
    const socket = await PeerSocket.open(port, new QueryReader());
    await socket.ask(startup(USER, 'postgres'), 1);
    return new PostgresClient(socket);
  }

  static async openPrepared(port: number): Promise<PostgresClient> {
    const client = await PostgresClient.open(port);
    const { insertOne, insertMany } = STATEMENTS;
    await client.socket.ask(Buffer.concat([prepare('one', insertOne), prepare('many', insertMany)]), 2);
    return client;
  }

  async query(sql: string): Promise<QueryAnswer> {
    const [answer = { rows: [] }] = await this.socket.ask(simpleQuery(sql), 1);
    return answer;
  }

  async append(count: number): Promise<void> {
    const [answer] = await this.socket.ask(count === 1 ? this.one : this.bulk, 1);
    if (answer?.rows.length !== count) throw new Error(`postgres inserted ${answer?.rows.length} rows of ${count}`);
  }

  close(): void {
    this.socket.close();
  }
}
