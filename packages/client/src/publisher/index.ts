export { type EventFault, PublishError, type PublisherCode, type PublishOutcome } from './publishError.js';
export { createPublisher, type Publisher } from './publisher.js';
export type {
  ClosePublisherOptions,
  PublishEvent,
  Published,
  PublisherOptions,
  PublisherTokenReason,
  PublishFailure,
  PublishOptions,
} from './publisherOptions.js';
