import { expect, test } from 'vitest'
import { NodeDeaths, type Trial } from '../../../../src/cluster/children/node-deaths.js'
import { Probation } from '../../../../src/cluster/children/probation.js'
import type { Claim } from '../../../../src/cluster/tables/claim.js'
import { ManualClock } from '../../../support/manual-clock.js'

const WINDOW_MS = 5_000
const claim = (id: string, meta?: Trial): Claim => ({ id, meta }) as unknown as Claim

/** A cluster in which one node after the other gets children, and dies of the deadly one of them. */
class Story {
  readonly clock = new ManualClock()
  readonly deaths = new NodeDeaths(WINDOW_MS, 2)
  readonly orphans = new Set<string>()
  readonly running = new Map<string, Trial | undefined>()
  readonly gaveUp: string[] = []
  dead = 0
  readonly probation = new Probation({
    clock: this.clock,
    deaths: this.deaths,
    deathsMax: 2,
    deathWindowMs: WINDOW_MS,
    isOrphan: (id) => this.orphans.has(id),
    look: () => this.adopt(),
    giveUp: (id) => {
      this.gaveUp.push(id)
      this.orphans.delete(id)
      this.deaths.ended(id)
    },
  })

  start(ids: readonly string[]): void {
    for (const id of ids) this.run(id, undefined)
  }

  adopt(): void {
    for (const id of [...this.orphans]) {
      if (this.probation.holds(id)) continue
      const trial = this.probation.admit(id)
      if (trial !== 'later') this.run(id, trial)
    }
  }

  die(): void {
    this.dead++
    const lost = [...this.running]
    this.running.clear()
    for (const [id, trial] of lost) {
      this.deaths.died(claim(id, trial), this.clock.now())
      this.orphans.add(id)
    }
    this.adopt()
  }

  /** Time goes by; `deadly` ends its node so long after it has begun. */
  async live(ms: number, deadly: string, afterMs: number): Promise<void> {
    let since: number | undefined
    for (let at = 0; at < ms; at += 10) {
      await this.clock.advance(10)
      if (!this.running.has(deadly)) since = undefined
      else since ??= this.clock.now()
      if (since !== undefined && this.clock.now() - since >= afterMs) {
        since = undefined
        this.die()
      }
    }
  }

  private run(id: string, trial: Trial | undefined): void {
    this.orphans.delete(id)
    this.running.set(id, trial)
    this.deaths.began(id, this.clock.now())
  }
}

const many = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `child ${index}`)

test('one node: a deadly child alone is given up after two deaths, and not started again', async () => {
  const story = new Story()
  story.start(['x'])
  await story.live(20_000, 'x', 100)
  expect(story.gaveUp).toEqual(['x'])
  expect(story.dead).toBe(2)
})

test.each([3, 8, 100, 1_000])(
  'one node: a deadly child is found among %s others, and no other one is given up',
  async (count) => {
    const story = new Story()
    story.start([...many(count), 'x'])
    await story.live(60_000, 'x', 100)
    expect(story.gaveUp).toEqual(['x'])
    expect(story.running.size).toBe(count)
    // A batch, then smaller ones: each death leaves an eighth of the suspects.
    expect(story.dead).toBeLessThanOrEqual(7)
  },
)

test('one node: children whose nodes die later than the window, or once, are adopted at once', async () => {
  const story = new Story()
  story.start(many(50))
  story.die()
  expect(story.running.size).toBe(50)
  await story.clock.advance(WINDOW_MS + 1_000)
  for (let round = 0; round < 5; round++) {
    story.die()
    expect(story.running.size).toBe(50)
    await story.clock.advance(WINDOW_MS + 1_000)
  }
  expect(story.gaveUp).toEqual([])
})

test('one node: after two deaths for another reason all are back within five seconds', async () => {
  const story = new Story()
  story.start(many(1_000))
  story.die()
  await story.clock.advance(400)
  story.die()
  expect(story.running.size).toBe(0)
  for (let at = 0; at < 5_300; at += 10) await story.clock.advance(10)
  expect(story.running.size).toBe(1_000)
  expect(story.gaveUp).toEqual([])
})

test('two nodes: a child of which nobody knows since when its node had it has seen no death by the end of that', () => {
  const deaths = new NodeDeaths(WINDOW_MS, 2)
  const trial = { deaths: 1, forMs: WINDOW_MS, alone: false }
  deaths.began('x', 0)
  deaths.found('x')
  deaths.died(claim('x', trial), 100)
  expect(deaths.of('x')).toBeUndefined()
  deaths.began('x', 200)
  deaths.died(claim('x', trial), 300)
  expect(deaths.of('x')?.deaths).toBe(2)
})
