/**
 * Opens a node of either role: settings, logger, log store, the node itself, its HTTP server, in
 * the order of their dependencies. The stop goes in reverse: first the server, so that every client
 * is answered before the node stops.
 */

import type Koa from 'koa';
import type { Logger } from 'pino';
import { HttpServer } from '#http/server';
import type { ProcessHandle, RunningService } from '#process/lifecycle';
import { createLogger, logEvent } from '#process/logger';
import { type NodeSettings, namedLogId } from '#process/node-settings';
import type { LogStore } from '#storage/log-store';
import { logOpened, openLogStore } from '#storage/open';

/** The parts of a node that do not depend on its role. */
export interface NodeContext<Settings extends NodeSettings> {
  readonly settings: Settings;
  readonly store: LogStore;
  readonly logger: Logger;
  /** Ends the process: an invariant or the store is broken. */
  readonly fail: (error: unknown) => void;
  /** Ends the process in order: a record is damaged, and the next start repairs the store. */
  readonly restart: (error: unknown) => void;
}

/** A node that is built and not started yet. */
export interface Node {
  /** Starts to connect to the broker. `httpUrl`: URL of its HTTP edge, as other nodes learn it. */
  start(httpUrl: string): void;
  /** Answers every waiting client and refuses new ones. Left out if no client can wait. */
  release?(): void;
  /** Closes the connection to the broker, waits for the writes under way and closes the log. */
  stop(): Promise<void>;
}

/** A role's own part of opening a node. */
interface Role<Settings extends NodeSettings, RoleNode extends Node> {
  readonly role: 'master' | 'secondary';
  /** Throws a `ConfigError`. */
  readonly readSettings: () => Settings;
  readonly createNode: (context: NodeContext<Settings>) => RoleNode;
  /** `stopping` aborts when the stop begins. */
  readonly createApp: (node: RoleNode, context: NodeContext<Settings>, stopping: AbortSignal) => Koa;
}

/** Opens a node and returns its stop. Throws a `ConfigError`, or if the store or port fails. */
export async function openNode<Settings extends NodeSettings, RoleNode extends Node>(
  handle: ProcessHandle,
  { role, readSettings, createNode, createApp }: Role<Settings, RoleNode>,
): Promise<RunningService> {
  const settings = readSettings();
  const logger = createLogger({ level: settings.logLevel, node: settings.nodeId, role });
  handle.useLogger(logger);
  for (const fault of settings.misspelt) logEvent(logger, 'warn', 'settings.ignored', fault);
  const store = await openStore(settings, logger, handle);
  const context: NodeContext<Settings> = {
    settings,
    store,
    logger,
    fail: (error) => handle.fail(error),
    restart: (error) => handle.restart(error),
  };
  const node = createNode(context);
  const server = new HttpServer(logger);
  const at = await server.listen(createApp(node, context, server.stopping), settings.http);
  logEvent(logger, 'info', 'http.listening', { url: at.url });
  node.start(settings.http.publicUrl ?? at.url);
  return {
    async stop() {
      await server.close({ answerBlocked: () => node.release?.() });
      await node.stop();
    },
  };
}

async function openStore(settings: NodeSettings, logger: Logger, handle: ProcessHandle): Promise<LogStore> {
  const { store, report } = await openLogStore({
    kind: settings.store.kind,
    dataDir: settings.store.directory,
    logName: settings.logName,
    logId: namedLogId(settings),
    onProgress: (progress) => logEvent(logger, 'info', 'log.checking', progress),
    onVerified: (facts) => logEvent(logger, 'info', 'log.verified', facts),
    onDamage: (error) => handle.restart(error),
    freeBytesMin: settings.diskFreeBytesMin,
    onShortage: (shortage) =>
      shortage === null ? logEvent(logger, 'info', 'disk.recovered') : logEvent(logger, 'warn', 'disk.low', shortage),
    lock: {
      onWait: (wait) => logEvent(logger, 'warn', 'disk.lock-watched', { ...wait }),
      onLost: (error) => handle.fail(error),
    },
  });
  logOpened(logger, store, report);
  return store;
}
