/** The simulated Redis, as discovery uses it: expiry by virtual time, and every way to be unwell. */
import { describe, expect, test } from 'vitest'
import { SimulatedRedis } from '../../../src/testing/simulated-redis.js'
import { Simulation } from '../../../src/testing/simulation.js'

async function connected() {
  const simulation = new Simulation({ seed: 1 })
  const redis = new SimulatedRedis(simulation.timeline, simulation.random.fork('redis'))
  const connection = await redis.open(simulation.program('h1'))
  await simulation.settle(connection.opening)
  const ask = (...command: string[]) => simulation.settle(connection.command(command))
  return { simulation, redis, connection, ask }
}

describe('a simulated Redis', () => {
  test('values last until they expire, members of sets until they are removed', async () => {
    const { simulation, ask } = await connected()
    await ask('SET', 'a', 'OK', 'PX', '1000')
    await ask('SADD', 'names', 'one', 'two')
    await ask('SREM', 'names', 'two')
    expect(await ask('MGET', 'a', 'b')).toEqual(['OK', null])
    await simulation.runFor(1_001)
    expect(await ask('MGET', 'a', 'b')).toEqual([null, null])
    expect(await ask('SMEMBERS', 'names')).toEqual(['one'])
  })

  test('one that is killed breaks its connections, and answers new ones when it is back', async () => {
    const { simulation, redis, connection, ask } = await connected()
    redis.service.kill()
    expect(connection.ready).toBe(false)
    await expect(ask('SMEMBERS', 'names')).rejects.toThrow('ECONNREFUSED')
    redis.service.start()
    await expect(ask('SMEMBERS', 'names')).rejects.toThrow('ECONNRESET')
    const next = await redis.open(simulation.program('h1'))
    await simulation.settle(next.opening)
    expect(await simulation.settle(next.command(['SMEMBERS', 'names']))).toEqual([])
  })

  test('one that is frozen, or out of reach, answers when that is over', async () => {
    const { simulation, redis, connection } = await connected()
    for (const [begin, end] of [
      [() => redis.service.freeze(), () => redis.service.start()],
      [() => redis.service.cutFrom(['h1']), () => redis.service.healAll()],
    ] as const) {
      begin()
      let answer: unknown
      const asked = connection.command(['SMEMBERS', 'names']).then((value) => {
        answer = value
      })
      await simulation.runFor(10_000)
      expect(answer).toBeUndefined()
      end()
      await simulation.settle(asked)
      expect(answer).toEqual([])
    }
  })

  test('an old copy brings back what has gone since', async () => {
    const { redis, ask } = await connected()
    await ask('SADD', 'names', 'one')
    const copy = redis.copy()
    redis.flush()
    expect(await ask('SMEMBERS', 'names')).toEqual([])
    redis.restore(copy)
    expect(await ask('SMEMBERS', 'names')).toEqual(['one'])
  })
})
