/**
 * One seed as the simulator program runs it: with a defect planted if one is asked for, a second
 * time to see that it repeats, and with a result that can be sent to another process.
 */

import type { Breach } from './checks/invariants.js'
import type { StoryLine } from './checks/oracle.js'
import { defectNamed } from './defects/defects.js'
import { type Phase, runScenario, type ScenarioResult, type SimulatedArbiter } from './scenario.js'

export interface SeedOptions {
  nodes: number
  minutes: number
  defect?: string | undefined
  only?: 'redis' | undefined
  arbiter?: SimulatedArbiter | undefined
}

/** What one seed is unless told otherwise. */
export const SEED_DEFAULTS = { nodes: 5, minutes: 4 } as const

export interface SeedResult {
  readonly seed: number
  readonly hash: string
  readonly breach: Breach | undefined
  readonly phase: Phase
  readonly story: readonly StoryLine[]
  readonly simulatedMs: number
  readonly events: number
  readonly faults: Readonly<Record<string, number>>
  readonly strikes: Readonly<Record<string, number>>
  readonly operations: Readonly<Record<string, number>>
  readonly watched: Readonly<Record<string, number>>
  /** The hash of the second run, if there was one. */
  readonly replayed: string | undefined
}

const STORY_LINES = 40

export async function runSeed(
  seed: number,
  options: SeedOptions,
  replay: boolean,
  listen?: (line: StoryLine) => void,
): Promise<SeedResult> {
  const first = await runOnce(seed, options, listen)
  const second = replay ? await runOnce(seed, options) : undefined
  return {
    seed,
    hash: first.hash,
    breach: first.breach,
    phase: first.phase,
    story: first.breach ? storyOf(first) : [],
    simulatedMs: first.simulatedMs,
    events: first.events,
    faults: Object.fromEntries(first.faults),
    strikes: Object.fromEntries(first.strikes),
    operations: first.operations,
    watched: first.watched,
    replayed: second?.hash,
  }
}

async function runOnce(
  seed: number,
  { nodes, minutes, defect, only, arbiter }: SeedOptions,
  listen?: (line: StoryLine) => void,
): Promise<ScenarioResult> {
  const takeBack = defect === undefined ? undefined : defectNamed(defect).plant()
  try {
    return await runScenario({ seed, nodes, minutes, only, arbiter, listen })
  } finally {
    takeBack?.()
  }
}

/** The lines before the breach that name what it names, and the last ones of all. */
function storyOf({ breach, story }: ScenarioResult): StoryLine[] {
  const names = breach!.what.match(/<[^>]+>|key\d+|group\d+|child \d+/g) ?? []
  const until = story.findIndex(({ text }) => text.startsWith('!!')) + 1 || story.length
  const before = story.slice(0, until)
  const related = before.filter(({ text }) => names.some((name) => isNamed(text, name)))
  const last = before.slice(-STORY_LINES)
  return [...new Set([...related.slice(-STORY_LINES), ...last])].sort((a, b) => a.at - b.at)
}

/** `key1` is not meant by `key12`. */
function isNamed(text: string, name: string): boolean {
  const at = text.indexOf(name)
  return at >= 0 && !/\d/.test(text[at + name.length] ?? '')
}
