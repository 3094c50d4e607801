/**
 * What a private RabbitMQ node is, as data: its name, its files and its environment. Everything
 * that RabbitMQ would otherwise take from the system (/etc/rabbitmq, /var/lib/rabbitmq,
 * ~/.erlang.cookie, epmd's port 4369, the distribution port 25672) is given here, so that the node
 * shares nothing with a RabbitMQ that the machine may have.
 *
 * The node's name and folders are the same at every start, which is what lets the next start find
 * the queues; the ports are not part of its identity and may change.
 *
 * Source: rabbitmq.com/docs/configure (environment variables), rabbitmq-env(7) and the server
 * script itself.
 */

import { join } from 'node:path';
import { privateNodeSettings, renderSettings, sharedSettings } from '../settings';

export interface NodeLayoutInput {
  readonly dataDir: string;
  /** Letters, digits, `-` and `_`. */
  readonly name: string;
  readonly ports: PrivateNodePorts;
  /** The environment to start from; what it says about RabbitMQ and Erlang is dropped. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface PrivateNodePorts {
  readonly amqp: number;
  readonly management: number;
  /** Between Erlang nodes: here only the command-line tools use it. */
  readonly distribution: number;
  /** Erlang's name service, of our own. */
  readonly epmd: number;
}

export interface NodeLayout {
  readonly nodeName: string;
  readonly env: Readonly<Record<string, string>>;
  /** Appended to the server's command line. */
  readonly args: readonly string[];
  /** Written anew before every start. */
  readonly files: readonly { readonly path: string; readonly text: string }[];
  /** Exist before the first start. */
  readonly folders: readonly string[];
  /** What a wipe deletes. */
  readonly wipeFolders: readonly string[];
  /** Of the server; the first is missing when it dies early. */
  readonly logs: readonly string[];
  /** stdout and stderr of the server. */
  readonly console: string;
  readonly epmdConsole: string;
}

export function layOutNode({ dataDir, name, ports, env }: NodeLayoutInput): NodeLayout {
  const within = (...parts: string[]) => join(dataDir, ...parts);
  const nodeName = `${name}@localhost`;
  const console = within('log', 'console.log');
  const log = within('log', 'rabbit.log');
  return {
    nodeName,
    env: { ...foreignEnvironment(env), ...ownEnvironment(dataDir, nodeName, ports, log) },
    // Erlang ignores a flag that it does not know: this one makes the process recognizable as ours
    // from outside.
    args: ['-replicated_log_node', nodeName],
    files: [
      {
        path: within('rabbitmq.conf'),
        text: renderSettings('Written at every start: changes made here are lost.', [
          ...sharedSettings,
          ...privateNodeSettings(ports),
        ]),
      },
      // Named by the environment, so it has to exist; without it /etc/rabbitmq/advanced.config
      // would count.
      { path: within('advanced.config'), text: '[].\n' },
      { path: within('enabled_plugins'), text: '[rabbitmq_management].\n' },
    ],
    folders: [within('log'), within('home'), within('mnesia')],
    wipeFolders: [within('mnesia')],
    logs: [log, console],
    console,
    epmdConsole: within('log', 'epmd.log'),
  };
}

/**
 * Without what would configure RabbitMQ or Erlang: a developer's settings for another broker are
 * not for this one.
 */
function foreignEnvironment(env: NodeLayoutInput['env']): Record<string, string> {
  const kept = Object.entries(env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && !/^(RABBITMQ_|ERL_|ERLANG_|XDG_|NOTIFY_SOCKET$|SYS_PREFIX$)/.test(entry[0]),
  );
  return Object.fromEntries(kept);
}

function ownEnvironment(dataDir: string, nodeName: string, ports: PrivateNodePorts, log: string) {
  const within = (...parts: string[]) => join(dataDir, ...parts);
  return {
    RABBITMQ_NODENAME: nodeName,
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    RABBITMQ_CONFIG_FILE: within('rabbitmq.conf'),
    RABBITMQ_CONFIG_FILES: within('conf.d', '*.conf'),
    RABBITMQ_ADVANCED_CONFIG_FILE: within('advanced.config'),
    RABBITMQ_ENABLED_PLUGINS_FILE: within('enabled_plugins'),
    RABBITMQ_GENERATED_CONFIG_DIR: within('generated'),
    RABBITMQ_PLUGINS_EXPAND_DIR: within('plugins'),
    RABBITMQ_MNESIA_BASE: within('mnesia'),
    RABBITMQ_LOG_BASE: within('log'),
    RABBITMQ_LOGS: log,
    RABBITMQ_PID_FILE: within('rabbitmq.pid'),
    RABBITMQ_DIST_PORT: String(ports.distribution),
    // Distribution too is for this machine alone. In braces but unquoted: the scripts split it at
    // spaces, nothing else.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    ERL_EPMD_PORT: String(ports.epmd),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    // Where Erlang keeps the cookie.
    HOME: within('home'),
    // Makes the script replace itself by the server instead of waiting for it as a child: the
    // process that is spawned is then the broker itself, and a signal sent to it arrives.
    RUNNING_UNDER_SYSTEMD: 'true',
  };
}
