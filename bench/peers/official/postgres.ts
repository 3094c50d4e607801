/** PostgreSQL through node-postgres (pg), the usual client for Node: PostgreSQL has none itself. */
import { MESSAGE } from '#bench/load/load';
import { type AppendClient, BULK } from '../peer';
import { loadOfficialClient } from './install';

interface Query {
  /** Prepared under this name at its first use. */
  readonly name: string;
  readonly text: string;
  readonly values: readonly unknown[];
}

interface Client {
  on(event: 'error', listener: (error: Error) => void): this;
  connect(): Promise<unknown>;
  query(query: Query): Promise<{ readonly rows: readonly unknown[] }>;
  end(): Promise<void>;
}

interface Pg {
  readonly Client: new (options: {
    readonly host: string;
    readonly port: number;
    readonly user: string;
    readonly database: string;
  }) => Client;
}

/** The statements of the small client. */
export interface Statements {
  readonly user: string;
  readonly insertOne: string;
  readonly insertMany: string;
}

/** A connection of its own. */
export async function openOfficialPostgres(
  port: number,
  { user, insertOne, insertMany }: Statements,
): Promise<AppendClient> {
  const { Client } = loadOfficialClient<Pg>('pg');
  const client = new Client({ host: '127.0.0.1', port, user, database: 'postgres' });
  client.on('error', () => 'the append that waits is rejected');
  await client.connect();
  const one = { name: 'one', text: insertOne, values: [MESSAGE] };
  const many = { name: 'many', text: insertMany, values: [Array.from({ length: BULK }, () => MESSAGE)] };
  return {
    append: async (count) => {
      const { rows } = await client.query(count === 1 ? one : many);
      if (rows.length !== count) throw new Error(`postgres inserted ${rows.length} rows of ${count}`);
    },
    close: () => client.end(),
  };
}
