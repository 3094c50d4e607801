/**
 * Callers of one process that share a connection, as in a client library that gathers concurrent
 * appends: all that are due go as one request with `atomic=false`, one request is under way at a
 * time, and each caller goes on when its own line is answered.
 */
import { HttpConnection, requestOf, type Target } from './http-connection';
import { inClosedLoop, linesOf, type Measured } from './load';

interface GatheredLoad {
  readonly target: Target;
  readonly w: number;
  readonly callers: number;
  readonly seconds: number;
}

/** Each caller appends again when its last append is answered. An answer but 201 ends the run. */
export async function gatheredLoop({ target, w, callers, seconds }: GatheredLoad): Promise<Measured> {
  const connection = await HttpConnection.open(target);
  const gatherer = new Gatherer(connection, w);
  const asks = Array.from({ length: callers }, () => () => gatherer.append());
  const measured = await inClosedLoop(asks, { seconds });
  connection.close();
  return measured;
}

interface Caller {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

class Gatherer {
  private due: Caller[] = [];
  private isSending = false;
  /** By the number of lines. */
  private readonly requests = new Map<number, Buffer>();

  constructor(
    private readonly connection: HttpConnection,
    private readonly w: number,
  ) {}

  append(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.due.push({ resolve, reject });
      this.sendSoon();
    });
  }

  /** When all callers that go on in this turn have asked. */
  private sendSoon(): void {
    if (this.isSending) return;
    this.isSending = true;
    setImmediate(() => void this.send());
  }

  private async send(): Promise<void> {
    const callers = this.due;
    this.due = [];
    try {
      const { status, text } = await this.connection.ask(this.requestFor(callers.length));
      // The same concern on all lines: they end together, and the answer comes in one piece.
      if (status !== 200 || text.split('"status":201}\n').length !== callers.length + 1)
        throw new Error(`an answer was ${status}: ${text.slice(0, 500)}`);
      for (const { resolve } of callers) resolve();
    } catch (error) {
      for (const { reject } of callers) reject(error);
    }
    this.isSending = false;
    if (this.due.length > 0) this.sendSoon();
  }

  private requestFor(lines: number): Buffer {
    const known = this.requests.get(lines);
    if (known !== undefined) return known;
    const request = requestOf('POST', `/messages?atomic=false&w=${this.w}`, linesOf(lines));
    this.requests.set(lines, request);
    return request;
  }
}
