/**
 * Who one is: an answer counts for the start of the node that asked, and only from the node that was
 * asked. Real nodes, one of which is killed and starts again under its name with calls under way.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { silent } from '../../src/base/log.js'
import { systemWorld } from '../../src/base/system-world.js'
import { ControlWriter } from '../../src/distribution/control-writer.js'
import { CITADEL_FLAGS } from '../../src/distribution/flags.js'
import { Citadel, type From, GenServer, noReply, type Pid } from '../../src/index.js'
import { refOfTag } from '../../src/process/gen-protocol.js'
import type { RemoteCall } from '../../src/process/request.js'
import { Atom } from '../../src/term/atom.js'
import { ImproperList } from '../../src/term/improper-list.js'
import type { Ref } from '../../src/term/ref.js'
import { TermWriter } from '../../src/term/term-writer.js'
import { Tuple } from '../../src/term/tuple.js'
import { eventually } from '../support/eventually.js'
import { freePort } from '../support/free-port.js'
import { Intruder } from '../support/intruder.js'
import { HarmedTransport } from '../support/mesh-node.js'

const A = 'a@127.0.0.1'
const B = 'b@127.0.0.1'
const COOKIE = 'who one is'

/** Answers when the test says so, under the word that it was called with. */
class Patient extends GenServer {
  readonly #waiting: { from: From; word: string }[] = []

  ask(word: string): typeof noReply {
    this.#waiting.push({ from: this.from!, word })
    return noReply
  }

  count(): number {
    return this.#waiting.length
  }

  answerAll(): void {
    for (const { from, word } of this.#waiting.splice(0)) this.citadel.reply(from, word)
  }

  /** The reference under which the first waits: what an eavesdropper would know. */
  lastRef(): Ref {
    return refOfTag((this.#waiting.at(-1)!.from as RemoteCall).tag)!
  }
}

let epmdPort: number
let b: Citadel
let patient: Pid<Patient>
const stops: (() => Promise<void>)[] = []

const start = async (name: string, transport?: HarmedTransport): Promise<Citadel> => {
  const world = { ...systemWorld(), ...(transport && { transport }) }
  const options = {
    name,
    cookie: COOKIE,
    epmdPort,
    discovery: false,
    logger: silent,
    world,
  } as const
  const citadel = await Citadel.start(options)
  stops.push(() => citadel.stop({ budgetMs: 0 }))
  return citadel
}

beforeEach(async () => {
  epmdPort = await freePort()
  b = await start(B)
  patient = await b.spawn(Patient, [], { name: 'patient' })
})

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})

const waiting = (count: number) =>
  eventually(async () => (await b.call(patient, 'count')) === count, { what: `${count} wait` })

describe('two nodes: one is killed with calls under way and starts again under its name', () => {
  test('its calls get their own answers, and none that was meant for the earlier start', async () => {
    const transport = new HarmedTransport(systemWorld().transport)
    const first = await start(A, transport)
    expect(await first.connect(B)).toBe(true)
    const old = Array.from({ length: 50 }, (_, n) => first.call(patient, 'ask', `old ${n}`))
    for (const call of old) call.catch(() => {})
    await waiting(50)
    await transport.kill()

    await eventually(() => !b.nodes().includes(A), { what: 'the end is known' })
    const second = await start(A)
    expect(await second.connect(B)).toBe(true)
    const calls = Array.from({ length: 50 }, (_, n) => second.call(patient, 'ask', `new ${n}`))
    await waiting(100)
    // The answers to the earlier start go out first, over the present connection.
    await b.call(patient, 'answerAll')
    expect(await Promise.all(calls)).toEqual(calls.map((_, n) => `new ${n}`))
  })

  test('its monitors and names are not those of the earlier start', async () => {
    const transport = new HarmedTransport(systemWorld().transport)
    const first = await start(A, transport)
    await first.connect(B)
    const early = first.monitor(patient)
    await transport.kill()
    await eventually(() => !b.nodes().includes(A))
    const second = await start(A)
    const late = second.monitor(patient)
    expect(late.equals(early)).toBe(false)
    expect(late.words.slice(0, 2)).not.toEqual(early.words.slice(0, 2))
  })
})

describe('two nodes and a third one with the cookie that forges answers', () => {
  const raw = (evil: Intruder, write: (writer: ControlWriter) => void): void => {
    const out = new TermWriter()
    write(new ControlWriter(out, CITADEL_FLAGS, 1_000_000))
    evil.raw(out.take())
  }

  test('a call is answered by the node that was asked, whoever knows its reference', async () => {
    const a = await start(A)
    await a.connect(B)
    const port = Number(new URL(a.addresses[0]!).port)
    const target = { address: { host: '127.0.0.1', port }, name: A }
    const evil = await Intruder.dial(target, { name: 'evil@127.0.0.1', cookie: COOKIE })
    evil.introduce()
    await eventually(() => a.nodes().includes('evil@127.0.0.1'))

    const call = a.call(patient, 'ask', 'right')
    await waiting(1)
    const ref = await b.call(patient, 'lastRef')
    const forged = new Tuple(new ImproperList([new Atom('alias')], ref), 'forged')
    raw(evil, (writer) => writer.alias(evil.pid, ref, forged))
    raw(evil, (writer) => writer.message(evil.pid, a.self, forged))
    raw(evil, (writer) => writer.message(evil.pid, a.self, new Tuple(ref, 'forged')))
    const reason = new Atom('noproc')
    raw(evil, (writer) => writer.signal({ type: 'down', from: evil.pid, to: a.self, ref, reason }))
    // It goes behind all that on the same connection, so that is handled when it arrives.
    raw(evil, (writer) => writer.message(evil.pid, a.self, 'the last'))
    await a.receive((message) => message === 'the last')
    await b.call(patient, 'answerAll')
    expect(await call).toBe('right')
  })
})
