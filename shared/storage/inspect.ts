/**
 * Reports what the folder of a disk store holds without changing it: it takes no lock, cuts no torn
 * tail and makes no file. So it works on the folder of a running node, on a read-only one and on a
 * damaged one; everything up to the damage is reported.
 *
 * It calls damage what an open would call damage (disk/segments/recovery.ts): both scan the frames
 * with frame-scan.ts and judge the tail with tail-verdict.ts. The files of a running node are read
 * one after the other, so the newest records may be missing or look torn.
 */
import { join } from 'node:path';
import { type Identity, isForeign, logIdOf, longerOf } from '#protocol/identity';
import { LogOutline } from '#protocol/log/outline';
import type { Promised } from '#protocol/promised';
import { type Control, decodeRecord, type Voter } from '#protocol/record';
import { hasBeginPermission } from './begin-permission';
import { readCheckpoint } from './disk/checkpoint';
import { errorCode, type FileSystem, type OpenFile } from './disk/file-system';
import { isRenewalAsked, MANIFEST, MARKER, readManifest, readPromise, type StorePlace } from './disk/files';
import { runningHolderOf } from './disk/lock/lock-holder';
import { readSalvage, type Salvage, setAsideAmong } from './disk/salvage';
import { type Frame, FrameKind } from './disk/segments/frame';
import { type ScanEnd, scanFile } from './disk/segments/frame-scan';
import { decodeSegmentHeader, firstIndexOf, SEGMENT_HEADER_BYTES, startFault } from './disk/segments/segment';
import { NOTHING_SYNCED, readSynced, type SyncedUpTo } from './disk/segments/sync-marker';
import { hasUnwrittenSector, judgeTail } from './disk/segments/tail-verdict';
import { StorageError } from './log-store';
import { identityOfRecords } from './store-identity';

/** The report on one store. Positions are 0, and other fields null, where there is nothing. */
export interface Inspection {
  readonly directory: string;
  /**
   * Identity of the log: its id, followed by the reigns of its forced lists; null when the store is
   * blank.
   */
  readonly identity: Identity | null;
  /** The first part of the identity, which all branches of the log share. */
  readonly logId: string | null;
  readonly logName: string | null;
  readonly storeId: string | null;
  /** The node id that the log's lists or epochs have for this store; null when they have none. */
  readonly node: string | null;
  readonly promised: Omit<Promised, 'identity'> | null;
  readonly records: number;
  /** Index of the last record; 0 for none. */
  readonly lastIndex: number;
  /** Seq of the first and of the last entry; 0 for none. */
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly epochs: readonly EpochInspection[];
  /** The newest list of voters and members; null when the log has none. */
  readonly list: ListInspection | null;
  /** The commit index that the store knows, and the seq of the last entry up to it. */
  readonly commit: { readonly index: number; readonly seq: number };
  /** Total size of the segment files. */
  readonly bytes: number;
  readonly segments: number;
  /** Bytes after the last record that the next open cuts off: a write that did not finish. */
  readonly tornBytes: number;
  readonly damages: readonly DamageFound[];
  /**
   * Index of the last record that checkpoint.json covers: the next open reads what comes after it,
   * if the segments are as the file says. Null for none.
   */
  readonly checkpoint: number | null;
  /**
   * Set while a store is being replaced by the good part of another one; the next open continues.
   */
  readonly salvage: Pick<Salvage, 'phase' | 'why' | 'what' | 'folder'> | null;
  readonly hasBeginPermission: boolean;
  readonly isRenewalAsked: boolean;
  /** Pid of the process that has the folder open, if it is visible from here; null for none. */
  readonly runningPid: number | null;
  /** Names of the folders with the files of replaced stores, the oldest first. */
  readonly setAside: readonly string[];
}

interface EpochInspection {
  readonly epoch: number;
  /** '' when the epoch does not begin with its control record. */
  readonly reign: string;
  readonly firstIndex: number;
  /** Null when the epoch has no entry. */
  readonly firstSeq: number | null;
  readonly lastSeq: number | null;
}

interface ListInspection {
  readonly index: number;
  readonly voters: readonly Voter[];
  readonly members: readonly string[];
  readonly removed: readonly string[];
  readonly forced: boolean;
}

