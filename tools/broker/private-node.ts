/**
 * A private RabbitMQ node from an installed package. It shares nothing with a RabbitMQ that the
 * machine may have: all that RabbitMQ would take from the system (/etc/rabbitmq, /var/lib/rabbitmq,
 * ~/.erlang.cookie, epmd's port 4369, the distribution port 25672) is given here.
 * Its name and folders are the same at every start, so the next start finds the queues.
 *
 * Source: rabbitmq.com/docs/configure (environment variables), rabbitmq-env(7), the server script.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, extname, join } from 'node:path';
import type { Environment } from '#process/settings';
import { OwnBroker, type StartOptions } from './own-broker';
import { freePorts } from './ports';

const ROOT = join(__dirname, extname(__filename) === '.ts' ? '../..' : '../../..');
/** What every RabbitMQ of this project is told; in the checkout, dist/ has no copy. */
export const SHARED_CONF = join(ROOT, 'rabbitmq/rabbitmq.conf');

/** Where packages put servers; not on every user's PATH. */
const SERVER_FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/opt/homebrew/sbin', '/home/linuxbrew/.linuxbrew/sbin'];
/**
 * Debian's and Red Hat's packages put a wrapper on the PATH which changes to the user rabbitmq. The
 * server's own script, which runs as whoever starts it, is here.
 */
const INNER_SCRIPT = '/usr/lib/rabbitmq/bin/rabbitmq-server';

/** Paths of the server's script and of Erlang's name service, or why no server can be started. */
export function findServer(env: Environment): { script: string; epmd: string } | { missing: string } {
  if (process.platform === 'win32') return { missing: 'not run on Windows itself, but in WSL 2' };
  const script = existsSync(INNER_SCRIPT) ? INNER_SCRIPT : findExecutable('rabbitmq-server', env, SERVER_FOLDERS);
  if (script === undefined) return { missing: 'not installed' };
  const epmd = findExecutable('epmd', env, [dirname(script), '/usr/lib/erlang/bin']);
  return epmd === undefined ? { missing: `found as ${script}, but without Erlang's epmd` } : { script, epmd };
}

/** Its path, in the folders of the PATH or in `more`. */
export function findExecutable(name: string, env: Environment, more: readonly string[]): string | undefined {
  const folders = [...(env.PATH ?? '').split(delimiter), ...more].filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, name)).find(existsSync);
}

/** `distribution`: for the command-line tools. `epmd`: Erlang's name service, of our own. */
type Ports = Readonly<Record<'amqp' | 'management' | 'distribution' | 'epmd', number>>;

/**
 * Returns why no server can be started; `found` may name another one. @throws LaunchError
 * `start-failed`; the signal's reason.
 */
export async function tryPrivateNode(
  options: StartOptions,
  found = findServer(options.env),
): Promise<OwnBroker | string> {
  if ('missing' in found) return found.missing;
  const { script, epmd } = found;
  return OwnBroker.launch(options, async (dataDir) => {
    const preferred = [options.ports?.amqp, options.ports?.management, undefined, undefined];
    const [amqp = 0, management = 0, distribution = 0, epmdPort = 0] = await freePorts(preferred);
    const nodeName = `${options.name}@localhost`;
    const ports = { amqp, management, distribution, epmd: epmdPort };
    const env = { ...foreignEnvironment(options.env), ...nodeEnvironment(dataDir, nodeName, ports) };
    const log = join(dataDir, 'log', 'console.log');
    // Erlang ignores a flag that it does not know: this one makes the process recognizable as ours.
    const mark = `replicated_log_node ${nodeName}`;
    options.log(`starting a private RabbitMQ node, ${nodeName}, in ${dataDir}`);
    mkdirSync(env.HOME, { recursive: true });
    writeFileSync(env.RABBITMQ_CONFIG_FILE, renderConf(ports));
    // Named by the environment, so it has to exist; without it the system's would count.
    writeFileSync(env.RABBITMQ_ADVANCED_CONFIG_FILE, '[].\n');
    writeFileSync(env.RABBITMQ_ENABLED_PLUGINS_FILE, '[rabbitmq_management].\n');
    return {
      title: `a private node in ${dataDir}`,
      amqpUrl: `amqp://guest:guest@127.0.0.1:${amqp}`,
      management: `http://guest:guest@127.0.0.1:${management}`,
      env,
      logs: [env.RABBITMQ_LOGS, log],
      wipe: [['rm', '-rf', env.RABBITMQ_MNESIA_BASE]],
      prepare: [],
      command: [script, ...`-${mark}`.split(' ')],
      log,
      clear: [
        ['sh', '-c', END_LEFTOVER, 'sh', env.RABBITMQ_PID_FILE, mark],
        // The server starts it, and leaves it running.
        [epmd, '-kill'],
      ],
    };
  });
}

