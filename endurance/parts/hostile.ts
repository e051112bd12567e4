/**
 * Two million frames of a hostile member and of a hostile Erlang node, both with the cookie. The node
 * that they attack keeps its memory and its pace, and one beside it notices nothing.
 */
import { type AttackResult, attack } from '../../test/support/hostile/attack.js'
import type { Part, PartContext, PartResult } from '../part.js'

const FRAMES = 1_000_000
/** A minute of a short run, for each. */
const FRAMES_PER_MINUTE = 20_000
const RSS_MAX_MIB = 300

export const hostile: Part = {
  name: 'hostile',
  description:
    'two million frames of hostile peers that know the cookie, or as many as there is time',
  missing: () => undefined,
  run,
}

async function run({ minutes, chance, say }: PartContext): Promise<PartResult> {
  const frames = minutes === undefined ? FRAMES : Math.ceil(minutes * FRAMES_PER_MINUTE)
  const figures: (readonly [string, string])[] = []
  const violations: string[] = []
  for (const role of ['member', 'erlang'] as const) {
    const result = await attack({ role, frames, seed: chance.below(1_000_000), say })
    figures.push(...figuresOf(role, result))
    violations.push(...result.wrong.map((one) => `${role}: ${one}`))
    if (result.rssMaxMiB >= RSS_MAX_MIB) {
      violations.push(`${role}: the target took ${Math.round(result.rssMaxMiB)} MiB`)
    }
    if (result.stalls > 0) {
      violations.push(`${role}: ${result.stalls} stalls, up to ${Math.round(result.stallMaxMs)} ms`)
    }
  }
  return { figures, violations }
}

function figuresOf(role: string, result: AttackResult): (readonly [string, string])[] {
  const { frames, answered, bytes, links, rssMaxMiB, stallMaxMs, calls, logLines } = result
  const sent = `${frames}, ${Math.round(bytes / 2 ** 20)} MiB, on ${links} links`
  return [
    [`${role}: frames`, sent],
    [`${role}: of those in bursts that were dealt with to the last`, String(answered)],
    [`${role}: memory of the target, most`, `${Math.round(rssMaxMiB)} MiB`],
    [`${role}: processor time of one turn of its loop, most`, `${Math.round(stallMaxMs)} ms`],
    [`${role}: lines in its log`, String(logLines)],
    [`${role}: calls of the node beside it meanwhile, all answered`, String(calls)],
  ]
}