/** One fault of the store. */
export interface DamageFound {
  readonly file: string;
  /** First byte of the bad part; null when the file as a whole is meant. */
  readonly offset: number | null;
  /** Index of the record that should be there; null when the fault is not about a record. */
  readonly record: number | null;
  readonly what: string;
}

/** Receives the JSON lines of good entries, in order. The scan waits for it. */
type TakeEntries = (lines: readonly Buffer[]) => Promise<void>;

/**
 * Inspects the store in a folder; resolves with null when there is no store or no folder. Rejects
 * with the system error of a file that cannot be read, or with a `StorageError` `unknown-format`.
 * `takeEntries` receives the entries while the log is scanned.
 */
export async function inspectStore(
  fileSystem: FileSystem,
  directory: string,
  takeEntries: TakeEntries | null = null,
): Promise<Inspection | null> {
  const names = await namesIn(fileSystem, directory);
  const inspector = new Inspector({ fileSystem, directory }, takeEntries);
  return names === null ? null : inspector.run(names);
}

async function namesIn(fileSystem: FileSystem, directory: string): Promise<readonly string[] | null> {
  try {
    return await fileSystem.list(directory);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
}

interface Walked {
  readonly outline: LogOutline;
  readonly epochs: readonly EpochInspection[];
  readonly list: ListInspection | null;
  readonly bytes: number;
  readonly tornBytes: number;
  /** The store id in the segments' headers. */
  readonly storeId: string | null;
  readonly nodeOf: (storeId: string) => string | null;
}

class Inspector {
  private readonly damages: DamageFound[] = [];

  constructor(
    private readonly place: StorePlace,
    private readonly takeEntries: TakeEntries | null,
  ) {}

  async run(names: readonly string[]): Promise<Inspection | null> {
    const { fileSystem, directory } = this.place;
    const segments = names.filter((name) => firstIndexOf(name) !== null).sort();
    const salvage = await this.unlessDamaged(readSalvage(this.place), 'salvage.json');
    const manifest = await this.unlessDamaged(readManifest(this.place), MANIFEST);
    const isStore = names.includes(MANIFEST) || segments.length > 0 || names.includes('salvage.json');
    if (!isStore) return null;
    if (!names.includes(MANIFEST) && salvage === null) this.damage({ file: MANIFEST, what: 'it is missing' });
    const promised = await this.unlessDamaged(readPromise(this.place), 'promise.json');
    // Read before the segments, so that the records of a running node up to the marker are there.
    const synced = (await readSynced(fileSystem, join(directory, MARKER))) ?? NOTHING_SYNCED;
    const walk = new LogWalk(this.place, {
      storeId: manifest?.storeId ?? null,
      synced,
      takeEntries: this.takeEntries,
      damage: (found) => this.damage(found),
    });
    const walked = await walk.run(segments);
    const log = manifest?.log ?? salvage?.kept.log ?? null;
    const commit = promised?.commit ?? 0;
    this.checkWhole(walked.outline, { log, synced, commit });
    const { outline } = walked;
    const identity = isForeign(identityOfRecords(outline), log) ? log : longerOf(identityOfRecords(outline), log);
    const storeId = manifest?.storeId ?? walked.storeId;
    return {
      directory,
      identity,
      logId: identity === null ? null : logIdOf(identity),
      logName: manifest?.logName ?? salvage?.kept.logName ?? null,
      storeId,
      node: storeId === null ? null : walked.nodeOf(storeId),
      promised: promised === null ? null : withoutIdentity(promised),
      records: outline.lastIndex,
      lastIndex: outline.lastIndex,
      firstSeq: Math.min(outline.lastSeq, 1),
      lastSeq: outline.lastSeq,
      epochs: walked.epochs,
      list: walked.list,
      commit: { index: commit, seq: outline.seqAt(commit) },
      bytes: walked.bytes,
      segments: segments.length,
      tornBytes: walked.tornBytes,
      damages: this.damages,
      checkpoint: storeId === null ? null : ((await readCheckpoint(this.place, storeId))?.outline.lastIndex ?? null),
      salvage: salvage === null ? null : withoutKept(salvage),
      hasBeginPermission: await hasBeginPermission(this.place),
      isRenewalAsked: await isRenewalAsked(this.place),
      runningPid: await this.runningPid(),
      setAside: setAsideAmong(names),
    };
  }

  /**
   * Reports faults of the log as a whole, unless damage was found: a damaged log ends early anyway.
   */
  private checkWhole(
    outline: LogOutline,
    known: { readonly log: Identity | null; readonly synced: SyncedUpTo; readonly commit: number },
  ): void {
    const { log, synced, commit } = known;
    const identity = identityOfRecords(outline);
    if (isForeign(identity, log)) {
      this.damage({ file: MANIFEST, what: `it says that the log is ${log}, and the records are of log ${identity}` });
    }
    if (this.damages.length > 0 || outline.lastIndex >= Math.max(synced.index, commit)) return;
    const record = outline.lastIndex + 1;
    const what =
      outline.lastIndex < synced.index
        ? `the log ends at record ${outline.lastIndex}, but up to record ${synced.index} was durable`
        : `the log ends at record ${outline.lastIndex}, but record ${commit} was known to be committed`;
    this.damage({ file: this.place.directory, record, what });
  }

  private damage({ file, offset = null, record = null, what }: Partial<DamageFound> & { file: string; what: string }) {
    this.damages.push({ file, offset, record, what });
  }

  private async unlessDamaged<T>(reading: Promise<T>, file: string): Promise<T | null> {
    try {
      return await reading;
    } catch (error) {
      if (!(error instanceof StorageError) || error.code !== 'damaged') throw error;
      this.damage({ file, what: error.message });
      return null;
    }
  }

  private async runningPid(): Promise<number | null> {
    const lock = await this.place.fileSystem.readAll(join(this.place.directory, 'lock'));
    return lock === null ? null : runningHolderOf(lock.toString());
  }
}

interface WalkOptions {
  /** Null to take it from the first segment. */
  readonly storeId: string | null;
  readonly synced: SyncedUpTo;
  readonly takeEntries: TakeEntries | null;
  readonly damage: (found: Partial<DamageFound> & { file: string; what: string }) => void;
}

/** Scans the segments up to the first fault. */
class LogWalk {
  private readonly outline = new LogOutline();
  private readonly epochs: { -readonly [key in keyof EpochInspection]: EpochInspection[key] }[] = [];
  private readonly nodes = new Map<string, string>();
  private list: ListInspection | null = null;
  private storeId: string | null;
  private running = 0;
  private bytes = 0;
  private tornBytes = 0;
  private lines: Buffer[] = [];

  constructor(
    private readonly place: StorePlace,
    private readonly options: WalkOptions,
  ) {
    this.storeId = options.storeId;
  }

  async run(names: readonly string[]): Promise<Walked> {
    let isGood = true;
    for (const name of names) {
      await this.withFile(name, async (file) => {
        const size = await file.size();
        this.bytes += size;
        if (isGood) isGood = await this.walk(file, { name, size, isLast: name === names.at(-1) });
      });
    }
    const { outline, epochs, list, bytes, tornBytes, storeId, nodes } = this;
    return { outline, epochs, list, bytes, tornBytes, storeId, nodeOf: (store) => nodes.get(store) ?? null };
  }

  /** Resolves with false when the log ends here. */
  private async walk(
    file: OpenFile,
    segment: { readonly name: string; readonly size: number; readonly isLast: boolean },
  ): Promise<boolean> {
    const { name, size, isLast } = segment;
    const { synced, damage } = this.options;
    const { lastIndex } = this.outline;
    if (firstIndexOf(name) !== lastIndex + 1) {
      const what = `it should begin with record ${lastIndex + 1}: a segment is missing`;
      damage({ file: name, record: lastIndex + 1, what });
      return false;
    }
    const header = Buffer.alloc(Math.min(size, SEGMENT_HEADER_BYTES));
    await file.read(header, 0);
    const start = decodeSegmentHeader(header);
    if (start === null) {
      const isUnwritten = header.length < SEGMENT_HEADER_BYTES || hasUnwrittenSector(header, 0);
      if (isLast && synced.index <= lastIndex && isUnwritten) this.tornBytes += size;
      else damage({ file: name, offset: 0, record: lastIndex + 1, what: 'its header is damaged' });
      return false;
    }
    this.storeId ??= start.storeId;
    const fault = startFault(start, { storeId: this.storeId, lastIndex, running: this.running });
    if (fault !== null) {
      damage({ file: name, offset: 0, record: lastIndex + 1, what: `it ${fault}` });
      return false;
    }
    return this.walkFrames(file, segment);
  }

  private async walkFrames(
    file: OpenFile,
    { name, size, isLast }: { readonly name: string; readonly size: number; readonly isLast: boolean },
  ): Promise<boolean> {
    let fault: Partial<DamageFound> & { what: string } = { what: '' };
    const from = { offset: SEGMENT_HEADER_BYTES, index: this.outline.lastIndex, running: this.running };
    const end = await scanFile(
      file,
      from,
      size,
      (frame) => {
        const what = this.faultOf(frame);
        if (what === null) this.running = frame.running;
        else fault = { offset: frame.offset, record: frame.index, what };
        return what === null;
      },
      () => this.flush(),
    );
    if (end.stop === 'end') return true;
    if (end.stop === 'enough') {
      this.options.damage({ file: name, ...fault });
      return false;
    }
    const verdict = await this.judge(file, { end, size, isLast });
    if (verdict === 'torn') this.tornBytes += size - end.offset;
    if (verdict === 'damaged') {
      const what = end.stop === 'short' ? 'the file ends inside it' : end.fault;
      this.options.damage({ file: name, offset: end.offset, record: end.index + 1, what });
    }
    return false;
  }

  private async judge(
    file: OpenFile,
    { end, size, isLast }: { readonly end: ScanEnd; readonly size: number; readonly isLast: boolean },
  ) {
    if (!isLast) return 'damaged';
    const bytes = Buffer.alloc(size - end.offset);
    await file.read(bytes, end.offset);
    const syncedIndex = this.options.synced.index;
    return judgeTail({ bytes, offset: end.offset, index: end.index + 1, syncedIndex });
  }

  /** Takes the frame; returns what is wrong with it, or null. */
  private faultOf(frame: Frame): string | null {
    const { index, epoch, seq, kind } = frame;
    const { synced } = this.options;
    if (index === synced.index && frame.running !== synced.running) return 'it is not the one that was made durable';
    try {
      const control = kind === FrameKind.control ? decodeRecord(index, frame.bytes).control : null;
      this.outline.append({ index, epoch, seq, control });
      if (control !== null) this.takeControl(control, frame);
      this.takeEpoch(frame, control);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
    if (kind !== FrameKind.control && this.options.takeEntries !== null) this.lines.push(Buffer.from(frame.bytes));
    return null;
  }

  private takeEpoch({ index, epoch, seq, kind }: Frame, control: Control | null): void {
    if (epoch > (this.epochs.at(-1)?.epoch ?? 0)) {
      const reign = control?.control === 'epoch' ? control.reign : '';
      this.epochs.push({ epoch, reign, firstIndex: index, firstSeq: null, lastSeq: null });
    }
    const last = this.epochs.at(-1);
    if (last === undefined || kind === FrameKind.control) return;
    last.firstSeq ??= seq;
    last.lastSeq = seq;
  }

  private takeControl(control: Control, { index, bytes }: Frame): void {
    if (control.control === 'epoch') {
      this.nodes.set(control.store, control.node);
      return;
    }
    for (const { node, store } of control.voters) this.nodes.set(store, node);
    const { voters, members } = control;
    const { removed } = JSON.parse(bytes.toString()) as { readonly removed?: readonly string[] };
    this.list = { index, voters, members, removed: removed ?? [], forced: control.forced === true };
  }

  private async flush(): Promise<void> {
    const { lines } = this;
    this.lines = [];
    if (lines.length > 0) await this.options.takeEntries?.(lines);
  }

  private async withFile(name: string, use: (file: OpenFile) => Promise<void>): Promise<void> {
    const file = await this.place.fileSystem.open(join(this.place.directory, name), 'read');
    try {
      await use(file);
    } finally {
      await file.close();
    }
  }
}

function withoutIdentity({ identity: _, ...others }: Promised): Omit<Promised, 'identity'> {
  return others;
}

function withoutKept({ kept: _, ...others }: Salvage): Omit<Salvage, 'kept'> {
  return others;
}
