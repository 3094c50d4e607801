/**
 * Ends this process, as on SIGTERM, when the npm that runs it was ended. npm passes a SIGTERM on to
 * its child, but that is a shell, and many shells die of it without passing it on; a killed npm
 * passes nothing on. Either way we would run on, orphaned and unseen. Without npm, who started us
 * may well go: `nohup node tools/scripts/run.js tools/scripts/start.ts &` is meant to stay.
 *
 * Looked at, because no event tells of it. "exec node …" in package.json would do on every system
 * that has exec.
 */
const LOOK_MS = 500;

/** Does nothing where no npm runs this process, and never keeps the process alive. */
export function endWithNpm(): void {
  if (process.env.npm_lifecycle_event === undefined) return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    process.kill(process.pid, 'SIGTERM');
  }, LOOK_MS);
  timer.unref();
}
