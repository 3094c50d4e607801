/**
 * A file system in memory that can be stopped at any operation, as a killed process or a power loss
 * would stop it.
 *
 * What was written is volatile until it is synced: the bytes of a file by its `sync`, names by
 * `syncDirectory`. `afterCrash` makes the file system that a restart would find. After a *kill*
 * everything written is there, the write that was under way torn at some byte. After a *power loss*
 * each unsynced write is there, torn at some byte, there in some of its 512-byte sectors only (the
 * others old, or zeros where the file was extended), or gone; and unsynced names are there or not.
 *
 * It can also run out of room, fail a sync, and flip a bit.
 */
import { dirname } from 'node:path';
import type { FileSystem, OpenDirectory, OpenFile } from '#storage/disk/file-system';

export type CrashKind = 'kill' | 'power loss';

/** A number in [0, 1). */
export type Random = () => number;

type Change = { readonly at: number; readonly bytes: Buffer } | { readonly size: number };

class Inode {
  content: Buffer = Buffer.alloc(0);
  synced: Buffer = Buffer.alloc(0);
  unsynced: Change[] = [];

  apply(change: Change): void {
    this.content = applied(this.content, change);
    this.unsynced.push(change);
  }
}

type Names = Map<string, Inode>;
type NameChange = (names: Names) => void;

export class Crashed extends Error {}

export class CrashingFileSystem implements FileSystem {
  /** Operations that change something so far. */
  operations = 0;
  /** The operation that does not come back; 0: none. */
  crashAt = 0;
  /** Bytes that files may still grow by. */
  room = Number.POSITIVE_INFINITY;
  /** Files and folders that can still be opened. */
  descriptors = Number.POSITIVE_INFINITY;
  /** The operation that this names fails as a whole. */
  failing: 'sync' | 'read' | 'write' | 'rename' | 'syncDirectory' | null = null;
  private isCrashed = false;
  private torn: { readonly inode: Inode; readonly change: Change } | null = null;

  private nameChanges: { readonly directory: string; readonly change: NameChange }[] = [];

  private constructor(
    private readonly names: Names,
    private readonly syncedNames: Names,
  ) {}

  static empty(): CrashingFileSystem {
    return new CrashingFileSystem(new Map(), new Map());
  }

  /** Files with these contents, all of it synced. */
  private static holding(contents: readonly (readonly [string, Buffer])[]): CrashingFileSystem {
    const inodes = contents.map(([path, content]): [string, Inode] => {
      const inode = new Inode();
      inode.content = Buffer.from(content);
      inode.synced = Buffer.from(content);
      return [path, inode];
    });
    return new CrashingFileSystem(new Map(inodes), new Map(inodes));
  }

  async makeDirectory(): Promise<void> {
    this.step();
  }

  async list(path: string): Promise<readonly string[]> {
    return [...this.names.keys()].filter((name) => dirname(name) === path).map((name) => name.slice(path.length + 1));
  }

  async open(path: string, mode: 'create' | 'read' | 'write'): Promise<OpenFile> {
    this.takeDescriptor();
    if (mode === 'create') {
      this.step();
      const existing = this.names.get(path);
      if (existing === undefined) {
        const inode = new Inode();
        this.changeNames(path, (names) => names.set(path, inode));
      } else {
        existing.apply({ size: 0 });
      }
    }
    const inode = this.names.get(path);
    if (inode === undefined) throw systemError('ENOENT', path);
    return this.fileOf(inode);
  }

  async readAll(path: string): Promise<Buffer | null> {
    const inode = this.names.get(path);
    return inode === undefined ? null : Buffer.from(inode.content);
  }

  async rename(from: string, to: string): Promise<void> {
    this.step('rename');
    const inode = this.names.get(from);
    if (inode === undefined) throw systemError('ENOENT', from);
    this.changeNames(to, (names) => {
      names.delete(from);
      names.set(to, inode);
    });
  }

  async remove(path: string): Promise<void> {
    this.step();
    if (!this.names.has(path)) throw systemError('ENOENT', path);
    this.changeNames(path, (names) => names.delete(path));
  }

  async syncDirectory(path: string): Promise<void> {
    this.step('syncDirectory');
    for (const { change } of this.nameChanges.filter(({ directory }) => directory === path)) change(this.syncedNames);
    this.nameChanges = this.nameChanges.filter(({ directory }) => directory !== path);
  }

  async openDirectory(path: string): Promise<OpenDirectory> {
    this.takeDescriptor();
    return { sync: () => this.syncDirectory(path), close: async () => this.giveDescriptor() };
  }

  paths(): string[] {
    return [...this.names.keys()].sort();
  }

  sizeOf(path: string): number {
    return this.names.get(path)?.content.length ?? 0;
  }

  contentOf(path: string): Buffer {
    return Buffer.from(this.names.get(path)?.content ?? []);
  }

  flipBit(path: string, byte: number, bit: number): void {
    const content = this.names.get(path)?.content;
    if (content !== undefined) content[byte] = (content[byte] ?? 0) ^ (1 << bit);
  }

