/**
 * Builds the two images once for all acceptance tests. Cached layers make it seconds when nothing
 * changed.
 */
import { docker } from './docker-command';
import { TEST_IMAGES } from './test-images';

export default async function composeSetup(): Promise<void> {
  const startedAt = performance.now();
  await docker(['compose', 'build', '--quiet'], TEST_IMAGES);
  const [version, size] = await Promise.all([
    docker(['version', '--format', '{{.Server.Version}}']),
    docker(['image', 'inspect', '--format', '{{.Size}}', TEST_IMAGES.RLOG_IMAGE]),
  ]);
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  const mebibytes = Math.round(Number(size) / 2 ** 20);
  process.stderr.write(`Docker ${version}: images built in ${seconds} s, the services' has ${mebibytes} MiB\n`);
}
