/**
 * RESP, as much of it as appending needs (redis.io, "Redis serialization protocol specification").
 */
import type { AnswerReader } from './peer-socket';

export type Reply = string | number | null | readonly Reply[];

const END = '\r\n';

/** A command as it goes over the line. */
export function commandOf(...words: readonly string[]): Buffer {
  const parts = words.map((word) => `$${Buffer.byteLength(word)}${END}${word}${END}`);
  return Buffer.from(`*${words.length}${END}${parts.join('')}`);
}

/** Where a value ends, and what it is; null: it has not arrived whole. */
type Read = { readonly reply: Reply; readonly end: number } | null;

export class ReplyReader implements AnswerReader<Reply> {
  private received = '';

  take(data: Buffer): Reply[] {
    this.received = this.received === '' ? data.toString('latin1') : this.received + data.toString('latin1');
    const replies: Reply[] = [];
    let from = 0;
    for (let read = readAt(this.received, 0); read !== null; read = readAt(this.received, from)) {
      replies.push(read.reply);
      from = read.end;
    }
    this.received = this.received.slice(from);
    return replies;
  }
}

function readAt(text: string, from: number): Read {
  const lineEnd = text.indexOf(END, from);
  if (lineEnd < 0) return null;
  const [line, next] = [text.slice(from + 1, lineEnd), lineEnd + END.length];
  switch (text.charAt(from)) {
    case '+':
      return { reply: line, end: next };
    case ':':
      return { reply: Number(line), end: next };
    case '$':
      return readBulk(text, next, Number(line));
    case '*':
      return readArray(text, next, Number(line));
    case '-':
      throw new Error(`redis answered: ${line}`);
    default:
      throw new Error(`no reply of RESP begins with "${text.charAt(from)}"`);
  }
}

function readBulk(text: string, from: number, length: number): Read {
  if (length < 0) return { reply: null, end: from };
  const end = from + length + END.length;
  return text.length < end ? null : { reply: text.slice(from, from + length), end };
}

function readArray(text: string, from: number, length: number): Read {
  const replies: Reply[] = [];
  let end = from;
  while (replies.length < length) {
    const read = readAt(text, end);
    if (read === null) return null;
    replies.push(read.reply);
    end = read.end;
  }
  return { reply: replies, end };
}

/**
 * WAIT tells how many replicas acknowledged, WAITAOF how many synced here and at replicas; fewer
 * than asked for is no error to it.
 */
export function checkWaited(reply: Reply | undefined): void {
  const counts = typeof reply === 'object' && reply !== null ? reply : [reply];
  if (counts.some((count) => typeof count !== 'number' || count < 1))
    throw new Error(`redis waited in vain for a replica: ${JSON.stringify(reply)}`);
}
