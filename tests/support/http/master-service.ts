/** Serves the HTTP edge of a master, at a real listening server. */
import pino, { type Logger } from 'pino';
import { createMasterApp } from '#master/http/app';
import type { MasterPort } from '#master/http/ports';
import type { WriteConcern } from '#protocol/write-concern';
import { HttpService } from './http-service';

interface EdgeLimits {
  readonly defaultWriteConcern: WriteConcern;
  readonly messageBytesMax: number;
  readonly bodyBytesMax: number;
}

/** @param logger left out: nothing is logged */
export function serveMaster(
  master: MasterPort,
  { defaultWriteConcern, messageBytesMax, bodyBytesMax }: EdgeLimits,
  logger: Logger = pino({ level: 'silent' }),
): Promise<HttpService> {
  const http = { bodyBytesMax, apiToken: null };
  const settings = { defaultWriteConcern, messageBytesMax, logName: 'rlog', http };
  return HttpService.start(({ stopping }) => createMasterApp({ master, logger, stopping, settings }));
}
