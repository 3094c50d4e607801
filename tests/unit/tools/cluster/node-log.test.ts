import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LogLevel } from '#process/node-settings';
import { NodeLog } from '#tools/cluster/node-log';

const warning =
  '{"level":40,"time":"2026-01-02T03:04:05.678Z","node":"master","role":"master","lag":7,"msg":"is behind"}';
const remark = warning.replace('40', '30').replace('is behind', 'keeps up');

let folder: string;
const shown: string[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rlog-launcher-'));
  shown.length = 0;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function open(level: LogLevel, path = join(folder, 'logs', 'master.log')): NodeLog {
  return new NodeLog('master', path, level, (text) => shown.push(text));
}

describe('the terminal shows', () => {
  it('lines from the level on, readable and with the name of the node', () => {
    const log = open('warn');
    log.take(remark);
    log.take(warning);
    expect(shown).toEqual([expect.stringMatching(/^master \| \[\d\d:\d\d:\d\d\] WARN: is behind \{"lag":7\}$/)]);
  });

  it.each(['{"half a line', '{"no":"level"}', 'Error: out of memory'])('%s, though it is no log', (line) => {
    const log = open('silent');
    log.take(line);
    expect(shown).toEqual([`master | ${line}`]);
  });

  it('no log at all when silent', () => {
    const log = open('silent');
    log.take(warning.replace('40', '60'));
    expect(shown).toEqual([]);
  });
});

describe('the tail of a log', () => {
  it('is the last lines, whatever their level', () => {
    const log = open('silent');
    for (let number = 0; number < 40; number += 1) log.take(remark.replace('keeps up', `line ${number}.`));
    const lines = log.tail().split('\n');
    expect(lines).toHaveLength(15);
    expect(lines[14]).toMatch(/^ {4}\[.*INFO: line 39\./);
  });

  it('has nothing of the process before', () => {
    const log = open('warn');
    log.take(remark);
    log.forgetTail();
    log.take('Error: new');
    expect(log.tail()).toBe('    Error: new');
  });
});

describe('a log file', () => {
  const read = (name: string) => readFileSync(join(folder, 'logs', name), 'utf8');

  it('has every line, whatever its level', () => {
    const log = open('silent');
    log.take(remark);
    log.take('Error: new');
    expect(read('master.log')).toBe(`${remark}\nError: new\n`);
  });

  it('is begun anew at each start', () => {
    for (const line of ['first', 'second']) open('warn').take(line);
    expect(read('master.log')).toBe('second\n');
  });

  it('that is full is kept as the one before, of which there is one', () => {
    const full = (letter: string) => letter.repeat(16 * 2 ** 20);
    const log = open('silent');
    for (const line of [full('a'), full('b'), 'c']) log.take(line);
    expect(readdirSync(join(folder, 'logs')).sort()).toEqual(['master.log', 'master.log.1']);
    expect(read('master.log.1') === `${full('b')}\n`).toBe(true);
    expect(read('master.log')).toBe('c\n');
    open('silent').take('next start');
    expect(readdirSync(join(folder, 'logs'))).toEqual(['master.log']);
  });

  it('that cannot be written is said once, and the terminal still shows the lines', () => {
    writeFileSync(join(folder, 'in-the-way'), '');
    const log = open('warn', join(folder, 'in-the-way', 'master.log'));
    log.take('one');
    log.take('two');
    expect(shown).toEqual([expect.stringMatching(/master\.log cannot be written: /), 'master | one', 'master | two']);
  });
});
