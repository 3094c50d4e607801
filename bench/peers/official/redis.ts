/** Redis through node-redis, the client for Node by the makers of Redis. */
import { MESSAGE } from '#bench/load/load';
import type { AppendClient } from '../peer';
import { checkWaited, type Reply } from '../wire/redis-protocol';
import { loadOfficialClient } from './install';

interface RedisClient {
  on(event: 'error', listener: (error: Error) => void): this;
  connect(): Promise<unknown>;
  xAdd(key: string, id: string, fields: Readonly<Record<string, string>>): Promise<unknown>;
  sendCommand(words: readonly string[]): Promise<Reply>;
  destroy(): void;
}

interface Redis {
  createClient(options: { readonly url: string; readonly socket: { readonly reconnectStrategy: false } }): RedisClient;
}

/**
 * A connection of its own, on which the client pipelines what is sent at once.
 *
 * @param wait the command that waits for a replica, sent behind each append
 */
export async function openOfficialRedis(port: number, wait: readonly string[]): Promise<AppendClient> {
  const { createClient } = loadOfficialClient<Redis>('redis');
  const client = createClient({ url: `redis://127.0.0.1:${port}`, socket: { reconnectStrategy: false } });
  client.on('error', () => 'the append that waits is rejected');
  await client.connect();
  return {
    append: async (count) => {
      const adds = Array.from({ length: count }, () => client.xAdd('log', '*', { message: MESSAGE }));
      const [waited] = await Promise.all([client.sendCommand(wait), ...adds]);
      checkWaited(waited);
    },
    close: () => client.destroy(),
  };
}
