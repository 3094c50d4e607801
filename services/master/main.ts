/** The master's process: puts the parts together, in the order in which they depend on each other, and takes them apart the other way round. */
import { HttpServer } from '#http/server';
import { type ProcessHandle, type RunningService, runProcess } from '#process/lifecycle';
import { createLogger } from '#process/logger';
import { namedLogId } from '#process/node-settings';
import { logOpened, openLogStore } from '#storage/open';
import { readMasterSettings } from './config';
import { createMasterApp } from './http/app';
import { MasterNode } from './node';

async function start(handle: ProcessHandle): Promise<RunningService> {
  const settings = readMasterSettings();
  const logger = createLogger({ level: settings.logLevel, node: settings.nodeId, role: 'master' });
  handle.useLogger(logger);
  const dataDir = settings.store.kind === 'disk' ? settings.store.directory : '';
  const { store, report } = await openLogStore({
    kind: settings.store.kind,
    dataDir,
    logName: settings.logName,
    logId: namedLogId(settings),
    onProgress: (progress) => logger.info(progress, 'checking the log'),
  });
  logOpened(logger, store, report);

  const node = new MasterNode({
    settings,
    store,
    logger,
    fail: (error) => handle.fail(error),
    restart: (error) => handle.restart(error),
  });
  const server = new HttpServer(logger);
  const app = createMasterApp({ master: node, logger, stopping: server.stopping, settings });
  const at = await server.listen(app, settings.http);
  logger.info({ url: at.url }, 'listening');
  node.start(settings.http.publicUrl ?? at.url);

  return {
    async stop() {
      await server.close({ answerBlocked: () => node.release() });
      await node.stop();
    },
  };
}

void runProcess(start);
