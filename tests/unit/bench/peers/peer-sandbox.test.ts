import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { findBinary, isAtLeast, NotInstalled, PeerSandbox, versionIn } from '#bench/peers/peer-sandbox';

describe('the version of a program', () => {
  it.each([
    ['nats-server: v2.9.10', '2.9.10'],
    ['Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.2.1', '7.0.15'],
    ['etcd Version: 3.4.23\nGit SHA: none', '3.4.23'],
    ['postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)', '15.18'],
    ['no number', 'unknown'],
  ])('is found in "%s"', (text, version) => {
    expect(versionIn(text)).toBe(version);
  });

  it.each([
    ['2.9.10', false],
    ['2.10', true],
    ['2.10.0', true],
    ['2.11.3', true],
    ['3.0', true],
    ['1.99', false],
    ['unknown', false],
  ])('%s is at least 2.10: %s', (version, expected) => {
    expect(isAtLeast(version, [2, 10])).toBe(expected);
  });
});

describe('a program that is not installed', () => {
  it('is named with the package that brings it', () => {
    const find = () => findBinary('no-such-server', 'some-package');
    expect(find).toThrow(NotInstalled);
    expect(find).toThrow('no-such-server is not installed; on Debian: apt-get install some-package');
  });

  it('is looked for in further folders', () => {
    const [folder, name] = [dirname(process.execPath), basename(process.execPath)];
    expect(findBinary(name, 'none', [folder])).toMatch(new RegExp(`/${name}$`));
  });
});

describe('a sandbox', () => {
  const node = process.execPath;

  it('leaves neither processes nor its folder behind', async () => {
    const sandbox = new PeerSandbox();
    const folder = sandbox.folder('data');
    sandbox.start({ binary: node, args: ['-e', 'console.log("up"); setInterval(() => 1, 1000)'] });
    expect(existsSync(folder)).toBe(true);
    expect(() => sandbox.checkAlive()).not.toThrow();
    await sandbox.stop();
    expect(existsSync(sandbox.directory)).toBe(false);
    expect(() => sandbox.start({ binary: node, args: [] })).toThrow('being stopped');
  });

  it('says what a process said that ended by itself', async () => {
    const sandbox = new PeerSandbox();
    await expect(sandbox.run({ binary: node, args: ['-p', '1 + 1'] })).resolves.toBe('2\n');
    sandbox.start({ binary: join(sandbox.directory, 'nothing'), args: [] });
    await new Promise(setImmediate);
    expect(sandbox.lastWords()).toContain('ENOENT');
    await sandbox.stop();
  });

  it('undoes the last thing first', async () => {
    const [sandbox, order] = [new PeerSandbox(), [] as string[]];
    for (const name of ['broker', 'cluster'])
      sandbox.onStop(async () => {
        order.push(name);
      });
    await Promise.all([sandbox.stop(), sandbox.stop()]);
    expect(order).toEqual(['cluster', 'broker']);
  });
});
