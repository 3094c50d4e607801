import { EventEmitter } from 'node:events';
import { LauncherHost } from '#tools/cluster/launcher-host';

class FakeProcess extends EventEmitter {
  readonly exits: (number | string | null | undefined)[] = [];
  exit = ((code) => {
    this.exits.push(code);
  }) as NodeJS.Process['exit'];
}

function setUp() {
  const fake = new FakeProcess();
  let now = 1_000;
  jest.spyOn(performance, 'now').mockImplementation(() => now);
  const host = new LauncherHost(fake as unknown as NodeJS.Process);
  const heard: unknown[] = [];
  for (const signal of ['SIGINT', 'SIGTERM'] as const) host.on(signal, (cause) => heard.push(cause));
  return { fake, host, heard, pass: (elapsedMs: number) => (now += elapsedMs) };
}

afterEach(() => jest.restoreAllMocks());

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

describe('the exit', () => {
  it('is at once', async () => {
    const { fake, host } = setUp();
    host.exit(70);
    await new Promise(setImmediate);
    expect(fake.exits).toEqual([70]);
  });

  it('waits for what must not be cut, however that ends', async () => {
    const { fake, host } = setUp();
    let fail: (error: Error) => void = () => undefined;
    host.busy = new Promise((_, reject) => {
      fail = reject;
    });
    host.exit(0);
    await new Promise(setImmediate);
    expect(fake.exits).toEqual([]);
    fail(new Error('interrupted'));
    await new Promise(setImmediate);
    expect(fake.exits).toEqual([0]);
  });
});
