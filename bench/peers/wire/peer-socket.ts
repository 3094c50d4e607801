/**
 * A connection to a peer over TCP: sends a request that was made beforehand, tells when its answers
 * are there.
 */
import { connect, type Socket } from 'node:net';

/** Finds the answers in a protocol's bytes. */
export interface AnswerReader<Answer> {
  /**
   * @param data as it arrived, cut anywhere @returns the answers that it completes @throws Error
   * for one that is a refusal
   */
  take(data: Buffer): Answer[];
}

interface PendingAnswer<Answer> {
  readonly answers: Answer[];
  readonly count: number;
  readonly resolve: (answers: Answer[]) => void;
  readonly reject: (error: Error) => void;
}

export class PeerSocket<Answer> {
  private waiting: PendingAnswer<Answer> | null = null;
  private failed: Error | null = null;

  private constructor(
    private readonly socket: Socket,
    private readonly reader: AnswerReader<Answer>,
  ) {
    socket.setNoDelay(true);
    socket.on('data', (data: Buffer) => this.take(data));
    socket.on('error', (error) => this.fail(error));
    socket.on('close', () => this.fail(new Error('the connection was closed')));
  }

  /** On loopback. */
  static open<Answer>(port: number, reader: AnswerReader<Answer>): Promise<PeerSocket<Answer>> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port }, () => resolve(new PeerSocket(socket, reader)));
      socket.once('error', reject);
    });
  }

  /** Returns when so many answers have arrived. One call at a time. */
  ask(request: Buffer, count: number): Promise<Answer[]> {
    return new Promise((resolve, reject) => {
      if (this.failed !== null) return reject(this.failed);
      this.waiting = { answers: [], count, resolve, reject };
      this.socket.write(request);
    });
  }

  /** Sends what has no answer. */
  send(bytes: Buffer): void {
    this.socket.write(bytes);
  }

  close(): void {
    this.waiting = null;
    this.socket.destroy();
  }

  /** Closes it because of something; whoever waits is told. */
  end(why: Error): void {
    this.fail(why);
    this.socket.destroy();
  }

  private take(data: Buffer): void {
    try {
      const answers = this.reader.take(data);
      const { waiting } = this;
      if (waiting === null) return;
      for (const answer of answers) waiting.answers.push(answer);
      if (waiting.answers.length < waiting.count) return;
      this.waiting = null;
      waiting.resolve(waiting.answers);
    } catch (error) {
      this.end(error instanceof Error ? error : new Error(String(error)));
    }
  }

  private fail(error: Error): void {
    this.failed ??= error;
    const { waiting } = this;
    this.waiting = null;
    waiting?.reject(this.failed);
  }
}
