import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';

const ROOT = resolve(__dirname, '../../..');

it.each([
  'tools/scripts/image/docker-entrypoint.sh',
  'tools/scripts/image/docker-healthcheck.mjs',
  'rabbitmq/rabbitmq.conf',
  'Dockerfile',
  'compose.yaml',
])('%s keeps LF in every clone, since containers run it', (file) => {
  const answer = execFileSync('git', ['check-attr', 'eol', '--', file], { cwd: ROOT, encoding: 'utf8' });
  expect(answer.trim()).toBe(`${file}: eol: lf`);
});
