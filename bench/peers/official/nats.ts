/** NATS JetStream through NATS.js, the client for Node by the makers of NATS. */
import { MESSAGE } from '#bench/load/load';
import type { AppendClient } from '../peer';
import { loadOfficialClient } from './install';

interface Connection {
  close(): Promise<void>;
}

interface TransportNode {
  connect(options: { readonly servers: string; readonly noAsyncTraces: boolean }): Promise<Connection>;
}

interface JetStream {
  jetstream(connection: Connection): {
    /** Rejects for a refusal, and after `timeout` ms without an answer. */
    publish(subject: string, payload: string, options: { readonly timeout: number }): Promise<unknown>;
  };
}

/** Its default, 5 s, is too short for 6,400 publications that are synced one by one. */
const PATIENT = { timeout: 60_000 };

/** A connection of its own. A bulk append is as many publications at once. */
export async function openOfficialNats(port: number, subject: string): Promise<AppendClient> {
  const { connect } = loadOfficialClient<TransportNode>('@nats-io/transport-node');
  const { jetstream } = loadOfficialClient<JetStream>('@nats-io/jetstream');
  // A stack trace for each publication takes a third of the client's CPU time.
  const connection = await connect({ servers: `127.0.0.1:${port}`, noAsyncTraces: true });
  const stream = jetstream(connection);
  return {
    append: async (count) => {
      await Promise.all(Array.from({ length: count }, () => stream.publish(subject, MESSAGE, PATIENT)));
    },
    close: () => connection.close(),
  };
}
