/** Terms of Erlang that are objects with a `toString` of their own here, and refusals that Erlang hears. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Citadel } from '../../src/citadel.js'
import { GenServer, Refusal, Supervisor } from '../../src/index.js'
import { type ErlangNode, erlangMissing } from '../support/erlang.js'
import { compact, ErlangCluster, give } from '../support/erlang-cluster.js'
import { eventually } from '../support/eventually.js'

const A = 'a@127.0.0.1'
const E = 'e@127.0.0.1'
const ODD = '#{toString => 1, valueOf => 1}'

/** It has no `handleCast`. */
class Account extends GenServer {
  withdraw(amount: number): number {
    if (amount > 10) throw new Refusal('too_little', 'not that much is left', { left: 10 })
    return 10 - amount
  }
}

describe.skipIf(erlangMissing())('one node and an Erlang node', () => {
  let cluster: ErlangCluster
  let erlang: ErlangNode
  let a: Citadel

  beforeAll(async () => {
    cluster = await ErlangCluster.start()
    erlang = await cluster.erlang(E)
    a = await cluster.citadel(A)
    await a.connect(E)
    await a.spawn(Account, [], { name: 'account' })
  }, 60_000)

  afterAll(() => cluster?.stop())

  const serves = async (): Promise<void> => {
    expect(await erlang.eval(`gen_server:call({account, '${A}'}, {withdraw, 4})`)).toBe('6')
    await a.registry.register(`key ${a.registry.size}`, a.whereis('account')!)
  }

  test('a refusal is {error, {Code, Message, Details}}, and the process lives', async () => {
    const account = a.whereis('account')!
    const got = await erlang.eval(`gen_server:call({account, '${A}'}, {withdraw, 11})`)
    expect(compact(got)).toBe(
      '{error,{too_little,<<"not that much is left">>,#{<<"left">> => 10}}}',
    )
    expect(a.isAlive(account)).toBe(true)
    await serves()
  })

  test.each(['citadel_rows', 'account'])('two casts of it to %s end nothing', async (name) => {
    const rows = a.whereis('citadel_rows')
    const account = a.whereis('account')
    await erlang.eval(`[gen_server:cast({${name}, '${A}'}, ${ODD}) || _ <- [1, 2]], ok`)
    await serves()
    expect([a.whereis('citadel_rows'), a.whereis('account')]).toEqual([rows, account])
  })

  test('as the exit reason of a process it leaves the local supervisor above it running', async () => {
    const above = await Supervisor.start(a, { children: [{ id: 'child', module: Account }] })
    const childOf = async () => (await a.call(above, 'whichChildren'))[0]?.pid
    const child = (await childOf())!
    await give(a, erlang, child)
    await erlang.eval(`exit(get(pid), ${ODD}), ok`)
    await eventually(async () => {
      const next = await childOf()
      return next !== undefined && !next.equals(child) && a.isAlive(next)
    })
    expect(a.isAlive(above)).toBe(true)
    await serves()
  })
})
