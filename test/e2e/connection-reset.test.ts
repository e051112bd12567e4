/** The connection between two living nodes is reset again and again, under load. */
import { afterEach, expect, test } from 'vitest'
import { TestCluster, type TestNode } from '../support/cluster.js'
import { eventually } from '../support/eventually.js'

let cluster: TestCluster

afterEach(() => cluster.stop())

const RESETS = 100

interface Tally {
  registered: string[]
  refused: Record<string, number>
  calls: number
  lost: Record<string, number>
  started: string[]
}

/**
 * Registers, calls a process of the other node and starts children, one after the other, until
 * told to stop. A refused write is tried again until it is acknowledged.
 */
function load(node: TestNode, peer: string): Promise<Tally> {
  return node.run(async ({ citadel, workers, Worker, kept, sleep }, other) => {
    const tally = {
      registered: [] as string[],
      refused: {} as Record<string, number>,
      calls: 0,
      lost: {} as Record<string, number>,
      started: [] as string[],
    }
    const count = (into: Record<string, number>, error: unknown): void => {
      const { code = String(error) } = error as { code?: string }
      into[code] = (into[code] ?? 0) + 1
    }
    const persist = async (work: () => Promise<unknown>): Promise<void> => {
      for (;;) {
        try {
          await work()
          return
        } catch (error) {
          count(tally.refused, error)
          if ((error as { code?: string }).code?.startsWith('already_')) return
          await sleep(5)
        }
      }
    }
    const registers = async (): Promise<void> => {
      for (let n = 0; !kept.has('stop'); n++) {
        const key = `${citadel.name} ${n}`
        const pid = await citadel.spawn(Worker, [key])
        await persist(() => citadel.registry.register(key, pid))
        await citadel.groups.join('all', pid)
        tally.registered.push(key)
        await sleep(4)
      }
    }
    const calls = async (): Promise<void> => {
      while (!kept.has('stop')) {
        try {
          const pid = citadel.registry.findByKey(`echo ${other}`)
          if (
            (await citadel.call(pid as never, 'echo' as never, tally.calls as never)) !==
            tally.calls
          ) {
            count(tally.lost, 'a wrong answer')
          }
          tally.calls++
        } catch (error) {
          count(tally.lost, error)
          await sleep(2)
        }
      }
    }
    const children = async (): Promise<void> => {
      for (let n = 0; !kept.has('stop'); n++) {
        const id = `child ${citadel.name} ${n}`
        await persist(() => workers.startChild(Worker, [id], { id }))
        tally.started.push(id)
        await sleep(8)
      }
    }
    await Promise.all([registers(), calls(), children()])
    return tally
  }, peer)
}

test('two nodes: their connection is reset 100 times under load, and nobody is dead, no row lost, no child started twice', async () => {
  cluster = await TestCluster.start(2)
  const [first, second] = cluster.nodes as [TestNode, TestNode]
  for (const node of cluster.nodes) {
    await node.run(async ({ citadel, Worker }) => {
      const pid = await citadel.spawn(Worker, ['echo'])
      await citadel.registry.register(`echo ${citadel.name}`, pid)
    })
  }
  for (const [node, peer] of [
    [first, second],
    [second, first],
  ] as const) {
    await eventually(() =>
      node.run(({ citadel }, name) => citadel.registry.findByKey(`echo ${name}`), peer.name),
    )
  }
  const loads = [load(first, second.name), load(second, first.name)]
  const started = performance.now()
  let resets = 0
  // Some fall into a handshake or a redial; those count only if they are noticed as a loss.
  while ((await downs(first)) < RESETS) {
    const victim = cluster.nodes[resets % 2]!
    // Half are resets from the accepting side, half are closed under the feet of one node.
    await victim.run(
      ({ transport }, isReset) => {
        if (isReset) transport.reset()
        else transport.close()
      },
      resets++ % 4 < 2,
    )
    await first.run(({ sleep }, ms) => sleep(ms), 10 + ((resets * 37) % 60))
  }
  const tookMs = performance.now() - started
  for (const node of cluster.nodes) await node.run(({ kept }) => void kept.set('stop', true))
  const tallies = await Promise.all(loads)
  await cluster.settled()
  console.log(
    `${resets} resets in ${Math.round(tookMs)} ms, ${RESETS} of them noticed; ` +
      tallies.map((tally, at) => `n${at + 1}: ${describe(tally)}`).join('; '),
  )

  for (const node of cluster.nodes) expect(await node.deaths()).toEqual([])
  const keys = tallies.flatMap((tally) => tally.registered)
  const ids = tallies.flatMap((tally) => tally.started)
  const wanted = [...keys, ...cluster.nodes.map(({ name }) => `echo ${name}`)].sort()
  for (const node of cluster.nodes) {
    await eventually(async () => (await registered(node)).length >= wanted.length)
    expect(await registered(node)).toEqual(wanted)
    const grouped = await node.run(({ citadel }) => citadel.groups.members('all').length)
    expect(grouped).toBe(keys.length)
    const members = await node.run(({ workers }) => [...workers.members().keys()].sort())
    expect(members).toEqual([...ids].sort())
  }
  const starts = cluster
    .journal()
    .filter(({ what, id }) => what === 'init' && id.startsWith('child'))
  expect(starts.map(({ id }) => id).sort()).toEqual([...ids].sort())
  for (const tally of tallies) {
    expect(tally.calls).toBeGreaterThan(100)
    expect(Object.keys(tally.lost).filter((code) => code !== 'noconnection')).toEqual([])
  }
})

const downs = (node: TestNode): Promise<number> =>
  node.run(({ events }) => events.filter(({ type }) => type === 'unreachable').length)

const registered = (node: TestNode): Promise<string[]> =>
  node.run(({ citadel }) => ([...citadel.registry.keys()] as string[]).sort())

function describe({ registered, refused, calls, lost, started }: Tally): string {
  const codes = (counts: Record<string, number>) =>
    Object.entries(counts).map(([code, count]) => `${count} ${code}`)
  return (
    `${registered.length} keys, ${started.length} children (tried again: ${codes(refused)}), ` +
    `${calls} calls (failed: ${codes(lost)})`
  )
}
