/** A child is ended from a node that has not heard yet of its start, in simulated time. */
import { expect, test } from 'vitest'
import { ClusterSimulation } from '../../simulator/cluster/cluster-simulation.js'
import { GenServer } from '../../src/index.js'

class Room extends GenServer {}

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'ok',
    ({ code }) => code,
  )

test('three nodes: what one has started another ends, and the third starts anew, whichever link is slow', async () => {
  const cluster = new ClusterSimulation({
    seed: 1,
    nodes: 3,
    modules: { Room },
    supervisor: { rebalance: 'manual' },
  })
  const { simulation } = cluster
  for (let index = 0; index < 3; index++) cluster.start(index)
  await simulation.runUntil(() => cluster.allReady && cluster.allMet, 60_000, 'the start')
  await simulation.runFor(2_000)
  for (const from of [0, 1]) cluster.slow(from, 2, [40, 60])

  const supervisors = cluster.members.map((member) => member!.supervisor)
  const start = (at: number, id: number) =>
    codeOf(supervisors[at]!.startChild(Room as never, [] as never, { id }))
  const outcomes: string[] = []
  await simulation.settle(
    async () => {
      for (let id = 0; id < 20; id++) {
        const ends = [await start(0, id)]
        ends.push(await codeOf(supervisors[2]!.terminateChild(id)))
        ends.push(await start(1, id))
        outcomes.push(ends.join())
      }
      outcomes.push(await codeOf(supervisors[2]!.terminateChild('nobody')))
    },
    { what: 'all of them' },
  )
  expect(new Set(outcomes)).toEqual(new Set(['ok,ok,ok', 'not_found']))
})
