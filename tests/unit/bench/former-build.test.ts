import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buildFormer } from '#bench/former-build';

/** Processes are started. */
jest.setTimeout(60_000);

/** A build that copies the source. */
const BUILD = "const fs = require('node:fs'); fs.mkdirSync('dist'); fs.copyFileSync('source', 'dist/product');";
const LOCK = JSON.stringify({ packages: { '': { version: '1.0.0' }, 'node_modules/koa': { version: '3.2.1' } } });

describe('the former build', () => {
  let root: string;
  let scratch: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'rlog-former-test-'));
    scratch = mkdtempSync(join(tmpdir(), 'rlog-former-test-'));
  });
  afterEach(() => {
    for (const folder of [root, scratch]) rmSync(folder, { recursive: true, force: true });
  });

  const git = (...args: readonly string[]) =>
    execFileSync('git', ['-C', root, '-c', 'user.name=test', '-c', 'user.email=test@localhost', ...args]);

  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };

  function commit(source: string, lock = LOCK): void {
    write('source', source);
    write('package-lock.json', lock);
    write('tools/scripts/run.js', BUILD);
    if (!existsSync(join(root, '.git'))) git('init', '--quiet');
    git('add', '.');
    git('commit', '--quiet', '--message', source);
  }

  const productOf = async () => readFileSync(join((await buildFormer(root, scratch)).dist, 'product'), 'utf8');

  it('is that of the parent commit where there is no release', async () => {
    commit('first');
    commit('second');
    commit('third');
    expect(await productOf()).toBe('second');
    expect((await buildFormer(root, scratch)).commit).toMatch(/^[0-9a-f]{7,}, the parent commit$/);
  });

  it('is that of the last release before this commit', async () => {
    commit('first');
    git('tag', 'v1.0.0');
    commit('second');
    commit('third', LOCK.replace('"1.0.0"', '"2.0.0"'));
    git('tag', 'v2.0.0');
    expect(await productOf()).toBe('first');
    expect((await buildFormer(root, scratch)).commit).toBe('v1.0.0, the last release tag');
  });

  it('leaves the checkout as it is', async () => {
    commit('first');
    commit('second');
    write('source', 'not committed');
    await buildFormer(root, scratch);
    expect(readFileSync(join(root, 'source'), 'utf8')).toBe('not committed');
    expect(git('status', '--porcelain').toString()).toBe(' M source\n');
    expect(existsSync(join(root, 'dist'))).toBe(false);
  });

  it('is refused where other packages were locked, since it would run with ours', async () => {
    commit('first', LOCK.replace('3.2.1', '2.0.0'));
    commit('second');
    await expect(buildFormer(root, scratch)).rejects.toThrow(/the parent commit: [0-9a-f]+ has locked other packages$/);
  });

  it('is refused, with the reason of each way, where there is no former commit', async () => {
    commit('first');
    await expect(buildFormer(root, scratch)).rejects.toThrow(
      /^the last release tag: fatal: .+; the parent commit: fatal: /,
    );
  });

  it('is refused where it does not build', async () => {
    commit('first');
    write('tools/scripts/run.js', BUILD);
    git('rm', '--quiet', '--cached', 'source');
    git('commit', '--quiet', '--message', 'no source');
    commit('third');
    await expect(buildFormer(root, scratch)).rejects.toThrow('ENOENT');
  });
});
