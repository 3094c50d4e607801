import { EventEmitter } from 'node:events';
import { LauncherHost } from '../../../../services/launcher/launcher-host';

class FakeProcess extends EventEmitter {
  readonly exits: (number | string | null | undefined)[] = [];
  exit = ((code) => {
    this.exits.push(code);
  }) as NodeJS.Process['exit'];
}

function setUp() {
  const fake = new FakeProcess();
  let now = 1_000;
  const host = new LauncherHost(fake as unknown as NodeJS.Process, () => now);
  const heard: unknown[] = [];
  for (const signal of ['SIGINT', 'SIGTERM'] as const) host.on(signal, (cause) => heard.push(cause));
  return { fake, host, heard, pass: (elapsedMs: number) => (now += elapsedMs) };
}

describe('a signal', () => {
  it('that npm passes on is the one that the terminal sent', () => {
    const { fake, host, heard, pass } = setUp();
    fake.emit('SIGINT');
    expect(host.interrupted.aborted).toBe(true);
    pass(20);
    fake.emit('SIGINT');
    expect(heard).toEqual(['SIGINT']);
  });

  it('that comes later is meant', () => {
    const { fake, heard, pass } = setUp();
    fake.emit('SIGINT');
    pass(1_001);
    fake.emit('SIGTERM');
    expect(heard).toEqual(['SIGINT', 'SIGTERM']);
  });

  it('of a closed terminal counts as SIGTERM', () => {
    const { fake, heard } = setUp();
    fake.emit('SIGHUP');
    expect(heard).toEqual(['SIGTERM']);
  });
});

it('the exit waits for what must not be cut, however that ends', async () => {
  const { fake, host } = setUp();
  let finish: (error: Error) => void = () => undefined;
  host.hold(new Promise((_, reject) => (finish = reject)));
  host.exit(0);
  await Promise.resolve();
  expect(fake.exits).toEqual([]);
  finish(new Error('interrupted'));
  await new Promise(setImmediate);
  expect(fake.exits).toEqual([0]);
});
