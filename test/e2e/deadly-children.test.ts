/** A child whose code ends the program it runs in: real processes, of which most must live on. */
import { afterEach, expect, test } from 'vitest'
import { numbers, TestCluster } from '../support/cluster.js'
import { eventually } from '../support/eventually.js'

let cluster: TestCluster

afterEach(() => cluster?.stop())

const LONG = { timeoutMs: 30_000, everyMs: 20 }

test.each([
  ['alone', 0],
  ['among a hundred others', 100],
])(
  'five nodes: a child, %s, that ends its program is given up, and at most three nodes die',
  async (_, others) => {
    cluster = await TestCluster.start(5, { supervisor: { rebalance: 'manual' } })
    const ids = numbers(others)
    if (others > 0) await cluster.startChildren(ids)
    for (const node of cluster.alive) {
      await node.run(({ workers, kept }) => {
        const events: unknown[] = []
        kept.set('events', events)
        void (async () => {
          for await (const event of workers.events()) events.push(event)
        })()
      })
    }
    void cluster
      .node(1)
      .run(({ workers }) => workers.startChild('Deadly', ['x'], { id: 'x' }).then(() => undefined))
      // Its own node may be the one that ends.
      .catch(() => undefined)
    const gaveUp = async (): Promise<boolean> => {
      const told = await Promise.all(
        cluster.alive.map((node) =>
          node
            .run(({ kept }) =>
              (kept.get('events') as { type: string; id: unknown; reason: unknown }[])
                .filter(({ type }) => type === 'gave_up')
                .map(({ id, reason }) => [id, reason]),
            )
            .catch(() => undefined),
        ),
      )
      return told.every((one) => JSON.stringify(one) === '[["x","node_deaths"]]')
    }
    await eventually(gaveUp, { ...LONG, what: 'all that live hear that it is given up, once,' })
    expect(cluster.alive.length).toBeGreaterThanOrEqual(2)
    // The others serve, and no innocent one was given up.
    await eventually(async () => (await cluster.running()).length === others, LONG)
    const [first] = cluster.alive
    expect(await first!.run(({ workers }) => workers.lookup('x'))).toBeUndefined()
    const lines = cluster.alive.flatMap(({ log }) => log)
    expect(lines.filter((line) => /child 'x' is given up/.test(line))).toHaveLength(1)
    await first!.run(({ workers }) =>
      workers.startChild('Worker', ['y'], { id: 'x' }).then(() => undefined),
    )
  },
)
