/**
 * Which nodes there will be, where each listens, where it stores, and the environment that makes it
 * so. Pure.
 */
import { join } from 'node:path';
import type { LogLevel } from '#process/node-settings';
import type { Environment } from '#process/settings';
import type { LauncherSettings } from './options';

export interface NodePlan {
  readonly name: string;
  readonly role: 'master' | 'secondary';
  readonly port: number;
  /** For clients on this machine. */
  readonly url: string;
  /** null: in memory. */
  readonly dataDir: string | null;
  readonly delayMs: number;
}

/** What the nodes are told of the broker. */
export interface BrokerAddress {
  readonly amqpUrl: string;
  readonly management?: { readonly url: string; readonly user: string; readonly password: string } | undefined;
}

export function secondaryName(number: number): string {
  return `secondary-${number}`;
}

/** The master first. */
export function planNodes(settings: LauncherSettings): readonly NodePlan[] {
  const names = Array.from({ length: settings.secondaries }, (_, index) => secondaryName(index + 1));
  return ['master', ...names].map((name, index) => {
    const port = settings.port + index;
    return {
      name,
      role: index === 0 ? 'master' : 'secondary',
      port,
      url: `http://${reachable(settings.host)}:${port}`,
      dataDir: settings.memory ? null : join(settings.dataDir, name),
      delayMs: settings.delaysMs.get(name) ?? 0,
    };
  });
}

/** Faults may be injected over HTTP: this is a cluster to try things on. */
export function environmentOf(
  node: NodePlan,
  {
    settings,
    nodes,
    broker,
    logId,
  }: {
    settings: LauncherSettings;
    nodes: readonly NodePlan[];
    broker: BrokerAddress;
    /** null: what the environment says. */
    logId: string | null;
  },
): Environment {
  return {
    ...settings.environment,
    NODE_ID: node.name,
    HTTP_PORT: `${node.port}`,
    PUBLIC_URL: undefined,
    AMQP_URL: broker.amqpUrl,
    MANAGEMENT_URL: managementUrl(broker),
    SECONDARIES: nodes
      .filter(({ role }) => role === 'secondary')
      .map(({ name }) => name)
      .join(','),
    ...(logId !== null && { LOG_ID: logId }),
    LOG_STORE: node.dataDir === null ? 'memory' : 'disk',
    DATA_DIR: node.dataDir ?? undefined,
    LOG_LEVEL: fileLevel(settings.logLevel),
    ...(node.role === 'secondary' && { FAULT_INJECTION: 'true' }),
    ...(node.delayMs > 0 && { DELAY_MS: `${node.delayMs}` }),
  };
}

/** The log files always have what explains a failure. */
function fileLevel(terminal: LogLevel): LogLevel {
  return terminal === 'debug' || terminal === 'trace' ? terminal : 'info';
}

function managementUrl({ management }: BrokerAddress): string | undefined {
  if (management === undefined) return undefined;
  const login = `${encodeURIComponent(management.user)}:${encodeURIComponent(management.password)}`;
  return management.url.replace('://', `://${login}@`);
}

/** A wildcard is no address to call. */
function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
