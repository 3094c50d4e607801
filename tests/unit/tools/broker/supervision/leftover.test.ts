import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { claimRun, clearRun, judgeRun, type RunRecord, recorded } from '#tools/broker/supervision/leftover';
import { type ObservedProcess, observe } from '#tools/broker/supervision/processes';

const record: RunRecord = {
  owner: { pid: 1, start: 's1', mark: '' },
  supervisor: { pid: 2, start: 's2', mark: '/data' },
  started: [
    { pid: 3, start: 's3', mark: '-node rlog' },
    { pid: 4, start: 's4', mark: '-port 21004' },
  ],
};
const alive: Record<number, ObservedProcess> = {
  1: { start: 's1', commandLine: 'node start' },
  2: { start: 's2', commandLine: 'node supervise.js /data' },
  3: { start: 's3', commandLine: 'beam -node rlog' },
  4: { start: 's4', commandLine: 'epmd -port 21004' },
};
const judge = (changes: Record<number, Partial<ObservedProcess> | undefined>) =>
  judgeRun(record, (pid) => {
    if (pid in changes && changes[pid] === undefined) return undefined;
    const observed = alive[pid];
    return observed && { ...observed, ...changes[pid] };
  });

describe('judging the record of a run', () => {
  it('is in use while supervisor and owner live', () => {
    expect(judge({})).toEqual({ state: 'in-use', owner: 1 });
  });

  it('is in use even when the broker is down: it may be between two starts', () => {
    expect(judge({ 3: undefined, 4: undefined })).toEqual({ state: 'in-use', owner: 1 });
  });

  it('is ending when only the owner has gone', () => {
    expect(judge({ 1: undefined })).toEqual({ state: 'ending', supervisor: 2 });
  });

  it('is ending when somebody else has the owner’s pid', () => {
    expect(judge({ 1: { start: 'later' } })).toEqual({ state: 'ending', supervisor: 2 });
  });

  it('is a leftover when the supervisor has gone, whether or not its owner lives', () => {
    expect(judge({ 2: undefined })).toEqual({ state: 'leftover', left: [3, 4] });
    expect(judge({ 1: undefined, 2: undefined })).toEqual({ state: 'leftover', left: [3, 4] });
  });

  it('leaves alone a process that has only the pid, or only pid and time, of one of ours', () => {
    expect(judge({ 2: undefined, 3: { start: 'later' } })).toEqual({ state: 'leftover', left: [4] });
    expect(judge({ 2: undefined, 4: { commandLine: 'vi' } })).toEqual({ state: 'leftover', left: [3] });
  });

  it('takes another process with the supervisor’s pid for no supervisor', () => {
    expect(judge({ 2: { commandLine: 'node other.js' } })).toEqual({ state: 'leftover', left: [3, 4] });
  });
});

describe('clearing a data folder', () => {
  let dataDir: string;
  let child: ChildProcess | undefined;

  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'leftover-test-'));
  });

  afterEach(() => {
    child?.kill('SIGKILL');
    rmSync(dataDir, { recursive: true });
  });

  const dead = { pid: 2 ** 22 + 1, start: 'never', mark: 'x' };

  it('finds nothing to do in a folder nobody has used', async () => {
    await expect(clearRun(dataDir, fail)).resolves.toBeUndefined();
  });

  it('stops the process that a killed run has left, and forgets the run', async () => {
    child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', 'mark-of-ours']);
    await once(child, 'spawn');
    const ours = recorded(child.pid ?? 0, 'mark-of-ours');
    if (!ours) throw new Error('the child is not there');
    const ended = once(child, 'exit');
    claimRun(dataDir, { owner: dead, supervisor: dead, started: [ours] });
    await clearRun(dataDir, () => undefined);
    await ended;
    expect(observe(ours.pid)).toBeUndefined();
    expect(existsSync(join(dataDir, 'running.json'))).toBe(false);
  });

  it('refuses a folder that a live process uses', async () => {
    const us = recorded(process.pid, '');
    if (!us) throw new Error('we are not there');
    claimRun(dataDir, { owner: us, supervisor: us, started: [] });
    await expect(clearRun(dataDir, fail)).rejects.toMatchObject({ code: 'already-running' });
  });

  it('gives a folder to one of two that claim it', () => {
    const claim = () => claimRun(dataDir, { owner: dead, supervisor: dead, started: [] });
    claim();
    expect(claim).toThrow(/EEXIST/);
  });

  it('takes a record that a crash has cut short for none', async () => {
    writeFileSync(join(dataDir, 'running.json'), '{"owner":{"pi');
    await clearRun(dataDir, fail);
    expect(existsSync(join(dataDir, 'running.json'))).toBe(false);
  });
});

function fail(line: string): never {
  throw new Error(`unexpectedly: ${line}`);
}
