/** The end of a node with many processes. */
import { expect, test } from 'vitest'
import { systemClock } from '../../../src/base/system-clock.js'
import { GenServer } from '../../../src/process/gen-server.js'
import { testKernel } from '../../support/test-kernel.js'

const MANY = 3_000

class Idle extends GenServer {}

let turns = 0

/** Turns of the event loop, counted until the test is over. */
function countTurns(): () => void {
  turns = 0
  let counting = true
  const turn = (): void => {
    if (!counting) return
    turns++
    setImmediate(turn)
  }
  setImmediate(turn)
  return () => {
    counting = false
  }
}

test('sockets and timers have their turns while thousands of processes end', async () => {
  // A millisecond for each look at it, so that slices end however fast the machine is.
  let now = 0
  const clock = { ...systemClock, now: () => now++ }
  const { node, kernel } = testKernel({ clock })
  const turnsAtEnd: number[] = []
  for (let i = 0; i < MANY; i++) {
    kernel.watchExit(await node.spawn(Idle), () => turnsAtEnd.push(turns))
  }
  const stopCounting = countTurns()
  await kernel.stop(1_000_000)
  stopCounting()
  expect(turnsAtEnd.length).toBe(MANY)
  expect(kernel.counters().processes).toBe(0)
  const perTurn = new Map<number, number>()
  for (const turn of turnsAtEnd) perTurn.set(turn, (perTurn.get(turn) ?? 0) + 1)
  expect(Math.max(...perTurn.values())).toBeLessThan(MANY / 10)
})
