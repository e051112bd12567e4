/** Words of nodes to each other on a slow line, behind a message that takes longer than the silent limit. */
import { describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.js'
import { namespacesMissing } from '../support/namespaces.js'
import { NetworkCluster } from '../support/network-cluster.js'

const missing = namespacesMissing('what a big message on a slow line delays')
const MEGABITS = 30
/** About seven seconds on that line. */
const BYTES = 26 * 1024 * 1024

describe.skipIf(missing !== undefined)('a line that is slow', () => {
  test('three nodes: 26 MB on their way make nobody unreachable, and keep nobody from declaring a frozen one dead', async () => {
    const world = await NetworkCluster.start({ size: 3, children: 3 })
    try {
      const [from, to, frozen] = world.nodes as [never, never, never]
      world.network.slow(world.host(to), MEGABITS)
      const answered = sendBig(world)
      world.nodes[2]!.freeze()
      const deaths = async (at: number) => (await world.nodes[at]!.deaths()).length
      const both = async () => (await deaths(0)) === 1 && (await deaths(1)) === 1
      await eventually(both, { timeoutMs: 40_000, everyMs: 100, what: 'the frozen one is dead' })
      expect(await answered).toBe(BYTES)
      for (const node of [from, to]) {
        const lost = (await world.notes(node)).flatMap((note) =>
          note.type === 'unreachable' || note.type === 'dead' ? [note.node] : [],
        )
        const { name } = frozen as { name: string }
        expect(lost).toEqual([name, name])
      }
    } finally {
      await world.stop()
    }
  })
})

/** From the first node to the second; answers how many bytes have arrived. */
async function sendBig(world: NetworkCluster): Promise<number> {
  const [from, to] = world.nodes
  const pid = await to!.run(({ citadel, Worker }) => citadel.spawn(Worker, ['big']))
  return from!.run(
    async ({ citadel }, receiver, bytes) => {
      const patient = citadel.with({ timeoutMs: 40_000 })
      const big = new Uint8Array(bytes)
      const echo = await patient.call(receiver as never, 'echo' as never, big as never)
      return (echo as unknown as Uint8Array).length
    },
    pid,
    BYTES,
  )
}
