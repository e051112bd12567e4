/**
 * Which claims of a key came after which with everybody's consent: taken by force, over the epoch of
 * one owner (a move, a replacement), or written again by the winner of a conflict. Whatever is not
 * told by lineage stems from two sides that knew nothing of each other. Pure.
 */

import { fingerprint } from '../placement/hash.js'
import { type Check, isCount, listOf, tupleOf } from '../replication/wire-check.js'
import type { Claim, Lineage, LineageStep, Reservation } from './claim.js'

/** How a claim relates to an earlier one that it is meant to come after. */
export type Relation = 'took' | 'won'

/** The conflicts that a claim remembers: older ones are over everywhere, or are conflicts again. */
const STEPS_MAX = 8

type Named = Pick<Claim, 'epoch' | 'lineage'> & {
  readonly origin: { readonly node: string; readonly creation: number }
}

/** A line is named after the node that began it: a node has one claim of a key at a time. */
export function lineOf({ lineage, origin: { node, creation } }: Named): number {
  return lineage ? lineage[0][0] : fingerprint(`${node} ${creation}`)
}

const includes = ([line, upTo]: LineageStep, name: number, epoch: number): boolean =>
  line === name && upTo >= epoch

/** Undefined: the later one's owner knew nothing of the earlier one, as on two sides of a split. */
export function relation(later: Claim, earlier: Claim): Relation | undefined {
  if (!later.lineage || later.epoch <= earlier.epoch) return undefined
  const [own, ...won] = later.lineage
  const line = lineOf(earlier)
  if (includes(own, line, earlier.epoch)) return 'took'
  return won.some((step) => includes(step, line, earlier.epoch)) ? 'won' : undefined
}

/** Each has won against an earlier claim of the other's line: their nodes do not decide alike. */
export function contradict(a: Claim, b: Claim): boolean {
  return hasWonAgainst(a, lineOf(b)) && hasWonAgainst(b, lineOf(a))
}

const hasWonAgainst = ({ lineage }: Claim, line: number): boolean =>
  lineage?.slice(1).some(([name]) => name === line) === true

/** The lineage of a claim that is granted over another one. */
export function lineageAfter(before: Named): Lineage {
  const won = before.lineage?.slice(1) ?? []
  return [[lineOf(before), before.epoch], ...won]
}

/** The same of a claim that has been granted and not arrived yet. */
export function lineageAfterGrant({ node, creation, epoch, lineage }: Reservation): Lineage {
  return lineageAfter({ epoch, lineage, origin: { node, creation } })
}

/** The lineage of a claim that its node writes again because it has won against others. */
export function lineageOfWinner(own: Claim, beaten: readonly Claim[]): Lineage {
  const [first, ...earlier] = lineageAfter(own)
  const now = beaten.map((claim): LineageStep => [lineOf(claim), claim.epoch])
  const old = earlier.filter(([line]) => now.every(([other]) => other !== line))
  return [first, ...[...now, ...old].slice(0, STEPS_MAX - 1)]
}

/**
 * The lineage of a claim that is just written. What only others know of the claim before is what was
 * granted to it: it may have got a later epoch than that, though not later than the one it loses to.
 */
export function lineageAt(
  epoch: number,
  before: Claim | undefined,
  ...known: (Lineage | undefined)[]
): Lineage | undefined {
  const here = before && lineageAfter(before)
  const latest = latestLineage(here, ...known)
  return !latest || latest === here ? here : lineageUpTo(epoch - 1, latest)
}

/** The same line, and all of its claims up to that epoch. */
export function lineageUpTo(epoch: number, [[line], ...won]: Lineage): Lineage {
  return [[line, epoch], ...won]
}

/** Of what several know of the claim before, the latest. */
export function latestLineage(...known: (Lineage | undefined)[]): Lineage | undefined {
  let latest: Lineage | undefined
  for (const lineage of known)
    if (lineage && !(latest && latest[0][1] >= lineage[0][1])) latest = lineage
  return latest
}

const areSteps = listOf(tupleOf(isCount, isCount))

/** What crosses the wire. */
export const isLineage: Check = (value) =>
  areSteps(value) && (value as unknown[]).length >= 1 && (value as unknown[]).length <= STEPS_MAX

/** That of a grant; of a wrong shape it is none. */
export const namedLineage = (value: unknown): Lineage | undefined =>
  isLineage(value) ? (value as Lineage) : undefined
