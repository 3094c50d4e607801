import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findDocker, pullByApi } from '#tools/broker/container/docker';
import { createArguments } from '#tools/broker/container/process';

describe('pulling the image through the engine’s API', () => {
  let folder: string;
  let engine: Server;
  let socket: string;
  let answer: (response: ServerResponse) => void;
  let asked: string | undefined;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'engine-'));
    socket = join(folder, 'docker.sock');
    engine = createServer((request, response) => {
      asked = `${request.method} ${request.url}`;
      answer(response);
    }).listen(socket);
    await once(engine, 'listening');
  });

  afterEach(async () => {
    engine.closeAllConnections();
    engine.close();
    await once(engine, 'close');
    rmSync(folder, { recursive: true });
  });

  const pull = (silenceMs: number, signal?: AbortSignal) =>
    pullByApi(socket, { env: {}, signal }, () => undefined, silenceMs);
  const line = (event: object) => `${JSON.stringify(event)}\r\n`;

  it('asks for the public image by its tag, and ends with the answer', async () => {
    answer = (response) => response.end(line({ status: 'Pulling', id: '4-management' }));
    await pull(5_000);
    expect(asked).toBe('POST /images/create?fromImage=rabbitmq&tag=4-management');
  });

  it('fails with what the engine says, in the stream or instead of it', async () => {
    answer = (response) => response.end(line({ status: 'Pulling' }) + line({ error: 'manifest unknown' }));
    await expect(pull(5_000)).rejects.toThrow('manifest unknown');
    answer = (response) => response.writeHead(500).end(line({ message: 'dial tcp: no such host' }));
    await expect(pull(5_000)).rejects.toThrow('no such host');
    answer = (response) => response.end('<html>proxy</html>');
    await expect(pull(5_000)).rejects.toThrow("not an engine's answer: <html>");
  });

  it('gives up when nothing happens', async () => {
    answer = (response) => response.write(line({ status: 'Pulling' }));
    await expect(pull(60)).rejects.toThrow('no progress in 0.06 s');
  });

  it('gives up when the engine only repeats that it tries again', async () => {
    answer = (response) => {
      let seconds = 100;
      const timer = setInterval(() => {
        response.write(line({ id: 'a', status: `Retrying in ${seconds} seconds` }));
        seconds -= 1;
      }, 10);
      response.on('close', () => clearInterval(timer));
    };
    await expect(pull(100)).rejects.toThrow('no progress');
  });

  it('is patient with a slow layer as long as bytes come', async () => {
    answer = (response) => {
      let current = 0;
      const timer = setInterval(() => {
        current += 1;
        response.write(line({ id: 'a', status: 'Downloading', progressDetail: { current, total: 30 } }));
        if (current < 30) return;
        clearInterval(timer);
        response.end();
      }, 20);
    };
    await expect(pull(300)).resolves.toBeUndefined();
  });

  it('ends with the caller’s reason when aborted', async () => {
    const abort = new AbortController();
    answer = () => abort.abort();
    await expect(pull(5_000, abort.signal)).rejects.toMatchObject({ name: 'AbortError' });
  });
});

describe('looking for Docker', () => {
  it('says that there is none where the command is missing', async () => {
    await expect(findDocker({ env: { PATH: '/nonexistent' } })).resolves.toEqual({
      state: 'unusable',
      why: 'not installed',
    });
  });
});

describe('a container', () => {
  const spec = {
    kind: 'container' as const,
    ...{ name: 'n', image: 'rabbitmq:4-management', volume: 'v', settingsFile: '/d/container.conf' },
    ...{ amqpPort: 21_001, managementPort: 21_002, user: 'u', password: 'p' },
  };

  it('publishes its ports to this machine only', () => {
    const args = createArguments(spec);
    const published = args.filter((_, i) => args[i - 1] === '--publish');
    expect(published).toEqual(['127.0.0.1:21001:5672', '127.0.0.1:21002:15672']);
  });

  it('has a host name that does not change, since the node’s data is found by it', () => {
    expect(createArguments(spec)).toEqual(expect.arrayContaining(['--hostname', 'replicated-log']));
  });
});
