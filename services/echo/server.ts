/** The echo server's process. */

import { HttpServer } from '#http/server';
import { type ProcessHandle, type RunningService, runProcess } from '#process/lifecycle';
import { createLogger, logEvent } from '#process/logger';
import { readEchoServerSettings } from './config';
import { createEchoApp } from './http-app';

void runProcess(startEchoServer);

async function startEchoServer(process: ProcessHandle): Promise<RunningService> {
  const settings = readEchoServerSettings();
  const logger = createLogger({ level: settings.logLevel, node: 'echo', role: 'echo-server' });
  process.useLogger(logger);
  const server = new HttpServer(logger);
  const app = createEchoApp({ logger, stopping: server.stopping });
  const { url } = await server.listen(app, settings);
  logEvent(logger, 'info', 'http.listening', { url });
  return { stop: () => server.close() };
}
