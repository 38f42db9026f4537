import type {
  Catalogue,
  ClientData,
  ClientMessageType,
  catalogueSchema,
  clientMessages,
  eventsBodySchema,
  FromSchema,
  PublishRequest,
  publishSchema,
  ServerEnvelope,
  ServerMessage,
} from '@unified-ws/protocol';
import { expect } from 'chai';
import type { FromSchema as LibraryType } from 'json-schema-to-ts';

type DeepReadonly<T> = T extends readonly (infer E)[]
  ? readonly DeepReadonly<E>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;

/** True when the two types are identical, optionality and readonly included. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

type Data = { [T in ClientMessageType]: (typeof clientMessages)[T]['data'] };

/** Each must be `true`, or this file does not compile: our small FromSchema says what an established one says. */
const sameAsLibrary: readonly [
  Same<ClientData<'pong'>, DeepReadonly<LibraryType<Data['pong']>>>,
  Same<ClientData<'authenticate'>, DeepReadonly<LibraryType<Data['authenticate']>>>,
  Same<ClientData<'subscribe_events'>, DeepReadonly<LibraryType<Data['subscribe_events']>>>,
  Same<ClientData<'disconnect_user'>, DeepReadonly<LibraryType<Data['disconnect_user']>>>,
  Same<PublishRequest, DeepReadonly<LibraryType<typeof publishSchema>>>,
  Same<Catalogue, DeepReadonly<LibraryType<typeof catalogueSchema>>>,
  Same<FromSchema<typeof eventsBodySchema>, DeepReadonly<LibraryType<typeof eventsBodySchema>>>,
] = [true, true, true, true, true, true, true];

describe('types made from schemas', () => {
  it('agree with an independent reading of the same schemas', () => {
    expect(sameAsLibrary).not.to.include(false);
  });

  it('tell wrong data at compile time', () => {
    const request: PublishRequest = { event_type: 'zone_created', data: {}, priority: 'high' };
    // @ts-expect-error no such priority
    const wrongPriority: PublishRequest = { event_type: 'zone_created', data: {}, priority: 'highest' };
    // @ts-expect-error data is missing
    const noData: PublishRequest = { event_type: 'zone_created' };
    // @ts-expect-error messages without data have none
    const ping: ClientData<'ping'> = { anything: 1 };
    // @ts-expect-error the reply needs all its fields
    const pong: ServerEnvelope<'pong'> = { type: 'pong', data: { timestamp: '' }, timestamp: '' };
    expect([request, wrongPriority, noData, ping, pong]).to.have.length(5);
  });

  it('let a message be told apart by its type', () => {
    const message = {
      type: 'event_accepted',
      data: { event_id: 'e', queue: 'events-0', duplicate: false, payload_differs: false },
      timestamp: '2026-11-22T10:00:00.000Z',
    } satisfies ServerMessage as ServerMessage;
    expect(message.type === 'event_accepted' ? message.data.queue : undefined).to.equal('events-0');
  });
});
