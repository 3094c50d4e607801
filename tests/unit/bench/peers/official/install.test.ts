import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { etcd } from '#bench/peers/etcd';
import { nats } from '#bench/peers/nats';
import { versionOfOfficialClient } from '#bench/peers/official/install';
import { postgres } from '#bench/peers/postgres';
import { redis } from '#bench/peers/redis';
import { ROOT } from '#tools/scripts/build';

const readPackage = (folder: string, file: string) => readFileSync(join(ROOT, folder, file), 'utf8');

describe('the official clients of the peers', () => {
  const folder = 'bench/peers/official/npm';

  it.each([nats, etcd, redis, postgres])('$title has one, at one version', ({ officialClient = '' }) => {
    expect(versionOfOfficialClient(officialClient)).toMatch(/^\d+\.\d+\.\d+$/);
  });

  it('are no dependencies of the product', () => {
    const { dependencies } = JSON.parse(readPackage(folder, 'package.json'));
    const product = JSON.parse(readPackage('.', 'package-lock.json'));
    expect(Object.keys(dependencies)).not.toEqual([]);
    for (const name of Object.keys(dependencies)) expect(product.packages).not.toHaveProperty([`node_modules/${name}`]);
  });

  it('are locked by checksum, without the address of a registry', () => {
    const { '': own, ...locked } = JSON.parse(readPackage(folder, 'package-lock.json')).packages;
    expect(own.dependencies).toEqual(JSON.parse(readPackage(folder, 'package.json')).dependencies);
    for (const entry of Object.values(locked)) {
      expect(entry).toHaveProperty('integrity');
      expect(entry).not.toHaveProperty('resolved');
    }
  });
});
