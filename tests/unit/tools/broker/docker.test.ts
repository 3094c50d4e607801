import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createArguments, pullImage, whyNoContainer } from '#tools/broker/docker';

describe('pulling the image', () => {
  let folder: string;
  const lines: string[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'docker-'));
    lines.length = 0;
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** With a docker command that does this. */
  function pull(
    script: string,
    { registryMs = 10_000, signal }: { registryMs?: number; signal?: AbortSignal | undefined } = {},
  ) {
    const docker = join(folder, 'docker');
    writeFileSync(docker, `#!/bin/sh\n${script}\n`);
    chmodSync(docker, 0o755);
    const env = { PATH: `${folder}:${process.env.PATH}` };
    return pullImage({ env, signal, log: (line) => lines.push(line) }, registryMs);
  }

  it('asks for the public image by its tag, and says how it goes', async () => {
    expect(await pull('echo "$@"; echo "0a1b: Pull complete"')).toBeUndefined();
    expect(lines).toEqual(['  pull rabbitmq:4-management', '  0a1b: Pull complete']);
  });

  it('fails with what the command says', async () => {
    expect(await pull('echo "manifest unknown" >&2; exit 1')).toBe('manifest unknown');
    expect(await pull('exit 3')).toMatch(/docker pull .*exit code 3/);
  });

  it('gives up when the registry does not answer', async () => {
    expect(await pull('exec sleep 30', { registryMs: 100 })).toBe('no progress in 0.1 s');
  });

  it('is patient with a slow layer once the registry has answered', async () => {
    expect(await pull('echo Pulling; sleep 0.6; echo done', { registryMs: 400 })).toBeUndefined();
  });

  it('ends with the caller’s reason when aborted', async () => {
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 50);
    await expect(pull('exec sleep 30', { signal: abort.signal })).rejects.toMatchObject({ name: 'AbortError' });
  });
});

describe('looking for Docker', () => {
  it('says that there is none where the command is missing', async () => {
    const refusal = whyNoContainer({ env: { PATH: '/nonexistent' }, log: () => undefined });
    await expect(refusal).resolves.toBe('not installed');
  });
});

describe('a container', () => {
  const spec = { name: 'n', amqp: 21_001, management: 21_002 };

  it('publishes its ports to this machine only', () => {
    const args = createArguments(spec);
    const published = args.filter((_, i) => args[i - 1] === '--publish');
    expect(published).toEqual(['127.0.0.1:21001:5672', '127.0.0.1:21002:15672']);
  });

  it('has a host name that does not change, since the node’s data is found by it', () => {
    expect(createArguments(spec)).toEqual(expect.arrayContaining(['--hostname', 'replicated-log']));
  });
});
