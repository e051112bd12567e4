/**
 * A few seeds, each twice, and the newest of those that found a defect. `npm run endurance -- --only
 * simulator` runs every seed that ever found one, and fresh ones.
 */

import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { HANDOFF_STEPS } from '../../simulator/faults/handoff-faults.js'
import { failureOf } from '../../simulator/report.js'
import { runSeed, SEED_DEFAULTS } from '../../simulator/seed-run.js'
import { regressions } from '../support/regressions.js'
import { ROOT } from '../support/root.js'

const OPTIONS = SEED_DEFAULTS
const SEEDS = 6
const REGRESSIONS = 8
const FAULTS_MIN = 10
/** Not in every seed. */
const RARE = /^children (lost|left behind)|with a lease$/

const seeds = Array.from({ length: SEEDS }, (_, index) => index + 1)

const sum = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((total, count) => total + count, 0)

describe('five simulated nodes under faults for four minutes', () => {
  const strikes = new Map<string, number>()
  let done = 0

  test.each(seeds)(
    'seed %i keeps every invariant, and does so twice in the same way',
    async (seed) => {
      const result = await runSeed(seed, OPTIONS, true)
      expect(failureOf(result, OPTIONS)).toBeUndefined()
      expect(result.replayed).toBe(result.hash)
      expect(sum(result.faults)).toBeGreaterThanOrEqual(FAULTS_MIN)
      expect(result.simulatedMs).toBeGreaterThanOrEqual(330_000)
      for (const [what, count] of Object.entries(result.strikes)) {
        strikes.set(what, (strikes.get(what) ?? 0) + count)
      }
      done++
    },
  )

  test('handoffs are struck at most of their steps', () => {
    if (done < SEEDS) return
    const struck = HANDOFF_STEPS.filter((step) =>
      [...strikes].some(([what, count]) => what.startsWith(step) && count > 0),
    )
    expect(struck.length).toBeGreaterThan(HANDOFF_STEPS.length / 2)
  })

  test('a seed runs the same way in a program of its own, in another folder', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'another folder with a longer name '))
    try {
      execFileSync(process.execPath, [join(ROOT, 'scripts/prepare.mjs'), '--simulator'])
      cpSync(join(ROOT, '.cache/simulator'), folder, { recursive: true })
      cpSync(join(ROOT, 'package.json'), join(folder, 'package.json'))
      symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
      const args = [join(folder, 'simulator/main.js'), '--seed', '2', '--minutes', '1']
      const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' })
      const { hash, events } = await runSeed(2, { ...OPTIONS, minutes: 1 }, false)
      expect(stdout).toContain(`seed 2: trace ${hash}, ${events} events`)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test('different seeds are different runs, and everything that is watched happens', async () => {
    const one = await runSeed(3, OPTIONS, false)
    const other = await runSeed(4, OPTIONS, false)
    expect(one.hash).not.toBe(other.hash)
    for (const [what, count] of Object.entries(one.watched)) {
      if (RARE.test(what)) continue
      expect(count, what).toBeGreaterThan(0)
    }
  })
})

describe('five simulated nodes that decide about keys with a quorum', () => {
  const options = { ...OPTIONS, arbiter: 'quorum' } as const

  test.each([1, 2])('seed %i: never do two work for one key', async (seed) => {
    const result = await runSeed(seed, options, false)
    expect(failureOf(result, options)).toBeUndefined()
    expect(result.watched['owners followed by others, with a lease']).toBeGreaterThan(10)
  })
})

describe('five simulated nodes whose keys a simulated etcd decides', () => {
  const options = { ...OPTIONS, arbiter: 'etcd' } as const

  test.each([1, 2])('seed %i: never do two work for one key', async (seed) => {
    const result = await runSeed(seed, options, seed === 1)
    expect(failureOf(result, options)).toBeUndefined()
    expect(result.watched['owners followed by others, with a lease']).toBeGreaterThan(10)
    const etcd = Object.entries(result.faults).filter(([kind]) => kind.startsWith('etcd'))
    expect(sum(Object.fromEntries(etcd))).toBeGreaterThan(2)
  })
})

describe('seeds that have found a defect', () => {
  test.each(regressions.slice(-REGRESSIONS))(
    'seed $seed: $was',
    async ({ seed, minutes, arbiter }) => {
      const options = { ...OPTIONS, minutes, arbiter }
      expect(failureOf(await runSeed(seed, options, false), options)).toBeUndefined()
    },
  )
})
