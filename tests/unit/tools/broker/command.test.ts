import { runCommand } from '#tools/broker/command';

const node = (script: string) => [process.execPath, ['-e', script]] as const;

describe('running a command', () => {
  it('gives back the exit code and both outputs, whatever the code', async () => {
    const [command, args] = node('console.log("out"); console.error("err"); process.exitCode = 3');
    await expect(runCommand(command, args, { timeoutMs: 10_000 })).resolves.toEqual({
      code: 3,
      stdout: 'out',
      stderr: 'err',
    });
  });

  it('hands on each line as it comes', async () => {
    const lines: string[] = [];
    const [command, args] = node('console.log("a\\nb")');
    await runCommand(command, args, { timeoutMs: 10_000, onLine: (line) => lines.push(line) });
    expect(lines).toEqual(['a', 'b']);
  });

  it('keeps the cause when there is no such command', async () => {
    const running = runCommand('/nonexistent/command', [], { timeoutMs: 1_000 });
    await expect(running).rejects.toMatchObject({ cause: { code: 'ENOENT' } });
  });

  it('ends a command whose time is over', async () => {
    const [command, args] = node('setInterval(() => {}, 1000)');
    await expect(runCommand(command, args, { timeoutMs: 100 })).rejects.toMatchObject({
      cause: { message: expect.stringContaining('no end after 100 ms') },
    });
  });

  it('ends a command when aborted, with the caller’s reason', async () => {
    const abort = new AbortController();
    const [command, args] = node('console.log("up"); setInterval(() => {}, 1000)');
    const running = runCommand(command, args, { timeoutMs: 10_000, signal: abort.signal, onLine: () => abort.abort() });
    await expect(running).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('starts nothing once aborted', async () => {
    const running = runCommand('/nonexistent/command', [], { timeoutMs: 1_000, signal: AbortSignal.abort() });
    await expect(running).rejects.toMatchObject({ name: 'AbortError' });
  });
});
