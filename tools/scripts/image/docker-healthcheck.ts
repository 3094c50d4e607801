/**
 * The container's health check: exit code 0 when the node would do its work now (`/readyz`), else 1
 * with the reason, which `docker inspect` shows. There is no curl in the image.
 *
 *   node docker-healthcheck.js [path]     another probe, such as /livez for a standby, which is never ready but well
 *
 * A health check does not see what the service's process made of its environment, only the
 * container's: without HTTP_PORT there the roles' defaults are tried.
 */
export {};

const [path = '/readyz'] = process.argv.slice(2);
const { HTTP_PORT } = process.env;
const ports = HTTP_PORT ? [HTTP_PORT] : ['8000', '8001'];

async function probe(port: string): Promise<{ readonly ok: boolean; readonly said: string }> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(2500) });
    return { ok: answer.ok, said: `${answer.status} ${await answer.text()}` };
  } catch (error) {
    const { message, cause } = error as Error;
    return { ok: false, said: `nobody answers on port ${port}: ${cause instanceof Error ? cause.message : message}` };
  }
}

void Promise.all(ports.map(probe)).then((answers) => {
  process.stdout.write(`${answers.map(({ said }) => said).join('\n')}\n`);
  process.exitCode = answers.some(({ ok }) => ok) ? 0 : 1;
});
