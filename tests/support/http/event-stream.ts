/**
 * Server-sent events as a client reads them: a parser of the format, and a request that hands over
 * one event after the other. Only what the format says is done here
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation); to
 * come back with `Last-Event-ID` is for the caller.
 */
import { type IncomingHttpHeaders, request } from 'node:http';
import { StringDecoder } from 'node:string_decoder';

export interface SentEvent {
  /** `message` unless the event names another one. */
  readonly type: string;
  readonly data: string;
  /** The last id of the stream so far, which is this event's if it has one; '' before the first. */
  readonly id: string;
}

/**
 * Takes text as it comes and gives back the events that are complete. An event that the stream ends
 * within is none.
 */
export class EventParser {
  private rest = '';
  private id = '';
  private type = '';
  private data: string[] = [];

  feed(text: string): SentEvent[] {
    const events: SentEvent[] = [];
    // A CR may be the first half of a CR LF that is cut in two.
    const isHalf = text.endsWith('\r');
    const all = this.rest + (isHalf ? text.slice(0, -1) : text);
    const lines = all.split(/\r\n|\r|\n/);
    this.rest = (lines.pop() ?? '') + (isHalf ? '\r' : '');
    for (const line of lines) {
      const event = this.take(line);
      if (event !== null) events.push(event);
    }
    return events;
  }

  private take(line: string): SentEvent | null {
    if (line === '') return this.dispatch();
    const colon = line.indexOf(':');
    if (colon === 0) return null;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') this.data.push(value);
    else if (field === 'event') this.type = value;
    else if (field === 'id' && !value.includes('\0')) this.id = value;
    return null;
  }

  private dispatch(): SentEvent | null {
    const { data, type, id } = this;
    this.data = [];
    this.type = '';
    return data.length === 0 ? null : { type: type === '' ? 'message' : type, data: data.join('\n'), id };
  }
}

interface Followed {
  /** With path and query. */
  readonly url: string;
  readonly lastEventId: string | null;
  /** Aborting hangs up; the promise resolves. */
  readonly signal: AbortSignal;
  /** What it throws ends the connection and rejects the promise. */
  readonly take: (event: SentEvent) => void;
}

interface FollowedEnd {
  /** 0: there was no answer. */
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Body of an answer that is no event stream. */
  readonly text: string;
}

/**
 * Follows one stream on a connection of its own until it ends, however it ends. Rejects only with
 * what `take` throws.
 */
export function followEvents({ url, lastEventId, signal, take }: Followed): Promise<FollowedEnd> {
  const headers = { Accept: 'text/event-stream', ...(lastEventId === null ? {} : { 'Last-Event-ID': lastEventId }) };
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { headers, agent: false, signal });
    const end: { status: number; headers: IncomingHttpHeaders; text: string } = { status: 0, headers: {}, text: '' };
    outgoing.on('error', () => resolve(end));
    outgoing.on('response', (response) => {
      end.status = response.statusCode ?? 0;
      end.headers = response.headers;
      const isStream = response.headers['content-type']?.startsWith('text/event-stream') === true;
      const parser = new EventParser();
      const decoder = new StringDecoder('utf8');
      response.on('data', (bytes: Buffer) => {
        const text = decoder.write(bytes);
        if (!isStream) {
          end.text += text;
          return;
        }
        try {
          for (const event of parser.feed(text)) if (!signal.aborted) take(event);
        } catch (error) {
          outgoing.destroy();
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
      response.on('error', () => resolve(end));
      response.on('close', () => resolve(end));
    });
    outgoing.end();
  });
}
