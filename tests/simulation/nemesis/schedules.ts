/**
 * Directed schedules. Random acts alone hardly ever line up what these do on purpose:
 *
 * swizzle         nodes are cut off one by one and let back in another order (FoundationDB's swizzle-clogging)
 * chosen order    everybody is cut off, then a chosen few are let back first
 * short reigns    whoever begins to reign is gone a moment later
 * wipe after ack  a holder loses its store right after an append was safely acknowledged, and the master goes
 * figure 8        two masters take turns, each with slow disks and a few followers (Raft, figure 8)
 *
 * Those at the borders of a log's life are in border-schedules.ts.
 */

import { isElected, reigningMaster, when } from '../checks/watching';
import { births, listChanges, lostMajority, splitVotes } from './border-schedules';
import type { Nemesis } from './nemesis';
import type { Schedule } from './profile';

export function follow(schedule: Schedule, nemesis: Nemesis): void {
  switch (schedule) {
    case 'random':
      return nemesis.startRandom();
    case 'swizzle':
      return swizzle(nemesis);
    case 'chosen order':
      return chosenOrder(nemesis);
    case 'short reigns':
      return shortReigns(nemesis);
    case 'wipe after ack':
      return wipeAfterAck(nemesis);
    case 'figure 8':
      return figure8(nemesis);
    case 'list changes':
      return listChanges(nemesis);
    case 'births':
      return births(nemesis);
    case 'split votes':
      return splitVotes(nemesis);
    case 'lost majority':
      return lostMajority(nemesis);
  }
}

function swizzle(nemesis: Nemesis): void {
  const { random, world, nodes } = nemesis;
  const chosen = random.shuffle(nodes).slice(0, random.between(1, nodes.length));
  let at = 0;
  for (const node of chosen) {
    at += random.below(400);
    nemesis.plan(at, () => nemesis.cut(node));
  }
  for (const node of random.shuffle(chosen)) {
    at += random.below(400);
    nemesis.plan(at, () => world.allow(node));
  }
  nemesis.plan(at + 1 + random.below(3_000), () => swizzle(nemesis));
  if (random.chance(0.3)) nemesis.startRandom(nemesis.profile.calmMs * 3);
}

function chosenOrder(nemesis: Nemesis): void {
  const { random, world, nodes } = nemesis;
  const first = random.shuffle(nodes).slice(0, random.between(1, nodes.length));
  for (const node of nodes) {
    if (random.chance(0.3)) nemesis.kill(node);
    else nemesis.cut(node);
  }
  let at = random.below(500);
  for (const node of [...first, ...random.shuffle(nodes.filter((each) => !first.includes(each)))]) {
    at += random.chance(0.3) ? random.between(500, 3_000) : random.below(100);
    nemesis.plan(at, () => {
      world.allow(node);
      nemesis.start(node);
    });
  }
  nemesis.plan(at + random.between(200, 3_000), () => chosenOrder(nemesis));
}

function shortReigns(nemesis: Nemesis): void {
  const { random, profile } = nemesis;
  nemesis.plan(20, () => {
    const reigning = reigningMaster(nemesis);
    if (reigning === null) return shortReigns(nemesis);
    const restMs = random.chance(0.2) ? random.below(2_500) : random.below(120);
    nemesis.plan(restMs, () => {
      nemesis.act(random.pick(['kill', 'cut', 'cut', 'freeze', 'blink']), reigning);
      if (random.chance(0.3)) nemesis.act(random.pick(['kill', 'cut', 'slow disk']), random.pick(profile.secondaries));
      shortReigns(nemesis);
    });
  });
}

/**
 * A bare majority holds what is acknowledged; then one of them loses its store, the master is gone,
 * and so are the others who had it; those who never had it are back, and the one that forgot.
 * Nobody may be elected by these alone.
 */
