/** The process behind `npm start`: reads what is wanted, launches it, and stops it when told to. */
import { join } from 'node:path';
import { usageOf } from '#process/cli/program';
import { type RunningService, runProcess } from '#process/lifecycle';
import { Launcher } from './launcher';
import { LauncherHost } from './launcher-host';
import { PROGRAM, readLauncherSettings } from './options';

const host = new LauncherHost();
stopWithoutReader();
void runProcess(start, host);

async function start(): Promise<RunningService | null> {
  const settings = readLauncherSettings({
    args: process.argv.slice(2),
    environment: process.env,
    workingDir: process.cwd(),
    // dist/tools/cluster
    root: join(__dirname, '..', '..', '..'),
  });
  if (settings === null) {
    say(usageOf(PROGRAM));
    return null;
  }
  const signal = host.interrupted;
  const launcher = new Launcher({ settings, signal, say, hold: (work) => host.hold(work) });
  try {
    await launcher.start();
  } catch (error) {
    await launcher.stop();
    if (signal.aborted) return null;
    throw error;
  }
  process.on('SIGUSR2', () => launcher.startStopped());
  return launcher;
}

/**
 * Whoever read this has gone, as in `npm start | head`: that is a closed terminal, which some
 * systems report by a signal.
 */
function stopWithoutReader(): void {
  let isGone = false;
  const note = () => {
    if (!isGone) process.kill(process.pid, 'SIGHUP');
    isGone = true;
  };
  for (const stream of [process.stdout, process.stderr]) stream.on('error', note);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
