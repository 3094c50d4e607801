import { EventEmitter, once } from 'node:events';
import { ListenError } from '#http/server';
import { type ProcessHost, runProcess } from '#process/lifecycle';
import { ConfigError } from '#process/settings';
import { LogLines } from '#tests/support/http/http-service';

/** A process that notes its exits instead of ending. */
class FakeProcess extends EventEmitter implements ProcessHost {
  readonly exits: number[] = [];
  errors = '';

  exit(code: number): void {
    this.exits.push(code);
    this.emit('exit');
  }

  writeError(text: string): void {
    this.errors += text;
  }
}

describe('a process', () => {
  let host: FakeProcess;
  let log: LogLines;

  beforeEach(() => {
    host = new FakeProcess();
    log = new LogLines();
  });

  const start = (stop: () => Promise<void>) =>
    runProcess(async (handle) => {
      handle.useLogger(log.logger);
      return { stop };
    }, host);

  it.each(['SIGTERM', 'SIGINT'])('stops once on %s, and exits 0 when it has', async (signal) => {
    const order: string[] = [];
    await start(async () => {
      order.push(`stop ${host.exits.length}`);
    });
    host.emit(signal);
    await once(host, 'exit');
    expect(order).toEqual(['stop 0']);
    expect(host.exits).toEqual([0]);
  });

  it('exits at once on a second signal', async () => {
    await start(() => new Promise(() => undefined));
    host.emit('SIGINT');
    expect(host.exits).toEqual([]);
    host.emit('SIGINT');
    expect(host.exits).toEqual([130]);
  });

  it('exits 0 before 10 s when stopping hangs', async () => {
    jest.useFakeTimers();
    try {
      await start(() => new Promise(() => undefined));
      host.emit('SIGTERM');
      jest.advanceTimersByTime(9_999);
      expect(host.exits).toEqual([0]);
      expect(log.lines.some(({ level }) => level === 50)).toBe(true);
    } finally {
      jest.useRealTimers();
    }
  });

  it('finishes its start before it stops', async () => {
    const order: string[] = [];
    const gate = new EventEmitter();
    const running = runProcess(async (handle) => {
      handle.useLogger(log.logger);
      await once(gate, 'open');
      order.push('started');
      return {
        stop: async () => {
          order.push('stopped');
        },
      };
    }, host);
    host.emit('SIGTERM');
    gate.emit('open');
    await running;
    await once(host, 'exit');
    expect(order).toEqual(['started', 'stopped']);
    expect(host.exits).toEqual([0]);
  });

  it('fails when stopping fails', async () => {
    await start(() => Promise.reject(new Error('cannot flush')));
    host.emit('SIGTERM');
    await once(host, 'exit');
    expect(host.exits).toEqual([70]);
  });

  it.each(['uncaughtException', 'unhandledRejection'])('logs %s at fatal and exits 70', async (event) => {
    await start(async () => undefined);
    host.emit(event, new Error('broken'));
    expect(host.exits).toEqual([70]);
    expect(log.lines.find(({ level }) => level === 60)).toMatchObject({ err: { message: 'broken' } });
  });

  it('says wrong settings on stderr, all of them, and exits 78', async () => {
    const faults = [
      { variable: 'A', message: 'must be a' },
      { variable: 'LONGER', message: 'must be b' },
    ];
    await runProcess(() => Promise.reject(new ConfigError(faults)), host);
    expect(host.exits).toEqual([78]);
    expect(host.errors).toBe('2 settings are wrong:\n  A       must be a\n  LONGER  must be b\n');
  });

  it('says why it cannot listen, without a stack, and exits 69', async () => {
    await runProcess(async (handle) => {
      handle.useLogger(log.logger);
      throw new ListenError('port 8000 is in use');
    }, host);
    expect(host.exits).toEqual([69]);
    expect(log.lines).toMatchObject([{ level: 60, reason: 'port 8000 is in use' }]);
    expect(JSON.stringify(log.lines)).not.toContain('stack');
  });

  it('that fails at its start for another reason exits 70 with the stack', async () => {
    await runProcess(() => Promise.reject(new Error('surprise')), host);
    expect(host.exits).toEqual([70]);
    expect(host.errors).toMatch(/surprise.*at /s);
  });

  it('can be ended by its service', async () => {
    await runProcess(async (handle) => {
      handle.fail(new Error('the store is gone'));
      return null;
    }, host);
    expect(host.exits).toEqual([70]);
  });
});
