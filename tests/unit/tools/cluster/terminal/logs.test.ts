import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LogLevel } from '#process/node-settings';
import { LogFile } from '#tools/cluster/terminal/log-file';
import { LogView } from '#tools/cluster/terminal/log-view';

const warning =
  '{"level":40,"time":"2026-01-02T03:04:05.678Z","node":"master","role":"master","lag":7,"msg":"is behind"}';
const remark = warning.replace('40', '30').replace('is behind', 'keeps up');

function view(level: LogLevel) {
  const shown: string[] = [];
  return { shown, log: new LogView({ node: 'master', level, isColored: false, show: (text) => shown.push(text) }) };
}

describe('the terminal shows', () => {
  it('lines from the level on, readable and with the name of the node', () => {
    const { shown, log } = view('warn');
    log.take(remark);
    log.take(warning);
    expect(shown).toEqual([expect.stringMatching(/^master \| \[\d\d:\d\d:\d\d\] WARN: is behind \{"lag":7\}$/)]);
  });

  it.each(['{"half a line', '{"no":"level"}', 'Error: out of memory'])('%s, though it is no log', (line) => {
    const { shown, log } = view('silent');
    log.take(line);
    expect(shown).toEqual([`master | ${line}`]);
  });

  it('no log at all when silent', () => {
    const { shown, log } = view('silent');
    log.take(warning.replace('40', '60'));
    expect(shown).toEqual([]);
  });
});

describe('the tail of a log', () => {
  it('is the last lines, whatever their level', () => {
    const { log } = view('silent');
    for (let number = 0; number < 40; number += 1) log.take(remark.replace('keeps up', `line ${number}.`));
    const lines = log.tail().split('\n');
    expect(lines).toHaveLength(15);
    expect(lines[14]).toMatch(/^ {4}\[.*INFO: line 39\./);
  });

  it('has nothing of the process before', () => {
    const { log } = view('warn');
    log.take(remark);
    log.forgetTail();
    log.take('Error: new');
    expect(log.tail()).toBe('    Error: new');
  });
});

describe('a log file', () => {
  let folder: string;
  const failures: string[] = [];
  const open = (bytesMax?: number) => new LogFile(folder, 'master', (sentence) => failures.push(sentence), bytesMax);
  const read = (name: string) => readFileSync(join(folder, name), 'utf8');

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'rlog-launcher-'));
    failures.length = 0;
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('is begun anew at each start, and the one before is kept', () => {
    for (const line of ['first', 'second', 'third']) {
      const file = open();
      file.append(line);
      file.close();
    }
    expect([read('master.log'), read('master.log.1')]).toEqual(['third\n', 'second\n']);
    expect(existsSync(join(folder, 'master.log.2'))).toBe(false);
  });

  it('has a bound', () => {
    const file = open(20);
    for (let number = 1; number <= 7; number += 1) file.append(`line ${number}…`);
    file.close();
    expect([read('master.log'), read('master.log.1')]).toEqual(['line 7…\n', 'line 5…\nline 6…\n']);
  });

  it('that cannot be written is said once', () => {
    writeFileSync(join(folder, 'in-the-way'), '');
    folder = join(folder, 'in-the-way');
    const file = open();
    file.append('line');
    file.append('line');
    file.close();
    expect(failures).toEqual([expect.stringMatching(/master\.log cannot be written: /)]);
    folder = join(folder, '..');
  });
});
