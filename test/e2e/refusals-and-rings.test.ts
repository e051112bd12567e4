/** Between nodes with sockets of their own: a handler that says no, and calls that close a ring. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Citadel, type CitadelError, GenServer, type Pid, Refusal } from '../../src/index.js'
import { eventually } from '../support/eventually.js'
import { freePort } from '../support/free-port.js'
import { LogRecorder } from '../support/log-recorder.js'

class Account extends GenServer {
  #balance = 10

  withdraw(amount: number): number {
    if (amount > this.#balance) {
      throw new Refusal('too_little', 'not that much is left', { left: this.#balance })
    }
    this.#balance -= amount
    return this.#balance
  }
}

/** Calls the first of a path with the rest of it. Whoever would close a ring says so instead. */
class Walker extends GenServer {
  async walk([next, ...rest]: Pid[]): Promise<unknown> {
    if (next === undefined) return 'there'
    return this.citadel.call(next, 'walk', rest).catch((error: CitadelError) => {
      const { code, chain, message } = error
      return { code, chain, message }
    })
  }
}

let nodes: Citadel[]
let log: LogRecorder

beforeEach(async () => {
  log = new LogRecorder()
  nodes = []
  const rest = { cookie: 'rings', epmdPort: await freePort(), logger: log }
  for (const name of ['n1@127.0.0.1', 'n2@127.0.0.1']) {
    nodes.push(await Citadel.start({ name, discovery: false, ...rest }))
  }
  await eventually(() => nodes[1]!.connect(nodes[0]!.name))
})

afterEach(() => Promise.all(nodes.map((node) => node.stop())))

test('two nodes: a refusal arrives with code, message and details, and the process keeps its state', async () => {
  const [one, two] = nodes as [Citadel, Citadel]
  const account = await two.spawn(Account)
  const error = await one.call(account, 'withdraw', 11).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(Refusal)
  expect(error).toMatchObject({
    code: 'too_little',
    message: 'not that much is left',
    details: { left: 10 },
  })
  expect(await one.call(account, 'withdraw', 4)).toBe(6)
  expect(log.lines).toEqual([])
})

test('two nodes: the call that closes a ring is refused at once, with the chain', async () => {
  const [one, two] = nodes as [Citadel, Citadel]
  const a = await one.spawn(Walker)
  const b = await two.spawn(Walker)
  const patient = one.with({ timeoutMs: 60_000 })
  const started = performance.now()
  const refused = (await patient.call(a, 'walk', [b, a])) as CitadelError
  expect(performance.now() - started).toBeLessThan(4_000)
  expect(refused).toMatchObject({
    code: 'call_cycle',
    message: expect.stringMatching(/calls 'walk', .* calls 'walk', and so round/),
  })
  const named = (refused.chain as { pid: Pid }[]).map(({ pid }) => `${pid}`)
  expect(named.sort()).toEqual([`${a}`, `${b}`].sort())
  expect(await one.call(a, 'walk', [b])).toBe('there')
})
