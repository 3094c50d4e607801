/** How records are compared and named. */
import type { LogRecord } from '#protocol/record';

export function isSame(a: LogRecord, b: LogRecord): boolean {
  if (a === b || a.bytes === b.bytes) return true;
  return a.epoch === b.epoch && a.index === b.index && Buffer.compare(a.bytes, b.bytes) === 0;
}

export function placeOf({ index, epoch }: LogRecord): string {
  return `${index}@${epoch}`;
}

export function lineOf({ bytes }: LogRecord): string {
  return Buffer.from(bytes).toString();
}