  /** An independent copy in which everything is synced. */
  copy(): CrashingFileSystem {
    return CrashingFileSystem.holding([...this.names].map(([path, inode]) => [path, inode.content]));
  }

  /**
   * What a restart finds. After a kill it shares the files with this one, and what is unsynced
   * still is; this one is of no more use.
   */
  afterCrash(kind: CrashKind, random: Random): CrashingFileSystem {
    if (kind === 'kill') return this.afterKill(random);
    const names = [...this.namesAfterPowerLoss(random)];
    return CrashingFileSystem.holding(names.map(([path, inode]) => [path, this.contentAfter(inode, random)]));
  }

  private afterKill(random: Random): CrashingFileSystem {
    const { torn } = this;
    if (torn !== null && 'at' in torn.change) {
      const { at, bytes } = torn.change;
      torn.inode.apply({ at, bytes: bytes.subarray(0, Math.floor(random() * (bytes.length + 1))) });
    }
    this.isCrashed = true;
    const left = new CrashingFileSystem(this.names, this.syncedNames);
    left.nameChanges = this.nameChanges;
    return left;
  }

  private contentAfter(inode: Inode, random: Random): Buffer {
    const torn = this.torn?.inode === inode ? [this.torn.change] : [];
    let content = inode.synced;
    for (const change of [...inode.unsynced, ...torn]) {
      const fate = random();
      if (fate < 0.35) content = applied(content, change);
      else if (fate < 0.6) content = tornAtByte(content, change, random);
      else if (fate < 0.8) content = tornInSectors(content, change, random);
      else return content;
    }
    return content;
  }

  private namesAfterPowerLoss(random: Random): Names {
    const names = new Map(this.syncedNames);
    const kept = Math.floor(random() * (this.nameChanges.length + 1));
    for (const { change } of this.nameChanges.slice(0, kept)) change(names);
    return names;
  }

  private changeNames(path: string, change: NameChange): void {
    change(this.names);
    this.nameChanges.push({ directory: dirname(path), change });
  }

  private fileOf(inode: Inode): OpenFile {
    const read = (into: Uint8Array, position: number): number => {
      const part = inode.content.subarray(position, position + into.length);
      into.set(part);
      return part.length;
    };
    return {
      write: async (bytes, at) => {
        const change = { at, bytes: Buffer.from(bytes) };
        this.step('write', () => {
          this.torn = { inode, change };
        });
        const growth = Math.max(at + bytes.length - inode.content.length, 0);
        if (growth > this.room) {
          inode.apply({ at, bytes: change.bytes.subarray(0, bytes.length - growth + this.room) });
          this.room = 0;
          throw systemError('ENOSPC', 'write');
        }
        this.room -= growth;
        inode.apply(change);
      },
      read: async (into, position) => {
        if (this.failing === 'read') throw systemError('EIO', 'read');
        return read(into, position);
      },
      readSync: read,
      sync: async () => {
        this.step('sync');
        inode.synced = inode.content;
        inode.unsynced = [];
      },
      truncate: async (size) => {
        this.step();
        this.room += Math.max(inode.content.length - size, 0);
        inode.apply({ size });
      },
      size: async () => inode.content.length,
      close: async () => this.giveDescriptor(),
    };
  }

  private takeDescriptor(): void {
    if (this.descriptors === 0) throw systemError('EMFILE', 'open');
    this.descriptors -= 1;
  }

  private giveDescriptor(): void {
    this.descriptors += 1;
  }

  private step(kind: CrashingFileSystem['failing'] = null, onCrash: () => void = () => undefined): void {
    if (this.isCrashed) throw new Crashed('gone');
    this.operations += 1;
    if (this.operations === this.crashAt) {
      this.isCrashed = true;
      onCrash();
      throw new Crashed(`crashed at operation ${this.crashAt}`);
    }
    if (kind !== null && this.failing === kind) throw systemError('EIO', kind);
  }
}

function applied(content: Buffer, change: Change): Buffer {
  if ('size' in change) {
    const cut = Buffer.alloc(change.size);
    content.copy(cut);
    return cut;
  }
  const next = Buffer.alloc(Math.max(content.length, change.at + change.bytes.length));
  content.copy(next);
  change.bytes.copy(next, change.at);
  return next;
}

function tornAtByte(content: Buffer, change: Change, random: Random): Buffer {
  if ('size' in change) return random() < 0.5 ? content : applied(content, change);
  const length = Math.floor(random() * (change.bytes.length + 1));
  return length === 0 ? content : applied(content, { at: change.at, bytes: change.bytes.subarray(0, length) });
}

function tornInSectors(content: Buffer, change: Change, random: Random): Buffer {
  if ('size' in change) return content;
  const { at, bytes } = change;
  let next = applied(content, { at: at + bytes.length, bytes: Buffer.alloc(0) });
  for (let from = 0; from < bytes.length; ) {
    const end = Math.min(bytes.length, from + 512 - ((at + from) % 512));
    if (random() < 0.5) next = applied(next, { at: at + from, bytes: bytes.subarray(from, end) });
    from = end;
  }
  return next;
}

function systemError(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: ${what}`), { code });
}
