/** The process behind `npm start`: reads what is wanted, launches it, and stops it when told to. */
import { usageOf } from '#process/cli/program';
import { type RunningService, runProcess } from '#process/lifecycle';
import { Launcher } from './launcher';
import { LauncherHost } from './launcher-host';
import { PROGRAM, readLauncherSettings } from './options';

const host = new LauncherHost();
const say = (text: string) => void process.stdout.write(`${text}\n`);
// Whoever read this has gone, as in `npm start | head`: that is a closed terminal.
const noteGone = () => host.interrupted.aborted || process.kill(process.pid, 'SIGHUP');
for (const stream of [process.stdout, process.stderr]) stream.on('error', noteGone);
void runProcess(start, host);

async function start(): Promise<RunningService | null> {
  const settings = readLauncherSettings(process.argv.slice(2), process.env);
  if (settings === null) {
    say(usageOf(PROGRAM));
    return null;
  }
  const launcher = new Launcher(settings, host, say);
  try {
    await launcher.start();
  } catch (error) {
    await launcher.stop();
    if (host.interrupted.aborted) return null;
    throw error;
  }
  process.on('SIGUSR2', () => launcher.startStopped());
  return launcher;
}
