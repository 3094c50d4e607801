/**
 * What a run is like: how many nodes, how much goes wrong, which schedule the nemesis follows. All
 * of it is drawn from the seed.
 */
import type { SeededRandom } from '#tests/support/seeded-random';
import { CALM, type Faults } from '../model/faults';

/** What any run may draw. */
const TAME_SCHEDULES = ['random', 'swizzle', 'short reigns', 'chosen order', 'wipe after ack', 'figure 8'] as const;
/** What wild runs may draw beside. */
const BORDER_SCHEDULES = ['list changes', 'births', 'split votes', 'lost majority'] as const;
export const SCHEDULES = [...TAME_SCHEDULES, ...BORDER_SCHEDULES] as const;
export type Schedule = (typeof SCHEDULES)[number];

const ACTIONS = [
  'kill',
  'freeze',
  'cut',
  'blink',
  'restart broker',
  'lose broker data',
  'purge',
  'delete queue',
  'block',
  'fill disk',
  'slow disk',
  'delay',
  'pause',
  'wipe',
  'damage',
  'remove',
  'admit',
] as const;
export type Action = (typeof ACTIONS)[number];

/** What only wild runs do. */
export const WILD_ACTIONS = [
  'former life',
  'another log',
  'swap',
  'roll back',
  'force',
  'lose broker and disk',
  'two holders',
] as const;
export type WildAction = (typeof WILD_ACTIONS)[number];

/** A run at the borders of a log's life. */
interface Wild {
  readonly actions: readonly WildAction[];
  /** Does what the README does not promise to survive, too; else it stops short of that. */
  readonly isBeyond: boolean;
  /**
   * Nodes that do not start at once, and when, in milliseconds; after the trouble: when all is
   * healed.
   */
  readonly late: ReadonlyMap<string, number>;
  /** Nodes that the masters' settings do not name: they join. */
  readonly guests: readonly string[];
}

export interface Profile {
  readonly name: 'calm' | 'breezy' | 'stormy' | 'hellish' | 'amnesia';
  readonly masters: readonly string[];
  readonly secondaries: readonly string[];
  readonly schedule: Schedule;
  /** Milliseconds in which things go wrong. */
  readonly troubleMs: number;
  /** Mean time between two acts of the nemesis, in milliseconds. */
  readonly calmMs: number;
  readonly actions: readonly Action[];
  readonly faults: Faults;
  readonly tickMs: number;
  readonly asBytes: boolean;
  readonly inFlightBytesMax: number;
  readonly bufferBytesMax: number;
  readonly clients: number;
  /** Mean time between two operations of a client, in milliseconds. */
  readonly thinkMs: number;
  /** Nodes become members by joining, and an operator removes and admits some. */
  readonly openMembership: boolean;
  /** Stores are in memory: a kill loses them. */
  readonly inMemory: boolean;
  /** Null: none of that. */
  readonly wild: Wild | null;
}

export interface ProfileWish {
  readonly schedule?: Schedule;
  readonly wild?: boolean;
}

/** The rest stays as it is, so that the borders cost the rest no depth. */
const WILD_SHARE = 0.25;
/** Runs in which an operator pauses secondaries now and then. */
const PAUSE_SHARE = 0.1;

export function drawProfile(random: SeededRandom, wish: ProfileWish = {}): Profile {
  const profile = drawTame(random, wish);
  const wild = random.split('wild');
  const isWild = wild.chance(WILD_SHARE);
  const fitsWild = !profile.inMemory && profile.name !== 'amnesia' && profile.name !== 'calm';
  return fitsWild && (wish.wild ?? (isWild && wish.schedule === undefined)) ? drawWild(profile, wild) : profile;
}

