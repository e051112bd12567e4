/**
 * Two nodes that say nothing for longer than Erlang's patience (`net_ticktime`, 60 s) and ours.
 * In a file of its own, so that it runs while the others do.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Citadel } from '../../src/citadel.js'
import { GenServer } from '../../src/process/gen-server.js'
import { Down } from '../../src/process/system-messages.js'
import { type ErlangNode, erlangMissing } from '../support/erlang.js'
import { ErlangCluster } from '../support/erlang-cluster.js'

const A = 'a@127.0.0.1'
const E = 'e@127.0.0.1'
const IDLE_MS = 75_000

class Echo extends GenServer {
  echo(value: unknown) {
    return value
  }
}

describe.skipIf(erlangMissing())('an idle connection to an Erlang node', () => {
  let cluster: ErlangCluster
  let erlang: ErlangNode
  let a: Citadel

  beforeAll(async () => {
    cluster = await ErlangCluster.start()
    erlang = await cluster.erlang(E)
    a = await cluster.citadel(A)
    await a.spawn(Echo, [], { name: 'echo' })
    await a.connect(E)
  }, 60_000)

  afterAll(() => cluster?.stop())

  test(
    'lives through 75 seconds, with its monitors, and works afterwards',
    async () => {
      expect(await erlang.eval('net_kernel:get_net_ticktime()')).toBe('60')
      const watching = `
        ok = net_kernel:monitor_nodes(true, [{node_type, all}]),
        monitor(process, {echo, '${A}'}),
        gen_server:call({echo, '${A}'}, {echo, 1})`
      expect(await erlang.eval(watching)).toBe('1')
      const server = { name: 'peer', node: E }
      a.monitor(server)
      expect(await a.call(server, 'add', 1)).toBe(2)
      await a.sleep(IDLE_MS)
      expect(await erlang.eval('receive M -> M after 0 -> nothing end')).toBe('nothing')
      const heard = a.receive((message) => message instanceof Down, { timeoutMs: 1 })
      await expect(heard).rejects.toMatchObject({ code: 'timeout' })
      expect(a.nodes()).toEqual([E])
      expect(await erlang.eval(`gen_server:call({echo, '${A}'}, {echo, 2})`)).toBe('2')
      expect(await a.call(server, 'add', 2)).toBe(3)
    },
    IDLE_MS + 30_000,
  )
})
