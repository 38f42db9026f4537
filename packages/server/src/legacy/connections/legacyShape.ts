import type { FrameShape } from '../../delivery/frames/eventFrame.js';
import { textFrame } from '../../delivery/frames/frame.js';
import { withoutFields } from '../../delivery/selection/clearances.js';

/** An event in the format of the legacy endpoints: no id, priority, metadata or position. */
export const LEGACY_SHAPE: FrameShape = {
  name: 'legacy',
  eventFrame: ({ type, data, timestamp }, hidden) =>
    textFrame(JSON.stringify({ type, data: withoutFields(data, hidden), timestamp })),
};