/** Drawn apart: a seed that is not wild draws what it would without this. */
function drawWild(profile: Profile, random: SeededRandom): Profile {
  const isBeyond = random.chance(0.5);
  const openMembership = random.chance(0.3);
  const loses = !openMembership || isBeyond || random.chance(0.5);
  const guests = openMembership ? ['g1'] : [];
  const changes: Action[] = openMembership && !(loses && !isBeyond) ? ['remove', 'admit'] : [];
  const losses: Action[] = loses ? (['wipe', 'damage'] as const).filter(() => random.chance(0.5)) : [];
  const others: readonly Action[] = ['remove', 'admit', 'wipe', 'damage'];
  const tame = profile.actions.filter((action) => !others.includes(action) && random.chance(0.6));
  const actions = WILD_ACTIONS.filter((action) => random.chance(0.6) && fitsPromise(action, { isBeyond, loses }));
  const late = new Map<string, number>();
  for (const node of [...profile.masters, ...profile.secondaries, ...guests])
    if (random.chance(0.2))
      late.set(node, random.chance(0.3) ? Number.POSITIVE_INFINITY : random.below(profile.troubleMs));
  return {
    ...profile,
    schedule: drawWildSchedule(profile, isBeyond, random),
    calmMs: Math.min(profile.calmMs, 800),
    openMembership,
    actions: [...tame, ...changes, ...losses],
    wild: { actions, isBeyond, late, guests },
  };
}

function drawWildSchedule(
  { schedule, masters, secondaries }: Profile,
  isBeyond: boolean,
  random: SeededRandom,
): Schedule {
  const drawn = random.pick(['random', 'random', schedule, random.pick(BORDER_SCHEDULES)] as const);
  const isLarge = masters.length > 1 && secondaries.length > 1;
  const fits = (isLarge || !FOR_TWO.has(drawn)) && (isBeyond || drawn !== 'lost majority');
  return fits ? drawn : 'random';
}

function fitsPromise(action: WildAction, { isBeyond, loses }: { isBeyond: boolean; loses: boolean }): boolean {
  if (action === 'force' || action === 'roll back') return isBeyond;
  return loses || action === 'two holders';
}

/** They take turns. */
const FOR_TWO: ReadonlySet<Schedule> = new Set([
  'short reigns',
  'figure 8',
  'wipe after ack',
  'list changes',
  'split votes',
  'lost majority',
]);

function isBorder(schedule: Schedule): boolean {
  return (BORDER_SCHEDULES as readonly string[]).includes(schedule);
}

function drawTame(random: SeededRandom, wish: ProfileWish): Profile {
  const roll = random.next();
  const severity = roll < 0.1 ? 0 : roll < 0.4 ? 1 : roll < 0.8 ? 2 : 3;
  const isAmnesia = wish.schedule === undefined && random.chance(0.03);
  const schedule = wish.schedule ?? (severity === 0 ? 'random' : drawSchedule(random));
  const needsTwo = FOR_TWO.has(schedule);
  const hasTwo = !isAmnesia && (random.chance(0.6) || needsTwo);
  const members = needsTwo ? random.between(2, 4) : drawMembers(random);
  const inMemory = isAmnesia || (random.chance(0.1) && !isBorder(schedule));
  const openMembership = !inMemory && schedule !== 'wipe after ack' && random.chance(0.15);
  return {
    name: isAmnesia ? 'amnesia' : (['calm', 'breezy', 'stormy', 'hellish'] as const)[severity as 0 | 1 | 2 | 3],
    masters: hasTwo ? ['m1', 'm2'] : ['m1'],
    secondaries: Array.from({ length: members }, (_, at) => `s${at + 1}`),
    schedule,
    troubleMs: schedule === 'random' ? random.between(4_000, 14_000) : random.between(8_000, 20_000),
    calmMs: [100_000, 1_500, 600, 250][severity] ?? 600,
    actions: drawActions(random, openMembership),
    openMembership,
    faults: withHoles(drawFaults(random, severity, inMemory), schedule, random),
    tickMs: random.pick([50, 100, 100, 150]),
    asBytes: random.chance(0.05),
    inFlightBytesMax: random.chance(0.2) ? random.between(2_000, 10_000) : 1 << 26,
    bufferBytesMax: random.chance(0.3) ? random.between(300, 3_000) : 1 << 24,
    clients: random.between(1, 4),
    thinkMs: random.pick([30, 100, 300]),
    inMemory,
    wild: null,
  };
}

/** Where reigns follow each other quickly, more is on its way, or missing, when one ends. */
function withHoles(faults: Faults, schedule: Schedule, random: SeededRandom): Faults {
  if (schedule !== 'figure 8' || random.chance(0.4)) return faults;
  return { ...faults, dropRate: random.next() * 0.5, skewMs: random.below(800), storeMs: random.between(1, 60) };
}

/**
 * Drawn apart, so that a seed draws the rest as it did before: who removes now and then admits as
 * well, and some are told to pause.
 */
