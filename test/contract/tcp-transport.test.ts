import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TcpTransport } from '../../src/base/tcp-transport.js'
import type { Address } from '../../src/base/transport.js'
import { eventually } from '../support/eventually.js'
import { transportContract } from './transport.contract.js'

const HIGH_MARK_BYTES = 256 * 1024

/** A program that listens with a queue for one and never accepts: once full, dials hang. */
const DEAF = `
  const server = require('node:net').createServer()
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    require('node:fs').writeSync(1, String(server.address().port))
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60000)
  })`

let deaf: ChildProcess
const fillers: Socket[] = []
let silent: Address | undefined

beforeAll(async () => {
  deaf = spawn(process.execPath, ['-e', DEAF], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [port] = await once(deaf.stdout!, 'data')
  silent = { host: '127.0.0.1', port: Number(port) }
  for (let i = 0; i < 8; i++) fillers.push(connect(silent).on('error', () => {}))
  await eventually(() => fillers.filter((filler) => !filler.connecting).length >= 2)
})

afterAll(() => {
  for (const filler of fillers) filler.destroy()
  deaf.kill('SIGKILL')
})

transportContract('TCP', () => ({
  transport: new TcpTransport({ highMarkBytes: HIGH_MARK_BYTES }),
  host: '127.0.0.1',
  highMarkBytes: HIGH_MARK_BYTES,
  silent,
  until: async (condition) => void (await eventually(condition)),
  settle: () => new Promise((resolve) => setTimeout(resolve, 50)),
  close: async () => {},
}))

describe('the TCP transport', () => {
  test('refuses a high mark that Node.js could not tell the end of', () => {
    expect(() => new TcpTransport({ highMarkBytes: 1024 })).toThrow(/at least 65536/)
  })

  test('cuts a connection whose peer does not take the rest within lingerMs after end', async () => {
    const transport = new TcpTransport({ lingerMs: 50 })
    let isClosed = false
    const listener = await transport.listen({ host: '127.0.0.1', port: 0 }, (connection) => {
      connection.pause()
      return { received() {}, closed() {} }
    })
    const connection = transport.dial(listener.address, {
      opened() {
        connection.write(new Uint8Array(16 * 1024 * 1024))
        connection.end()
      },
      received() {},
      closed() {
        isClosed = true
      },
    })
    await eventually(() => isClosed, { what: 'the end of the connection' })
    await listener.close()
  })
})
