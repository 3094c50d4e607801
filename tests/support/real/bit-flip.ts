/** Turns one bit in one record of a stopped node's log, as a disk does that grows old. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Frame, FrameKind, readFrameHeader } from '#storage/disk/segments/frame';
import { firstIndexOf, SEGMENT_HEADER_BYTES } from '#storage/disk/segments/segment';

/** Damages the last entry of the log or the one in its middle. Returns its seq. */
export function flipBit(dataDir: string, which: 'last' | 'middle'): number {
  const name = readdirSync(dataDir).find((each) => firstIndexOf(each) !== null);
  if (name === undefined) throw new Error(`${dataDir} has no segment file`);
  const path = join(dataDir, name);
  const bytes = readFileSync(path);
  const entries = entriesOf(bytes);
  const found = entries[which === 'last' ? entries.length - 1 : Math.floor(entries.length / 2)];
  if (found === undefined) throw new Error(`${path} has no entry`);
  const at = Math.floor((found.from + found.to) / 2);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 0x10, at);
  writeFileSync(path, bytes);
  return found.seq;
}

/** Where the bytes of each entry lie. */
function entriesOf(bytes: Buffer): { readonly seq: number; readonly from: number; readonly to: number }[] {
  const entries: { seq: number; from: number; to: number }[] = [];
  const frame = new Frame();
  for (let at = SEGMENT_HEADER_BYTES; at < bytes.length && readFrameHeader(bytes, at, frame); at += frame.size) {
    const to = at + frame.size;
    if (frame.kind !== FrameKind.control) entries.push({ seq: frame.seq, from: to - frame.length, to });
  }
  return entries;
}