function wipeAfterAck(nemesis: Nemesis): void {
  const { random, world, profile } = nemesis;
  when(
    nemesis,
    () => reigningMaster(nemesis) !== null,
    () => nemesis.plan(random.between(100, 1_500), begin),
    8_000,
  );

  function begin(): void {
    const { secondaries } = profile;
    const away = random.shuffle(secondaries).slice(0, Math.floor(secondaries.length / 2));
    const here = secondaries.filter((node) => !away.includes(node));
    for (const node of away) nemesis.cut(node);
    nemesis.plan(random.between(50, 900), () => lose(away, here));
  }

  function lose(away: readonly string[], here: readonly string[]): void {
    const master = reigningMaster(nemesis);
    const victim = random.pick(random.chance(0.8) && here.length > 0 ? here : nemesis.nodes);
    const isLost = nemesis.lose(victim, random.chance(0.7) ? 'wipe' : 'damage');
    const gone = here.filter((node) => node !== victim && random.chance(0.7));
    if (master !== null && random.chance(0.8)) gone.push(master);
    for (const node of gone) {
      if (random.chance(0.5)) nemesis.kill(node);
      else nemesis.cut(node);
    }
    nemesis.plan(random.below(300), () => {
      for (const node of away) world.allow(node);
      if (isLost) nemesis.start(victim);
      const isSucceeded = (): boolean => ![null, master].includes(reigningMaster(nemesis));
      when(nemesis, isSucceeded, () => comeBack(gone), random.between(500, 4_000));
    });
  }

  function comeBack(gone: readonly string[]): void {
    for (const node of gone) {
      world.allow(node);
      nemesis.start(node);
    }
    nemesis.plan(random.between(100, 2_000), () => wipeAfterAck(nemesis));
  }
}

/**
 * Raft's figure 8. One master, cut off, goes on with a tail that nobody else has; the other one is
 * elected and is cut off before anybody has a record of its reign; the first one is back with a
 * slow disk, so its old tail reaches others earlier than the first record of its new reign; and it
 * is gone again before that record is anywhere, or a while later. Then the other one is back.
 */
function figure8(nemesis: Nemesis): void {
  const { random, world, profile } = nemesis;
  when(
    nemesis,
    () => reigningMaster(nemesis) !== null,
    () => nemesis.plan(random.between(50, 1_500), begin),
    6_000,
  );

  function begin(): void {
    const first = reigningMaster(nemesis) ?? random.pick(profile.masters);
    const second = profile.masters.find((node) => node !== first) ?? first;
    if (random.chance(0.5)) for (const node of profile.secondaries) if (random.chance(0.4)) nemesis.cut(node);
    nemesis.plan(random.chance(0.5) ? random.below(60) : random.below(400), () => {
      nemesis.cut(first);
      for (const node of profile.secondaries) nemesis.plan(random.below(400), () => world.allow(node));
      nemesis.plan(random.below(600), () => takeOver(first, second));
    });
  }

  function takeOver(first: string, second: string): void {
    world.allow(second);
    nemesis.start(second);
    nemesis.slowDisk(second, random.chance(0.5) ? random.between(20, 300) : 0);
    when(
      nemesis,
      () => isElected(nemesis, second),
      () => {
        nemesis.plan(random.chance(0.7) ? random.below(30) : random.below(600), () => {
          nemesis.cut(second);
          nemesis.slowDisk(second, 0);
          nemesis.plan(random.below(100), () => comeBack(first, second));
        });
      },
    );
  }

  function comeBack(first: string, second: string): void {
    nemesis.slowDisk(first, random.between(100, 800));
    world.allow(first);
    nemesis.start(first);
    const epoch = world.masterOf(first)?.machine.view.epoch.epoch ?? 0;
    const isBack = (): boolean =>
      isElected(nemesis, first) && (world.masterOf(first)?.machine.view.epoch.epoch ?? 0) > epoch;
    when(nemesis, isBack, () => {
      nemesis.plan(random.chance(0.7) ? random.below(250) : random.below(1_500), () => {
        if (random.chance(0.7)) nemesis.kill(first);
        else nemesis.cut(first);
        nemesis.slowDisk(first, 0);
        world.allow(second);
        nemesis.start(second);
        nemesis.plan(random.between(200, 2_500), () => {
          world.allow(first);
          nemesis.start(first);
          figure8(nemesis);
        });
      });
    });
  }
}
