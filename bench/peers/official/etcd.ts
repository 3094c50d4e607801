/**
 * etcd through etcd3, the client for Node of most users: etcd's own maintainers have one for Go
 * only, and list this one.
 */
import { MESSAGE } from '#bench/load/load';
import type { AppendClient } from '../peer';
import { loadOfficialClient } from './install';

interface Put {
  readonly key: Buffer;
  readonly value: Buffer;
}

interface Etcd3 {
  readonly kv: {
    txn(request: { readonly success: readonly { readonly request_put: Put }[] }): Promise<unknown>;
  };
  put(key: string): { value(value: string): { exec(): Promise<unknown> } };
  close(): void;
}

interface Etcd3Package {
  readonly Etcd3: new (options: { readonly hosts: string }) => Etcd3;
}

/**
 * The clients of one process share a connection, as is this package's default: a connection for
 * each took half as much CPU time again for a put. A bulk append is one transaction of as many
 * puts.
 */
export function openOfficialEtcd(port: number, nextKey: () => string): AppendClient {
  const { Etcd3 } = loadOfficialClient<Etcd3Package>('etcd3');
  const client = new Etcd3({ hosts: `http://127.0.0.1:${port}` });
  const put = () => ({ request_put: { key: Buffer.from(nextKey()), value: Buffer.from(MESSAGE) } });
  return {
    append: async (count) => {
      if (count === 1) await client.put(nextKey()).value(MESSAGE).exec();
      else await client.kv.txn({ success: Array.from({ length: count }, put) });
    },
    close: () => client.close(),
  };
}
