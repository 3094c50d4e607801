/** One request of the echo client, and the log of it. */

import type { Logger } from 'pino';
import { z } from 'zod';
import { logEvent } from '#process/logger';

const ANSWER_MS_MAX = 10_000;
/** EX_UNAVAILABLE of sysexits.h. */
const EXIT_UNAVAILABLE = 69;

const answerSchema = z.object({ message: z.string() });

/** No answer, or not an echo; `message` says what to do. */
export class EchoError extends Error {
  readonly exitCode = EXIT_UNAVAILABLE;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EchoError';
  }
}

interface EchoRequest {
  readonly url: string;
  readonly message: string;
  readonly logger: Logger;
}

/** Sends a message and gives back what the server echoed. Throws an `EchoError`. */
export async function sendEcho({ url, message, logger }: EchoRequest): Promise<string> {
  const startedAt = performance.now();
  logEvent(logger, 'info', 'echo.request', { url, bytes: Buffer.byteLength(message) });
  const response = await post(url, message);
  const elapsedMs = Math.round(performance.now() - startedAt);
  logEvent(logger, 'info', 'echo.response', {
    status: response.status,
    requestId: response.headers.get('x-request-id'),
    elapsedMs,
  });
  const body = await response.text();
  if (!response.ok) throw new EchoError(`${url} refused with ${response.status}: ${body}`);
  return readAnswer(url, body);
}

async function post(url: string, message: string): Promise<Response> {
  try {
    return await fetch(`${url}/echo`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ message }),
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
    });
  } catch (cause) {
    throw new EchoError(`no echo server answers at ${url}: start one, or set ECHO_URL to where it is`, { cause });
  }
}

function readAnswer(url: string, body: string): string {
  try {
    return answerSchema.parse(JSON.parse(body)).message;
  } catch (cause) {
    throw new EchoError(`what answers at ${url} is no echo server`, { cause });
  }
}
