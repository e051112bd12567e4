/** Connections that break at a byte of one direction, and dials that are late or arrive twice. */
import { describe, expect, test } from 'vitest'
import type { Connection, ConnectionHandlers } from '../../../src/base/transport.js'
import type { CutPoint } from '../../../src/testing/network-conditions.js'
import { Simulation } from '../../../src/testing/simulation.js'

/** What one end has seen. */
class End implements ConnectionHandlers {
  bytes = 0
  ended: 'no' | 'by an end' | 'by a reset' = 'no'
  opened(): void {}
  received(bytes: Uint8Array): void {
    this.bytes += bytes.length
  }
  closed(error?: NodeJS.ErrnoException): void {
    this.ended = error ? 'by a reset' : 'by an end'
  }
}

async function served(seed = 1) {
  const simulation = new Simulation({ seed })
  const one = simulation.program('h1')
  const accepted: { end: End; connection: Connection }[] = []
  await simulation.program('h2').transport.listen({ host: 'h2', port: 4000 }, (connection) => {
    const end = new End()
    accepted.push({ end, connection })
    return end
  })
  const dial = () => {
    const end = new End()
    return { end, connection: one.transport.dial({ host: 'h2', port: 4000 }, end) }
  }
  return { simulation, dial, accepted }
}

const BYTES = 1_000

describe('a connection that is cut at a byte', () => {
  const points: CutPoint[] = [0, 1, 137, 999].flatMap((afterBytes) =>
    [true, false].flatMap((towardsDialler) =>
      [true, false].map((isGentle) => ({ afterBytes, towardsDialler, isGentle })),
    ),
  )

  test.each(points)(
    '$afterBytes, to the dialler: $towardsDialler, gently: $isGentle',
    async (cut) => {
      const { simulation, dial, accepted } = await served()
      simulation.network.troubleDial('h1', 'h2', { cut })
      const dialled = dial()
      dialled.connection.write(new Uint8Array(cut.towardsDialler ? 0 : BYTES))
      await simulation.runFor(50)
      if (cut.towardsDialler) accepted[0]?.connection.write(new Uint8Array(BYTES))
      await simulation.runFor(1_000)
      const [to, from] = cut.towardsDialler
        ? [dialled.end, accepted[0]?.end]
        : [accepted[0]!.end, dialled.end]
      expect(to.bytes).toBe(cut.afterBytes)
      const how = cut.isGentle ? 'by an end' : 'by a reset'
      expect([to.ended, from?.ended]).toEqual([how, how])
      expect(simulation.network.connections.size).toBe(0)
    },
  )
})

describe('a dial', () => {
  test('that is late opens later, and the next one does not', async () => {
    const { simulation, dial, accepted } = await served()
    simulation.network.troubleDial('h1', 'h2', { lateMs: 500 })
    dial()
    await simulation.runFor(490)
    expect(accepted).toHaveLength(0)
    await simulation.runFor(20)
    expect(accepted).toHaveLength(1)
    dial()
    await simulation.runFor(10)
    expect(accepted).toHaveLength(2)
  })

  test('that arrives twice leaves a silent connection, which can be closed', async () => {
    const { simulation, dial, accepted } = await served()
    simulation.network.troubleDial('h1', 'h2', { isDoubled: true })
    const { connection } = dial()
    await simulation.runFor(10)
    expect(accepted).toHaveLength(2)
    accepted[1]!.connection.write(new Uint8Array(10))
    accepted[1]!.connection.destroy()
    connection.destroy()
    await simulation.runFor(1_000)
    expect(accepted.map(({ end }) => end.ended)).toEqual(['by an end', 'by an end'])
    expect(simulation.network.connections.size).toBe(0)
  })
})
