/** EPMD and the handshake against the real ones: a real `epmd`, a real Erlang node. */
import { execFile } from 'node:child_process'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { systemWorld } from '../../src/base/system-world.js'
import { hasFlag } from '../../src/distribution/flags.js'
import { Epmd } from '../../src/epmd/epmd.js'
import { type BareNodeOptions, dialNode, listenNode } from '../support/dial-node.js'
import {
  type ErlangNode,
  erlangMissing,
  type RealEpmd,
  startEpmd,
  startErlang,
} from '../support/erlang.js'
import { eventually } from '../support/eventually.js'
import { freePort } from '../support/free-port.js'

const world = systemWorld()
const host = '127.0.0.1'
const cookie = 'interop_cookie'

/** Runs Erlang's own tool against an EPMD and answers what it prints. */
const epmdTool = (port: number, command: string): Promise<string> =>
  new Promise((resolve) => {
    const args = ['-port', String(port), command]
    execFile('epmd', args, { timeout: 5_000 }, (_error, stdout) => resolve(stdout))
  })

describe.skipIf(erlangMissing())('with a real EPMD and a real Erlang node', () => {
  let epmd: RealEpmd
  let erlang: ErlangNode
  const open: { close(): Promise<void> | void }[] = []
  let serial = 0

  beforeAll(async () => {
    epmd = await startEpmd()
    erlang = await startErlang({ name: 'e1@127.0.0.1', cookie, epmdPort: epmd.port })
  })

  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one.close()
  })

  afterAll(async () => {
    await erlang?.stop()
    await epmd?.stop()
  })

  function kept<T extends { close(): Promise<void> | void }>(closable: T): T {
    open.push(closable)
    return closable
  }

  /** A name and creation of our own for each connection, so that no test sees another's. */
  const bareNode = (options: Partial<BareNodeOptions> = {}): BareNodeOptions => ({
    world,
    name: `js${++serial}@127.0.0.1`,
    creation: 100 + serial,
    cookie,
    ...options,
  })

  const ourEpmd = (epmdPort = epmd.port): Epmd => kept(new Epmd({ world, epmdPort }))

  async function dialErlang(options: BareNodeOptions) {
    const address = await ourEpmd().lookup(erlang.name)
    if (address === undefined) throw new Error('EPMD does not know the Erlang node')
    const bare = dialNode(options, address, erlang.name)
    kept({ close: () => bare.connection.destroy() })
    return bare
  }

  const knownToErlang = async (name: string): Promise<boolean> =>
    (await erlang.eval(`lists:member('${name}', nodes(hidden))`)) === 'true'

  /** A node that Erlang can find and connect to. */
  async function listening(options: BareNodeOptions) {
    const node = await listenNode(options)
    kept(node.listener)
    kept({
      close() {
        for (const { connection } of node.accepted) connection.destroy()
      },
    })
    const entry = { name: options.name.split('@')[0]!, port: node.listener.address.port }
    await ourEpmd().register(entry)
    return node
  }

  test('the helper evaluates, reports exceptions, and loads modules', async () => {
    expect(await erlang.eval('A = 20, A + 22.')).toBe('42')
    await expect(erlang.eval('1 = 2')).rejects.toThrow(/badmatch/)
    await erlang.load('-module(citadel_probe).\n-export([twice/1]).\ntwice(X) -> X * 2.\n')
    expect(await erlang.eval('citadel_probe:twice(21)')).toBe('42')
    expect(await erlang.eval('[97, <<"blåbær"/utf8>>, \'ø\']')).toContain('blåbær')
  })

  test('registers with the real EPMD, looks up there, and is seen by Erlang', async () => {
    const ours = ourEpmd()
    const lease = await ours.register({ name: 'probe', port: 12345 })
    expect(ours.isEmbedded).toBe(false)
    expect(lease.creation).toBeGreaterThan(0)
    expect((await ours.names()).map(({ name }) => name).sort()).toEqual(['e1', 'probe'])
    expect(await erlang.eval('erl_epmd:names({127,0,0,1})')).toContain('{"probe",12345}')
    expect(await ours.lookup('nobody@127.0.0.1')).toBeUndefined()
    const again = ourEpmd().register({ name: 'e1', port: 1 })
    await expect(again).rejects.toMatchObject({ code: 'name_taken' })
  })

  test('we dial: the handshake completes and Erlang lists us as a hidden node', async () => {
    const node = bareNode()
    const bare = await dialErlang(node)
    await eventually(() => bare.outcome !== undefined)
    expect(bare.outcome).toMatchObject({ type: 'established', peer: { name: erlang.name } })
    await eventually(() => knownToErlang(node.name))
    expect(await erlang.eval('nodes()')).toBe('[]')
    if (bare.outcome?.type !== 'established') throw new Error('refused')
    expect(bare.outcome.peer.creation).toBe(
      Number(await erlang.eval('erlang:system_info(creation)')),
    )
    expect(hasFlag(bare.outcome.flags, 'ALIAS')).toBe(true)
    expect(hasFlag(bare.outcome.flags, 'FRAGMENTS')).toBe(false)
  })

  test('Erlang dials: the handshake completes and connect_node answers true', async () => {
    const node = bareNode()
    const { accepted } = await listening(node)
    expect(await erlang.eval(`net_kernel:connect_node('${node.name}')`)).toBe('true')
    expect(accepted[0]?.outcome).toMatchObject({ type: 'established', peer: { name: erlang.name } })
    expect(await knownToErlang(node.name)).toBe(true)
  })

  test('we dial with another cookie: Erlang closes, and we say what to do', async () => {
    const node = bareNode({ cookie: 'another' })
    const bare = await dialErlang(node)
    await eventually(() => bare.outcome !== undefined)
    expect(bare.outcome).toMatchObject({ type: 'refused', code: 'bad_cookie' })
    expect(await knownToErlang(node.name)).toBe(false)
  })

  test('Erlang dials with another cookie: we refuse, and connect_node answers false', async () => {
    const node = bareNode({ cookie: 'another' })
    const { accepted } = await listening(node)
    expect(await erlang.eval(`net_kernel:connect_node('${node.name}')`)).toBe('false')
    expect(accepted[0]?.outcome).toMatchObject({ type: 'refused', code: 'bad_cookie' })
  })

  test('Erlang dials and is told not_allowed: connect_node answers false', async () => {
    const node = bareNode({ status: 'not_allowed' })
    const { accepted } = await listening(node)
    expect(await erlang.eval(`net_kernel:connect_node('${node.name}')`)).toBe('false')
    expect(accepted[0]?.outcome).toMatchObject({ type: 'refused', reason: 'not_allowed' })
  })

  test('Erlang dials and is told alive: it insists, and the handshake completes', async () => {
    const node = bareNode({ status: 'alive' })
    const { accepted } = await listening(node)
    expect(await erlang.eval(`net_kernel:connect_node('${node.name}')`)).toBe('true')
    expect(accepted[0]?.outcome?.type).toBe('established')
  })

  test('we dial a second time: Erlang says alive, we insist, the new one replaces the old', async () => {
    const node = bareNode()
    const first = await dialErlang(node)
    await eventually(() => knownToErlang(node.name))
    const second = await dialErlang(node)
    await eventually(() => second.outcome !== undefined)
    expect(second.asked).toEqual(['askConflict'])
    expect(second.outcome?.type).toBe('established')
    await eventually(() => first.isClosed)
    await eventually(() => knownToErlang(node.name))
    expect(second.isClosed).toBe(false)
  })

  test('we dial another name than the one that answers: refused', async () => {
    const address = await ourEpmd().lookup(erlang.name)
    const bare = dialNode(bareNode(), address!, 'e9@127.0.0.1')
    await eventually(() => bare.outcome !== undefined)
    expect(bare.outcome).toMatchObject({ type: 'refused', reason: 'wrong_node' })
  })

  test('Erlang uses our embedded EPMD: it registers, is found, and finds us', async () => {
    const epmdPort = await freePort()
    const ours = ourEpmd(epmdPort)
    const node = bareNode({ name: 'host@127.0.0.1' })
    const { listener } = await listenNode(node)
    kept(listener)
    await ours.register({ name: 'host', port: listener.address.port })
    const guest = await startErlang({ name: 'guest@127.0.0.1', cookie, epmdPort })
    kept({ close: () => guest.stop() })
    expect(ours.isEmbedded).toBe(true)
    expect(await ours.lookup('guest@127.0.0.1')).toMatchObject({ host })
    expect(await guest.eval("net_kernel:connect_node('host@127.0.0.1')")).toBe('true')
    expect(await epmdTool(epmdPort, '-names')).toMatch(/name guest at port \d+/)
    await epmdTool(epmdPort, '-kill')
    expect(await ours.names()).toHaveLength(2)
  })

  test('a real EPMD that is killed is replaced, and a real one is never pushed aside', async () => {
    const real = await startEpmd()
    const ours = ourEpmd(real.port)
    await ours.register({ name: 'n1', port: 4001 })
    expect(ours.isEmbedded).toBe(false)
    await real.stop()
    await eventually(() => ours.isEmbedded, { what: 'an embedded EPMD', timeoutMs: 1_000 })
    await eventually(async () => (await ours.names()).length === 1)
    await ours.close()
    const second = await startEpmd(real.port)
    kept({ close: () => second.stop() })
    const later = ourEpmd(real.port)
    await later.register({ name: 'n1', port: 4001 })
    expect(later.isEmbedded).toBe(false)
  })
})
