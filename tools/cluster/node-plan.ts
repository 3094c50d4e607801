/** Which nodes there will be, where each listens and stores, and its environment. Pure. */
import { join } from 'node:path';
import type { Environment } from '#process/settings';
import type { ProvidedBroker } from '../broker/provide';
import type { LauncherSettings } from './options';

export interface NodePlan {
  readonly name: string;
  readonly role: 'master' | 'secondary';
  readonly port: number;
  /** For clients on this machine. */
  readonly url: string;
  /** null: in memory. */
  readonly dataDir: string | null;
}

/** The master first. */
export function planNodes(settings: LauncherSettings): readonly [NodePlan, ...NodePlan[]] {
  const { host, dataDir, memory } = settings;
  // A wildcard is no address to call.
  const reachable = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;
  const plan = (role: NodePlan['role'], index: number): NodePlan => {
    const name = index === 0 ? role : `${role}-${index}`;
    const port = settings.port + index;
    const url = `http://${reachable}:${port}`;
    return { name, role, port, url, dataDir: memory ? null : join(dataDir, name) };
  };
  return [plan('master', 0), ...Array.from({ length: settings.secondaries }, (_, at) => plan('secondary', at + 1))];
}

/** Secondaries take faults, to try things on. `logId` null: LOG_ID is the environment's. */
export function environmentOf(
  node: NodePlan,
  settings: LauncherSettings,
  broker: Pick<ProvidedBroker, 'amqpUrl' | 'management'>,
  logId: string | null,
): Environment {
  const { environment, logLevel } = settings;
  const [, ...secondaries] = planNodes(settings);
  return {
    ...environment,
    NODE_ID: node.name,
    HTTP_PORT: `${node.port}`,
    PUBLIC_URL: undefined,
    AMQP_URL: broker.amqpUrl,
    MANAGEMENT_URL: broker.management,
    SECONDARIES: secondaries.map(({ name }) => name).join(','),
    ...(logId !== null && { LOG_ID: logId }),
    LOG_STORE: node.dataDir === null ? 'memory' : 'disk',
    DATA_DIR: node.dataDir ?? undefined,
    // The log files always have what explains a failure.
    LOG_LEVEL: logLevel === 'debug' || logLevel === 'trace' ? logLevel : 'info',
    ...(node.role === 'secondary' && { FAULT_INJECTION: 'true' }),
  };
}
