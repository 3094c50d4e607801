/**
 * Opens a node of either role: settings, logger, log store, the node itself, its HTTP server, in
 * the order in which they depend on each other. The stop goes the other way round: the server
 * first, so that every client has its answer before the node ends.
 */
import type Koa from 'koa';
import type { Logger } from 'pino';
import { HttpServer } from '#http/server';
import type { ProcessHandle, RunningService } from '#process/lifecycle';
import { createLogger } from '#process/logger';
import { type NodeSettings, namedLogId } from '#process/node-settings';
import type { LogStore } from '#storage/log-store';
import { logOpened, openLogStore } from '#storage/open';

/** What a node is made of before it knows anything of its role. */
export interface NodeContext<Settings extends NodeSettings> {
  readonly settings: Settings;
  readonly store: LogStore;
  readonly logger: Logger;
  /** Ends the process: an invariant is broken, or the store is. */
  readonly fail: (error: unknown) => void;
  /** Ends the process in order: a record is damaged, and the next start mends that. */
  readonly restart: (error: unknown) => void;
}

/** A node that is put together and not started yet. */
export interface Node {
  /** Looks for the broker from now on. `httpUrl`: what others are told of this node's address. */
  start(httpUrl: string): void;
  /**
   * Answers every client that waits; refuses the next. Left out where no client waits for the node.
   */
  release?(): void;
  /** Frees what the node holds at the broker, waits for the writes under way, closes the log. */
  stop(): Promise<void>;
}

export interface Role<Settings extends NodeSettings, RoleNode extends Node> {
  readonly role: 'master' | 'secondary';
  /** Throws a `ConfigError`. */
  readonly readSettings: () => Settings;
  readonly createNode: (context: NodeContext<Settings>) => RoleNode;
  /** `stopping` aborts at the first moment of the stop. */
  readonly createApp: (node: RoleNode, context: NodeContext<Settings>, stopping: AbortSignal) => Koa;
}

export async function openNode<Settings extends NodeSettings, RoleNode extends Node>(
  handle: ProcessHandle,
  { role, readSettings, createNode, createApp }: Role<Settings, RoleNode>,
): Promise<RunningService> {
  const settings = readSettings();
  const logger = createLogger({ level: settings.logLevel, node: settings.nodeId, role });
  handle.useLogger(logger);
  const store = await openStore(settings, logger);
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
  logger.info({ url: at.url }, 'listening');
  node.start(settings.http.publicUrl ?? at.url);
  return {
    async stop() {
      await server.close({ answerBlocked: () => node.release?.() });
      await node.stop();
    },
  };
}

async function openStore(settings: NodeSettings, logger: Logger): Promise<LogStore> {
  const { store, report } = await openLogStore({
    kind: settings.store.kind,
    dataDir: settings.store.kind === 'disk' ? settings.store.directory : '',
    logName: settings.logName,
    logId: namedLogId(settings),
    onProgress: (progress) => logger.info(progress, 'checking the log'),
  });
  logOpened(logger, store, report);
  return store;
}
