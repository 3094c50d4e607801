import { runCommand } from '#tools/broker/command';

const node = (script: string) => [process.execPath, '-e', script];

describe('running a command', () => {
  it('gives back what it said', async () => {
    await expect(runCommand(node('console.log("a\\nb")'), { timeoutMs: 10_000 })).resolves.toBe('a\nb');
  });

  it('hands on each line as it comes', async () => {
    const lines: string[] = [];
    await runCommand(node('console.log("a\\nb")'), { timeoutMs: 10_000, onLine: (line) => lines.push(line) });
    expect(lines).toEqual(['a', 'b']);
  });

  it('that fails says what it complained of, or its exit code', async () => {
    const complaining = node('console.error("no space left"); process.exitCode = 3');
    await expect(runCommand(complaining, { timeoutMs: 10_000 })).rejects.toThrow(/^no space left$/);
    await expect(runCommand(node('process.exitCode = 3'), { timeoutMs: 10_000 })).rejects.toThrow('exit code 3');
  });

  it('names the reason when there is no such command, and leaves no timer behind', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    await expect(runCommand(['/nonexistent/command'], { timeoutMs: 1_000 })).rejects.toMatchObject({ code: 'ENOENT' });
    expect(timers()).toBe(before);
  });

  it('ends a command whose time is over', async () => {
    const running = runCommand(node('setInterval(() => {}, 1000)'), { timeoutMs: 100 });
    await expect(running).rejects.toThrow('ended by SIGTERM');
  });

  it('ends a command when aborted, with the caller’s reason', async () => {
    const abort = new AbortController();
    const command = node('console.log("up"); setInterval(() => {}, 1000)');
    const running = runCommand(command, { timeoutMs: 10_000, signal: abort.signal, onLine: () => abort.abort() });
    await expect(running).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('starts nothing once aborted', async () => {
    const running = runCommand(['/nonexistent/command'], { timeoutMs: 1_000, signal: AbortSignal.abort() });
    await expect(running).rejects.toMatchObject({ name: 'AbortError' });
  });
});