function drawActions(random: SeededRandom, openMembership: boolean): Action[] {
  const apart: readonly Action[] = ['admit', 'pause'];
  const drawn = ACTIONS.filter(
    (action) => !apart.includes(action) && random.chance(0.5) && fits(action, openMembership),
  );
  if (drawn.includes('remove') && random.split('admit').chance(0.7)) drawn.push('admit');
  if (random.split('pause').chance(PAUSE_SHARE)) drawn.push('pause');
  return drawn;
}

/**
 * An operator who removes members while stores are lost can leave a list that is stuck for good; so
 * it is the one or the other.
 */
function fits(action: Action, openMembership: boolean): boolean {
  if (action === 'remove') return openMembership;
  return !openMembership || (action !== 'wipe' && action !== 'damage');
}

function drawSchedule(random: SeededRandom): Schedule {
  return random.chance(0.4) ? 'random' : random.pick(TAME_SCHEDULES);
}

/** 1 to 7 nodes, three to five of them most of the time. */
function drawMembers(random: SeededRandom): number {
  return random.chance(0.7) ? random.between(2, 4) : random.between(0, 6);
}

function drawFaults(random: SeededRandom, severity: number, inMemory: boolean): Faults {
  if (severity === 0) return { ...CALM };
  const some = (rate: number): number => (random.chance(0.4) ? random.next() * rate * severity : 0);
  const often = (ms: number): number => (random.chance(0.5) ? random.between(1, ms * severity) : 0);
  return {
    hopMs: random.between(1, 10),
    slowHopRate: some(0.03),
    slowHopMs: often(300),
    skewMs: often(100),
    duplicateRate: some(0.05),
    lostConfirmRate: some(0.05),
    nackRate: some(0.05),
    confirmMs: often(50),
    confirmGroupMs: random.chance(0.3) ? random.between(5, 100) : 0,
    requeueToBackRate: some(0.3),
    controlLossRate: some(0.05),
    brokerNoticesMs: often(700),
    nodeNoticesMs: often(700),
    reconnectMs: random.between(50, 800),
    queueBytesMax: random.chance(0.2) ? random.between(500, 5_000) : 0,
    prefetch: random.pick([1, 4, 64, 64]),
    dropRate: some(0.06),
    repeatRate: some(0.06),
    failRate: some(0.04),
    storeMs: random.between(1, 8),
    slowStoreRate: some(0.05),
    slowStoreMs: often(500),
    fullRate: some(0.01),
    brokenRate: inMemory ? 0 : some(0.002),
    tornRate: random.chance(0.7) ? random.next() : 0,
  };
}

function describeWild({ actions, isBeyond, late, guests }: Wild): string {
  const starts = [...late].map(
    ([node, ms]) => `${node} ${ms === Number.POSITIVE_INFINITY ? 'in the end' : `at ${ms}`}`,
  );
  return `wild${isBeyond ? ', beyond what is promised' : ''}: ${actions.join(', ')}; late: ${starts.join(', ')}; guests: ${guests.join(', ')}`;
}

/**
 * One master, whose disk nothing in the run takes away: what it has stored stays, whatever w it was
 * acknowledged with.
 */
export function keepsAll({ masters, schedule, actions, inMemory, wild }: Profile): boolean {
  const loses = actions.includes('wipe') || actions.includes('damage') || schedule === 'wipe after ack';
  return masters.length === 1 && !loses && !inMemory && wild === null;
}

export function describeProfile(profile: Profile): string {
  const { name, masters, secondaries, schedule, troubleMs, calmMs, actions, inMemory, faults, clients } = profile;
  const rates = Object.entries(faults)
    .filter(([key, value]) => value !== CALM[key as keyof Faults])
    .map(
      ([key, value]) =>
        `${key}=${Number(value)
          .toPrecision(3)
          .replace(/\.?0+$/, '')}`,
    );
  return [
    `${name}, ${schedule}: ${masters.length} masters, ${secondaries.length} secondaries${inMemory ? ' in memory' : ''}, ${clients} clients`,
    `trouble for ${troubleMs} ms, every ${calmMs} ms one of: ${actions.join(', ')}`,
    rates.join(' '),
    ...(profile.wild === null ? [] : [describeWild(profile.wild)]),
  ].join('\n  ');
}