/** For a server whose leash was killed. A pid may be used again: its command line tells. */
const END_LEFTOVER = `
pid=$(cat "$1") || exit
command_line() { tr '\\0' ' ' <"/proc/$pid/cmdline" || ps -ww -o args= -p "$pid"; }
while command_line 2>/dev/null | grep -qF "$2"; do kill -KILL "$pid"; sleep 0.1; done`;

/** A private node listens on loopback alone, so that its guest user is nobody else's. */
export function renderConf({ amqp, management }: Pick<Ports, 'amqp' | 'management'>): string {
  return `# Written at every start: changes made here are lost.
listeners.tcp.local = 127.0.0.1:${amqp}
management.tcp.ip = 127.0.0.1
management.tcp.port = ${management}
# The log is a file in the data folder, and bounded.
log.console = false
log.file.level = info
log.file.rotation.size = ${10 * 2 ** 20}
log.file.rotation.count = 2

${readFileSync(SHARED_CONF, 'utf8')}`;
}

/**
 * Without settings for another RabbitMQ or Erlang, and without the locale: under UTF-8 the server
 * does not boot in a folder whose path is not ASCII.
 */
export function foreignEnvironment(env: Environment): Environment {
  const theirs = /^(RABBITMQ_|ERL_|ERLANG_|XDG_|LC_|LANG$|LANGUAGE$|NOTIFY_SOCKET$|SYS_PREFIX$)/;
  return Object.fromEntries(Object.entries(env).filter(([name]) => !theirs.test(name)));
}

export function nodeEnvironment(dataDir: string, nodeName: string, ports: Ports) {
  const below = (...parts: string[]) => join(dataDir, ...parts);
  return {
    RABBITMQ_NODENAME: nodeName,
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    RABBITMQ_CONFIG_FILE: below('rabbitmq.conf'),
    RABBITMQ_CONFIG_FILES: below('conf.d', '*.conf'),
    RABBITMQ_ADVANCED_CONFIG_FILE: below('advanced.config'),
    RABBITMQ_ENABLED_PLUGINS_FILE: below('enabled_plugins'),
    RABBITMQ_GENERATED_CONFIG_DIR: below('generated'),
    RABBITMQ_PLUGINS_EXPAND_DIR: below('plugins'),
    RABBITMQ_MNESIA_BASE: below('mnesia'),
    RABBITMQ_LOG_BASE: below('log'),
    RABBITMQ_LOGS: below('log', 'rabbit.log'),
    RABBITMQ_PID_FILE: below('rabbitmq.pid'),
    RABBITMQ_DIST_PORT: String(ports.distribution),
    // For this machine alone. Unquoted: the scripts split it at spaces, nothing else.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    ERL_EPMD_PORT: String(ports.epmd),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    // Where Erlang keeps the cookie.
    HOME: below('home'),
    // The script replaces itself by the server, so that signals arrive there.
    RUNNING_UNDER_SYSTEMD: 'true',
  };
}
